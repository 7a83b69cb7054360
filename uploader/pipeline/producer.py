"""Reads the sources, maps rows to records and queues them in slices. Reading blocks, so it runs offloaded."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import cast

from uploader.errors import RowLimitError, SourceError
from uploader.model.associations import RowLinks
from uploader.model.records import Record, Slice, Unsent
from uploader.model.rows import Mark, RowSlice
from uploader.model.watermark import Progress
from uploader.records.mapper import Mapper
from uploader.sources.source import Source
from uploader.storage.duplicates_file import Duplicates
from uploader.system.blocking_calls import Offload

#: Slices read ahead.
QUEUE_SLICES = 4


class Producer:
    """Produces records from where `progress` says, without rows that are settled already."""

    def __init__(
        self,
        sources: Sequence[Source],
        mappers: Sequence[Mapper],
        progress: Progress,
        offload: Offload,
        *,
        in_doubt_below: int,
        duplicates: Duplicates | None = None,
        wait_for_space: Callable[[], Awaitable[None]] | None = None,
        wait_for_rows: Callable[[int], Awaitable[None]] | None = None,
        known: Mapping[int, Sequence[Mark]] | None = None,
        limit: int | None = None,
        list_opt_outs: Callable[[Sequence[str]], Awaitable[None]] | None = None,
        note_links: Callable[[Sequence[RowLinks]], None] | None = None,
    ) -> None:
        """`wait_for_space` is awaited before each slice is read, then `wait_for_rows` with the number of rows
        that were read. `known`: marks of what was read of streams
        before, by source. `limit`: rows of the job that are read. `in_doubt_below`: a killed run may have
        sent records before this position. `duplicates`: of keys; None if all rows are written, in order.
        `list_opt_outs` is awaited with the addresses of a slice before its rows can be sent. `note_links` is
        called with the links of its records before that.
        """
        self._sources = sources
        self._mappers = mappers
        self._progress = progress
        self._in_doubt_below = in_doubt_below
        self._offload = offload
        self._duplicates = duplicates
        self._wait_for_space = wait_for_space
        self._wait_for_rows = wait_for_rows
        self._known = known or {}
        self._limit = limit
        self._list_opt_outs = list_opt_outs
        self._note_links = note_links
        self.error: SourceError | None = None
        self._is_quick = False  # the next slice costs less than a change of threads
        # No source from this index on blocks. An earlier one may, so its slices are made in a thread.
        self._at_hand_from = max((i + 1 for i, one in enumerate(sources) if not one.is_local), default=0)

    async def produce(self, queue: asyncio.Queue[Slice | None], arrived: Callable[[], None]) -> None:
        """Queue every slice, then one None as the end. If a source cannot be read further, `error` says
        why.
        """
        slices, rows_read = self._slices(), 0
        while True:
            if self._wait_for_space is not None:
                await self._wait_for_space()
            if self._wait_for_rows is not None:
                await self._wait_for_rows(rows_read)
            try:
                slice_ = await self._next(slices)
            except SourceError as error:
                # What was read before the error is sent before the run ends with it.
                self.error, slice_ = error, None
            if slice_ is not None and slice_.opt_outs and self._list_opt_outs is not None:
                await self._list_opt_outs(slice_.opt_outs)
            if slice_ is not None and slice_.associations and self._note_links is not None:
                self._note_links(slice_.associations)
            await queue.put(slice_)
            arrived()
            if slice_ is None:
                return
            rows_read = slice_.first + slice_.rows

    async def _next(self, slices: Iterator[Slice]) -> Slice | None:
        """Return the next slice.

        It is made on the event loop if reading does not block: a slice takes a few milliseconds, and working
        in a thread beside the loop costs a run a fifth more.
        """
        if self._is_quick:
            await asyncio.sleep(0)
            slice_ = next(slices, None)
        else:
            slice_ = await self._offload.run(lambda: next(slices, None))
        if slice_ is not None:
            self._is_quick = self._duplicates is None and slice_.source >= self._at_hand_from
        return slice_

    def _slices(self) -> Iterator[Slice]:
        resume = self._progress.resume
        position = resume.position
        for index in range(resume.source, len(self._sources)):
            mark = resume.mark if index == resume.source else None
            for rows in self._sources[index].slices(mark, self._known.get(index, ())):
                left = None if self._limit is None else max(0, self._limit - position)
                if left is None or len(rows.rows) <= left:
                    yield self._slice(index, position, rows)
                    position += len(rows.rows)
                    continue
                if left:
                    # Without an end of its own: reading resumes where the slice starts.
                    yield self._slice(index, position, RowSlice(rows.rows[:left], rows.start, rows.start))
                raise RowLimitError(
                    "the first row" if self._limit == 1 else f"the first {self._limit:,} rows"
                )

    def _slice(self, source: int, first: int, rows: RowSlice) -> Slice:
        """Map rows to a slice, without those that are settled already."""
        mapped = self._mappers[source].map(first, rows.rows)
        opt_outs: list[str] = []
        if self._list_opt_outs is not None:
            opt_outs = [address for one in mapped if one.opt_outs for address in one.opt_outs]
        if self._duplicates is not None:
            for position, repeat in self._duplicates.among(first, first + len(mapped)).items():
                mapped[position - first] = self._duplicates.judge(mapped[position - first], repeat)
        if first < self._progress.rows:
            mapped = [one for one in mapped if not self._progress.is_settled(one.position)]
        records, unsent = cast("list[Record]", mapped), list[Unsent]()
        if Unsent in set(map(type, mapped)):
            records = [one for one in mapped if isinstance(one, Record)]
            unsent = [one for one in mapped if isinstance(one, Unsent)]
        if first < self._in_doubt_below:
            for record in records:
                record.in_doubt = record.position < self._in_doubt_below
        before = sum(one.size_bytes or 0 for one in self._sources[:source])
        bytes_read = before + self._sources[source].bytes_at(rows.end)
        links = self._mappers[source].links(first, rows.rows, records) if records else []
        return Slice(
            first, len(rows.rows), source, rows.start, records, unsent, bytes_read, rows.end, opt_outs, links
        )
