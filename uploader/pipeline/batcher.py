"""Which records may travel together, and which have to wait for another row of the same contact.

In    records in source order; which of them are settled.
Out   batches: at most `max_records` and `max_bytes`, one id property, each unique value once.
Rule  As if sequential: a record leaves only when every earlier one that shares a unique value with it is
      settled. Values are taken in source order, so nobody ever waits in a circle.
      A row may free what an earlier open row of its contact has taken: a new address frees the old one. So it
      takes those values too, and a row of another contact that wants one of them waits for it.
"""

import heapq
from collections import deque

from uploader.hubspot.wire import ENVELOPE_BYTES, MAX_INPUTS
from uploader.model.records import Record

#: Real answers weigh about as much again; HubSpot documents no limit of its own.
MAX_BATCH_BYTES = 2 * 1024 * 1024


#: Values one record may take by way of earlier rows of its contact. More, and it waits to be let in: who may
#: free what would grow with the square of the rows.
_MOST_VALUES = 16


class _Ready:
    """Records of one id property that may leave, the earliest first."""

    def __init__(self) -> None:
        self.fresh: deque[Record] = deque()  # never waited: in order by arrival
        self.released: list[tuple[int, Record]] = []  # waited for another: a heap by position

    def __len__(self) -> int:
        return len(self.fresh) + len(self.released)

    def first(self) -> Record:
        if not self.fresh or (self.released and self.released[0][0] < self.fresh[0].position):
            return self.released[0][1]
        return self.fresh[0]

    def pop(self) -> Record:
        record = self.first()
        if self.released and self.released[0][1] is record:
            heapq.heappop(self.released)
        else:
            self.fresh.popleft()
        return record


class Batcher:
    """Holds the open records that are not in flight, and knows the values that are."""

    def __init__(self, max_records: int = MAX_INPUTS, max_bytes: int = MAX_BATCH_BYTES) -> None:
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.open_records = 0
        self.open_bytes = 0
        self._ready: dict[str, _Ready] = {}
        self._owner: dict[str, Record] = {}  # who has taken a value
        self._waiting: dict[str, deque[Record]] = {}  # who waits for it, in source order
        self._last: dict[str, Record] = {}  # who took, or waits for, a value last
        self._taken: dict[int, tuple[str, ...]] = {}  # position -> all values it takes, if more than its own
        self._outside: deque[Record] = deque()  # not let in yet, in source order
        self._missing: dict[int, int] = {}  # position -> values it still waits for

    @property
    def ready(self) -> int:
        """Records that could leave now."""
        return sum(map(len, self._ready.values()))

    @property
    def held_back(self) -> int:
        return len(self._missing) + len(self._outside)

    def may_be_lost(self) -> bool:
        """Whether some open record may have been sent without a definite answer."""
        return any(owner.lost for owner in (*self._owner.values(), *self._outside))

    def is_open(self, value: str) -> bool:
        """Whether an open record has the value, or may have."""
        return value in self._owner or bool(self._outside)

    def add(self, record: Record) -> bool:
        """Take in the next record of the sources; True if it has to wait for an earlier one."""
        self.open_records += 1
        self.open_bytes += record.size_bytes
        if self._outside or not self._let_in(record):
            self._outside.append(record)
            return True
        return record.position in self._missing

    def _let_in(self, record: Record) -> bool:
        values = self._values(record)
        if len(values) > _MOST_VALUES and record.values[0] in self._last:
            return False
        if values is not record.values:
            self._taken[record.position] = values
        missing = 0
        for value in values:
            self._last[value] = record
            if value in self._owner:
                self._waiting.setdefault(value, deque()).append(record)
                missing += 1
            else:
                self._owner[value] = record
        if missing:
            self._missing[record.position] = missing
        else:
            self._ready.setdefault(record.id_property, _Ready()).fresh.append(record)
        return True

    def _values(self, record: Record) -> tuple[str, ...]:
        """What it takes: its own values, and those of the contact's last open row."""
        before = self._last.get(record.values[0])
        inherited = self._taken.get(before.position, before.values) if before else ()
        if not inherited or len(inherited) == len(record.values) == 1:
            return record.values
        return tuple(dict.fromkeys((*record.values, *inherited)))

    def draw(self) -> list[Record]:
        """The next batch, earliest records first; empty when nothing may leave."""
        queues = [ready for ready in self._ready.values() if len(ready)]
        queue = min(queues, key=lambda ready: ready.first().position, default=None)
        if queue is None:
            return []
        batch = [queue.pop()]
        size = ENVELOPE_BYTES + len(batch[0].body)
        while len(queue) and len(batch) < self.max_records:
            size += 1 + len(queue.first().body)  # the comma between two inputs
            if size > self.max_bytes:
                break
            batch.append(queue.pop())
        return batch

    def rewrite(self, record: Record, body: bytes) -> None:
        """A drawn record asks for something else now."""
        self.open_bytes += len(body) - len(record.body)
        record.body = body

    def put_back(self, records: list[Record]) -> None:
        """Records drawn and not sent: they may leave again, and still own their values."""
        for record in records:
            ready = self._ready.setdefault(record.id_property, _Ready())
            heapq.heappush(ready.released, (record.position, record))

    def settle(self, record: Record) -> None:
        """A drawn record is settled: the values it closed open again."""
        self.open_records -= 1
        self.open_bytes -= record.size_bytes
        for value in self._taken.pop(record.position, record.values):
            if self._last[value] is record:
                del self._last[value]
            self._free(value)
        self._let_others_in()

    def _free(self, value: str) -> None:
        """Its owner is settled."""
        waiting = self._waiting.get(value)
        if waiting is None:
            del self._owner[value]
            return
        heir = waiting.popleft()
        if not waiting:
            del self._waiting[value]
        self._owner[value] = heir
        self._give(heir)

    def _let_others_in(self) -> None:
        while self._outside and self._let_in(self._outside[0]):
            self._outside.popleft()

    def _give(self, heir: Record) -> None:
        self._missing[heir.position] -= 1
        if not self._missing[heir.position]:
            del self._missing[heir.position]
            self.put_back([heir])
