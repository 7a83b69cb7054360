"""One invocation of a job, stage by stage, from opening to the last commit."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from uploader.canary import planning
from uploader.canary.assessment import Review
from uploader.canary.read_back import read_back
from uploader.errors import CheckpointError, DeclinedError
from uploader.hubspot.account import Account
from uploader.jobs.early_ending import Ending
from uploader.jobs.follow_ups import find_follow_ups
from uploader.jobs.link_checks import refuse_impossible_links
from uploader.jobs.opening import (
    FoundJob,
    Job,
    find_job,
    former_links_text,
    open_created_by_others,
    open_job,
    open_sources,
    total_bytes,
)
from uploader.jobs.pipeline import Parts, Pipeline, stop_reason
from uploader.jobs.preflight import check_named_portal, run_both
from uploader.jobs.progress_view import View
from uploader.jobs.resume_checks import changed_settings_text, check_account
from uploader.jobs.row_estimate import estimate_rows
from uploader.jobs.scans.before_sending import (
    Passes,
    decide_orders,
    find_repeated_keys,
    look_at_first_keys,
    notices_of,
    remarks_notice,
)
from uploader.jobs.scans.older_keys import compare_keys
from uploader.jobs.session import Connection, Seams, Session, exact_clock, sleep_real_time
from uploader.jobs.summary import JobState, Summary
from uploader.model.associations import KnownRecords
from uploader.model.canary import Canary
from uploader.model.chain_of_rows import Chain
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.follow_up import FollowUp, Tools
from uploader.pipeline.requests.contact_reader import Reader
from uploader.settings import Settings
from uploader.sources.python_rows import RowStream
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.system.blocking_calls import Offload

#: Called before a job first writes to an account, with the estimated number of rows. If it returns False,
#: nothing is written.
Approve = Callable[[Account, int | None], Coroutine[Any, Any, bool]]
#: Called with the canary's review; returns whether the other rows are sent.
Judge = Callable[[Review], Coroutine[Any, Any, bool]]


class FinishedBefore(NamedTuple):
    """A job that was complete before this invocation."""

    portal: str
    changed_settings: str  #: how its settings differ from the present ones, as text; "" if they do not


class Run:
    """Call `run` once. `stop` drains the run; a second `stop` aborts it. Call both from the same loop."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams | None = None,
        given: Sequence[RowStream] = (),
        *,
        approve: Approve | None = None,
        judge: Judge | None = None,
        parts: Parts | None = None,
        ending: Ending | None = None,
        connection: Connection | None = None,
        only_rows: bool = False,
        known_records: Sequence[KnownRecords] = (),
    ) -> None:
        """`given`: the rows that are named in `settings.given`. Without `judge`, a canary is sent only if the
        settings ask for one. `ending`: pass one to end the run from outside. `connection`: one that other
        runs use, too, before or after this one. `only_rows`: what follows the rows is left to a later run.
        `known_records`: of other jobs, which links need not look up, and which are not created again.
        """
        self.settings = settings
        self.session: Session | None = None  #: None before the first request
        self.pipeline: Pipeline | None = None  #: None before rows are processed
        self.started = asyncio.Event()  #: set when rows are processed
        self.ending = ending or Ending()
        self.passes = Passes(self.ending)  #: over all rows, before the first one is sent
        self.sources: Sequence[Source] = ()
        self.notices: list[str] = []  #: about the sources, for the user, a line each
        self.rows_estimated: int | None = None  #: of all sources; None if not known
        self.chain = Chain()  #: the rows that are expected to be written one after the other, before they are
        self.canary: Canary | None = None  #: whose approval the other rows wait for
        self.reads_back_at: float | None = None  #: when the canary is read back, by the loop's clock
        self.finished_before: FinishedBefore | None = None
        self.follow_ups: Sequence[FollowUp] = ()  #: what follows the rows, in this order
        self.following: FollowUp | None = None  #: the one that is under way
        self._found: FoundJob | None = None
        self._job: Job | None = None
        self._seams = seams or Seams()
        self._given = given
        self._approve = approve
        self._judge = judge
        self._parts = parts or Parts()
        self._connection = connection
        self._only_rows = only_rows
        self._known_records = known_records
        self._has_followed = False  # all that follows the rows was done, as far as it was possible

    def stop(self, signal: int = 0) -> None:
        """Finish the requests in flight and stop, with the other rows open. A second call drops them."""
        self.ending.stop(signal)

    async def run(self) -> Summary:
        """Run the job, or resume it. UploaderError if it can't start."""
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
        """Run the stages; the last committed state."""
        try:
            found = await self._find(reader, stack)
            if self.finished_before is not None:
                return found.state
            async with Session(
                self.settings,
                self._seams,
                self.ending,
                found.state.tallies,
                sender=self._parts.sender,
                connection=self._connection,
            ) as session:
                self.session = session
                account = await self._look(session, found, reader)
                tools = session.tools(account, reader, writer)
                for one in self.follow_ups:
                    self.notices += await self.ending.unless_ended(one.check(tools))
                await self._ask_to_go_on(session, found, account)
                if found.checkpoint is not None and found.state.state == "complete":
                    return await self._follow_finished_rows(found.checkpoint, found.state, tools)
                job = await self._open(found, account, reader, writer, stack)
                self.ending.raise_if_ending()
                return await self._process_rows(session, job, found, tools)
        except StopRun:  # before rows were processed
            return self._found.state if self._found else State()

    # --- before rows are processed ---

    async def _find(self, reader: Offload, stack: ExitStack) -> FoundJob:
        """Open the sources and find the job's checkpoint. Add earlier outcomes to the queue, if wanted."""
        settings, unless_ended = self.settings, self.ending.unless_ended
        if self._parts.wait_for_rows is not None:
            await unless_ended(self._parts.wait_for_rows(0))
        sources = await unless_ended(reader.run(lambda: open_sources(settings, self._given)))
        self.notices, self.sources = notices_of(settings, sources), sources
        found = self._found = find_job(settings, sources, stack)
        if found.checkpoint is not None:
            planning.refuse_undone(found.checkpoint)
        self.follow_ups = find_follow_ups(settings, found.checkpoint, stack, self._known_records)
        if found.checkpoint is None:
            return found
        if not all(rows.can_be_given_again for rows in self._given):
            raise CheckpointError(
                f"{settings.checkpoint_path} belongs to an earlier job, and rows that are put resume none; "
                "choose another path, or replace that job with --restart"
            )
        resume = found.state.progress.resume
        for rows in self._given:
            if resume.mark is not None and rows.name == sources[resume.source].name:
                rows.skip_refs(resume.mark.line)
        if self._parts.outcome_queue is not None:
            await unless_ended(self._parts.outcome_queue.add_earlier(settings, found.checkpoint, reader))
        is_left = not self._only_rows and any(one.progress.open for one in self.follow_ups)
        if found.state.state == "complete" and not is_left:
            for one in self.follow_ups:
                await unless_ended(reader.run(partial(one.write_due_list, found.checkpoint)))
            identity = found.checkpoint.identity()
            self.finished_before = FinishedBefore(identity.portal, changed_settings_text(settings, identity))
        return found

    async def _look(self, session: Session, found: FoundJob, reader: Offload) -> Account:
        """Read the account with all that its values name, and estimate the number of rows meanwhile."""

        async def look() -> Account:
            account = await session.read_account_and_schema()
            await refuse_impossible_links(self.settings, session.preflight)
            return await session.with_named_values(found.sources, account)

        rows = reader.run(lambda: estimate_rows(found.sources))
        account, self.rows_estimated = await self.ending.unless_ended(run_both(look(), rows))
        return account

    async def _ask_to_go_on(self, session: Session, found: FoundJob, account: Account) -> None:
        """Raise DeclinedError if the user does not approve; another error if account or canary do not match
        the settings or the checkpoint.

        A resumed job was approved before, and --portal approves the account that it names.
        """
        settings, checkpoint = self.settings, found.checkpoint
        if settings.portal:
            check_named_portal(settings.portal, account)
        if checkpoint is not None:
            check_account(settings, checkpoint, account, may_be_sent=found.may_be_sent)
            self.canary = checkpoint.canary()
        else:
            now = session.clocks.server_now().timestamp()
            self.canary = planning.planned(settings, account, now, is_watched=self._judge is not None)
        planning.check(settings, self.canary, is_new=checkpoint is None)
        known = checkpoint.identity().portal if checkpoint else ""
        if settings.portal or self._approve is None or (known and known == account.portal):
            return
        if not await self.ending.unless_ended(self._approve(account, self.rows_estimated)):
            raise DeclinedError(
                f"nothing was written: account {account.portal or 'unknown'} was not confirmed; use a token "
                "of another account, or add --yes"
            )

    async def _open(
        self,
        found: FoundJob,
        account: Account,
        reader: Offload,
        writer: Offload,
        stack: ExitStack,
    ) -> Job:
        """Open the job, after the passes over all rows that its settings need."""
        settings = await decide_orders(
            self.settings, found.sources, found.checkpoint, account, passes=self.passes, reader=reader
        )
        self.chain = found.state.chain
        if found.checkpoint is None:
            share = await look_at_first_keys(
                settings, found.sources, account, self.rows_estimated, passes=self.passes, reader=reader
            )
            self.chain = Chain(share=share)
        if not settings.accept_changed_settings:
            await self.passes.read(compare_keys(found), reader)
        if found.checkpoint is None and settings.restart:
            self.notices += filter(None, [former_links_text(settings.checkpoint_path)])
        job = open_job(found, settings, account, stack, self.canary)
        others = open_created_by_others(settings, self._known_records, stack)
        job = self._job = replace(job, created_by_others=others)
        stack.callback(writer.finish)
        if job.snapshot is not None:
            unconfirmed = job.checkpoint.unconfirmed()
            await writer.run(
                partial(job.snapshot.decide_open_readings, found.state, unconfirmed, found.in_doubt_below)
            )
        duplicates = await find_repeated_keys(job, stack, passes=self.passes, reader=reader)
        if found.checkpoint is None:
            self.notices += filter(None, [remarks_notice(self.passes.findings)])
        return self._parts.job(replace(job, duplicates=duplicates))

    # --- while rows are processed ---

    async def _process_rows(self, session: Session, job: Job, found: FoundJob, tools: Tools) -> State:
        """Send the canary if there is one that is not approved yet, then all open rows, then what follows
        them.
        """
        in_doubt_below, reader, writer = found.in_doubt_below, tools.reader, tools.writer
        canary = self.canary = planning.unapproved(self.settings, job.checkpoint)
        make = partial(
            Pipeline, session, job, reader, writer, self._parts, rows_estimated=self.rows_estimated
        )
        pipeline = make(in_doubt_below=in_doubt_below, canary=canary)
        await self._start(pipeline)
        if pipeline.has_sent_canary and canary is not None:
            if not await self._is_approved(session, job, canary, writer):
                await pipeline.close()  # counts the requests of the review
                return pipeline.collector.committed
            pipeline = make(in_doubt_below=job.checkpoint.state().in_doubt_below)
            await self._start(pipeline)
        if await self._follow_rows(job.checkpoint, tools):
            await pipeline.close()  # counts the requests since
        return pipeline.collector.committed

    async def _start(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.started.set()
        await pipeline.run()

    async def _is_approved(self, session: Session, job: Job, canary: Canary, writer: Offload) -> bool:
        """Review the canary and ask for approval, which is recorded."""
        now = session.clocks.server_now().timestamp()
        if canary.sent_at is None:
            canary = replace(canary, sent_at=now)
            await writer.run(partial(job.checkpoint.note_canary, canary))
        since = max(0.0, now - (canary.sent_at or now))
        try:
            review = await self._review(
                session, job, canary, writer, max(0.0, self.settings.canary_wait_seconds - since)
            )
            if self._judge is None or not await self.ending.unless_ended(self._judge(review)):
                return False
        except StopRun:
            return False
        await writer.run(partial(job.checkpoint.note_canary, canary.approve()))
        return True

    async def _review(
        self, session: Session, job: Job, canary: Canary, writer: Offload, seconds: float
    ) -> Review:
        """Wait `seconds`, read the canary's contacts back, and compare them with what was sent."""
        self.reads_back_at = session.clocks.loop() + seconds
        watch = self.ending.task(session.watch())

        async def read() -> Review:
            await session.sleep_real_time(seconds)
            search = session.key_search(job.created, writer)
            reader = Reader(session.attempts, session.paths.read, search=search)
            rows = job.checkpoint.canary_rows()
            return await read_back(rows, canary, job.account, self.settings, reader)

        try:
            return await self.ending.unless_ended(read())
        finally:
            self.reads_back_at = None
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    # --- after the rows ---

    async def _follow_finished_rows(self, checkpoint: Checkpoint, state: State, tools: Tools) -> State:
        """Do what is left after the rows of a job whose rows are all settled."""
        self.notices.append("all rows are settled already; what follows them is not complete")
        self.started.set()
        if await self._follow_rows(checkpoint, tools):
            await tools.writer.run(partial(checkpoint.commit, state, ()))  # with the requests since
        return state

    async def _follow_rows(self, checkpoint: Checkpoint, tools: Tools) -> bool:
        """Do what follows the rows, unless the run was ended early; False if nothing was done.

        At --limit the rows before it are followed, too.
        """
        ending, reason = self.ending, self.ending.reason
        is_limited = ending.cause is Cause.LIMIT
        if self._only_rows or not (ending.cause is None or is_limited):
            return False
        if is_limited:
            ending.clear()
        try:
            for one in self.follow_ups:
                self.following = one
                await self._unless_ended(one.run(tools, checkpoint), tools)
            self._has_followed = True
        except StopRun:
            pass  # the next invocation goes on
        finally:
            self.following = None
        if ending.crash is not None:
            raise ending.crash
        if is_limited and ending.cause is None:
            ending.end(Cause.LIMIT, reason)
        return bool(self.follow_ups)

    async def _unless_ended(self, work: Coroutine[Any, Any, None], tools: Tools) -> None:
        """Wait for `work`. If the run is ended before, its requests in flight are finished; then StopRun."""
        task, ended = self.ending.task(work), asyncio.ensure_future(self.ending.wait())
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await tools.wait_for_the_last({task})
        finally:
            for waiting in (task, ended):
                waiting.cancel()
            await asyncio.gather(task, ended, return_exceptions=True)
        self.ending.raise_if_ending()

    # --- progress ---

    @property
    def account(self) -> Account:
        """The account, as far as it is known."""
        return (self.session.account if self.session else None) or Account()

    @property
    def bytes_total(self) -> int | None:
        """The size of all sources together; None if one is not known."""
        return total_bytes(self.sources)

    @property
    def job_id(self) -> str:
        """The job's id; "" before its checkpoint is open."""
        return self._job.id if self._job else ""

    @property
    def rows_not_in_results(self) -> int:
        """Number of rows that were settled before the results file was begun anew."""
        known = self._job or self._found
        return known.rows_not_in_results if known else 0

    def late_notices(self) -> list[str]:
        """Notices about the sources that came up while they were read."""
        return [one for source in self.sources for one in source.notices if one not in self.notices]

    def view(self) -> View | None:
        """The current progress; None before rows are processed."""
        if self.pipeline is None or self._found is None:
            return None
        return self.pipeline.view(self._found.state.tallies.settled)

    def _summary(self, state: State) -> Summary:
        follow_ups = {one.name: one.progress for one in self.follow_ups}
        is_left = any(one.open for one in follow_ups.values()) or bool(follow_ups and not self._has_followed)
        is_left = is_left and not self._only_rows and self.finished_before is None
        if state.state == "complete" and not is_left:
            return Summary(
                state.tallies,
                JobState.COMPLETE,
                elapsed_seconds=state.elapsed_seconds,
                tolerance=self.settings.tolerate,
                follow_ups=follow_ups,
            )
        return Summary(
            state.tallies,
            JobState.STOPPED,
            stop_reason(self.ending, self.session),
            state.elapsed_seconds,
            self.ending.cause or Cause.CANARY,
            self.ending.signal,
            self.settings.tolerate,
            state.chain,
            follow_ups,
            may_be_sent=bool(state.in_doubt_below),
        )
