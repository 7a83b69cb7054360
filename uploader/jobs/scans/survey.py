"""One pass over all sources before anything is sent. Blocks, in steps, so that signals can be handled."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from uploader.errors import SourceError
from uploader.jobs.scans.row_findings import Findings, Surveyor
from uploader.model.records import Record
from uploader.model.rows import Row, RowSlice
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.duplicates import (
    Keyed,
    OnDuplicate,
    Repeat,
    keys_beside_values,
    shared_values,
    values_beside_keys,
)
from uploader.records.mapper import Mapper
from uploader.sources.source import Source
from uploader.storage.duplicates_file import BUCKETS, KeySorter

if TYPE_CHECKING:  # few jobs have links, and an upload does not count them
    from uploader.jobs.scans.link_values import LinkValues


@dataclass(slots=True)
class Step:
    """The progress of a pass."""

    rows: int = 0
    bytes_read: int = 0  #: of all sources on disk
    sorting: float = 0.0  #: share of the keys that is sorted, after all rows are read


@dataclass(slots=True)
class Survey:
    """A pass over all sources; `findings` grow with its steps."""

    sources: Sequence[Source]
    mappers: Sequence[Mapper | None]  #: None if the columns can't be mapped: rows are only counted
    folder: Path  #: for temporary files
    findings: Findings = field(default_factory=Findings)
    starts: list[int] = field(default_factory=list)  #: the position of each source's first row
    broken: str = ""  #: why a source could not be read to its end
    limit: FailureLimit = field(default_factory=FailureLimit)  #: invalid rows beyond it stop an upload
    rule: OnDuplicate = OnDuplicate.IN_ORDER  #: for rows that share a key
    counted: Collection[str] = ()  #: columns whose cells are counted although they are not used
    finds_shared: bool = False  #: look for unique values that rows of several keys have
    link_values: "LinkValues | None" = None  #: to count the values of link columns in
    note_records: Callable[[Sequence[Record]], None] | None = None  #: called with those of each slice
    names: dict[str, int] = field(default_factory=dict)  #: a number for each property of such values
    last_rows: list[deque[Row]] = field(default_factory=list)  #: of each source: the footer of a report
    stops_at: tuple[int, int] | None = None  #: numbers of invalid rows and of rows that exceeded the limit

    def steps(
        self, most_rows: int | None = None, keep: Callable[[list[Repeat]], None] | None = None
    ) -> Iterator[Step]:
        """Run the pass, with at most `most_rows` rows of each source. `keep` gets all repeats, in no order.

        StorageError if the disk is full. A source that can't be read to its end is noted in `broken`.
        """
        with (
            closing(KeySorter(self.folder, self.rule)) as sorter,
            closing(KeySorter(self.folder)) as others,
            closing(KeySorter(self.folder)) as splits,
            closing(KeySorter(self.folder)) as opt_outs,
        ):
            for step in self._read(sorter, (others, splits), opt_outs, most_rows):
                yield step
            self.findings.note_lost_zeros()
            for found in opt_outs.repeats() if self.findings.opt_out_addresses else ():
                self.findings.opt_out_addresses -= sum(not repeat.comes_before for repeat in found)
            for done, found in enumerate(sorter.repeats(), 1):
                self.findings.note_repeats(found)
                self.findings.longest_chain = sorter.longest
                if keep is not None:
                    keep(found)
                yield Step(self.findings.rows, step.bytes_read, min(1.0, done / BUCKETS))
            self.findings.keys.settle(self.findings.rows, sorter.count)
            for found in others.repeats() if self.names else ():
                self.findings.note_shared(shared_values(found, self.names))
                yield Step(self.findings.rows, step.bytes_read, 1.0)
            for found in splits.repeats() if self.names else ():
                keys = sum(repeat.number < repeat.other_number for repeat in found)
                self.findings.note_split(keys, shared_values(found, self.names))
                yield Step(self.findings.rows, step.bytes_read, 1.0)

    def _read(
        self,
        sorter: KeySorter,
        others: tuple[KeySorter, KeySorter],
        opt_outs: KeySorter,
        most_rows: int | None,
    ) -> Iterator[Step]:
        """Read the rows of all sources into the findings, slice by slice."""
        before = position = 0
        yield Step()
        for index, (source, mapper) in enumerate(zip(self.sources, self.mappers, strict=True)):
            self.starts.append(position)
            self.last_rows.append(deque(maxlen=_LAST_ROWS))
            surveyor = Surveyor(mapper, self.findings, self.rule, self.counted) if mapper else None
            try:
                for rows in first_rows(source, most_rows):
                    if surveyor is not None:
                        keyed = surveyor.look(position, rows)
                        sorter.add(keyed)
                        self.findings.keys.add(keyed.values)
                        self._add_others(others, surveyor.records)
                        if self.note_records is not None:
                            self.note_records(surveyor.records)
                        if self.link_values is not None:
                            self.link_values.add(surveyor.links(position, rows), surveyor.records)
                        self._add_opt_outs(opt_outs, surveyor.opt_outs)
                    else:
                        self.findings.count(index, source.shape.columns, rows)
                    position += len(rows.rows)
                    self.last_rows[-1].extend(rows.rows[-_LAST_ROWS:])
                    if self.stops_at is None and self.limit.exceeded(self.findings.invalid, position):
                        self.stops_at = self.findings.invalid, position
                    yield Step(position, before + min(source.bytes_read(), rows.end.offset))
            except SourceError as error:
                self.broken = self.broken or str(error)
            before += source.size_bytes or 0

    def _add_others(self, others: tuple[KeySorter, KeySorter], records: Sequence[Record]) -> None:
        """Add the unique values beside the keys, and the keys beside these."""
        if self.finds_shared and any(len(record.lock_keys) > 1 for record in records):
            values, keys = others
            values.add(values_beside_keys(records, self.names))
            keys.add(keys_beside_values(records, self.names))

    def _add_opt_outs(self, opt_outs: KeySorter, addresses: Sequence[str]) -> None:
        """Add addresses that opted out, each as an entry of its own, to find those that repeat."""
        first = self.findings.opt_out_addresses
        self.findings.opt_out_addresses += len(addresses)
        places = range(first, first + len(addresses))
        opt_outs.add(Keyed(addresses, places, places))


def last(steps: Iterator[Step]) -> Step | None:
    """The last of the next few steps. A change of threads costs as much as 100 rows, so take several."""
    return next(iter(deque(islice(steps, _STEPS), maxlen=1)), None)


_STEPS = 10
_LAST_ROWS = 10


def first_rows(source: Source, most_rows: int | None) -> Iterator[RowSlice]:
    """Slices of a source's first rows, at most this many rows."""
    left = most_rows
    with closing(source.slices(None)) as slices:  # type: ignore[type-var]  # a generator
        for rows in slices:
            if left is None:
                yield rows
                continue
            if len(rows.rows) > left:
                rows = RowSlice(list(islice(rows.rows, left)), rows.start, rows.end)  # noqa: PLW2901
            left -= len(rows.rows)
            yield rows
            if left <= 0:
                return
