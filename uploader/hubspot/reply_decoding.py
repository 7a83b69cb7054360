"""What an answer says, read leniently: documented fields are often missing, and edges answer HTML.

In    a reply's status, headers and body, whatever they hold.
Out   a `Reply` in which every field of the server's is optional.
Raise nothing.
From  https://developers.hubspot.com/docs/api-reference/error-handling and the official OpenAPI schemas
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypedDict

import msgspec
import orjson

from uploader.hubspot.error_objects import errors_of, faults_of
from uploader.hubspot.json_values import (
    as_code,
    as_count,
    as_datetime,
    as_http_date,
    as_number,
    as_seconds,
    as_text,
)
from uploader.hubspot.wire import ALL_PROPERTIES, QuotaHeaders, Reply, Result, Usage, Version

#: More values than the answers of a batch, or of all properties, ever have; each costs some 100 bytes.
_MOST_VALUES = 3_000_000


def holds_too_much(body: bytes) -> bool:
    """Whether an answer would take a hundred times its size once it is read."""
    return len(body) > _MOST_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES


class _Body(msgspec.Struct, gc=False, rename="camel"):
    """What is read of an answer that is a JSON object, by its documented names and types."""

    status: str = ""
    results: tuple[Result, ...] = ()
    errors: object = None
    num_errors: int = 0
    requested_at: str = ""
    started_at: str = ""
    correlation_id: str = ""
    category: str = ""
    error_type: str = ""
    message: str = ""
    policy_name: str = ""


def decode(status: int, headers: Mapping[str, str], body: bytes, shown: str | None = None) -> Reply:
    """The reply that these are. `headers` must look names up without regard to case. `shown`: of a batch's
    answer, the only property that is read of its results, or ALL_PROPERTIES; None for one that is no batch's.
    """
    is_ok = 200 <= status < 300
    value: dict[str, object] | None = None
    message = ""
    said = _as_documented(body, shown) if is_ok and shown is not None else None
    if is_other := said is None:
        value, message = _object(body)
        said = _Body() if value is None else _field_by_field(value, shown)
    if 300 <= status < 400:
        message = f"it sends us on{_origin(headers.get('Location', ''))}; redirects are not followed"
    date = as_http_date(headers.get("Date"))
    return Reply(
        status=status,
        readable=value is not None if is_other else True,
        quota=_quota(headers),
        retry_after_seconds=as_seconds(headers.get("Retry-After"), date),
        date=date,
        correlation_id=as_code(said.correlation_id) or as_code(headers.get("x-hubspot-correlation-id", "")),
        accepted=said.requested_at or said.started_at,
        batch_status=_batch_status(said.status) if is_ok else "",
        results=said.results,
        errors=tuple(errors_of(said.errors)) if is_ok else (),
        num_errors=as_count(said.num_errors),
        category=as_code(said.category) or as_code(said.error_type),
        message=message or said.message,
        policy=said.policy_name,
        faults=faults_of(said.message, said.errors),
        body=value,
    )


def _origin(location: str) -> str:
    """Where a redirect leads; its path may hold anything."""
    found = re.match(r"(https?://)(?:[^/?#@]*@)?([a-z0-9.:\[\]-]{1,200})(?=[/?#]|$)", location, re.IGNORECASE)
    return f" to {found[1]}{found[2]}" if found else ""


#: Larger bodies are read field by field: text that is not ASCII may take four times as much to be checked.
_MOST_AT_ONCE_BYTES = 4 * 1024 * 1024


def _as_documented(raw: bytes, shown: str) -> _Body | None:
    """A batch's answer in which all fields are of their documented types; None where one isn't.

    Of a name that an object has twice, the last one holds, as everywhere.
    """
    if len(raw) > _MOST_AT_ONCE_BYTES or not shown.isascii():
        return None
    try:
        if not raw.isascii():
            raw.decode()  # msgspec looks into no text that it passes over
        return _decoder(shown).decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


@lru_cache(16)
def _decoder(shown: str) -> msgspec.json.Decoder[_Body]:
    """It takes ASCII names only: msgspec misses others in a TypedDict."""
    if shown == ALL_PROPERTIES:
        return msgspec.json.Decoder(_Body)
    properties = TypedDict("properties", {shown: str}, total=False)  # type: ignore[misc]
    result = msgspec.defstruct(
        "Result",
        [("properties", properties, {})],
        bases=(Result,),
        frozen=True,
        gc=False,
    )
    results = tuple[result, ...]  # type: ignore[valid-type]
    body = msgspec.defstruct("_Body", [("results", results, ())], bases=(_Body,), gc=False)
    return msgspec.json.Decoder(body)


def _object(raw: bytes) -> tuple[dict[str, object] | None, str]:
    """The object that a body is, or what it is instead."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None, _no_object(raw, is_json=False)
    return (value, "") if isinstance(value, dict) else (None, _no_object(raw, is_json=True))


def _field_by_field(value: Mapping[str, object], shown: str | None) -> _Body:
    """What of an object is of its documented type, or can be taken for it."""
    return _Body(
        status=as_text(value.get("status")),
        results=tuple(_results(value.get("results"), shown)),
        errors=value.get("errors"),
        num_errors=as_count(value.get("numErrors")),
        requested_at=as_text(value.get("requestedAt")),
        started_at=as_text(value.get("startedAt")),
        correlation_id=as_text(value.get("correlationId")),
        category=as_text(value.get("category")),
        error_type=as_text(value.get("errorType")),
        message=as_text(value.get("message")),
        policy_name=as_text(value.get("policyName")),
    )


def _batch_status(status: str) -> str:
    return as_code(status.upper()) or ("" if not status else "UNKNOWN")


def _no_object(raw: bytes, *, is_json: bool) -> str:
    """What came instead of a JSON object, by kind: its content is quoted nowhere."""
    if raw[:100].lstrip()[:1] == b"<":
        return "no JSON object but a web page (is a proxy or a sign-in page in between?)"
    what = "JSON of another kind" if is_json else "malformed JSON, or none" if raw.strip() else "empty"
    return f"an answer that is no JSON object ({what}, {len(raw):,} bytes)"


def _results(value: object, shown: str | None) -> list[Result]:
    if not isinstance(value, list):
        return []
    return [
        Result(
            id=as_text(entry.get("id")) or _from(entry),
            new=entry.get("new") is True,
            trace_id=as_text(entry.get("objectWriteTraceId")),
            properties=_shown(entry.get("properties"), shown),
            updated=updated if isinstance(updated := entry.get("updatedAt"), str) else "",
            created=created if isinstance(created := entry.get("createdAt"), str) else "",
            url=as_text(entry.get("url")),
            history=_history(entry["propertiesWithHistory"]) if "propertiesWithHistory" in entry else {},
            associated=_associated(entry["to"]) if "to" in entry else None,
        )
        for entry in value
        if isinstance(entry, dict)
    ]


def _shown(properties: object, shown: str | None) -> Mapping[str, object]:
    if not isinstance(properties, dict):
        return {}
    if shown is None or shown == ALL_PROPERTIES:
        return properties
    return {shown: properties[shown]} if shown in properties else {}


def _from(entry: Mapping[str, object]) -> str:
    """The id of the record whose associations a result lists."""
    start = entry.get("from")
    return as_text(start.get("id")) if isinstance(start, dict) else ""


def _associated(links: object) -> int | None:
    """Each record once, by however many labels it is associated."""
    if not isinstance(links, list):
        return None
    return len({as_text(link.get("toObjectId")) if isinstance(link, dict) else "" for link in links})


def _history(value: object) -> dict[str, tuple[Version, ...]]:
    return {
        name: tuple(
            Version(
                value=as_text(version.get("value")),
                timestamp=as_text(version.get("timestamp")),
                source=as_text(version.get("sourceType")),
                source_id=as_text(version.get("sourceId")),
                label=as_text(version.get("sourceLabel")),
            )
            for version in versions
            if isinstance(version, dict)
        )
        for name, versions in (value.items() if isinstance(value, dict) else ())
        if isinstance(versions, list)
    }


def _quota(headers: Mapping[str, str]) -> QuotaHeaders:
    interval = as_number(headers.get("X-HubSpot-RateLimit-Interval-Milliseconds"))
    return QuotaHeaders(
        limit=as_number(headers.get("X-HubSpot-RateLimit-Max")),
        remaining=as_number(headers.get("X-HubSpot-RateLimit-Remaining")),
        interval_seconds=interval / 1000 if interval else None,
        daily=as_number(headers.get("X-HubSpot-RateLimit-Daily")),
        daily_remaining=as_number(headers.get("X-HubSpot-RateLimit-Daily-Remaining")),
    )


def decode_usage(body: Mapping[str, object]) -> Usage | None:
    """The day's entry; None where there is none that makes sense."""
    results = body.get("results")
    for entry in results if isinstance(results, list) else []:
        is_sound = isinstance(entry, dict) and entry.get("fetchStatus", "SUCCESS") in _FETCHED
        if is_sound and (limit := as_count(entry.get("usageLimit"))):
            return Usage(limit, as_datetime(as_text(entry.get("resetsAt"))))
    return None


_FETCHED = frozenset({"SUCCESS", "CACHED"})
