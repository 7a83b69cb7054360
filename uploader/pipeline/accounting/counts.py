"""The counts and positions of a job's rows, over all its invocations.

In    slices as they are read, settlements and replies as they come.
Out   tallies, and the progress to resume from.
Raise `StopRun` where too many rows fail; `AccountingError` where the sums do not add up.
"""

from collections import Counter, deque
from collections.abc import Sequence

from uploader.errors import AccountingError
from uploader.hubspot.replies import BATCH_STATUSES, Reply
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Slice, Unsent
from uploader.model.rows import NO_KEY, Mark
from uploader.model.settled_rows import Settlement, skip_rule
from uploader.model.stop import Cause, StopRun
from uploader.model.watermark import Resume
from uploader.pipeline.accounting.ledger import Ledger
from uploader.pipeline.failure_limits import FailureLimit
from uploader.storage.checkpoint_tables.progress_and_tallies import State

#: Marks kept of a stream, to recognise it if it is given again: one for every slice that may be open.
_MARKS_KEPT = 128


class Accounting:
    """Counts rows and outcomes in memory. Knows nothing of what is durable."""

    def __init__(self, committed: State, limit: FailureLimit) -> None:
        self.tallies = committed.tallies.copied()
        self._before = committed.tallies.copied()  # of earlier invocations
        self._limit = limit
        self._ledger = Ledger(committed.progress)
        self._known = {source: deque(marks, maxlen=_MARKS_KEPT) for source, marks in committed.known.items()}

    def read(self, slice_: Slice) -> None:
        """Note that the rows of a slice were read and are open."""
        self._ledger.open(slice_)
        self._note_end(slice_)
        self.tallies.rows = self._ledger.rows

    def settle(self, settlements: Sequence[Settlement]) -> Counter[Outcome]:
        """Count settled rows. Returns their number by outcome."""
        tallies = self.tallies
        self._ledger.settle_all([settlement.record.position for settlement in settlements])
        counts = Counter([settlement.outcome for settlement in settlements])
        for outcome, count in counts.items():
            tallies.outcomes[outcome] += count
        if Outcome.INVALID in counts:
            invalid = [one.record for one in settlements if one.outcome is Outcome.INVALID]
            tallies.keyless += sum(isinstance(one, Unsent) and one.category == NO_KEY for one in invalid)
        if Outcome.SKIPPED in counts:
            rules = Counter(skip_rule(one) for one in settlements if one.outcome is Outcome.SKIPPED)
            for rule, count in rules.items():
                tallies.skips[rule] = tallies.skips.get(rule, 0) + count
        remarkable = [
            one
            for one in settlements
            if one.replayed
            or (record := one.record).dropped
            or record.preserved
            or record.opt_outs is not None
        ]
        for one in remarkable:
            record = one.record
            tallies.replayed += one.replayed
            tallies.values_dropped += len(record.dropped)
            tallies.values_spared += record.preserved
            tallies.opt_outs_unlisted += record.opt_outs == () and isinstance(record, Record)
        return counts

    def check_failures(self) -> None:
        """Raise StopRun if too many rows failed in this invocation. Earlier failures do not count: the
        user saw them and started the run again.
        """
        failed = self.tallies.failed - self._before.failed
        if not failed:
            return
        rows = self.tallies.rows - self._before.settled
        if self._limit.exceeded(failed, rows):
            raise StopRun(Cause.FAILURES, f"{failed:,} of {rows:,} rows (--max-failures {self._limit})")
        # Invalid and skipped rows are settled long before their neighbours, so answers are also judged among
        # themselves.
        invalid = self.tallies.outcomes[Outcome.INVALID] - self._before.outcomes[Outcome.INVALID]
        skipped = self.tallies.outcomes[Outcome.SKIPPED] - self._before.outcomes[Outcome.SKIPPED]
        refused, answered = failed - invalid, self.tallies.settled - self._before.settled - invalid - skipped
        if refused and self._limit.exceeded(refused, answered):
            raise StopRun(
                Cause.FAILURES, f"{refused:,} of {answered:,} rows sent (--max-failures {self._limit})"
            )

    def count_reply(self, reply: Reply, *, retried: bool) -> None:
        """Count a reply to a batch."""
        self.tallies.num_errors += reply.num_errors
        self.tallies.retries += retried
        if reply.batch_status:
            batches = self.tallies.batches
            name = reply.batch_status if reply.batch_status in BATCH_STATUSES else "OTHER"
            batches[name] = batches.get(name, 0) + 1

    def state(self) -> State:
        """Return the state of the rows now. AccountingError if the sums do not add up."""
        progress, tallies = self._ledger.progress(), self.tallies.copied()
        if (progress.rows, progress.settled) != (tallies.rows, tallies.settled) or tallies.open < 0:
            raise AccountingError(
                f"the sums do not add up: {tallies.rows} rows read, {tallies.settled} outcomes counted, "
                f"{progress.settled} positions settled"
            )
        return State(progress, tallies, known=self._marks(progress.resume))

    # --- streams and queries: where their slices end, by which rows above the watermark are known, too ---

    def _note_end(self, slice_: Slice) -> None:
        end, marks = slice_.end, self._known.setdefault(slice_.source, deque(maxlen=_MARKS_KEPT))
        if end is not None and end.digest and (not marks or end.offset > marks[-1].offset):
            marks.append(end)

    def _marks(self, resume: Resume) -> dict[int, tuple[Mark, ...]]:
        """Return, by source, the marks that a reading which resumes at `resume` will pass, and the last one:
        by it all rows of the source are known.
        """
        for source, marks in self._known.items():
            while len(marks) > 1 and (source, marks[0].offset) <= (
                resume.source,
                resume.mark.offset if resume.mark else 0,
            ):
                marks.popleft()
        return {source: tuple(marks) for source, marks in self._known.items() if marks}
