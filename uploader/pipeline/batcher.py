"""Which records travel together: batches of those that need not wait for an earlier row.

In    records in source order; which of them are settled.
Out   batches: at most `max_records` and `max_bytes`, one id property, each unique value once, earliest first.
Rule  As if sequential: a record leaves only when every earlier one that it conflicts with is settled, and
      waits for no other. `conflict_groups` says which those are.
"""

from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

from uploader.hubspot.wire import MAX_INPUTS
from uploader.model.records import Record
from uploader.pipeline.conflict_groups import Groups

#: Of a body. Real answers weigh about as much again; HubSpot documents no limit of its own.
MAX_BATCH_BYTES = 2 * 1024 * 1024

_POSITION, _ID_PROPERTY, _SIZE_BYTES = map(attrgetter, ("position", "id_property", "size_bytes"))


def fitting(records: Sequence[Record], max_bytes: int) -> int:
    """How many of them, from the first, fit into one batch: one at least."""
    size, count = 0, 0
    for record in records:
        size += record.size_bytes
        if size > max_bytes and count:
            break
        count += 1
    return count


class Batcher:
    """Holds the open records, and says which of them may leave."""

    def __init__(self, max_records: int = MAX_INPUTS, max_bytes: int = 2 * MAX_BATCH_BYTES) -> None:
        """`max_bytes`: what a batch's records may weigh, each at least twice what is sent of it."""
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.open_bytes = 0
        self._open: dict[int, Record] = {}  # by position, in source order
        self._groups = Groups()
        self._ready: defaultdict[str, list[Record]] = defaultdict(list)  # by id property, in source order

    @property
    def open_records(self) -> int:
        return len(self._open)

    @property
    def ready(self) -> int:
        """Records that could leave now."""
        return sum(map(len, self._ready.values()))

    @property
    def held_back(self) -> int:
        """Records that wait for an earlier one."""
        return self._groups.waiting

    def may_be_lost(self) -> bool:
        """Whether some open record may have been sent without a definite answer."""
        return any(record.lost for record in self._open.values())

    def is_open(self, value: str) -> bool:
        """Whether an open record has the value."""
        return self._groups.has(value)

    def is_awaited(self, record: Record) -> bool:
        """Whether a later row waits for this one."""
        return self._groups.is_awaited(record)

    def add(self, records: Sequence[Record]) -> int:
        """Take in the next records of the sources. Returns how many have to wait for an earlier one."""
        self._open.update(zip(map(_POSITION, records), records, strict=True))
        self.open_bytes += sum(map(_SIZE_BYTES, records))
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
        """Records drawn and not sent may leave again."""
        for id_property in self._let_go(records):
            self._ready[id_property].sort(key=_POSITION)

    def settle(self, records: Sequence[Record]) -> None:
        """Drawn records are settled: those that waited for them alone may leave."""
        for record in records:
            del self._open[record.position]
        self.open_bytes -= sum(map(_SIZE_BYTES, records))
        self.put_back(self._groups.leave(records))

    def _let_go(self, records: Sequence[Record]) -> set[str]:
        """They may leave. Returns their id properties."""
        names = set(map(_ID_PROPERTY, records))
        for name in names:
            same = len(names) == 1
            self._ready[name] += records if same else [r for r in records if r.id_property == name]
        return names
