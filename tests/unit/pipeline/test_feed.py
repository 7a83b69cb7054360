"""When a record that fails alone has nothing left to be compared with."""

import asyncio

import pytest

from support.builders import record
from support.virtual_loop import run_virtual
from uploader.model.records import Slice
from uploader.model.rows import Mark
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.feed import Feed
from uploader.pipeline.write_queue import QueuedWrite


@pytest.mark.parametrize("waits", ["nothing", "a write", "a batch"])
def test_the_tail_is_where_nothing_else_can_leave(waits):
    async def run():
        queue: asyncio.Queue[Slice | None] = asyncio.Queue()
        records = [record(position) for position in range(3)]
        queue.put_nowait(Slice(0, 3, 0, Mark(), records, []))
        queue.put_nowait(None)
        feed = Feed(queue, Batcher(2), taken=lambda _: None, count_waiting=lambda _: None, reads_first=True)

        async def enter():
            """There is always a slot."""

        first = await feed.draw(enter)
        assert not feed.is_tail  # the third record can leave
        if waits != "a batch":
            await feed.draw(enter)
        if waits == "a write":
            written = first.records[0]
            feed.queue_writes([QueuedWrite(written, written.properties, 0.0, 0.0, 0.0)])
        return feed.is_tail

    assert run_virtual(run()) is (waits == "nothing")
