"""One pass over the sources, to tell how their dates and numbers are spelled. Blocks, in steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.errors import SourceError
from uploader.jobs.scans.survey import Step, first_rows
from uploader.model.rows import RowSlice
from uploader.records.columns import Rules
from uploader.records.format_inference import OrderFinder, decide, decide_leniently
from uploader.records.mapper import Mapper
from uploader.sources.source import Source

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
    found: set[int] = set()
    contents = [row.content for row in rows.rows]
    if any(isinstance(content, Mapping) for content in contents):
        return range(len(contents))
    for column, texts in seen.items():
        for index, content in enumerate(contents):
            if isinstance(content, list) and (text := content[column]) not in texts:
                found.add(index)
                if len(texts) < _MOST_SEEN:
                    texts.add(text)
    return sorted(found)
