"""One invocation of `undo`: read a snapshot's contacts, decide by `plan`, archive or restore them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from uploader.errors import AccountingError, CheckpointError, DeclinedError
from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import PROPERTIES
from uploader.hubspot.requests import MAX_INPUTS
from uploader.jobs.early_ending import Ending
from uploader.jobs.preflight import run_both
from uploader.jobs.session import Seams, Session, early_end, exact_clock
from uploader.jobs.summary import EarlyEnd
from uploader.model.settings_periods import NotInSnapshot
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.read_matching import with_reason
from uploader.pipeline.requests.key_search import KeySearch
from uploader.pipeline.sender import OutOfDateError
from uploader.settings import Settings
from uploader.storage.created_records_file import CreatedRecordsFile
from uploader.storage.rows_without_snapshot import count_rows_without_snapshot
from uploader.storage.snapshot import decide_open_readings_for_undo
from uploader.system.blocking_calls import Offload
from uploader.system.private_files import Lock
from uploader.undo import associated_records
from uploader.undo.batch_worker import LEFT_OUT, BatchWorker
from uploader.undo.plan import UNDONE, Plan, Portal, Trace, UndoOutcome
from uploader.undo.record_writer import LastUpdated
from uploader.undo.undo_file import Key, UndoFile
from uploader.undo.would_be_gone import WouldBeGone

_WORKERS = 32

Item = TypeVar("Item")
#: Called before anything is written: the account, how many contacts may be archived, how many restored.
Approve = Callable[[Account, int, int], Awaitable[bool]]


@dataclass(slots=True)
class Report:
    """The result. The counts and what is left add up to the snapshot's keys."""

    counts: dict[UndoOutcome, int] = field(default_factory=lambda: dict.fromkeys(UndoOutcome, 0))
    keys: int = 0
    values_restored: int = 0
    values_kept: int = 0
    twice_absent: int = 0  #: keys with which an earlier row may have created a contact that can't be found
    requests: int = 0
    elapsed_seconds: float = 0.0
    end: EarlyEnd | None = None
    #: What the job wrote without a snapshot of it.
    unkept: NotInSnapshot = field(default=NotInSnapshot())
    is_old: bool = False  #: an earlier undo was complete, and nothing was read again

    @property
    def left(self) -> int:
        return self.keys - sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=any(self.counts.values()))
        is_left = any(count for outcome, count in self.counts.items() if outcome not in UNDONE)
        return int(is_left or not self.unkept.is_empty)


class Undo:
    """Call `run` once; then `file` lists what was kept, until it is closed."""

    def __init__(
        self,
        settings: Settings,
        file: UndoFile,
        seams: Seams | None = None,
        *,
        approve: Approve | None = None,
        dry: bool = False,
        archive_touched: bool = False,
        gone: WouldBeGone | None = None,
    ) -> None:
        """`settings`: from `undo_settings`; with `settings.restart` an earlier undo is not resumed.

        `dry`: write nothing, and report what would be done. `archive_touched`: archive what the job created
        even if people or other apps have worked with it since. `gone`: with `dry`, what would be taken back
        and archived before; what this job would archive is added.
        """
        self.settings = settings
        self.session: Session | None = None  #: None before the first request
        self.started = asyncio.Event()  #: set when the account and the number of keys are known
        self.ending = Ending()
        self.file = file
        self.report = Report()
        self.is_resumed = False  #: an earlier undo is continued
        self.resolving = False  #: keys that led to no contact are being looked up
        self.dry = dry
        self.archive_touched = archive_touched
        self._gone = gone or WouldBeGone()
        self._seams = seams or Seams()
        self._approve = approve
        self._created: CreatedRecordsFile | None = None
        self._is_outdated = False  # contacts were skipped because they were read too long ago

    async def run(self) -> Report:
        """Undo the job. UploaderError if it can't start."""
        writer, clock = self._seams.offload("writer"), exact_clock()
        began = clock()
        try:
            with ExitStack() as stack:
                lock = Lock(self.settings.checkpoint_path)
                lock.acquire()
                stack.callback(lock.release)
                checkpoint = self.settings.checkpoint_path
                take_up = partial(decide_open_readings_for_undo, self.file.snapshot, checkpoint, lock.noted)
                await writer.run(take_up)
                look = partial(count_rows_without_snapshot, checkpoint, self.file.about, lock.noted)
                self.report.unkept = await writer.run(look)
                await self._run(writer, stack)
        finally:
            writer.close()
        if self.ending.crash is not None:
            raise self.ending.crash
        report = self.report
        report.elapsed_seconds = clock() - began
        report.requests = self.session.sender.tallies.requests if self.session else 0
        report.end = early_end(self.ending, self.session)
        if report.end is None and report.left:
            raise AccountingError(f"{report.left:,} contacts of the snapshot are not accounted for")
        return report

    async def _run(self, writer: Offload, stack: ExitStack) -> None:
        async with Session(self.settings, self._seams, self.ending) as session:
            self.session = session
            with suppress(StopRun):
                account, app = await self.ending.unless_ended(_look(session))
                self._check_portal(account)
                if session.paths.searched:
                    self._created = CreatedRecordsFile(self.settings.checkpoint_path, read_only=True)
                    stack.callback(self._created.close)
                stack.callback(writer.finish)
                await self._undo(session, account, app, writer)

    def _check_portal(self, account: Account) -> None:
        known, name = self.file.about["portal"], self.file.snapshot.name
        if not known or not account.portal:
            whose = (
                "this token may not read its account"
                if known
                else "the account that it belongs to is unknown"
            )
            raise CheckpointError(
                f"{name} belongs to account {known or 'unknown'}, and {whose}; nothing was undone"
            )
        if known != account.portal:
            raise CheckpointError(
                f"{name} belongs to account {known}, this token to account {account.portal}; use a token of "
                f"account {known}"
            )

    # --- from the list to the last contact ---

    async def _undo(self, session: Session, account: Account, app: str, writer: Offload) -> None:
        """Open the undo file, undo all of it, and fill the report."""
        file, schema = self.file, account.schema
        if schema is None:
            why = f"the token may not read the properties of the account (scope {account.scope(PROPERTIES)})"
            raise self.ending.stopped(Cause.SCOPE, why)
        self.is_resumed = await writer.run(
            lambda: file.open(restart=self.settings.restart, keep=not self.dry)
        )
        # Others may have written sensitive properties, too.
        account = await self.ending.unless_ended(session.with_sensitive(account, lambda _: True))
        schema = account.schema or schema
        portal = Portal(app, frozenset(schema.labels.keys() - schema.read_only), schema.kinds)
        try:
            await self._undo_all(session, account, portal, writer)
        finally:
            await writer.run(self._fill_report)
        if not self.report.left and not self.report.is_old:
            await writer.run(partial(file.note_end, f"{self._seams.wall_clock():%Y-%m-%d %H:%M} UTC"))

    async def _undo_all(self, session: Session, account: Account, portal: Portal, writer: Offload) -> None:
        """Find the contacts, ask for approval, then archive what was created and restore what was changed."""
        file, unless_ended, guard = self.file, self.ending.unless_ended, self.ending.guard
        await unless_ended(guard(self._copy(writer)))
        self.report.keys = await writer.run(lambda: file.keys_count)
        self.report.counts = await writer.run(file.counts)
        again = await writer.run(file.kept_created) if self.archive_touched else 0
        self.report.counts[UndoOutcome.KEPT] -= again  # they are looked at again, once that is approved
        self.report.is_old = self.is_resumed and not self.report.left
        self.started.set()
        workers = self._workers(session, portal, session.key_search(self._created, writer))
        share_out = partial(self._share_out, session, workers, writer)
        self.resolving = True
        try:
            await share_out(file.absent(MAX_INPUTS), partial(self._resolve, writer=writer))
        finally:
            self.resolving = False
        await unless_ended(guard(self._ask_for_approval(account, writer, again)))
        # What was created goes first: it may hold a unique value that is to go back to another contact.
        at_once = associated_records.records_at_once((await writer.run(file.open_counts))[0], len(workers))
        for created, count in ((True, at_once), (False, MAX_INPUTS)):
            self._is_outdated = True
            while self._is_outdated:
                self._is_outdated = False
                traces = file.traces(count, created=created)
                await share_out(traces, partial(self._work, writer=writer))

    def _fill_report(self) -> None:
        self.report.keys = self.file.keys_count
        self.report.counts = self.file.counts()
        self.report.values_restored, self.report.values_kept = self.file.values()
        self.report.twice_absent = self.file.twice_absent

    async def _copy(self, writer: Offload) -> None:
        """Copy the snapshot's keys in slices, so that signals are handled in between."""
        while await writer.run(self.file.copy):
            pass

    async def _ask_for_approval(self, account: Account, writer: Offload, again: int) -> None:
        """Ask for approval, unless nothing would be written. `again`: kept contacts to be judged again."""
        await writer.run(self.file.gather)
        created, others = await writer.run(self.file.open_counts)
        is_asked = created + again + others and not self.dry
        if is_asked and self._approve and not await self._approve(account, created + again, others):
            raise DeclinedError("nothing was undone")
        if again:
            await writer.run(self.file.reopen_kept)

    async def _share_out(
        self,
        session: Session,
        workers: Sequence[BatchWorker],
        writer: Offload,
        batches: Iterator[list[Item]],
        work: Callable[[BatchWorker, list[Item]], Awaitable[None]],
    ) -> None:
        """Give batches to the workers until none is left. If the run is ended, finish what is in flight."""

        async def serve(worker: BatchWorker) -> None:
            while batch := await writer.run(lambda: next(batches, None)):
                await work(worker, batch)
                self.ending.raise_if_ending()

        async def drain(tasks: Collection[asyncio.Task[None]]) -> None:
            """Wait for the requests in flight. Decisions are on the disk; this only saves repeated work."""
            waiting = {task for task, worker in zip(tasks, workers, strict=True) if worker.is_in_flight}
            if waiting:
                await session.wait_for_the_last(waiting)

        await session.run_workers(map(serve, workers), drain)

    def _workers(self, session: Session, portal: Portal, search: KeySearch | None) -> list[BatchWorker]:
        """Make one worker for each batch that may be in flight."""
        make = partial(
            BatchWorker,
            session,
            portal,
            last_updated=LastUpdated(),
            refused={},
            is_tail=lambda: self.report.left <= MAX_INPUTS,
            archive_touched=self.archive_touched,
            gone=self._gone,
            search=search,
        )
        return [make() for _ in range(min(_WORKERS, self.settings.max_in_flight))]

    # --- one batch ---

    async def _resolve(self, worker: BatchWorker, keys: list[Key], *, writer: Offload) -> None:
        """Record which contacts the keys lead to now."""
        found, unknown = await worker.resolve(keys)
        settled = await writer.run(partial(self.file.resolve, found))
        await self._fail(unknown, writer)
        self._count(settled)

    async def _fail(self, left_out: Mapping[int, str], writer: Offload) -> None:
        """Count contacts as failed that could not be read: by number, HubSpot's reason."""
        for why in dict.fromkeys(left_out.values()):
            numbers = [number for number, one in left_out.items() if one == why]
            await writer.run(partial(self.file.fail, numbers, with_reason(LEFT_OUT, why)))
        self._count({UndoOutcome.FAILED: len(left_out)})

    def _count(self, more: Mapping[UndoOutcome, int]) -> None:
        for outcome, count in more.items():
            self.report.counts[outcome] += count

    async def _work(self, worker: BatchWorker, traces: list[Trace], *, writer: Offload) -> None:
        plans, left_out = await worker.plan(traces)
        await self._fail(left_out, writer)
        try:
            for start in range(0, len(plans), MAX_INPUTS):
                await self._carry_out(worker, plans[start : start + MAX_INPUTS], writer)
        except OutOfDateError:
            self._is_outdated = True  # others may have written meanwhile: the rest is read again

    async def _carry_out(self, worker: BatchWorker, plans: list[Plan], writer: Offload) -> None:
        """Store decisions, write to HubSpot, then store the results."""
        if self.dry:
            await writer.run(partial(self.file.settle, plans, {}, {}))
            for one in plans:
                if one.archive:
                    self._gone.add_record((self.settings.object_type, one.hubspot_id))
            self._count(_count_outcomes(plans))
            return
        await writer.run(partial(self.file.decide, plans))
        self._count(_count_outcomes([one for one in plans if not one.writes]))
        todo = [one for one in plans if one.writes]
        failed, gone = await worker.carry_out(todo)
        await writer.run(partial(self.file.settle, todo, failed, gone))
        done = [one for one in todo if one.number not in failed and one.number not in gone]
        self._count({**_count_outcomes(done), UndoOutcome.FAILED: len(failed), UndoOutcome.GONE: len(gone)})


async def _look(session: Session) -> tuple[Account, str]:
    """The account, and the id of the token's app."""
    properties = session.read_properties(await session.read_account())
    return await run_both(properties, session.preflight.read_app_id(session.settings.token))


def _count_outcomes(plans: Sequence[Plan]) -> Counter[UndoOutcome]:
    return Counter(one.outcome for one in plans)


def undo_settings(file: UndoFile, checkpoint: Path, **options: object) -> Settings:
    """Settings for a snapshot's account and object type; `options` are this invocation's."""
    return Settings(
        sources=(str(file.snapshot),),
        checkpoint=checkpoint,
        write_results=False,
        match=(file.about["id_property"],),
        object_type=file.about["object_type"],
        **options,  # type: ignore[arg-type]  # fields of Settings by name
    )
