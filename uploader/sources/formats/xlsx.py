"""Excel's .xlsx: the cells of one sheet, as saved.

Text      As `cell_text`; whole numbers without `.0`, `true` and `false`, dates in ISO 8601, without a time
          if that is midnight. For a formula, its saved value. A number whose format is zeros, such as
          `00000` or `000-00-0000`, as it is shown: the zeros belong to it.
          Unreadable: an error (#N/A), a formula without a value, a cell to the right of the header.
Header    The first row that is not blank. A single cell above wider rows is a title, which is refused,
          because the header may be below. Blank rows are left out; others keep the sheet's number.
Hidden    A hidden sheet is read if no visible one has rows. Hidden rows and columns are read like others.
Memory    Rows are streamed. The texts of the whole workbook, each stored once, are kept in memory:
          about 300 MB for a million rows that share none.
Needs     The extra `xlsx`, openpyxl. Its worksheet reader does not distinguish an error from its text, or
          a formula without a value from a blank, so its parser is used directly.
"""

import datetime as dt
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError, iterparse

from uploader.errors import SourceError
from uploader.sources.bytes.byte_source import BLOCK_BYTES
from uploader.sources.formats.cell_text import spell_float, spell_moment
from uploader.sources.formats.csv_header import name_columns
from uploader.sources.formats.rows_of_cells import Cells, UnreadableValue
from uploader.sources.unreadable_reasons import in_a_line
from uploader.system.installation import install_extra

#: How many rows after a first one with a single cell are checked.
_LOOKED_AT = 20
#: A workbook's parts that unpack to more are no table of a million rows; nor is one part that is as large as
#: this and unpacks to so many times its size: a cell's text is held as a whole, however long it is.
_MOST_BYTES, _LARGE_BYTES, _MOST_TIMES = 8 * 1024**3, 256 * 1024**2, 200
#: Where `xl/workbook.xml` says that it is Strict Open XML.
_WORKBOOK, _STRICT, _HEAD_BYTES = "xl/workbook.xml", b"purl.oclc.org/ooxml/spreadsheetml", 4096
#: Formats of dates and times without a text of their own in the file: Chinese, Japanese and Korean (27 to 36,
#: 50 to 58) and Thai ones (ECMA-376, part 1, 18.8.30).
_DATE_FORMATS = frozenset([*range(27, 37), *range(50, 59), *range(71, 79), 80, 81])
#: Formats of the workbook itself have numbers from here on.
_OWN_FORMATS = 164
#: What of a format is not shown, or shows the character behind a backslash.
_ZEROS = re.compile(r"0[-/ 0]*0")
_CONDITION = re.compile(r"\[[<>=]")
_UNSHOWN, _LITERAL = re.compile(r'\[[^\]]*\]|[_*].|"'), re.compile(r"\\(.)")
_MAY_BE_HIDDEN, _HIDDEN = b" hidden=", rb"[^<>]*? hidden=\"(?:1|true)\"[^<>]*?"
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row\b%b(?<!/)>\s*+(?!</)" % _HIDDEN)
_HIDDEN_COLUMN = re.compile(rb"<(?:\w+:)?col\b%b>" % _HIDDEN)
_ENDS, _MOST_COLUMNS, _TAG_BYTES = re.compile(rb' (min|max)="(\d+)"'), 16_384, 64 * 1024
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
#: The errors of openpyxl and the standard library for a damaged workbook, found by trial.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Book:
    """The parts of a workbook that reading its sheets needs."""

    sheets: dict[str, str]  #: name -> member of the archive
    texts: list[str]  #: the texts that cells refer to
    epoch: Any
    date_formats: Any
    duration_formats: Any
    hidden: frozenset[str] = frozenset()  #: of the sheets
    zeros: Mapping[int, str] = field(default_factory=dict)  #: style -> format of zeros, such as "00000"


class XlsxTable:
    """A `Table`."""

    declared_rows: int | None = None

    def __init__(self, name: str, handle: BinaryIO, wanted: str | None) -> None:
        self._name = name
        self._book = self._load(handle)
        self.sheet = self._choose(handle, wanted)
        head = list(islice(self._filled(handle, 1), _LOOKED_AT))
        header, cells = head[0]
        widths = [len(row) for _, row in head]
        if len(cells) == 1 or sum(map(bool, cells)) == 1 < max(widths[1:], default=0):
            self._refuse_title(header, head)
        if len(head) == 1:
            raise SourceError(f"{name}: the sheet {self.sheet!r} has a header (row {header}) and no rows")
        self.columns = name_columns(cell if isinstance(cell, str) else "" for cell in cells)
        self.first = header + 1
        self.notices = tuple(f"{name}: {text}" for text in self._find_notices(handle))

    def _find_notices(self, handle: BinaryIO) -> Iterator[str]:
        """Say what is read that nobody sees in Excel, and what is not read."""
        book, sheet = self._book, self.sheet
        others = [f"{one!r}{' (hidden)' * (one in book.hidden)}" for one in book.sheets if one != sheet]
        if others:
            yield f"only the sheet {sheet!r} is read, not {', '.join(others)} (--sheet NAME)"
        if sheet in book.hidden:
            yield f"the sheet {sheet!r} is hidden, and is read because no visible one has rows"
        rows, columns = self._count_hidden(handle)
        if rows:
            yield f"hidden rows of the sheet {sheet!r}, perhaps by a filter: {rows:,}; they are read, too"
        if names := [name for at, name in enumerate(self.columns, 1) if at in columns]:
            yield f"hidden columns of the sheet {sheet!r}: {', '.join(map(repr, names))}; they are read, too"

    def _count_hidden(self, handle: BinaryIO) -> tuple[int, frozenset[int]]:
        """The number of hidden rows with cells, and the numbers of hidden columns. Nothing is parsed."""
        rows, columns, tail = 0, set[int](), b""
        try:
            handle.seek(0)
            with zipfile.ZipFile(handle) as archive, archive.open(self._book.sheets[self.sheet]) as member:
                while block := member.read(BLOCK_BYTES):
                    text = tail + block
                    # Behind the second last tag it is not known what follows a tag.
                    cut = max(0, text.rfind(b"<", 0, text.rfind(b"<")))
                    tail = text[cut : cut + _TAG_BYTES]
                    if _MAY_BE_HIDDEN in text:
                        rows += sum(1 for tag in _HIDDEN_ROW.finditer(text) if tag.start() < cut)
                        for column in _HIDDEN_COLUMN.finditer(text):
                            ends = dict(_ENDS.findall(column[0]))
                            columns.update(
                                range(int(ends[b"min"]), min(int(ends[b"max"]), _MOST_COLUMNS) + 1)
                            )
        except _DAMAGE as error:
            raise self._damaged(in_a_line(error)) from error
        return rows, frozenset(columns)

    def _refuse_title(self, header: int, head: list[tuple[int, Cells]]) -> None:
        wide = next((number for number, row in head[1:] if sum(map(bool, row)) > 1), None)
        if wide is not None:
            raise SourceError(
                f"{self._name}: row {header} of the sheet {self.sheet!r} has one cell and row {wide} has "
                "more, so it looks like a title; delete the rows above the header"
            )

    def _load(self, handle: BinaryIO) -> _Book:
        try:
            import openpyxl  # noqa: PLC0415  # only sources that need it pay for it
        except ImportError:
            raise SourceError(
                f"{self._name}: reading Excel files needs the extra `xlsx`: {install_extra('xlsx')}"
            ) from None
        # It warns about everything that it ignores: colours, filters, drawings.
        warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
        try:
            self._check_archive(handle)
            handle.seek(0)
            book = openpyxl.load_workbook(handle, read_only=True, data_only=True, keep_links=False)
        except _DAMAGE as error:
            raise self._damaged(in_a_line(error)) from error
        sheets = {
            sheet.title: sheet._worksheet_path  # noqa: SLF001  # its streaming reader has no way to ask
            for sheet in book.worksheets
        }
        texts: list[str] = next((sheet._shared_strings for sheet in book.worksheets), [])  # noqa: SLF001
        formats = {index: style.numFmtId for index, style in enumerate(book._cell_styles)}  # noqa: SLF001
        own = dict(enumerate(map(_zeros, book._number_formats), _OWN_FORMATS))  # noqa: SLF001
        return _Book(
            sheets,
            texts,
            book.epoch,
            # A set, or an empty dictionary for a workbook without styles.
            {*book._date_formats, *(one for one, number in formats.items() if number in _DATE_FORMATS)},  # noqa: SLF001
            book._timedelta_formats,  # noqa: SLF001
            frozenset(sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"),
            {style: zeros for style, number in formats.items() if (zeros := own.get(number))},
        )

    def _check_archive(self, handle: BinaryIO) -> None:
        """SourceError for a workbook that cannot be read, or that takes too much memory."""
        with zipfile.ZipFile(handle) as archive:
            parts = archive.infolist()
            with archive.open(_WORKBOOK) as book_part:
                is_strict = _STRICT in book_part.read(_HEAD_BYTES)
        if is_strict:
            raise SourceError(
                f"{self._name}: is Strict Open XML, which is not supported; save it as the usual Excel "
                "workbook (.xlsx), or as CSV"
            )
        unpacked = sum(part.file_size for part in parts)
        if unpacked > _MOST_BYTES or any(map(_is_bomb, parts)):
            raise SourceError(f"{self._name}: unpacks to {unpacked:,} bytes; save it as CSV")

    def _choose(self, handle: BinaryIO, wanted: str | None) -> str:
        sheets = self._book.sheets
        listed = ", ".join(repr(sheet) for sheet in sheets)
        if wanted is not None:
            if wanted not in sheets:
                raise SourceError(f"{self._name}: has no sheet {wanted!r}; its sheets are {listed}")
            candidates = [wanted]
        else:
            candidates = sorted(sheets, key=lambda sheet: sheet in self._book.hidden)
        for self.sheet in candidates:
            if next(self._filled(handle, 1), None) is not None:
                return self.sheet
        raise SourceError(f"{self._name}: has no rows in {listed or 'any sheet'}; is it the right file?")

    def rows(self, handle: BinaryIO, number: int) -> Iterator[tuple[int, Cells]]:
        width = len(self.columns)
        for at, row in self._filled(handle, number):
            if len(row) > width:
                beyond = next(place for place in range(width, len(row)) if row[place])
                cells = [*row[:width]]
                outside = f"has a cell outside of the columns ({_letter(beyond)}{at})"
                cells[-1] = UnreadableValue(outside, is_of_row=True)
                yield at, cells
            else:
                yield at, [*row, *[""] * (width - len(row))]

    def _filled(self, handle: BinaryIO, number: int) -> Iterator[tuple[int, Cells]]:
        """The rows that are not blank, without blank cells at their ends."""
        at = last = 0
        try:
            handle.seek(0)
            with zipfile.ZipFile(handle) as archive, archive.open(self._book.sheets[self.sheet]) as member:
                for at, cells in self._parsed(member):
                    if at <= last:
                        raise self._damaged(f"row {at:,} follows row {last:,}")
                    last = at
                    if at < number:
                        continue
                    row: list[str | UnreadableValue] = []
                    for cell in cells:
                        if (text := _spell(cell, self._book.zeros)) != "":
                            if cell["column"] <= len(row):
                                raise self._damaged(f"cells of row {at:,} are out of order")
                            row += [""] * (cell["column"] - 1 - len(row))
                            row.append(text)
                    if any(isinstance(cell, UnreadableValue) or cell.strip() for cell in row):
                        yield at, row
        except _DAMAGE as error:
            raise self._damaged(f"after row {at:,}: {in_a_line(error)}") from error

    def _parsed(self, member: Any) -> Iterator[tuple[int, list[dict[str, Any]]]]:  # noqa: ANN401
        parser = _parser(self._book)
        sheet_data = None
        for event, element in iterparse(member, events=("start", "end")):  # noqa: S314  # expat bounds entities
            if event == "start":
                if sheet_data is None and element.tag == _DATA:
                    sheet_data = element
            elif element.tag == _ROW:
                yield parser.parse_row(element)
                parser.row_dimensions.clear()
                if sheet_data is not None:
                    sheet_data.clear()  # else it keeps an element for every row

    def _damaged(self, why: str) -> SourceError:
        return SourceError(
            f"{self._name}: the Excel file is damaged ({why}); copy it again, or open and save it again"
        )


def _is_bomb(part: zipfile.ZipInfo) -> bool:
    return part.file_size > max(_LARGE_BYTES, _MOST_TIMES * part.compress_size)


_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DATA, _ROW, _FORMULA = f"{_SPACE}sheetData", f"{_SPACE}row", f"{_SPACE}f"


def _parser(book: _Book) -> Any:  # noqa: ANN401
    from openpyxl.worksheet._reader import WorkSheetParser  # noqa: PLC0415

    class Parser(WorkSheetParser):  # type: ignore[misc]
        def parse_cell(self, element: Any) -> dict[str, Any]:  # noqa: ANN401
            cell: dict[str, Any] = super().parse_cell(element)
            if cell["value"] is None and element.find(_FORMULA) is not None and element.get("t") != "str":
                cell["data_type"] = "f"
            return cell

    return Parser(
        None,
        book.texts,
        data_only=True,
        epoch=book.epoch,
        date_formats=book.date_formats,
        timedelta_formats=book.duration_formats,
    )


def _zeros(format_: str) -> str:
    """The format of a number that is shown with its zeros, and perhaps separators; "" for any other.

    A format with a condition, such as `[<=9999999]`, shows some numbers by another section: it is any other.
    """
    if _CONDITION.search(format_):
        return ""
    shown = _LITERAL.sub(r"\1", _UNSHOWN.sub("", format_.partition(";")[0]))
    return shown if _ZEROS.fullmatch(shown) else ""


def _in_zeros(number: int, zeros: str) -> str:
    if number < 0:
        return str(number)
    digits = list(str(number).zfill(zeros.count("0")))
    shown = [digits.pop() if sign == "0" else sign for sign in reversed(zeros)]
    return "".join(digits + shown[::-1])


def _spell(cell: Mapping[str, Any], zeros: Mapping[int, str]) -> str | UnreadableValue:  # noqa: PLR0911
    value, kind = cell["value"], cell["data_type"]
    if kind == "e":
        return UnreadableValue(f"holds the error {value}; correct the formula, or clear the cell")
    if value is None:
        return (
            UnreadableValue("holds a formula without a value; open the file in Excel and save it")
            if kind == "f"
            else ""
        )
    if isinstance(value, str):
        return _ESCAPED.sub(_unescape, value) if "_x" in value else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if cell["style_id"] in zeros and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    ):
        return _in_zeros(int(value), zeros[cell["style_id"]])
    if isinstance(value, float):
        return spell_float(value)
    if isinstance(value, dt.datetime):
        is_day = value.time() == dt.time()
        return value.date().isoformat() if is_day else spell_moment(value.isoformat(" "), is_zoned=False)
    if isinstance(value, dt.timedelta):
        return _duration(value)
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _unescape(found: re.Match[str]) -> str:
    """Decode an escape: Excel writes a carriage return as `_x000D_`. A lone surrogate stays escaped."""
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code <= 0xDFFF else chr(code)


def _duration(value: dt.timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _letter(index: int) -> str:
    """A column's name by its index from 0."""
    name, number = "", index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
