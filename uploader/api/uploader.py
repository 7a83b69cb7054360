"""Jobs run by a program: `Uploader` yields the outcome of each row, `upload` returns the summary.

Nothing here prints, asks, reads the environment, or touches signals, logging or the loop. A job is one task
beside the caller's. It is never cancelled but drained: requests in flight are awaited and counted, the lock
is released, and every connection is closed.
"""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import TracebackType
from typing import Any, Self, Unpack

from uploader.api.consent import Approve, Consent, Judge
from uploader.api.described import with_options
from uploader.api.options import Options
from uploader.api.preparation import Given, Source, prepare, prepare_put
from uploader.api.put_job import OnOutcome, PutJob
from uploader.api.running import wait_until_ended
from uploader.api.started_job import StartedJob, result_of
from uploader.jobs.progress_view import View
from uploader.jobs.row_outcome import RowOutcome
from uploader.jobs.session import Seams
from uploader.jobs.summary import Summary
from uploader.settings import Settings
from uploader.sources.python_rows import Row


class Uploader:
    """Runs jobs, one after the other. Call `run` inside `async with`, which waits for the end of the job; or
    `put`, for rows that come one by one.
    """

    @with_options(Options)
    def __init__(
        self,
        settings: Settings | Options | None = None,
        *,
        yes: bool = False,
        approve: Approve | None = None,
        judge: Judge | None = None,
        on_outcome: OnOutcome | None = None,
        seams: Seams | None = None,
        **options: Unpack[Options],
    ) -> None:
        """The options hold for every job. They take precedence over `settings`.

        A production account, or one whose kind the token may not read, is written to only if `portal` names
        it, `approve` returns True, or `yes` is given. `approve` is a function or coroutine of the account and
        the estimated number of rows. There is a canary only if `canary` gives its number of rows, or `judge`
        is given: a function or coroutine of the canary's review, which returns whether the other rows are
        sent. `on_outcome`, a function or coroutine, gets the outcome of each row that is `put`.
        """
        base, given_options = dict[str, Any](), dict[str, Any](options)
        self._sources: Sequence[Source] = ()
        if isinstance(settings, Settings):
            base, self._sources = _fields_of(settings), settings.sources
        elif settings is not None:
            given_options = {**settings, **options}
        self._given = Given(given_options, Consent(yes, approve, judge), seams, base)
        self._on_outcome = on_outcome
        self._put_job: PutJob | None = None
        self._is_open = False
        self._started: StartedJob | None = None

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        if self._put_job is not None:
            await (self._put_job.finish() if error is None else self._put_job.close())
        elif self._started is not None:
            await self._started.close(quiet=error is not None)

    def run(self, *sources: Source, earlier: bool = False) -> "OutcomeStream":
        """Run or resume a job, and return an async iterator of outcomes: one for each row, once committed.

        Rows that an earlier invocation settled are left out. With `earlier`, the iterator begins with them,
        which needs the results file as the job has written it. The first iteration raises UploaderError if
        the job can't start. If it stops early, `summary` says why.
        """
        if not self._is_open:
            raise RuntimeError("use an Uploader inside `async with` only")
        if self._on_outcome is not None or self._put_job is not None:
            raise RuntimeError("run() yields the outcomes, and on_outcome is for put(); use one of them")
        return OutcomeStream(self, sources or self._sources, earlier=earlier)

    async def put(self, row: Mapping[str, object] | Row, ref: object = None) -> None:
        """Add a row to a job that the first call begins, for queues and webhooks. `ref`: as of `Row`.

        Returns once the row is taken, and waits while the job has enough rows to do. Several tasks may call
        it. A batch leaves when it is full, or a second after its first row could leave. Then `on_outcome`
        gets the outcome of each row, after its commit: acknowledge a message there.

        Such a job is not resumed, because what was put is not put again in the same order. After a kill the
        queue delivers again what was not acknowledged, and to upsert a row twice does no harm. So the job
        keeps no files, unless `checkpoint` is a path, which must be new (or `restart` is given).

        Once the job has ended early, or `on_outcome` has raised, this raises the reason: UploaderError, or
        that exception. The row is not taken then, nor if the call is cancelled. RuntimeError after `finish`.
        """
        await self._putting().put(row, ref)

    async def finish(self) -> Summary:
        """Wait until all rows that were put are settled and `on_outcome` has their outcomes; the summary.

        Leaving `async with` does the same. An error of the job or of `on_outcome` is raised.
        """
        return await self._putting().finish()

    def _putting(self) -> PutJob:
        """The job that takes the rows, begun by the first call."""
        if self._put_job is None:
            if not self._is_open:
                raise RuntimeError("use an Uploader inside `async with` only")
            if self._started is not None and not self._started.task.done():
                raise RuntimeError("this Uploader is running a job; create another Uploader for a second one")
            job, rows = prepare_put(self._given, is_followed=self._on_outcome is not None)
            self._started = StartedJob(job)
            self._put_job = PutJob(self._started, rows, self._on_outcome)
        return self._put_job

    def stop(self) -> None:
        """Finish the requests in flight and stop, with the other rows open. A second call drops them.

        The iterator still yields the outcomes of the rows that are settled, and `on_outcome` gets them.
        """
        if self._started is not None:
            self._started.stop()

    def view(self) -> View | None:
        """The current progress; None before rows are processed."""
        return self._started.run.view() if self._started else None

    @property
    def summary(self) -> Summary:
        """The summary of the last job that has ended. RuntimeError if none has."""
        summary = self._started.summary if self._started else None
        if summary is None:
            raise RuntimeError("no job has ended yet")
        return summary

    async def _start(self, sources: Sequence[Source], *, earlier: bool) -> StartedJob:
        """Begin a job, after the one before has ended. RuntimeError if that still runs."""
        if not self._is_open:
            raise RuntimeError("the Uploader is closed")
        if self._started is not None:
            if not self._started.is_stopping and not self._started.task.done():
                raise RuntimeError("this Uploader is running a job; create another Uploader for a second one")
            await self._started.close(quiet=True)
        self._started = StartedJob(prepare(sources, self._given, is_followed=True, earlier=earlier))
        return self._started


class OutcomeStream:
    """The async iterator that `Uploader.run` returns. Closing or deleting it early stops the job."""

    def __init__(self, uploader: Uploader, sources: Sequence[Source], *, earlier: bool) -> None:
        self._uploader = uploader
        self._sources = sources
        self._earlier = earlier
        self._started: StartedJob | None = None
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RowOutcome:
        if self._is_over:
            raise StopAsyncIteration
        if self._started is None:
            self._started = await self._uploader._start(self._sources, earlier=self._earlier)  # noqa: SLF001
            self._sources = ()
        outcome = await self._started.outcome_queue.next_outcome()
        if outcome is None:
            self._is_over = True
            await self._started.end()
            raise StopAsyncIteration
        return outcome

    async def aclose(self) -> None:
        """Drain the job, and wait until it has ended."""
        self._is_over = True
        if self._started is not None:
            await self._started.close()

    def __del__(self) -> None:
        started = self._started
        if started is None or started.loop.is_closed():
            return
        if asyncio._get_running_loop() is started.loop:  # noqa: SLF001  # without an error where none runs
            started.stop_once()
        else:  # the garbage collector may run in any thread
            started.loop.call_soon_threadsafe(started.stop_once)


@with_options(Options)
async def upload(
    *sources: Source,
    yes: bool = False,
    approve: Approve | None = None,
    judge: Judge | None = None,
    seams: Seams | None = None,
    **options: Unpack[Options],
) -> Summary:
    """Run or resume a job, and return its summary. Like `Uploader`, without the outcomes of rows.

    Sources are paths, patterns, URLs or rows: an iterable or async iterable of mappings, or `Rows`.

    A production account, or one whose kind the token may not read, is written to only if `portal` names it,
    `approve` returns True, or `yes` is given. `approve` is a function or coroutine of the account and the
    estimated number of rows. `judge`, a function or coroutine of the canary's review, returns whether the
    other rows are sent.

    Raise UploaderError if the job can't start. If it stops early, the summary's `state`, `reason` and
    `exit_code` say so. A cancelled call drains the job first.
    """
    job = prepare(sources, Given(options, Consent(yes, approve, judge), seams, {}))
    task = asyncio.get_running_loop().create_task(job.work())
    await wait_until_ended(task, lambda: job.run.stop(signal.SIGINT))
    return result_of(task, job.given)


def _fields_of(settings: Settings) -> dict[str, Any]:
    named = (field.name for field in fields(Settings))
    return {
        name: getattr(settings, name)
        for name in named
        if name not in {"sources", "given", "repeated_options", "offline"}
    }
