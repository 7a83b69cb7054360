"""How a run ends before its time: by a signal, for a cause, after its longest duration, by a fault of ours.

`StopRun` is the one exception that tells of it. It is raised wherever the run waits for a stage of its work.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from uploader.errors import StorageError
from uploader.model.redaction import without_addresses
from uploader.model.stop import Cause, StopRun

T = TypeVar("T")


class Ending:
    """The first cause holds."""

    def __init__(self) -> None:
        self.cause: Cause | None = None
        self.reason = ""  #: what there is to say of the cause
        self.signal = 0  #: its number, where one came
        self.crash: Exception | None = None  #: a fault of ours, to be raised once the books are closed
        self.at_once = asyncio.Event()  #: not even what is on the wire is waited for
        self._drain: Callable[[], None] = lambda: None
        self._is_asked_for = False
        self._begun = asyncio.Event()

    def stop(self, signal: int = 0) -> None:
        """Let what is on the wire end and be booked, and leave the rest open; again: don't even wait."""
        if self._is_asked_for:
            self.at_once.set()
        self._is_asked_for = True
        self.signal = self.signal or signal
        self.end(Cause.SIGNAL)

    def end(self, cause: Cause, reason: str = "") -> None:
        if self.cause is None:
            self.replace(cause, reason)
        self._begun.set()
        self._drain()

    def on_end(self, drain: Callable[[], None]) -> None:
        """Call `drain` when the run is to end, before any other task has its turn."""
        self._drain = drain

    def replace(self, cause: Cause, reason: str) -> None:
        """A cause that comes before any other: nothing of the others may be durable."""
        self.cause, self.reason = cause, without_addresses(reason)

    def forget(self) -> None:
        """Go on all the same."""
        self.cause, self.reason = None, ""
        self._begun.clear()

    @property
    def is_ending(self) -> bool:
        return self._begun.is_set()

    def raise_if_ending(self) -> None:
        """StopRun where the run is to end."""
        if self.is_ending:
            raise StopRun(self.cause or Cause.SIGNAL, self.reason)

    def stopped(self, cause: Cause, reason: str) -> StopRun:
        """End the run, with what is to be raised for it."""
        self.end(cause, reason)
        return StopRun(cause, reason)

    async def wait(self) -> None:
        """Until the run is to end."""
        await self._begun.wait()

    async def unless_ended(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. StopRun where the run ends first, or by it; `work` is over then, too."""
        task, ended = asyncio.ensure_future(work), asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self.raise_if_ending()
            result = await task
        except StopRun as stop:
            self.end(stop.cause, stop.reason)
            raise
        finally:
            for waiting in (task, ended):
                waiting.cancel()
            await asyncio.gather(task, ended, return_exceptions=True)
        self.raise_if_ending()
        return result

    def task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """One whose end for a reason ends the run."""
        return asyncio.ensure_future(self.guard(work))

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """What ends one task for a reason ends the run for it. It raises nothing itself."""
        try:
            await work
        except StopRun as stop:
            self.end(stop.cause, stop.reason)
        except StorageError as error:
            self.end(Cause.STORAGE, str(error))
        except Exception as error:  # noqa: BLE001  # raised again once the books are closed
            self.crash = self.crash or error
            self.end(Cause.OUTAGE, "crashed")
