"""Blocks of lines become slices of rows. No format's own rules live here: a `RowReader` has them."""

from collections.abc import Iterator, Sequence
from typing import Protocol, overload

from uploader.errors import SourceError
from uploader.model.rows import Content, Plain, Row, RowSlice
from uploader.sources.bytes.lines import Block, Lines
from uploader.sources.source import PLAIN_ROWS, SLICE_BYTES, SLICE_ROWS


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

    def plain(self, block: Block, at: int, stop: int) -> Plain | None:
        """The lines from `at` up to `stop`, if each is a row whose form needs no closer look."""
        ...

    def content(self, raw: bytes) -> Content:
        """What one row's bytes hold, taken alone."""
        ...


class LateRows(Sequence[Row]):
    """The rows of a plain slice, made when somebody looks: most runs never do."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain

    def __len__(self) -> int:
        return len(self._plain.raws)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._plain.row(each) for each in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._plain.row(index)


def cut_slices(lines: Lines, reader: RowReader) -> Iterator[RowSlice]:  # noqa: C901
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
                if not rows and len(block) - at < SLICE_ROWS and lines.put_back(block, at):
                    break
                if not rows and (plain := _plain(block, at, reader)):
                    at += len(plain.raws)
                    end = block.mark(at)
                    yield RowSlice(LateRows(plain), begin, end, plain)
                    begin = end
                    continue
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


def _plain(block: Block, at: int, reader: RowReader) -> Plain | None:
    """As many of the lines from `at` on as make full batches, or all that are left, if they are plain."""
    count = len(block) - at
    count = min(count // PLAIN_ROWS * PLAIN_ROWS, SLICE_ROWS) or count
    while count and block.length(at, at + count) > SLICE_BYTES:
        count = count // 2 // PLAIN_ROWS * PLAIN_ROWS
    return reader.plain(block, at, at + count) if count and block.data else None
