"""A job whose rows are put by a program, one by one, and whose outcomes a callback gets.

Rules   An outcome reaches the callback after its commit, and the next one after the callback has returned. So
        outcomes come in the order in which rows were settled: of sent rows of one key, in that of the rows.
        If the callback raises, the job is drained. Every `put` that waits, and every later one, raises what
        ended the job. No call waits for something that waits for that call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable

from uploader.api.running import wait_until_ended
from uploader.api.started_job import StartedJob, result_of
from uploader.errors import StoppedError
from uploader.jobs.row_outcome import RowOutcome
from uploader.jobs.summary import Summary
from uploader.sources.put_rows import PutRows
from uploader.sources.python_rows import Row

#: Called with the outcome of each row that was put. A coroutine function is awaited.
OnOutcome = Callable[[RowOutcome], Awaitable[object] | None]


class PutJob:
    """The job, from its first row to its end."""

    def __init__(self, started: StartedJob, rows: PutRows, on_outcome: OnOutcome | None) -> None:
        self._started = started
        self._rows = rows
        self._on_outcome = on_outcome
        self._error: BaseException | None = None  # that the callback raised
        self._delivery = started.loop.create_task(self._deliver())
        started.task.add_done_callback(self._refuse_rows)

    async def put(self, row: Mapping[str, object] | Row, ref: object) -> None:
        """Put a row, once there is room for it."""
        self._refuse_callback("put")
        await self._rows.put(row if ref is None else Row(row.values if isinstance(row, Row) else row, ref))

    async def finish(self) -> Summary:
        """Wait until all rows are settled and the callback has all outcomes."""
        self._refuse_callback("finish")
        self._rows.refuse(RuntimeError("the job is finished, and takes no more rows; use another Uploader"))
        self._rows.finish()
        await self._wait_until_ended()
        if self._error is not None:
            raise self._error
        return result_of(self._started.task, ())

    async def close(self) -> None:
        """Drain the job, and wait until the callback has the outcomes of the settled rows. Raise nothing."""
        self._started.stop_once()
        await self._wait_until_ended()

    async def _wait_until_ended(self) -> None:
        both = asyncio.wait({self._started.task, self._delivery})
        await wait_until_ended(self._started.loop.create_task(both), self._stop)

    def _stop(self) -> None:
        """Drain the job; the second time, drop its requests, and wait for no callback."""
        if self._started.is_stopping:
            self._delivery.cancel()
        self._started.stop()

    async def _deliver(self) -> None:
        queue = self._started.outcome_queue
        try:
            while (outcome := await queue.next_outcome()) is not None:
                answer = self._on_outcome(outcome) if self._on_outcome else None
                if isawaitable(answer):
                    await answer
        except BaseException as error:
            self._error = error
            self._rows.refuse(error)
            self._started.stop_once()
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise  # it may be meant for the whole program

    def _refuse_rows(self, task: asyncio.Task[Summary]) -> None:
        """Let no row wait for a job that has ended."""
        try:
            reason = result_of(task, ()).reason
        except BaseException as error:  # noqa: BLE001  # whoever puts a row gets it
            self._rows.refuse(error)
        else:
            self._rows.refuse(StoppedError(f"the job has stopped, and this row was not taken: {reason}"))

    def _refuse_callback(self, name: str) -> None:
        if asyncio.current_task() is self._delivery:
            raise RuntimeError(
                f"on_outcome cannot await {name}(), which waits for on_outcome; use another task"
            )
