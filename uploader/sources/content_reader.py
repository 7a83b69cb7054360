"""Reads the content of a text source from any mark on: unpacked, decoded, in UTF-8. Detects its encoding."""

from collections.abc import Callable, Iterator
from contextlib import closing

from uploader.errors import SourceError
from uploader.model.rows import Mark
from uploader.sources.bytes import zip_archive
from uploader.sources.bytes.byte_source import Origin
from uploader.sources.bytes.compression import Archive, contents
from uploader.sources.bytes.encodings import UTF8, encoding_of, normal_name, utf8
from uploader.sources.bytes.stream_fingerprint import Prefix, skip_known
from uploader.sources.detect import Format, refuse_binary
from uploader.sources.foreign import refuse_foreign, refuse_foreign_text, refuse_packed


class ContentReader:
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
                return read_sample(blocks, self.origin.sample_bytes)
        with closing(self.origin.peek()) as raw:
            return read_sample(contents(raw, self._archive), self.origin.sample_bytes)


def read_sample(blocks: Iterator[bytes], most: int) -> tuple[bytes, bool]:
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
