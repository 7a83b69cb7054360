"""The outcome of one row, for a program that reads a job's outcomes.

In    settlements; the sources' names and the job's main id property.
Out   `RowOutcome`s.
Raise nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uploader.model.outcomes import OK, Outcome
from uploader.model.records import display_key
from uploader.model.settled_rows import Settlement


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The outcome of one row. `key` and `message` are personal data, or may hold some."""

    source: str  #: its name
    row: int  #: as in the results file: a line of CSV, else the row's ordinal; 1 is the first
    key: str  #: with its property's name if that is not the job's main id property
    outcome: Outcome
    hubspot_id: str = ""  #: only if HubSpot's reply names it
    category: str = ""  #: why the row was not written: a rule of uploader, or HubSpot's category
    message: str = ""  #: the same as a text
    correlation_id: str = ""  #: for HubSpot's support
    values_dropped: int = 0  #: number of values that were left out because HubSpot would refuse them
    is_earlier: bool = False  #: settled by an earlier invocation (`values_dropped` is not known then)

    @property
    def ok(self) -> bool:
        """Whether the row was created, updated, unchanged or skipped, as exit code 0 requires of all rows."""
        return self.outcome in OK


def outcomes_of(settled: Sequence[Settlement], names: Sequence[str], main: str) -> Iterator[RowOutcome]:
    return (_of_row(one, names, main) for one in settled)


def _of_row(settlement: Settlement, names: Sequence[str], main: str) -> RowOutcome:
    record, refusal = settlement.record, settlement.refusal
    return RowOutcome(
        source=names[record.source],
        row=record.row,
        key=display_key(record.key, record.lock_keys, main),
        outcome=settlement.outcome,
        hubspot_id=settlement.hubspot_id,
        category=refusal.category if refusal else "",
        message=refusal.message if refusal else "",
        correlation_id=refusal.correlation_id if refusal else "",
        values_dropped=len(getattr(record, "dropped", ())),
    )
