"""Which open rows conflict, and so are written one after the other, in file order.

In    open rows in file order (`join`); which of them are settled (`settle`), and need no lock (`leave`).
Out   whether a row has to wait for an earlier one, and which rows need not wait any more.
Rule  Each unique value of an open row belongs to a group, and a group has one tail, its newest row. A new row
      waits for the tail of every group it touches, and is the tail of their union. So each row is waited for
      by one row at most, and all that a row conflicts with is settled when those it waits for are.
      Rows of a group are settled in file order. So the newest row that has a value is the last one to leave
      with it, and nothing is kept of rows that have left.
      A row that is settled and not committed is sent again after a kill. By then a later row must not have
      moved one of its values to another contact. So a row waits for the commit of an earlier one, unless both
      have the same key: they lead to the same contact however often they are sent.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from uploader.model.records import Record


class Group(NamedTuple):
    """A group of several open rows."""

    open_rows: int = 0
    all_rows: int = 0  #: that have ever joined it
    newest: int = 0  #: position of the row that joined it last


class Groups:
    """The groups of the open rows. A row without conflicts costs one entry for each of its values."""

    def __init__(self, *, has_several_keys: bool = False) -> None:
        """`has_several_keys`: rows are matched by several properties."""
        self._has_several_keys = has_several_keys
        self._newest: dict[str, Record] = {}  # value -> the newest open row that has it
        self._next: dict[int, Record] = {}  # position -> the row that waits for this one
        self._later: dict[int, Record] = {}  # position -> a later row of its group: a short way to the tail
        self._awaited: dict[int, int] = {}  # position of a waiting row -> how many rows it waits for
        self._sizes: dict[int, int] = {}  # position of a tail -> open rows of its group, if several
        self._joined: dict[int, int] = {}  # the same: rows of its group that are open or were
        self._settled: set[int] = set()  # positions of rows that are settled and have not left

    @property
    def waiting(self) -> int:
        """Rows that wait for an earlier one."""
        return len(self._awaited)

    @property
    def largest(self) -> Group:
        """The group with most open rows; one of none where no row waits for another."""
        size, tail = max(((size, tail) for tail, size in self._sizes.items()), default=(0, 0))
        return Group(size, self._joined[tail], tail) if size else Group()

    @property
    def linked(self) -> int:
        """Open rows of all groups of several."""
        return sum(self._sizes.values())

    @property
    def is_settled_awaited(self) -> bool:
        """Whether a row waits for one that is settled and has not left."""
        return not self._next.keys().isdisjoint(self._settled)

    def has(self, value: str) -> bool:
        """Whether a row that has not left has the value."""
        return value in self._newest

    def is_awaited(self, record: Record) -> bool:
        """Whether a later row waits for this one."""
        return record.position in self._next

    def must_stay(self, records: Iterable[Record]) -> bool:
        """Whether these rows, settled now, have to stay until their commit.

        A row by its key alone moves no value, and with one match property, later rows that have it have the
        same key. With several, the key of one row may be a value that another row moves. A row stays where an
        earlier row of its group may have stayed.
        """
        if self._has_several_keys or self._settled:
            return True
        return max(map(len, [record.lock_keys for record in records]), default=0) > 1

    def join(self, records: Iterable[Record]) -> list[Record]:
        """Take in the next rows of the file. Returns those that have to wait for an earlier one."""
        newest, waiting = self._newest, []
        for record in records:
            touched = None
            for value in record.lock_keys:
                earlier = newest.setdefault(value, record)
                if earlier is not record:
                    newest[value] = record
                    touched = [*(touched or ()), earlier]
            if touched is not None and self._follow(record, touched):
                waiting.append(record)
        return waiting

    def _follow(self, record: Record, touched: Iterable[Record]) -> bool:
        """Make the row the tail of all groups that it touches. Returns whether it has to wait."""
        tails = {tail.position: tail for tail in map(self._tail, touched)}
        size = joined = 1
        for position, tail in tails.items():
            is_settled = position in self._settled
            size += self._sizes.pop(position, 0 if is_settled else 1)
            joined += self._joined.pop(position, 1)
            self._later[position] = record
            if not (is_settled and _have_same_key(tail, record)):
                self._next[position] = record
                self._awaited[record.position] = self._awaited.get(record.position, 0) + 1
        self._sizes[record.position], self._joined[record.position] = size, joined
        return record.position in self._awaited

    def settle(self, records: Sequence[Record]) -> list[Record]:
        """Settle rows that wait for no other, and stay until `leave`. Returns the rows of the same keys that
        no longer have to wait.
        """
        linked = self._linked(records) if self._sizes else ()
        self._settled.update([record.position for record in records])
        released: list[Record] = []
        for record in linked:
            self._count_off(record)
            following = self._next.get(record.position)
            if following is not None and _have_same_key(record, following):
                released += self._release(record.position)
        return released

    def leave(self, records: Sequence[Record]) -> list[Record]:
        """Remove rows, settled before or now. Returns the rows that no longer have to wait."""
        newest = self._newest
        for record in records:
            for value in record.lock_keys:
                last = newest.pop(value, record)
                if last is not record:
                    newest[value] = last
        if self._sizes:
            return [released for record in self._linked(records) for released in self._leave_group(record)]
        if self._settled:
            self._settled.difference_update([record.position for record in records])
        return []

    def _linked(self, records: Iterable[Record]) -> list[Record]:
        """Return those in groups of several, and those that are settled and have not left."""
        later, sizes, settled = self._later, self._sizes, self._settled
        return [
            record
            for record in records
            if (position := record.position) in later or position in sizes or position in settled
        ]

    def _leave_group(self, record: Record) -> Sequence[Record]:
        """Remove a row from its group. Returns the row that waited for it, if it waits for no other now."""
        position = record.position
        if position in self._settled:
            self._settled.remove(position)
        else:
            self._count_off(record)
        if self._later.pop(position, None) is None:
            self._sizes.pop(position, None)  # the tail is the last one
            self._joined.pop(position, None)
        return self._release(position) if position in self._next else ()

    def _count_off(self, record: Record) -> None:
        """Count a row as settled in its group, if that is one of several."""
        tail = self._tail(record).position
        if tail in self._sizes:
            self._sizes[tail] -= 1

    def _release(self, position: int) -> Sequence[Record]:
        """Return the row that waited for `position`, if it waits for no other row now."""
        record = self._next.pop(position)
        self._awaited[record.position] -= 1
        if self._awaited[record.position]:
            return ()
        del self._awaited[record.position]
        return (record,)

    def _tail(self, record: Record) -> Record:
        """Return the newest row of a record's group, and shorten the path to it for every row passed on
        the way.
        """
        passed = []
        while (later := self._later.get(record.position)) is not None:
            passed.append(record.position)
            record = later
        for position in passed:
            self._later[position] = record
        return record


def _have_same_key(first: Record, second: Record) -> bool:
    return first.lock_keys[0] == second.lock_keys[0]
