"""One undo of a job: the list that its records were put into, its links, its records; or the properties that
`create-properties` made. A part that stops early is the last one.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uploader.errors import DeclinedError, SettingsError, UploaderError
from uploader.jobs.session import Seams
from uploader.model.counted import counted
from uploader.properties import removal
from uploader.properties.creation_record import is_record, read_record
from uploader.properties.removal import Removal
from uploader.properties.run import account_settings
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.list_file import ListFile
from uploader.storage.output_files import refuse_foreign
from uploader.undo.job.kept_list import HEADER, KeptList, kept_path, write_kept
from uploader.undo.job.parts import (
    JobWithLinks,
    find_links,
    find_list,
    has_snapshot,
    job_of_list,
    job_of_snapshot,
)
from uploader.undo.link_plan import LinkUndo
from uploader.undo.links import Approve as ApproveLinks, LinksReport, LinksUndo, links_settings
from uploader.undo.record_list import Approve as ApproveList, ListReport, ListUndo, list_settings
from uploader.undo.run import Approve as ApproveRecords, Report, Undo, undo_settings
from uploader.undo.undo_file import UndoFile, find
from uploader.undo.would_be_gone import WouldBeGone

Part = ListUndo | LinksUndo | Undo | Removal
#: Called with a part before it runs; what it returns is entered meanwhile.
Watch = Callable[[Part], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Approvals:
    """Who is asked before each part is written. None: nobody."""

    list: ApproveList | None = None
    links: ApproveLinks | None = None
    records: ApproveRecords | None = None
    properties: removal.Approve | None = None


@dataclass(slots=True)
class JobReport:
    """What became of each part; None of those that the job does not have, or that were not reached."""

    is_dry: bool = False
    list: ListReport | None = None
    links: LinksReport | None = None
    records: Report | None = None
    properties: removal.Report | None = None
    kept: KeptList | None = None  #: the list of what was kept; None if it was not written

    @property
    def before(self) -> Sequence[ListReport | LinksReport]:
        """What was undone before the records."""
        return [one for one in (self.list, self.links) if one is not None]

    @property
    def parts(self) -> Sequence[ListReport | LinksReport | Report | removal.Report]:
        """All that was undone, in this order."""
        records = [one for one in (self.records, self.properties) if one is not None]
        return [*self.before, *records]

    @property
    def done_before(self) -> str:
        """What was undone before the records, in words; "" if nothing was."""
        if self.is_dry:
            return ""
        removed = self.list.removed if self.list else 0
        ended = self.links.counts[LinkUndo.UNLINKED] if self.links else 0
        parts = {
            f"{counted(removed, 'record was', 'records were')} taken out of the list": removed,
            f"{counted(ended, 'link was', 'links were')} taken back": ended,
        }
        return " and ".join(text for text, count in parts.items() if count)

    @property
    def is_stopped_before(self) -> bool:
        """Whether the list or the links stopped early."""
        return any(one.end is not None for one in self.before)

    @property
    def exit_code(self) -> int:
        """That of the last part that is not done."""
        return next((one.exit_code for one in reversed(self.parts) if one.exit_code), 0)


class JobUndo:
    """Call `run` once."""

    def __init__(
        self,
        named: Path,
        connection: Mapping[str, Any],
        *,
        dry_run: bool = False,
        output: Path | None = None,
        restart: bool = False,
        archive_touched: bool = False,
        approvals: Approvals | None = None,
        gone: WouldBeGone | None = None,
        watch: Watch = lambda _: nullcontext(),
        seams: Seams | None = None,
    ) -> None:
        """`named`: any file of the job, or the record of created properties. `connection`: fields of
        `Settings` for the account and the speed. `gone`: what other jobs of the same plan would have taken.
        """
        self.report = JobReport(is_dry=dry_run)
        self._named = named
        self._connection = connection
        self._dry = dry_run
        self._output = output
        self._restart = restart
        self._archive_touched = archive_touched
        self._approvals = approvals or Approvals()
        self._gone = gone or WouldBeGone()
        self._watch = watch
        self._seams = seams
        self._part: Part | None = None  # that runs
        self._signals: list[int] = []

    def stop(self, signal: int = 0) -> None:
        """Finish the requests in flight and stop. A second call drops them."""
        self._signals.append(signal)
        if self._part is not None:
            self._part.ending.stop(signal)

    async def run(self) -> JobReport:
        """Undo the job. UploaderError if that can't start, or a part of it can't; what was undone before that
        part is told.
        """
        try:
            return await self._run()
        except UploaderError as error:
            if done := self.report.done_before:
                is_declined = isinstance(error, DeclinedError)
                error.args = (f"{done}; {'the rest was not undone' if is_declined else error}",)
            raise

    async def _run(self) -> JobReport:
        report, named = self.report, self._named
        if is_record(named):
            self._refuse("this file records properties", "output", "restart", "archive_touched")
            report.properties = await self._undo_properties()
            return report
        is_kept, place = has_snapshot(named), find_list(named)
        job = job_of_snapshot(named) if is_kept else ""
        if (listed := job_of_list(named)) not in {"", job}:
            # The file that is named decides: a snapshot of its number is of another job.
            is_kept, job = False, listed
        linked = find_links(named, job)
        if not is_kept and (place is not None or linked is not None):
            self._refuse("this job was run without --snapshot", "output", "archive_touched")
        if place is not None:
            report.list = await self._undo_list(*place, job)
        if linked is not None and not report.is_stopped_before:
            report.links = await self._undo_links(linked)
        if not report.is_stopped_before and (is_kept or not report.before):
            await self._undo_records()
        return report

    def _refuse(self, why: str, *options: str) -> None:
        """SettingsError for an option that means nothing where no records are undone."""
        for name in options:
            if getattr(self, f"_{name}"):
                raise SettingsError(
                    f"--{name.replace('_', '-')} is for the undo of an upload with --snapshot, and {why}"
                )

    @asynccontextmanager
    async def _running(self, part: Part) -> AsyncIterator[None]:
        self._part = part
        for number in self._signals:
            part.ending.stop(number)
        async with self._watch(part):
            yield

    async def _undo_properties(self) -> removal.Report:
        record = read_record(self._named)
        settings = account_settings(record.object_type, **self._connection)
        approve = self._approvals.properties
        part = Removal(settings, record, self._seams, approve=approve, dry=self._dry)
        async with self._running(part):
            return await part.run()

    async def _undo_list(self, checkpoint: Path, number: str, job: str) -> ListReport | None:
        """Undo what a job did to its list; None if nothing was ever done. `job`: that of the snapshot or
        of the list, or ""; the list of another job stays as it is.
        """
        with closing(ListFile(checkpoint, number)) as file:
            if not file.open(read_only=self._dry) or job not in ("", file.about["job"]):
                return None
            if not {"list_id", "make_sent_at"} & file.about.keys():
                return None
            settings = list_settings(file, checkpoint, **self._connection)
            part = ListUndo(settings, file, self._seams, approve=self._approvals.list, dry=self._dry)
            async with self._running(part):
                return await part.run()

    async def _undo_links(self, found: JobWithLinks) -> LinksReport | None:
        """Undo the links of a job; None if it has made none."""
        with closing(AssociationsFile(found.checkpoint, found.number)) as file:
            file.open(found.job)
            settings = links_settings(
                file, found.checkpoint, found.object_type, restart=self._restart, **self._connection
            )
            part = LinksUndo(
                settings,
                file,
                found.portal,
                self._seams,
                approve=self._approvals.links,
                dry=self._dry,
                gone=self._gone,
            )
            async with self._running(part):
                report = await part.run()
        return report if report.made or report.others_made or report.end else None

    async def _undo_records(self) -> None:
        snapshot, checkpoint = find(self._named)
        output = self._output or kept_path(snapshot)
        refuse_foreign(output, HEADER, "no list of what was kept")
        with closing(UndoFile(snapshot)) as file:
            settings = undo_settings(file, checkpoint, restart=self._restart, **self._connection)
            part = Undo(
                settings,
                file,
                self._seams,
                approve=self._approvals.records,
                dry=self._dry,
                archive_touched=self._archive_touched,
                gone=self._gone,
            )
            async with self._running(part):
                self.report.records = await part.run()
                if self.report.records.end is None:
                    self.report.kept = write_kept(part, output, keeps_empty=self._output is not None)
