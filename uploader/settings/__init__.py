"""What a run is told: one frozen value, checked in one place. Reading options or files is not done here.

Raise `SettingsError`, one message per bad field.
"""

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from uploader.errors import SettingsError
from uploader.hubspot.auth import OAuth, TokenFile
from uploader.hubspot.object_types import are_contacts, noun
from uploader.hubspot.proxy import Network
from uploader.hubspot.wire import VERSIONS
from uploader.model.canary import MOST_ROWS
from uploader.model.record import EMAIL
from uploader.pipeline.failure_limits import FailureLimit, Tolerance
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.pipeline.rate.limiter import Quota, parse_quota
from uploader.records.columns import COSTLY, MappingError, Rules
from uploader.records.duplicates import OnDuplicate
from uploader.records.suppression import Suppression
from uploader.records.values.convert import find_zone
from uploader.records.values.datetimes import DateOrder
from uploader.records.write_policy import Only, Overwriting, Policy
from uploader.sources.names import STDIN, is_pattern, is_url, shown, stem

BASE_URL = "https://api.hubapi.com"


class OnLongPause(StrEnum):
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run needs to know. `token` never shows in a repr, a log or an error."""

    sources: tuple[str, ...] = field(repr=False)  #: paths, patterns, URLs (which may hold secrets), "-"
    token: str = field(repr=False)
    given: frozenset[str] = frozenset()  #: of the sources, those that are rows a program hands over, by name
    id_property: str = EMAIL  #: the first of `match`; given alone, the only one
    match: tuple[str, ...] = ()  #: a row's key is the first of these properties it has; contacts: email
    object_type: str = "contacts"
    checkpoint: Path | None = None  #: default: the first source's path + ".checkpoint"
    checkpoint_dir: Path | None = None  #: where such files are, if not beside the first source
    results: Path | None = None  #: default: the first source's path + ".results.csv"
    write_results: bool = True
    base_url: str = BASE_URL
    network: Network = field(default=Network())  #: the way there
    api_version: str = "v3"
    rate: Quota | None = None  #: a cap; None: what the headers allow
    share: float = 1.0  #: of the quota, at most
    daily_reserve: Reserve = field(default=Reserve())  #: requests of a day that are left to other apps
    max_in_flight: int = 256
    mapped: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()  #: where there are any, all other columns are left out
    cleared: frozenset[str] = frozenset()  #: columns whose blanks clear the property
    date_orders: Mapping[str, str] = field(default_factory=dict)  #: by column; "": all that are not named
    decimals: Mapping[str, str] = field(default_factory=dict)  #: in the same way: "." or ","
    timezones: Mapping[str, str] = field(default_factory=dict)  #: in the same way: of times without a zone
    owner_map: Mapping[str, str] = field(default_factory=dict)  #: their owner -> HubSpot's e-mail or id
    #: Option -> the files whose content it is, by name, for a command that is to be typed next
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_bad_value: Literal["reject", "drop"] = "reject"
    include_superseded: bool = False
    on_duplicate: OnDuplicate = OnDuplicate.IN_ORDER
    policy: Policy = Policy.OVERWRITE  #: what may happen to values that HubSpot holds
    policies: Mapping[str, Policy] = field(default_factory=dict)  #: of single columns
    only_records: Only = Only.ALL  #: which of them are written
    skip_unchanged: bool = False
    suppression: Suppression | None = None  #: whom nothing is written to
    #: Column -> values by which a row says the same; none: a usual yes; "*": any
    suppress_where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)  #: property -> its value in all records
    allowed: frozenset[str] = frozenset()  #: properties that cost money, by the user's word
    snapshot: bool = False  #: keep what the contacts held before
    format: Literal["csv", "ndjson", "json"] | None = None  #: None: found
    delimiter: str | None = None  #: None: found
    encoding: str | None = None  #: None: UTF-8, or what is certain
    sheet: str | None = None  #: None: the first one that holds anything
    accept_unfinished_last_line: bool = False  #: of a stream: send it
    portal: str = ""  #: the account it has to be; "": whichever the token is of
    canary: int | None = None  #: rows that are sent first, to be looked at; None: as the account is; 0: none
    canary_wait_seconds: float = 30.0  #: until they are looked at, for workflows to act
    approve_canary: bool = False
    max_failures: FailureLimit = FailureLimit(share=0.2)  # noqa: RUF009  # it is frozen
    tolerate: Tolerance | None = None  #: how many failed rows a finished job may have and be a success
    restart: bool = False
    accept_changed_settings: bool = False
    accept_changed_results: bool = False  #: begin a new results file where the job's own was changed
    on_long_pause: OnLongPause = OnLongPause.STOP
    drain_timeout_seconds: float = 20.0
    max_duration_seconds: float | None = None  #: of one invocation; it stops in order then
    outage_seconds: float = 600.0  #: nothing succeeded for so long: stop
    first_contact_seconds: float = 15.0  #: the same where nothing ever has
    #: Where the next token comes from; None: `token` is all there is
    sign_in: OAuth | TokenFile | None = field(default=None, repr=False)
    offline: bool = False  #: nobody is asked anything, so no token is needed

    def __post_init__(self) -> None:
        if not self.offline and not isinstance(self.sign_in, OAuth):
            check_token(self.token)
        check_base_url(self.base_url)
        self._settle_keys()
        self._check_names()
        self._check_values()
        self._check_people()
        self._check_numbers()
        self._check_sources()
        self._check_files()

    def _settle_keys(self) -> None:
        if not self.match and self.id_property == EMAIL and not are_contacts(self.object_type):
            raise SettingsError(
                f"--object-type {self.object_type}: say with --id-property by which of their properties "
                f"{noun(self.object_type).many} are matched; its values have to be unique (only contacts "
                "have an address)"
            )
        match = self.match or (self.id_property,)
        if self.id_property not in {EMAIL, match[0]}:
            raise SettingsError("say either --match or --id-property, not both")
        object.__setattr__(self, "match", match)
        object.__setattr__(self, "id_property", match[0])

    def _check_names(self) -> None:
        if self.api_version not in VERSIONS:
            raise SettingsError(f"--api-version {self.api_version} is none of {', '.join(VERSIONS)}")
        if "hs_object_id" in self.match:
            raise SettingsError("HubSpot upserts by email or a unique property, not by hs_object_id")
        if len(set(self.match)) < len(self.match):
            raise SettingsError(f"--match {','.join(self.match)} names a property twice")
        keys = [("--id-property" if len(self.match) == 1 else "--match", name) for name in self.match]
        for option, name in (*keys, ("--object-type", self.object_type)):
            if not re.fullmatch(r"[A-Za-z0-9_\-]{1,200}", name):
                raise SettingsError(f"{option} {name!r} is no name HubSpot gives")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise SettingsError("--delimiter takes one character, such as ';'")

    def _check_values(self) -> None:
        for order in self.date_orders.values():
            if order not in set(DateOrder):
                raise SettingsError(f"--date-order {order!r} is none of {', '.join(DateOrder)}")
        for mark in self.decimals.values():
            if mark not in {".", ","}:
                raise SettingsError(f"--decimal {mark!r} is neither . nor ,")
        if self.on_bad_value not in {"reject", "drop"}:
            raise SettingsError(f"--on-bad-value {self.on_bad_value!r} is neither reject nor drop")
        for zone in self.timezones.values():
            try:
                find_zone(zone)
            except MappingError as error:
                raise SettingsError(str(error)) from error
        for said, option in ((self.cleared, "--clear"), (self.only, "--only"), (self.mapped.keys(), "--map")):
            if both := sorted(set(said) & self.ignored):
                raise SettingsError(f"column {both[0]!r} can't be both in {option} and ignored")

    def _check_people(self) -> None:
        if self.suppression is not None and not are_contacts(self.object_type):
            raise SettingsError("--suppress is for contacts: only they have an address")
        for name in self.constants:
            if not re.fullmatch(r"[A-Za-z0-9_\-]{1,200}", name):
                raise SettingsError(f"--set {name!r} is no name HubSpot gives")
        for name in sorted(self.allowed):
            if not name.startswith(COSTLY):
                raise SettingsError(f"--allow {name}: only {COSTLY}... has to be allowed")

    def _check_numbers(self) -> None:
        if self.portal and not re.fullmatch(r"[0-9]{1,20}", self.portal):
            raise SettingsError(f"--portal {self.portal!r} is no account's id, such as 44237313")
        if self.canary is not None and not 0 <= self.canary <= MOST_ROWS:
            raise SettingsError(f"--canary takes a number of rows from 1 to {MOST_ROWS:,}")
        if not 0 < self.share <= 1:
            raise SettingsError("share takes a part of the quota, above 0 and at most 1")
        if not 1 <= self.max_in_flight <= 1_000:
            raise SettingsError("--max-in-flight takes a number from 1 to 1000")
        if self.max_duration_seconds is not None and not 0 < self.max_duration_seconds < math.inf:
            raise SettingsError("--max-duration takes a time above 0, such as 2h30m")
        for option, seconds in (
            ("--drain-timeout", self.drain_timeout_seconds),
            ("--outage-timeout", self.outage_seconds),
            ("first_contact_seconds", self.first_contact_seconds),
            ("--canary-wait", self.canary_wait_seconds),
        ):
            if not 0 <= seconds < math.inf:
                raise SettingsError(f"{option} takes a number of seconds, 0 or more")

    def _check_sources(self) -> None:
        if self.checkpoint is not None and self.checkpoint_dir is not None:
            raise SettingsError("say either --checkpoint or --checkpoint-dir, not both")
        if not self.sources:
            raise SettingsError("name at least one source file (or - for stdin)")
        if self.sources.count("-") > 1:
            raise SettingsError("stdin (-) can be a source only once")
        if STDIN in self.sources and self.checkpoint is None:
            raise SettingsError("reading stdin needs --checkpoint PATH: it has no path to derive one from")
        if STDIN in self.sources and self.on_duplicate is not OnDuplicate.IN_ORDER:
            raise SettingsError(
                f"--on-duplicate {self.on_duplicate} reads all sources before it sends anything, and "
                "stdin (-) can be read only once; give a file"
            )
        self._check_given()
        if self.checkpoint is None and not stem(self.sources[0]).rpartition("/")[2]:
            raise SettingsError(
                f"{shown(self.sources[0])} needs --checkpoint PATH: it has no file name to derive one from"
            )

    def _check_given(self) -> None:
        for name in self.given:
            if not name or not name.isprintable() or name == STDIN or is_pattern(name) or is_url(name):
                raise SettingsError(f"rows need a name of their own, such as crm-export; {name!r} is none")
            if self.sources.count(name) > 1:
                raise SettingsError(f"two sources are named {name!r}; give each a name of its own")
            if self.checkpoint is None:
                raise SettingsError(
                    f"the rows {name!r} need a checkpoint: they have no path to derive one from"
                )
            if self.on_duplicate is not OnDuplicate.IN_ORDER:
                raise SettingsError(
                    f"--on-duplicate {self.on_duplicate} reads all sources before it sends anything, and "
                    f"the rows {name!r} can be read only once; give a file"
                )

    def is_file(self, source: str) -> bool:
        """Whether a source is named by a path."""
        return source != STDIN and not is_url(source) and source not in self.given

    def _check_files(self) -> None:
        """No file may be read and written: --restart would remove a source."""
        named = [("the source", source) for source in self.sources if self.is_file(source)]
        named.append(("the checkpoint", str(self.checkpoint_path)))
        named += [("the results file", str(self.results_path))] if self.results_path else []
        seen: dict[str, str] = {}
        for what, path in named:
            place = os.path.abspath(path)  # noqa: PTH100  # without following links, as the job will open it
            if seen.setdefault(place, what) != what:
                raise SettingsError(f"{path} can't be both {seen[place]} and {what}")

    @property
    def checkpoint_path(self) -> Path:
        return self.checkpoint or self._named(".checkpoint")

    @property
    def results_path(self) -> Path | None:
        if not self.write_results:
            return None
        if self.results is None and (self.sources[0] == STDIN or self.sources[0] in self.given):
            return self.checkpoint_path.with_name(f"{self.checkpoint_path.name}.results.csv")
        return self.results or self._named(".results.csv")

    def _named(self, ending: str) -> Path:
        """A file of the job's own, named after its first source."""
        path = Path(f"{self._stem}{ending}")
        return self.checkpoint_dir / path.name if self.checkpoint_dir else path

    @property
    def _stem(self) -> str:
        """What the job's own files are named after."""
        first = self.sources[0]
        return first if is_pattern(first) and os.path.lexists(first) else stem(first)

    @property
    def looks_first(self) -> bool:
        """Whether contacts are read before they are written."""
        rules = Overwriting(self.policy, self.policies, self.only_records, self.skip_unchanged)
        return rules.needs_reading or self.snapshot

    @property
    def rules(self) -> Rules:
        return Rules(
            match=self.match,
            object_type=self.object_type,
            mapped=self.mapped,
            ignored=self.ignored,
            only=self.only,
            cleared=self.cleared,
            date_orders={column: DateOrder(order) for column, order in self.date_orders.items()},
            decimals=self.decimals,
            timezones=self.timezones,
            owner_map=self.owner_map,
            drop_bad_values=self.on_bad_value == "drop",
            include_superseded=self.include_superseded,
            suppression=self.suppression,
            suppress_where=self.suppress_where,
            constants=self.constants,
            allowed=self.allowed,
        )


def check_token(token: str) -> None:
    """A token travels in a header: visible ASCII only. The text never repeats it."""
    if not token:
        raise SettingsError("no token: set HUBSPOT_ACCESS_TOKEN, or name a file with --token-file")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError("the token holds characters that no HubSpot token has (a line break, a blank?)")


def check_base_url(url: str) -> None:
    """The token goes over TLS only; plain http is for this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"--base-url {url!r} is no URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise SettingsError(f"--base-url {url!r} is no URL such as {BASE_URL}")
    if parts.username or parts.password:
        raise SettingsError("--base-url must not carry a user name or password")
    if parts.scheme == "http" and not _is_loopback(host):
        raise SettingsError(
            f"--base-url {url!r} would send the token unencrypted; use https (http is for localhost only)"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_rate(text: str) -> Quota:
    try:
        return parse_quota(text)
    except ValueError as error:
        raise SettingsError(f"--rate {error}") from error


def parse_match(text: str) -> tuple[str, ...]:
    """Read `NAME,NAME`: properties in the order in which a row is looked at for its key."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise SettingsError(f"--match {text!r} is no list of properties such as external_id,email")
    return names


def parse_failure_limit(text: str) -> FailureLimit:
    """Read `N` or `P%`."""
    count, share = _parse_amount("--max-failures", text)
    return FailureLimit(count=count, share=share)


def parse_tolerance(text: str) -> Tolerance:
    """Read `N` or `P%`."""
    count, share = _parse_amount("--tolerate", text)
    return Tolerance(count=count, share=share)


def parse_reserve(text: str) -> Reserve:
    """Read `N` or `P%`."""
    count, share = _parse_amount("--daily-reserve", text)
    if share == 1:
        raise SettingsError(f"--daily-reserve {text!r} leaves nothing to this job")
    return Reserve(count or 0, share or 0.0)


def parse_duration(text: str) -> float:
    """Read `2h30m`, `90m`, `1d`, `45s` or a number of seconds; seconds come back."""
    found = _DURATION.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise SettingsError(f"--max-duration {text!r} is no time such as 2h30m, 90m or 45s")
    return float(sum(int(one or 0) * size for one, size in zip(found.groups(), _UNITS, strict=True)))


_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s?)?")
#: Seconds of a day, an hour, a minute, a second.
_UNITS = (86_400, 3_600, 60, 1)


def parse_share(text: str) -> float:
    """Read `P%`."""
    count, share = _parse_amount("--share", text)
    if count is not None or not share:
        raise SettingsError(f"--share {text!r} is no share such as 80%")
    return share


def _parse_amount(option: str, text: str) -> tuple[int | None, float | None]:
    found = re.fullmatch(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,6})?)%", text.strip())
    if not found or (found[2] and float(found[2]) > 100):
        raise SettingsError(f"{option} {text!r} is neither a number nor a share such as 5%")
    return (int(found[1]), None) if found[1] else (None, float(found[2]) / 100)
