"""Sources of bytes: a file that can be opened again, or a stream that can't.

Counts the bytes read, and computes an origin's fingerprint (size and sampled content).
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import BinaryIO, Protocol

from uploader.errors import SourceError

BLOCK_BYTES = 256 * 1024

#: How much of a file the fingerprint reads: enough to tell two exports apart, and fast.
EDGE_BYTES = 64 * 1024
_PROBE_BYTES = 4 * 1024
_PROBES = 16


class Raw:
    """Bytes as they are on disk, read once from front to back and counted."""

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
        """`is_ready`: whether the handle returns bytes, or its end, without waiting for the writer."""
        self.name = name
        self.position = 0  #: bytes on disk read so far
        self._handle = handle
        self._size = size
        self._replay = deque(replay)
        self._record = record
        self._keep_open = keep_open
        self._is_ready = is_ready
        # A pipe returns what it has: waiting for a full block would delay rows.
        self._take: Callable[[int], bytes] = getattr(handle, "read1", handle.read)

    def read(self) -> bytes:
        """The next bytes, at most `BLOCK_BYTES`; none at the end."""
        data = self._replay.popleft() if self._replay else self._read()
        self.position += len(data)
        if not data and self._size is not None and self.position != self._size:
            raise SourceError(
                f"{self.name}: changed while it was read, from {self._size:,} to {self.position:,} bytes; "
                "wait until it is complete, then start again"
            )
        return data

    def _read(self) -> bytes:
        try:
            data = self._take(BLOCK_BYTES)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            raise SourceError(f"{self.name}: reading failed after byte {self.position:,}: {error}") from error
        if self._record is not None and data:
            self._record.append(data)
        return data

    def is_ready(self) -> bool:
        """Whether `read` returns at once."""
        return bool(self._replay) or self._is_ready()

    def seek(self, offset: int) -> None:
        self.position = self._handle.seek(offset)

    def close(self) -> None:
        """Close the handle, unless it belongs to the caller (stdin)."""
        if not self._keep_open:
            self._handle.close()


class Origin(Protocol):
    name: str  #: as it may be shown and stored
    size_bytes: int | None
    fingerprint: str
    magic: bytes  #: the first bytes, which show a compression
    seekable: bool
    is_local: bool  #: on a local disk
    sample_bytes: int  #: how much content may be read to detect the format

    def peek(self) -> Raw:
        """Read from the front without consuming anything."""
        ...

    def open(self) -> Raw:
        """Read from the front; the caller closes it."""
        ...

    def handle(self) -> BinaryIO:
        """A handle for a format that needs random access; the caller closes it.

        SourceError if the origin is not seekable.
        """
        ...


def fingerprint(handle: BinaryIO, size: int, count: int = _PROBES) -> str:
    """A hash of the size and sampled content: both ends, and `count` samples between them."""
    digest = hashlib.sha256(b"%d" % size)
    probes = ((index * size // (count + 1), _PROBE_BYTES) for index in range(1, count + 1))
    for offset, length in ((0, EDGE_BYTES), (max(0, size - EDGE_BYTES), EDGE_BYTES), *probes):
        handle.seek(offset)
        digest.update(handle.read(length))
    return digest.hexdigest()
