"""The `Source` of binary formats: Parquet and Excel."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from uploader.model.rows import Mark, Row, RowSlice
from uploader.sources.bytes.byte_source import Origin
from uploader.sources.formats.rows_of_cells import Table, TableRows, cut_rows
from uploader.sources.source import Shape


class TableSource:
    """Reads rows of cells. Its marks are row numbers."""

    is_local = False
    is_repeatable = True

    def __init__(self, name: str, origin: Origin, shape: Shape, table: Table) -> None:
        self.name = name
        self.shape = shape
        self.size_bytes = origin.size_bytes
        self.fingerprint = origin.fingerprint
        self.notices = table.notices
        self.declared_rows = table.declared_rows
        self._origin = origin
        self._table = table
        self._reached = 0

    def __repr__(self) -> str:
        return f"<{self.shape.format} source {self.name!r}: {self.bytes_read():,} bytes read>"

    def first_rows(self) -> Sequence[Row]:
        return ()

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        del known  # the fingerprint identifies a file's content
        first = self._table.first
        if start is None or start.offset < first:
            start = Mark(first, first)
        with closing(self._origin.handle()) as handle:
            rows = self._table.rows(handle, start.offset)
            for one in cut_rows(rows, start, TableRows(self.shape.columns)):
                self._reached = one.end.line - first
                yield one
        self._reached = self.declared_rows or self._reached

    def bytes_read(self) -> int:
        return self._share(self._reached)

    def bytes_at(self, mark: Mark) -> int:
        return self._share(mark.line - self._table.first)

    def _share(self, rows: int) -> int:
        """The file size times the share of rows read: random access has no count of bytes."""
        size = self.size_bytes or 0
        return size * min(rows, self.declared_rows) // self.declared_rows if self.declared_rows else 0
