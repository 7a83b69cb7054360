"""Count what would be done with each row of a preview: written, refused or skipped, and why."""

from collections.abc import Sequence

from uploader.jobs.opening import Job
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Slice, Unsent
from uploader.model.rows import Fault
from uploader.model.settled_rows import Settlement
from uploader.pipeline.requests.contact_reader import ReadContact
from uploader.preview.value_changes import MOST_NAMES, Tally
from uploader.records.columns import MappingError, resolve_name
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.suppressed_rows import SUPPRESSED


class RowCounts:
    """Counts rows in `tally`, as reported by the pipeline and the simulated sender."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._refusals: dict[int, tuple[str, str]] = {}  # by position of an open row: property and reason
        self._properties: dict[tuple[int, str], str] = {}  # by source and column
        self._job: Job | None = None

    def begin(self, job: Job) -> None:
        """Set the job. Call it before the first row."""
        self._job = job
        self.tally.kinds = job.kinds

    def note_rows(self, slice_: Slice) -> None:
        for unsent in slice_.unsent:
            if unsent.outcome is Outcome.SKIPPED:
                self.tally.skips(_SKIPPED.get(unsent.category, unsent.category))
            else:
                faults = unsent.faults or (Fault(unsent.reason, unsent.category),)
                self._note_faults(unsent, faults)

    def note_unsent(self, look: ReadContact) -> None:
        """Count a row that is not sent because of what its contact holds."""
        self.note_written(look)
        assert look.decision is not None
        if look.decision.outcome is Outcome.SKIPPED:
            self.tally.skips(look.decision.reason)

    def note_written(self, look: ReadContact) -> None:
        record, decision = look.record, look.decision
        assert decision is not None
        self.tally.writes(
            source=record.source,
            row=record.row,
            decision=decision,
            wanted=look.wanted,
            held=look.held,
        )

    def note_refused(self, look: ReadContact, name: str, reason: str) -> None:
        """Remember why a row was refused. It may be sent once more, and accepted then."""
        self._refusals[look.record.position] = name, reason

    def note_settled(self, settlements: Sequence[Settlement]) -> None:
        for one in settlements:
            record = one.record
            if not isinstance(record, Record):
                continue
            self._note_faults(record, record.dropped)
            name, reason = self._refusals.pop(record.position, ("", ""))
            if one.outcome is Outcome.REJECTED and name and one.refusal is not None:
                self.tally.refuses(record.source, record.row, [(name, Fault(reason, one.refusal.category))])

    def _note_faults(self, row: Record | Unsent, faults: Sequence[Fault]) -> None:
        named = [(self._property_of(row.source, fault.column), fault) for fault in faults]
        self.tally.refuses(row.source, row.row, named)

    def _property_of(self, source: int, column: str) -> str:
        """The property of a column or field; its own name if that is not known."""
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
    NOT_A_ROW: "no rows: footers, totals, repeated headers (`check` lists them)",
    "SUPERSEDED": "superseded by a later row with the same key (marked by `failures`)",
    "DUPLICATE": "another row has the same key (--on-duplicate first, last)",
    SUPPRESSED: "suppressed (--suppress, --suppress-where, --opt-outs)",
}
