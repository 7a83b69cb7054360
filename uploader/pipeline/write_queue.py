"""Records whose contacts were read, collected into full batches of writes.

In    records with the time at which their contacts were read; the time now.
Out   batches of one kind of request, in source order, limited in records and bytes; and the time at which a
      batch that is not full has to leave, because what was read grows old or other rows wait for it.
Units seconds: `now` by the loop's clock; `stalled` and `known_at` by the sender's stalled seconds.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from uploader.model.records import Properties, Record
from uploader.pipeline.batcher import fitting
from uploader.pipeline.sender import FRESH_SECONDS

#: How long a record waits for others at most: half of the time for which what was read may be used.
HOLD_SECONDS = FRESH_SECONDS / 2
#: The same if another row waits for this one. A shorter wait costs more requests.
AWAITED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """A record that is to be written, with what was read of its contact."""

    record: Record
    asked: Properties  #: its properties before they were reduced to what is to be written
    known_at: float  #: when its contact was read
    queued_at: float
    stalled_at: float  #: the stalled seconds at that moment

    def known_now(self, now: float, stalled: float) -> float:
        """`known_at`, made older by the time spent in this queue: others may have written meanwhile."""
        return self.known_at - max(0.0, (now - self.queued_at) - (stalled - self.stalled_at))

    def leaves_at(self, *, is_awaited: bool) -> float:
        """The time by the loop's clock at which the record has waited long enough."""
        hold = HOLD_SECONDS - (self.stalled_at - self.known_at)
        return self.queued_at + (min(hold, AWAITED_SECONDS) if is_awaited else hold)


class WriteQueue:
    """Records to be written, by the request that writes them, in the order in which they were added."""

    def __init__(
        self,
        max_records: int,
        max_bytes: int,
        is_awaited: Callable[[Record], bool] = lambda _: False,
        request_of: Callable[[Record], Hashable] = lambda record: record.id_property,
    ) -> None:
        """`is_awaited` returns whether another row waits for a record; `request_of` what the records of a
        batch have in common.
        """
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._is_awaited = is_awaited
        self._request_of = request_of
        self._queues: defaultdict[Hashable, list[QueuedWrite]] = defaultdict(list)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, writes: Iterable[QueuedWrite]) -> None:
        for write in writes:
            self._queues[self._request_of(write.record)].append(write)

    @property
    def is_full(self) -> bool:
        """Whether some batch can take no further record."""
        return any(map(self._is_full, self._queues.values()))

    @property
    def leaves_at(self) -> float:
        """The time at which a batch that is not full has to leave."""
        return min(map(self._leaves_at, self._queues.values()), default=math.inf)

    def draw(self) -> list[QueuedWrite]:
        """Return the next batch: a full one if there is one, else the one that has to leave first."""
        queues = [queue for queue in self._queues.values() if queue]
        if not queues:
            return []
        queue = min(queues, key=lambda queue: (not self._is_full(queue), self._leaves_at(queue)))
        count = self._fitting(queue)
        batch = queue[:count]
        del queue[:count]
        return sorted(batch, key=lambda write: write.record.position)

    def _leaves_at(self, queue: list[QueuedWrite]) -> float:
        times = (write.leaves_at(is_awaited=self._is_awaited(write.record)) for write in queue)
        return min(times, default=math.inf)

    def _is_full(self, queue: list[QueuedWrite]) -> bool:
        count = self._fitting(queue)
        return count == self._max_records or count < len(queue)

    def _fitting(self, queue: list[QueuedWrite]) -> int:
        records = [write.record for write in queue[: self._max_records]]
        return fitting(records, self._max_bytes)
