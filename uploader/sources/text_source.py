"""The `Source` of all text formats: CSV, NDJSON, JSON, and rows of a program."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from uploader.errors import CutOffError, SourceError
from uploader.model.rows import Mark, Row, RowSlice
from uploader.sources.bytes.byte_source import EDGE_BYTES
from uploader.sources.bytes.lines import LINE_BYTES, watch_last_line
from uploader.sources.bytes.local import FileOrigin
from uploader.sources.bytes.stream_fingerprint import Prefix
from uploader.sources.content_reader import ContentReader
from uploader.sources.source import Shape

#: Cuts content from a mark on into slices; called with its blocks, the mark, and whether more is ready. For
#: lines this is `lines_to_rows.cut_slices`, for JSON `json_rows.cut_elements`; `sources.open` chooses.
Cut = Callable[[Iterator[bytes], Mark, Callable[[], bool]], Iterator[RowSlice]]


@dataclass(frozen=True, slots=True)
class LastLine:
    """How to detect that content was cut off in its last line."""

    line_end: bytes
    is_whole: Callable[[bytes], bool]  #: whether a last line without a line end is complete


@dataclass(frozen=True, slots=True)
class TextFormat:
    """What the beginning shows about rows in a text format."""

    shape: Shape
    body: Mark  #: where the first row can begin
    cut: Cut
    end: LastLine | None = None  #: None: the reader detects it, or the end is certain


class TextSource:
    """Reads rows in a text format. Its marks are byte offsets in the content."""

    declared_rows: int | None = None

    def __init__(
        self,
        name: str,
        reader: ContentReader,
        text: TextFormat,
        sample: bytes,
        *,
        refuses_unfinished: bool = False,
    ) -> None:
        self.name = name
        self.shape = text.shape
        self.size_bytes = reader.origin.size_bytes
        self.fingerprint = reader.origin.fingerprint
        self.is_repeatable = reader.origin.size_bytes is not None
        self.is_local = reader.is_plain and reader.origin.is_local
        self._reader = reader
        self._text = text
        self._sample = b"" if text.shape.columns else sample
        self._is_stream = reader.origin.size_bytes is None
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

    def _ends_unfinished(self, end: LastLine) -> bool:
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
