"""One invocation of a job, from opening to the last commit: its stages, one after the other."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from uploader.canary import read_back
from uploader.canary.assessment import Review
from uploader.errors import DeclinedError
from uploader.hubspot.account import Account
from uploader.jobs.ending import Ending
from uploader.jobs.opening import FoundJob, Job, find_job, open_job, open_sources, total_bytes
from uploader.jobs.pipeline import Parts, Pipeline, stop_reason
from uploader.jobs.preflight import check_named_portal, run_both
from uploader.jobs.progress_view import View
from uploader.jobs.resume_checks import changed_settings_text, check_account
from uploader.jobs.row_estimate import estimate_rows
from uploader.jobs.scans.before_sending import Passes, decide_orders, find_repeated_keys, notices_of
from uploader.jobs.session import Seams, Session, exact_clock, sleep_real_time
from uploader.jobs.summary import Summary
from uploader.model.canary import Canary
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.requests.contact_reader import Reader
from uploader.settings import Settings
from uploader.sources.python_rows import Given
from uploader.sources.source import Source
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.system.blocking_calls import Offload

#: Asked before a job writes into an account for the first time, with the rows there are, about. Where it says
#: no, nothing is written.
Approve = Callable[[Account, int | None], Coroutine[Any, Any, bool]]
#: Shown what became of the canary, to say whether the run goes on.
Judge = Callable[[Review], Coroutine[Any, Any, bool]]


class FinishedBefore(NamedTuple):
    """A job that had nothing left to do."""

    portal: str
    otherwise: str  #: the settings it was finished with and these, where they differ


class Run:
    """`run` once. `stop` may be called at any time from the same loop, a second time to stop at once."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams | None = None,
        given: Sequence[Given] = (),
        *,
        approve: Approve | None = None,
        judge: Judge | None = None,
        parts: Parts | None = None,
        ending: Ending | None = None,
    ) -> None:
        """`given`: the rows that are named in `settings.given`. Without `judge`, where nobody is there to be
        shown it, only a canary that the settings ask for is sent. `ending` where others may end it, too.
        """
        self.settings = settings
        self.session: Session | None = None  #: once HubSpot is asked
        self.pipeline: Pipeline | None = None  #: once rows move
        self.started = asyncio.Event()  #: they do
        self.ending = ending or Ending()
        self.passes = Passes(self.ending)  #: over all rows, before the first one moves
        self.sources: Sequence[Source] = ()
        self.notices: list[str] = []  #: what the user should know of the sources, a line each
        self.rows_estimated: int | None = None  #: of all sources; None where nobody can know
        self.canary: Canary | None = None  #: that the others wait for
        self.reads_back_at: float | None = None  #: when the canary is looked at, by the loop's clock
        self.finished_before: FinishedBefore | None = None
        self._found: FoundJob | None = None
        self._job: Job | None = None
        self._seams = seams or Seams()
        self._given = given
        self._approve = approve
        self._judge = judge
        self._parts = parts or Parts()

    def stop(self, signal: int = 0) -> None:
        """Let what is on the wire end and be booked, and leave the rest open; again: don't even wait."""
        self.ending.stop(signal)

    async def run(self) -> Summary:
        """Run the job, or what is left of it. UploaderError where it can't start."""
        reader, writer = self._seams.offload("reader"), self._seams.offload("writer")
        longest = self.settings.max_duration_seconds
        timer = None if longest is None else self.ending.task(self._end_after(longest))
        try:
            with ExitStack() as stack:
                return self._summary(await self._run(reader, writer, stack))
        finally:
            if timer is not None:
                timer.cancel()
            for rows in self._given:
                await rows.end(reader)
            reader.close()
            writer.close()

    async def _end_after(self, seconds: float) -> None:
        await sleep_real_time(seconds, exact_clock(), self._seams.wall_clock)
        self.ending.end(Cause.DURATION)

    async def _run(self, reader: Offload, writer: Offload, stack: ExitStack) -> State:
        """What is durable in the end."""
        try:
            found = await self._find(reader, stack)
            if found.state.state == "complete":
                return found.state
            async with Session(
                self.settings, self._seams, self.ending, found.state.tallies, sender=self._parts.sender
            ) as session:
                self.session = session
                account = await self._look(session, found, reader)
                await self._ask_to_go_on(session, found, account)
                job = await self._open(found, account, reader, writer, stack)
                self.ending.raise_if_ending()
                return await self._move(session, job, found, reader, writer)
        except StopRun:  # before rows moved
            return self._found.state if self._found else State()

    # --- before rows move ---

    async def _find(self, reader: Offload, stack: ExitStack) -> FoundJob:
        """The sources, and what was begun of the job; a follower gets of that what it wants."""
        settings, unless_ended = self.settings, self.ending.unless_ended
        sources = await unless_ended(reader.run(lambda: open_sources(settings, self._given)))
        self.notices, self.sources = notices_of(settings, sources), sources
        found = self._found = find_job(settings, sources, stack)
        if found.checkpoint is None:
            return found
        if self._parts.follower is not None:
            await unless_ended(self._parts.follower.begin(settings, found.checkpoint, reader))
        if found.state.state == "complete":
            identity = found.checkpoint.identity()
            self.finished_before = FinishedBefore(identity.portal, changed_settings_text(settings, identity))
        return found

    async def _look(self, session: Session, found: FoundJob, reader: Offload) -> Account:
        """The account with all that rows are mapped by; meanwhile rows are counted, about."""

        async def look() -> Account:
            return await session.with_owners(found.sources, await session.look())

        rows = reader.run(lambda: estimate_rows(found.sources))
        account, self.rows_estimated = await self.ending.unless_ended(run_both(look(), rows))
        return account

    async def _ask_to_go_on(self, session: Session, found: FoundJob, account: Account) -> None:
        """DeclinedError if the user says no; another error where account or canary isn't as was said before.

        A job that goes on into its account was approved before, and who names the account approves of it.
        """
        settings, checkpoint = self.settings, found.checkpoint
        if settings.portal:
            check_named_portal(settings.portal, account)
        if checkpoint is not None:
            check_account(settings, checkpoint, account.portal, may_be_sent=found.may_be_sent)
            self.canary = checkpoint.canary()
        else:
            now = session.clocks.server_now().timestamp()
            self.canary = read_back.planned(settings, account, now, is_watched=self._judge is not None)
        read_back.check(settings, self.canary, is_new=checkpoint is None)
        known = checkpoint.identity().portal if checkpoint else ""
        if settings.portal or self._approve is None or (known and known == account.portal):
            return
        if not await self.ending.unless_ended(self._approve(account, self.rows_estimated)):
            raise DeclinedError(
                f"nothing was written: account {account.portal or 'unknown'} is not the one you want; "
                "use another token, or say --yes"
            )

    async def _open(
        self,
        found: FoundJob,
        account: Account,
        reader: Offload,
        writer: Offload,
        stack: ExitStack,
    ) -> Job:
        """The job, with what all its rows tell before the first one moves."""
        settings = await decide_orders(
            self.settings, found.sources, found.checkpoint, account, passes=self.passes, reader=reader
        )
        job = self._job = open_job(found, settings, account, stack, self.canary)
        stack.callback(writer.finish)
        if job.snapshot is not None:
            unconfirmed = job.checkpoint.unconfirmed()
            await writer.run(partial(job.snapshot.take_up, found.state, unconfirmed, found.lost_below))
        duplicates = await find_repeated_keys(job, stack, passes=self.passes, reader=reader)
        return self._parts.job(replace(job, duplicates=duplicates))

    # --- while rows move ---

    async def _move(
        self, session: Session, job: Job, found: FoundJob, reader: Offload, writer: Offload
    ) -> State:
        """The canary first, where there is one that nobody has approved; then all that is open."""
        lost_below = found.lost_below
        canary = self.canary = read_back.unapproved(self.settings, job.checkpoint)
        make = partial(
            Pipeline, session, job, reader, writer, self._parts, rows_estimated=self.rows_estimated
        )
        if canary is not None:
            first = make(lost_below=lost_below, canary=canary)
            await self._start(first)
            if not first.has_sent_canary:
                return first.collector.committed
            if not await self._is_approved(session, job, canary, writer):
                await first.close()  # with the requests of the review in the books
                return first.collector.committed
            lost_below = job.checkpoint.state().lost_below
        rest = make(lost_below=lost_below)
        await self._start(rest)
        return rest.collector.committed

    async def _start(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.started.set()
        await pipeline.run()

    async def _is_approved(self, session: Session, job: Job, canary: Canary, writer: Offload) -> bool:
        """Show what became of it. Whether the run goes on, as is recorded then."""
        now = session.clocks.server_now().timestamp()
        if canary.sent_at is None:
            canary = replace(canary, sent_at=now)
            await writer.run(partial(job.checkpoint.note_canary, canary))
        since = max(0.0, now - (canary.sent_at or now))
        try:
            review = await self._review(
                session, job, canary, max(0.0, self.settings.canary_wait_seconds - since)
            )
            if self._judge is None or not await self.ending.unless_ended(self._judge(review)):
                return False
        except StopRun:
            return False
        await writer.run(partial(job.checkpoint.note_canary, canary.approve()))
        return True

    async def _review(self, session: Session, job: Job, canary: Canary, seconds: float) -> Review:
        """What became of the canary, as it is read back in so many seconds."""
        self.reads_back_at = session.clocks.loop() + seconds
        watch = self.ending.task(session.watch())

        async def read() -> Review:
            await session.sleep_real_time(seconds)
            reader = Reader(session.attempts, session.paths.read)
            rows = job.checkpoint.canary_rows()
            return await read_back.read_back(rows, canary, job.account, self.settings, reader)

        try:
            return await self.ending.unless_ended(read())
        finally:
            self.reads_back_at = None
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    # --- what it tells of itself ---

    @property
    def account(self) -> Account:
        """As far as it is known."""
        return (self.session.account if self.session else None) or Account()

    @property
    def bytes_total(self) -> int | None:
        """Of all sources; None where nobody can know."""
        return total_bytes(self.sources)

    @property
    def job_id(self) -> str:
        """Once the job's checkpoint is open."""
        return self._job.id if self._job else ""

    @property
    def rows_not_in_results(self) -> int:
        """Rows that were settled before the results file was begun anew."""
        known = self._job or self._found
        return known.rows_not_in_results if known else 0

    def late_notices(self) -> list[str]:
        """What reading the sources has told of them since `notices`."""
        return [one for source in self.sources for one in source.notices if one not in self.notices]

    def view(self) -> View | None:
        """Where the run stands; None before rows move."""
        if self.pipeline is None or self._found is None:
            return None
        return self.pipeline.view(self._found.state.tallies.settled)

    def _summary(self, state: State) -> Summary:
        if state.state == "complete":
            return Summary(
                state.tallies,
                "complete",
                elapsed_seconds=state.elapsed_seconds,
                tolerance=self.settings.tolerate,
            )
        return Summary(
            state.tallies,
            "stopped",
            stop_reason(self.ending, self.session),
            state.elapsed_seconds,
            self.ending.cause or Cause.CANARY,
            self.ending.signal,
            self.settings.tolerate,
            state.chain,
        )
