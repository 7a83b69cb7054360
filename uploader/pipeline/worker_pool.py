"""The workers of a run: one waits for the next batch, and each of the others sends one batch.

A worker is made for one batch and ends with it. `Slots` limits the requests in flight, not the number of
workers: a worker that waits out a backoff must not stop later batches, or nothing could succeed meanwhile.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from uploader.pipeline.feed import Feed
from uploader.pipeline.worker import Worker


class WorkerPool:
    """Makes a worker for each batch. Call `run` once; call `drain` from any task of the same loop."""

    def __init__(
        self,
        feed: Feed,
        spawn: Callable[[], Worker],
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`spawn` makes a worker. `start` makes a task whose failure ends the run."""
        self._feed = feed
        self._spawn = spawn
        self._start = start
        self._under_way: dict[asyncio.Task[None], Worker] = {}
        self._draining = False

    async def run(self) -> None:
        """Send batches until there are no more, and wait until all of them are settled."""
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
        """Let no further request leave. Takes effect at once, before any other task runs."""
        self._draining = True
        for worker in self._under_way.values():
            worker.draining = True

    async def finish_in_flight(self, patience_seconds: float, at_once: asyncio.Event) -> None:
        """Wait for the requests in flight and settle their records, for `patience_seconds` or until
        `at_once`. Cancel all other workers.
        """
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
        """Cancel all workers and wait until they have ended."""
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
