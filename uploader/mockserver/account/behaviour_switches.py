"""How the simulated account behaves: the standing rules, what it is, and whom it lets in. Values only.

Where HubSpot's behaviour is documented or was recorded, the default follows it; where nobody knows
(the code says so), the default is the likelier reading and a rule here switches to the other.
Each class is a table of the scenario file: `[rules]`, `[account]`, `[auth]`, `[[properties]]`, `[[owners]]`.
A rule can also be bent for some requests only, by a fault of kind "rules" (see `scenario`).
"""

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from uploader.mockserver.faults.toml_tables import ScenarioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    multi_status: bool = True  #: trace ids turn a whole-batch 400 into a 207 naming the culprits
    email_refuses_partial: bool = False  #: keyed by e-mail, one bad record still refuses the batch
    mixed_trace_ids: Literal["batch", "record"] = "batch"  #: trace ids on some inputs: as none, or as all
    conflict: Literal["record", "batch"] = "record"  #: "batch": 409 for all even with trace ids
    conflict_body: Literal["with_id", "without_id", "identity"] = "with_id"  #: the recorded 409 bodies
    duplicate_ids: Literal["normalised", "raw"] = "normalised"  #: are A@x and a@x duplicates
    results_order: Literal["shuffled", "input"] = "shuffled"  #:
    echo_trace_ids: bool = False  #: results carry objectWriteTraceId
    errors_in_200: bool = False  #: as the 2026-09 paths always do
    errors_listed: bool = True  #: False: a 207 that says nothing of its failures
    errors_without_trace_id: bool = False  #: error entries tied to no input
    group_errors: Literal["none", "trace_ids", "ids"] = "none"  #: one error naming many records
    trace_id_shape: Literal["list", "string", "top_level"] = "list"  #:
    num_errors: Literal["objects", "records", "zero"] = "objects"  #: what numErrors counts
    option_text_bytes: int = 0  #: least length of an INVALID_OPTION message, options made up to fill it
    scope_error_shape: Literal["errors", "context"] = "errors"  #: where a 403 names its scopes
    rate_headers: bool = True  #: any X-HubSpot-RateLimit header at all
    headers_on_429: bool = True  #: whether a refused request gets them, too: nobody says
    daily_headers: bool = True  #: absent for OAuth apps
    remaining_at: Literal["arrival", "answer"] = (
        "arrival"  #: when RateLimit-Remaining is computed: nobody says
    )
    arrival_jitter_seconds: float = 0.0  #: requests take up to so long on their way here
    retry_after_seconds: int | None = None  #: Retry-After on 429; real CRM answers have none
    refused_calls_count: bool = False  #: do 429 answers use up the window
    gzip: bool = False  #: compress for clients that accept it; off, as it costs more than all the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    portal_id: int = 44237313
    app_id: int = 1512050
    account_type: Literal["STANDARD", "DEVELOPER_TEST", "SANDBOX", "APP_DEVELOPER"] = "DEVELOPER_TEST"
    time_zone: str = "US/Eastern"
    currency: str = "USD"
    day_seconds: float | None = None  #: a short "day" for tests; None: local midnight
    daily_used: int = 0  #: requests other apps have made today: the day is shared
    record_limit: int = 15_000_000  #: of each type of object, as `limits/records` tells it; not enforced

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ScenarioError(f"time_zone {self.time_zone!r} is unknown") from None
        if self.day_seconds is not None and self.day_seconds <= 0:
            raise ScenarioError("day_seconds must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """By default any token, client and refresh token will do. A list restricts."""

    tokens: tuple[str, ...] | None = None  #: others are garbage: "expired 20705 day(s) ago"
    expired: tuple[str, ...] = ()  #: tokens that expired 75 seconds ago
    scopes: tuple[str, ...] = (
        "oauth",
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.schemas.contacts.read",
        "crm.objects.companies.read",
        "crm.objects.companies.write",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "crm.objects.custom.read",
        "crm.objects.custom.write",
        "tickets",
        "crm.objects.owners.read",
    )
    client_id: str | None = None
    client_secret: str | None = None
    refresh_tokens: tuple[str, ...] | None = None
    token_lifetime_seconds: int = 1800  #: of access tokens issued by a refresh
    rotates_refresh_tokens: bool = False  #: each refresh replaces the token it was asked by


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraProperty:
    """A property the scenario adds to the default ones, or puts in the place of one."""

    name: str
    object_type: str = "contacts"
    label: str = ""
    type: Literal["string", "number", "bool", "enumeration", "date", "datetime", "phone_number"] = "string"
    multiple: bool = False  #: a multi-checkbox: `a;b`
    owner: bool = False  #: an enumeration of owner ids, whose options are the owners API's
    options: tuple[str, ...] = ()  #: values; the label is the value with a capital
    unique: bool = False  #: hasUniqueValue, so it can be an idProperty
    read_only: bool = False
    sensitive: bool = False  #: hidden from the properties list unless asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody who can own records. Owners of the scenario stand in the place of the default ones."""

    id: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    type: Literal["PERSON", "QUEUE"] = "PERSON"
    archived: bool = False

    def __post_init__(self) -> None:
        if not self.id.isdecimal():
            raise ScenarioError(f"an owner's id is a number, got {self.id!r}")
