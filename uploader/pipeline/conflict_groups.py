"""Which open rows conflict, and so are written one after the other, in file order.

In    open rows in file order (`join`); which of them are settled (`leave`).
Out   whether a row has to wait for an earlier one, and which rows need not wait any more.
Rule  Each unique value of an open row belongs to a group, and a group has one tail, its newest row. A new row
      waits for the tail of every group it touches, and is the tail of their union. So each row is waited for
      by one row at most, and all that a row conflicts with is settled when those it waits for are.
      Rows of a group are settled in file order. So the newest row that has a value is the last one to leave
      with it, and nothing is kept of rows that are settled.
"""

from collections.abc import Iterable, Sequence

from uploader.model.records import Record


class Groups:
    """The groups of the open rows. A row without conflicts costs one entry for each of its values."""

    def __init__(self) -> None:
        self._newest: dict[str, Record] = {}  # value -> the newest open row that has it
        self._next: dict[int, Record] = {}  # position -> the row that waits for this one
        self._later: dict[int, Record] = {}  # position -> a later row of its group: a short way to the tail
        self._awaited: dict[int, int] = {}  # position of a waiting row -> how many rows it waits for
        self._sizes: dict[int, int] = {}  # position of a tail -> open rows of its group, if several

    @property
    def waiting(self) -> int:
        """Rows that wait for an earlier one."""
        return len(self._awaited)

    @property
    def largest(self) -> int:
        """Open rows of the largest group; 0 where no row waits for another."""
        return max(self._sizes.values(), default=0)

    @property
    def linked(self) -> int:
        """Open rows of all groups of several."""
        return sum(self._sizes.values())

    def has(self, value: str) -> bool:
        """Whether an open row has the value."""
        return value in self._newest

    def is_awaited(self, record: Record) -> bool:
        """Whether a later row waits for this open one."""
        return record.position in self._next

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
            if touched is not None:
                self._follow(record, touched)
                waiting.append(record)
        return waiting

    def _follow(self, record: Record, touched: Iterable[Record]) -> None:
        """Make the row the tail of all groups that it touches."""
        position, tails = record.position, {tail.position for tail in map(self._tail, touched)}
        self._awaited[position] = len(tails)
        self._sizes[position] = 1 + sum(self._sizes.pop(tail, 1) for tail in tails)
        for tail in tails:
            self._next[tail] = self._later[tail] = record

    def leave(self, records: Iterable[Record]) -> list[Record]:
        """Settle rows that wait for no other. Returns the rows that no longer have to wait."""
        newest, following = self._newest, self._next
        released: list[Record] = []
        for record in records:
            for value in record.lock_keys:
                last = newest.pop(value, record)
                if last is not record:
                    newest[value] = last
            if record.position in following:
                released += self._release(record.position)
            elif self._sizes:
                self._sizes.pop(record.position, None)
        return released

    def _release(self, position: int) -> Sequence[Record]:
        """Return the row that waited for `position`, if it waits for no other row now."""
        record = self._next.pop(position)
        del self._later[position]
        self._sizes[self._tail(record).position] -= 1
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
