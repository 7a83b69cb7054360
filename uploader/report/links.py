"""The links of a job for its report: counts, the other records that are not there, reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

from uploader.model.associations import LinkColumn, LinkOutcome
from uploader.records.associations.link_columns import association_words
from uploader.report.content import EXAMPLES, DeadLetters, Grouping
from uploader.storage.associations_file import AssociationsFile

_COUNTS = "SELECT number, outcome, count(*) FROM links GROUP BY number, outcome"
#: The other records that rows in the account name, and HubSpot does not have.
_MISSING_ENDS = """
SELECT number, min(value), count(*), count(*) OVER () FROM links JOIN rows USING (position)
WHERE links.outcome = 'missing' AND fault = '' AND rows.outcome IN ('created', 'updated', 'unchanged')
GROUP BY number, lower(trim(value)) ORDER BY 3 DESC, 1, 2 LIMIT ?
"""
_FAILED = """
SELECT links.outcome, links.why, value, row, source, rows.outcome FROM links JOIN rows USING (position)
WHERE links.outcome IN ('missing', 'rejected', 'pending') ORDER BY position, number, ordinal
"""
_WRITTEN = frozenset({"created", "updated", "unchanged"})


@dataclass(frozen=True, slots=True)
class ColumnLine:
    """The links of a column."""

    column: str
    words: str  #: what it links, in the form of `--associate`
    read: int
    counts: Sequence[int]  #: by outcome, and those that are open


@dataclass(frozen=True, slots=True)
class MissingEnd:
    """Another record that is not there."""

    column: str
    value: str  #: "..." unless values are asked for
    links: int


@dataclass(frozen=True, slots=True)
class JobLinks:
    heads: Sequence[str]  #: of `ColumnLine.counts`
    columns: Sequence[ColumnLine]
    totals: Sequence[int]
    missing: Sequence[MissingEnd]  #: the most frequent first
    missing_in_all: int
    failed: DeadLetters  #: links that were not made, by reason


def read_links(file: AssociationsFile, *, with_values: bool) -> JobLinks:
    """Read the links of a job from its open file. StorageError."""
    columns = file.columns()
    with file.reading() as connection:
        counted = {(number, outcome): count for number, outcome, count in connection.execute(_COUNTS)}
        frequent = connection.execute(_MISSING_ENDS, (EXAMPLES,)).fetchall()
        grouping = Grouping(with_values=with_values)
        for outcome, why, value, row, source, of_row in connection.execute(_FAILED):
            # What HubSpot says of a row may hold its values, and is shown with the rows that failed.
            message = why if of_row in _WRITTEN else why.partition(":")[0]
            group = grouping.add(outcome, "", message, [value], correlation_id="")
            grouping.exemplify(group, row, source, value, message)
    lines = [_line(number, one, counted) for number, one in enumerate(columns)]
    return JobLinks(
        [*(one.value for one in LinkOutcome), "open"],
        lines,
        [sum(line.counts[place] for line in lines) for place in range(len(LinkOutcome) + 1)],
        [
            MissingEnd(columns[number].column, value if with_values else "...", count)
            for number, value, count, _ in frequent
        ],
        frequent[0][3] if frequent else 0,
        grouping.found(),
    )


def _line(number: int, column: LinkColumn, counted: dict[tuple[int, str], int]) -> ColumnLine:
    counts = [counted.get((number, outcome), 0) for outcome in (*LinkOutcome, "")]
    return ColumnLine(column.column, association_words(column), sum(counts), counts)
