"""One invocation of a plan: all steps are checked, then their jobs run one after the other.

Nothing is written before all steps are checked and the account is confirmed. What a step has written is in
its own checkpoint; the record says which steps there are, and is on the disk before the first of them writes.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from glob import glob
from pathlib import Path
from typing import Protocol

from uploader.canary.assessment import Review
from uploader.check.report import Report
from uploader.check.run import Check
from uploader.errors import CheckpointError, DeclinedError, SettingsError, UploaderError
from uploader.hubspot.account import Account
from uploader.hubspot.object_types import type_id
from uploader.jobs.early_ending import Ending
from uploader.jobs.opening import find_job, open_sources
from uploader.jobs.session import Connection, Seams, exact_clock, sleep_real_time
from uploader.jobs.summary import EarlyEnd, Summary
from uploader.jobs.upload import Run
from uploader.model.associations import KnownRecords
from uploader.model.stop import Cause, StopRun
from uploader.plans.earlier_jobs import EarlierJob, earlier_job
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.plans.other_files import LinksInPlan, OtherFiles
from uploader.plans.record import (
    COMPLETE,
    NOT_STARTED,
    ROWS_COMPLETE,
    RUNNING,
    STOPPED,
    Record,
    StepRecord,
    moved_steps,
)
from uploader.plans.record_file import RecordFile
from uploader.settings import Settings
from uploader.sources.names import STDIN, is_pattern

#: Settings that change nothing of what a check finds.
_NOT_CHECKED = frozenset(
    {
        *("token", "sign_in", "network", "base_url", "repeated_options", "translation_places", "suppression"),
        *("restart", "approve_canary", "canary", "canary_wait_seconds", "accept_changed_settings"),
        *("accept_changed_results", "rate", "share", "daily_reserve", "max_in_flight", "on_long_pause"),
        *("outage_seconds", "max_duration_seconds", "drain_timeout_seconds", "tolerate", "portal"),
        *("checkpoint", "checkpoint_dir", "results", "sources"),
    }
)


#: Values that are named of a column.
_MOST_VALUES = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A step: its name, and the settings of its job."""

    name: str
    settings: Settings


class Watcher(Protocol):
    """Is told what happens, and asked. Steps are counted from 0."""

    async def checking(self, number: int, check: Check) -> None: ...

    async def checked(self, number: int, report: Report | None) -> None:
        """`report`: None if the check could not begin, and the error is raised."""
        ...

    async def may_write(self, account: Account, reports: Sequence[tuple[Step, Report]]) -> bool:
        """Whether the steps that were checked may be written to this account."""
        ...

    async def compared(self, found: Sequence[LinksInPlan]) -> None:
        """`found`: what links of all steps lead to, as far as all steps were checked."""
        ...

    async def running(self, number: int, run: Run, *, are_rows_done: bool) -> None: ...

    async def ran(self, number: int, run: Run, summary: Summary | None) -> None:
        """`summary`: None if the job could not start, and the error is raised."""
        ...

    async def judge(self, review: Review) -> bool:
        """Whether the other rows of a step are sent, after its canary."""
        ...


class PlanRun:
    """Call `run` once. `stop` drains the step at work; a second `stop` aborts it."""

    def __init__(
        self, plan: Path, steps: Sequence[Step], watcher: Watcher, seams: Seams | None = None
    ) -> None:
        self.steps = steps
        self.was_finished = False  #: all steps were complete before this invocation
        self._file = RecordFile(plan)
        self._watcher = watcher
        self._seams = seams or Seams()
        self._restarts = any(one.settings.restart for one in steps)
        self._longest = next((s for one in steps if (s := one.settings.max_duration_seconds)), None)
        self._stops: list[int] = []  # signals
        self._is_late = False  # --max-duration has passed
        self._ending: Ending | None = None  # of the step at work
        self._record = Record("", [])
        self._jobs: list[EarlierJob | None] = []  # of each step, before it ran

    def stop(self, signal: int = 0) -> None:
        """Finish the requests in flight and stop. A second call drops them."""
        self._stops.append(signal)
        if self._ending is not None:
            self._ending.stop(signal)

    async def run(self) -> PlanEnd:
        """Run the plan, or resume it. UploaderError if it can't start."""
        for one in self.steps:
            if STDIN in one.settings.sources:
                raise SettingsError(
                    f"step {one.name}: a plan reads each source twice, to check and to upload it, and "
                    "standard input (-) can be read only once; use a file"
                )
        self._refuse_shared_lists()
        self._file.acquire()
        timer = asyncio.ensure_future(self._end_in_time())
        try:
            self._record = self._planned()
            self._jobs = [earlier_job(one.settings) for one in self.steps]
            self._refuse_other_files()
            self._note_jobs()
            self.was_finished = all(map(self._is_done, range(len(self.steps))))
            if self.was_finished:
                return await self._run_steps(None)
            async with Connection(self.steps[0].settings, self._seams) as connection:
                return await self._check_steps(connection) or await self._run_steps(connection)
        finally:
            timer.cancel()
            with suppress(asyncio.CancelledError):
                await timer
            self._file.release()

    def _refuse_shared_lists(self) -> None:
        """SettingsError if records of several object types would be put into one list."""
        known: dict[str, Step] = {}
        for one in self.steps:
            name = one.settings.add_to_list
            first = known.setdefault(name, one)
            types = [step.settings.object_type for step in (first, one)]
            if name and type_id(types[0]) != type_id(types[1]):
                raise SettingsError(
                    f"steps {first.name} and {one.name} put their records into the list {name!r}, and a list "
                    "has records of one object type: give each step an add_to_list of its own"
                )

    async def _end_in_time(self) -> None:
        if self._longest is not None:
            await sleep_real_time(self._longest, exact_clock(), self._seams.wall_clock)
            self._is_late = True
            if self._ending is not None:
                self._ending.end(Cause.DURATION)

    def _begin(self) -> Ending:
        """The ending of what begins now, which is ended already if the plan is."""
        ending = self._ending = Ending()
        for signal in self._stops:
            ending.stop(signal)
        if self._is_late:
            ending.end(Cause.DURATION)
        return ending

    # --- the record ---

    def _planned(self) -> Record:
        """The steps as they are now, with what the record knows of them."""
        known = self._file.record
        steps = []
        for one in self.steps:
            settings = one.settings
            now = StepRecord(
                one.name,
                settings.object_type,
                self._file.relative(settings.checkpoint_path),
                self._file.relative(settings.results_path),
            )
            before = known.step(one.name) if known else None
            if before is not None:
                now = replace(
                    before, object_type=now.object_type, checkpoint=now.checkpoint, results=now.results
                )
            steps.append(now)
        for before, now in moved_steps(known, steps) if known and not self._restarts else ():
            if before.job or self._file.exists(before.checkpoint):
                raise CheckpointError(
                    f"step {now.name} was run with the checkpoint {before.checkpoint}, and by the plan it is "
                    f"{now.checkpoint} now; name the former one in the step, with checkpoint = "
                    f'"{before.checkpoint}", or begin all steps anew with --restart'
                )
        return Record(known.portal if known else "", steps)

    def _refuse_other_files(self) -> None:
        """CheckpointError if a step was run before and its checkpoint is gone; SettingsError if the plan was
        begun in another account than --portal names.
        """
        if self._restarts:
            return
        record = self._record
        for step, job in zip(record.steps, self._jobs, strict=True):
            if step.job and job is None:
                raise CheckpointError(
                    f"step {step.name} was begun before ({step.state}), and its checkpoint {step.checkpoint} "
                    "is gone; put it back, or begin all steps anew with --restart"
                )
        for number, one in enumerate(self.steps):
            if self._kept_job(number) is not None:
                self._refuse_other_sources(one)
        named = self.steps[0].settings.portal
        if named and record.portal and named != record.portal:
            raise SettingsError(f"--portal {named}: this plan was begun in account {record.portal}")

    @staticmethod
    def _refuse_other_sources(step: Step) -> None:
        """CheckpointError if a step's checkpoint is of other sources: a step may not find that out after an
        earlier one has written.
        """
        with ExitStack() as stack:
            try:
                find_job(step.settings, open_sources(step.settings), stack)
            except CheckpointError as error:
                error.args = (f"step {step.name}: {error}",)
                raise

    def _refuse_other_accounts(self, account: Account) -> None:
        """CheckpointError if a step's checkpoint is of another account."""
        for number, one in enumerate(self.steps):
            job = self._kept_job(number)
            if job is not None and job.portal not in {"", account.portal}:
                raise CheckpointError(
                    f"step {one.name}: {one.settings.checkpoint_path} belongs to account {job.portal}, this "
                    f"token to account {account.portal or 'unknown'}; use a token of account {job.portal}, "
                    "or begin all steps anew with --restart"
                )

    def _note_jobs(self) -> None:
        """Note the jobs that were begun by a run that was killed, or by `upload`."""
        for number, job in enumerate(self._jobs):
            if job is not None and not self._is_discarded(number):
                self._record = self._record.with_step(replace(self._record.steps[number], job=job.id))

    def _is_discarded(self, number: int) -> bool:
        """Whether the step's former job is still to be discarded."""
        job = self._jobs[number]
        return job is not None and job.id == self._record.steps[number].discards

    def _kept_job(self, number: int) -> EarlierJob | None:
        """The job of a step; None if there is none, or if it is to be discarded."""
        return None if self._restarts or self._is_discarded(number) else self._jobs[number]

    def _is_done(self, number: int) -> bool:
        """Whether the step is complete."""
        job = self._kept_job(number)
        return job is not None and job.is_complete

    def _has_all_rows(self, number: int) -> bool:
        job = self._kept_job(number)
        return job is not None and job.has_all_rows

    def _write(self, step: StepRecord) -> None:
        self._record = self._record.with_step(step)
        self._file.write(self._record)

    # --- checking ---

    async def _check_steps(self, connection: Connection) -> PlanEnd | None:
        """Check the steps that need it, have the account confirmed, and write the record. Returns how the
        plan ended if it is not to be run.
        """
        before, record = self._file.record, self._record
        if self._restarts:
            discarded = [job.id if job else "" for job in self._jobs]
            fresh = [
                replace(one, job="", discards=job, checked="", state=NOT_STARTED, exit_code=None)
                for one, job in zip(record.steps, discarded, strict=True)
            ]
            before, record = None, Record("", fresh)
        reports: dict[str, Report] = {}
        marks = [fingerprint(one.settings) for one in self.steps]
        todo = [
            number
            for number, mark in enumerate(marks)
            if not self._has_all_rows(number) and record.steps[number].checked != mark
        ]
        try:
            if todo and (end := await self._check_each(todo, reports, connection)):
                return self._not_started(reports, end)
            if any(map(_problems, reports.values())):
                return self._not_started(reports, None)
            if reports and (before is None or any(before.step(name) is None for name in reports)):
                account = next(iter(reports.values())).account or Account()
                record = replace(record, portal=await self._confirm(account, record, reports))
        except StopRun as stop:
            return self._not_started(reports, EarlyEnd(stop.cause, stop.reason, self._signal))
        steps = [replace(one, checked=mark) for one, mark in zip(record.steps, marks, strict=True)]
        self._record = replace(record, steps=steps)
        self._file.write(self._record)
        self._restarts = False  # from here on the record says what is to be discarded
        return None

    async def _check_each(
        self, numbers: Sequence[int], reports: dict[str, Report], connection: Connection
    ) -> EarlyEnd | None:
        """Check these steps, and compare their links. Returns why the check was ended early, if it was."""
        folder = self._file.plan.absolute().parent
        complete = filter(self._has_all_rows, range(len(self.steps)))
        with OtherFiles(folder, [(one.name, one.settings) for one in self.steps]) as others:
            for number in numbers:
                one = self.steps[number]
                report = reports[one.name] = await self._check(number, one, connection, others)
                if report.end is not None:
                    return report.end
            await self._watcher.compared(others.found(_MOST_VALUES, complete))
        return None

    async def _check(self, number: int, step: Step, connection: Connection, others: OtherFiles) -> Report:
        settings = replace(step.settings, write_results=False)
        check = Check(
            settings,
            self._seams,
            connection=connection,
            ending=self._begin(),
            note_records=partial(others.add, number) if others.wants(number) else None,
            note_links=partial(others.note, number),
            comes_with_plan=others.provided,
        )
        await self._watcher.checking(number, check)
        report: Report | None = None
        try:
            report = await check.run()
        finally:
            await self._watcher.checked(number, report)
        return report

    async def _confirm(self, account: Account, record: Record, reports: dict[str, Report]) -> str:
        """The account's number once it is confirmed. DeclinedError if it is not."""
        if record.portal and record.portal != account.portal:
            raise SettingsError(_other_account(record.portal, account))
        self._refuse_other_accounts(account)
        ending = self._begin()
        checked = [(one, reports[one.name]) for one in self.steps if one.name in reports]
        if not await ending.unless_ended(self._watcher.may_write(account, checked)):
            raise DeclinedError(
                f"nothing was written: account {account.portal or 'unknown'} was not confirmed; use a token "
                "of another account, or add --yes"
            )
        return account.portal

    def _not_started(self, reports: dict[str, Report], end: EarlyEnd | None) -> PlanEnd:
        """The plan as it stands where its check found problems, or was ended early."""
        ends = [
            replace(self._standing(number), problems=_problems(found), warnings=tuple(found.warnings))
            if (found := reports.get(one.name))
            else self._standing(number)
            for number, one in enumerate(self.steps)
        ]
        return PlanEnd(ends, 2 if end is None else end.exit_code(has_begun=False), end)

    # --- running ---

    async def _run_steps(self, connection: Connection | None) -> PlanEnd:
        """Run the rows of all steps, then what follows them, such as links: these may lead to records of
        later steps.
        """
        ends: list[StepEnd] = []
        for number in range(len(self.steps)):
            is_held = self._is_stopped or any(one.blocks for one in ends)
            ends.append(self._held(number) if is_held else await self._run_rows(number, connection))
        for number, end in enumerate(ends):
            if not self._is_followed(number, end):
                is_held = self._is_stopped or any(one.blocks for one in ends)
                ends[number] = self._held(number) if is_held else await self._run_step(number, connection)
        was_between = all(one.exit_code is None or not one.blocks for one in ends)
        is_interrupted = bool(self._stops) and was_between and any(one.exit_code is None for one in ends)
        return PlanEnd(ends, 128 + self._signal if is_interrupted else None)

    @property
    def _is_stopped(self) -> bool:
        return bool(self._stops) or self._is_late

    @property
    def _signal(self) -> int:
        return self._stops[0] if self._stops else 0

    def _held(self, number: int) -> StepEnd:
        """A step that does not run because another one blocks it, or because the plan is stopped."""
        end = self._standing(number)
        is_done = self._is_done(number) and end.summary is not None
        return replace(end, exit_code=end.summary.exit_code) if is_done and end.summary else end

    def _is_followed(self, number: int, end: StepEnd) -> bool:
        """Whether nothing is left to be done after the rows, or it can't be done now."""
        job = self._kept_job(number)
        return end.exit_code is None or end.blocks or job is None or not _is_left(job)

    async def _run_rows(self, number: int, connection: Connection | None) -> StepEnd:
        return await self._run_step(number, connection, only_rows=True)

    async def _run_step(
        self, number: int, connection: Connection | None, *, only_rows: bool = False
    ) -> StepEnd:
        one, step, job = self.steps[number], self._record.steps[number], self._jobs[number]
        settings = replace(
            one.settings,
            restart=self._is_discarded(number),
            approve_canary=one.settings.approve_canary and job is not None and job.awaits_approval,
            max_duration_seconds=None,
        )
        run = Run(
            settings,
            self._seams,
            approve=self._is_same_account,
            judge=self._watcher.judge,
            ending=self._begin(),
            connection=connection,
            only_rows=only_rows,
            known_records=[_records_of(step.settings) for step in self.steps],
        )
        is_over = self._has_all_rows(number) and (only_rows or self._is_done(number))
        if not is_over:
            self._write(replace(step, state=RUNNING, exit_code=None))
        await self._watcher.running(number, run, are_rows_done=self._has_all_rows(number))
        summary: Summary | None = None
        error: UploaderError | None = None
        try:
            summary = await run.run()
        except UploaderError as found:
            error = found
        finally:
            await self._watcher.ran(number, run, summary)
        end = self._standing(number)
        if summary is not None:
            end = replace(end, summary=summary, exit_code=summary.exit_code)
        elif error is not None:
            end = replace(end, error=str(error), exit_code=error.exit_code)
        after = self._after(number, end)
        if after != step:
            self._write(after)
        return end

    def _after(self, number: int, end: StepEnd) -> StepRecord:
        """The record of a step that has run."""
        self._jobs[number] = job = earlier_job(self.steps[number].settings)
        step = replace(self._record.steps[number], exit_code=end.exit_code)
        if job is None or self._is_discarded(number):
            return replace(step, state=NOT_STARTED)
        if end.state != COMPLETE:
            return replace(step, state=STOPPED, job=job.id)
        is_left = not job.is_complete
        code = None if is_left else end.exit_code
        return replace(step, state=ROWS_COMPLETE if is_left else COMPLETE, exit_code=code, job=job.id)

    async def _is_same_account(self, account: Account, rows: int | None) -> bool:
        """SettingsError if the job of a step would begin in another account than was confirmed."""
        del rows
        if account.portal != self._record.portal:
            raise SettingsError(_other_account(self._record.portal, account))
        return True

    def _standing(self, number: int) -> StepEnd:
        """A step as its checkpoint has it."""
        one, job = self.steps[number], self._kept_job(number)
        settings = one.settings
        return StepEnd(
            one.name,
            settings.object_type,
            str(settings.checkpoint_path),
            str(settings.results_path or ""),
            job.summary(settings.tolerate) if job else None,
        )


def _other_account(portal: str, account: Account) -> str:
    return (
        f"this plan was begun in account {portal or 'unknown'}, and the token belongs to account "
        f"{account.portal or 'unknown'}; use a token of the former one, or begin all steps anew with "
        "--restart"
    )


def _is_left(job: EarlierJob) -> bool:
    """Whether something is left to be done after the rows."""
    return any(one.open for one in job.follow_ups.values())


def _problems(report: Report) -> tuple[str, ...]:
    return (*report.problems, *([report.would_stop] if report.would_stop else []))


def fingerprint(settings: Settings) -> str:
    """What a check depends on: settings, and size and time of the sources. Another one: check again."""
    found = hashlib.sha256()
    for one in sorted(fields(settings), key=lambda field: field.name):
        if one.name not in _NOT_CHECKED:
            found.update(f"{one.name}={_plain(getattr(settings, one.name))!r}\n".encode())
    if settings.suppression is not None:
        found.update(settings.suppression.fingerprint.encode())
    for name in settings.sources:
        for path in sorted(glob(name)) if is_pattern(name) else [name]:  # noqa: PTH207  # it may be absolute
            found.update(Path(path).name.encode("utf-8", "surrogateescape"))
            with suppress(OSError):
                state = Path(path).stat()
                found.update(f"{state.st_size} {state.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _plain(value: object) -> object:
    """A value whose text is the same in every process: sets have no order."""
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    if isinstance(value, dict):
        return sorted((str(key), _plain(one)) for key, one in value.items())
    return value


def _records_of(settings: Settings) -> KnownRecords:
    paths = (str(settings.results_path), str(settings.checkpoint_path))
    return KnownRecords(settings.object_type, settings.id_property, *paths)
