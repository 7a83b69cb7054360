"""What an undo that writes nothing has left out so far: links it would have taken back, records it would have
archived. They keep no record that is looked at after them, as in an undo that writes.

Only types of objects that can keep a record are noted: links of contacts with companies cost nothing.
"""

from collections.abc import Collection

from uploader.hubspot.object_types import type_id
from uploader.undo.associated_records import TYPES

_End = tuple[str, str]  # type and id of a record
_KEEPING = frozenset(type_id(one.name) or one.name for one in TYPES)


class WouldBeGone:
    """Shared by the undo of a job's links, of its records, and of the other steps of a plan."""

    def __init__(self) -> None:
        self._links: set[tuple[_End, _End]] = set()
        self._records: set[_End] = set()

    def add_link(self, one: _End, other: _End) -> None:
        """Note a link between two records, each a type and an id."""
        first, second = _known(one), _known(other)
        if not _KEEPING.isdisjoint({first[0], second[0]}):
            self._links.add((min(first, second), max(first, second)))

    def add_record(self, one: _End) -> None:
        """Note an archived record."""
        if (known := _known(one))[0] in _KEEPING:
            self._records.add(known)

    def left(self, of: _End, to: str, ids: Collection[str]) -> int:
        """How many of the records of a type, given by id, would still be linked with one."""
        first = _known(of)
        ends = [_known((to, one)) for one in ids]
        return sum(
            one not in self._records and (min(first, one), max(first, one)) not in self._links for one in ends
        )


def _known(one: _End) -> _End:
    """The end, with the number of its type where it has one."""
    name, hubspot_id = one
    return type_id(name) or name, hubspot_id
