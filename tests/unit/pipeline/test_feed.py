"""When a batch leaves that is not full, and when a record has nothing left to be compared with."""

import asyncio

import pytest

from support.builders import record
from support.virtual_loop import run_virtual
from uploader.model.records import Slice
from uploader.model.rows import Mark
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.feed import LINGER_SECONDS, Feed
from uploader.pipeline.write_queue import QueuedWrite


async def _enter():
    """There is always a slot."""


@pytest.mark.parametrize("reads_first", [False, True])
def test_a_row_never_waits_longer_than_the_linger_for_rows_that_come_one_by_one(reads_first):
    async def run():
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Slice | None] = asyncio.Queue()
        arrived: dict[int, float] = {}
        feed = Feed(
            queue,
            Batcher(100),
            taken=lambda _: None,
            count_waiting=lambda _: None,
            reads_first=reads_first,
        )

        async def trickle():
            for position in range(12):
                arrived[position] = loop.time()
                queue.put_nowait(Slice(position, 1, 0, Mark(), [record(position)], []))
                feed.note_arrival()
                await asyncio.sleep(0.7 * LINGER_SECONDS)
            await asyncio.sleep(60)
            queue.put_nowait(None)
            feed.note_arrival()

        trickling = asyncio.ensure_future(trickle())
        waits = []
        while batch := await feed.draw(_enter):
            waits += [loop.time() - arrived[one.position] for one in batch.records]
            feed.settle(list(batch.records))
            if reads_first:
                feed.note_read()
        await trickling
        return waits

    waits = run_virtual(run())
    assert len(waits) == 12
    assert max(waits) < 1.01 * LINGER_SECONDS


@pytest.mark.parametrize("waits", ["nothing", "a write", "a batch"])
def test_the_tail_is_where_nothing_else_can_leave(waits):
    async def run():
        queue: asyncio.Queue[Slice | None] = asyncio.Queue()
        records = [record(position) for position in range(3)]
        queue.put_nowait(Slice(0, 3, 0, Mark(), records, []))
        queue.put_nowait(None)
        feed = Feed(queue, Batcher(2), taken=lambda _: None, count_waiting=lambda _: None, reads_first=True)

        first = await feed.draw(_enter)
        assert not feed.is_tail  # the third record can leave
        if waits != "a batch":
            await feed.draw(_enter)
        if waits == "a write":
            written = first.records[0]
            feed.queue_writes([QueuedWrite(written, written.properties, 0.0, 0.0, 0.0)])
        return feed.is_tail

    assert run_virtual(run()) is (waits == "nothing")
