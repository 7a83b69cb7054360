"""The lists of an account, with their members. No I/O; times are text.

A list's name is unique among the lists that were not deleted, of all object types. An archived record is no
member, and a merged one is where the other was.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from uploader.mockserver.account.associations.targets import known_target
from uploader.mockserver.account.object_store import ObjectStore

#: Lists whose members are told, not computed from filters.
STATIC = ("MANUAL", "SNAPSHOT")
PROCESSING_TYPES = (*STATIC, "DYNAMIC")


@dataclass(slots=True, kw_only=True)
class RecordList:
    """One list. The filters of a dynamic one are not simulated: it stays empty."""

    id: str
    name: str
    store: ObjectStore
    processing_type: str
    created_at: str
    updated_at: str
    version: int = 1
    deleted_at: str = ""
    added: dict[int, str] = field(default_factory=dict)  #: when each record was added

    @property
    def members(self) -> dict[str, str]:
        """The ids of live members in order, and when they were added."""
        found: dict[int, str] = {}
        for record_id, at in self.added.items():
            if (record := self.store.live(str(record_id))) is not None:
                found.setdefault(record.id, at)
        return {str(record_id): found[record_id] for record_id in sorted(found)}

    def add(self, ids: Iterable[int], at: str) -> list[int]:
        """Add records; returns those that were no members."""
        members = self.members
        new = [one for one in dict.fromkeys(ids) if str(one) not in members]
        self.added.update(dict.fromkeys(new, at))
        return new

    def remove(self, ids: Iterable[int]) -> list[int]:
        """Remove records; returns those that were members."""
        wanted = {str(one) for one in ids}
        gone = {int(one) for one in self.members if one in wanted}
        for record_id in list(self.added):
            if (record := self.store.live(str(record_id))) is not None and record.id in gone:
                del self.added[record_id]
        return sorted(gone)


class Lists:
    """The lists of an account."""

    def __init__(self, stores: Mapping[str, ObjectStore]) -> None:
        self._stores = stores
        self._by_id: dict[str, RecordList] = {}
        self._made = 0

    def __iter__(self) -> Iterator[RecordList]:
        """All lists that were not deleted."""
        return (one for one in self._by_id.values() if not one.deleted_at)

    def make(self, name: str, store: ObjectStore, processing_type: str, at: str) -> RecordList:
        """A list that is not yet kept."""
        self._made += 1
        return RecordList(
            id=str(self._made),
            name=name,
            store=store,
            processing_type=processing_type,
            created_at=at,
            updated_at=at,
        )

    def keep(self, made: RecordList) -> None:
        """Keep a list, unless another one has its name by now."""
        if not self.is_taken(made.name):
            self._by_id[made.id] = made

    def by_id(self, list_id: str) -> RecordList | None:
        found = self._by_id.get(list_id)
        return None if found is None or found.deleted_at else found

    def is_taken(self, name: str) -> bool:
        return any(one.name == name for one in self)

    def by_name(self, name: str, store: ObjectStore) -> RecordList | None:
        return next((one for one in self if (one.name, one.store) == (name, store)), None)

    def seed(self, lists: Iterable[Mapping[str, Any]], at: str) -> None:
        """Make lists unchecked: {"name": "VIP", "type": "contacts", "members": [{"email": "a@x.com"}]}.
        ValueError for an unknown record or type.
        """
        for one in lists:
            store = self._stores.get(known_target(one.get("type", "contacts")).name)
            if store is None:
                raise ValueError(f"there are no lists of {one['type']}")
            made = self.make(str(one["name"]), store, str(one.get("processing_type", "MANUAL")), at)
            made.add((store.known(named).id for named in one.get("members", ())), at)
            self.keep(made)

    def shown(self) -> Iterator[dict[str, Any]]:
        """All lists for tests, deleted ones too."""
        for one in self._by_id.values():
            yield {
                "id": one.id,
                "name": one.name,
                "type": one.store.kind.name,
                "processing_type": one.processing_type,
                "deleted": bool(one.deleted_at),
                "members": list(one.members),
            }
