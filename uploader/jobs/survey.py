"""One pass over all sources before anything is sent. Blocks, in steps, so a signal is heard in between."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

import orjson

from uploader.errors import SourceError
from uploader.jobs.findings import Findings, Surveyor
from uploader.model.record import Record, RowSlice, Unsent
from uploader.records.columns import Rules
from uploader.records.duplicates import OnDuplicate, Repeat, judge
from uploader.records.format_inference import OrderFinder, decide, decide_leniently
from uploader.records.mapper import Mapper
from uploader.settings import FailureLimit
from uploader.sources.source import Source
from uploader.storage import duplicate_rows as repeats
from uploader.storage.checkpoint import Identity
from uploader.storage.duplicate_rows import KeySorter, Repeats, RepeatsWriter
from uploader.storage.file_names import duplicates_path


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
    stops_at: tuple[int, int] | None = None  #: that many invalid ones, among so many rows

    def steps(
        self, most_rows: int | None = None, keep: Callable[[list[Repeat]], None] | None = None
    ) -> Iterator[Step]:
        """Of each source at most `most_rows` rows; `keep` is given all repeats, in no order.

        StorageError where the disk is full. A source that breaks off is noted in `broken`.
        """
        with closing(KeySorter(self.folder)) as sorter:
            for step in self._read(sorter, most_rows):
                yield step
            for done, found in enumerate(sorter.repeats(), 1):
                self.findings.note_repeats(found)
                if keep is not None:
                    keep(found)
                yield Step(self.findings.rows, step.bytes_read, min(1.0, done / repeats.BUCKETS))

    def _read(self, sorter: KeySorter, most_rows: int | None) -> Iterator[Step]:
        before = position = 0
        yield Step()
        for index, (source, mapper) in enumerate(zip(self.sources, self.mappers, strict=True)):
            self.starts.append(position)
            surveyor = Surveyor(mapper, self.findings) if mapper else None
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


# --- orders of dates, and decimal marks ---

#: Texts of a column that were looked at already; beyond so many, all of its rows are.
_MOST_SEEN = 50_000


@dataclass(slots=True)
class Orders:
    """One pass over the sources whose columns nobody has said how to read; then `decided`."""

    sources: Sequence[Source]
    mappers: Sequence[Mapper | None]
    finders: list[OrderFinder] = field(default_factory=list)
    asks_zones: bool = True  #: what a job that goes on had no zone for is its rows' fault
    broken: str = ""  #: why a source could not be read to its end: then the rows have not told all

    @property
    def are_needed(self) -> bool:
        """Standard input can't be read twice: there, rows whose dates may be read in two ways are invalid."""
        can_be_read_twice = all(source.size_bytes is not None for source in self.sources)
        return can_be_read_twice and any(
            mapper is not None and self._needs(mapper) for mapper in self.mappers
        )

    def _needs(self, mapper: Mapper) -> bool:
        return mapper.needs_orders or (self.asks_zones and bool(mapper.timed_columns))

    def steps(self, most_rows: int | None = None) -> Iterator[Step]:
        before = position = 0
        for source, mapper in zip(self.sources, self.mappers, strict=True):
            if mapper is not None and self._needs(mapper):
                finder = OrderFinder(mapper, asks_zones=self.asks_zones)
                self.finders.append(finder)
                seen: dict[int, set[str]] = {index: {""} for index in finder.columns}
                try:
                    for rows in first_rows(source, most_rows):
                        for index in _telling(rows, seen):
                            finder.feed(rows.rows[index].content, rows.rows[index].number)
                        position += len(rows.rows)
                        yield Step(position, before + min(source.bytes_read(), rows.end.offset))
                except SourceError as error:
                    self.broken = self.broken or str(error)
            before += source.size_bytes or 0

    def decided(self, rules: Rules) -> Rules:
        """MappingError asks for what the rows do not tell."""
        return decide(self.finders, rules)

    def decided_leniently(self, rules: Rules) -> tuple[Rules, Mapping[str, str]]:
        """As far as the rows tell; and by column, what is to be asked."""
        return decide_leniently(self.finders, rules)


def _telling(rows: RowSlice, seen: dict[int, set[str]]) -> Sequence[int]:
    """The rows, by index, that hold a text which was not looked at yet."""
    cells = rows.plain.cells if rows.plain else None
    if cells is None:
        return range(len(rows.rows))
    found: set[int] = set()
    for column, texts in seen.items():
        for index, row in enumerate(cells):
            text = row[column]
            if text not in texts:
                found.add(index)
                if len(texts) < _MOST_SEEN:
                    texts.add(text)
    return sorted(found)


# --- what `--on-duplicate` goes by ---


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The rows that share a key, and what is done with them."""

    repeats: Repeats
    rule: OnDuplicate

    def among(self, first: int, stop: int) -> dict[int, Repeat]:
        """Of the positions from `first` up to `stop`, those of rows that are not written."""
        found = self.repeats.among(first, stop)
        if self.rule is OnDuplicate.REJECT:
            return found
        return {position: repeat for position, repeat in found.items() if not repeat.is_first}

    def judge(self, mapped: Record | Unsent, repeat: Repeat) -> Record | Unsent:
        return judge(mapped, repeat, self.rule, self.repeats.other(repeat, mapped.source))


def rule_of(identity: Identity) -> OnDuplicate:
    """Jobs that were begun before the setting was there wrote all rows in order."""
    return OnDuplicate(identity.settings.get("on_duplicate", OnDuplicate.IN_ORDER))


def _job_name(identity: Identity) -> str:
    """Tells the sources, and the settings by which their rows are compared, from others."""
    sources = [(source.fingerprint, source.shape.format) for source in identity.sources]
    said = orjson.dumps([sources, dict(identity.settings)], option=orjson.OPT_SORT_KEYS)
    return sha256(said).hexdigest()


def find_duplicates(
    checkpoint: Path, identity: Identity, sources: Sequence[Source], mappers: Sequence[Mapper]
) -> Iterator[Step]:
    """Look for repeats, and leave the file of them beside the checkpoint. SourceError if a source breaks
    off.
    """
    survey = Survey(sources, mappers, checkpoint.absolute().parent)
    path = duplicates_path(checkpoint)
    with ExitStack() as stack:
        writer: RepeatsWriter | None = None

        def keep(found: list[Repeat]) -> None:
            nonlocal writer
            if writer is None:  # all rows are read by now
                writer = RepeatsWriter(path, survey.findings.rows)
                stack.callback(writer.close)
            writer.add(found)

        yield from survey.steps(keep=keep)
        if survey.broken:
            raise SourceError(survey.broken)
        assert writer is not None
        writer.finish(_job_name(identity), survey.starts)


def open_duplicates(checkpoint: Path, identity: Identity, sources: Sequence[Source]) -> Duplicates | None:
    """As they were found before; None where they were not."""
    path = duplicates_path(checkpoint)
    if not repeats.belongs(path, _job_name(identity)):
        return None
    return Duplicates(Repeats(path, [source.name for source in sources]), rule_of(identity))
