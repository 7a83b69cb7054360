"""Decodes replies leniently: documented fields are often missing, and HubSpot's edge replies in HTML.

In    a reply's status, headers and body, with any content.
Out   a `Reply`; every field of the server is optional.
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
from uploader.hubspot.replies import Associated, AssociationSpec, QuotaHeaders, Reply, Result, Usage, Version
from uploader.hubspot.requests import ALL_PROPERTIES

#: More values than any reply to a batch, or of all properties, has; each takes about 100 bytes.
_MOST_VALUES = 3_000_000


def holds_too_much(body: bytes) -> bool:
    """Whether a body has too many values: decoded, it could take a hundred times its size."""
    return len(body) > _MOST_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES


class _Body(msgspec.Struct, gc=False, rename="camel"):
    """The fields decoded from a JSON object, with their documented names and types."""

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
    """Decode a reply. `headers` must ignore the case of names.

    `shown`: for a batch, the property to decode in its results, or ALL_PROPERTIES; None for other replies.
    """
    is_ok = 200 <= status < 300
    value: dict[str, object] | None = None
    message = ""
    fields = _as_documented(body, shown) if is_ok and shown is not None else None
    if is_other := fields is None:
        value, message = _object(body)
        fields = _Body() if value is None else _field_by_field(value, shown)
    if 300 <= status < 400:
        message = f"the server redirects{_origin(headers.get('Location', ''))}; redirects are not followed"
    date = as_http_date(headers.get("Date"))
    return Reply(
        status=status,
        readable=value is not None if is_other else True,
        quota=_quota(headers),
        retry_after_seconds=as_seconds(headers.get("Retry-After"), date),
        date=date,
        correlation_id=as_code(fields.correlation_id) or as_code(headers.get("x-hubspot-correlation-id", "")),
        accepted=fields.requested_at or fields.started_at,
        batch_status=_batch_status(fields.status) if is_ok else "",
        results=fields.results,
        errors=tuple(errors_of(fields.errors)) if is_ok else (),
        num_errors=as_count(fields.num_errors),
        category=as_code(fields.category) or as_code(fields.error_type),
        message=message or fields.message,
        policy=fields.policy_name,
        faults=faults_of(fields.message, fields.errors),
        body=value,
    )


def _origin(location: str) -> str:
    """The host that a redirect leads to, without its path, which may hold secrets."""
    found = re.match(r"(https?://)(?:[^/?#@]*@)?([a-z0-9.:\[\]-]{1,200})(?=[/?#]|$)", location, re.IGNORECASE)
    return f" to {found[1]}{found[2]}" if found else ""


#: Larger bodies are decoded field by field: checking non-ASCII text can take four times their size.
_MOST_AT_ONCE_BYTES = 4 * 1024 * 1024


def _as_documented(raw: bytes, shown: str) -> _Body | None:
    """Decode a batch reply with fields of the documented types; None if one has another type.

    Of two fields with the same name the last one counts, as in other decoders.
    """
    if len(raw) > _MOST_AT_ONCE_BYTES or not shown.isascii():
        return None
    try:
        if not raw.isascii():
            raw.decode()  # msgspec does not check the encoding of text that it skips
        return _decoder(shown).decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


@lru_cache(16)
def _decoder(shown: str) -> msgspec.json.Decoder[_Body]:
    """The decoder for one property. Its name must be ASCII: msgspec misses others in a TypedDict."""
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
    """The JSON object in a body, or None with a text about what the body is."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None, _no_object(raw, is_json=False)
    return (value, "") if isinstance(value, dict) else (None, _no_object(raw, is_json=True))


def _field_by_field(value: Mapping[str, object], shown: str | None) -> _Body:
    """Decode each field that has its documented type, or can be converted."""
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
    """The text about a body that is no JSON object. It does not quote the content."""
    if raw[:100].lstrip()[:1] == b"<":
        return "a web page instead of a JSON object; is there a proxy or a sign-in page in between?"
    what = "JSON of another kind" if is_json else "malformed or no JSON" if raw.strip() else "empty"
    return f"the answer is not a JSON object ({what}, {len(raw):,} bytes)"


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
            next=entry.get("paging"),
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


def _associated(links: object) -> tuple[Associated, ...] | None:
    """The associated records, each once."""
    if not isinstance(links, list):
        return None
    found: dict[str, list[AssociationSpec]] = {}
    for link in links:
        one = link if isinstance(link, dict) else {}
        types = one.get("associationTypes")
        specs = [
            AssociationSpec(
                as_text(spec.get("category")),
                type_id if isinstance(type_id := spec.get("typeId"), int) else 0,
                as_text(spec.get("label")) or None,
            )
            for spec in (types if isinstance(types, list) else [])
            if isinstance(spec, dict)
        ]
        found.setdefault(as_text(one.get("toObjectId")), []).extend(specs)
    return tuple(Associated(one, tuple(specs)) for one, specs in found.items())


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


def decode_next_page(body: Mapping[str, object] | None) -> str:
    """The place of the page that follows in a search; "" after the last one."""
    paging = (body or {}).get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    return as_text(following.get("after")) if isinstance(following, dict) else ""


def decode_usage(body: Mapping[str, object]) -> Usage | None:
    """The daily usage of private apps; None if the reply has no valid entry with that name."""
    results = body.get("results")
    for entry in results if isinstance(results, list) else []:
        if not isinstance(entry, dict) or entry.get("name") != _PRIVATE_APPS:
            continue
        is_sound = entry.get("fetchStatus", "SUCCESS") in _FETCHED
        if is_sound and (limit := as_count(entry.get("usageLimit"))):
            resets_at = as_datetime(as_text(entry.get("resetsAt")))
            return Usage(limit, as_count(entry.get("currentUsage")), resets_at)
    return None


#: Other entries have other limits, and end at other times.
_PRIVATE_APPS = "private-apps-api-calls-daily"
_FETCHED = frozenset({"SUCCESS", "CACHED"})
