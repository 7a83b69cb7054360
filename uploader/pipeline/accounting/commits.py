"""Commits of settled rows: results file, snapshot and checkpoint together.

There is one commit at a time, for everything added since the last. The results file is written first, so that
the checkpoint never counts a line that is not on disk.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace

from uploader.errors import BusyError
from uploader.model.canary import CanaryRow
from uploader.model.keys_of_one_contact import IdentityConflict, UpdatedContacts
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Settlement, Tallies
from uploader.model.timeline import Changes, Timeline
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.failed_and_pending_rows import Superseding
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.checkpoint_tables.timeline import Invocation
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile, pack
from uploader.storage.opt_outs_file import OptOutsFile
from uploader.storage.results_file import ResultsFile
from uploader.storage.snapshot import SnapshotFile
from uploader.system.blocking_calls import Offload
from uploader.version import __version__

_LOG = logging.getLogger("uploader")

#: Wait between attempts to write a checkpoint that another process reads.
_LOCKED_SECONDS = 0.2
#: Outcomes whose rows the checkpoint keeps, and of these the ones it keeps with the row as the source has it.
_KEPT = DEAD_LETTERS | {Outcome.PENDING, Outcome.SKIPPED}
_KEPT_RAW = DEAD_LETTERS | {Outcome.PENDING}
#: Measured memory of a kept settlement, without its row and message.
_SETTLEMENT_BYTES = 700
#: The same of a record without its contents, with its locks.
_LOCKED_BYTES = 600


@dataclass(slots=True)
class Uncommitted:
    """What waits for the next commit. Of a row that was written this is only its line in the results file."""

    lines: list[bytes] = field(default_factory=list)  #: of the results file
    kept: list[Settlement] = field(default_factory=list)  #: that the checkpoint keeps
    settled: list[Settlement] = field(default_factory=list)  #: all, for a snapshot, links or an outcome queue
    updated_contacts: list[bytes] = field(default_factory=list)
    superseding: list[Superseding] = field(default_factory=list)
    canary: list[CanaryRow] = field(default_factory=list)
    locked: list[Record] = field(default_factory=list)  #: whose locks end with the commit

    @property
    def size_bytes(self) -> int:
        """Approximate memory in use."""
        texts = sum(map(len, self.lines)) + sum(map(len, self.updated_contacts))
        locked = _LOCKED_BYTES * len(self.locked)
        return texts + locked + sum(map(_size_bytes, self.kept)) + sum(map(_size_bytes, self.settled))

    def copy(self) -> "Uncommitted":
        return Uncommitted(*(getattr(self, part)[:] for part in _PARTS))

    def add(self, more: "Uncommitted") -> None:
        for part in _PARTS:
            getattr(self, part).extend(getattr(more, part))

    def drop(self, former: "Uncommitted") -> None:
        """Remove what `former`, an earlier copy, held."""
        for part in _PARTS:
            del getattr(self, part)[: len(getattr(former, part))]


_PARTS = tuple(one.name for one in fields(Uncommitted))


class Commits:
    """Collects settled rows and commits them. Disk access goes through `offload`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        results: ResultsFile | None,
        keys_file: KeysOfOneContactFile,
        offload: Offload,
        timeline: Timeline,
        *,
        snapshot: SnapshotFile | None,
        rows_estimated: int | None,
        on_committed: Callable[[Sequence[Settlement]], None] | None,
        gives_up: Callable[[], bool],
        opt_outs: OptOutsFile | None = None,
        associations: AssociationsFile | None = None,
    ) -> None:
        """`on_committed` is called with settlements once they are durable. `gives_up` returns whether to
        stop waiting for another process to release the checkpoint.
        """
        self.committed = checkpoint.state()
        self.is_locked_out = False  #: another process reads the checkpoint, so that it can't be written
        self.waiting_bytes = 0  #: what waits occupies in memory, about
        self._waiting = Uncommitted()
        self._identity_conflicts: Sequence[IdentityConflict] = ()
        self._checkpoint = checkpoint
        self._results = results
        self._keys_file = keys_file
        self._snapshot = snapshot
        self._opt_outs = opt_outs
        self._associations = associations
        self._offload = offload
        self._timeline = timeline
        self._rows_estimated = rows_estimated
        self._on_committed = on_committed
        self._gives_up = gives_up
        self._counted = self.committed.tallies  # what the timeline has counted
        self._committing = asyncio.Lock()

    def add(
        self,
        settlements: Sequence[Settlement],
        outcomes: Collection[Outcome],
        updated_contacts: Sequence[UpdatedContacts],
        superseding: Sequence[Superseding],
        locked: Sequence[Record] = (),
    ) -> None:
        """Add settled rows. `outcomes`: the outcomes that occur among them. `locked`: those whose locks end
        with the commit.
        """
        added = Uncommitted(
            updated_contacts=list(map(pack, updated_contacts)),
            superseding=list(superseding),
            locked=list(locked),
        )
        if self._results and settlements:
            added.lines.append(self._results.lines(settlements))
        if not _KEPT.isdisjoint(outcomes):
            added.kept += [settlement for settlement in settlements if settlement.outcome in _KEPT]
        if self._snapshot or self._on_committed or self._associations:
            added.settled += settlements
        for settlement in settlements if locked or added.settled else added.kept:
            _drop_contents(settlement)
        self._waiting.add(added)
        self.waiting_bytes += added.size_bytes

    def add_canary(self, sent: Sequence[CanaryRow]) -> None:
        self._waiting.canary += sent

    def list_identity_conflicts(self, identity_conflicts: Sequence[IdentityConflict]) -> None:
        self._identity_conflicts = identity_conflicts

    async def commit(self, make_state: Callable[[], State]) -> Sequence[Record]:
        """Make durable what was added by now, with the state of the run at this moment. StorageError if
        the disk refuses.

        Returns the records whose locks end with this.
        """
        async with self._committing:
            state = make_state()
            state.results = self.committed.results
            if replace(state, elapsed_seconds=0.0) == replace(self.committed, elapsed_seconds=0.0):
                return ()
            former, changes = self._waiting.copy(), self._note_counts(state.tallies)
            try:
                is_cancelled = await self._to_completion(lambda: self._append(state, former))
                # They have a file of their own; a repeated append would write them twice.
                del self._waiting.updated_contacts[: len(former.updated_contacts)]
                former.updated_contacts = []
                if not is_cancelled:
                    is_cancelled = await self._until_free(lambda: self._write(state, former, changes))
                    self._waiting.drop(former)
                    self.waiting_bytes = self._waiting.size_bytes
                    if self._on_committed:
                        self._on_committed(former.settled)
            finally:
                if self.committed is not state:
                    self._timeline.give_back(changes)
            if is_cancelled:
                raise asyncio.CancelledError
            return former.locked

    async def list_opt_outs(self, addresses: Sequence[str], tallies: Tallies) -> None:
        """Make addresses that opted out durable, and count them in `tallies`. StorageError if that fails.

        It does not wait for a commit: their rows can be sent when this returns.
        """
        opt_outs = self._opt_outs
        assert opt_outs is not None

        def put() -> None:
            tallies.opt_outs = opt_outs.add(addresses)

        async with self._committing:
            if await self._until_free(put):
                raise asyncio.CancelledError

    async def _to_completion(self, call: Callable[[], None]) -> bool:
        """Run a disk call to its end even if this task is cancelled. Returns whether it was cancelled."""
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
        """Repeat `write` until no other process locks the checkpoint. Returns whether the task was
        cancelled meanwhile.
        """
        while True:
            try:
                is_cancelled = await self._to_completion(write)
            except BusyError as error:
                if self._gives_up():
                    raise
                if not self.is_locked_out:
                    _LOG.warning("%s; waiting until it has finished", error)
                self.is_locked_out = True
                await asyncio.sleep(_LOCKED_SECONDS)
            else:
                self.is_locked_out = False
                return is_cancelled

    def _note_counts(self, tallies: Tallies) -> Changes:
        """Add what was counted since the last call to the timeline. Returns the timeline's changes, to be
        stored.
        """
        counted, self._counted = self._counted, tallies
        more = {
            outcome.value: count - counted.outcomes[outcome] for outcome, count in tallies.outcomes.items()
        }
        self._timeline.note_counts(more, tallies.retries - counted.retries)
        return self._timeline.take_changes()

    def _append(self, state: State, waiting: Uncommitted) -> None:
        """Write what must be durable before the checkpoint counts on it. Repeating it after a failure does
        no harm.
        """
        if self._results:
            state.results = self._results.append(waiting.lines)
        if self._snapshot:
            self._snapshot.note_confirmed(waiting.settled)
        if self._associations:
            self._associations.commit(waiting.settled)
        # Last: appended again after a failure, they would be there twice.
        self._keys_file.append(waiting.updated_contacts)

    def _write(self, state: State, waiting: Uncommitted, changes: Changes) -> None:
        """Write the checkpoint, after everything it counts on."""
        timeline = self._timeline
        invocation = Invocation(
            timeline.began, timeline.now, self._rows_estimated, __version__, state.state, state.reason
        )
        self._checkpoint.commit(
            state,
            waiting.kept,
            waiting.superseding,
            self._identity_conflicts,
            waiting.canary,
            changes=changes,
            invocation=invocation,
        )
        if self._results:
            self._results.keep()
        self.committed = state


def _drop_contents(settlement: Settlement) -> None:
    """Free the contents of a settled row: with a slow disk many wait, and only dead letters need their
    source row.
    """
    record = settlement.record
    if isinstance(record, Record):
        record.properties = {}
        record.raw = record.raw if settlement.outcome in _KEPT_RAW else b""


def _size_bytes(settlement: Settlement) -> int:
    message = settlement.refusal.message if settlement.refusal else ""
    return _SETTLEMENT_BYTES + len(settlement.record.raw) + len(message)
