"""HubSpot's forms on the wire: how a request is spelled, and what a reply says. Only spelling lives here.

In    properties and keys as text; a reply's status, headers and body, whatever they hold.
Out   bytes to send; a `Reply` in which every field of the server's is optional.
Raise `decode` raises nothing.
From  https://developers.hubspot.com/docs/api-reference/error-handling and the official OpenAPI schemas
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypedDict

import msgspec
import orjson

from uploader.hubspot.error_objects import ErrorObject, PropertyFault, error_of, errors_of, faults_of
from uploader.hubspot.json_values import (
    as_code,
    as_count,
    as_datetime,
    as_http_date,
    as_moment,
    as_number,
    as_seconds,
    as_text,
)
from uploader.model.records import Properties, Record

#: The documented cap of inputs in one batch (a 101st is answered 400).
MAX_INPUTS = 100
#: The same of a read that asks for property histories (undocumented; a 51st is answered 400).
MAX_INPUTS_WITH_HISTORY = 50
#: By what objects are told apart where no unique property is named.
OWN_ID = "hs_object_id"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one API version keeps what the job needs; `{}` stands for the object type."""

    upsert: str
    update: str
    read: str
    archive: str
    associations: str  #: `{to}` stands for the type of the associated objects
    properties: str
    owners: str
    limits: str
    account: str
    usage: str
    refresh: str
    token_info: str = "/oauth/v2/private-apps/get/access-token-info"  # the same in all versions  # noqa: S105


_TABLES: Mapping[str, Paths] = {
    "v3": Paths(
        upsert="/crm/v3/objects/{}/batch/upsert",
        update="/crm/v3/objects/{}/batch/update",
        read="/crm/v3/objects/{}/batch/read",
        archive="/crm/v3/objects/{}/batch/archive",
        associations="/crm/v4/associations/{}/{to}/batch/read",
        properties="/crm/v3/properties/{}",
        owners="/crm/v3/owners",
        limits="/crm/v3/limits/records",
        account="/account-info/v3/details",
        usage="/account-info/v3/api-usage/daily/private-apps",
        refresh="/oauth/v3/token",
    ),
    "2026-03": Paths(
        upsert="/crm/objects/2026-03/{}/batch/upsert",
        update="/crm/objects/2026-03/{}/batch/update",
        read="/crm/objects/2026-03/{}/batch/read",
        archive="/crm/objects/2026-03/{}/batch/archive",
        associations="/crm/associations/2026-03/{}/{to}/batch/read",
        properties="/crm/properties/2026-03/{}",
        owners="/crm/owners/2026-03",
        limits="/crm/limits/2026-03/records",
        account="/account-info/2026-03/details",
        usage="/account-info/2026-03/api-usage/daily/private-apps",
        refresh="/oauth/2026-03/token",
    ),
    # Its batches answer 200 alone, with the errors in that body: `decode` reads them from any 2xx.
    "2026-09": Paths(
        upsert="/crm/objects/2026-09/{}/batch/upsert",
        update="/crm/objects/2026-09/{}/batch/update",
        read="/crm/objects/2026-09/{}/batch/read",
        archive="/crm/objects/2026-09/{}/batch/archive",
        associations="/crm/associations/2026-09/{}/{to}/batch/read",
        properties="/crm/properties/2026-09/{}",
        owners="/crm/owners/2026-09",
        limits="/crm/limits/2026-09/records",
        account="/account-info/2026-09/details",
        usage="/account-info/2026-09/api-usage/daily/private-apps",
        refresh="/oauth/2026-09/token",
    ),
}
VERSIONS = tuple(_TABLES)


@lru_cache(8)
def paths(version: str, object_type: str) -> Paths:
    """The addresses of an API version for one type of object, by its name or its id, as `Settings` has it."""
    return Paths(*(path.replace("{}", object_type) for path in astuple(_TABLES[version])))


# --- what is sent ---


class _Input(msgspec.Struct, gc=False):
    """The key property is not repeated inside `properties`: with `email` that would overwrite the primary
    address of a contact matched by a secondary one.
    """

    idProperty: str  # noqa: N815
    id: str
    objectWriteTraceId: str  # noqa: N815
    properties: Properties


class _Update(msgspec.Struct, gc=False):
    """Of a record that is there, by HubSpot's own id."""

    id: str
    objectWriteTraceId: str  # noqa: N815
    properties: Properties


_ENCODER = msgspec.json.Encoder()


def encode_batch(records: Sequence[Record]) -> bytes:
    """What batch/upsert takes."""
    inputs = [_Input(one.id_property, one.key, str(one.position), one.properties) for one in records]
    return _ENCODER.encode({"inputs": inputs})


def encode_updates(records: Sequence[Record]) -> bytes:
    """What batch/update takes, of records whose keys are HubSpot's own ids."""
    inputs = [_Update(one.key, str(one.position), one.properties) for one in records]
    return _ENCODER.encode({"inputs": inputs})


def encode_ids(ids: Sequence[str]) -> bytes:
    """What batch/archive takes, and a batch read of associations."""
    return orjson.dumps({"inputs": [{"id": one} for one in ids]})


def encode_read(
    id_property: str, keys: Sequence[str], properties: Sequence[str], history: Sequence[str] = ()
) -> bytes:
    """`id_property` "": the keys are HubSpot's own ids. `history`: what comes with all its versions."""
    body: dict[str, object] = {
        "properties": list(properties),
        "propertiesWithHistory": list(history),
        "inputs": [{"id": key} for key in keys],
    }
    return orjson.dumps({"idProperty": id_property, **body} if id_property else body)


def encode_token_info(token: str) -> bytes:
    return orjson.dumps({"tokenKey": token})


def sent_properties(record: Record) -> dict[str, str]:
    """What a record's input asks HubSpot to store."""
    properties: dict[str, str] = msgspec.to_builtins(record.properties)
    return properties


# --- what comes back ---


@dataclass(frozen=True, slots=True)
class QuotaHeaders:
    """What the rate headers of a reply say; None for what they leave out."""

    limit: int | None = None  #: requests in a window
    remaining: int | None = None  #: of them left
    interval_seconds: float | None = None  #: the window
    daily: int | None = None
    daily_remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the usage endpoint says of the account's day. What is used of it headers tell sooner."""

    limit: int
    resets_at: datetime | None = None


class Version(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"source": "sourceType", "source_id": "sourceId", "label": "sourceLabel"},
):
    """One value of a property's history, and who wrote it."""

    value: str = ""
    timestamp: str = ""
    source: str = ""  #: such as CRM_UI; "" where it isn't told
    source_id: str = ""  #: of an INTEGRATION the app's id
    label: str = ""  #: such as the name of a workflow

    @property
    def at(self) -> float | None:
        """By HubSpot's clock, in seconds since 1970."""
        return as_moment(self.timestamp)


class Result(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "trace_id": "objectWriteTraceId",
        "updated": "updatedAt",
        "created": "createdAt",
        "history": "propertiesWithHistory",
        "associated": "to",  # a list there, which is counted
    },
):
    """One written (or read) object, as the reply names it."""

    id: str
    new: bool = False
    trace_id: str = ""
    properties: Mapping[str, object] = {}  #: all of them, or the one that was to be read
    updated: str = ""  #: a timestamp
    created: str = ""  #: another
    url: str = ""  #: where people see it
    history: Mapping[str, tuple[Version, ...]] = {}  #: of what was asked for with it
    associated: int | None = None  #: in a read of associations: with how many others; None: not said

    def latest(self, name: str) -> Version | None:
        """The version of a property that holds now, where its history was asked for and there is any."""
        return max(self.history.get(name, ()), key=lambda version: version.at or 0.0, default=None)

    @property
    def created_at(self) -> float | None:
        """By HubSpot's clock, in seconds since 1970."""
        return as_moment(self.created)

    @property
    def updated_at(self) -> float | None:
        """By HubSpot's clock, in seconds since 1970."""
        return as_moment(self.updated)


#: What the specification knows of; others are counted together.
BATCH_STATUSES = frozenset({"COMPLETE", "PENDING", "PROCESSING", "CANCELED"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What HubSpot said, or that it said nothing (`status` 0, the reason in `message`)."""

    status: int
    readable: bool = False  #: the body was a JSON object
    maybe_applied: bool = True  #: the request may have reached the server
    barred: bool = False  #: no answer, and trying again can't help: somebody has to mend the way
    quota: QuotaHeaders = QuotaHeaders()
    retry_after_seconds: float | None = None
    date: float | None = None  #: when it was sent, by the server's clock, in seconds since 1970
    correlation_id: str = ""
    accepted: str = ""  #: a timestamp: when HubSpot took it on
    batch_status: str = ""  #: COMPLETE, PENDING, PROCESSING, CANCELED, or "" where the body has none
    results: tuple[Result, ...] = ()
    errors: tuple[ErrorObject, ...] = ()
    num_errors: int = 0
    category: str = ""
    message: str = ""
    policy: str = ""  #: `policyName` of a 429
    faults: tuple[PropertyFault, ...] = ()
    body: Mapping[str, object] | None = None  #: for the answers that are not a batch's

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def accepted_at(self) -> float | None:
        """By the clock of `Result.updated_at`."""
        return as_moment(self.accepted)


def no_reply(reason: str, *, maybe_applied: bool, barred: bool = False) -> Reply:
    """The request ended without an answer: a reset, a time-out, a refused connection."""
    return Reply(status=0, message=reason, maybe_applied=maybe_applied, barred=barred)


#: More values than the answers of a batch, or of all properties, ever have; each costs some 100 bytes.
_MOST_VALUES = 3_000_000


def holds_too_much(body: bytes) -> bool:
    """Whether an answer would take a hundred times its size once it is read."""
    return len(body) > _MOST_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES


#: Of a batch's answer: all properties of its results are read.
ALL_PROPERTIES = "*"


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
    """Read a reply leniently: documented fields are often missing, and edges answer HTML.

    `headers` must look names up without regard to case. `shown`: of a batch's answer, the only property that
    is read of its results, or ALL_PROPERTIES; None for an answer that is no batch's.
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


def decode_usage(body: Mapping[str, object]) -> Usage | None:
    """The day's entry; None where there is none that makes sense."""
    results = body.get("results")
    for entry in results if isinstance(results, list) else []:
        is_sound = isinstance(entry, dict) and entry.get("fetchStatus", "SUCCESS") in _FETCHED
        if is_sound and (limit := as_count(entry.get("usageLimit"))):
            return Usage(limit, as_datetime(as_text(entry.get("resetsAt"))))
    return None


_FETCHED = frozenset({"SUCCESS", "CACHED"})


def whole_error(reply: Reply) -> ErrorObject:
    """A refusing reply's body, in the form of one error object."""
    body = reply.body or {}
    return error_of(body) if body else ErrorObject(category=reply.category, message=reply.message)


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
