"""One `preview`: the real pipeline with a sender that writes nothing, and a checkpoint in a temporary folder.

Rows, rules, batches and waits are those of an upload. No file of the job itself is opened for writing: no
checkpoint, results file or lock. The folder is removed when `preview` returns or raises.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.requests import paths
from uploader.jobs.early_ending import Ending
from uploader.jobs.opening import Job, find_source_names
from uploader.jobs.pipeline import Parts
from uploader.jobs.scans.survey import first_rows
from uploader.jobs.session import Seams
from uploader.jobs.summary import EarlyEnd, Summary
from uploader.jobs.upload import Run
from uploader.model.associations import LinkColumn
from uploader.model.records import Slice
from uploader.model.rows import Mark, Row, RowSlice
from uploader.model.settled_rows import Settlement
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.requests.contact_reader import ReadContact, Reader
from uploader.preview.overlay import Overlay
from uploader.preview.read_only_client import ReadOnly
from uploader.preview.row_counts import RowCounts
from uploader.preview.row_details import RowDetail, RowDetails
from uploader.preview.simulated_sender import SimulatedSender, Simulation
from uploader.preview.value_changes import Tally
from uploader.settings import Settings
from uploader.settings.output import OutputSettings
from uploader.sources.source import Source
from uploader.system.blocking_calls import Offload
from uploader.system.temporary_folder import make_folder, remove_folder

#: The failure limit does not stop a preview, which reports that it would stop an upload.
_NO_LIMIT = FailureLimit(count=10**12)


@dataclass(slots=True)
class Report:
    """The result; `summary` has the outcomes that rows would have."""

    summary: Summary
    tally: Tally
    account: Account | None
    sources: list[str]
    sample: int | None
    notices: list[str]
    requests: int  #: requests that the preview sent
    would_stop: bool  #: an upload would stop early because of too many failures
    rows: list[RowDetail]  #: the first ones, as many as asked for
    links: Sequence[tuple[LinkColumn, int]]  #: how many links each column asks for
    match: Sequence[str] = ()  #: the properties that rows are matched by
    is_undone: bool = False  #: the job was uploaded and undone, and has to begin anew
    is_step: bool = False  #: of a plan, whose steps are uploaded together

    @property
    def end(self) -> EarlyEnd | None:
        """Why not all rows were processed; None if they were."""
        summary = self.summary
        if summary.state == "complete":
            return None
        return EarlyEnd(summary.cause or Cause.OUTAGE, summary.reason, summary.signal)

    @property
    def exit_code(self) -> int:
        if self.end is not None:
            return self.end.exit_code(has_begun=False)
        return self.summary.exit_code


class Preview:
    """Call `preview` once."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams | None = None,
        *,
        sample: int | None = None,
        examples: int = 5,
        rows: int = 0,
    ) -> None:
        """`sample`: process only the first rows, this many; None: as many as an upload would. `examples`: at
        most this many for each kind of change. `rows`: how many of the first rows are reported in detail.
        """
        self.settings = settings
        self.ending = Ending()
        #: The run, once there is one.
        self.run: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self._seams = seams or Seams()
        self._sample = sample or settings.limit
        self._tally = Tally(examples)
        self._details = RowDetails(rows)
        self._names: list[str] = []
        self._links = Counter[int]()  # by the number of the column

    async def preview(self) -> Report:
        """Preview the job. UploaderError if it can't start."""
        folder = _make_folder(self.settings.checkpoint_path.absolute().parent)
        offload, reader = self._seams.offload("overlay"), self._seams.offload("names")
        overlay: Overlay | None = None
        try:
            names = await self._find_names(reader)
            overlay = await offload.run(lambda: Overlay(folder / "overlay"))
            run = self._make_run(names, folder, overlay, offload)
            self.run.set_result(run)
            summary = await run.run()
        finally:
            reader.close()
            offload.finish()
            if overlay is not None:
                overlay.close()
            remove_folder(folder)
        return self._report(run, summary)

    async def _find_names(self, reader: Offload) -> tuple[str, ...]:
        """The names of the sources; empty if the preview is stopped meanwhile, which its run then reports.

        They are found by the job's own settings, so that no pattern matches the job's files, and without the
        job's checkpoint: reading it would leave files beside it, and a preview is of all rows anyway.
        """
        anew = replace(self.settings, restart=True)
        try:
            return await self.ending.unless_ended(reader.run(lambda: tuple(find_source_names(anew))))
        except StopRun:
            return ()

    def _make_run(self, names: tuple[str, ...], folder: Path, overlay: Overlay, offload: Offload) -> Run:
        """Make an upload whose writing requests are answered by a simulation."""
        seams, known = self._seams, paths(self.settings.api_version, self.settings.object_type)
        row_counts = RowCounts(self._tally)

        def reader() -> Reader:
            assert run.session is not None
            return Reader(run.session.attempts, known.read)

        simulation = Simulation(overlay, offload, known, reader, row_counts)
        run = Run(
            self._own_settings(names, folder),
            replace(seams, transport=lambda sign_in: ReadOnly(seams.transport(sign_in), known)),
            parts=self._parts(simulation, row_counts),
            ending=self.ending,
            only_rows=True,
        )
        return run

    def _own_settings(self, names: tuple[str, ...], folder: Path) -> Settings:
        """The settings of a job of its own in this folder, which keeps no other files."""
        return replace(
            self.settings,
            sources=names or self.settings.sources,
            checkpoint=folder / "preview.checkpoint",
            checkpoint_dir=None,
            results=None,
            write_results=False,
            restart=False,
            snapshot=False,
            add_to_list="",
            limit=None,
            max_failures=_NO_LIMIT,
        )

    def _parts(self, simulation: Simulation, row_counts: RowCounts) -> Parts:
        """The simulation in place of the sender, and all that counts what the upload would do."""
        details = self._details

        def note_rows(slice_: Slice) -> None:
            row_counts.note_rows(slice_)
            details.note_rows(slice_)
            self._links.update(one.column for row in slice_.associations for one in row.values)

        def note_look(look: ReadContact) -> None:
            details.note_look(look)
            simulation.look(look)

        def note_settled(settlements: Sequence[Settlement]) -> None:
            row_counts.note_settled(settlements)
            details.note_settled(settlements)

        def begin(job: Job) -> Job:
            self._names = [source.name for source in job.sources]
            simulation.begin(job)
            details.begin(job)
            if self._sample is None:
                return job
            # Limited only here: the passes before this read all rows, as those of an upload do.
            left = _Budget(self._sample)
            return replace(job, sources=[_FirstRows(source, left) for source in job.sources])

        return Parts(
            sender=partial(SimulatedSender, simulation=simulation),
            job=begin,
            on_rows=note_rows,
            on_look=note_look,
            on_settled=note_settled,
        )

    def _report(self, run: Run, summary: Summary) -> Report:
        tallies, session = summary.tallies, run.session
        return Report(
            summary,
            self._tally,
            session.account if session else None,
            self._names,
            self._sample,
            [
                *run.notices,
                *run.late_notices(),
                *_begun_job_notices(self.settings),
                *_list_notices(self.settings),
            ],
            requests=session.sender.tallies.requests if session else 0,
            would_stop=self.settings.max_failures.exceeded(tallies.failed, tallies.rows),
            rows=self._details.rows(),
            links=[(one, self._links[number]) for number, one in enumerate(self.settings.associations)],
            match=self.settings.match,
        )


def _begun_job_notices(settings: OutputSettings) -> list[str]:
    """A notice if the job was begun before: the preview is of all rows, including those already settled."""
    place = settings.checkpoint_path
    if not place.exists():
        return []
    text = (
        f"{place} exists, so the job has been started. This preview shows all its rows, as `upload "
        "--restart` would send them; without --restart only the open rows are sent"
    )
    return [text]


def _list_notices(settings: Settings) -> list[str]:
    """A notice of what the preview leaves out, and `check` looks at."""
    name = settings.add_to_list
    return [f"the upload would put the records into the list {name!r}"] if name else []


@dataclass(slots=True)
class _Budget:
    rows: int


class _FirstRows:
    """A source that is read only up to a number of rows that several sources share."""

    def __init__(self, source: Source, left: _Budget) -> None:
        self._source = source
        self._left = left
        self.name, self.shape = source.name, source.shape
        self.size_bytes: int | None = None  # not known: only a part of it is read
        self.is_local, self.is_repeatable = source.is_local, source.is_repeatable
        self.fingerprint, self.declared_rows, self.notices = (
            source.fingerprint,
            source.declared_rows,
            source.notices,
        )

    def first_rows(self) -> Sequence[Row]:
        return self._source.first_rows()

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        """Slices from the first row on: a preview is never resumed."""
        del start, known
        if self._left.rows <= 0:
            return
        for rows in first_rows(self._source, self._left.rows):
            self._left.rows -= len(rows.rows)
            yield rows

    def bytes_read(self) -> int:
        return self._source.bytes_read()

    def bytes_at(self, mark: Mark) -> int:
        return self._source.bytes_at(mark)


def _make_folder(beside: Path) -> Path:
    """Make a private folder in the temporary directory, or beside the job's files if there is none."""
    try:
        return make_folder("uploader-preview-", beside)
    except OSError as error:
        raise SettingsError(
            f"cannot create temporary files in {beside} or TMPDIR; choose a writable folder with "
            "--checkpoint-dir"
        ) from error
