"""The workers of a run: one waits for the next batch, the others each have one under way.

A worker is hired for a batch and gone with it. How many requests are out at once is for the slots to say, not
for the number of workers: those that wait out a backoff must not keep the batches behind them from passing,
or nothing would be left that could succeed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from uploader.pipeline.feed import Feed
from uploader.pipeline.worker import Worker


class WorkerPool:
    """`run` once; `drain` from any task of the same loop."""

    def __init__(
        self,
        feed: Feed,
        spawn: Callable[[], Worker],
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`start` makes a task whose end for a reason ends the run."""
        self._feed = feed
        self._spawn = spawn
        self._start = start
        self._under_way: dict[asyncio.Task[None], Worker] = {}
        self._draining = False

    async def run(self) -> None:
        """Until there will be no other batch, and all of them are settled."""
        while not self._draining:
            worker = self._spawn()
            batch = None
            try:
                batch = await self._feed.draw(worker.enter)
            finally:
                if batch is None or self._draining:
                    worker.leave()
            if batch is None or self._draining:
                break
            task = self._start(worker.deliver(batch))
            self._under_way[task] = worker
            task.add_done_callback(self._under_way.pop)
        while self._under_way:
            await asyncio.wait(self._under_way)

    def drain(self) -> None:
        """At once, before any other task has its turn: nothing more leaves."""
        self._draining = True
        for worker in self._under_way.values():
            worker.draining = True

    async def finish_in_flight(self, patience_seconds: float, at_once: asyncio.Event) -> None:
        """Let what is on the wire end and be booked, for so long or until `at_once`; drop the others."""
        for task, worker in self._under_way.items():
            if not worker.is_in_flight:
                task.cancel()
        hurry = asyncio.ensure_future(at_once.wait())
        while self._under_way and not hurry.done() and patience_seconds > 0:
            clock = asyncio.get_running_loop().time
            since = clock()
            await asyncio.wait(
                {hurry, *self._under_way}, timeout=patience_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            patience_seconds -= clock() - since
        hurry.cancel()
        await self.cancel_all()

    async def cancel_all(self) -> None:
        """Whoever is still under way is cancelled, and has ended when this returns."""
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
