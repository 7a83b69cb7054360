"""What became of one row, as a program that follows a job is told it.

In    settlements; the sources' names and the job's main id property.
Out   `RowOutcome`s.
Raise nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uploader.model.outcomes import Outcome
from uploader.model.records import display_key
from uploader.model.settlements import Settlement


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The outcome of one row. `key` and `message` are personal data, or may hold some."""

    source: str  #: its name
    row: int  #: as the results file has it: a line of CSV, else the row's ordinal; 1 is the first
    key: str  #: with its property's name, where that isn't the job's main id property
    outcome: Outcome
    hubspot_id: str = ""  #: only where HubSpot's answer names it
    category: str = ""  #: of what was not written: by which rule, or HubSpot's word for it
    message: str = ""  #: the same, for people
    correlation_id: str = ""  #: for HubSpot's support
    values_dropped: int = 0  #: values that were left out, since HubSpot would refuse them
    is_earlier: bool = False  #: settled by an earlier invocation (`values_dropped` is not known then)


def outcomes_of(settled: Sequence[Settlement], names: Sequence[str], main: str) -> Iterator[RowOutcome]:
    return (_of_row(one, names, main) for one in settled)


def _of_row(settlement: Settlement, names: Sequence[str], main: str) -> RowOutcome:
    record, refusal = settlement.record, settlement.refusal
    return RowOutcome(
        source=names[record.source],
        row=record.row,
        key=display_key(record.key, record.values, main),
        outcome=settlement.outcome,
        hubspot_id=settlement.hubspot_id,
        category=refusal.category if refusal else "",
        message=refusal.message if refusal else "",
        correlation_id=refusal.correlation_id if refusal else "",
        values_dropped=len(getattr(record, "dropped", ())),
    )
