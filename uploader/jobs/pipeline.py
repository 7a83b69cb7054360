"""The pipeline of one job: connect producer, queue, feed, workers and collector, and run them to the end."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from uploader.canary.assessment import count_sent_rows
from uploader.errors import CutOffError, RowLimitError, SourceError, StorageError
from uploader.hubspot.requests import request_of
from uploader.jobs.early_ending import Ending, cause_of
from uploader.jobs.keys_of_one_contact import find_identity_conflicts
from uploader.jobs.opening import Job, total_bytes
from uploader.jobs.outcome_stream import OutcomeQueue
from uploader.jobs.progress_view import View
from uploader.jobs.session import Session, reason_of
from uploader.model.canary import Canary
from uploader.model.records import Slice
from uploader.model.settled_rows import Settlement
from uploader.model.stop import Cause, StopRun
from uploader.model.timeline import Timeline
from uploader.pipeline.batcher import Batcher
from uploader.pipeline.collector import Collector
from uploader.pipeline.feed import Feed
from uploader.pipeline.linked_keys import Links
from uploader.pipeline.producer import QUEUE_SLICES, Producer
from uploader.pipeline.rate.in_flight_slots import Slots
from uploader.pipeline.reply_verdict import classify_optional_read
from uploader.pipeline.requests.contact_reader import PreWriteReader, ReadContact, Reader
from uploader.pipeline.requests.write_outage_probe import WriteProbe
from uploader.pipeline.searched_records import SearchedRecords
from uploader.pipeline.sender import Sender
from uploader.pipeline.worker import Worker
from uploader.pipeline.worker_pool import WorkerPool
from uploader.storage.created_records_file import CreatedRecordsFile
from uploader.system.blocking_calls import Offload

#: How often the timeline is updated.
_TICK_SECONDS = 0.5


class Parts(NamedTuple):
    """Replacements for parts of an upload, and callbacks for its rows."""

    sender: Callable[..., Sender] = Sender
    job: Callable[[Job], Job] = lambda job: job  #: may replace the sources
    on_rows: Callable[[Slice], None] = lambda _: None  #: called with each slice that is read
    #: Called before a row is written. Contacts are then read first, whatever the settings say.
    on_look: Callable[[ReadContact], None] | None = None
    #: Called with settled rows after their commit; not used with an outcome queue.
    on_settled: Callable[[Sequence[Settlement]], None] | None = None
    outcome_queue: OutcomeQueue | None = None  #: receives the outcome of every row
    #: Awaited with the number of rows that were read: until there are more, or no more will be
    wait_for_rows: Callable[[int], Coroutine[Any, Any, None]] | None = None


class Pipeline:
    """Call `run` once. Call `close` again whenever requests after it have to be counted."""

    def __init__(
        self,
        session: Session,
        job: Job,
        reader: Offload,
        writer: Offload,
        parts: Parts,
        *,
        in_doubt_below: int,
        rows_estimated: int | None,
        canary: Canary | None = None,
    ) -> None:
        """`in_doubt_below`: open rows below this position may have been sent. With a `canary`, only its rows
        are sent.
        """
        self.job = job
        self.has_sent_canary = False  #: the canary's rows are sent, and other rows are open
        self._session = session
        self._ending = session.ending
        self._canary = canary
        self._writer = writer
        self._note_rows = parts.on_rows
        self._outcome_queue = parts.outcome_queue
        self._has_identity_conflicts = False  # they are listed once all rows are settled
        reads_first = job.reads_first or parts.on_look is not None or job.created is not None
        links = Links(job.keys_file, job.settings.match, writer) if len(job.settings.match) > 1 else None
        self._queue: asyncio.Queue[Slice | None] = asyncio.Queue(QUEUE_SLICES)
        self.feed = self._make_feed(links, reads_first=reads_first)
        self.collector = self._make_collector(parts, in_doubt_below, rows_estimated)
        self.pre_reader = self._make_pre_reader(parts.on_look) if reads_first else None
        self._searched = self._make_searched(job.created, job.created_by_others)
        self._pool = WorkerPool(self.feed, self._make_worker_factory(links), self._ending.task)
        self._ending.on_end(self._pool.drain)
        self._producer = self._make_producer(reader, parts, in_doubt_below)

    # --- its parts ---

    def _make_feed(self, links: Links | None, *, reads_first: bool) -> Feed:
        return Feed(
            self._queue,
            Batcher(self._session.seams.batch_records, has_several_keys=links is not None),
            taken=self._count_slice,
            count_waiting=self._count_waiting,
            is_behind=lambda: self.collector.is_behind,
            ask_for_commit=self._ask_for_commit,
            links=links,
            reads_first=reads_first,
            request_of=partial(request_of, self._session.paths),
        )

    def _make_searched(
        self, created: CreatedRecordsFile | None, others: Sequence[CreatedRecordsFile]
    ) -> SearchedRecords | None:
        search = self._session.key_search(created, self._writer, others)
        if created is None or search is None:
            return None
        return SearchedRecords(search, created, self._writer, self._session.now)

    def _make_producer(self, reader: Offload, parts: Parts, in_doubt_below: int) -> Producer:
        """Make the producer, which begins where the last commit of the job ended."""
        job, committed, wait_for_space = self.job, self.collector.committed, None
        if (outcome_queue := parts.outcome_queue) is not None:
            wait_for_space = partial(outcome_queue.wait_for_space, lambda: self.collector.uncommitted)
        return Producer(
            job.sources,
            job.mappers,
            committed.progress,
            reader,
            in_doubt_below=in_doubt_below,
            duplicates=job.duplicates,
            wait_for_space=wait_for_space,
            wait_for_rows=parts.wait_for_rows,
            known=committed.known,
            limit=job.settings.limit,
            list_opt_outs=self.collector.list_opt_outs if job.opt_outs else None,
            note_links=job.associations.add if job.associations else None,
        )

    def _make_collector(self, parts: Parts, in_doubt_below: int, rows_estimated: int | None) -> Collector:
        """Make the collector, with the requests of the preflight already counted."""
        job, session, outcome_queue = self.job, self._session, parts.outcome_queue
        sender, on_committed = session.sender, parts.on_settled
        if outcome_queue is not None:
            names = [source.name for source in job.sources]
            on_committed = partial(outcome_queue.add_settled, names, job.settings.id_property)
        timeline = sender.timeline or Timeline(job.checkpoint.timeline(), session.clocks.wall().timestamp())
        collector = Collector(
            job.checkpoint,
            job.results,
            job.keys_file,
            self._writer,
            session.clocks.loop,
            limit=job.settings.max_failures,
            in_doubt_below=in_doubt_below,
            note_sent=job.lock.note,
            timeline=timeline,
            snapshot=job.snapshot,
            rows_estimated=rows_estimated,
            is_canary=self._canary is not None,
            on_commit=self.feed.note_commit,
            on_committed=on_committed,
            gives_up=self._ending.abort.is_set,
            opt_outs=job.opt_outs,
            associations=job.associations,
        )
        sender.count_into(collector.tallies, collector.note_change, timeline)
        return collector

    def _make_pre_reader(self, observe: Callable[[ReadContact], None] | None) -> PreWriteReader:
        job = self.job
        pre_reader = PreWriteReader(
            job.overwriting,
            job.kinds,
            job.snapshot,
            self._writer,
            keys=job.settings.match,
            is_searched=job.created is not None,
            needs_values=job.reads_first or observe is not None,
            now=self._session.now,
        )
        if observe is None:
            return pre_reader
        return replace(pre_reader, observe=observe, only_observes=not job.reads_first)

    def _make_worker_factory(self, links: Links | None) -> Callable[[], Worker]:
        session, job = self._session, self.job
        slots = Slots(session.sender)
        write_probe = WriteProbe(session.paths, session.clocks.loop, self.feed.batcher.is_open)

        def make_worker() -> Worker:
            return Worker(
                self.feed,
                session.attempts,
                slots,
                self.collector,
                write_probe,
                paths=session.paths,
                columns=job.columns,
                kinds=job.kinds,
                read_app=partial(session.preflight.read_app_id, session.settings.token),
                pre_reader=self.pre_reader,
                links=links,
                searched=self._searched,
            )

        return make_worker

    def _count_slice(self, slice_: Slice) -> None:
        self.collector.read(slice_)
        self._note_rows(slice_)
        if self._outcome_queue is not None:
            self._outcome_queue.note_read(self.job.sources[slice_.source].name, slice_)

    def _count_waiting(self, records: int) -> None:
        self.collector.count_waiting(records)

    def _ask_for_commit(self) -> None:
        self.collector.ask_for_commit()

    # --- while rows are processed ---

    async def run(self) -> None:
        """Run until all rows are settled, the canary is sent, or the run is ended; then drain."""
        lock, producer = self.job.lock, self._producer
        lock.keep_note = True  # until the last commit records the same
        await self._run_tasks()
        # A canary whose approval is awaited holds back rows below the limit, which come before it.
        if producer.error is not None and not (
            self.has_sent_canary and isinstance(producer.error, RowLimitError)
        ):
            self._ending.end(_why_unread(producer.error), str(producer.error))
        if self.pre_reader is not None:
            await self._ending.guard(self.pre_reader.close())
        lock.keep_note = not await self.close()

    async def _run_tasks(self) -> None:
        session, ending = self._session, self._ending
        helpers = [
            ending.task(self._producer.produce(self._queue, self.feed.note_arrival)),
            ending.task(self.collector.commit_regularly()),
            ending.task(session.watch()),
            ending.task(session.refresh_daily_usage()),
            ending.task(self._update_timeline()),
        ]
        try:
            await ending.unless_ended(ending.guard(self._work()))
            if self._producer.error is None and not self.has_sent_canary:
                await ending.unless_ended(ending.guard(self._list_identity_conflicts()))
        except StopRun:
            patience = self.job.settings.drain_timeout_seconds if session.sender.ever_answered else 0.0
            await self._pool.finish_in_flight(patience, ending.abort)
        finally:
            for helper in helpers:
                helper.cancel()
            await self._pool.cancel_all()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _work(self) -> None:
        """Run workers until all rows are settled, or as many rows as the canary has are sent. Rows that are
        read first and need no writing do not count as sent.
        """
        feed, canary = self.feed, self._canary
        while True:
            if canary is not None:
                feed.allowance = max(0, canary.rows - count_sent_rows(self.collector.tallies))
            await self._pool.run()
            self._ending.raise_if_ending()
            if canary is None or await feed.is_over():
                return
            if count_sent_rows(self.collector.tallies) >= canary.rows:
                self.has_sent_canary = True
                return

    async def _update_timeline(self) -> None:
        """Keep the timeline up to date until cancelled."""
        sender, wall_clock = self._session.sender, self._session.clocks.wall
        timeline = sender.timeline
        assert timeline is not None
        while True:
            pausing = str(sender.pausing or "")
            timeline.tick(wall_clock().timestamp(), pausing=pausing, per_second=sender.log.slowest.per_second)
            timeline.note_day(sender.day.limit, sender.day.remaining)
            self.collector.note_chain(self.feed.chain(sender.reply_seconds))
            await asyncio.sleep(_TICK_SECONDS)

    async def _list_identity_conflicts(self) -> None:
        """Find the contacts that several keys of the file led to, and record them."""
        await self.collector.commit()  # includes what was observed since the last commit
        reader = Reader(self._session.attempts, self._session.paths.read, classify_optional_read)
        main = self.job.settings.id_property
        conflicts = await find_identity_conflicts(self.job.keys_file, reader, self._writer, main)
        self.collector.list_identity_conflicts(conflicts)
        self._has_identity_conflicts = True

    def view(self, settled_before: int) -> View:
        """The current progress. `settled_before`: rows that earlier invocations settled."""
        session, collector, feed = self._session, self.collector, self.feed
        sender, now = session.sender, session.clocks.loop()
        limit, failing_since = sender.log.slowest, sender.failing_since
        return View(
            tallies=collector.tallies,
            elapsed_seconds=collector.elapsed_seconds,
            bytes_read=feed.bytes_read,
            bytes_total=total_bytes(self.job.sources),
            in_flight=sender.in_flight,
            limit=limit,
            used=sender.log.count(now, limit.seconds),
            pause=sender.pausing,
            pause_seconds=sender.pause_seconds,
            failing_seconds=now - failing_since if failing_since is not None else 0.0,
            failure=sender.last_failure,
            waiting_records=feed.batcher.waiting_records,
            chain=collector.chain,
            is_behind=collector.is_behind,
            in_doubt=self._searched.in_doubt if self._searched else 0,
            is_locked_out=collector.commits.is_locked_out,
            settled_before=settled_before,
            reads_first=self.pre_reader is not None,
            half_done=collector.half_done,
            forecast=lambda requests, per_second: session.forecast(requests, per_second).seconds,
        )

    # --- the end ---

    async def close(self) -> bool:
        """Commit the job's final state; False if the commit failed."""
        collector, ending = self.collector, self._ending
        is_broken = ending.crash is not None or ending.cause in _UNREAD
        is_done = self._has_identity_conflicts and collector.tallies.open == 0 and not is_broken
        state = "complete" if is_done else "stopped"
        reason = "" if is_done else stop_reason(ending, self._session)
        clean_below = None if self.feed.batcher.has_in_doubt() else self.feed.taken_below
        is_committed = True
        collector.note_chain(self.feed.chain(self._session.sender.reply_seconds))
        try:
            await collector.commit(state=state, reason=reason, clean_below=clean_below)
        except StorageError as error:
            is_committed = False
            ending.replace(cause_of(error), str(error))
        if ending.crash is not None:
            raise ending.crash
        if is_done and is_committed:
            self.job.keys_file.remove()
        return is_committed


#: Causes for which rows of the sources stay unread.
_UNREAD = frozenset({Cause.SOURCE, Cause.CUT_OFF, Cause.LIMIT})


def _why_unread(error: SourceError) -> Cause:
    """Why reading ended before the last row."""
    if isinstance(error, RowLimitError):
        return Cause.LIMIT
    return Cause.CUT_OFF if isinstance(error, CutOffError) else Cause.SOURCE


def stop_reason(ending: Ending, session: Session | None) -> str:
    """Why the job stops with rows open."""
    return reason_of(ending, session) or f"{Cause.CANARY}; continue with --approve-canary"
