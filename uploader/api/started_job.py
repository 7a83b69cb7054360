"""A job that runs as a task beside its program: its outcomes, how it is stopped, how it ends.

It is never cancelled but drained: requests in flight are awaited and counted, the lock is released, and every
connection is closed.
"""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from uploader.api.keyword_settings import keywords_named
from uploader.api.running import wait_until_ended
from uploader.jobs.outcome_stream import OutcomeQueue
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.sources.python_rows import RowStream
from uploader.system.temporary_folder import remove_folder


class PreparedJob(NamedTuple):
    """A job that can be started."""

    run: Run
    given: Sequence[RowStream]
    outcome_queue: OutcomeQueue
    folder: Path | None = None  #: of its files if it keeps none

    async def work(self) -> Summary:
        """Run the job, then remove files that it does not keep."""
        try:
            return await self.run.run()
        finally:
            if self.folder is not None:
                remove_folder(self.folder)


class StartedJob:
    """A job whose outcomes somebody takes."""

    def __init__(self, made: PreparedJob) -> None:
        self.run = made.run
        self.outcome_queue = made.outcome_queue
        self.loop = asyncio.get_running_loop()
        self.summary: Summary | None = None
        self.is_stopping = False
        self._given = made.given
        self._is_reported = False  # how it ended
        self.task = self.loop.create_task(made.work())
        self.task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[Summary]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.summary = task.result()
        self.outcome_queue.end()

    def stop(self) -> None:
        self.is_stopping = True
        self.run.stop(signal.SIGINT)

    def stop_once(self) -> None:
        if not self.is_stopping and not self.task.done():
            self.stop()

    async def end(self) -> None:
        """Wait for the end, and raise an error of the job or of an iterable that it reads."""
        self._is_reported = True
        await wait_until_ended(self.task, self.stop)
        result_of(self.task, self._given)

    async def close(self, *, quiet: bool = False) -> None:
        """Drain the job, wait for its end, and raise an error that was not raised yet, unless `quiet`."""
        self.stop_once()
        is_told, self._is_reported = self._is_reported or quiet, True
        await wait_until_ended(self.task, self.stop)
        if not is_told:
            result_of(self.task, self._given)


def result_of(task: asyncio.Task[Summary], given: Sequence[RowStream]) -> Summary:
    """The summary of a job that has ended. Raise the error of an iterable if there is one, since it says
    more; else the error of the job.
    """
    for rows in given:
        if rows.error is not None and not isinstance(rows.error, asyncio.CancelledError):
            raise rows.error
    with keywords_named():
        return task.result()
