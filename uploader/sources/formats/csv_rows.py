"""CSV and TSV: which lines make a row, and which cells a row has.

Rules   Cells as in RFC 4180: a cell that begins with a quote ends at the next single one, and may
        hold delimiters and line breaks; a doubled quote is a quote. A quote inside an unquoted cell is
        plain text (`5" pipe`). Text behind a closing quote makes the row unreadable.
        A row with too few cells is filled up with blanks, blank cells too many are dropped, others make it
        unreadable. Blank lines are no rows; a line of delimiters is a row of blanks.

Stray quotes
        A quote that someone forgot to close would take all lines up to the next quote into one cell, as
        `csv.reader` does, and lose hundreds of good rows silently. So a row may go on beyond its first
        line only if all of this holds; else its first line alone is unreadable, and reading goes on with
        the very next line.
        1. The quote is closed, properly (a delimiter or the line's end follows), within
           `CONTINUATION_LINES` and `LINE_BYTES`, and no cell exceeds `csv.field_size_limit` (131,072
           characters, twice what HubSpot takes).
        2. The row then has as many cells as the header.
        3. No line wholly inside it looks like a row of its own: as many cells as the header, and in the
           marker columns what they always hold (see `Layout.marker_columns`: an `@`, digits). A file without
           marker columns and with only two or three columns needs all inner lines to look so: "Dear
           John," has two cells.
        4. Nor does its last line, going by marker columns left of the closing quote (right of it, the
           cells are the row's own).
        Rows depend on their own bytes, those behind them and what the head of the file shows; never on
        what went before.

Limits  A stray quote can still take rows in if another quote closes it in the same column, and rule 3 sees
        no row between: the rows there lack their marker cells, or there is one column that is no marker.
        Two stray quotes in one line may hide a delimiter: the row then has a cell too few. A legitimate
        cell over several lines is refused if it quotes a row of the same file, or a line that looks like
        one; so is one of more than `CONTINUATION_LINES`. Of a refused cell's lines, the rest is read as
        rows: with few cells, and mostly without a key.
"""

import csv
from dataclasses import dataclass

from uploader.model.rows import Content, Row, Unreadable
from uploader.sources.bytes.lines import LINE_BYTES, Block
from uploader.sources.unreadable_reasons import TOO_LONG, not_text

#: A cell with more lines than this is rarer than a stray quote; each stray quote has to check so many lines.
CONTINUATION_LINES = 200

#: With at least so many columns, a line of text rarely has as many cells by chance.
_MANY_COLUMNS = 4

_UNCLOSED = "a quote is opened in this row and not closed, or closed only after what looks like other rows"
_TORN = "the file ends in the middle of this row"


@dataclass(frozen=True, slots=True)
class Layout:
    """What the head of a file shows about all its rows."""

    delimiter: str
    width: int  #: the header's number of cells
    #: Columns whose cells distinguish a row from text: index, and content ("@", "9").
    marker_columns: tuple[tuple[int, str], ...] = ()

    def cells(self, text: str) -> list[str]:
        """The cells of one row's text; raises `csv.Error`."""
        if '"' in text or "\r" in text or "\n" in text:
            return next(csv.reader((text,), delimiter=self.delimiter, strict=True))
        return text.split(self.delimiter)

    def is_row(self, text: str) -> bool:
        """Whether a line, taken alone, looks like a row of this file."""
        try:
            cells = self.cells(text)
        except csv.Error:
            return False
        if len(cells) != self.width:
            return False
        return self._has_markers(cells, self.width) if self.marker_columns else self.width > 1

    def ends_row(self, text: str) -> bool:
        """`is_row` for the line where a quoted cell ends; text after the quote is ignored."""
        before = text[: text.index('"')].split(self.delimiter)
        return self._has_markers(before, len(before) - 1) and self.is_row(text)

    def _has_markers(self, cells: list[str], stop: int) -> bool:
        found = [
            holds(cells[index], what) for index, what in self.marker_columns if index < stop and cells[index]
        ]
        return bool(found) and all(found)


def holds(cell: str, what: str) -> bool:
    """Whether a cell has the content of a marker column: an "@", or only digits ("9")."""
    return "@" in cell if what == "@" else cell.isdecimal()


class CsvRows:
    def __init__(self, layout: Layout, encoding: str = "") -> None:
        self._layout = layout
        self._encoding = encoding

    def read(self, block: Block, at: int, stop: int, rows: list[Row]) -> int:
        while (at := self._read_even(block, at, stop, rows)) < stop:
            taken = self._read_row(block, at, rows)
            if not taken:
                break
            at += taken
        return at

    def _read_even(self, block: Block, at: int, stop: int, rows: list[Row]) -> int:
        """Append rows of one line, as wide as the header. Returns the line of the first other row."""
        width, texts, cells = self._layout.width, block.texts[at:stop], list[list[str]]()
        if width == 1:
            texts = [text if text.strip() else "" for text in texts]  # a single cell may be a blank line
        reader = csv.reader(texts, delimiter=self._layout.delimiter, strict=True)
        try:
            for line, row in enumerate(reader, 1):
                if len(row) != width or reader.line_num != line:
                    break
                cells.append(row)
        except csv.Error:
            pass  # in the row after the last good one
        reached, first = at + len(cells), block.start.line
        rows.extend(map(Row, range(first + at, first + reached), block.raws[at:reached], cells))
        return reached

    def _read_row(self, block: Block, at: int, rows: list[Row]) -> int:
        """Append the row on this line, if any. Returns its number of lines, 0 if some are missing."""
        raw, taken = block.raws[at], 1
        if not raw.strip() and self._layout.delimiter.encode() not in raw:
            return 1
        content = self.content(raw)
        if type(content) is Unreadable and b'"' in raw and len(raw) <= LINE_BYTES:
            taken = self._lines_of_row(block, at)
            if taken > 1:
                raw = block.span(at, at + taken).strip(b"\r\n")
                content = self.content(raw)
        elif block.torn and at == len(block) - 1 and self._is_short(raw):
            content = Unreadable(_TORN)
        if taken:
            rows.append(Row(block.start.line + at, raw, content))
        return taken

    def content(self, raw: bytes) -> Content:
        if len(raw) > LINE_BYTES:
            return Unreadable(TOO_LONG)
        try:
            cells = self._layout.cells(raw.decode())
        except UnicodeDecodeError:
            return Unreadable(not_text(self._encoding))
        except csv.Error as error:
            return Unreadable(_reason(error))
        width = self._layout.width
        if any(map(str.strip, cells[width:])):
            return Unreadable(f"{len(cells)} cells, but the header has {width}")
        return cells[:width] + [""] * (width - len(cells))

    def _is_short(self, raw: bytes) -> bool:
        try:
            return len(self._layout.cells(_loosely(raw))) < self._layout.width
        except csv.Error:
            return False

    def _lines_of_row(self, block: Block, at: int) -> int:
        """The number of lines of a row that opens a quote on this line; 0 if more lines are needed."""
        inner = _InnerLines(block, at, self._layout)
        try:
            cells = next(csv.reader(inner, delimiter=self._layout.delimiter, strict=True))
        except csv.Error:
            return 0 if inner.starved else 1
        width = self._layout.width
        fits = len(cells) >= width and not any(map(str.strip, cells[width:]))
        return inner.taken if fits and not inner.hold_rows() else 1


class _InnerLines:
    """Passes lines to `csv.reader` while a quoted cell is open, and checks each of them."""

    def __init__(self, block: Block, at: int, layout: Layout) -> None:
        self._block = block
        self._at = at
        self._layout = layout
        self._last = ""
        self._seen: list[bool] = []  # for each inner line that isn't blank: whether it looks like a row
        self.taken = 0
        self.starved = False  #: the block ended, and the source did not

    def __iter__(self) -> "_InnerLines":
        return self

    def __next__(self) -> str:
        index = self._at + self.taken
        if self.taken > 1:
            self._look(self._last)
        if self.taken > CONTINUATION_LINES or self._is_stray():
            raise StopIteration
        if index == len(self._block):
            self.starved = not self._block.closed
            raise StopIteration
        if self.taken and self._block.length(self._at, index + 1) > LINE_BYTES:
            raise StopIteration
        self._last = _loosely(self._block.span(index, index + 1))
        self.taken += 1
        return self._last

    def hold_rows(self) -> bool:
        """Whether the lines, now that the quote is closed, are rows of their own."""
        if self.taken > 1 and self._layout.ends_row(self._last.strip("\r\n")):
            return True
        return self._is_stray() or (bool(self._seen) and all(self._seen))

    def _look(self, line: str) -> None:
        if line.strip():
            self._seen.append(self._layout.is_row(line.strip("\r\n")))

    def _is_stray(self) -> bool:
        """Whether the quote is stray: one inner row proves it, unless any text with a comma is one."""
        certain = bool(self._layout.marker_columns) or self._layout.width >= _MANY_COLUMNS
        return certain and any(self._seen)


def _loosely(raw: bytes) -> str:
    """The text of bytes that may not all be UTF-8, with its structure."""
    return raw.decode(errors="surrogateescape")


def _reason(error: csv.Error) -> str:
    text = str(error)
    if text.startswith("unexpected end"):
        return _UNCLOSED
    if "expected after" in text:
        return "text follows a closing quote; a quote inside a quoted cell must be doubled"
    if text.startswith("field larger"):
        return f"a quoted cell has more than {csv.field_size_limit():,} characters"
    return "this row has a line break outside of quotes"
