"""The outcome of one row, for a program that reads a job's outcomes.

In    settlements; the sources' names and the job's main id property; the refs of rows, which are taken out.
Out   `RowOutcome`s.
Raise nothing.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    #: settled by an earlier invocation (`values_dropped` and `ref` are not known then)
    is_earlier: bool = False
    ref: Any = None  #: that of the `Row`; None if there is none

    @property
    def ok(self) -> bool:
        """Whether the row was created, updated, unchanged or skipped, as exit code 0 requires of all rows."""
        return self.outcome in OK


#: Of rows, by the name of their source and the row's number.
Refs = Mapping[str, MutableMapping[int, Any]]


def outcomes_of(
    settled: Sequence[Settlement], names: Sequence[str], main: str, refs: Refs
) -> Iterator[RowOutcome]:
    return (_of_row(one, names[one.record.source], main, refs) for one in settled)


def _of_row(settlement: Settlement, source: str, main: str, refs: Refs) -> RowOutcome:
    record, refusal = settlement.record, settlement.refusal
    return RowOutcome(
        source=source,
        row=record.row,
        key=display_key(record.key, record.lock_keys, main),
        outcome=settlement.outcome,
        hubspot_id=settlement.hubspot_id,
        category=refusal.category if refusal else "",
        message=refusal.message if refusal else "",
        correlation_id=refusal.correlation_id if refusal else "",
        values_dropped=len(getattr(record, "dropped", ())),
        ref=refs[source].pop(record.row, None) if source in refs else None,
    )
