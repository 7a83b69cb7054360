"""One pass over the sources that infers how their dates and numbers are written. Blocks, in steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.errors import SourceError
from uploader.jobs.scans.survey import Step, first_rows
from uploader.model.rows import Row, RowSlice, readable
from uploader.records.columns import Rules
from uploader.records.format_inference import OrderFinder, decide, decide_leniently, questions
from uploader.records.mapper import Mapper
from uploader.sources.source import Source

#: Texts of a column that are remembered, so that each is examined once; beyond this, all rows are examined.
_MOST_SEEN = 50_000


@dataclass(slots=True)
class Orders:
    """A pass over the sources with columns of unknown date order or decimal mark. Then call `decided`."""

    sources: Sequence[Source]
    mappers: Sequence[Mapper | None]
    finders: list[OrderFinder] = field(default_factory=list)
    asks_zones: bool = True  #: False for a resumed job, whose times without a zone are invalid values
    broken: str = ""  #: why a source could not be read to its end

    @property
    def are_needed(self) -> bool:
        """Whether the pass is needed and possible. Streams can't be read twice: their ambiguous dates are
        invalid.
        """
        can_be_read_twice = all(source.is_repeatable for source in self.sources)
        return can_be_read_twice and any(
            mapper is not None and self._needs(mapper) for mapper in self.mappers
        )

    def asked_at_once(self) -> Mapping[str, str]:
        """By field, what has to be asked of sources without a header, as far as their first rows show it."""
        asked: dict[str, str] = {}
        for source, mapper in zip(self.sources, self.mappers, strict=True):
            if self.asks_zones and mapper is not None and not source.shape.columns:
                finder = OrderFinder(mapper)
                for row in mapper.read(source.first_rows()):
                    finder.feed(row.content, row.number)
                asked |= questions([finder])
        return asked

    def _needs(self, mapper: Mapper) -> bool:
        return mapper.needs_orders or (self.asks_zones and bool(mapper.timed_columns or mapper.open_options))

    def steps(self, most_rows: int | None = None) -> Iterator[Step]:
        before = position = 0
        for source, mapper in zip(self.sources, self.mappers, strict=True):
            if mapper is not None and self._needs(mapper):
                finder = OrderFinder(mapper, asks_zones=self.asks_zones)
                self.finders.append(finder)
                seen: dict[int, set[str]] = {index: {""} for index in finder.columns}
                try:
                    for rows in first_rows(source, most_rows):
                        for row in mapper.read(_telling(rows, seen)):
                            finder.feed(readable(row.content), row.number)
                        position += len(rows.rows)
                        yield Step(position, before + min(source.bytes_read(), rows.end.offset))
                except SourceError as error:
                    self.broken = self.broken or str(error)
            before += source.size_bytes or 0

    def decided(self, rules: Rules) -> Rules:
        """The rules with the inferred orders. MappingError if the rows leave an order open."""
        return decide(self.finders, rules)

    def decided_leniently(self, rules: Rules) -> tuple[Rules, Mapping[str, str]]:
        """The rules with the orders that could be inferred; by column, the problem with the others."""
        return decide_leniently(self.finders, rules)


def _telling(rows: RowSlice, seen: dict[int, set[str]]) -> Sequence[Row]:
    """The rows with a text that was not examined yet."""
    found: set[int] = set()
    contents = [readable(row.content) for row in rows.rows]
    if any(isinstance(content, Mapping) for content in contents):
        return rows.rows
    for column, texts in seen.items():
        for index, content in enumerate(contents):
            if isinstance(content, list) and (text := content[column]) not in texts:
                found.add(index)
                if len(texts) < _MOST_SEEN:
                    texts.add(text)
    return [rows.rows[index] for index in sorted(found)]
