"""Between queue and workers: what is read waits here until it may travel, and workers draw batches.

The batcher holds the open records; the feed decides when it takes more and when a batch leaves.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from uploader.hubspot.requests import MAX_INPUTS
from uploader.model.chain_of_rows import Chain
from uploader.model.records import Record, Slice
from uploader.model.settled_rows import Settlement
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.linked_keys import Links
from uploader.pipeline.write_queue import QueuedWrite, WriteQueue
from uploader.records.repeated_keys import share_to_come

#: Memory for all open records, in flight or waiting. It does not depend on the size of the sources.
MAX_OPEN_BYTES = 48 * 1024 * 1024
#: A record, and its settlement in case the rejection is final.
Rejected = tuple[Record, Settlement]
#: After this long, rows of a slow source are sent in a batch that is not full.
LINGER_SECONDS = 1.0


#: Weight of the newest measurement in the mean time that one row of a chain takes.
_NEWEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one worker: either newly read rows, or records to be written after their contacts
    were read.
    """

    records: Sequence[Record] = ()
    writes: Sequence[QueuedWrite] = ()


class Feed:
    """Takes slices off the queue when batches need them, and gives out batches."""

    def __init__(
        self,
        queue: asyncio.Queue[Slice | None],
        batcher: Batcher,
        *,
        taken: Callable[[Slice], None],
        count_waiting: Callable[[int], None],
        is_behind: Callable[[], bool] = lambda: False,
        ask_for_commit: Callable[[], None] = lambda: None,
        links: Links | None = None,
        reads_first: bool = False,
        request_of: Callable[[Record], Hashable] = lambda record: record.id_property,
    ) -> None:
        """Take slices off `queue` and records into `batcher`.

        `taken` is called with each slice, then `count_waiting` with the number of its records that must wait.
        While `is_behind()` no slice is taken; `note_commit` says that this may have changed.
        `ask_for_commit` is called when nothing more can leave before the next commit. `links` adds the values
        that a record's own are linked to. `reads_first`: contacts are read before they are written, so drawn
        records come back with `write`, except those that need no write. `request_of`: as the write queue's.
        """
        self.queue = queue
        self.batcher = batcher
        self.exhausted = False  #: the sources have ended, and all they held is here
        self.bytes_read = 0
        self.taken_below = 0  #: of the rows before it none is still to come
        self._taken_rows = 0  # by this run: a resumed one begins in the middle
        self.allowance: int | None = None  #: so many records may still leave; None: all
        self.reads_first = reads_first
        self.write_queue = WriteQueue(batcher.max_records, batcher.max_bytes, batcher.is_awaited, request_of)
        self._being_read = 0  # batches
        self._most_records = batcher.max_records
        self._taken = taken
        self._count_waiting = count_waiting
        self._is_behind = is_behind
        self._ask_for_commit = ask_for_commit
        self._links = links
        self._rejected: dict[int, Rejected] = {}  # and not for good so far
        # By position: when a row that had waited could leave, and whether no others were left then.
        self._released_at: dict[int, tuple[float, bool]] = {}
        # From then until it is settled, of the last ones, by whether no others were left.
        self._link_seconds = {False: 0.0, True: 0.0}
        self._linger_until = math.inf  # when records that may leave do so, in whatever batch
        self._changed = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    async def draw(self, enter: Callable[[], Awaitable[None]]) -> Batch | None:
        """Return the next batch, or None if there will be no other or none may leave. Only one caller at a
        time.

        `enter` is awaited once a batch is ready, so that a worker holds no slot while it waits here.
        Otherwise it could block the batch that has to be settled first.
        """
        if self.allowance is not None:
            self.batcher.max_records = min(self._most_records, self.allowance)
        while True:
            self._changed.clear()
            await self._fill()
            must_write = self._has_to_write()
            if must_write or self._worth_sending():
                break
            if self._is_over:
                return None
            if not await self._wait():
                must_write = not self._may_draw
                break
        await enter()
        self._linger_until = math.inf
        if must_write or self.write_queue.is_full:
            return Batch(writes=self.write_queue.draw())
        records = self.batcher.draw()
        if self.allowance is not None:
            self.allowance -= len(records)
        self._being_read += self.reads_first
        return Batch(records)

    @property
    def _may_draw(self) -> int:
        """The number of records that may leave and were not read yet."""
        return 0 if self.allowance == 0 else self.batcher.ready

    @property
    def _is_over(self) -> bool:
        """Whether no further record can leave. A record in flight may still come back after a refusal."""
        if self.allowance == 0:
            return not self.write_queue and not self._being_read
        return self.exhausted and not self.batcher.open_records

    async def is_over(self) -> bool:
        """Whether the sources hold no more open records. Waits until that is known."""
        self.batcher.max_records = self._most_records
        while True:
            self._changed.clear()
            await self._fill()
            if self.batcher.open_records:
                return False
            if self.exhausted:
                return True
            await self._changed.wait()

    def settle(self, records: list[Record]) -> Sequence[Record]:
        """Note that drawn records are settled, and release the records that waited for that.

        Returns the records that keep their locks until their commit: pass them to `note_commit` then.
        """
        now = self._clock()
        keeps_locks = self.batcher.keeps_locks(records)
        released = self.batcher.settle(records, keeps_locks=keeps_locks)
        for record in records if self._rejected or self._released_at else ():
            self._rejected.pop(record.position, None)
            if (released_at := self._released_at.pop(record.position, None)) is not None:
                since, is_alone = released_at
                before = self._link_seconds[is_alone] or now - since
                self._link_seconds[is_alone] = before + (now - since - before) * _NEWEST_SHARE
        self._release(released)
        return records if keeps_locks else ()

    def note_commit(self, records: Sequence[Record]) -> None:
        """Note a commit. It may have made room for more settled rows, and ends the locks of these records."""
        self._release(self.batcher.commit(records))

    def _release(self, records: Collection[Record]) -> None:
        """Note records that had waited and may leave now."""
        if records:
            others_follow = self.batcher.ready > len(records) or not (self.exhausted or self.is_full)
            noted = self._clock(), not others_follow and self._under_way <= MAX_INPUTS
            self._released_at |= dict.fromkeys((record.position for record in records), noted)
        self._changed.set()

    def queue_writes(self, writes: Iterable[QueuedWrite]) -> None:
        """Queue records whose contacts were read. Call `note_read` next."""
        self.write_queue.add(writes)

    def note_read(self) -> None:
        """Note that a batch drawn for reading was read, or will not be."""
        self._being_read -= 1
        self._changed.set()

    def refuse(self, rejected: Mapping[int, Rejected], earliest: int | None) -> list[Rejected]:
        """Take back drawn records that were rejected because another record has one of their unique values.

        `rejected`: by position. `earliest`: the earliest open record when they were sent. Returns the records
        whose rejection is final; the others will be sent once more.
        """
        self._rejected |= rejected
        final = self.batcher.refuse([record for record, _ in rejected.values()], earliest)
        self._changed.set()
        return [self._rejected.pop(record.position) for record in final]

    def note_arrival(self) -> None:
        """Note that a slice is in the queue."""
        self._changed.set()

    def chain(self, reply_seconds: float) -> Chain:
        """Return the longest chain of open records that are written one after the other.

        `reply_seconds`: what a request takes.
        """
        batcher, longest = self.batcher, self.batcher.longest_chain
        return Chain(
            longest.open_rows,
            self._link_seconds[True] or reply_seconds * (1 + self.reads_first),
            is_all=self.exhausted and batcher.has_only_chains,
            reading_waits=self.is_full and not self.exhausted and bool(batcher.waiting_records),
            share=share_to_come(longest.all_rows, self._taken_rows, self.taken_below - longest.newest),
            seconds_beside_others=self._link_seconds[False],
        )

    @property
    def earliest(self) -> int | None:
        """The position of the earliest open record."""
        return self.batcher.earliest

    @property
    def is_full(self) -> bool:
        """Whether the open records take up all the memory that they may."""
        return self.batcher.open_bytes >= MAX_OPEN_BYTES

    @property
    def is_tail(self) -> bool:
        """Whether at most one batch is in flight and nothing more can leave before it is settled."""
        may_follow = self.batcher.ready or self.batcher.awaits_commit or not (self.exhausted or self.is_full)
        nothing_follows = self.allowance == 0 or not may_follow
        return nothing_follows and not self.write_queue and self._under_way <= MAX_INPUTS

    @property
    def _under_way(self) -> int:
        """The number of records that are drawn and do not wait in the write queue."""
        batcher = self.batcher
        return batcher.open_records - batcher.waiting_records - batcher.ready - len(self.write_queue)

    async def _fill(self) -> None:
        """Take slices off the queue until a full batch is ready, memory is full or the queue is empty."""
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
            self._taken_rows += slice_.rows

    def _worth_sending(self) -> bool:
        """Whether a batch of newly read records should leave now."""
        batcher = self.batcher
        if self.allowance == 0:
            return False
        if batcher.ready >= batcher.max_records:
            return True
        return bool(batcher.ready) and self._nothing_joins

    def _has_to_write(self) -> bool:
        """Whether a batch of the write queue has to leave: it is full, or no other record will join it in
        time.
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
        """Whether no other record can leave before some are settled.

        Each settled batch releases a few records that waited for an earlier row. These wait for the batches
        still in flight, or each of them would leave in a batch of its own.
        """
        batcher = self.batcher
        if not (self.exhausted or self.is_full):
            return False
        return not batcher.waiting_records or self._under_way <= batcher.max_records

    async def _wait(self) -> bool:
        """Wait until something changes. Return False if the records that could leave have waited long
        enough.
        """
        if self.batcher.awaits_commit and not self._under_way:
            self._ask_for_commit()
        lingers = bool(self._may_draw or (self.write_queue and not self._being_read))
        # Not from the last change on: rows that come one by one would wait until they fill a batch.
        self._linger_until = min(self._linger_until, self._clock() + LINGER_SECONDS) if lingers else math.inf
        leaves_at = min(self._linger_until, self.write_queue.leaves_at)
        try:
            async with asyncio.timeout(
                None if leaves_at == math.inf else max(0.0, leaves_at - self._clock())
            ):
                await self._changed.wait()
        except TimeoutError:
            return leaves_at != self._linger_until
        return True
