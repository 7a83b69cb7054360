"""One `preview`: the real pipeline, over a sender that writes nothing, with its books in a folder of its own.

So its figures are the run's: the same rows, rules, batches and waits. Nothing of the job itself is opened for
writing: no checkpoint, results file or lock of it. The folder is gone when `preview` returns or raises.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.wire import paths
from uploader.jobs.ending import Ending
from uploader.jobs.opening import Job, find_source_names
from uploader.jobs.pipeline import Parts
from uploader.jobs.scans.survey import first_rows
from uploader.jobs.session import Seams
from uploader.jobs.summary import EarlyEnd, Summary
from uploader.jobs.upload import Run
from uploader.model.rows import Mark, Row, RowSlice
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.requests.contact_reader import Reader
from uploader.preview.overlay import Overlay
from uploader.preview.read_only_client import ReadOnly
from uploader.preview.row_notes import RowNotes
from uploader.preview.simulated_sender import SimulatedSender, Simulation
from uploader.preview.value_changes import Tally
from uploader.settings import Settings
from uploader.settings.output import OutputSettings
from uploader.sources.source import Source
from uploader.system.blocking_calls import Offload

#: The run would stop; the preview goes on and says so.
_NO_LIMIT = FailureLimit(count=10**12)


@dataclass(slots=True)
class Report:
    """What was found; `summary` are the outcomes that rows would have."""

    summary: Summary
    tally: Tally
    account: Account | None
    sources: list[str]
    sample: int | None
    notices: list[str]
    requests: int  #: what it has cost
    would_stop: bool  #: the run would end early, for too many failures

    @property
    def end(self) -> EarlyEnd | None:
        """Why the rows were not all looked at, where they were not."""
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
    """`preview` once."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams | None = None,
        *,
        sample: int | None = None,
        examples: int = 5,
    ) -> None:
        """`sample`: so many rows, from the first; `examples`: of each kind of change, at most."""
        self.settings = settings
        self.ending = Ending()
        #: Once there is one to be looked at.
        self.run: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self._seams = seams or Seams()
        self._sample = sample
        self._tally = Tally(examples)
        self._names: list[str] = []

    async def preview(self) -> Report:
        """UploaderError where the job can't start."""
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
            _remove(folder)
        return self._report(run, summary)

    async def _find_names(self, reader: Offload) -> tuple[str, ...]:
        """The sources; none where the preview is stopped meanwhile, as its run will find out.

        Before the run, since the job's own files are none of theirs; and anew, for the reason that all rows
        are looked at (`_begun_job_notices`): to read the checkpoint would leave files beside it.
        """
        anew = replace(self.settings, restart=True)
        try:
            return await self.ending.unless_ended(reader.run(lambda: tuple(find_source_names(anew))))
        except StopRun:
            return ()

    def _make_run(self, names: tuple[str, ...], folder: Path, overlay: Overlay, offload: Offload) -> Run:
        """An upload whose requests that would write are answered by a simulation."""
        seams, known = self._seams, paths(self.settings.api_version, self.settings.object_type)
        notes = RowNotes(self._tally)

        def reader() -> Reader:
            assert run.session is not None
            return Reader(run.session.attempts, known.read)

        simulation = Simulation(overlay, offload, known, reader, notes)

        def begin(job: Job) -> Job:
            self._names = [source.name for source in job.sources]
            simulation.begin(job)
            if self._sample is None:
                return job
            # Only now: what is found out by a look at all rows is true of all of them.
            left = _Budget(self._sample)
            return replace(job, sources=[_FirstRows(source, left) for source in job.sources])

        settings = replace(
            self.settings,
            sources=names or self.settings.sources,
            checkpoint=folder / "preview.checkpoint",
            checkpoint_dir=None,
            results=None,
            write_results=False,
            restart=False,
            snapshot=False,
            max_failures=_NO_LIMIT,
        )
        parts = Parts(
            sender=partial(SimulatedSender, simulation=simulation),
            job=begin,
            on_rows=notes.note_rows,
            on_look=simulation.look,
            on_settled=notes.note_settled,
        )
        reading = replace(seams, transport=lambda said: ReadOnly(seams.transport(said), known))
        run = Run(settings, reading, parts=parts, ending=self.ending)
        return run

    def _report(self, run: Run, summary: Summary) -> Report:
        tallies, session = summary.tallies, run.session
        return Report(
            summary,
            self._tally,
            session.account if session else None,
            self._names,
            self._sample,
            [*run.notices, *run.late_notices(), *_begun_job_notices(self.settings)],
            requests=session.sender.tallies.requests if session else 0,
            would_stop=self.settings.max_failures.exceeded(tallies.failed, tallies.rows),
        )


def _begun_job_notices(settings: OutputSettings) -> list[str]:
    """All rows are looked at, also of a job that has begun: what became of them is not taken off."""
    place = settings.checkpoint_path
    if not place.exists():
        return []
    text = (
        f"{place} is there, so the job was begun. This preview is of all its rows on the account as it is "
        "now, as upload --restart would send them; without --restart only those still open are sent"
    )
    return [text]


@dataclass(slots=True)
class _Budget:
    rows: int


class _FirstRows:
    """A source of which no more rows are read than are left in a budget that several share."""

    def __init__(self, source: Source, left: _Budget) -> None:
        self._source = source
        self._left = left
        self.name, self.shape = source.name, source.shape
        self.size_bytes: int | None = None  # nobody knows how much of it is read
        self.is_at_hand = source.is_at_hand
        self.fingerprint, self.rows_about, self.notices = (
            source.fingerprint,
            source.rows_about,
            source.notices,
        )

    def first_rows(self) -> Sequence[Row]:
        return self._source.first_rows()

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        """From the first row: a preview is never resumed."""
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
    """For its owner alone, on the disk for temporary files; where there is none, beside the job's files."""
    try:
        return Path(tempfile.mkdtemp(prefix="uploader-preview-"))
    except OSError:
        pass
    try:
        return Path(tempfile.mkdtemp(prefix="uploader-preview-", dir=beside))
    except OSError as error:
        raise SettingsError(
            f"no temporary files can be made, neither in {beside} nor where TMPDIR says; say with "
            "--checkpoint-dir which folder can be written"
        ) from error


def _remove(folder: Path) -> None:
    """Whatever is in it; a thread that still reads may put a file there meanwhile."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


_REMOVALS = 10
