"""One pass over all sources before anything is sent. Blocks, in steps, so a signal is heard in between."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from uploader.errors import SourceError
from uploader.jobs.scans.row_findings import Findings, Surveyor
from uploader.model.rows import RowSlice
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.duplicates import OnDuplicate, Repeat
from uploader.records.mapper import Mapper
from uploader.sources.source import Source
from uploader.storage.duplicates_file import BUCKETS, KeySorter


@dataclass(slots=True)
class Step:
    """How far a survey is."""

    rows: int = 0
    bytes_read: int = 0  #: of all sources on disk
    sorting: float = 0.0  #: the share of the keys that is looked through, once all rows are


@dataclass(slots=True)
class Survey:
    """One pass; `findings` grow with its steps."""

    sources: Sequence[Source]
    mappers: Sequence[Mapper | None]  #: None where the columns can't be mapped: rows are counted only
    folder: Path  #: where temporary files may go
    findings: Findings = field(default_factory=Findings)
    starts: list[int] = field(default_factory=list)  #: the position of each source's first row
    broken: str = ""  #: why a source could not be read to its end
    limit: FailureLimit = field(default_factory=FailureLimit)  #: invalid rows beyond it stop an upload
    rule: OnDuplicate = OnDuplicate.IN_ORDER  #: what is done with rows that share a key
    stops_at: tuple[int, int] | None = None  #: that many invalid ones, among so many rows

    def steps(
        self, most_rows: int | None = None, keep: Callable[[list[Repeat]], None] | None = None
    ) -> Iterator[Step]:
        """Of each source at most `most_rows` rows; `keep` is given all repeats, in no order.

        StorageError where the disk is full. A source that breaks off is noted in `broken`.
        """
        with closing(KeySorter(self.folder, self.rule)) as sorter:
            for step in self._read(sorter, most_rows):
                yield step
            for done, found in enumerate(sorter.repeats(), 1):
                self.findings.note_repeats(found)
                self.findings.longest_chain = sorter.longest
                if keep is not None:
                    keep(found)
                yield Step(self.findings.rows, step.bytes_read, min(1.0, done / BUCKETS))

    def _read(self, sorter: KeySorter, most_rows: int | None) -> Iterator[Step]:
        before = position = 0
        yield Step()
        for index, (source, mapper) in enumerate(zip(self.sources, self.mappers, strict=True)):
            self.starts.append(position)
            surveyor = Surveyor(mapper, self.findings, self.rule) if mapper else None
            try:
                for rows in first_rows(source, most_rows):
                    if surveyor is not None:
                        sorter.add(surveyor.look(position, rows))
                    else:
                        self.findings.count(index, rows)
                    position += len(rows.rows)
                    if self.stops_at is None and self.limit.exceeded(self.findings.invalid, position):
                        self.stops_at = self.findings.invalid, position
                    yield Step(position, before + min(source.bytes_read(), rows.end.offset))
            except SourceError as error:
                self.broken = self.broken or str(error)
            before += source.size_bytes or 0


def last(steps: Iterator[Step]) -> Step | None:
    """Go on by a few steps at once: each change of threads costs as much as a hundred rows."""
    return next(iter(deque(islice(steps, _STEPS), maxlen=1)), None)


_STEPS = 10


def first_rows(source: Source, most_rows: int | None) -> Iterator[RowSlice]:
    """At most so many of a source's rows, from its first."""
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
