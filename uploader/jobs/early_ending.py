"""How a run is ended early: by a signal, for a cause, after its maximum duration, by a bug.

`StopRun` of `model.stop` is the one exception for it. It is raised wherever the run waits for a stage of its
work.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from uploader.errors import ResultsChangedError, StorageError
from uploader.model.redaction import without_addresses
from uploader.model.stop import Cause, StopRun

T = TypeVar("T")


class Ending:
    """Whether a run is to end early, and why. Of several causes the first one counts."""

    def __init__(self) -> None:
        self.cause: Cause | None = None
        self.reason = ""  #: details of the cause
        self.signal = 0  #: number of the signal, if one came
        self.crash: Exception | None = None  #: an unexpected error, raised after the last commit
        self.abort = asyncio.Event()  #: requests in flight are dropped
        self._drain: Callable[[], None] = lambda: None
        self._is_asked_for = False
        self._begun = asyncio.Event()

    def stop(self, signal: int = 0) -> None:
        """Finish the requests in flight and stop, with the other rows open. A second call drops them."""
        if self._is_asked_for:
            self.abort.set()
        self._is_asked_for = True
        self.signal = self.signal or signal
        self.end(Cause.SIGNAL)

    def end(self, cause: Cause, reason: str = "") -> None:
        """End the run for this cause, unless there is one already."""
        if self.cause is None:
            self.replace(cause, reason)
        self._begun.set()
        self._drain()

    def on_end(self, drain: Callable[[], None]) -> None:
        """Call `drain` when the run is ended, before any other task runs."""
        self._drain = drain

    def replace(self, cause: Cause, reason: str) -> None:
        """Set the cause even if there is one: a failed commit outweighs any other."""
        self.cause, self.reason = cause, without_addresses(reason)

    def clear(self) -> None:
        """Remove the cause, so that the run continues."""
        self.cause, self.reason = None, ""
        self._begun.clear()

    @property
    def is_ending(self) -> bool:
        return self._begun.is_set()

    def raise_if_ending(self) -> None:
        """Raise StopRun if the run is to end."""
        if self.is_ending:
            raise StopRun(self.cause or Cause.SIGNAL, self.reason)

    def stopped(self, cause: Cause, reason: str) -> StopRun:
        """End the run, and return the exception to raise."""
        self.end(cause, reason)
        return StopRun(cause, reason)

    async def wait(self) -> None:
        """Wait until the run is to end."""
        await self._begun.wait()

    async def unless_ended(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. StopRun if the run is ended before or by it; `work` is cancelled then."""
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
        """Start a task whose errors end the run."""
        return asyncio.ensure_future(self.guard(work))

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`; an error of it ends the run and is not raised here."""
        try:
            await work
        except StopRun as stop:
            self.end(stop.cause, stop.reason)
        except StorageError as error:
            self.end(cause_of(error), str(error))
        except Exception as error:  # noqa: BLE001  # raised again after the last commit
            self.crash = self.crash or error
            self.end(Cause.OUTAGE, "crashed")


def cause_of(error: StorageError) -> Cause:
    return Cause.RESULTS if isinstance(error, ResultsChangedError) else Cause.STORAGE
