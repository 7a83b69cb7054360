"""Opening a source: what it is, whether it can be read, and its rows from any mark on.

The parts: `origin` (bytes on disk), `archive` (compression), `recognise` (encoding and format), `header`
(CSV's head), `lines` (physical lines), `csv_rows` and `ndjson_rows` (what lines hold), `slices`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from uploader.core.model import Content, Mark, RowSlice
from uploader.edges.sources.archive import Archive, archive_of, contents, skip
from uploader.edges.sources.base import Shape, Source
from uploader.edges.sources.csv_rows import CsvRows, Layout
from uploader.edges.sources.header import read_head
from uploader.edges.sources.lines import Lines
from uploader.edges.sources.ndjson_rows import NdjsonRows
from uploader.edges.sources.origin import Origin, Raw, find_origin
from uploader.edges.sources.recognise import (
    UTF8_BOM,
    find_line_end,
    format_of,
    refuse_foreign,
    refuse_unreadable,
)
from uploader.edges.sources.slices import RowReader, cut_slices
from uploader.errors import SourceError


def open_source(
    path: str,
    *,
    format: Literal["csv", "ndjson"] | None = None,  # noqa: A002  # the option's name
    delimiter: str | None = None,
    stdin: BinaryIO | None = None,
) -> Source:
    """Recognise a source and make sure it can be read; "-" is stdin. Blocks until its beginning is there."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise SourceError("a delimiter is one character, such as ';', and no quote or line break")
    origin = find_origin(path, stdin)
    if not origin.magic:
        raise SourceError(f"{origin.name}: is empty")
    archive = archive_of(origin.magic)
    if archive is None:
        refuse_foreign(origin.name, origin.magic)
    sample, complete = _sample(origin, archive)
    refuse_unreadable(origin.name, sample)
    kind = format_of(origin.name, sample, format)
    line_end = find_line_end(sample)
    if kind == "ndjson":
        body = Mark(len(UTF8_BOM) if sample.startswith(UTF8_BOM) else 0, 1)
        return _OpenSource(path, origin, archive, _Table(Shape("ndjson"), NdjsonRows(), body, line_end))
    if not complete and line_end not in sample:
        raise SourceError(f"{origin.name}: the first line is longer than {len(sample):,} bytes; is this CSV?")
    head = read_head(origin.name, sample, line_end, delimiter)
    rest = sample[head.body.offset :]
    if complete and not rest.strip() and head.layout.delimiter.encode() not in rest:
        raise SourceError(f"{origin.name}: holds a header and no rows")
    shape = Shape("csv", head.layout.delimiter, head.columns)
    return _OpenSource(path, origin, archive, _Table(shape, CsvRows(head.layout), head.body, line_end))


def reread(shape: Shape, raw: bytes) -> Content:
    """What one row's bytes hold: the same as when the row was first read.

    Except for the torn last line of a CSV file: that the file ended there is not in its bytes.
    """
    if shape.format == "ndjson":
        return NdjsonRows().content(raw)
    return CsvRows(Layout(shape.delimiter, len(shape.columns))).content(raw)


@dataclass(frozen=True, slots=True)
class _Table:
    """What the beginning told of the rows."""

    shape: Shape
    reader: RowReader
    body: Mark  #: where the first row can begin
    line_end: bytes


class _OpenSource:
    """A `Source`: what was found out about it, and the way to its rows."""

    def __init__(self, path: str, origin: Origin, archive: Archive | None, table: _Table) -> None:
        self.name = path
        self.shape = table.shape
        self.size_bytes = origin.size_bytes
        self.fingerprint = origin.fingerprint
        self._origin = origin
        self._archive = archive
        self._table = table
        self._raw: Raw | None = None

    def __repr__(self) -> str:
        return f"<{self.shape.format} source {self.name!r}: {self.bytes_read():,} bytes read>"

    def slices(self, start: Mark | None = None) -> Iterator[RowSlice]:
        """Closing the iterator half-way closes the file."""
        table = self._table
        if start is None or start.offset < table.body.offset:
            start = table.body
        self._raw = raw = self._origin.open()
        try:
            blocks = self._contents(raw, start.offset)
            lines = Lines(blocks, start, table.line_end, decode=table.shape.format == "csv")
            yield from cut_slices(lines, table.reader)
        finally:
            raw.close()

    def bytes_read(self) -> int:
        return self._raw.position if self._raw else 0

    def _contents(self, raw: Raw, offset: int) -> Iterator[bytes]:
        if self._archive is None and self._origin.seekable:
            raw.seek(offset)
            return contents(raw, None)
        return skip(contents(raw, self._archive), self._origin.name, offset)


def _sample(origin: Origin, archive: Archive | None) -> tuple[bytes, bool]:
    """The beginning of the content, without a line cut in two, and whether that is all of it.

    Damage further down an archive is left to the reading: the rows before it are good.
    """
    raw = origin.peek()
    blocks: list[bytes] = []
    size, complete = 0, False
    try:
        for block in contents(raw, archive):
            blocks.append(block)
            size += len(block)
            if size >= origin.sample_bytes:
                break
        else:
            complete = True
    except SourceError:
        if not any(b"\n" in block or b"\r" in block for block in blocks):
            raise
    finally:
        raw.close()
    sample = b"".join(blocks)
    return (sample if complete else _whole_lines(sample)), complete


def _whole_lines(sample: bytes) -> bytes:
    return sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1] or sample
