"""Where the bytes on disk come from: a file that can be opened again, or a stream that can't.

Bytes are counted here, and an origin's identity (size and sampled content) is taken here. Compression,
encoding and rows are not known here.
"""

import hashlib
import io
import os
import select
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from uploader.errors import SourceError
from uploader.sources.names import STDIN, is_url, matches_nothing_of_ours
from uploader.system.filesystem import kind_of
from uploader.system.mounts import is_at_hand

BLOCK_BYTES = 256 * 1024

#: What the fingerprint reads of a file: enough to tell two exports apart, little enough to be instant.
EDGE_BYTES = 64 * 1024
_PROBE_BYTES = 4 * 1024
_PROBES = 16

#: A directory's names that are shown as advice.
_LISTED = 5


class Raw:
    """Bytes as they stand on disk, read once from front to back and counted."""

    def __init__(
        self,
        name: str,
        handle: BinaryIO,
        *,
        size: int | None = None,
        replay: Iterable[bytes] = (),
        record: list[bytes] | None = None,
        keep_open: bool = False,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_ready`: whether the handle gives something, or its end, without waiting for who writes it."""
        self.name = name
        self.position = 0  #: bytes on disk read so far
        self._handle = handle
        self._size = size
        self._replay = deque(replay)
        self._record = record
        self._keep_open = keep_open
        self._is_ready = is_ready
        # A pipe gives what it has: waiting for a full block would hold rows back.
        self._take: Callable[[int], bytes] = getattr(handle, "read1", handle.read)

    def read(self) -> bytes:
        """The next bytes, at most `BLOCK_BYTES`; none at the end."""
        data = self._replay.popleft() if self._replay else self._read()
        self.position += len(data)
        if not data and self._size is not None and self.position != self._size:
            raise SourceError(
                f"{self.name}: changed while it was read: {self._size:,} bytes at first, "
                f"{self.position:,} now; wait until it is complete, then start again"
            )
        return data

    def _read(self) -> bytes:
        try:
            data = self._take(BLOCK_BYTES)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            raise SourceError(f"{self.name}: reading fails after byte {self.position:,}: {error}") from error
        if self._record is not None and data:
            self._record.append(data)
        return data

    def is_ready(self) -> bool:
        """Whether `read` returns at once."""
        return bool(self._replay) or self._is_ready()

    def seek(self, offset: int) -> None:
        self.position = self._handle.seek(offset)

    def close(self) -> None:
        if not self._keep_open:
            self._handle.close()


class Origin(Protocol):
    name: str  #: as it may be shown and kept
    size_bytes: int | None
    fingerprint: str
    magic: bytes  #: the first bytes, by which compression is told
    seekable: bool
    is_at_hand: bool  #: on a disk of this machine
    sample_bytes: int  #: how much content may be read to recognise it

    def peek(self) -> Raw:
        """Read from the front without using anything up."""
        ...

    def open(self) -> Raw:
        """Read from the front; the caller closes it."""
        ...

    def handle(self) -> BinaryIO:
        """The bytes for a format that is not read from front to back; the caller closes it.

        SourceError where the origin is not seekable.
        """
        ...


class FileOrigin:
    """A regular file. It is opened anew for every reading, so nothing stays open in between."""

    seekable = True
    sample_bytes = 1024 * 1024

    def __init__(self, path: str, size: int) -> None:
        self.name = path
        self.size_bytes: int | None = size
        self.is_at_hand = is_at_hand(kind_of(Path(path)))
        try:
            with _open(path) as handle:
                self.magic = handle.read(16)
                self.fingerprint = fingerprint(handle, size)
        except OSError as error:
            raise SourceError(f"{path}: can't be read: {error}") from error

    def peek(self) -> Raw:
        return self.open()

    def open(self) -> Raw:
        return Raw(self.name, _open(self.name), size=self.size_bytes)

    def handle(self) -> BinaryIO:
        handle = _open(self.name)
        now = os.fstat(handle.fileno()).st_size
        if now != self.size_bytes:
            handle.close()
            raise SourceError(
                f"{self.name}: changed while it was read: {self.size_bytes:,} bytes at first, {now:,} now; "
                "wait until it is complete, then start again"
            )
        return handle


class StreamOrigin:
    """Standard input or a named pipe: read once. What was needed to recognise it is kept and read again."""

    seekable = is_at_hand = False
    # Less than of a file: a slow pipe should begin to flow before it has given a megabyte.
    sample_bytes = EDGE_BYTES

    def __init__(
        self, name: str, handle: BinaryIO, *, owned: bool, is_ready: Callable[[], bool] | None = None
    ) -> None:
        """`is_ready` as of `Raw`; None: the kernel is asked."""
        self.name = name
        self.size_bytes: int | None = None
        self._handle: BinaryIO | None = handle
        self._owned = owned
        self._is_ready = is_ready or partial(_has_input, handle)
        self._head: list[bytes] = []
        raw = Raw(name, handle, record=self._head, keep_open=True)
        while raw.position < EDGE_BYTES and raw.read():
            pass
        head = b"".join(self._head)[:EDGE_BYTES]
        self.magic = head[:16]
        self.fingerprint = hashlib.sha256(head).hexdigest()

    def peek(self) -> Raw:
        return self._raw(record=self._head, keep_open=True)

    def open(self) -> Raw:
        raw = self._raw(record=None, keep_open=not self._owned)
        self._handle = None
        return raw

    def handle(self) -> BinaryIO:
        raise SourceError(
            f"{self.name}: such a file is not read from front to back; save it, and name the file"
        )

    def _raw(self, *, record: list[bytes] | None, keep_open: bool) -> Raw:
        if self._handle is None:
            raise SourceError(f"{self.name}: can be read only once; give it as a file to read it again")
        return Raw(
            self.name,
            self._handle,
            replay=tuple(self._head),
            record=record,
            keep_open=keep_open,
            is_ready=self._is_ready,
        )


def find_origin(path: str, stdin: BinaryIO | None) -> Origin:
    if path == STDIN:
        return StreamOrigin("standard input", stdin or _stdin(), owned=False)
    if is_url(path):
        from uploader.sources.bytes.remote import RemoteOrigin  # noqa: PLC0415  # few sources are

        return RemoteOrigin(path)
    try:
        status = os.stat(path)  # noqa: PTH116  # the path stays as the user wrote it
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise SourceError(_unopened(path, error)) from error
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(_directory_text(path))
    if stat.S_ISREG(status.st_mode):
        return FileOrigin(path, status.st_size)
    return StreamOrigin(path, _open(path), owned=True)


def _has_input(handle: BinaryIO) -> bool:
    """Of a pipe: bytes, or its end. What the kernel can't be asked about is taken to have some."""
    poll = select.poll()
    try:
        poll.register(handle, select.POLLIN)
    except (OSError, ValueError, TypeError):
        return True
    return bool(poll.poll(0))


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceError("standard input: nothing is piped in; name a file, or pipe one in")
    # Unbuffered: a thread that blocks in a buffered read holds a lock the interpreter needs to end.
    return io.FileIO(sys.stdin.fileno(), "rb", closefd=False)


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb", buffering=0)  # noqa: PTH123  # blocks are our own; the caller closes
    except OSError as error:
        raise SourceError(_unopened(path, error)) from error


def _unopened(path: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file; check the path"
    if isinstance(error, PermissionError):
        return f"{path}: may not be read by this user; change its permissions"
    return f"{path!r}: can't be opened: {error}"


def _directory_text(path: str) -> str:
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    except OSError:
        names = []
    names = [name for name in names if name[0] != "." and matches_nothing_of_ours(name)]
    if not names:
        return f"{path}: is a directory, and holds no files to upload; name a file"
    ending = os.path.splitext(names[0])[1]  # noqa: PTH122
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"{path}: is a directory with {', '.join(names[:_LISTED])}{more}; "
        f"name its files, or a pattern such as '{os.path.join(path, '*' + ending)}'"  # noqa: PTH118
    )


def fingerprint(handle: BinaryIO, size: int, count: int = _PROBES) -> str:
    """Of a size and sampled content: the edges, and `count` places between them."""
    digest = hashlib.sha256(b"%d" % size)
    probes = ((index * size // (count + 1), _PROBE_BYTES) for index in range(1, count + 1))
    for offset, length in ((0, EDGE_BYTES), (max(0, size - EDGE_BYTES), EDGE_BYTES), *probes):
        handle.seek(offset)
        digest.update(handle.read(length))
    return digest.hexdigest()
