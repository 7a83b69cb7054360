"""A running hash of what was read of a stream, so that the same one is recognised when piped again.

A mark of a stream has the hash of all content before it. Reading from there reads all of that again.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from uploader.errors import SourceError
from uploader.model.rows import Mark, RowSlice
from uploader.sources.bytes import byte_source

_AHEAD_BLOCKS = 16


class Prefix:
    """Hashes the blocks that pass `watch`. `digest` takes increasing offsets."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._hashed = 0  # bytes
        self._waiting: deque[bytes] = deque()  # blocks read ahead, not hashed yet
        self._waiting_bytes = 0
        self._due: deque[int] = deque()  # offsets whose digest will be needed, however late
        self._digests: dict[int, str] = {}  # by offset, those passed

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the blocks on, and keep what the fingerprint of a later mark needs."""
        for block in blocks:
            self._waiting.append(block)
            self._waiting_bytes += len(block)
            # More than readers read ahead is one overlong line, which has no mark inside.
            while self._waiting_bytes > _AHEAD_BLOCKS * byte_source.BLOCK_BYTES:
                self._take(self._waiting.popleft())
            yield block

    def _take(self, block: bytes) -> None:
        self._waiting_bytes -= len(block)
        while self._due and self._due[0] <= self._hashed + len(block):
            due = self._due.popleft()
            before, block = block[: due - self._hashed], block[due - self._hashed :]
            self._hash.update(before)
            self._hashed = due
            self._digests[due] = self._hash.hexdigest()
        self._hash.update(block)
        self._hashed += len(block)

    def digest(self, offset: int) -> str:
        """The hash of the content before `offset`; "" if that was passed too long ago."""
        if offset < self._hashed:
            return self._digests.pop(offset, "")
        while self._hashed < offset and self._waiting:
            block = self._waiting.popleft()
            wanted = offset - self._hashed
            self._take(block[:wanted])
            if rest := block[wanted:]:
                self._waiting.appendleft(rest)
        return self._hash.hexdigest()

    def mark(
        self, slices: Iterable[RowSlice], name: str, start: Mark, known: Sequence[Mark] = ()
    ) -> Iterator[RowSlice]:
        """The slices, with the hash in the marks at their ends.

        SourceError if the content before a known mark has changed.
        """
        ahead = deque(mark for mark in known if mark.offset > start.offset)
        self._due.extend(mark.offset for mark in ahead)
        before: Mark | None = None
        for one in slices:
            while ahead and ahead[0].offset <= one.end.offset:
                self.check(ahead.popleft(), name)
            one.start = before or one.start
            before = one.end = replace(one.end, digest=self.digest(one.end.offset))
            yield one
        if ahead:
            raise _ended(name, ahead[-1].offset - (before or start).offset)

    def check(self, mark: Mark, name: str) -> None:
        """SourceError if the content before the mark has changed."""
        if mark.digest and self.digest(mark.offset) != mark.digest:
            raise SourceError(
                f"{name}: its first {mark.offset:,} bytes differ from those that the job has read before; "
                "give the same data again, or start over with --restart"
            )


def skip_known(blocks: Iterator[bytes], prefix: Prefix, name: str, mark: Mark) -> Iterator[bytes]:
    """The blocks from a mark on. SourceError if the content before it has changed."""
    left = mark.offset
    rest = b""
    for block in blocks:
        rest = block[left:]
        left -= len(block) - len(rest)
        if rest or not left:
            break
    if left:
        raise _ended(name, left)
    prefix.check(mark, name)
    if rest:
        yield rest
    yield from blocks


def _ended(name: str, missing_bytes: int) -> SourceError:
    return SourceError(
        f"{name}: ends {missing_bytes:,} bytes before the position that the job has reached; give the same "
        "data again, or start over with --restart"
    )
