"""Runs blocking calls in a thread of their own, awaited from the event loop.

Reading and committing use `Background`, one call at a time and in order. Callers know it as `Offload`.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Offload(Protocol):
    """Runs blocking calls, one at a time, in order."""

    async def run(self, call: Callable[[], T]) -> T: ...

    def close(self) -> None: ...

    def finish(self) -> None: ...


class Background:
    """An `Offload` with one daemon thread: a read that blocks for ever must not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def answer(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def serve() -> None:
            result, error = None, None
            try:
                result = call()
            except BaseException as raised:  # noqa: BLE001  # it belongs to the waiting caller
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits
                loop.call_soon_threadsafe(answer, result, error)

        self._calls.put(serve)
        return await future

    def close(self) -> None:
        """Let the thread end after the calls in its queue."""
        self._calls.put(None)

    def finish(self) -> None:
        """Close, and wait for the calls in the queue, so that their files can be closed."""
        self.close()
        self._thread.join()

    def _serve(self) -> None:
        while (serve := self._calls.get()) is not None:
            serve()
