"""Decompresses gzip, zstd, bzip2 and xz, detected by their first bytes, never by a name.

An archive may hold several members in a row, as `cat a.gz b.gz` writes them. Blocks are bounded whatever the
ratio. An incomplete or damaged archive returns all blocks before the damage, then raises.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from uploader.errors import SourceError
from uploader.sources.bytes.byte_source import BLOCK_BYTES, Raw

_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\x00"
#: An xz archive states the window it needs; the largest preset of the standard tool takes 65 MiB.
_XZ_BYTES = 256 * 1024 * 1024
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after one byte from 0x50 to 0x5f; pzstd begins with such a frame


class _Decoder(Protocol):
    """Decompresses one member; the interface of the standard library's decompressors."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """Adapts `zlib`'s older interface to that of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)  # 16 + 15: a gzip header, the largest window
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # After a full block zlib may hold more output although it has consumed all input.
        self.needs_input = not self._inner.unconsumed_tail and len(content) < max_length
        return content


@dataclass(frozen=True, slots=True)
class Archive:
    """A kind of compression: its decompressor, and the errors that it raises."""

    name: str
    member: Callable[[], _Decoder]
    errors: tuple[type[Exception], ...]


def _zstd() -> Archive:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415  # only sources that need it pay for it
    else:
        from backports import zstd  # noqa: PLC0415
    return Archive("zstd", zstd.ZstdDecompressor, (zstd.ZstdError, EOFError))


def _bzip2() -> Archive:
    import bz2  # noqa: PLC0415

    return Archive("bzip2", bz2.BZ2Decompressor, (OSError, EOFError))


def _xz() -> Archive:
    import lzma  # noqa: PLC0415

    def member() -> _Decoder:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_BYTES)

    return Archive("xz", member, (lzma.LZMAError, EOFError))


def archive_of(magic: bytes) -> Archive | None:
    """The compression that begins with these bytes; None if there is none."""
    if magic.startswith(_GZIP):
        return Archive("gzip", _GzipMember, (zlib.error,))
    if magic.startswith(_ZSTD) or (magic[1:4] == _ZSTD_SKIPPABLE and 0x50 <= magic[0] <= 0x5F):
        return _zstd()
    if magic.startswith(_BZIP2):
        return _bzip2()
    if magic.startswith(_XZ):
        return _xz()
    return None


def contents(raw: Raw, archive: Archive | None) -> Iterator[bytes]:
    """The content in blocks of at most `BLOCK_BYTES`, none of them empty."""
    return iter(raw.read, b"") if archive is None else _members(raw, archive)


def _members(raw: Raw, archive: Archive) -> Iterator[bytes]:
    """The content of an archive of one or more members, in blocks."""
    decoder, begun = archive.member(), False
    data, given = b"", 0
    while True:
        if not data and decoder.needs_input:
            data = raw.read()
            if not data and not begun:
                return
            if not data:
                raise SourceError(
                    f"{raw.name}: the {archive.name} archive ends in the middle, "
                    f"after byte {given:,} of its content; copy or compress it again"
                )
        if not begun:
            data = data.lstrip(b"\0")  # padding between members, from tapes and some tools
            if not data:
                continue
            begun = True
        content = _decode(raw, archive, decoder, data, given)
        data = b""
        if decoder.eof:
            data, decoder, begun = decoder.unused_data, archive.member(), False
        given += len(content)
        if content:
            yield content


def _decode(raw: Raw, archive: Archive, decoder: _Decoder, data: bytes, given: int) -> bytes:
    try:
        return decoder.decompress(data, BLOCK_BYTES)
    except archive.errors as error:
        raise SourceError(
            f"{raw.name}: the {archive.name} archive is damaged near its byte {raw.position:,}, "
            f"after byte {given:,} of its content ({error}); copy or compress it again"
        ) from error
