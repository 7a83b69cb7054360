"""One invocation of a job, from opening to the last commit: which tasks there are, and how they end."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from uploader.canary import read_back
from uploader.canary.assessment import Review, count_left
from uploader.errors import CutOffError, DeclinedError, StorageError
from uploader.hubspot.account import Account
from uploader.hubspot.schema import Kind
from uploader.jobs.keys_of_one_contact import find_aliases
from uploader.jobs.opening import (
    Job,
    find_checkpoint,
    lock_job,
    open_job,
    open_sources,
)
from uploader.jobs.outcome_stream import Follower
from uploader.jobs.preflight import check_named_portal, side_by_side
from uploader.jobs.progress_view import View
from uploader.jobs.resume_checks import check_account, said_otherwise
from uploader.jobs.row_estimate import estimate_rows
from uploader.jobs.scans.before_sending import (
    Passes,
    decide_orders,
    find_repeated_keys,
    notices_of,
)
from uploader.jobs.session import Seams, Session
from uploader.jobs.summary import Summary
from uploader.model.canary import Canary
from uploader.model.records import Slice
from uploader.model.settlements import Settlement
from uploader.model.stop import Cause, StopRun
from uploader.model.timeline import Course
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.collector import Collector
from uploader.pipeline.feed import Feed
from uploader.pipeline.linked_keys import Links
from uploader.pipeline.producer import QUEUE_SLICES, Producer
from uploader.pipeline.rate.in_flight_slots import Slots
from uploader.pipeline.reply_verdict import classify_optional_read
from uploader.pipeline.requests.contact_reader import Look, Looking, Reader
from uploader.pipeline.requests.write_outage_probe import Proof
from uploader.pipeline.worker import Worker
from uploader.pipeline.worker_pool import Crew
from uploader.settings import Settings
from uploader.sources.python_rows import Given
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.duplicates_file import Duplicates
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock

#: How often the course is told what time it is.
_TICK_SECONDS = 0.5


@dataclass(slots=True)
class _Parts:
    """What a running job is made of."""

    job: Job
    collector: Collector
    feed: Feed
    queue: asyncio.Queue[Slice | None]
    crew: Crew
    looking: Looking | None = None
    has_aliases: bool = False  #: they are looked for once all rows are settled
    settled_before: int = 0  #: by earlier invocations


def _kinds(job: Job) -> Mapping[str, Kind]:
    """Of the account's properties, by name, as far as known."""
    return job.account.schema.kinds if job.account.schema else {}


class Run(Session):
    """`run` once."""

    def __init__(self, settings: Settings, seams: Seams | None = None, given: Sequence[Given] = ()) -> None:
        """`given`: the rows that are named in `settings.given`."""
        super().__init__(settings, seams)
        self._given = given
        self.passes = Passes(self.ending)  #: over all rows, before the first one moves
        self.follower: Follower | None = None  #: told of every row's outcome
        #: Asked before a job writes into an account for the first time, with the rows there are, about. If it
        #: says no, nothing is written.
        self.approve: Callable[[Account, int | None], Coroutine[Any, Any, bool]] | None = None
        #: Shown what became of the canary, to say whether the run goes on. Where nobody is there to be shown,
        #: only a canary that the settings ask for is sent.
        self.judge: Callable[[Review], Coroutine[Any, Any, bool]] | None = None
        self.canary: Canary | None = None  #: that the others wait for
        self.review: Review | None = None  #: of the canary, once it is read back
        self.reads_back_at: float | None = None  #: when the canary is looked at, by the loop's clock
        self.on_rows: Callable[[Slice], None] = lambda _: None  #: told of rows as they come in
        #: Told what each row is about to do; contacts are read first then, whatever the settings say.
        self.on_look: Callable[[Look], None] | None = None
        #: Told of settled rows once that is committed, where there is no follower.
        self.on_settled: Callable[[Sequence[Settlement]], None] | None = None
        self.bytes_total: int | None = None  #: of all sources; None where nobody can know
        self.finished_before: str | None = None  #: the account of a job that had nothing left to do
        self.finished_otherwise = ""  #: the settings it was finished with and these, where they differ
        self.rows_estimated: int | None = None  #: of all sources; None where nobody can know
        self.notices: list[str] = []  #: what the user should know of the sources, a line each
        self.job_id = ""  #: once the job's checkpoint is open
        self.results_lack = 0  #: rows settled before the results file was begun anew
        self._sources: list[Source] = []
        self._known = State()  # what the checkpoint told
        self._parts: _Parts | None = None
        self._awaits_word = False  #: the canary has left, and rows are open

    async def run(self) -> Summary:
        """Run the job, or what is left of it. UploaderError where it can't start."""
        reader, writer = self.seams.offload("reader"), self.seams.offload("writer")
        longest = self.settings.max_duration_seconds
        timer = None if longest is None else self.ending.task(self._end_after(longest))
        try:
            with ExitStack() as stack:
                return await self._run(reader, writer, stack)
        finally:
            if timer is not None:
                timer.cancel()
            for rows in self._given:
                await rows.end(reader)
            reader.close()
            writer.close()

    async def _run(self, reader: Offload, writer: Offload, stack: ExitStack) -> Summary:
        try:
            return await self._open(reader, writer, stack)
        except StopRun:  # before rows moved
            return self._summary(self._known)

    async def _open(self, reader: Offload, writer: Offload, stack: ExitStack) -> Summary:
        settings, unless_ended = self.settings, self.ending.unless_ended
        sources = await unless_ended(reader.run(lambda: open_sources(settings, self._given)))
        sizes = [source.size_bytes for source in sources]
        self.bytes_total = None if None in sizes else sum(size or 0 for size in sizes)
        self.notices, self._sources = notices_of(settings, sources), sources
        lock = lock_job(settings, stack)
        checkpoint = find_checkpoint(settings, sources, stack)
        known = self._known = checkpoint.state() if checkpoint else State()
        self.results_lack = checkpoint.results_lack() if checkpoint else 0
        if checkpoint and (ended := await self._look_back(checkpoint, known, reader)):
            return ended
        transport = self.seams.transport(settings)
        try:
            self._make_sender(transport, known.tallies)
            rows = reader.run(lambda: estimate_rows(sources))
            account, self.rows_estimated = await unless_ended(side_by_side(self._look_at_all(sources), rows))
            may_be_sent = bool(lock.noted) or known.may_be_sent
            await self._ask_to_go_on(account, checkpoint, may_be_sent=may_be_sent)
            settings = await decide_orders(
                settings, sources, checkpoint, account, passes=self.passes, reader=reader
            )
            sent_below = max(known.lost_below, lock.noted)
            job = open_job(settings, sources, checkpoint, account, stack, self.canary, sent_below)
            stack.callback(writer.finish)
            self.job_id, self.results_lack = job.checkpoint.job_id(), job.checkpoint.results_lack()
            if checkpoint is None:
                lock.forget()
            lost_below = max(known.lost_below, lock.noted)
            if job.snapshot is not None:
                unconfirmed = job.checkpoint.unconfirmed()
                await writer.run(partial(job.snapshot.take_up, known, unconfirmed, lost_below))
            duplicates = await find_repeated_keys(job, stack, passes=self.passes, reader=reader)
            self.ending.go_on()
            move = partial(self._move, job, lock, reader, writer, duplicates=duplicates)
            return await self._send(job, move, lost_below, writer)
        finally:
            await self._hang_up(transport)

    async def _look_at_all(self, sources: list[Source]) -> Account:
        """The account with all that rows are mapped by."""
        return await self._with_owners(sources, await self._look())

    async def _end_after(self, seconds: float) -> None:
        await self._wait_out(seconds)
        self.ending.end(Cause.DURATION)

    async def _look_back(self, checkpoint: Checkpoint, known: State, reader: Offload) -> Summary | None:
        """What a follower wants of earlier invocations; the summary of a job that has nothing left to do."""
        if self.follower is not None:
            await self.ending.unless_ended(self.follower.begin(self.settings, checkpoint, reader))
        if known.state != "complete":
            return None
        self.finished_before = checkpoint.identity().portal
        self.finished_otherwise = said_otherwise(self.settings, checkpoint.identity())
        return self._summary(known)

    async def _ask_to_go_on(
        self, account: Account, checkpoint: Checkpoint | None, *, may_be_sent: bool
    ) -> None:
        """DeclinedError if the user says no; another error where account or canary isn't as was said before.

        A job that goes on into its account was approved before, and who names the account approves of it.
        """
        settings = self.settings
        if settings.portal:
            check_named_portal(settings.portal, account)
        if checkpoint is not None:
            check_account(settings, checkpoint, account.portal, may_be_sent=may_be_sent)
        self.canary = checkpoint.canary() if checkpoint else self._planned(account)
        read_back.check(settings, self.canary, is_new=checkpoint is None)
        known = checkpoint.identity().portal if checkpoint else ""
        if settings.portal or self.approve is None or (known and known == account.portal):
            return
        if not await self.ending.unless_ended(self.approve(account, self.rows_estimated)):
            raise DeclinedError(
                f"nothing was written: account {account.portal or 'unknown'} is not the one you want; "
                "use another token, or say --yes"
            )

    def late_notices(self) -> list[str]:
        """What reading the sources has told of them since `notices`."""
        return [one for source in self._sources for one in source.notices if one not in self.notices]

    def view(self) -> View | None:
        """Where the run stands; None before rows move."""
        parts, sender = self._parts, self.sender
        if parts is None or sender is None:
            return None
        now = self._clock()
        return View(
            tallies=parts.collector.tallies,
            elapsed_seconds=parts.collector.elapsed_seconds,
            bytes_read=parts.feed.bytes_read,
            bytes_total=self.bytes_total,
            on_wire=sender.on_wire,
            limit=sender.log.slowest,
            used=sender.log.count(now, sender.log.slowest.seconds),
            pause=sender.pausing,
            pause_seconds=sender.pause_seconds,
            failing_seconds=now - sender.failing_since if sender.failing_since is not None else 0.0,
            failure=sender.last_failure,
            held_back=parts.feed.batcher.held_back,
            chain=parts.collector.chain,
            is_behind=parts.collector.is_behind,
            is_locked_out=parts.collector.commits.is_locked_out,
            settled_before=parts.settled_before,
            half_done=parts.collector.half_done,
            forecast=lambda requests, per_second: self.forecast(requests, per_second).seconds,
        )

    # --- while rows move ---

    async def _move(
        self,
        job: Job,
        lock: Lock,
        reader: Offload,
        writer: Offload,
        lost_below: int,
        *,
        duplicates: Duplicates | None,
        canary: Canary | None = None,
    ) -> Summary:
        """With a `canary` no more rows leave than that has; `_awaits_word` tells if others are open then."""
        parts = self._assemble(job, lock, lost_below, writer, is_canary=canary is not None)
        lock.keep_note = True  # until the last commit has taken over what it says
        committed = parts.collector.committed
        producer = Producer(
            job.sources,
            job.mappers,
            committed.progress,
            reader,
            lost_below=lost_below,
            duplicates=duplicates,
            room=self.follower.room if self.follower else None,
            known=committed.known,
        )
        await self._run_tasks(parts, producer, writer, canary)
        if producer.error is not None:
            is_cut_off = isinstance(producer.error, CutOffError)
            self.ending.end(Cause.CUT_OFF if is_cut_off else Cause.SOURCE, str(producer.error))
        if parts.looking is not None:
            await self.ending.guard(parts.looking.close())
        summary, is_committed = await self._close_books(parts)
        lock.keep_note = not is_committed
        return summary

    async def _run_tasks(
        self, parts: _Parts, producer: Producer, writer: Offload, canary: Canary | None
    ) -> None:
        """Producer, workers and commits, until all is done or the run ends; then what is out may end."""
        assert self.sender is not None
        unless_ended, guard, task = self.ending.unless_ended, self.ending.guard, self.ending.task
        helpers = [
            task(producer.produce(parts.queue, parts.feed.arrived)),
            task(parts.collector.commit_regularly()),
            task(self._watch()),
            task(self._follow_the_day()),
            task(self._follow_course(parts)),
        ]
        self.started.set()
        try:
            await unless_ended(guard(self._work(parts, canary)))
            if producer.error is None and not self._awaits_word:
                await unless_ended(guard(self._list_aliases(parts, writer)))
        except StopRun:
            patience = self.settings.drain_timeout_seconds if self.sender.ever_answered else 0.0
            await parts.crew.rest(patience, self.ending.at_once)
        finally:
            for helper in helpers:
                helper.cancel()
            await parts.crew.leave()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _work(self, parts: _Parts, canary: Canary | None) -> None:
        """Until all rows are settled, or as many have left as the canary has: what is read and turns out not
        to be written doesn't count.
        """
        feed = parts.feed
        while True:
            if canary is not None:
                feed.allowance = max(0, canary.rows - count_left(parts.collector.tallies))
            await parts.crew.work()
            self.ending.go_on()
            if canary is None or await feed.is_over():
                return
            if count_left(parts.collector.tallies) >= canary.rows:
                self._awaits_word = True
                return

    async def _follow_course(self, parts: _Parts) -> None:
        """Until cancelled."""
        sender = self.sender
        assert sender is not None
        course = sender.course
        assert course is not None
        while True:
            pausing = str(sender.pausing or "")
            per_second = sender.log.slowest.per_second
            course.tick(self.seams.wall_clock().timestamp(), pausing=pausing, per_second=per_second)
            course.note_day(sender.day.limit, sender.day.remaining)
            parts.collector.note_chain(parts.feed.chain())
            await asyncio.sleep(_TICK_SECONDS)

    def _looks_first(self, job: Job) -> bool:
        return job.looks_first or self.on_look is not None

    async def _list_aliases(self, parts: _Parts, writer: Offload) -> None:
        await parts.collector.commit()  # so that all is there that was seen
        reader = Reader(self._attempts(), self.paths.read, classify_optional_read)
        aliases = await find_aliases(parts.job.sightings, reader, writer, self.settings.id_property)
        parts.collector.list_aliases(aliases)
        parts.has_aliases = True

    def _assemble(self, job: Job, lock: Lock, lost_below: int, writer: Offload, *, is_canary: bool) -> _Parts:
        collector = self._make_collector(job, lock, lost_below, writer, is_canary=is_canary)
        match = self.settings.match
        links = Links(job.sightings, match, writer) if len(match) > 1 else None
        queue: asyncio.Queue[Slice | None] = asyncio.Queue(QUEUE_SLICES)
        feed = Feed(
            queue,
            Batcher(self.seams.batch_records),
            taken=lambda slice_: self._take_in(slice_, collector),
            held_back=collector.count_held_back,
            is_behind=lambda: collector.is_behind,
            links=links,
            reads_first=self._looks_first(job),
        )
        collector.on_relief = feed.relieved
        looking = self._make_looking(job, writer) if self._looks_first(job) else None
        crew = self._make_crew(job, feed, collector, looking, links)
        self.ending.on_end = crew.drain
        before = self._parts.settled_before if self._parts else collector.tallies.settled
        self._parts = _Parts(job, collector, feed, queue, crew, looking, settled_before=before)
        return self._parts

    def _make_collector(
        self, job: Job, lock: Lock, lost_below: int, writer: Offload, *, is_canary: bool
    ) -> Collector:
        """What the preflight has cost stands in its books, too."""
        assert self.sender is not None
        settings, sender = self.settings, self.sender
        if sender.course is None:
            sender.course = Course(job.checkpoint.course(), self.seams.wall_clock().timestamp())
        collector = Collector(
            job.checkpoint,
            job.results,
            job.sightings,
            writer,
            self._clock,
            limit=settings.max_failures,
            lost_below=lost_below,
            note_sent=lock.note,
            course=sender.course,
            snapshot=job.snapshot,
            rows_estimated=self.rows_estimated,
            is_canary=is_canary,
        )
        collector.commits.gives_up = self.ending.at_once.is_set
        collector.commits.on_committed = self.on_settled
        if self.follower is not None:
            names = [source.name for source in job.sources]
            collector.commits.on_committed = partial(self.follower.settled, names, settings.id_property)
            self.follower.uncommitted = lambda: collector.uncommitted
        tallies = collector.tallies
        tallies.requests, tallies.throttled = sender.tallies.requests, sender.tallies.throttled
        tallies.pauses = dict(sender.tallies.pauses)
        sender.tallies, sender.on_count = tallies, collector.note_change
        return collector

    def _make_looking(self, job: Job, writer: Offload) -> Looking:
        keys = self.settings.match
        looking = Looking(job.overwriting, _kinds(job), job.snapshot, writer, keys=keys)
        if self.on_look is None:
            return looking
        return replace(looking, observe=self.on_look, only_watches=not job.looks_first)

    def _make_crew(
        self, job: Job, feed: Feed, collector: Collector, looking: Looking | None, links: Links | None
    ) -> Crew:
        assert self.sender is not None
        slots, attempts = Slots(self.sender.cap), self._attempts()
        proof = Proof(self.paths, self._clock, feed.batcher.is_open)

        def hire() -> Worker:
            return Worker(
                feed,
                attempts,
                slots,
                collector,
                proof,
                paths=self.paths,
                columns=job.columns,
                kinds=_kinds(job),
                looking=looking,
                links=links,
            )

        return Crew(feed, hire, self.ending.task)

    # --- the canary ---

    def _planned(self, account: Account) -> Canary | None:
        now = self.server_now().timestamp()
        return read_back.planned(self.settings, account, now, is_watched=self.judge is not None)

    async def _send(
        self, job: Job, move: Callable[..., Coroutine[Any, Any, Summary]], lost_below: int, writer: Offload
    ) -> Summary:
        """The canary first, where there is one that nobody has approved; then all that is open."""
        canary = self.canary = read_back.unapproved(self.settings, job.checkpoint)
        if canary is not None:
            summary = await move(lost_below, canary=canary)
            if not self._awaits_word:
                return summary
            if not await self._is_approved(job, canary, writer):
                return await self._end_unapproved()
            lost_below = job.checkpoint.state().lost_below
        return await move(lost_below)

    async def _is_approved(self, job: Job, canary: Canary, writer: Offload) -> bool:
        try:
            return await self._review(job, canary, writer)
        except StopRun:
            return False

    async def _review(self, job: Job, canary: Canary, writer: Offload) -> bool:
        """Show what became of it. Whether the run goes on, as is recorded then."""
        now = self.server_now().timestamp()
        if canary.sent_at is None:
            canary = replace(canary, sent_at=now)
            await writer.run(partial(job.checkpoint.note_canary, canary))
        since = max(0.0, now - (canary.sent_at or now))
        seconds = max(0.0, self.settings.canary_wait_seconds - since)
        self.reads_back_at = self._clock() + seconds
        watch = self.ending.task(self._watch())
        try:
            self.review = await self.ending.unless_ended(self._read_canary(job, canary, seconds))
        finally:
            self.reads_back_at = None
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        if self.judge is None or not await self.ending.unless_ended(self.judge(self.review)):
            return False
        await writer.run(partial(job.checkpoint.note_canary, canary.approve()))
        self._awaits_word = False
        return True

    async def _read_canary(self, job: Job, canary: Canary, seconds: float) -> Review:
        await self._wait_out(seconds)
        reader = Reader(self._attempts(), self.paths.read)
        return await read_back.read_back(
            job.checkpoint.canary_rows(), canary, job.account, self.settings, reader
        )

    async def _end_unapproved(self) -> Summary:
        """With the requests of the review in the books."""
        assert self._parts is not None
        summary, _ = await self._close_books(self._parts)
        return summary

    def _take_in(self, slice_: Slice, collector: Collector) -> None:
        collector.read(slice_)
        self.on_rows(slice_)

    # --- the end ---

    def _reason(self) -> str:
        return super()._reason() or f"{Cause.CANARY}: --approve-canary goes on"

    async def _close_books(self, parts: _Parts) -> tuple[Summary, bool]:
        """The summary of what is committed, and whether that is all that is booked."""
        collector, ending = parts.collector, self.ending
        is_broken = ending.crash is not None or ending.cause in {Cause.SOURCE, Cause.CUT_OFF}
        is_done = parts.has_aliases and collector.tallies.open == 0 and not is_broken
        state = "complete" if is_done else "stopped"
        reason = "" if is_done else self._reason()
        clean_below = None if parts.feed.batcher.may_be_lost() else parts.feed.taken_below
        is_committed = True
        collector.note_chain(parts.feed.chain())
        try:
            await collector.commit(state=state, reason=reason, clean_below=clean_below)
        except StorageError as error:
            is_committed = False
            ending.replace(Cause.STORAGE, str(error))
        if ending.crash is not None:
            raise ending.crash
        if is_done and is_committed:
            parts.job.sightings.remove()
        return self._summary(collector.committed), is_committed

    def _summary(self, state: State) -> Summary:
        if state.state == "complete":
            return Summary(
                state.tallies,
                "complete",
                elapsed_seconds=state.elapsed_seconds,
                tolerance=self.settings.tolerate,
            )
        assert self.ending.cause is not None or self._awaits_word
        return Summary(
            state.tallies,
            "stopped",
            self._reason(),
            state.elapsed_seconds,
            self.ending.cause or Cause.CANARY,
            self.ending.signal,
            self.settings.tolerate,
            state.chain,
        )
