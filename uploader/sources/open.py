"""Opens a source: detects what it is, and reads its rows from any mark on.

`detect` finds the format. `bytes` reads, unpacks and decodes; `formats` makes rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal

from uploader.errors import CutOffError, SourceError
from uploader.model.rows import Content, Mark, Row, RowSlice, Unreadable
from uploader.sources.bytes import zip_archive
from uploader.sources.bytes.byte_source import EDGE_BYTES, Origin
from uploader.sources.bytes.compression import Archive, archive_of, contents
from uploader.sources.bytes.encodings import UTF8, encoding_of, marks_at_start, normal_name, utf8
from uploader.sources.bytes.lines import LINE_BYTES, Lines, find_line_end, watch_last_line
from uploader.sources.bytes.local import FileOrigin, StreamOrigin, find_origin
from uploader.sources.bytes.stream_fingerprint import Prefix, skip_known
from uploader.sources.detect import Format, format_of, refuse_binary
from uploader.sources.foreign import PARQUET, ZIP, refuse_foreign, refuse_foreign_text, refuse_packed
from uploader.sources.formats.csv_header import read_head
from uploader.sources.formats.csv_layout import Layout
from uploader.sources.formats.csv_rows import CsvRows
from uploader.sources.formats.json_rows import Elements, JsonRows, cut_elements
from uploader.sources.formats.lines_to_rows import RowReader, cut_slices
from uploader.sources.formats.ndjson_rows import NdjsonRows
from uploader.sources.formats.rows_of_cells import Table, TableRows, cut_rows
from uploader.sources.names import STDIN
from uploader.sources.python_rows import ProgramRowReader, ProgramRows
from uploader.sources.source import Shape, Source

#: The names of formats that are recognised by their content.
_TABLES = ("parquet", "xlsx")


def open_source(
    path: str,
    *,
    format: Format | None = None,  # noqa: A002  # the option's name
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    stdin: BinaryIO | None = None,
    refuses_unfinished: bool = False,
) -> Source:
    """Detect a source and check that it can be read; "-" is stdin. Blocks until its beginning has arrived.

    `refuses_unfinished`: reading a stream raises CutOffError before a last row without a line break.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise SourceError("--delimiter takes one character such as ';', and no quote or line break")
    origin = find_origin(path, stdin)
    name = path if path == STDIN else origin.name
    if not origin.magic:
        raise SourceError(f"{origin.name}: is empty")
    member = _member(origin)
    if origin.magic.startswith(PARQUET) or (origin.magic.startswith(ZIP) and not member):
        return _open_table(name, origin, format, encoding, sheet)
    way = _ContentReader(origin, archive_of(origin.magic), member)
    sample, complete = way.recognise(encoding, format)
    if sheet is not None:
        raise SourceError(f"{origin.name}: is not an Excel file and has no sheets; leave --sheet out")
    text = _text(origin.name, sample, way.encoding, format, delimiter, complete=complete)
    return _TextSource(name, way, text, sample, refuses_unfinished=refuses_unfinished)


def open_program_rows(given: ProgramRows) -> Source:
    """A source of a program's rows. Blocks until the first ones have arrived; there may be none."""
    origin = StreamOrigin(given.name, given.handle(), owned=True, is_ready=given.is_ready)
    way = _ContentReader(origin, None, "")
    with closing(origin.peek()) as raw:
        sample, _ = _sample(contents(raw, None), origin.sample_bytes)
    text = _Text(Shape("rows"), Mark(), _by_lines(ProgramRowReader(), b"\n"))
    return _TextSource(given.name, way, text, sample)


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
) -> "_Text":
    """`sample`: the beginning of the content in UTF-8, of whole lines, or all of it."""
    kind, bracket = format_of(name, sample, wanted)
    if kind == "json":
        return _json(name, sample, bracket, complete, encoding)
    line_end = find_line_end(sample)
    if kind == "ndjson":
        body = Mark(marks_at_start(sample), 1)
        reader = NdjsonRows(encoding)
        end = _End(line_end, lambda line: type(reader.content(line.strip())) is not Unreadable)
        return _Text(Shape("ndjson", encoding=encoding), body, _by_lines(reader, line_end), end)
    if not complete and line_end not in sample:
        raise SourceError(f"{name}: the first line is longer than {len(sample):,} bytes; is this CSV?")
    head = read_head(name, sample, line_end, delimiter)
    rest = sample[head.body.offset :]
    if complete and not rest.strip() and head.layout.delimiter.encode() not in rest:
        raise SourceError(f"{name}: has a header and no rows")
    shape = Shape("csv", head.layout.delimiter, head.columns, encoding)
    cut = _by_lines(CsvRows(head.layout, encoding), line_end, decode=True)
    return _Text(shape, head.body, cut, _End(line_end, lambda _: False))


def read_row_again(shape: Shape, raw: bytes) -> Content:
    """The content of one row's bytes: the same as when the row was first read.

    Exceptions: the incomplete last line of a CSV file, and a line that is not sent because of a quote before
    it, because their bytes do not show that; and an object in place of a program's value that has no text
    form.
    """
    if shape.format in _TABLES:
        return TableRows(shape.columns).content(raw)
    if shape.format == "json":
        return JsonRows(shape.encoding).content(raw)
    if shape.format in {"ndjson", "rows"}:
        return NdjsonRows(shape.encoding).content(raw)
    return CsvRows(Layout(shape.delimiter, len(shape.columns)), shape.encoding).content(raw)


Cut = Callable[[Iterator[bytes], Mark, Callable[[], bool]], Iterator[RowSlice]]


@dataclass(frozen=True, slots=True)
class _End:
    """How to detect that content was cut off in its last line."""

    line_end: bytes
    is_whole: Callable[[bytes], bool]  #: whether a last line without a line end is complete


@dataclass(frozen=True, slots=True)
class _Text:
    """What the beginning shows about rows in a text format."""

    shape: Shape
    body: Mark  #: where the first row can begin
    cut: Cut  #: cuts content from a mark on into slices
    end: _End | None = None  #: None: the reader detects it, or the end is certain


def _by_lines(reader: RowReader, line_end: bytes, *, decode: bool = False) -> Cut:
    return lambda blocks, start, is_ready: cut_slices(
        Lines(blocks, start, line_end, decode=decode, is_ready=is_ready), reader
    )


def _json(name: str, sample: bytes, bracket: int, complete: bool, encoding: str) -> _Text:
    if complete and sample[bracket + 1 :].lstrip()[:1] == b"]":
        raise SourceError(f"{name}: the array is empty")
    is_wrapped = sample[marks_at_start(sample) :].lstrip()[:1] == b"{"
    reader, body = JsonRows(encoding), Mark(bracket, 1)

    def cut(blocks: Iterator[bytes], start: Mark, is_ready: Callable[[], bool]) -> Iterator[RowSlice]:
        is_first = start.offset == bracket
        elements = Elements(blocks, start.offset, name, is_first=is_first, is_wrapped=is_wrapped)
        return cut_elements(elements, start, reader, is_ready)

    return _Text(Shape("json", encoding=encoding), body, cut)


class _ContentReader:
    """Reads an origin's bytes as content in UTF-8."""

    def __init__(self, origin: Origin, archive: Archive | None, member: str) -> None:
        self.origin = origin
        self.encoding = UTF8
        self._archive = archive
        self._member = member
        self._position: Callable[[], int] = lambda: 0
        self._is_ready: Callable[[], bool] = lambda: True

    @property
    def is_plain(self) -> bool:
        """Whether offsets in the content equal those in the origin."""
        return self._archive is None and not self._member and self.encoding == UTF8

    def bytes_read(self) -> int:
        return self._position()

    def is_ready(self) -> bool:
        """Whether reading continues without waiting for the writer, as far as is known."""
        return self._is_ready()

    def blocks(self, start: Mark, prefix: Prefix) -> Iterator[bytes]:
        """The content from a mark on; closing the iterator closes the origin."""
        if self._member:
            handle = self.origin.handle()
            member = zip_archive.Member(self.origin.name, handle, self._member)
            self._position = lambda: member.position
            with closing(handle):
                yield from self._from(start, member.blocks(), prefix)
                size = self.origin.size_bytes or 0
                self._position = lambda: size
            return
        raw = self.origin.open()
        self._position, self._is_ready = (lambda: raw.position), raw.is_ready
        with closing(raw):
            if self.is_plain and self.origin.seekable:
                raw.seek(start.offset)
                yield from contents(raw, None)
            else:
                yield from self._from(start, contents(raw, self._archive), prefix)

    def _from(self, start: Mark, blocks: Iterator[bytes], prefix: Prefix) -> Iterator[bytes]:
        """The content from a mark on, reached by reading everything before it."""
        text = utf8(blocks, self.encoding)
        if not self.origin.seekable:
            text = prefix.watch(text)
        return skip_known(text, prefix, self.origin.name, start)

    def recognise(self, encoding: str | None, wanted: Format | None) -> tuple[bytes, bool]:
        """Detect the encoding, and what is no source unless a format is `wanted`.

        Returns the beginning in UTF-8, and whether it is all of the content.
        """
        name = self.origin.name
        refuse = refuse_packed if self._archive or self._member else refuse_foreign
        if self._archive is None:
            refuse_foreign(name, self.origin.magic)
        sample, complete = self._sample()
        refuse(name, sample)
        if wanted is None:
            refuse_foreign_text(name, sample)
        try:
            self.encoding = encoding_of(name, sample, None if encoding is None else normal_name(encoding))
        except ValueError as error:
            raise SourceError(f"--encoding {error}") from error
        if self.encoding:
            sample = b"".join(utf8(iter((sample,)), self.encoding, complete=complete))
            sample = sample if complete else _whole_lines(sample)
            if wanted is None:
                refuse_foreign_text(name, sample)
        refuse_binary(name, sample, self.encoding)
        return sample, complete

    def _sample(self) -> tuple[bytes, bool]:
        """The beginning of the undecoded content, in whole lines, and whether it is all of the content.

        Damage further on in an archive raises nothing here: the rows before it are valid.
        """
        if self._member:
            with closing(self.origin.handle()) as handle:
                blocks = zip_archive.Member(self.origin.name, handle, self._member).blocks()
                return _sample(blocks, self.origin.sample_bytes)
        with closing(self.origin.peek()) as raw:
            return _sample(contents(raw, self._archive), self.origin.sample_bytes)


def _sample(blocks: Iterator[bytes], most: int) -> tuple[bytes, bool]:
    found: list[bytes] = []
    size, complete = 0, False
    try:
        for block in blocks:
            found.append(block)
            size += len(block)
            if size >= most:
                break
        else:
            complete = True
    except SourceError:
        if not any(b"\n" in block or b"\r" in block for block in found):
            raise
    sample = b"".join(found)
    if size > most:
        # A stream returns blocks of any length, on which the detection must not depend.
        sample, complete = sample[:most], False
    return (sample if complete else _whole_lines(sample)), complete


def _whole_lines(sample: bytes) -> bytes:
    return sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1] or sample


class _TextSource:
    """A `Source` of rows in a text format."""

    declared_rows: int | None = None

    def __init__(
        self, name: str, way: _ContentReader, text: _Text, sample: bytes, *, refuses_unfinished: bool = False
    ) -> None:
        self.name = name
        self.shape = text.shape
        self.size_bytes = way.origin.size_bytes
        self.fingerprint = way.origin.fingerprint
        self.is_local = way.is_plain and way.origin.is_local
        self._reader = way
        self._text = text
        self._sample = b"" if text.shape.columns else sample
        self._is_stream = way.origin.size_bytes is None
        self._refuses_unfinished = refuses_unfinished and self._is_stream
        self._is_cut_off = text.end is not None and self._ends_unfinished(text.end)

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the user. The end of a packed source is known only after reading."""
        if not self._is_cut_off or self._is_stream:
            return ()
        text = "the last line has no line break, so the file may have been cut off; its row is sent as it is"
        return (f"{self.name}: {text}",)

    def __repr__(self) -> str:
        return f"<{self.shape.format} source {self.name!r}: {self.bytes_read():,} bytes read>"

    def first_rows(self) -> Sequence[Row]:
        if not self._sample:
            return ()
        body = self._text.body
        with suppress(SourceError):  # the sample may end within a row
            for slice_ in self._text.cut(iter((self._sample[body.offset :],)), body, lambda: True):
                return slice_.rows
        return ()

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        """The slices from a mark on. Closing the iterator closes the file."""
        if start is None or start.offset < self._text.body.offset:
            start = self._text.body
        prefix = Prefix()
        with closing(self._reader.blocks(start, prefix)) as blocks:  # type: ignore[type-var]  # a generator
            watched, end = blocks, self._text.end
            if end is not None:
                watched = watch_last_line(blocks, end.line_end, self._note_unfinished)
            slices = self._text.cut(watched, start, self._reader.is_ready)
            yield from (
                slices if self._reader.origin.seekable else prefix.mark(slices, self.name, start, known)
            )

    def _ends_unfinished(self, end: _End) -> bool:
        """Whether a plain file ends in an incomplete line, by its last bytes."""
        if not self._reader.is_plain or not isinstance(self._reader.origin, FileOrigin):
            return False
        with closing(self._reader.origin.handle()) as handle:
            handle.seek(max(0, (self.size_bytes or 0) - LINE_BYTES))
            tail = handle.read(LINE_BYTES)
        line = tail[tail.rfind(end.line_end) + 1 :]
        return bool(line.strip()) and not line.endswith(b"\r") and not end.is_whole(line)

    def _note_unfinished(self, line: bytes) -> None:
        """Note whether the last line lacks its line break; CutOffError where that has to stop the run."""
        assert self._text.end is not None
        if self._text.end.is_whole(line):
            return
        self._is_cut_off = True
        if self._refuses_unfinished:
            # A short stream is identified by all of its content.
            anew = " with --restart" if self.bytes_read() < EDGE_BYTES else ""
            raise CutOffError(
                f"{self._reader.origin.name}: the last line has no line break, so the stream may have been "
                f"cut off, and the run stops before that row. Give the whole stream again{anew}, or use "
                "--accept-unfinished-last-line if it is complete"
            )

    def bytes_read(self) -> int:
        return self._reader.bytes_read()

    def bytes_at(self, mark: Mark) -> int:
        # Plain content is read ahead in blocks: the mark's offset is exact.
        return min(self.bytes_read(), mark.offset) if self._reader.is_plain else self.bytes_read()


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
    return _TableSource(name, origin, Shape(kind, columns=table.columns, sheet=table.sheet), table)


class _TableSource:
    """A `Source` of cells in a binary format. Its marks are row numbers."""

    is_local = False

    def __init__(self, name: str, origin: Origin, shape: Shape, table: Table) -> None:
        self.name = name
        self.shape = shape
        self.size_bytes = origin.size_bytes
        self.fingerprint = origin.fingerprint
        self.notices = table.notices
        self.declared_rows = table.declared_rows
        self._origin = origin
        self._table = table
        self._reached = 0

    def __repr__(self) -> str:
        return f"<{self.shape.format} source {self.name!r}: {self.bytes_read():,} bytes read>"

    def first_rows(self) -> Sequence[Row]:
        return ()

    def slices(self, start: Mark | None = None, known: Sequence[Mark] = ()) -> Iterator[RowSlice]:
        del known  # the fingerprint identifies a file's content
        first = self._table.first
        if start is None or start.offset < first:
            start = Mark(first, first)
        with closing(self._origin.handle()) as handle:
            rows = self._table.rows(handle, start.offset)
            for one in cut_rows(rows, start, TableRows(self.shape.columns)):
                self._reached = one.end.line - first
                yield one
        self._reached = self.declared_rows or self._reached

    def bytes_read(self) -> int:
        return self._share(self._reached)

    def bytes_at(self, mark: Mark) -> int:
        return self._share(mark.line - self._table.first)

    def _share(self, rows: int) -> int:
        """The file size times the share of rows read: random access has no count of bytes."""
        size = self.size_bytes or 0
        return size * min(rows, self.declared_rows) // self.declared_rows if self.declared_rows else 0
