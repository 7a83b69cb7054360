"""Cuts blocks of lines into slices of rows, by the rules of a format's `RowReader`."""

from collections.abc import Iterator
from typing import Protocol

from uploader.errors import SourceError
from uploader.model.rows import Content, Row, RowSlice
from uploader.sources.bytes.lines import Block, Lines
from uploader.sources.source import SLICE_BYTES, SLICE_ROWS


class RowReader(Protocol):
    """The rules of a format. They depend on a row's bytes and those after it, never on those before.

    So reading from any mark gives the same rows.
    """

    def read(self, block: Block, at: int, stop: int, rows: list[Row]) -> int:
        """Append the rows that begin on lines in [at, stop). Returns the next line.

        It is after `stop` if a row has several lines, or before it if a row needs lines that are not in the
        block yet (never in a closed block).
        """
        ...

    def content(self, raw: bytes) -> Content:
        """The content of one row's bytes."""
        ...


def cut_slices(lines: Lines, reader: RowReader) -> Iterator[RowSlice]:
    """All rows, in contiguous slices; the last one ends at the end of the source.

    A slice may be without rows (blank lines up to the end).
    """
    block, at = lines.next(), 0
    if block is None:
        return
    rows: list[Row] = []
    begin = block.start
    try:
        while block is not None:
            while at < len(block):
                stop = block.reach(at, SLICE_ROWS - len(rows), begin.offset + SLICE_BYTES)
                reached = reader.read(block, at, stop, rows)
                if reached == at:
                    block, at = lines.grow(block, at), 0
                    continue
                at, end = reached, block.mark(reached)
                if len(rows) >= SLICE_ROWS or end.offset - begin.offset >= SLICE_BYTES:
                    yield RowSlice(rows, begin, end)
                    rows, begin = [], end
            end = block.mark(at)
            if rows and not lines.is_ready():
                yield RowSlice(rows, begin, end)
                rows, begin = [], end
            block, at = lines.next(), 0
    except SourceError:
        # The rows read before the damage are valid.
        if rows:
            yield RowSlice(rows, begin, block.mark(at) if block else end)
        raise
    if end != begin:
        yield RowSlice(rows, begin, end)
