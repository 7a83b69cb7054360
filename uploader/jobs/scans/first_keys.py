"""A look at the first rows of all sources: are there keys that very many rows have? Blocks, in steps."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from uploader.errors import SourceError
from uploader.jobs.scans.survey import Step, first_rows
from uploader.records.duplicates import OnDuplicate, key_of
from uploader.records.mapper import Mapper, columns_of
from uploader.records.repeated_keys import RepeatedKeys, question, share_to_come
from uploader.sources.source import Source

#: Rows that are looked at, of all sources together. All rows would take a pass of their own.
MOST_ROWS = 5_000
#: More rows than any source has.
_ANY_ROWS = 10**12


@dataclass(slots=True)
class FirstKeys:
    """The keys of the first rows, counted."""

    sources: Sequence[Source]
    mappers: Sequence[Mapper]
    rows: int = 0
    are_all_rows: bool = True
    last_rows: dict[str, int] = field(default_factory=dict)  #: of each key
    keys: RepeatedKeys = field(default_factory=lambda: RepeatedKeys(MOST_ROWS))  #: exact

    def steps(self) -> Iterator[Step]:
        """Count them. A stream is not looked at: it can be read only once."""
        for source, mapper in zip(self.sources, self.mappers, strict=True):
            if not source.is_repeatable or self.rows >= MOST_ROWS:
                self.are_all_rows = False
                continue
            for_keys = mapper.for_keys()
            with suppress(SourceError):  # it is reported where the source is read
                for rows in first_rows(source, MOST_ROWS - self.rows):
                    mapped = for_keys.map(self.rows, rows.rows)
                    found = [key_of(one, OnDuplicate.IN_ORDER) for one in mapped]
                    self.keys.add([key for key in found if key is not None])
                    self.last_rows |= {
                        key: row for row, key in enumerate(found, self.rows) if key is not None
                    }
                    self.rows += len(rows.rows)
                    yield Step(self.rows)
            self.are_all_rows &= self.rows < MOST_ROWS

    @property
    def share_to_come(self) -> float:
        """Which share of the rows is expected to have the most frequent key; 0 if it is that of few rows."""
        if not (most := self.keys.most_repeated()):
            return 0.0
        last_row = self.last_rows.get(f"{most[0].property}={most[0].value}", 0)
        return share_to_come(most[0].rows, self.rows, self.rows - last_row)

    def question(self, rows_estimated: int | None) -> str:
        """The question about doubtful keys among them; "" if there are none.

        `rows_estimated`: of all sources. If it is not known, no number of rows is a large share of them.
        """
        rows = self.rows if self.are_all_rows else max(self.rows, rows_estimated or _ANY_ROWS)
        doubtful = self.keys.doubtful(rows)
        if not doubtful:
            return ""
        counted = "rows" if self.are_all_rows else f"of the first {self.rows:,} rows (`check` counts all)"
        return question(doubtful, lambda name: columns_of(name, self.mappers), counted)
