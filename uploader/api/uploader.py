"""Jobs run by a program: `Uploader` yields the outcome of each row, `upload` returns the summary.

Nothing here prints, asks, reads the environment, or touches signals, logging or the loop. A job is one task
beside the caller's. It is never cancelled but drained: requests in flight are awaited and counted, the lock
is released, and every connection is closed.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import isawaitable
from types import TracebackType
from typing import Any, NamedTuple, Self, Unpack

from uploader.api.described import with_options
from uploader.api.keyword_settings import keywords_named, make_settings
from uploader.api.options import Options
from uploader.api.running import wait_until_ended
from uploader.canary.assessment import Review
from uploader.errors import DeclinedError, SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import DETAILS
from uploader.jobs.outcome_stream import OutcomeQueue
from uploader.jobs.pipeline import Parts
from uploader.jobs.progress_view import View
from uploader.jobs.row_outcome import RowOutcome
from uploader.jobs.session import Seams
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.settings import Settings
from uploader.sources import python_rows
from uploader.sources.python_rows import ProgramRows, RowStream

#: Called with the account and the estimated number of rows; returns whether they are written.
Approve = Callable[[Account, int | None], bool | Awaitable[bool]]
#: Called with the canary's review; returns whether the other rows are sent.
Judge = Callable[[Review], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are not from a file. Outcomes and the checkpoint use `name` as the name of the source.

    To resume a job, give it the same rows from the first on: rows it has settled are compared, not sent.
    A row is a mapping of columns to values, or a `Row` of such a mapping and a `ref`, which its outcome gets.
    """

    rows: python_rows.Rows
    name: str = "rows"


Source = str | os.PathLike[str] | Rows | python_rows.Rows


class Uploader:
    """Runs jobs, one after the other. Call `run` inside `async with`, which waits for the end of the job."""

    @with_options(Options)
    def __init__(
        self,
        settings: Settings | Options | None = None,
        *,
        yes: bool = False,
        approve: Approve | None = None,
        judge: Judge | None = None,
        seams: Seams | None = None,
        **options: Unpack[Options],
    ) -> None:
        """The options hold for every job. They take precedence over `settings`.

        A production account, or one whose kind the token may not read, is written to only if `portal` names
        it, `approve` returns True, or `yes` is given. `approve` is a function or coroutine of the account and
        the estimated number of rows. There is a canary only if `canary` gives its number of rows, or `judge`
        is given: a function or coroutine of the canary's review, which returns whether the other rows are
        sent.
        """
        self._base: Mapping[str, Any] = {}
        self._sources: Sequence[Source] = ()
        self._given_options: Mapping[str, Any] = options
        if isinstance(settings, Settings):
            self._base, self._sources = _fields_of(settings), settings.sources
        elif settings is not None:
            self._given_options = {**settings, **options}
        self._consent = _Consent(yes, approve, judge)
        self._seams = seams
        self._is_open = False
        self._started: _Started | None = None

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        if self._started is not None:
            await self._started.close(quiet=error is not None)

    def run(self, *sources: Source, earlier: bool = False) -> "OutcomeStream":
        """Run or resume a job, and return an async iterator of outcomes: one for each row, once committed.

        Rows that an earlier invocation settled are left out. With `earlier`, the iterator begins with them,
        which needs the results file as the job has written it. The first iteration raises UploaderError if
        the job can't start. If it stops early, `summary` says why.
        """
        if not self._is_open:
            raise RuntimeError("use an Uploader inside `async with` only")
        return OutcomeStream(self, sources or self._sources, earlier=earlier)

    def stop(self) -> None:
        """Finish the requests in flight and stop, with the other rows open. A second call drops them.

        The iterator still yields the outcomes of the rows that are settled.
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

    async def _start(self, sources: Sequence[Source], *, earlier: bool) -> "_Started":
        """Begin a job, after the one before has ended. RuntimeError if that still runs."""
        if not self._is_open:
            raise RuntimeError("the Uploader is closed")
        if self._started is not None:
            if not self._started.is_stopping and not self._started.task.done():
                raise RuntimeError("this Uploader is running a job; create another Uploader for a second one")
            await self._started.close(quiet=True)
        made = _make_run(
            sources,
            self._given_options,
            self._consent,
            self._seams,
            base=self._base,
            is_followed=True,
            earlier=earlier,
        )
        self._started = _Started(*made)
        return self._started


class OutcomeStream:
    """The async iterator that `Uploader.run` returns. Closing or deleting it early stops the job."""

    def __init__(self, uploader: Uploader, sources: Sequence[Source], *, earlier: bool) -> None:
        self._uploader = uploader
        self._sources = sources
        self._earlier = earlier
        self._started: _Started | None = None
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


class _Started:
    """A running job: its task, and the queue of its outcomes."""

    def __init__(self, run: Run, given: Sequence[RowStream], outcome_queue: OutcomeQueue) -> None:
        self.run = run
        self.outcome_queue = outcome_queue
        self.loop = asyncio.get_running_loop()
        self.summary: Summary | None = None
        self.is_stopping = False
        self._given = given
        self._is_reported = False  # how it ended
        self.task = self.loop.create_task(run.run())
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
        _raise_failure(self.task, self._given)

    async def close(self, *, quiet: bool = False) -> None:
        """Drain the job, wait for its end, and raise an error that was not raised yet, unless `quiet`."""
        self.stop_once()
        is_told, self._is_reported = self._is_reported or quiet, True
        await wait_until_ended(self.task, self.stop)
        if not is_told:
            _raise_failure(self.task, self._given)


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
    run, given, _ = _make_run(sources, options, _Consent(yes, approve, judge), seams)
    task = asyncio.get_running_loop().create_task(run.run())
    await wait_until_ended(task, lambda: run.stop(signal.SIGINT))
    _raise_failure(task, given)
    return task.result()


def _raise_failure(task: asyncio.Task[Summary], given: Sequence[RowStream]) -> None:
    """Raise the error of an iterable if there is one, since it says more; else the error of the job."""
    for rows in given:
        if rows.error is not None and not isinstance(rows.error, asyncio.CancelledError):
            raise rows.error
    with keywords_named():
        task.result()


# --- from arguments to a run ---


@dataclass(frozen=True, slots=True)
class _Consent:
    """Decides whether an account is written to, and whether a canary is approved."""

    yes: bool
    approve: Approve | None
    judge: Judge | None

    async def approves(self, account: Account, rows: int | None) -> bool:
        if not account.may_be_production:
            return True
        if self.approve is not None:
            return await _answer(self.approve(account, rows))
        if not account.portal:
            raise DeclinedError(
                "nothing was written: this token may not read which account it belongs to, nor its kind; "
                f"give it the scope `{account.scope(DETAILS)}`, or pass yes=True to write to it anyway"
            )
        raise DeclinedError(
            f"nothing was written: account {account.portal} may be a production account; pass "
            f"portal={account.portal!r} if it is the right one (or yes=True)"
        )

    async def judges(self, review: Review) -> bool:
        return self.judge is not None and await _answer(self.judge(review))


async def _answer(answer: bool | Awaitable[bool]) -> bool:
    """The result of a callback that may be a coroutine."""
    return bool(await answer if isawaitable(answer) else answer)


def _fields_of(settings: Settings) -> dict[str, Any]:
    named = (field.name for field in fields(Settings))
    return {
        name: getattr(settings, name)
        for name in named
        if name not in {"sources", "given", "repeated_options", "offline"}
    }


class _Made(NamedTuple):
    run: Run
    given: Sequence[RowStream]
    outcome_queue: OutcomeQueue


def _make_run(
    sources: Sequence[Source],
    options: Mapping[str, Any],
    consent: _Consent,
    seams: Seams | None,
    *,
    base: Mapping[str, Any] | None = None,
    is_followed: bool = False,
    earlier: bool = False,
) -> _Made:
    """`base`: fields of `Settings` that options take precedence over. `is_followed`: somebody takes the
    outcomes of rows; with `earlier`, those of earlier runs, too.
    """
    named = [_named(source) for source in sources]
    names = tuple(one.name if isinstance(one, Rows) else one for one in named)
    rows = [one for one in named if isinstance(one, Rows)]
    if rows and consent.judge is not None:
        raise SettingsError(
            "judge needs a file, because rows are read again after the canary. Leave judge out: the job "
            "then stops after its canary, and continues with approve_canary=True"
        )
    settings = make_settings(names, (one.name for one in rows), options, base)
    given = [ProgramRows(one.rows, one.name, keeps_refs=is_followed) for one in rows]
    outcome_queue = OutcomeQueue(given, wants_earlier=earlier)
    run = Run(
        settings,
        seams,
        given,
        approve=None if consent.yes else consent.approves,
        judge=None if consent.judge is None else consent.judges,
        parts=Parts(outcome_queue=outcome_queue if is_followed else None),
    )
    return _Made(run, given, outcome_queue)


def _named(source: Source) -> str | Rows:
    if isinstance(source, Rows):
        _check_rows(source.rows)
        return source
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    _check_rows(source)
    return Rows(source)


def _check_rows(rows: object) -> None:
    """SettingsError for mistakes that would make every row invalid."""
    if isinstance(rows, Mapping):
        raise SettingsError("rows is a single mapping; put it into a list")
    if isinstance(rows, str | bytes | os.PathLike) or not isinstance(rows, Iterable | AsyncIterable):
        raise SettingsError(f"rows must be an iterable of mappings, not {type(rows).__name__}")
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], str | os.PathLike):
        raise SettingsError("pass several paths as several arguments: run(*paths)")
