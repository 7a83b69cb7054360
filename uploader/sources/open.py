"""Opens a source: detects what it is, and returns the `Source` that reads it from any mark on.

`detect` finds the format, `content_reader` the encoding. Reading is done by `text_source` and `table_source`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, Literal

from uploader.errors import SourceError
from uploader.model.rows import Content, Mark, RowSlice, Unreadable
from uploader.sources.bytes import zip_archive
from uploader.sources.bytes.byte_source import Origin
from uploader.sources.bytes.compression import archive_of, contents
from uploader.sources.bytes.encodings import marks_at_start
from uploader.sources.bytes.lines import Lines, find_line_end
from uploader.sources.bytes.local import StreamOrigin, find_origin
from uploader.sources.content_reader import ContentReader, read_sample
from uploader.sources.database_urls import is_database
from uploader.sources.detect import Format, format_of
from uploader.sources.foreign import PARQUET, SQLITE, ZIP
from uploader.sources.formats.csv_header import read_head
from uploader.sources.formats.csv_layout import Layout
from uploader.sources.formats.csv_rows import CsvRows
from uploader.sources.formats.json_rows import Elements, JsonRows, cut_elements
from uploader.sources.formats.lines_to_rows import RowReader, cut_slices
from uploader.sources.formats.ndjson_rows import NdjsonRows
from uploader.sources.formats.rows_of_cells import Table, TableRows
from uploader.sources.names import STDIN, shown
from uploader.sources.python_rows import ProgramRowReader, RowStream
from uploader.sources.source import Shape, Source
from uploader.sources.sql import sqlite_file
from uploader.sources.table_source import TableSource
from uploader.sources.text_source import Cut, LastLine, TextFormat, TextSource

#: The names of formats that are recognised by their content.
_TABLES = ("parquet", "xlsx", "sql")


def open_source(
    path: str,
    *,
    format: Format | None = None,  # noqa: A002  # the option's name
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
    stdin: BinaryIO | None = None,
    refuses_unfinished: bool = False,
) -> Source:
    """Detect a source and check that it can be read; "-" is stdin. Blocks until its beginning has arrived.

    `query`: of a database. `refuses_unfinished`: reading a stream raises CutOffError before a last row
    without a line break.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise SourceError("--delimiter takes one character such as ';', and no quote or line break")
    if is_database(path):
        return _open_database(path, query, (format, delimiter, encoding, sheet))
    if query is not None:
        raise SourceError(
            f"{shown(path)}: --query asks a database, and this is not the URL of one; it looks like "
            "postgresql://host/database, or sqlite:///crm.db"
        )
    origin = find_origin(path, stdin)
    name = path if path == STDIN else origin.name
    if origin.magic.startswith(SQLITE):
        raise SourceError(f"{origin.name}: {sqlite_file.advice(path)}")
    if not origin.magic:
        raise SourceError(f"{origin.name}: is empty")
    member = _member(origin)
    if origin.magic.startswith(PARQUET) or (origin.magic.startswith(ZIP) and not member):
        return _open_table(name, origin, format, encoding, sheet)
    reader = ContentReader(origin, archive_of(origin.magic), member)
    sample, complete = reader.recognise(encoding, format)
    if sheet is not None:
        raise SourceError(f"{origin.name}: is not an Excel file and has no sheets; leave --sheet out")
    text = _text(origin.name, sample, reader.encoding, format, delimiter, complete=complete)
    return TextSource(name, reader, text, sample, refuses_unfinished=refuses_unfinished)


def open_program_rows(given: RowStream) -> Source:
    """A source of a program's rows. Blocks until the first ones have arrived; there may be none."""
    origin = StreamOrigin(
        given.name, given.handle(), owned=True, is_ready=given.is_ready, head_bytes=given.head_bytes
    )
    reader = ContentReader(origin, None, "")
    with closing(origin.peek()) as raw:
        sample, _ = read_sample(contents(raw, None), min(origin.sample_bytes, origin.head_bytes))
    text = TextFormat(Shape("rows"), Mark(), _by_lines(ProgramRowReader(), b"\n"))
    return TextSource(given.name, reader, text, sample)


def _open_database(name: str, query: str | None, options: Sequence[str | None]) -> Source:
    from uploader.sources.sql.sql_source import SqlSource  # noqa: PLC0415  # few sources are

    for option, value in zip(("--format", "--delimiter", "--encoding", "--sheet"), options, strict=True):
        if value is not None:
            raise SourceError(f"{shown(name)}: is a database; leave {option} out")
    return SqlSource(name, query)


def _member(origin: Origin) -> str:
    """The one data file in a ZIP archive; "" if the source is no archive, or an Excel file."""
    if not origin.seekable and origin.magic.startswith((PARQUET, ZIP)):
        what = (
            "a Parquet file" if origin.magic.startswith(PARQUET) else "an Excel file (.xlsx) or a ZIP archive"
        )
        raise SourceError(f"{origin.name}: is {what}, which cannot be read from a stream; give it as a file")
    if not origin.magic.startswith(ZIP):
        return ""
    with closing(origin.handle()) as handle:
        names = zip_archive.members(origin.name, handle)
    return "" if zip_archive.is_workbook(names) else zip_archive.only_member(origin.name, names)


def _text(
    name: str,
    sample: bytes,
    encoding: str,
    wanted: Format | None,
    delimiter: str | None,
    *,
    complete: bool,
) -> TextFormat:
    """`sample`: the beginning of the content in UTF-8, of whole lines, or all of it."""
    kind, bracket = format_of(name, sample, wanted)
    if kind == "json":
        return _json(name, sample, bracket, complete, encoding)
    line_end = find_line_end(sample)
    if kind == "ndjson":
        body = Mark(marks_at_start(sample), 1)
        reader = NdjsonRows(encoding)
        end = LastLine(line_end, lambda line: type(reader.content(line.strip())) is not Unreadable)
        return TextFormat(Shape("ndjson", encoding=encoding), body, _by_lines(reader, line_end), end)
    if not complete and line_end not in sample:
        raise SourceError(f"{name}: the first line is longer than {len(sample):,} bytes; is this CSV?")
    head = read_head(name, sample, line_end, delimiter)
    rest = sample[head.body.offset :]
    if complete and not rest.strip() and head.layout.delimiter.encode() not in rest:
        raise SourceError(f"{name}: has a header and no rows")
    shape = Shape("csv", head.layout.delimiter, head.columns, encoding)
    cut = _by_lines(CsvRows(head.layout, encoding), line_end, decode=True)
    return TextFormat(shape, head.body, cut, LastLine(line_end, lambda _: False))


def read_row_again(shape: Shape, raw: bytes) -> Content:
    """The content of one row's bytes: the same as when the row was first read.

    Exceptions: the incomplete last line of a CSV file, a short line that ends with a backslash, and a line
    that is not sent because of a quote or a backslash before it, because their bytes do not show that; and an
    object in place of a program's value that has no text form.
    """
    if shape.format in _TABLES:
        return TableRows(shape.columns).content(raw)
    if shape.format == "json":
        return JsonRows(shape.encoding).content(raw)
    if shape.format in {"ndjson", "rows"}:
        return NdjsonRows(shape.encoding).content(raw)
    return CsvRows(Layout(shape.delimiter, len(shape.columns)), shape.encoding).content(raw)


def _by_lines(reader: RowReader, line_end: bytes, *, decode: bool = False) -> Cut:
    return lambda blocks, start, is_ready: cut_slices(
        Lines(blocks, start, line_end, decode=decode, is_ready=is_ready), reader
    )


def _json(name: str, sample: bytes, bracket: int, complete: bool, encoding: str) -> TextFormat:
    if complete and sample[bracket + 1 :].lstrip()[:1] == b"]":
        raise SourceError(f"{name}: the array is empty")
    is_wrapped = sample[marks_at_start(sample) :].lstrip()[:1] == b"{"
    reader, body = JsonRows(encoding), Mark(bracket, 1)

    def cut(blocks: Iterator[bytes], start: Mark, is_ready: Callable[[], bool]) -> Iterator[RowSlice]:
        is_first = start.offset == bracket
        elements = Elements(blocks, start.offset, name, is_first=is_first, is_wrapped=is_wrapped)
        return cut_elements(elements, start, reader, is_ready)

    return TextFormat(Shape("json", encoding=encoding), body, cut)


def _open_table(
    name: str, origin: Origin, wanted: Format | None, encoding: str | None, sheet: str | None
) -> Source:
    kind: Literal["parquet", "xlsx"] = "parquet" if origin.magic.startswith(PARQUET) else "xlsx"
    what = "a Parquet file" if kind == "parquet" else "an Excel file"
    if wanted is not None:
        raise SourceError(f"{origin.name}: is {what}, not {wanted}; leave --format out")
    if encoding is not None:
        raise SourceError(f"{origin.name}: is {what}, which has its own encoding; leave --encoding out")
    if sheet is not None and kind == "parquet":
        raise SourceError(f"{origin.name}: is {what} and has no sheets; leave --sheet out")
    with closing(origin.handle()) as handle:
        if kind == "parquet":
            from uploader.sources.formats.parquet import ParquetTable  # noqa: PLC0415  # few sources are

            table: Table = ParquetTable(origin.name, handle)
        else:
            from uploader.sources.formats.xlsx import XlsxTable  # noqa: PLC0415

            table = XlsxTable(origin.name, handle, sheet)
    return TableSource(name, origin, Shape(kind, columns=table.columns, sheet=table.sheet), table)
