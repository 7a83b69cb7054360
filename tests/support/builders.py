"""Builds values for tests: `record(7)`, `batch(3)`, `reply(207, results=[written(0)])`."""

from collections.abc import Mapping, Sequence

import orjson
from multidict import CIMultiDict

from uploader.hubspot.replies import Reply
from uploader.hubspot.reply_decoding import decode
from uploader.model.records import Record, Slice, lock_key
from uploader.model.rows import Mark, Row


def key_of(position: int) -> str:
    return f"person{position}@example.com"


def record(
    position: int,
    key: str | None = None,
    *,
    id_property: str = "email",
    properties: Mapping[str, str] | None = None,
    unique: Mapping[str, str] | None = None,
) -> Record:
    """A record as the mapper makes it; `unique` are further unique properties, which it locks."""
    key = key_of(position) if key is None else key
    unique = unique or {}
    properties = {"firstname": f"First {position}"} if properties is None else properties
    return Record(
        position=position,
        source=0,
        row=position + 2,
        id_property=id_property,
        key=key,
        lock_keys=(
            lock_key(id_property, key),
            *(lock_key(name, value) for name, value in unique.items()),
        ),
        properties={**properties, **unique},
        raw=f"{key},First {position}".encode(),
        size_bytes=100 + sum(map(len, (*properties, *properties.values()))),
    )


def batch(size: int, first: int = 0, *, id_property: str = "email") -> list[Record]:
    return [record(position, id_property=id_property) for position in range(first, first + size)]


def written(
    position: int,
    *,
    new: bool = True,
    by: str = "trace",
    hubspot_id: str | None = None,
    id_property: str = "email",
    key: str | None = None,
) -> dict[str, object]:
    """A result for the record at a position, identified `by` trace id, key or not at all."""
    result: dict[str, object] = {
        "id": hubspot_id or str(1_000 + position),
        "new": new,
        "archived": False,
        "properties": {"lastmodifieddate": "2026-01-01T00:00:00.100Z"},
    }
    if by == "trace":
        result["objectWriteTraceId"] = str(position)
    if by == "key":
        result["properties"] = {id_property: key_of(position) if key is None else key}
    return result


def error(
    message: str = "refused", *, category: str = "VALIDATION_ERROR", **context: object
) -> dict[str, object]:
    """An entry of `errors[]` with this `context`, such as objectWriteTraceId=["3"], ids=[...]."""
    return {"status": "error", "category": category, "message": message, "context": context}


def error_at(position: int, message: str = "refused", **more: object) -> dict[str, object]:
    return error(message, objectWriteTraceId=[str(position)], **more)  # type: ignore[arg-type]


def headers(**named: object) -> CIMultiDict[str]:
    """Rate limit headers, by short names: limit, remaining, interval_ms, retry_after."""
    spelled = {
        "limit": "X-HubSpot-RateLimit-Max",
        "remaining": "X-HubSpot-RateLimit-Remaining",
        "interval_ms": "X-HubSpot-RateLimit-Interval-Milliseconds",
        "daily": "X-HubSpot-RateLimit-Daily",
        "daily_remaining": "X-HubSpot-RateLimit-Daily-Remaining",
        "retry_after": "Retry-After",
        "date": "Date",
        "correlation_id": "X-HubSpot-Correlation-Id",
    }
    return CIMultiDict({spelled[name]: str(value) for name, value in named.items()})


def reply(
    status: int,
    *,
    results: Sequence[object] | None = None,
    errors: Sequence[object] | None = None,
    body: object = None,
    raw: bytes | None = None,
    batch_status: str = "COMPLETE",
    head: Mapping[str, str] | None = None,
    shown: str | None = None,
) -> Reply:
    """A decoded reply to a batch (`results`, `errors`), with any JSON `body`, or of `raw` bytes.

    `shown`: as in `decode`.
    """
    if raw is None:
        if body is None:
            body = {"status": batch_status, "results": list(results or [])}
            if errors is not None:
                body |= {"errors": list(errors), "numErrors": len(errors)}
        raw = orjson.dumps(body)
    return decode(status, CIMultiDict(head or {}), raw, shown)


def row(content: object, number: int = 2, raw: bytes = b"raw") -> Row:
    return Row(number, raw, content)  # type: ignore[arg-type]


def slice_of(first: int, rows: int, *, source: int = 0, start: Mark | None = None) -> Slice:
    """A slice of which only the extent matters; by default its mark is its first position."""
    return Slice(first, rows, source, start or Mark(first * 10, first + 2), [], [])
