"""The first rows of a job, sent alone: what became of them, and what somebody else made of it since.

In    the rows sent, what HubSpot holds of their contacts with its history, the properties' kinds, when it
      began.
Out   a `Review`.
Raise nothing.
Rules Somebody else is whoever wrote after us under another source. Which source is ours is seen in the values
      that we sent. Rows of one contact are judged together: the later one's values count.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec

from uploader.hubspot.schema import Kind
from uploader.hubspot.wire import Result, Version, sent_properties
from uploader.model.canary import LEFT, Sent
from uploader.model.outcomes import WRITTEN, Outcome
from uploader.model.records import Record
from uploader.model.redaction import without_addresses, without_identifiers
from uploader.model.settlements import Tallies
from uploader.records.values.compare import Match, compare

Key = TypeVar("Key")

#: What may be set by workflows where the account's properties may not be asked for.
_LIKELY = ("hs_lead_status", "hubspot_owner_id", "lifecyclestage")
_LINKS = 5
#: A machine's clock may be behind HubSpot's, or ahead of it, by so much.
_CLOCKS_DIFFER_SECONDS = 300.0


def count_sent_rows(tallies: Tallies) -> int:
    """How many rows of a job have left, whatever became of them."""
    return sum(tallies.outcomes[outcome] for outcome in LEFT)


class Change(NamedTuple):
    """Who changed what."""

    property: str
    source: str  #: such as AUTOMATION_PLATFORM
    label: str = ""  #: the source's name, where it has one


@dataclass(slots=True)
class Place:
    """How many contacts, and one of them: the row, and the source's id where it is a change."""

    count: int
    row: int
    source_id: str = ""


@dataclass(slots=True)
class Review:
    """What is shown to the user. Counts are of contacts, but for `rows` and `failed`."""

    rows: int = 0
    as_sent: int = 0
    adjusted: int = 0  #: other than sent by HubSpot's own rules alone
    changed: int = 0  #: by somebody else
    different: int = 0  #: and no history says by whom
    missing: int = 0
    unread: int = 0  #: HubSpot's answers leave them out
    adjustments: dict[tuple[str, str], Place] = field(default_factory=dict)  #: by property and rule
    changes: dict[Change, Place] = field(default_factory=dict)
    differences: dict[str, Place] = field(default_factory=dict)  #: by property
    failed: dict[tuple[Outcome, str], Place] = field(default_factory=dict)  #: rows, by outcome and reason
    missing_rows: list[int] = field(default_factory=list)
    links: tuple[str, ...] = ()

    @property
    def contacts(self) -> int:
        return self.as_sent + self.adjusted + self.changed + self.different + self.missing + self.unread

    @property
    def is_clean(self) -> bool:
        """Whether all is as it was sent, but for HubSpot's own rules."""
        return not (self.failed or self.changed or self.different or self.missing or self.unread)


def confirmed(sent: Iterable[Sent]) -> list[Record]:
    return [one.record for one in sent if one.outcome in WRITTEN]


def history_names(records: Sequence[Record], writable: Iterable[str]) -> list[str]:
    """Properties whose history tells who else wrote: what was sent, and whatever else can be written."""
    names = {name for record in records for name in sent_properties(record)}
    return sorted(names | set(writable or _LIKELY))


def review(
    sent: Sequence[Sent],
    found: Mapping[int, Result | None],
    kinds: Mapping[str, Kind],
    begun_at: float,
) -> Review:
    """`found`: by position, what HubSpot holds of it; None where there is nothing."""
    told = Review(rows=len(sent))
    for one in sent:
        if one.outcome not in WRITTEN:
            reason = without_identifiers(without_addresses(one.reason))
            _count(told.failed, (one.outcome, reason), one.record.row)
    contacts = list(_contacts(confirmed(sent), found))
    ours = _our_source(contacts, kinds, begun_at)
    for contact in contacts:
        _judge(told, contact, kinds, ours, begun_at)
    links = dict.fromkeys(contact.held.url for contact in contacts if contact.held and contact.held.url)
    told.links = tuple(links)[:_LINKS]
    return told


def with_link(result: Result, ui_domain: str, portal: str, type_id: str) -> Result:
    """The same, with the address of its page; as it is where nobody can know that."""
    if result.url or not (ui_domain and portal and type_id and result.id):
        return result
    return msgspec.structs.replace(
        result, url=f"https://{ui_domain}/contacts/{portal}/record/{type_id}/{result.id}"
    )


# --- one contact ---


@dataclass(slots=True)
class _Contact:
    row: int  #: its last
    held: Result | None  #: None: there is no such contact any more
    wanted: dict[str, str]
    is_read: bool = True


class _Source(NamedTuple):
    type: str
    id: str


def _contacts(records: Sequence[Record], found: Mapping[int, Result | None]) -> Iterator[_Contact]:
    """By the contact that HubSpot names, since several keys may lead to one; in file order."""
    made: dict[str, _Contact] = {}
    for record in sorted(records, key=lambda record: record.position):
        held = found.get(record.position)
        contact = made.setdefault(
            held.id if held and held.id else record.values[0],
            _Contact(record.row, held, {}, is_read=record.position in found),
        )
        contact.row = record.row
        contact.wanted |= sent_properties(record)
    yield from made.values()


def _our_source(contacts: Sequence[_Contact], kinds: Mapping[str, Kind], begun_at: float) -> _Source | None:
    """Whoever wrote most of what we sent, since it began if the clocks agree: apps before anybody else."""
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
    """When the canary first wrote to it, by HubSpot's clock."""
    written = [
        version.at
        for name in contact.wanted
        for version in _versions(contact, name)
        if version.at is not None and _Source(version.source, version.source_id) == ours
    ]
    recent = [at for at in written if _is_recent(at, begun_at)]
    return min(recent) if recent else max(written, default=None)


def _changes(contact: _Contact, ours: _Source | None, begun_at: float) -> dict[Change, str]:
    """With the source's id of each."""
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
    told: Review, contact: _Contact, kinds: Mapping[str, Kind], ours: _Source | None, begun_at: float
) -> None:
    if contact.held is None:
        told.missing += contact.is_read
        told.unread += not contact.is_read
        if contact.is_read:
            told.missing_rows.append(contact.row)
        return
    changes = _changes(contact, ours, begun_at)
    adjusted, different = _compared(contact.wanted, contact.held, kinds)
    different -= {change.property for change in changes}
    for change, source_id in changes.items():
        _count(told.changes, change, contact.row, source_id)
    for name, rule in adjusted.items():
        _count(told.adjustments, (name, rule), contact.row)
    for name in different:
        _count(told.differences, name, contact.row)
    told.changed += bool(changes)
    told.different += bool(different and not changes)
    told.adjusted += bool(adjusted and not different and not changes)
    told.as_sent += not (changes or different or adjusted)


def _compared(
    wanted: Mapping[str, str], held: Result, kinds: Mapping[str, Kind]
) -> tuple[dict[str, str], set[str]]:
    """What HubSpot's own rules have adjusted, with the rule, and what is different."""
    adjusted, different = {}, set()
    for name, text in wanted.items():
        there = held.properties.get(name)
        comparison = compare(name, kinds.get(name, Kind()), text, there if isinstance(there, str) else "")
        if comparison.match is Match.ADJUSTED:
            adjusted[name] = comparison.rule
        elif comparison.match is Match.DIFFERS:
            different.add(name)
    return adjusted, different


def _versions(contact: _Contact, name: str) -> Sequence[Version]:
    return contact.held.history.get(name, ()) if contact.held else ()


def _matches(name: str, kinds: Mapping[str, Kind], wanted: str, held: str) -> bool:
    return compare(name, kinds.get(name, Kind()), wanted, held).match is not Match.DIFFERS


def _count(counts: dict[Key, Place], key: Key, row: int, source_id: str = "") -> None:
    counts.setdefault(key, Place(0, row, source_id)).count += 1
