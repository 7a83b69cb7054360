"""Rows of cells that come from no text. What a file holds is known to `parquet` and `xlsx`.

A row's bytes are a JSON array of its cells, so that a dead letter can be read again without the file. A cell
that is no text makes its row unreadable, and stands there as an object with the reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import orjson

from uploader.errors import SourceError
from uploader.model.rows import Content, Mark, Row, RowSlice, Unreadable
from uploader.sources.bytes.lines import KEPT_BYTES, LINE_BYTES
from uploader.sources.source import SLICE_BYTES, SLICE_ROWS
from uploader.sources.unreadable_reasons import TOO_LONG_ROW


@dataclass(frozen=True, slots=True)
class NoText:
    """In the place of a cell that can't be spelled; `reason` is for the user."""

    reason: str


Cells = Sequence[str | NoText]


class Table(Protocol):
    """A file of cells under columns. It reads in bounded memory, unless its module says otherwise."""

    columns: tuple[str, ...]  #: made unique
    sheet: str  #: its name; "" where there are none
    notices: tuple[str, ...]
    declared_rows: int | None  #: how many rows there are, as the file itself says
    first: int  #: the number of the first row

    def rows(self, handle: BinaryIO, number: int) -> Iterator[tuple[int, Cells]]:
        """From row `number` on, each with its number; SourceError where it can't be read on."""
        ...


class TableRows:
    """What one row's bytes hold."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def content(self, raw: bytes) -> Content:
        if len(raw) > LINE_BYTES:
            return Unreadable(TOO_LONG_ROW)
        cells = orjson.loads(raw)
        for column, cell in zip(self._columns, cells, strict=True):
            if type(cell) is dict:
                return Unreadable(f"column {column!r} {cell[_REASON]}")
        cells_: list[str] = cells
        return cells_


_REASON = "unreadable"


def _encode(cells: Cells) -> bytes:
    raw = orjson.dumps(cells, default=_spell, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    return bytes(memoryview(raw)[:KEPT_BYTES])  # a copy: what orjson gives may occupy 4 KB however short


def _spell(cell: object) -> dict[str, str]:
    assert isinstance(cell, NoText)
    return {_REASON: cell.reason}


def cut_rows(rows: Iterable[tuple[int, Cells]], begin: Mark, reader: TableRows) -> Iterator[RowSlice]:
    """Slices that abut. Rows need not follow each other: sheets have blank ones, which are none."""
    found: list[Row] = []
    size, following = 0, begin.line
    try:
        for number, cells in rows:
            raw = _encode(cells)
            # One that is too long, or has a cell that is no text, is not what it seems.
            is_whole = len(raw) <= LINE_BYTES and b'{"' not in raw
            found.append(Row(number, raw, cells if is_whole else reader.content(raw)))  # type: ignore[arg-type]
            size, following = size + len(raw), number + 1
            if len(found) >= SLICE_ROWS or size >= SLICE_BYTES:
                end = Mark(following, following)
                yield RowSlice(found, begin, end)
                begin, found, size = end, [], 0
    except SourceError:
        # What was read before the damage is good, and counts.
        if found:
            yield RowSlice(found, begin, Mark(following, following))
        raise
    if found:
        yield RowSlice(found, begin, Mark(following, following))
