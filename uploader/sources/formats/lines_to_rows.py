"""Blocks of lines become slices of rows. No format's own rules live here: a `RowReader` has them."""

from collections.abc import Iterator
from typing import Protocol

from uploader.errors import SourceError
from uploader.model.rows import Content, Row, RowSlice
from uploader.sources.bytes.lines import Block, Lines
from uploader.sources.source import SLICE_BYTES, SLICE_ROWS


class RowReader(Protocol):
    """One format's rules. They look at a row's own bytes and those behind it, never at what went before:
    so a reading that starts at any mark gives the same rows.
    """

    def read(self, block: Block, at: int, stop: int, rows: list[Row]) -> int:
        """Append the rows that begin on lines `at` up to `stop`, and return the line that comes next.

        It can lie behind `stop` (a row over several lines), or before it where the row there needs lines
        that the block doesn't hold yet; never in a block that is closed.
        """
        ...

    def content(self, raw: bytes) -> Content:
        """What one row's bytes hold, taken alone."""
        ...


def cut_slices(lines: Lines, reader: RowReader) -> Iterator[RowSlice]:
    """All rows, in slices that abut; the last ends where the source ends.

    A slice holds no rows where there are none in its stretch (blank lines up to the end).
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
        # What was read before the damage is good, and counts.
        if rows:
            yield RowSlice(rows, begin, block.mark(at) if block else end)
        raise
    if end != begin:
        yield RowSlice(rows, begin, end)
