"""Local files, named pipes and standard input. `find_origin` also finds sources on the network."""

import hashlib
import io
import os
import select
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from uploader.errors import SourceError
from uploader.sources.bytes.byte_source import EDGE_BYTES, Origin, Raw, fingerprint
from uploader.sources.names import STDIN, is_url, matches_nothing_of_ours
from uploader.system.filesystem_of_path import filesystem_type
from uploader.system.mounts import is_local

#: How many names in a directory an error lists.
_LISTED = 5


class FileOrigin:
    """A regular file. It is opened for each reading, and closed in between."""

    seekable = True
    sample_bytes = 1024 * 1024

    def __init__(self, path: str, size: int) -> None:
        self.name = path
        self.size_bytes: int | None = size
        self.is_local = is_local(filesystem_type(Path(path)))
        try:
            with _open(path) as handle:
                self.magic = handle.read(16)
                self.fingerprint = fingerprint(handle, size)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error}") from error

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
                f"{self.name}: changed while it was read, from {self.size_bytes:,} to {now:,} bytes; wait "
                "until it is complete, then start again"
            )
        return handle


class StreamOrigin:
    """Standard input or a named pipe, read once. What `peek` reads is kept and read again."""

    seekable = is_local = False
    # Less than for a file: reading a slow pipe should not wait for a megabyte.
    sample_bytes = EDGE_BYTES

    def __init__(
        self,
        name: str,
        handle: BinaryIO,
        *,
        owned: bool,
        is_ready: Callable[[], bool] | None = None,
        head_bytes: int = EDGE_BYTES,
    ) -> None:
        """`is_ready`: as in `Raw`; None: ask the kernel. `head_bytes`: how much is read at once."""
        self.name = name
        self.size_bytes: int | None = None
        self._handle: BinaryIO | None = handle
        self._owned = owned
        self._is_ready = is_ready or partial(_has_input, handle)
        self._head: list[bytes] = []
        raw = Raw(name, handle, record=self._head, keep_open=True)
        while raw.position < head_bytes and raw.read():
            pass
        self.head_bytes = raw.position
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
            f"{self.name}: this format cannot be read from a stream; save it as a file, and give that"
        )

    def _raw(self, *, record: list[bytes] | None, keep_open: bool) -> Raw:
        if self._handle is None:
            raise SourceError(f"{self.name}: can be read only once; save it as a file, and give that")
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
        status = os.stat(path)  # noqa: PTH116  # the path as the user wrote it
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise SourceError(_unopened(path, error)) from error
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(_directory_text(path))
    if stat.S_ISREG(status.st_mode):
        return FileOrigin(path, status.st_size)
    return StreamOrigin(path, _open(path), owned=True)


def _has_input(handle: BinaryIO) -> bool:
    """Whether a pipe has bytes, or has ended. True if the kernel can't tell."""
    poll = select.poll()
    try:
        poll.register(handle, select.POLLIN)
    except (OSError, ValueError, TypeError):
        return True
    return bool(poll.poll(0))


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceError("standard input: nothing is piped in; give a file, or pipe one in")
    # Unbuffered: a thread that blocks in a buffered read holds a lock that the interpreter needs at exit.
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
        return f"{path}: this user may not read it; change its permissions"
    return f"{path!r}: cannot be opened: {error}"


def _directory_text(path: str) -> str:
    """The message for a directory that is given as a source."""
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    except OSError:
        names = []
    names = [name for name in names if name[0] != "." and matches_nothing_of_ours(name)]
    if not names:
        return f"{path}: is a directory without files to upload; give a file"
    ending = os.path.splitext(names[0])[1]  # noqa: PTH122
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"{path}: is a directory with {', '.join(names[:_LISTED])}{more}; give its files, or a pattern such "
        f"as '{os.path.join(path, '*' + ending)}'"  # noqa: PTH118
    )
