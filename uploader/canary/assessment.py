"""Review a canary: compare its contacts with the rows sent, and find what others changed since.

In    the rows sent, their contacts as HubSpot has them now with history, the properties' kinds, the time
      when the canary began.
Out   a `Review`.
Raise nothing.
Rules Others are those who wrote after us under another source. Our own source is recognised by the values
      that we sent. Rows of one contact are judged together: the values of the later row count.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec

from uploader.hubspot.replies import Result, Version
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Kind
from uploader.model.canary import SENT_OUTCOMES, CanaryRow
from uploader.model.outcomes import WRITTEN, Outcome
from uploader.model.records import Record
from uploader.model.redaction import without_addresses, without_identifiers
from uploader.model.settled_rows import Tallies
from uploader.records.values.compare import Match, compare

Key = TypeVar("Key")

#: Properties that workflows often set, for accounts whose properties can't be read.
_LIKELY = ("hs_lead_status", "hubspot_owner_id", "lifecyclestage")
_LINKS = 5
#: How far a machine's clock may differ from HubSpot's.
_CLOCKS_DIFFER_SECONDS = 300.0


def count_sent_rows(tallies: Tallies) -> int:
    """The number of rows of a job that were sent, whatever their outcome."""
    return sum(tallies.outcomes[outcome] for outcome in SENT_OUTCOMES)


class Change(NamedTuple):
    """Who changed what."""

    property: str
    source: str  #: such as AUTOMATION_PLATFORM
    label: str = ""  #: the source's name, where it has one


@dataclass(slots=True)
class Occurrences:
    """A number of contacts, and the row of one of them; for a change, also the id of its source."""

    count: int
    row: int
    source_id: str = ""


@dataclass(slots=True)
class Review:
    """The result, as shown to the user. `rows` and `failed` count rows, the other counts contacts."""

    rows: int = 0
    as_sent: int = 0
    adjusted: int = 0  #: differ from what was sent only by HubSpot's own rules
    changed: int = 0  #: changed by others
    different: int = 0  #: differ, and no history says who changed them
    missing: int = 0
    unread: int = 0  #: missing in HubSpot's replies
    adjustments: dict[tuple[str, str], Occurrences] = field(default_factory=dict)  #: by property and rule
    changes: dict[Change, Occurrences] = field(default_factory=dict)
    differences: dict[str, Occurrences] = field(default_factory=dict)  #: by property
    failed: dict[tuple[Outcome, str], Occurrences] = field(
        default_factory=dict
    )  #: rows, by outcome and reason
    missing_rows: list[int] = field(default_factory=list)
    links: tuple[str, ...] = ()

    @property
    def contacts(self) -> int:
        return self.as_sent + self.adjusted + self.changed + self.different + self.missing + self.unread

    @property
    def is_clean(self) -> bool:
        """Whether all contacts are as sent, HubSpot's own rules apart."""
        return not (self.failed or self.changed or self.different or self.missing or self.unread)


def confirmed(sent: Iterable[CanaryRow]) -> list[Record]:
    return [one.record for one in sent if one.outcome in WRITTEN]


def history_names(records: Sequence[Record], writable: Iterable[str]) -> list[str]:
    """The properties whose history is read: those that were sent, and all that can be written."""
    names = {name for record in records for name in sent_properties(record)}
    return sorted(names | set(writable or _LIKELY))


def review(
    sent: Sequence[CanaryRow],
    found: Mapping[int, Result | None],
    kinds: Mapping[str, Kind],
    begun_at: float,
) -> Review:
    """Review the rows sent. `found`: by position, the contact; None if HubSpot has none."""
    result = Review(rows=len(sent))
    for one in sent:
        if one.outcome not in WRITTEN:
            reason = without_identifiers(without_addresses(one.reason))
            _count(result.failed, (one.outcome, reason), one.record.row)
    contacts = list(_contacts(confirmed(sent), found))
    ours = _our_source(contacts, kinds, begun_at)
    for contact in contacts:
        _judge(result, contact, kinds, ours, begun_at)
    links = dict.fromkeys(contact.held.url for contact in contacts if contact.held and contact.held.url)
    result.links = tuple(links)[:_LINKS]
    return result


def with_link(result: Result, ui_domain: str, portal: str, type_id: str) -> Result:
    """The result with the URL of its page in HubSpot, as far as that is known."""
    if result.url or not (ui_domain and portal and type_id and result.id):
        return result
    return msgspec.structs.replace(
        result, url=f"https://{ui_domain}/contacts/{portal}/record/{type_id}/{result.id}"
    )


# --- one contact ---


@dataclass(slots=True)
class _Contact:
    row: int  #: its last row
    held: Result | None  #: None if the contact does not exist any more
    wanted: dict[str, str]
    is_read: bool = True


class _Source(NamedTuple):
    type: str
    id: str


def _contacts(records: Sequence[Record], found: Mapping[int, Result | None]) -> Iterator[_Contact]:
    """The contacts of the records, in file order. Several keys may lead to one contact."""
    made: dict[str, _Contact] = {}
    for record in sorted(records, key=lambda record: record.position):
        held = found.get(record.position)
        contact = made.setdefault(
            held.id if held and held.id else record.lock_keys[0],
            _Contact(record.row, held, {}, is_read=record.position in found),
        )
        contact.row = record.row
        contact.wanted |= sent_properties(record)
    yield from made.values()


def _our_source(contacts: Sequence[_Contact], kinds: Mapping[str, Kind], begun_at: float) -> _Source | None:
    """The source that wrote most of the values sent, since the canary began if the clocks agree. An app is
    preferred to other sources.
    """
    written = [
        version
        for contact in contacts
        for name, text in contact.wanted.items()
        for version in _versions(contact, name)
        if version.at is not None and _matches(name, kinds, text, version.value)
    ]
    recent = [version for version in written if _is_recent(version.at, begun_at)]
    seen = Counter(_Source(version.source, version.source_id) for version in recent or written).most_common()
    apps = [(source, count) for source, count in seen if source.type in {"INTEGRATION", "API"}]
    return next((source for source, _ in apps or seen), None)


def _is_recent(at: float | None, begun_at: float) -> bool:
    return at is not None and at >= begun_at - _CLOCKS_DIFFER_SECONDS


def _first_write_at(contact: _Contact, ours: _Source | None, begun_at: float) -> float | None:
    """When the canary first wrote to the contact, by HubSpot's clock."""
    written = [
        version.at
        for name in contact.wanted
        for version in _versions(contact, name)
        if version.at is not None and _Source(version.source, version.source_id) == ours
    ]
    recent = [at for at in written if _is_recent(at, begun_at)]
    return min(recent) if recent else max(written, default=None)


def _changes(contact: _Contact, ours: _Source | None, begun_at: float) -> dict[Change, str]:
    """The changes by others since the canary wrote to the contact, each with the id of its source."""
    since = _first_write_at(contact, ours, begun_at)
    if since is None or contact.held is None:
        return {}
    return {
        Change(name, version.source, version.label): version.source_id
        for name, versions in contact.held.history.items()
        for version in versions
        if version.at is not None
        and version.at >= since
        and _Source(version.source, version.source_id) != ours
    }


def _judge(
    result: Review, contact: _Contact, kinds: Mapping[str, Kind], ours: _Source | None, begun_at: float
) -> None:
    """Count the contact in `result`: as sent, adjusted, different, changed, missing or unread."""
    if contact.held is None:
        result.missing += contact.is_read
        result.unread += not contact.is_read
        if contact.is_read:
            result.missing_rows.append(contact.row)
        return
    changes = _changes(contact, ours, begun_at)
    adjusted, different = _compared(contact.wanted, contact.held, kinds)
    different -= {change.property for change in changes}
    for change, source_id in changes.items():
        _count(result.changes, change, contact.row, source_id)
    for name, rule in adjusted.items():
        _count(result.adjustments, (name, rule), contact.row)
    for name in different:
        _count(result.differences, name, contact.row)
    result.changed += bool(changes)
    result.different += bool(different and not changes)
    result.adjusted += bool(adjusted and not different and not changes)
    result.as_sent += not (changes or different or adjusted)


def _compared(
    wanted: Mapping[str, str], held: Result, kinds: Mapping[str, Kind]
) -> tuple[dict[str, str], set[str]]:
    """The properties that HubSpot's own rules adjusted, with the rule; and those that differ."""
    adjusted, different = {}, set()
    for name, text in wanted.items():
        there = held.properties.get(name)
        comparison = compare(name, kinds.get(name, Kind()), text, there if isinstance(there, str) else "")
        if comparison.is_hubspots:
            adjusted[name] = comparison.rule
        elif comparison.match is Match.DIFFERS:
            different.add(name)
    return adjusted, different


def _versions(contact: _Contact, name: str) -> Sequence[Version]:
    return contact.held.history.get(name, ()) if contact.held else ()


def _matches(name: str, kinds: Mapping[str, Kind], wanted: str, held: str) -> bool:
    return compare(name, kinds.get(name, Kind()), wanted, held).match is not Match.DIFFERS


def _count(counts: dict[Key, Occurrences], key: Key, row: int, source_id: str = "") -> None:
    counts.setdefault(key, Occurrences(0, row, source_id)).count += 1
