"""A job beside the caller's task: it is never cancelled but drained, whatever becomes of the caller."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_to_end(work: Coroutine[Any, Any, T], stop: Callable[[], None]) -> T:
    """The result of a job. If this is cancelled, the job is stopped, and ends before the cancellation."""
    task = asyncio.get_running_loop().create_task(work)
    await wait_until_ended(task, stop)
    return task.result()


async def wait_until_ended(task: asyncio.Task[T], stop: Callable[[], None]) -> None:
    """Wait until a job has ended. If this is cancelled, drain the job, and wait before the cancellation."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            stop()
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody else will ask for it
        raise cancelled
