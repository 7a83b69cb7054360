"""Which records travel together: batches of records that need not wait for an earlier row.

In    records in source order; which of them are settled.
Out   batches: at most `max_records` and `max_bytes`, one id property, each unique value once, earliest first.
Rule  As if sequential, also through kills: a record leaves only when every earlier one that it conflicts with
      is settled, and committed if it may be of another contact. It waits for no other. `conflict_groups`
      decides which those are.
      If another HubSpot record has a unique value, an earlier row may be about to free it. A record refused
      for such a value therefore waits until every earlier row is settled, and is sent once more. Such records
      leave in rounds, all that may at once, so that they do not wait for each other one by one.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice, takewhile
from operator import attrgetter

from uploader.hubspot.requests import MAX_INPUTS
from uploader.model.records import Record
from uploader.pipeline.conflict_groups import Group, Groups

#: Of a body. Real answers weigh about as much again; HubSpot documents no limit of its own.
MAX_BATCH_BYTES = 2 * 1024 * 1024

_POSITION = attrgetter("position")


def fitting(records: Sequence[Record], max_bytes: int) -> int:
    """Return how many of the records, from the first on, fit into one batch; at least one."""
    size, count = 0, 0
    for record in records:
        size += record.size_bytes
        if size > max_bytes and count:
            break
        count += 1
    return count


class Batcher:
    """Holds the open records and decides which of them may leave."""

    def __init__(
        self,
        max_records: int = MAX_INPUTS,
        max_bytes: int = 2 * MAX_BATCH_BYTES,
        *,
        has_several_keys: bool = False,
    ) -> None:
        """`max_bytes`: memory of a batch's records, each at least twice its size in the request body.
        `has_several_keys`: rows are matched by several properties.
        """
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.open_bytes = 0
        self._open: dict[int, Record] = {}  # by position, in source order, without those of `_refused`
        self._refused: dict[int, Record] = {}  # for a value, and not for good so far: by position
        self._waiting: dict[int, Record] = {}  # of these, those that are not under way
        self._again: set[int] = set()  # of these, those that were refused in this round
        self._is_written = False  # in this round one of them was written
        self._groups = Groups(has_several_keys=has_several_keys)
        self._ready: defaultdict[str, list[Record]] = defaultdict(list)  # by id property, in source order

    @property
    def open_records(self) -> int:
        return len(self._open) + len(self._refused)

    @property
    def earliest(self) -> int | None:
        """The position of the earliest open record."""
        return min((*islice(self._open, 1), *self._refused), default=None)

    @property
    def ready(self) -> int:
        """Records that could leave now."""
        return sum(map(len, self._ready.values()))

    @property
    def waiting_records(self) -> int:
        """Records that wait for an earlier one."""
        return self._groups.waiting + len(self._waiting)

    @property
    def longest_chain(self) -> Group:
        """The largest conflict group of open records; it has none if none waits for another."""
        return self._groups.largest

    @property
    def has_only_chains(self) -> bool:
        """Whether every open record conflicts with another one."""
        return 0 < self._groups.linked == self.open_records

    def has_in_doubt(self) -> bool:
        """Whether some open record may have been sent without a definite answer."""
        return any(record.in_doubt for record in (*self._open.values(), *self._refused.values()))

    def is_open(self, value: str) -> bool:
        """Whether an open record has the value, or one that waits for its commit."""
        return self._groups.has(value)

    @property
    def awaits_commit(self) -> bool:
        """Whether a record waits for the commit of a settled one."""
        return self._groups.is_settled_awaited

    def is_awaited(self, record: Record) -> bool:
        """Whether a later row waits for this one."""
        return self._groups.is_awaited(record)

    def add(self, records: Sequence[Record]) -> int:
        """Take in the next records of the sources. Returns how many have to wait for an earlier one."""
        self._open |= {record.position: record for record in records}
        self.open_bytes += sum([record.size_bytes for record in records])
        waiting = set(map(_POSITION, self._groups.join(records)))
        self._let_go([record for record in records if record.position not in waiting] if waiting else records)
        return len(waiting)

    def draw(self) -> list[Record]:
        """The next batch, earliest records first; empty when nothing may leave."""
        queues = filter(None, self._ready.values())
        queue = min(queues, key=lambda records: records[0].position, default=[])
        count = fitting(queue[: self.max_records], self.max_bytes)
        batch = queue[:count]
        del queue[:count]
        return batch

    def put_back(self, records: Sequence[Record]) -> None:
        """Let drawn records that were not sent leave again."""
        for id_property in self._let_go(records):
            self._ready[id_property].sort(key=_POSITION)

    def keeps_locks(self, records: Sequence[Record]) -> bool:
        """Whether the locks of these records, settled now, have to stay until their commit."""
        return self._groups.must_stay(records)

    def settle(self, records: Sequence[Record], *, keeps_locks: bool = False) -> list[Record]:
        """Settle drawn records. Returns the records that waited only for these and may leave now.

        With `keeps_locks`, call `commit` once they are committed.
        """
        for record in records:
            if self._open.pop(record.position, None) is None:
                del self._refused[record.position]
                self._is_written = True
        self.open_bytes -= sum([record.size_bytes for record in records])
        released = self._groups.settle(records) if keeps_locks else self._groups.leave(records)
        self.put_back(released)
        self._start_round()
        return released

    def commit(self, records: Sequence[Record]) -> list[Record]:
        """Release the locks that settled records kept. Returns the records that may leave now."""
        released = self._groups.leave(records)
        self.put_back(released)
        return released

    def refuse(self, records: Sequence[Record], earliest: int | None) -> list[Record]:
        """Take back drawn records that were refused because another record has one of their unique values.

        `earliest`: the earliest open record when they were sent. Returns the records that are refused for
        good, to be settled next; records taken back before may be among them. The others are sent once more.
        """
        refused = {record.position: record for record in records}
        self._again |= refused.keys() & self._refused.keys()
        self._refused |= refused
        self._waiting |= refused
        for position in refused:
            self._open.pop(position, None)
        # In its round, a record is refused for good if those before it are, and none was written.
        again = refused.keys() & {earliest} | (set() if self._is_written else self._again)
        final = [self._refused[position] for position in takewhile(again.__contains__, sorted(self._refused))]
        for record in final:
            del self._refused[record.position], self._waiting[record.position]
            self._open[record.position] = record
        self._start_round()
        return final

    def _start_round(self) -> None:
        """Send all refused records once more, if no earlier row is open and none of them is in flight."""
        if not self._waiting or len(self._waiting) < len(self._refused):
            return
        stop = next(iter(self._open), math.inf)
        free = [record for position, record in self._waiting.items() if position < stop]
        if free:
            self._is_written = False
            self._again.clear()
            for record in free:
                del self._waiting[record.position]
            self.put_back(free)

    def _let_go(self, records: Sequence[Record]) -> set[str]:
        """Make records ready to leave. Returns their id properties."""
        names = {record.id_property for record in records}
        for name in names:
            same = len(names) == 1
            self._ready[name] += records if same else [r for r in records if r.id_property == name]
        return names
