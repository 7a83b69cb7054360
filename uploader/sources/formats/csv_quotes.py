"""How far a row of CSV goes whose quoted cell is not closed, or not closed properly, on its first line.

A quote that someone forgot to close would take all lines up to the next quote into one cell, as `csv.reader`
does, and lose hundreds of good rows silently. And a line of a note, read as a row, would become a contact.

Rules   1. A quoted cell is believed if it is closed, properly (a delimiter or the line's end follows), within
           `CONTINUATION_LINES` and `LINE_BYTES`, if no cell exceeds `csv.field_size_limit` (131,072
           characters, twice what HubSpot takes), and if the row then has as many cells as the header.
           Whatever its inner lines look like: a note may quote a row.
        2. But not if its first line and its last line are rows by themselves, each with a stray quote: the
           quote taken as text, both have as many cells as the header, and a marker column (see
           `Layout.marker_columns`: an `@`, digits) holds what it should, left of the last quote or right of
           the first. The lines between prove nothing. The first line is then unreadable. If the quotes are in
           the column that is the first marker, or in the middle of a wide file with an address beside them,
           where a note has that many delimiters hardly ever by chance, the others are rows. Else nobody can
           know, and none of the lines is sent.
        3. Behind a quote that is refused for other reasons, no line is sent up to the first that certainly is
           a row. Certain is a line that looks like a row if none of the `_NEAR` lines behind it is text
           (another number of cells, no marker) or has a quote in an unquoted cell.
        All of this depends on the lines from the quote on, never on those before it, and the lines that are
        not sent are read in one go. So reading from any mark gives the same rows.

Limits  Two stray quotes can still take rows in: in lines with another number of cells, with blank marker
        columns, or without any. Two in one line may hide a delimiter: the row then has a cell too few. A cell
        of more than `CONTINUATION_LINES` is refused. Of a cell that is closed nowhere, a line may be sent
        that looks like a row and stands before `_NEAR` others that do.
"""

import csv
import re
from typing import NamedTuple

from uploader.sources.bytes.lines import LINE_BYTES, Block
from uploader.sources.formats.csv_layout import Layout, holds

#: A cell with more lines than this is rarer than a stray quote; each stray quote has to check so many lines.
CONTINUATION_LINES = 200
#: A line of text within so many lines shows that a line before it may be of the same note.
_NEAR = 20
#: With at least so many columns, a line of text rarely has as many cells by chance.
_MANY_COLUMNS = 4


class Reach(NamedTuple):
    """The lines of a row, and how many lines after it may be of a cell that it opens: these are not sent."""

    lines: int = 1
    doubtful: int = 0


def reach_of_row(block: Block, at: int, layout: Layout) -> Reach | None:
    """How far the row on a line goes, which can't be read alone; None if more lines are needed."""
    reach = _quoted(block, at, layout)
    if reach is not _REFUSED:
        return reach
    end = _first_row(block, at, layout, _NEAR)
    return None if end is None else Reach(doubtful=end - at - 1)


_REFUSED = Reach(0)


def _quoted(block: Block, at: int, layout: Layout) -> Reach | None:
    """Rules 1 and 2; `_REFUSED` if they do not apply."""
    last = min(at + CONTINUATION_LINES + 1, len(block))
    first = _loosely(block.raws[at])
    lines = (f"{_loosely(raw)}\n" for raw in block.raws[at:last])
    reader = layout.reader(lines, spaced=layout.has_spaced_quote(first))
    try:
        cells = next(reader)
    except csv.Error as error:
        is_open = str(error).startswith("unexpected end") and block.length(at, last) <= LINE_BYTES
        ends_early = len(block) <= at + CONTINUATION_LINES and not block.closed
        return None if is_open and ends_early else _REFUSED
    taken = reader.line_num
    if taken == 1:
        return Reach()  # its quotes are right, and something else is wrong
    is_long = block.length(at, at + taken) > LINE_BYTES
    if is_long or len(cells) < layout.width or any(map(str.strip, cells[layout.width :])):
        return _REFUSED
    return _two_strays(block, at, taken, layout)


def _two_strays(block: Block, at: int, taken: int, layout: Layout) -> Reach | None:
    """Rule 2: so many lines are one row, or the first and the last one have a stray quote each."""
    if not layout.marker_columns:
        return Reach(taken)
    first, last = _loosely(block.raws[at]), _loosely(block.raws[at + taken - 1])
    if len(layout.cells_alone(last)) != layout.width:
        return Reach(taken)
    spaced = layout.has_spaced_quote(first)
    *before, opened = next(csv.reader((first,), delimiter=layout.delimiter, skipinitialspace=spaced))
    column, outer = len(before), [*before, *opened.split(layout.delimiter)]
    if len(outer) != layout.width:
        return Reach(taken)
    marker, what = layout.marker_columns[0]
    in_marker = column == marker and holds(outer[column], what)
    proof = _kinds(last[: last.index('"')].split(layout.delimiter)[:-1], layout) | _kinds(
        outer, layout, column + 1
    )
    if not (in_marker or proof):
        return Reach(taken)
    in_middle = 0 < column < layout.width - 1
    if in_marker or ("@" in proof and in_middle and layout.width >= _MANY_COLUMNS):
        end = _first_row(block, at, layout, near=0)
        return None if end is None else Reach(doubtful=end - at - 1)
    return Reach(doubtful=taken - 1)


def _kinds(cells: list[str], layout: Layout, first: int = 0) -> set[str]:
    """What marker columns hold from column `first` on; nothing if one of them holds anything else."""
    found = [(cells[at].strip(), what) for at, what in layout.marker_columns if first <= at < len(cells)]
    filled = [(cell, what) for cell, what in found if cell]
    are_right = all(holds(cell, what) and " " not in cell for cell, what in filled)
    return {what for _, what in filled} if are_right else set()


def _first_row(block: Block, at: int, layout: Layout, near: int) -> int | None:
    """The first line after this one that is certainly a row, by rule 3; None if more lines are needed."""
    end, line, is_row = at + 1, at + 1, False
    while line <= at + CONTINUATION_LINES and not (is_row and line - end >= near):
        if line == len(block):
            if not block.closed:
                return None
            break
        if block.length(at, line + 1) > LINE_BYTES:
            break
        text, taken = _loosely(block.span(line, line + 1)).strip("\r\n"), 1
        cells = layout.cells_alone(text)
        is_good, is_odd = layout.is_row(cells), _has_stray_quote(text, layout.delimiter)
        if is_open := not cells:  # it may be the first line of a row of several
            reach = _quoted(block, line, layout)
            if reach is None:
                return None
            is_good, is_odd, taken = reach.lines > 1, False, max(1, reach.lines)
            cells = text.split(layout.delimiter)
        is_uneven = is_open or len(cells) != layout.width
        is_text = is_odd or (is_uneven and not is_good and not layout.has_markers(cells))
        line += taken
        if not text.strip():
            continue
        if (is_text and near) or not (is_row or is_good):
            end, is_row = line, False
        elif is_good:
            is_row = True
    return end


def _has_stray_quote(text: str, delimiter: str) -> bool:
    """Whether a line has a quote in an unquoted cell, where it may close a cell of an earlier line."""
    apart = re.escape(delimiter)
    return '"' in text and '"' in re.sub(rf'(^|{apart}) ?"(?:[^"]|"")*+"(?=$|{apart})', r"\1", text)


def _loosely(raw: bytes) -> str:
    """The text of bytes that may not all be UTF-8, with its structure."""
    return raw.decode(errors="surrogateescape")
