"""One `preview`: the real pipeline, over a sender that writes nothing, with its books in a folder of its own.

So its figures are the run's: the same rows, rules, batches and waits. Nothing of the job itself is opened for
writing: no checkpoint, results file or lock of it. The folder is gone when `preview` returns or raises.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.client import Transport
from uploader.jobs.opening import Job, find_names
from uploader.jobs.scans.survey import first_rows
from uploader.jobs.session import Seams
from uploader.jobs.summary import EarlyEnd, Summary
from uploader.jobs.upload import Run
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, Slice, Unsent
from uploader.model.rows import Fault, Mark, Row, RowSlice
from uploader.model.settlements import Settlement, Tallies
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.contact_reader import Look, Reader
from uploader.pipeline.sender import Sender
from uploader.preview.overlay import Overlay
from uploader.preview.read_only_client import ReadOnly
from uploader.preview.simulated_sender import Pretence, PretendingSender
from uploader.preview.value_changes import MOST_NAMES, Tally
from uploader.records.columns import MappingError, resolve_name
from uploader.records.suppressed_rows import SUPPRESSED
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


class Preview(Run):
    """`preview` once, in place of `run`."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams | None = None,
        *,
        sample: int | None = None,
        examples: int = 5,
    ) -> None:
        """`sample`: so many rows, from the first; `examples`: of each kind of change, at most."""
        super().__init__(settings, seams)
        self.asked = settings
        self.sample = sample
        self.tally = Tally(examples)
        self.on_rows, self.on_look, self.on_settled = self._note_rows, self._note_look, self._note_settled
        self._refusals: dict[int, tuple[str, str]] = {}  # by position of an open row: property and reason
        self._names: list[str] = []
        self._properties: dict[tuple[int, str], str] = {}  # by source and column
        self._job: Job | None = None
        self._pretence: Pretence | None = None

    async def preview(self) -> Report:
        """UploaderError where the job can't start."""
        folder = _make_folder(self.asked.checkpoint_path.absolute().parent)
        offload, reader = self.seams.offload("overlay"), self.seams.offload("names")
        try:
            # Patterns first, since the job's own files are none of theirs; and anew, for the same reason as
            # all rows are looked at (`_told_of_job`): to read the checkpoint would leave files beside it.
            anew = replace(self.asked, restart=True)
            names = await self._find_names(anew, reader)
            place = folder / "preview.checkpoint"
            overlay = await offload.run(lambda: Overlay(folder / "overlay"))
            self._pretence = self._pretend(overlay, offload)
            self.sender_type = partial(PretendingSender, pretence=self._pretence)
            self.settings = replace(
                self.asked,
                sources=names or self.asked.sources,
                checkpoint=place,
                checkpoint_dir=None,
                results=None,
                write_results=False,
                restart=False,
                snapshot=False,
                max_failures=_NO_LIMIT,
            )
            summary = await self.run()
        finally:
            reader.close()
            offload.finish()
            if self._pretence is not None:
                self._pretence.overlay.close()
            _remove(folder)
        return self._report(summary)

    async def _find_names(self, settings: Settings, reader: Offload) -> tuple[str, ...]:
        """The sources; none where the run is stopped meanwhile, as it will find out."""
        try:
            return await self.ending.unless_ended(reader.run(lambda: tuple(find_names(settings))))
        except StopRun:
            return ()

    def _report(self, summary: Summary) -> Report:
        tallies = summary.tallies
        return Report(
            summary,
            self.tally,
            self.account,
            self._names,
            self.sample,
            [*self.notices, *self.late_notices(), *_told_of_job(self.asked)],
            requests=self.sender.tallies.requests if self.sender else 0,
            would_stop=self.asked.max_failures.exceeded(tallies.failed, tallies.rows),
        )

    def _pretend(self, overlay: Overlay, offload: Offload) -> Pretence:
        def reader(sender: Sender) -> Reader:
            return Reader(Attempts(sender, self._patience, self.seams.roll), self.paths.read)

        return Pretence(overlay, offload, self.paths, reader, self._note_written, self._note_refused)

    # --- the run's own steps, where a preview's differ ---

    def _make_sender(self, transport: Transport, tallies: Tallies) -> None:
        super()._make_sender(ReadOnly(transport, self.paths), tallies)

    async def _move(self, job: Job, *arguments: Any, **named: Any) -> Summary:  # noqa: ANN401
        pretence, schema, rules = self._pretence, job.account.schema, job.settings.rules
        assert pretence is not None
        self._job, self._names = job, [source.name for source in job.sources]
        pretence.kinds = self.tally.kinds = schema.kinds if schema else {}
        addresses = {EMAIL} if rules.has_addresses else set[str]()
        pretence.unique = addresses | {*rules.match} | (schema.unique if schema else frozenset())
        if self.sample is not None:
            # Only now: what is found out by a look at all rows is true of all of them.
            left = _Budget(self.sample)
            job.sources = [_FirstRows(source, left) for source in job.sources]
            self.bytes_total = None
        return await super()._move(job, *arguments, **named)

    # --- what rows would do ---

    def _note_rows(self, slice_: Slice) -> None:
        for unsent in slice_.unsent:
            if unsent.outcome is Outcome.SKIPPED:
                self.tally.skips(_SKIPPED.get(unsent.category, unsent.category))
            else:
                faults = unsent.faults or (Fault(unsent.reason, unsent.category),)
                self._note_faults(unsent, faults)

    def _note_look(self, look: Look) -> None:
        record, decision = look.record, look.decision
        if decision is not None and decision.outcome is None:
            assert self._pretence is not None
            self._pretence.looks[record.position] = look  # what comes of it, its upsert tells
            return
        if decision is not None:
            self._note_written(look)
            if decision.outcome is Outcome.SKIPPED:
                self.tally.skips(decision.reason)

    def _note_written(self, look: Look) -> None:
        record, decision = look.record, look.decision
        assert decision is not None
        self.tally.writes(
            source=record.source,
            row=record.row,
            decision=decision,
            wanted=look.wanted,
            held=look.held.properties if look.held else {},
        )

    def _note_refused(self, look: Look, name: str, reason: str) -> None:
        """It may leave once more, and be taken then."""
        self._refusals[look.record.position] = name, reason

    def _note_settled(self, settlements: Sequence[Settlement]) -> None:
        for one in settlements:
            record = one.record
            if not isinstance(record, Record):
                continue
            self._note_faults(record, record.dropped)
            name, reason = self._refusals.pop(record.position, ("", ""))
            if one.outcome is Outcome.REJECTED and name:
                self.tally.refuses(record.source, record.row, [(name, Fault(reason, "CONFLICT"))])

    def _note_faults(self, row: Record | Unsent, faults: Sequence[Fault]) -> None:
        told = [(self._property_of(row.source, fault.column), fault) for fault in faults]
        self.tally.refuses(row.source, row.row, told)

    def _property_of(self, source: int, column: str) -> str:
        """What a column, or a row's field, stands for; itself where that is not known."""
        known = self._properties.get((source, column))
        if known is not None or not column:
            return known or ""
        assert self._job is not None
        columns = self._job.mappers[source].columns
        names = {columns.column(i): name for i, name in columns.names.items()} if columns else {}
        name = names.get(column) or self._resolved(column)
        if len(self._properties) < MOST_NAMES:
            self._properties[source, column] = name
        return name

    def _resolved(self, column: str) -> str:
        assert self._job is not None
        try:
            return resolve_name(column, self._job.settings.rules, self._job.account.schema) or column
        except MappingError:
            return column


_SKIPPED = {
    "SUPERSEDED": "a later row has written the key since, `failures` says",
    "DUPLICATE": "another row has the same key (--on-duplicate first, last)",
    SUPPRESSED: "of people that nothing is to be written to (--suppress, --suppress-where)",
}


def _told_of_job(settings: OutputSettings) -> list[str]:
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
        self.name, self.shape, self.size_bytes = source.name, source.shape, source.size_bytes
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
