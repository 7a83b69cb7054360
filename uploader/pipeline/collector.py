"""The books of a run: every row that is read or settled passes here, and is committed here. No requests."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import replace

from uploader.errors import BooksError, BusyError
from uploader.hubspot.wire import BATCH_STATUSES, Reply
from uploader.model.canary import LEFT, Sent
from uploader.model.keys_of_one_contact import Alias, Sighting
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import Record, Slice, Unsent
from uploader.model.rows import NO_KEY, Mark
from uploader.model.settlements import Refusal, Settlement, Tallies, skip_rule
from uploader.model.stop import Cause, StopRun
from uploader.model.timeline import Changes, Course
from uploader.model.watermark import Resume
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.ledger import Ledger
from uploader.pipeline.seen_filter import Sieve
from uploader.records.mapper import common_fault
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.failed_and_pending_rows import Superseding, values_beside_key
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.checkpoint_tables.timeline import Invocation
from uploader.storage.keys_of_one_contact_file import Sightings
from uploader.storage.results_file import ResultsFile
from uploader.storage.snapshot import SnapshotFile
from uploader.system.blocking_calls import Offload
from uploader.version import __version__

_LOG = logging.getLogger("uploader")

#: From one try to write a checkpoint that others read to the next.
_LOCKED_SECONDS = 0.2
#: From one commit to the next. A kill may cost half a second of work: this, and two commits that take long.
COMMIT_SECONDS = 0.1
#: Slices of a stream that are still to be told from others, should it be given again: all that may be open.
_MARKS_KEPT = 128
_ROW_KEPT = DEAD_LETTERS | {Outcome.PENDING}
#: What may wait for its commit: at a quota's pace more than ten seconds' work, of a disk that stands still.
MAX_BACKLOG_BYTES = 16 * 1024 * 1024
#: What a settled record weighs beside its row, with all its texts and tuples. As measured.
_RECORD_BYTES = 800


class Collector:
    """Counts on the event loop, writes through `offload`, one commit at a time."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        results: ResultsFile | None,
        sightings: Sightings,
        offload: Offload,
        clock: Callable[[], float],
        *,
        limit: FailureLimit,
        lost_below: int,
        note_sent: Callable[[int], None],
        course: Course,
        snapshot: SnapshotFile | None = None,
        rows_estimated: int | None = None,
        is_canary: bool = False,
    ) -> None:
        """`lost_below`: open rows before it may have been sent by a predecessor. `note_sent` keeps such a
        number where a kill does not reach it. `course` is told what is booked; `snapshot` which contacts were
        written. What a canary sends is kept, to be looked at.
        """
        self.committed = checkpoint.state()
        self.tallies = deepcopy(self.committed.tallies)
        self.half_done = 0  #: records that were read and are still to be written
        #: Told of what was settled, once it is durable.
        self.on_committed: Callable[[Sequence[Settlement]], None] = lambda _: None
        self.on_relief: Callable[[], None] = lambda: None  #: told that `is_behind` may have changed
        self.is_locked_out = False  #: another process reads the checkpoint, so that it can't be written
        self.gives_up: Callable[[], bool] = lambda: False  #: asked then: whether not to wait any more
        self._limit = limit
        self._note_sent = note_sent
        self._lost_below = self._sent_below = lost_below
        self._failed_before = self.tallies.failed
        self._outcomes_before = dict(self.tallies.outcomes)
        self._settled_before = self.tallies.settled
        self._course = course
        self._rows_estimated = rows_estimated
        self._told = deepcopy(self.tallies)  # what the course knows of
        self._ledger = Ledger(self.committed.progress)
        self._known = {
            source: deque(marks, maxlen=_MARKS_KEPT) for source, marks in self.committed.known.items()
        }
        self._checkpoint = checkpoint
        self._results = results
        self._sightings = sightings
        self._snapshot = snapshot
        self._offload = offload
        self._clock = clock
        self._started = clock()
        self._elapsed_before = self.committed.elapsed_seconds
        self._uncommitted: list[Settlement] = []
        self._backlog_bytes = 0  # of these, about
        self._superseding: list[Superseding] = []
        self._seen: list[Sighting] = []
        self._aliases: Sequence[Alias] = ()
        self._is_canary = is_canary
        self._canary: list[Sent] = []
        # A false alarm costs one look into the table.
        self._dead, self._beside_dead = Sieve(), Sieve()
        for value in checkpoint.dead_values():
            self._dead.add(value)
        for value in checkpoint.values_beside_dead_keys():
            self._beside_dead.add(value)
        self._committing = asyncio.Lock()
        self._changed = asyncio.Event()
        self.note_change()  # what the preflight has cost, and where the last invocation stood

    def note_change(self) -> None:
        """Something that a commit makes durable is about to change, or has. Whoever changes `tallies` from
        outside calls it, too.
        """
        self._changed.set()

    # --- what happens to rows ---

    def read(self, slice_: Slice) -> None:
        """Rows came in. Those that are never sent are settled at once.

        StopRun where all of them have one fault: it is not theirs, so they stay open.
        """
        if fault := common_fault(slice_):
            raise StopRun(Cause.PROPERTY, fault)
        self._ledger.open(slice_)
        self._note_end(slice_)
        self.tallies.rows = self._ledger.rows
        self.book(
            Settlement(u, u.outcome, attempts=0, refusal=Refusal(u.category, u.told)) for u in slice_.unsent
        )

    def _note_end(self, slice_: Slice) -> None:
        """Where a slice of a stream ends: above the watermark, too, rows are known by their place alone."""
        end, marks = slice_.end, self._known.setdefault(slice_.source, deque(maxlen=_MARKS_KEPT))
        if end is not None and end.digest and (not marks or end.offset > marks[-1].offset):
            marks.append(end)

    def _marks(self, resume: Resume) -> dict[int, tuple[Mark, ...]]:
        """Of these, the ones that a reading which goes on there comes by."""
        for source, marks in self._known.items():
            while marks and (source, marks[0].offset) <= (
                resume.source,
                resume.mark.offset if resume.mark else 0,
            ):
                marks.popleft()
        return {source: tuple(marks) for source, marks in self._known.items() if marks}

    def book(self, settlements: Iterable[Settlement], sightings: Sequence[Sighting] = ()) -> None:
        """Rows are settled."""
        self.note_change()
        self._seen += sightings
        outcomes = self.tallies.outcomes
        for settlement in settlements:
            record, outcome = settlement.record, settlement.outcome
            self._ledger.settle(record.position)
            outcomes[outcome] += 1
            self.tallies.replayed += settlement.replayed
            self.tallies.keyless += isinstance(record, Unsent) and record.category == NO_KEY
            if outcome is Outcome.SKIPPED:
                rule = skip_rule(settlement)
                self.tallies.skips[rule] = self.tallies.skips.get(rule, 0) + 1
            if outcome in DEAD_LETTERS:
                for value in record.values[:1]:
                    self._dead.add(value)
                for value in values_beside_key(settlement):
                    self._beside_dead.add(value)
            elif self._dead and isinstance(record, Record) and outcome is not Outcome.SKIPPED:
                # A pending one, too: it may have written what an earlier dead letter would overwrite.
                self._superseding += self._superseded_by(record)
            if isinstance(record, Record):
                if self._is_canary and outcome in LEFT:
                    reason = settlement.refusal.message if settlement.refusal else ""
                    self._canary.append(Sent(replace(record, raw=b""), outcome, reason))
                self.tallies.values_dropped += len(record.dropped)
                self.tallies.values_spared += record.spared
                # A slow disk lets many wait for their commit, which needs the rows of dead letters at most.
                record.body = b""
                record.raw = record.raw if outcome in _ROW_KEPT else b""
            self._uncommitted.append(settlement)
            self._backlog_bytes += _weight(settlement)
        self._check_failures()

    def _superseded_by(self, record: Record) -> list[Superseding]:
        key = record.values[0]
        hit = [value for value in record.values if value in self._dead]
        if key in self._beside_dead and key not in hit:
            hit.append(key)
        return [Superseding(record.position, record.row, value, is_key=value == key) for value in hit]

    def sent(self, position: int, records: int) -> None:
        """So many records leave, the last of them at `position`.

        After a kill, open rows up to there may have arrived without our knowing.
        """
        self.note_change()
        self.tallies.upserts += 1
        self.tallies.sent += records
        if position >= self._sent_below:
            self._sent_below = position + 1
            self._note_sent(self._sent_below)

    def list_aliases(self, aliases: Sequence[Alias]) -> None:
        """What the answers told of keys that are one contact; once, when all rows are settled."""
        self.note_change()
        self._aliases = aliases
        self.tallies.aliases = len({alias.hubspot_id for alias in aliases})

    def count_held_back(self, records: int) -> None:
        """So many have to wait for an earlier row. After a resume, those still open are counted again."""
        if records:
            self.note_change()
            self.tallies.held_back += records

    def count_reply(self, reply: Reply, *, retried: bool) -> None:
        """A batch was answered."""
        self.note_change()
        self.tallies.num_errors += reply.num_errors
        self.tallies.retries += retried
        if reply.batch_status:
            batches = self.tallies.batches
            name = reply.batch_status if reply.batch_status in BATCH_STATUSES else "OTHER"
            batches[name] = batches.get(name, 0) + 1

    def _check_failures(self) -> None:
        """Of this invocation alone: what failed before was seen, and the run started again all the same."""
        failed = self.tallies.failed - self._failed_before
        rows = self.tallies.rows - self._settled_before
        if failed and self._limit.exceeded(failed, rows):
            raise StopRun(Cause.FAILURES, f"{failed:,} of {rows:,} rows (--max-failures {self._limit})")
        # Invalid rows are settled long before their neighbours, so answers are also judged among themselves.
        refused = failed - self._count(Outcome.INVALID)
        answered = self.tallies.settled - self._settled_before - self._count(Outcome.INVALID)
        if refused and self._limit.exceeded(refused, answered):
            raise StopRun(
                Cause.FAILURES, f"{refused:,} of {answered:,} rows sent (--max-failures {self._limit})"
            )

    def _count(self, outcome: Outcome) -> int:
        """Of this invocation."""
        return self.tallies.outcomes[outcome] - self._outcomes_before[outcome]

    @property
    def elapsed_seconds(self) -> float:
        """Over all invocations."""
        return self._elapsed_before + self._clock() - self._started

    @property
    def uncommitted(self) -> int:
        """Rows that are settled, and not yet durable as such."""
        return self.tallies.settled - self.committed.tallies.settled

    @property
    def is_behind(self) -> bool:
        """So much waits for a slow disk that nothing more should be read: memory is bounded."""
        return self._backlog_bytes >= MAX_BACKLOG_BYTES

    # --- commits ---

    async def commit_regularly(self) -> None:
        """Until cancelled. While nothing happens it does nothing: a pause may last for a day."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(COMMIT_SECONDS)
            self._changed.clear()  # first: what changes while the commit is under way is for the next one
            await self.commit()

    async def commit(
        self, *, state: str = "stopped", reason: str = "", clean_below: int | None = None
    ) -> None:
        """Make all that is booked by now durable. StorageError if the disk refuses.

        `clean_below`: nothing is open that this run may have sent, nor, of the rows before it, anything that
        an earlier one may have.
        """
        async with self._committing:
            standing = self._standing(state, reason)
            is_clean = clean_below is not None and clean_below >= self._lost_below
            standing.lost_below = 0 if is_clean else self._sent_below
            if replace(standing, elapsed_seconds=0.0) == replace(self.committed, elapsed_seconds=0.0):
                return
            settled, superseding, seen = self._uncommitted[:], self._superseding[:], self._seen[:]
            canary, changes = self._canary[:], self._tell_course(standing.tallies)
            try:
                is_cancelled = await self._in_full(lambda: self._append(standing, settled, seen))
                del self._seen[: len(seen)]  # they have a file of their own, and would be in it twice
                if not is_cancelled:
                    is_cancelled = await self._until_free(
                        lambda: self._write(standing, settled, superseding, canary, changes=changes)
                    )
                    del self._uncommitted[: len(settled)]
                    del self._superseding[: len(superseding)]
                    del self._canary[: len(canary)]
                    self._backlog_bytes -= sum(map(_weight, settled))
                    self.on_committed(settled)
                    self.on_relief()
            finally:
                if self.committed is not standing:
                    self._course.give_back(changes)
            if is_cancelled:
                raise asyncio.CancelledError

    async def _in_full(self, call: Callable[[], None]) -> bool:
        """Let a call on the disk end, also when cancelled meanwhile; whether that was so."""
        write, is_cancelled = asyncio.ensure_future(self._offload.run(call)), False
        while not write.done():
            try:
                await asyncio.wait({write})
            except asyncio.CancelledError:
                is_cancelled = True
        if is_cancelled and write.exception() is not None:
            raise asyncio.CancelledError
        write.result()
        return is_cancelled

    async def _until_free(self, write: Callable[[], None]) -> bool:
        """The same, again and again while another process reads the checkpoint and so locks it."""
        while True:
            try:
                is_cancelled = await self._in_full(write)
            except BusyError as error:
                if self.gives_up():
                    raise
                if not self.is_locked_out:
                    _LOG.warning("%s: waiting for that to end", error)
                self.is_locked_out = True
                await asyncio.sleep(_LOCKED_SECONDS)
            else:
                self.is_locked_out = False
                return is_cancelled

    def _tell_course(self, tallies: Tallies) -> Changes:
        """What was booked since the last time; what of it is to be kept comes back."""
        told, self._told = self._told, tallies
        more = {outcome.value: count - told.outcomes[outcome] for outcome, count in tallies.outcomes.items()}
        self._course.note_books(more, tallies.retries - told.retries)
        return self._course.take_changes()

    def _standing(self, state: str, reason: str) -> State:
        progress = self._ledger.progress()
        tallies = deepcopy(self.tallies)
        if (progress.rows, progress.settled) != (tallies.rows, tallies.settled) or tallies.open < 0:
            raise BooksError(
                f"the sums do not add up: {tallies.rows} rows read, {tallies.settled} outcomes counted, "
                f"{progress.settled} positions settled"
            )
        return State(
            progress,
            tallies,
            state,
            reason,
            results_bytes=self.committed.results_bytes,
            results_digest=self.committed.results_digest,
            elapsed_seconds=self.elapsed_seconds,
            known=self._marks(progress.resume),
        )

    def _append(self, standing: State, settled: list[Settlement], seen: list[Sighting]) -> None:
        """What has to be durable before the checkpoint counts on it. Done again, it is as if done once."""
        if self._results:
            extent = self._results.append(settled)
            standing.results_bytes, standing.results_digest = extent.size, extent.digest
        if self._snapshot:
            self._snapshot.note_confirmed(settled)
        self._sightings.append(seen)  # last: appended again after a failure, they would be there twice

    def _write(
        self,
        standing: State,
        settled: list[Settlement],
        superseding: list[Superseding],
        canary: list[Sent],
        *,
        changes: Changes,
    ) -> None:
        invocation = Invocation(
            self._course.began,
            self._course.now,
            self._rows_estimated,
            __version__,
            standing.state,
            standing.reason,
        )
        self._checkpoint.commit(
            standing,
            settled,
            superseding,
            self._aliases,
            canary,
            changes=changes,
            invocation=invocation,
        )
        if self._results:
            self._results.keep()
        self.committed = standing


def _weight(one: Settlement) -> int:
    """Bytes, about, until it is committed."""
    return _RECORD_BYTES + len(one.record.raw)
