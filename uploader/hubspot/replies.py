"""Replies of HubSpot, decoded: the types that `reply_decoding` fills. No decision is made here.

From  https://developers.hubspot.com/docs/api-reference/error-handling and the official OpenAPI schemas
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import msgspec

from uploader.hubspot.error_objects import ErrorObject, PropertyFault, error_of
from uploader.hubspot.json_values import as_moment


class QuotaHeaders(msgspec.Struct, frozen=True):
    """The rate limit headers of a reply; None for each that is missing."""

    limit: int | None = None  #: requests in a window
    remaining: int | None = None  #: requests left in this window
    interval_seconds: float | None = None  #: the length of the window
    daily: int | None = None
    daily_remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The account's daily quota, from the usage endpoint. How much of it is used, headers say sooner."""

    limit: int
    used: int = 0
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
    source: str = ""  #: such as CRM_UI; "" where the reply does not say
    source_id: str = ""  #: for INTEGRATION: the app's id
    label: str = ""  #: such as the name of a workflow

    @property
    def at(self) -> float | None:
        """By HubSpot's clock, in seconds since 1970."""
        return as_moment(self.timestamp)


class Associated(
    msgspec.Struct, frozen=True, gc=False, rename={"id": "toObjectId", "types": "associationTypes"}
):
    """A record that another one is associated with."""

    id: str
    types: tuple["AssociationSpec", ...] = ()


class AssociationSpec(msgspec.Struct, frozen=True, gc=False, rename={"type_id": "typeId"}):
    """A type by which two records are associated."""

    category: str = ""
    type_id: int = 0
    label: str | None = None


#: msgspec would copy an empty dict for each result.
_NO_HISTORY: Mapping[str, tuple[Version, ...]] = MappingProxyType({})


class Result(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "trace_id": "objectWriteTraceId",
        "updated": "updatedAt",
        "created": "createdAt",
        "history": "propertiesWithHistory",
        "associated": "to",
        "next": "paging",
    },
):
    """One object in a reply: written or read."""

    id: str
    new: bool = False
    trace_id: str = ""
    properties: Mapping[str, object] = {}  #: those that `Call.shown` asks for
    updated: str = ""  #: a timestamp
    created: str = ""  #: a timestamp
    url: str = ""  #: the object's page in HubSpot
    history: Mapping[str, tuple[Version, ...]] = _NO_HISTORY  #: of the properties read with history
    #: In a read of associations: the other records; None if the reply does not say.
    associated: tuple[Associated, ...] | None = None
    next: object = None  #: in a read of associations: the next page, if there is one

    def latest(self, name: str) -> Version | None:
        """The current version of a property; None where its history was not read or is empty."""
        return max(self.history.get(name, ()), key=lambda version: version.at or 0.0, default=None)

    @property
    def after(self) -> str:
        """In a read of associations: what names the next page; "" after the last one."""
        page = self.next.get("next") if isinstance(self.next, dict) else None
        after = page.get("after") if isinstance(page, dict) else None
        return str(after) if isinstance(after, str | int) else ""

    @property
    def created_at(self) -> float | None:
        """By HubSpot's clock, in seconds since 1970."""
        return as_moment(self.created)

    @property
    def updated_at(self) -> float | None:
        """By HubSpot's clock, in seconds since 1970."""
        return as_moment(self.updated)


#: The specified statuses; others are counted together.
BATCH_STATUSES = frozenset({"COMPLETE", "PENDING", "PROCESSING", "CANCELED"})


class Reply(msgspec.Struct, frozen=True):
    """HubSpot's reply, decoded. `status` 0: no reply came, for the reason in `message`."""

    status: int
    readable: bool = False  #: the body was a JSON object
    maybe_applied: bool = True  #: the request may have reached the server
    misconfigured: bool = False  #: no answer until the proxy or TLS configuration is changed
    quota: QuotaHeaders = QuotaHeaders()
    retry_after_seconds: float | None = None
    date: float | None = None  #: when it was sent, by the server's clock, in seconds since 1970
    correlation_id: str = ""
    accepted: str = ""  #: a timestamp: when HubSpot accepted the request
    batch_status: str = ""  #: COMPLETE, PENDING, PROCESSING, CANCELED, or "" where the body has none
    results: tuple[Result, ...] = ()
    errors: tuple[ErrorObject, ...] = ()
    num_errors: int = 0
    category: str = ""
    message: str = ""
    policy: str = ""  #: `policyName` of a 429
    faults: tuple[PropertyFault, ...] = ()
    body: Mapping[str, object] | None = None  #: for replies other than a batch's

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def accepted_at(self) -> float | None:
        """When HubSpot accepted the request, by its own clock, in seconds since 1970."""
        return as_moment(self.accepted)


def no_reply(reason: str, *, maybe_applied: bool, misconfigured: bool = False) -> Reply:
    """The `Reply` for a request without an answer: a reset, a time-out, a refused connection."""
    return Reply(status=0, message=reason, maybe_applied=maybe_applied, misconfigured=misconfigured)


def whole_error(reply: Reply) -> ErrorObject:
    """The body of an error reply, as one error object."""
    body = reply.body or {}
    return error_of(body) if body else ErrorObject(category=reply.category, message=reply.message)
