"""CSV and TSV: which lines make a row, and which cells a row has.

Rules   Cells as in RFC 4180: a cell that begins with a quote ends at the next single one, and may
        hold delimiters and line breaks; a doubled quote is a quote. A quote inside an unquoted cell is
        plain text (`5" pipe`). Text behind a closing quote makes the row unreadable.
        A row with too few cells is filled up with blanks, blank cells too many are dropped, others make it
        unreadable. Blank lines are no rows; a line of delimiters is a row of blanks.
        Which lines a row has, if a quoted cell goes on beyond the first, and which lines are not sent because
        of a stray quote: `csv_quotes`.
"""

import csv
from typing import cast

from uploader.model.rows import Content, LoneCell, Row, Unreadable
from uploader.sources.bytes.lines import LINE_BYTES, Block
from uploader.sources.formats.csv_layout import Layout
from uploader.sources.formats.csv_quotes import CONTINUATION_LINES, Reach, reach_of_row
from uploader.sources.unreadable_reasons import TOO_LONG, not_text

_UNCLOSED = "a quote is opened in this row and not closed, or closed only after what looks like other rows"
_DOUBTFUL = (
    "may be part of the quoted cell that line {:,} opens and that is not closed properly, so it is not sent; "
    "correct the quotes of that cell"
)
_ESCAPED = (
    "ends with a backslash, which does not continue a row in CSV; write the file with quotes around cells "
    "that have line breaks"
)
_CONTINUED = "is the rest of line {:,}, which ends with a backslash, so it is not sent"
_TORN = "the file ends in the middle of this row"


class CsvRows:
    def __init__(self, layout: Layout, encoding: str = "") -> None:
        self._layout = layout
        self._encoding = encoding

    def read(self, block: Block, at: int, stop: int, rows: list[Row]) -> int:
        first, line, alone = at, block.start.line, self._layout.rows_alone(block.texts[at:stop])
        alone.append(None)
        while at < stop:
            odd = first + alone.index(None, at - first)
            cells = cast("list[list[str]]", alone[at - first : odd - first])
            rows.extend(map(Row, range(line + at, line + odd), block.raws[at:odd], cells))
            at = odd
            if at < stop:
                taken = self._read_row(block, at, rows)
                if not taken:
                    break
                at += taken
        return at

    def _read_row(self, block: Block, at: int, rows: list[Row]) -> int:
        """Append the row on this line, if any, and those that are not sent because of its quotes. Returns the
        number of lines, 0 if some are missing.
        """
        raw, reach, doubt = block.raws[at], Reach(), _DOUBTFUL
        if self._is_blank(raw):
            return 1
        content = self.content(raw)
        if type(content) is Unreadable and b'"' in raw and len(raw) <= LINE_BYTES:
            found = reach_of_row(block, at, self._layout)
            if found is None:
                return 0
            reach = found
            if reach.lines > 1:
                raw = block.span(at, at + reach.lines).strip(b"\r\n")
                content = self.content(raw)
        elif block.torn and at == len(block) - 1 and self._is_short(raw):
            content = Unreadable(_TORN)
        elif raw.endswith(b"\\") and self._is_short(raw):
            found = self._escaped_lines(block, at)
            if found is None:
                return 0
            content, reach, doubt = Unreadable(_ESCAPED), found, _CONTINUED
        number = block.start.line + at
        rows.append(Row(number, raw, content))
        if reach.doubtful:
            first = at + reach.lines
            self._append_doubtful(block, range(first, first + reach.doubtful), doubt.format(number), rows)
        return reach.lines + reach.doubtful

    def _append_doubtful(self, block: Block, lines: range, why: str, rows: list[Row]) -> None:
        """Append lines that are not sent, because they may be part of a row before them."""
        for line in lines:
            raw = block.raws[line]
            if not self._is_blank(raw):
                content = self.content(raw)
                refused = content if type(content) is Unreadable else Unreadable(why)
                rows.append(Row(block.start.line + line, raw, refused))

    def _escaped_lines(self, block: Block, at: int) -> Reach | None:
        """A row whose line breaks are escaped by backslashes; None if more lines are needed."""
        end = at + 1
        while end < at + CONTINUATION_LINES and block.raws[end - 1].endswith(b"\\"):
            if end == len(block):
                return Reach(doubtful=end - at - 1) if block.closed else None
            if self._may_begin_row(block.raws[end]):
                break
            end += 1
        return Reach(doubtful=end - at - 1)

    def _may_begin_row(self, raw: bytes) -> bool:
        """Whether a line is a row by itself, or opens a quoted cell, which is then judged like any other."""
        try:
            return self._layout.is_row(self._layout.cells(raw.decode(errors="surrogateescape")))
        except csv.Error:
            return True

    def _is_blank(self, raw: bytes) -> bool:
        return not raw.strip() and self._layout.delimiter.encode() not in raw

    def content(self, raw: bytes) -> Content:
        if len(raw) > LINE_BYTES:
            return Unreadable(TOO_LONG)
        try:
            cells = self._layout.cells(raw.decode())
        except UnicodeDecodeError:
            return Unreadable(not_text(self._encoding, raw))
        except csv.Error as error:
            return Unreadable(_reason(error))
        width = self._layout.width
        if any(map(str.strip, cells[width:])):
            return Unreadable(f"{len(cells)} cells, but the header has {width}")
        filled_up = cells[:width] + [""] * (width - len(cells))
        return LoneCell(filled_up) if len(cells) == 1 < width else filled_up

    def _is_short(self, raw: bytes) -> bool:
        try:
            return len(self._layout.cells(raw.decode(errors="surrogateescape"))) < self._layout.width
        except csv.Error:
            return False


def _reason(error: csv.Error) -> str:
    """Why a row cannot be read, for the user."""
    text = str(error)
    if text.startswith("unexpected end"):
        return _UNCLOSED
    if "expected after" in text:
        return "text follows a closing quote; a quote inside a quoted cell must be doubled"
    if text.startswith("field larger"):
        return f"a quoted cell has more than {csv.field_size_limit():,} characters"
    return "this row has a line break outside of quotes"
