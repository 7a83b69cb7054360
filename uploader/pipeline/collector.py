"""The collector counts every row that is read or settled, and makes it durable. It sends no requests.

`accounting.counts` counts, `accounting.superseded_failed_rows` finds failed rows whose key a later row has
written, and `accounting.commits` writes.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import msgspec

from uploader.hubspot.replies import Reply
from uploader.model.canary import SENT_OUTCOMES, CanaryRow
from uploader.model.chain_of_rows import Chain
from uploader.model.keys_of_one_contact import IdentityConflict, UpdatedContacts
from uploader.model.records import Record, Slice
from uploader.model.settled_rows import Refusal, Settlement, Tallies
from uploader.model.stop import Cause, StopRun
from uploader.model.timeline import Timeline
from uploader.pipeline.accounting.commits import Commits
from uploader.pipeline.accounting.counts import Accounting
from uploader.pipeline.accounting.superseded_failed_rows import FailedValues
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.mapper import common_fault
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile
from uploader.storage.opt_outs_file import OptOutsFile
from uploader.storage.results_file import ResultsFile
from uploader.storage.snapshot import SnapshotFile
from uploader.system.blocking_calls import Offload

#: Between two commits. A kill may cost half a second of work: this and two slow commits.
COMMIT_SECONDS = 0.1
#: What may wait for its commit: more than ten seconds of work at the quota's pace, if the disk stalls.
MAX_BACKLOG_BYTES = 16 * 1024 * 1024


class Collector:
    """Counts rows on the event loop and commits through `offload`, one commit at a time."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        results: ResultsFile | None,
        keys_file: KeysOfOneContactFile,
        offload: Offload,
        clock: Callable[[], float],
        *,
        limit: FailureLimit,
        in_doubt_below: int,
        note_sent: Callable[[int], None],
        timeline: Timeline,
        snapshot: SnapshotFile | None = None,
        rows_estimated: int | None = None,
        is_canary: bool = False,
        on_commit: Callable[[Sequence[Record]], None] = lambda _: None,
        on_committed: Callable[[Sequence[Settlement]], None] | None = None,
        gives_up: Callable[[], bool] = lambda: False,
        opt_outs: OptOutsFile | None = None,
        associations: AssociationsFile | None = None,
    ) -> None:
        """Pass `associations`, `on_committed`, `gives_up`, `opt_outs`, `snapshot` and `timeline` on to
        `Commits`.

        `in_doubt_below`: an earlier invocation may have sent open rows before this position. `note_sent`
        stores the same number for this one where a kill does not lose it. `is_canary`: keep the rows that are
        sent, for review. `on_commit` is called after each commit, with the records that it ends the locks of.
        """
        self.commits = Commits(
            checkpoint,
            results,
            keys_file,
            offload,
            timeline,
            snapshot=snapshot,
            rows_estimated=rows_estimated,
            on_committed=on_committed,
            gives_up=gives_up,
            opt_outs=opt_outs,
            associations=associations,
        )
        self.half_done = 0  #: records that were read and are still to be written
        self._on_commit = on_commit
        self._accounting = Accounting(self.committed, limit)
        self._failed_values = FailedValues(
            checkpoint.dead_letter_lock_keys(), checkpoint.dead_letter_other_lock_keys()
        )
        self._note_sent = note_sent
        self._in_doubt_below = self._sent_below = in_doubt_below
        self._clock = clock
        self._started = clock()
        self._elapsed_before = self.committed.elapsed_seconds
        self._is_canary = is_canary
        self.chain = Chain()  #: of the rows that are open
        self._changed = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self.note_change()  # the preflight's requests, and the state of the last invocation

    @property
    def tallies(self) -> Tallies:
        """The current counts. Code that changes them calls `note_change`."""
        return self._accounting.tallies

    @property
    def committed(self) -> State:
        """The state that is durable."""
        return self.commits.committed

    def note_change(self) -> None:
        """Note that something a commit stores has changed or is about to."""
        self._changed.set()

    # --- what happens to rows ---

    def read(self, slice_: Slice) -> None:
        """Take in the rows of a slice, and settle at once those that are never sent.

        StopRun if all of them have the same fault. Then it is the source's fault, and the rows stay open.
        """
        if fault := common_fault(slice_):
            raise StopRun(Cause.PROPERTY, fault)
        self._accounting.read(slice_)
        self.note_change()
        if slice_.unsent:
            self.settle(
                [
                    Settlement(u, u.outcome, attempts=0, refusal=Refusal(u.category, u.all_reasons))
                    for u in slice_.unsent
                ]
            )

    def settle(
        self,
        settlements: Sequence[Settlement],
        updated_contacts: Sequence[UpdatedContacts] = (),
        locked: Sequence[Record] = (),
    ) -> None:
        """Count and queue settled rows for the next commit. StopRun if too many rows have failed.

        `locked`: those whose locks end with the commit.
        """
        self.note_change()
        outcomes = self._accounting.settle(settlements)
        superseding = self._failed_values.settle(settlements, outcomes)
        if self._is_canary:
            self.commits.add_canary(list(_sent(settlements)))
        self.commits.add(settlements, outcomes, updated_contacts, superseding, locked)
        self._accounting.check_failures()

    def sent(self, position: int, records: int) -> None:
        """Note that a request with so many records leaves, the last of them at `position`.

        After a kill, open rows up to that position may have arrived at HubSpot.
        """
        self.note_change()
        self.tallies.upserts += 1
        self.tallies.sent += records
        if position >= self._sent_below:
            self._sent_below = position + 1
            self._note_sent(self._sent_below)

    def list_identity_conflicts(self, identity_conflicts: Sequence[IdentityConflict]) -> None:
        """Store the keys that led to one contact. Call it once, when all rows are settled."""
        self.note_change()
        self.commits.list_identity_conflicts(identity_conflicts)
        self.tallies.aliases = len({conflict.hubspot_id for conflict in identity_conflicts})

    def count_waiting(self, records: int) -> None:
        """Count records that have to wait for an earlier row. After a resume, those still open are counted
        again.
        """
        if records:
            self.note_change()
            self.tallies.held_back += records

    def note_chain(self, chain: Chain) -> None:
        """Note the longest chain of open rows."""
        if chain != self.chain:
            self.note_change()
            self.chain = chain

    def count_reply(self, reply: Reply, *, retried: bool) -> None:
        """Count a reply to a batch."""
        self.note_change()
        self._accounting.count_reply(reply, retried=retried)

    @property
    def elapsed_seconds(self) -> float:
        """Seconds over all invocations of the job."""
        return self._elapsed_before + self._clock() - self._started

    # --- commits ---

    @property
    def uncommitted(self) -> int:
        """Rows that are settled but not durable yet."""
        return self.tallies.settled - self.committed.tallies.settled

    @property
    def is_behind(self) -> bool:
        """Whether so much waits for a slow disk that nothing more should be read."""
        return self.commits.waiting_bytes >= MAX_BACKLOG_BYTES

    def ask_for_commit(self) -> None:
        """Have the next commit made at once, because open rows wait for it and no request is in flight."""
        self._is_urgent.set()

    async def list_opt_outs(self, addresses: Sequence[str]) -> None:
        """Make addresses that opted out durable, before their rows are sent."""
        await self.commits.list_opt_outs(addresses, self.tallies)
        self.note_change()

    async def commit_regularly(self) -> None:
        """Commit changes until cancelled. Does nothing while nothing changes: a pause may last for a day."""
        while True:
            await self._changed.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self._is_urgent.wait()
            # Before the commit, so that a change during it starts the next one.
            self._changed.clear()
            self._is_urgent.clear()
            await self.commit()

    async def commit(
        self, *, state: str = "stopped", reason: str = "", clean_below: int | None = None
    ) -> None:
        """Make everything settled by now durable. StorageError if the disk refuses.

        `clean_below`: this run has no open row that may have been sent, and rows below this position have
        none from an earlier run either.
        """
        is_clean = clean_below is not None and clean_below >= self._in_doubt_below
        self._on_commit(await self.commits.commit(lambda: self._state(state, reason, is_clean=is_clean)))

    def _state(self, state: str, reason: str, *, is_clean: bool) -> State:
        return replace(
            self._accounting.state(),
            state=state,
            reason=reason,
            in_doubt_below=0 if is_clean else self._sent_below,
            chain=self.chain,
            elapsed_seconds=self.elapsed_seconds,
        )


def _sent(settlements: Sequence[Settlement]) -> Iterable[CanaryRow]:
    """Yield the rows of the canary that were sent, without their source text."""
    for settlement in settlements:
        record, outcome = settlement.record, settlement.outcome
        if isinstance(record, Record) and outcome in SENT_OUTCOMES:
            reason = settlement.refusal.message if settlement.refusal else ""
            yield CanaryRow(msgspec.structs.replace(record, raw=b""), outcome, reason)
