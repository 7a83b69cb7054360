"""The faults of a scenario, and which requests they affect. Pure: random numbers and times come in.

A scenario file is TOML. All of it is optional; an unknown key is refused.

    [rules]                       # behaviour of every request, see `behaviour_switches.Rules`
    echo_trace_ids = true

    [account]                     # see `behaviour_switches.AccountInfo`
    time_zone = "Europe/Berlin"

    [auth]                        # see `behaviour_switches.Auth`
    tokens = ["pat-na1-mine"]

    [[properties]]                # see `behaviour_switches.ExtraProperty`
    name = "plan"
    type = "enumeration"
    options = ["free", "paid"]

    [[pipelines]]                 # see `behaviour_switches.Pipeline`
    id = "renewals"
    label = "Renewals"
    stages = ["r1=Open", "r2=Closed Won"]

    [[association_labels]]        # see `behaviour_switches.AssociationLabel`
    label = "Billing contact"

    [[association_limits]]        # see `behaviour_switches.AssociationLimit`
    most = 5

    [[owners]]                    # see `behaviour_switches.Owner`
    id = "7"
    email = "ann@x.com"

    [[validations]]               # rules that the 2026-09 paths enforce, see `admin_validation_rules`
    property = "score"
    rule = "MAX_NUMBER"
    arguments = ["100"]

    [[others]]                    # who changes records after we wrote them, see `other_writers`
    who = "workflow"
    property = "hs_lead_status"
    value = "OPEN"

    [[faults]]
    kind = "status"
    status = 503
    rate = 0.02

Which requests a fault affects; every condition given must hold:

    endpoint = "upsert"           # the default; update, create, read, archive, search, properties,
                                  # create_properties, archive_properties, pipelines, validations,
                                  # associations, associate, dissociate, association_labels,
                                  # change_association_labels, lists, change_lists, memberships,
                                  # account, usage, owners, limits, token, any
    rate = 0.02                   # probability, by the server's seed
    every = 10                    # every tenth of the requests that meet the other conditions
    first = 3                     # the first three of them
    requests = [5, 9]             # the fifth to the ninth of them
    from_seconds = 2              # since the first API request, both ends optional
    until_seconds = 4.5
    times = 1                     # affects at most so many requests
    keys = ["a@x.com"]            # only if an input has this id (compared by strip and lower case); a
                                  # record to be created goes by its email, domain or name
    match = { tier = "gold" }     # only if an input has all these property values
    share = 0.01                  # only if an input is among 1 % of all ids, the same ones each time
                                  # (of a link, the id is "FROM-TO", and `match` sees `from` and `to`;
                                  # of a member to be added or removed, it is the record's)

What it does, by `kind` (the classes below hold the keys of each, with their defaults):

    status        answers `status` instead. `shape` picks the body: expired, garbage, missing (401); errors,
                  context (403); with_id, without_id, identity (409); burst, daily (429); json, html, empty
                  (any). Default: 502-504 and 52x are HTML from the edge, the rest JSON
    reset         closes the connection with no answer
    truncate      sends part of the answer, then closes the connection
    drip          sends the answer little by little over `seconds`
    delay         answers after `seconds`, whatever the latency is
    no_op         200, COMPLETE, no results, nothing written
    drop_results  leaves `count` results out
    batch_status  PENDING, PROCESSING or CANCELED, with only a share of the results
    garble        an answer that is not what it should be (`shape`), or says so (`content_type`)
    redirect      to `location`
    reject        refuses the records chosen by keys, match and share (all, if none is given), and no others;
                  of a read, whose inputs have no properties, an error names their ids; members that are
                  refused are reported missing
    rules         changes `[rules]` for these requests: rules = { errors_in_200 = true }

`applied = true`: the write happens although the answer hides it (commit, then fail). `applied = false`: it
does not happen. `late_seconds = 3` with `applied = false`: it happens three seconds later.
If several faults affect one request, all delays, rejections and rules apply, and the first of the others.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar
from zlib import crc32

from uploader.mockserver.account.admin_validation_rules import Validation
from uploader.mockserver.account.behaviour_switches import (
    AccountInfo,
    AssociationLabel,
    AssociationLimit,
    Auth,
    ExtraProperty,
    Owner,
    Pipeline,
    Rules,
)
from uploader.mockserver.faults.other_writers import Other
from uploader.mockserver.faults.toml_tables import ScenarioError, read_table

T = TypeVar("T")

Endpoint: TypeAlias = Literal[
    "upsert",
    "read",
    "update",
    "create",
    "archive",
    "associations",
    "associate",
    "dissociate",
    "association_labels",
    "change_association_labels",
    "lists",
    "change_lists",
    "memberships",
    "search",
    "properties",
    "create_properties",
    "archive_properties",
    "pipelines",
    "validations",
    "account",
    "usage",
    "owners",
    "limits",
    "token",
    "any",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Which requests and records a fault affects."""

    endpoint: Endpoint = "upsert"
    rate: float | None = None
    every: int | None = None
    first: int | None = None
    requests: tuple[int, int] | None = None
    from_seconds: float = 0.0
    until_seconds: float | None = None
    times: int | None = None
    keys: tuple[str, ...] = ()
    match: Mapping[str, str] | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ScenarioError(f"{name} must lie between 0 and 1, got {value}")
        if self.every is not None and self.every < 1:
            raise ScenarioError(f"every must be at least 1, got {self.every}")

    @property
    def picks_records(self) -> bool:
        return bool(self.keys) or self.match is not None or self.share is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    status: int
    shape: Literal[
        "",
        "expired",
        "garbage",
        "missing",
        "errors",
        "context",
        "with_id",
        "without_id",
        "identity",
        "burst",
        "daily",
        "json",
        "html",
        "empty",
    ] = ""
    message: str | None = None
    retry_after_seconds: int | None = None
    applied: bool = False
    late_seconds: float | None = None

    def __post_init__(self) -> None:
        # A 1xx would never end the exchange, and HTTP has no status above 999.
        if not 200 <= self.status <= 999:
            raise ScenarioError(f"status must lie between 200 and 999, got {self.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    applied: bool = False
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    keep_share: float = 0.5
    applied: bool = True
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    seconds: float = 5.0
    applied: bool = True
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOp:
    applied: bool = False
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropResults:
    count: int = 1
    applied: bool = True
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    status: Literal["PENDING", "PROCESSING", "CANCELED", "CANCELLED"] = "PENDING"
    results_share: float = 0.5
    applied: bool = False  #: whether the inputs without a result are written too
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Garble:
    shape: Literal[
        "none", "not_json", "invalid_utf8", "array", "null", "wrong_types", "html", "empty", "huge"
    ] = "none"
    bytes: int = 1_000_000  #: of a huge body
    content_type: str | None = None
    applied: bool = True
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    status: int = 302
    location: str = "/somewhere-else"
    applied: bool = False
    late_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    category: str = "VALIDATION_ERROR"
    message: str = "The record was refused by a rule of the scenario"
    code: str | None = None  #: given: reported as a property value that was not valid
    property: str = "email"
    existing_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """Changes `[rules]` for the affected requests."""

    rules: Mapping[str, object]


Failure: TypeAlias = (
    Status | Reset | Truncate | Drip | NoOp | DropResults | BatchStatus | Garble | Redirect
)  #: one request has at most one of these
Effect: TypeAlias = Failure | Delay | Reject | RuleChange

KINDS: Mapping[str, type[Effect]] = {
    "status": Status,
    "reset": Reset,
    "truncate": Truncate,
    "drip": Drip,
    "delay": Delay,
    "no_op": NoOp,
    "drop_results": DropResults,
    "batch_status": BatchStatus,
    "garble": Garble,
    "redirect": Redirect,
    "reject": Reject,
    "rules": RuleChange,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A trigger and its effect."""

    trigger: Trigger
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario file."""

    rules: Rules = field(default_factory=Rules)
    account: AccountInfo = field(default_factory=AccountInfo)
    auth: Auth = field(default_factory=Auth)
    properties: tuple[ExtraProperty, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    owners: tuple[Owner, ...] = ()
    association_labels: tuple[AssociationLabel, ...] = ()
    association_limits: tuple[AssociationLimit, ...] = ()
    validations: tuple[Validation, ...] = ()
    others: tuple[Other, ...] = ()
    faults: tuple[Fault, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Scenario":
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ScenarioError(f"scenario {path}: {error}") from None
        return cls.parse(document)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Scenario":
        known = {one.name for one in fields(cls)}
        for key in document:
            if key not in known:
                raise ScenarioError(f"scenario: unknown table {key!r} (known: {', '.join(sorted(known))})")
        rules = read_table(Rules, document.get("rules", {}), "[rules]")
        return cls(
            rules=rules,
            account=read_table(AccountInfo, document.get("account", {}), "[account]"),
            auth=read_table(Auth, document.get("auth", {}), "[auth]"),
            properties=_read_tables(ExtraProperty, document, "properties"),
            pipelines=_read_tables(Pipeline, document, "pipelines"),
            owners=_read_tables(Owner, document, "owners"),
            association_labels=_read_tables(AssociationLabel, document, "association_labels"),
            association_limits=_read_tables(AssociationLimit, document, "association_limits"),
            validations=_read_tables(Validation, document, "validations"),
            others=_read_tables(Other, document, "others"),
            faults=tuple(
                _read_fault(table, f"[[faults]] {number}", rules)
                for number, table in enumerate(_tables(document, "faults"), start=1)
            ),
        )


def _tables(document: Mapping[str, Any], name: str) -> Sequence[object]:
    tables = document.get(name, [])
    if not isinstance(tables, list):
        raise ScenarioError(f"scenario: {name} must be a list of tables, written [[{name}]]")
    return tables


def _read_tables(cls: type[T], document: Mapping[str, Any], name: str) -> tuple[T, ...]:
    tables = enumerate(_tables(document, name), start=1)
    return tuple(read_table(cls, table, f"[[{name}]] {number}") for number, table in tables)


def _read_fault(table: object, where: str, rules: Rules) -> Fault:
    if not isinstance(table, Mapping):
        raise ScenarioError(f"{where}: expected a table, got {table!r}")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ScenarioError(f"{where}: kind must be one of {', '.join(KINDS)}, got {kind!r}")
    triggers = {one.name for one in fields(Trigger)}
    trigger = read_table(Trigger, {k: v for k, v in table.items() if k in triggers}, where)
    rest = {k: v for k, v in table.items() if k not in triggers and k != "kind"}
    effect = read_table(KINDS[kind], rest, f"{where} ({kind})")
    if isinstance(effect, RuleChange):
        change_rules(rules, effect, where)  # an unreadable rule is refused now, not during a run
    return Fault(trigger, effect)


def change_rules(rules: Rules, change: RuleChange, where: str = "rules") -> Rules:
    changed = read_table(Rules, change.rules, where)
    return replace(rules, **{name: getattr(changed, name) for name in change.rules})


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a trigger looks at in an input."""

    key: str
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ActiveFaults:
    """The faults that apply to one request."""

    rules: Rules
    failure: Failure | None = None
    delay_seconds: float | None = None
    rejections: Mapping[int, Reject] | None = None  #: by place in `inputs`


class FaultSelector:
    """Selects the faults for each request, and counts how many each has seen and affected."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario = scenario
        self._seed = seed
        self._seen = [0] * len(scenario.faults)
        self._applied = [0] * len(scenario.faults)

    def select(
        self,
        endpoint: str,
        candidates: Sequence[Candidate],
        elapsed_seconds: float,
        random: Callable[[], float],
    ) -> ActiveFaults:
        faults = ActiveFaults(self._scenario.rules)
        for place, fault in enumerate(self._scenario.faults):
            chosen = self._matching_inputs(place, fault.trigger, endpoint, candidates, elapsed_seconds)
            if chosen is None or not self._is_due(place, fault.trigger, random):
                continue
            self._applied[place] += 1
            faults = _add(faults, fault.effect, chosen)
        return faults

    def _matching_inputs(
        self,
        place: int,
        trigger: Trigger,
        endpoint: str,
        candidates: Sequence[Candidate],
        elapsed_seconds: float,
    ) -> Sequence[int] | None:
        """The inputs that the fault affects; None if it does not affect the request."""
        if trigger.endpoint not in ("any", endpoint):
            return None
        if not trigger.from_seconds <= elapsed_seconds:
            return None
        if trigger.until_seconds is not None and elapsed_seconds >= trigger.until_seconds:
            return None
        if not trigger.picks_records:
            return range(len(candidates))
        salt = f"{self._seed}:{place}:"
        return [i for i, candidate in enumerate(candidates) if _picks(trigger, candidate, salt)] or None

    def _is_due(self, place: int, trigger: Trigger, random: Callable[[], float]) -> bool:
        self._seen[place] += 1
        number = self._seen[place]
        if trigger.times is not None and self._applied[place] >= trigger.times:
            return False
        if trigger.every is not None and number % trigger.every:
            return False
        if trigger.first is not None and number > trigger.first:
            return False
        if trigger.requests is not None and not trigger.requests[0] <= number <= trigger.requests[1]:
            return False
        return trigger.rate is None or random() < trigger.rate


def _picks(trigger: Trigger, candidate: Candidate, salt: str) -> bool:
    key = candidate.key.strip().lower()
    if trigger.keys and key not in {wanted.strip().lower() for wanted in trigger.keys}:
        return False
    match = trigger.match or {}
    if any(candidate.properties.get(name) != value for name, value in match.items()):
        return False
    # By a hash, not at random: a record that is refused is refused each time it is sent.
    return trigger.share is None or crc32(f"{salt}{key}".encode()) < trigger.share * 2**32


def _add(faults: ActiveFaults, effect: Effect, chosen: Sequence[int]) -> ActiveFaults:
    match effect:
        case Delay():
            return replace(faults, delay_seconds=effect.seconds)
        case Reject():
            return replace(faults, rejections={**dict.fromkeys(chosen, effect), **(faults.rejections or {})})
        case RuleChange():
            return replace(faults, rules=change_rules(faults.rules, effect))
        case _:
            return faults if faults.failure else replace(faults, failure=effect)
