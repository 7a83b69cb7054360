"""Between queue and workers: what is read waits here until it may travel, and workers draw batches."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from uploader.hubspot.wire import MAX_INPUTS
from uploader.model.chain import Chain
from uploader.model.records import Record, Slice
from uploader.model.settlements import Settlement
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.linked_keys import Links
from uploader.pipeline.write_queue import QueuedWrite, WriteQueue

#: Of the records that are open at once, in flight or waiting: memory does not depend on the sources.
MAX_OPEN_BYTES = 48 * 1024 * 1024
#: A record, and what was booked of it if its rejection were final.
Rejected = tuple[Record, Settlement]
#: A source that trickles gets its rows sent after this long, in batches that are not full.
LINGER_SECONDS = 1.0


#: How much the newest link of a chain counts in the time that one takes.
_NEWEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Batch:
    """What a worker takes on: records as they were read from the sources, or some to be written by what was
    read of their contacts.
    """

    records: Sequence[Record] = ()
    writes: Sequence[QueuedWrite] = ()


class Feed:
    """Takes slices off the queue as batches need them."""

    def __init__(
        self,
        queue: asyncio.Queue[Slice | None],
        batcher: Batcher,
        *,
        taken: Callable[[Slice], None],
        count_waiting: Callable[[int], None],
        is_behind: Callable[[], bool] = lambda: False,
        links: Links | None = None,
        reads_first: bool = False,
    ) -> None:
        """Take slices off `queue` and records into `batcher`.

        `taken` is called with each slice, then `count_waiting` with the number of its records that must wait.
        While `is_behind()` no slice is taken; `note_relief` says that this may have changed. `links` adds the
        values that a record's own are linked to. `reads_first`: contacts are read before they are written, so
        drawn records come back with `write`, except those that need no write.
        """
        self.queue = queue
        self.batcher = batcher
        self.exhausted = False  #: the sources have ended, and all they held is here
        self.bytes_read = 0
        self.taken_below = 0  #: of the rows before it none is still to come
        self.allowance: int | None = None  #: so many records may still leave; None: all
        self.reads_first = reads_first
        self.write_queue = WriteQueue(batcher.max_records, batcher.max_bytes, batcher.is_awaited)
        self._being_read = 0  # batches
        self._most_records = batcher.max_records
        self._taken = taken
        self._count_waiting = count_waiting
        self._is_behind = is_behind
        self._links = links
        self._rejected: dict[int, Rejected] = {}  # and not for good so far
        self._released_at: dict[int, float] = {}  # by position: when a row that had waited could leave
        self._link_seconds = 0.0  # from then until it is settled, of the last ones
        self._changed = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    async def draw(self, enter: Callable[[], Awaitable[None]]) -> Batch | None:
        """The next batch; None when there will never be another, or none may leave. One caller at a time.

        `enter` is awaited between: a slot is asked for only when there is something to put into it. Whoever
        held one while waiting here would keep from it the very batch that has to be settled first.
        """
        if self.allowance is not None:
            self.batcher.max_records = min(self._most_records, self.allowance)
        while True:
            self._changed.clear()
            await self._fill()
            writes = self._has_to_write()
            if writes or self._worth_sending():
                break
            if self._is_over:
                return None
            if not await self._wait():
                writes = not self._may_draw
                break
        await enter()
        if writes or self.write_queue.is_full:
            return Batch(writes=self.write_queue.draw())
        records = self.batcher.draw()
        if self.allowance is not None:
            self.allowance -= len(records)
        self._being_read += self.reads_first
        return Batch(records)

    @property
    def _may_draw(self) -> int:
        """Records that may leave and were not read."""
        return 0 if self.allowance == 0 else self.batcher.ready

    @property
    def _is_over(self) -> bool:
        """Whether nothing will leave any more. What is under way may come back, refused for now."""
        if self.allowance == 0:
            return not self.write_queue and not self._being_read
        return self.exhausted and not self.batcher.open_records

    async def is_over(self) -> bool:
        """Whether the sources hold no record that is still open. Waits until that is known."""
        self.batcher.max_records = self._most_records
        while True:
            self._changed.clear()
            await self._fill()
            if self.batcher.open_records:
                return False
            if self.exhausted:
                return True
            await self._changed.wait()

    def settle(self, records: list[Record]) -> None:
        """Drawn records are settled: those that waited for them may leave."""
        now = self._clock()
        released = self.batcher.settle(records)
        for record in records if self._rejected or self._released_at else ():
            self._rejected.pop(record.position, None)
            if (since := self._released_at.pop(record.position, None)) is not None:
                before = self._link_seconds or now - since
                self._link_seconds = before + (now - since - before) * _NEWEST_SHARE
        for record in released:
            self._released_at[record.position] = now
        self._changed.set()

    def write(self, writes: Iterable[QueuedWrite]) -> None:
        """Drawn records were read, and are to be written. `note_read` comes next."""
        self.write_queue.add(writes)

    def note_read(self) -> None:
        """A batch that was drawn to be read first is read, or won't be."""
        self._being_read -= 1
        self._changed.set()

    def refuse(self, rejected: Mapping[int, Rejected], earliest: int | None) -> list[Rejected]:
        """Drawn records were rejected for a value which another record has. By position; `earliest` as it was
        when they were sent. Returns those for which that is final. The others leave once more.
        """
        self._rejected |= rejected
        final = self.batcher.refuse([record for record, _ in rejected.values()], earliest)
        self._changed.set()
        return [self._rejected.pop(record.position) for record in final]

    def arrived(self) -> None:
        """A slice is in the queue."""
        self._changed.set()

    def note_relief(self) -> None:
        """What the books had to write is written."""
        self._changed.set()

    def chain(self) -> Chain:
        """The longest chain of open records that are written one after the other."""
        batcher = self.batcher
        return Chain(
            batcher.longest_chain,
            self._link_seconds,
            is_all=self.exhausted and batcher.has_only_chains,
            reading_waits=self.is_full and not self.exhausted and bool(batcher.waiting_records),
        )

    @property
    def earliest(self) -> int | None:
        """The position of the earliest open record."""
        return self.batcher.earliest

    @property
    def is_full(self) -> bool:
        """As much is open as may be."""
        return self.batcher.open_bytes >= MAX_OPEN_BYTES

    @property
    def is_tail(self) -> bool:
        """A batch or less is under way, and nothing more can leave before it is settled."""
        nothing_follows = self.allowance == 0 or (not self.batcher.ready and (self.exhausted or self.is_full))
        return nothing_follows and not self.write_queue and self._under_way <= MAX_INPUTS

    @property
    def _under_way(self) -> int:
        """Records that are drawn, and do not wait here to be written."""
        batcher = self.batcher
        return batcher.open_records - batcher.waiting_records - batcher.ready - len(self.write_queue)

    async def _fill(self) -> None:
        while (
            not self.exhausted
            and self.batcher.ready < self.batcher.max_records
            and not self.is_full
            and not self._is_behind()
        ):
            try:
                slice_ = self.queue.get_nowait()
            except asyncio.QueueEmpty:
                return
            if slice_ is None:
                self.exhausted = True
                return
            if self._links is not None:
                await self._links.extend(slice_.records)
            self._taken(slice_)
            self.bytes_read = slice_.bytes_read
            self._count_waiting(self.batcher.add(slice_.records))
            self.taken_below = slice_.first + slice_.rows

    def _worth_sending(self) -> bool:
        batcher = self.batcher
        if self.allowance == 0:
            return False
        if batcher.ready >= batcher.max_records:
            return True
        return bool(batcher.ready) and self._nothing_joins

    def _has_to_write(self) -> bool:
        """Whether a batch of records that were read has to leave: it is full, or no other will join it soon
        enough.
        """
        if not self.write_queue:
            return False
        if self.write_queue.is_full or self.write_queue.leaves_at <= self._clock():
            return True
        if self._being_read:
            return False
        return self.allowance == 0 or (not self.batcher.ready and self._nothing_joins)

    @property
    def _nothing_joins(self) -> bool:
        """No other record will be able to leave before some are settled. Each batch that is settled releases
        a few of those that wait for an earlier row. While others are under way the released ones wait for
        them, or all would leave in as many batches as they waited for.
        """
        batcher = self.batcher
        if not (self.exhausted or self.is_full):
            return False
        return not batcher.waiting_records or self._under_way <= batcher.max_records

    async def _wait(self) -> bool:
        """Until something changes; False when what could leave has waited long enough."""
        lingers = bool(self._may_draw or (self.write_queue and not self._being_read))
        most = min(LINGER_SECONDS if lingers else math.inf, self.write_queue.leaves_at - self._clock())
        try:
            async with asyncio.timeout(None if most == math.inf else max(0.0, most)):
                await self._changed.wait()
        except TimeoutError:
            return not lingers or most < LINGER_SECONDS
        return True
