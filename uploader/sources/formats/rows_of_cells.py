"""Rows of cells of binary formats and queries, for `parquet`, `xlsx` and `sql_source`.

A row's bytes are a JSON array of its cells, so that a dead letter can be decoded without the file. A cell
without a text form makes its row unreadable, and is an object with the reason in that array.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import orjson

from uploader.errors import SourceError
from uploader.model.rows import Content, Mark, PartlyReadable, Row, RowSlice, Unreadable
from uploader.sources.bytes.lines import KEPT_BYTES, LINE_BYTES
from uploader.sources.source import SLICE_BYTES, SLICE_ROWS
from uploader.sources.unreadable_reasons import TOO_LONG_ROW


@dataclass(frozen=True, slots=True)
class UnreadableValue:
    """Replaces a value that has no text form; `reason` is for the user."""

    reason: str
    is_of_row: bool = False  #: the row is at fault, and not the column where this is


Cells = Sequence[str | UnreadableValue]


class Table(Protocol):
    """A file of cells in columns. Reads in bounded memory, unless its module says otherwise."""

    columns: tuple[str, ...]  #: made unique
    sheet: str  #: the sheet's name; "" if the format has none
    notices: tuple[str, ...]
    declared_rows: int | None  #: the number of rows, if the file has it as metadata
    first: int  #: the number of the first row

    def rows(self, handle: BinaryIO, number: int) -> Iterator[tuple[int, Cells]]:
        """The rows from row `number` on, with their numbers. SourceError if they can't be read."""
        ...


class TableRows:
    """Decodes one row's bytes."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def content(self, raw: bytes) -> Content:
        if len(raw) > LINE_BYTES:
            return Unreadable(TOO_LONG_ROW)
        cells = orjson.loads(raw)
        odd = {index: cell for index, cell in enumerate(cells) if type(cell) is dict}
        if not odd:
            cells_: list[str] = cells
            return cells_
        first, cell = next(iter(odd.items()))
        for_row = next((one[_REASON] for one in odd.values() if one.get(_OF_ROW)), None)
        if for_row is not None:
            return Unreadable(for_row)
        return PartlyReadable(
            f"column {self._columns[first]!r} {cell[_REASON]}",
            ["" if type(cell) is dict else cell for cell in cells],
            {index: cell[_REASON] for index, cell in odd.items()},
        )


_REASON, _OF_ROW = "unreadable", "row"


def encode_cells(cells: Cells) -> bytes:
    """One row's bytes; of a very long row, their beginning."""
    raw = orjson.dumps(cells, default=_spell, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    return bytes(
        memoryview(raw)[:KEPT_BYTES]
    )  # a copy: orjson's bytes may occupy 4 KB however short they are


def _spell(cell: object) -> dict[str, object]:
    assert isinstance(cell, UnreadableValue)
    return {_REASON: cell.reason, **({_OF_ROW: True} if cell.is_of_row else {})}


def cut_rows(rows: Iterable[tuple[int, Cells]], begin: Mark, reader: TableRows) -> Iterator[RowSlice]:
    """Contiguous slices. Row numbers may have gaps: blank rows of a sheet are left out."""
    found: list[Row] = []
    size, following = 0, begin.line
    try:
        for number, cells in rows:
            raw = encode_cells(cells)
            # A row that is too long, or has a cell without text, is decoded again.
            is_whole = len(raw) <= LINE_BYTES and b'{"' not in raw
            found.append(Row(number, raw, cells if is_whole else reader.content(raw)))  # type: ignore[arg-type]
            size, following = size + len(raw), number + 1
            if len(found) >= SLICE_ROWS or size >= SLICE_BYTES:
                end = Mark(following, following)
                yield RowSlice(found, begin, end)
                begin, found, size = end, [], 0
    except SourceError:
        # The rows read before the damage are valid.
        if found:
            yield RowSlice(found, begin, Mark(following, following))
        raise
    if found:
        yield RowSlice(found, begin, Mark(following, following))
