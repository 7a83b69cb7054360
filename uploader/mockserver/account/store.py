"""The records of one object type, in memory, found by id and by each unique value. Pure; times are text.

A record's properties are kept as JSON text: a million contacts then take some hundred bytes each where a
dict would take a kilobyte. Values arrive checked and unique values normalised (see `upsert_plan`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from uploader.mockserver.account.properties import normalise

FIRST_ID = 171_596_044_870  # as long as real ids are today
#: The ids of an object type begin where those of no other one do, so that no id stands for two records.
IDS_OF_A_TYPE = 1_000_000_000
MAX_VERSIONS = 20  # of a property's history; the real cap is another
NOTHING: Mapping[str, str] = MappingProxyType({})


class Source(NamedTuple):
    """Who wrote a value, in the form of property histories."""

    type: str
    id: str = ""
    label: str = ""
    user_id: int | None = None

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"sourceType": self.type}
        if self.id:
            document["sourceId"] = self.id
        if self.label:
            document["sourceLabel"] = self.label
        if self.user_id is not None:
            document["updatedByUserId"] = self.user_id
        return document


@dataclass(slots=True, eq=False)
class Record:
    """One record with its history."""

    id: int
    packed: bytes  #: the properties ever written, as JSON
    created_at: str
    updated_at: str
    source: Source  #: who created it
    writes: int = 1
    archived_at: str = ""  #: "" while it is not archived
    additional_emails: tuple[str, ...] = ()
    history: tuple[tuple[str, Source, bytes], ...] = ()  #: all writes; empty if there was only the first
    merged: tuple[int, ...] = ()  #: the records that were merged into it

    @property
    def archived(self) -> bool:
        return bool(self.archived_at)

    @property
    def properties(self) -> dict[str, str]:
        unpacked: dict[str, str] = orjson.loads(self.packed)
        return unpacked

    def value(self, name: str, derived: Mapping[str, str] = NOTHING) -> str | None:  # noqa: PLR0911
        """A property's value as a read shows it: written, kept by HubSpot itself, or `derived`."""
        match name:
            case "hs_object_id":
                return str(self.id)
            case "hs_all_contact_vids":
                return ";".join(map(str, (self.id, *self.merged)))
            case "hs_merged_object_ids":
                return ";".join(map(str, self.merged)) or None
            case "createdate" | "hs_createdate":
                return self.created_at
            case "lastmodifieddate" | "hs_lastmodifieddate":
                return self.updated_at
            case "hs_additional_emails":
                return ";".join(self.additional_emails) or None
            case "hs_object_source":
                return self.source.type
            case "hs_object_source_id":
                return self.source.id or None
        return self.properties.get(name, derived.get(name))

    @property
    def all_writes(self) -> tuple[tuple[str, Source, bytes], ...]:
        """Time, source and values of each write, from the creation on."""
        return self.history or ((self.created_at, self.source, self.packed),)

    def versions(self, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """The versions of each property, newest first (`propertiesWithHistory`)."""
        writes = self.all_writes
        found = [(at, source, orjson.loads(packed)) for at, source, packed in reversed(writes)]
        return {
            name: [
                {"value": values[name], "timestamp": at, **source.as_json()}
                for at, source, values in found
                if name in values
            ]
            for name in names
        }


class Records:
    """The records of one object type."""

    def __init__(
        self,
        unique: Iterable[str],
        multiple: Iterable[str] = (),
        derived: Mapping[str, str] = NOTHING,
        stages: Sequence[str] = (),
        *,
        first_id: int = FIRST_ID,
        shared: str = "",
    ) -> None:
        """`derived`: values that a record has unwritten. `stages`: the lifecycle stages that only advance.
        `shared`: a property that is not unique, and by which records are found all the same.
        """
        self._first_id = first_id
        self._shared = shared
        self._holders: dict[str, dict[int, Record]] = {}  # of each value of the shared property
        self._by_id: dict[int, Record] = {}
        self._archived: dict[int, Record] = {}
        self._merged: dict[int, Record] = {}  # into which record
        self._multiple = frozenset(multiple)
        self._derived = derived
        self._stages = stages
        self._owners: dict[str, dict[str, Record]] = {name: {} for name in unique}

    def __len__(self) -> int:
        return len(self._by_id) - len(self._archived)

    def __iter__(self) -> Iterator[Record]:
        """All records by id, archived ones too; a copy, so records may be written meanwhile."""
        return iter(list(self._by_id.values()))

    def change_properties(
        self,
        unique: Iterable[str],
        multiple: Iterable[str],
        derived: Mapping[str, str],
        stages: Sequence[str],
    ) -> None:
        """Use another set of properties, and index the unique ones again."""
        self._multiple, self._derived, self._stages = frozenset(multiple), derived, stages
        self._owners = {name: {} for name in unique}
        self._holders = {}
        for record in self._by_id.values():
            if not record.archived:
                self._index_values(record, record.properties)

    def by_id(self, record_id: str) -> Record | None:
        """The record with this id, or the one that it was merged into."""
        number = int(record_id) if record_id.isdecimal() else -1
        while number in self._merged:
            number = self._merged[number].id
        return self._by_id.get(number)

    def owner(self, name: str, normalised: str) -> Record | None:
        """The live record with this unique value; `email` also matches additional addresses."""
        return self._owners[name].get(normalised)

    def first_holder(self, normalised: str) -> Record | None:
        """The oldest live record with this value of the shared property."""
        holders = self._holders.get(normalised)
        return holders[min(holders)] if holders else None

    def archived_owner(self, name: str, normalised: str) -> Record | None:
        gone = reversed(self._archived.values())
        return next((one for one in gone if normalise(one.properties.get(name, "")) == normalised), None)

    def create(
        self, values: Mapping[str, str], at: str, source: Source, additional_emails: tuple[str, ...] = ()
    ) -> tuple[Record, dict[str, str]]:
        """Create a record; returns it and its stored values."""
        stored = self._merge({}, values)
        record = Record(self._first_id + len(self._by_id), _pack(stored), at, at, source)
        record.additional_emails = additional_emails
        self._by_id[record.id] = record
        self._index_values(record, stored)
        return record, stored

    def update(self, record: Record, values: Mapping[str, str], at: str, source: Source) -> dict[str, str]:
        """Write values; returns the stored ones. The lifecycle stage never goes back."""
        before = record.properties
        after = self._merge(before, values)
        self._unindex_values(record, before, values)
        self._change_primary(record, before.get("email", ""), after.get("email", ""))
        stored = {name: after[name] for name in values}
        record.history = (*record.all_writes, (at, source, _pack(stored)))[-MAX_VERSIONS:]
        record.packed = _pack(after)
        record.updated_at = at
        record.writes += 1
        self._index_values(record, after)
        return stored

    def archive(self, record: Record, at: str) -> None:
        if record.archived:
            return
        properties = record.properties
        self._unindex_values(record, properties, properties)
        for address in record.additional_emails:
            self._owners["email"].pop(address, None)
        record.archived_at = at
        self._archived[record.id] = record

    def merge(self, primary: Record, other: Record, at: str) -> Record:
        """Merge two records into a new one, as HubSpot has done since 2025.

        The primary's values win. The new record has a new id, which the two old ids lead to, both histories,
        and the older creation time.
        """
        values = {**other.properties, **{name: text for name, text in primary.properties.items() if text}}
        for record in (primary, other):
            self.archive(record, at)
        made = Record(
            self._first_id + len(self._by_id),
            _pack(values),
            min(primary.created_at, other.created_at),
            at,
            primary.source,
            history=tuple(sorted((*other.all_writes, *primary.all_writes), key=lambda one: one[0]))[
                -MAX_VERSIONS:
            ],
            merged=(primary.id, other.id, *primary.merged, *other.merged),
        )
        addresses = (*primary.additional_emails, other.properties.get("email", ""), *other.additional_emails)
        made.additional_emails = tuple(address for address in addresses if address)
        self._by_id[made.id] = made
        self._merged |= {primary.id: made, other.id: made}
        self._index_values(made, values)
        return made

    def _merge(self, before: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
        return merge(before, values, self._multiple, self._derived, self._stages)

    def _index_values(self, record: Record, values: Mapping[str, str]) -> None:
        for name, owners in self._owners.items():
            if name in values and (value := values[name]):
                owners[normalise(value)] = record
        for address in record.additional_emails:
            self._owners["email"][address] = record
        if shared := values.get(self._shared):
            self._holders.setdefault(normalise(shared), {})[record.id] = record

    def _unindex_values(self, record: Record, before: Mapping[str, str], changed: Mapping[str, str]) -> None:
        for name, owners in self._owners.items():
            if name in changed and owners.get(old := normalise(before.get(name, ""))) is record:
                del owners[old]
        if self._shared in changed:
            self._holders.get(normalise(before.get(self._shared, "")), {}).pop(record.id, None)

    def _change_primary(self, record: Record, old: str, new: str) -> None:
        """An additional address written as `email` becomes the primary one; the two swap."""
        if new in record.additional_emails:
            others = (address for address in record.additional_emails if address != new)
            record.additional_emails = (*others, old) if old else tuple(others)


def _pack(values: Mapping[str, str]) -> bytes:
    # The join copies: the bytes that `dumps` returns keep a buffer of a kilobyte alive.
    return b"".join((orjson.dumps(values), b""))


def merge(
    before: Mapping[str, str],
    values: Mapping[str, str],
    multiple: frozenset[str],
    derived: Mapping[str, str] = NOTHING,
    stages: Sequence[str] = (),
) -> dict[str, str]:
    """The values after a write: `""` clears, `;a` appends to a multi-checkbox, the lifecycle only advances in
    `stages`.
    """
    after = {**before, **values}
    stage = values.get("lifecyclestage")
    if stage:
        current = before.get("lifecyclestage", derived.get("lifecyclestage", "") if before else "")
        if {stage, current} <= set(stages) and stages.index(stage) < stages.index(current):
            after["lifecyclestage"] = current
    if not multiple.isdisjoint(values):
        for name in multiple & values.keys():
            after[name] = _choices(before.get(name, ""), values[name])
    return after


def _choices(before: str, value: str) -> str:
    if not value.startswith(";"):
        return value
    added = value.removeprefix(";").split(";")
    return ";".join(dict.fromkeys([*filter(None, before.split(";")), *added]))
