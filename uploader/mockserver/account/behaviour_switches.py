"""How the simulated account behaves: its rules, its details, and which tokens it accepts. Values only.

Where HubSpot's behaviour is documented or was recorded, the default follows it. Where it is unknown (the code
says so), the default is the likelier one and a rule switches to the other.
Each class is a table of the scenario file: `[rules]`, `[account]`, `[auth]`, `[[properties]]`,
`[[pipelines]]`, `[[owners]]`, `[[association_labels]]`, `[[association_limits]]`.
A fault of kind "rules" changes a rule for some requests only (see `scenario`).
"""

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from uploader.mockserver.account.object_types import KINDS
from uploader.mockserver.faults.toml_tables import ScenarioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Behaviour that may differ between accounts or is unknown."""

    multi_status: bool = True  #: with trace ids a 207 names the refused records instead of a 400 for all
    email_refuses_partial: bool = False  #: keyed by e-mail, one bad record still refuses the batch
    mixed_trace_ids: Literal["batch", "record"] = "batch"  #: if only some inputs have one
    conflict: Literal["record", "batch"] = "record"  #: "batch": 409 for all even with trace ids
    conflict_body: Literal["with_id", "without_id", "identity"] = "with_id"  #: the recorded 409 bodies
    duplicate_ids: Literal["normalised", "raw"] = "normalised"  #: are A@x and a@x duplicates
    lifecycle: Literal["forward", "any"] = "forward"  #: whether a lifecycle stage may go back
    #: What becomes of a stage of another pipeline than the record's: unknown.
    foreign_stages: Literal["refused", "stored"] = "refused"
    #: Whether a token without the scope gets the definitions of sensitive properties; never their values.
    sensitive_definitions: Literal["listed", "refused"] = "listed"
    respells: bool = False  #: values are stored in HubSpot's own spelling, see `respelling`
    search_lag_seconds: float = 0.0  #: how long after its creation a search finds a record: unknown
    most_links: int = 2_000  #: inputs of a batch of associations; reported, and some say 100
    #: The statuses of such batches: by the schemas, or as reported since August 2025. See `associations`.
    link_statuses: Literal["documented", "reported"] = "documented"
    link_errors: Literal["each", "batch"] = "each"  #: whether a link that is refused refuses its batch
    results_order: Literal["shuffled", "input"] = "shuffled"  #:
    echo_trace_ids: bool = False  #: results carry objectWriteTraceId
    errors_in_200: bool = False  #: as the 2026-09 paths always do
    errors_listed: bool = True  #: False: a 207 without its errors
    errors_without_trace_id: bool = False  #: error entries that name no input
    group_errors: Literal["none", "trace_ids", "ids"] = "none"  #: one error naming many records
    trace_id_shape: Literal["list", "string", "top_level"] = "list"  #:
    num_errors: Literal["objects", "records", "zero"] = "objects"  #: what numErrors counts
    option_text_bytes: int = 0  #: minimum length of an INVALID_OPTION message, filled with invented options
    scope_error_shape: Literal["errors", "context"] = "errors"  #: where a 403 names its scopes
    rate_headers: bool = True  #: any X-HubSpot-RateLimit header at all
    headers_on_429: bool = True  #: whether a refused request gets them, too: unknown
    daily_headers: bool = True  #: absent for OAuth apps
    remaining_at: Literal["arrival", "answer"] = "arrival"  #: when RateLimit-Remaining is computed: unknown
    #: What the usage endpoint lists beside the entry of private apps, or that this entry is of another quota.
    usage: Literal["alone", "among_others", "contradicting"] = "alone"
    arrival_jitter_seconds: float = 0.0  #: maximum travel time of a request
    retry_after_seconds: int | None = None  #: Retry-After on 429; real CRM answers have none
    refused_calls_count: bool = False  #: whether 429 answers count in the window
    reply_form: Literal["recorded", "documented"] = "recorded"  #: as recorded, or as the official schemas
    gzip: bool = False  #: compress for clients that accept it; off, as it costs more than all the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """The details of the account."""

    portal_id: int = 44237313
    app_id: int = 1512050
    account_type: Literal["STANDARD", "DEVELOPER_TEST", "SANDBOX", "APP_DEVELOPER"] = "DEVELOPER_TEST"
    time_zone: str = "US/Eastern"
    currency: str = "USD"
    day_seconds: float | None = None  #: a short "day" for tests; None: local midnight
    country_code: str = ""  #: where values are respelled, of phone numbers without one, such as "49"
    daily_used: int = 0  #: requests of other apps today, which share the quota
    record_limit: int = 15_000_000  #: of each object type, in `limits/records`; not enforced
    companies_from_domains: bool = False  #: contacts get the company of their address's domain
    companies_after_seconds: float = 0.0  #: how long after the write; 0: before the next request

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ScenarioError(f"time_zone {self.time_zone!r} is unknown") from None
        if self.day_seconds is not None and self.day_seconds <= 0:
            raise ScenarioError("day_seconds must be positive")
        if self.companies_after_seconds < 0:
            raise ScenarioError("companies_after_seconds must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The accepted credentials: by default any token, client and refresh token."""

    tokens: tuple[str, ...] | None = None  #: others are garbage: "expired 20705 day(s) ago"
    expired: tuple[str, ...] = ()  #: tokens that expired 75 seconds ago
    scopes: tuple[str, ...] = (
        "oauth",
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.objects.contacts.sensitive.read.v2",
        "crm.objects.contacts.sensitive.write.v2",
        "crm.objects.contacts.highly_sensitive.read.v2",
        "crm.objects.contacts.highly_sensitive.write.v2",
        "crm.schemas.contacts.read",
        "crm.schemas.contacts.write",
        "crm.objects.companies.read",
        "crm.objects.companies.write",
        "crm.schemas.companies.write",
        "crm.schemas.deals.write",
        "crm.schemas.custom.write",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "crm.objects.custom.read",
        "crm.objects.custom.write",
        "tickets",
        "crm.objects.owners.read",
        "crm.lists.read",
        "crm.lists.write",
    )
    client_id: str | None = None
    client_secret: str | None = None
    refresh_tokens: tuple[str, ...] | None = None
    token_lifetime_seconds: int = 1800  #: of access tokens issued by a refresh
    rotates_refresh_tokens: bool = False  #: each refresh replaces the refresh token


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraProperty:
    """A property that the scenario adds to the default ones, or replaces one with."""

    name: str
    object_type: str = "contacts"
    label: str = ""
    type: Literal["string", "number", "bool", "enumeration", "date", "datetime", "phone_number"] = "string"
    multiple: bool = False  #: a multi-checkbox: `a;b`
    checkbox: bool = False  #: a single checkbox (`booleancheckbox`), whatever the type
    owner: bool = False  #: an enumeration of owner ids, whose options are the owners API's
    #: In display order: `value`, whose label is the value with a capital, or `value=label`.
    options: tuple[str, ...] = ()
    unique: bool = False  #: hasUniqueValue, so it can be an idProperty
    read_only: bool = False
    sensitive: bool = False  #: hidden from the properties list unless asked for
    highly_sensitive: bool = False  #: the same, with a scope of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline. Those of the scenario replace the default ones of their object type."""

    object_type: str = "deals"
    id: str
    label: str
    stages: tuple[str, ...]  #: in display order, as the options of a property


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationLabel:
    """A label that admins have defined for the associations between two object types."""

    object_type: str = "contacts"
    to: str = "companies"
    label: str
    inverse: str = ""  #: in the other direction; "": the same

    def __post_init__(self) -> None:
        _check_types(self.object_type, self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationLimit:
    """How many records of a type an admin lets a record be associated with."""

    object_type: str = "contacts"
    to: str = "companies"
    label: str = ""  #: by this label; "": by any
    most: int

    def __post_init__(self) -> None:
        _check_types(self.object_type, self.to)


def _check_types(*names: str) -> None:
    for name in names:
        if name not in {kind.name for kind in KINDS}:
            raise ScenarioError(f"there is no object type {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner. The scenario's owners replace the default ones."""

    id: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    type: Literal["PERSON", "QUEUE"] = "PERSON"
    archived: bool = False

    def __post_init__(self) -> None:
        if not self.id.isdecimal():
            raise ScenarioError(f"an owner's id is a number, got {self.id!r}")
