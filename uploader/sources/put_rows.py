"""Rows that a program puts one by one, as a stream of lines like those of an iterable.

Rules   Rows are read in the order of the calls of `put`. What waits to be read takes at most `AHEAD_BYTES`
        and one row; `put` waits for room. A call that raises or is cancelled has put nothing.
        Reading never blocks: await `wait_for_more` before each slice, which then has the rows that are there.
        So no row waits for those after it, and no thread waits for rows.
"""

import asyncio
from collections import deque
from types import TracebackType

from uploader.sources.bytes.byte_source import BLOCK_BYTES
from uploader.sources.python_rows import RowStream
from uploader.system.blocking_calls import Offload

#: What may wait to be read.
AHEAD_BYTES = 64 * 1024


class PutRows(RowStream):
    """The rows that were put. Any thread may call `read` and `is_ready`; all else is called on the loop."""

    can_be_given_again = False
    head_bytes = 1  # so nothing has to be recognised by its beginning

    def __init__(self, name: str, *, keeps_refs: bool) -> None:
        super().__init__(name, keeps_refs=keeps_refs)
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()  # a long line in several parts
        self._waiting_bytes = 0
        self._is_finished = False
        self._refusal: BaseException | None = None
        self._trace: TracebackType | None = None  # of that error
        self._turn = asyncio.Lock()
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    async def put(self, row: object) -> None:
        """Add a row once there is room. Raise the error of `refuse` instead if there is one."""
        async with self._turn:
            while self._waiting_bytes >= AHEAD_BYTES and self._refusal is None:
                self._taken.clear()
                await self._taken.wait()
            if self._refusal is not None:
                raise self._refusal.with_traceback(self._trace)  # each call that raises it adds to that
            line = self._line(row)
            self._waiting_bytes += len(line)
            # At once, for a reader in another thread.
            self._lines.extend([line[at : at + BLOCK_BYTES] for at in range(0, len(line), BLOCK_BYTES)])
            self._arrived.set()

    def refuse(self, error: BaseException) -> None:
        """Take no more rows: `put` raises this error, also where it waits. The first such error counts."""
        if self._refusal is None:
            self._refusal, self._trace = error, error.__traceback__
        self._taken.set()

    def finish(self) -> None:
        """End the stream after the rows that were put."""
        self._is_finished = True
        self._arrived.set()

    async def wait_for_more(self, rows: int) -> None:
        """Wait until more rows than these were put, or no more will be."""
        while self._count <= rows and not self._is_finished:
            self._arrived.clear()
            await self._arrived.wait()

    def is_ready(self) -> bool:
        return bool(self._lines) or self._is_finished

    def read(self, size: int = -1) -> bytes:
        del size
        assert self.is_ready(), "more rows were not awaited"
        taken: list[bytes] = []
        room = BLOCK_BYTES
        while self._lines and len(self._lines[0]) <= room:
            taken.append(self._lines.popleft())
            room -= len(taken[-1])
        if taken:
            self._loop.call_soon_threadsafe(self._note_taken, BLOCK_BYTES - room)
        return b"".join(taken)

    def _note_taken(self, count: int) -> None:
        self._waiting_bytes -= count
        self._taken.set()

    async def end(self, reader: Offload) -> None:
        """Do nothing: nothing is open, and what `put` raises from now on depends on how the job ended."""
