"""Cuts content into physical lines, a block of them at a time.

Splitting a block in one call makes it fast. Memory is bounded by a block and the maximum line length: of a
longer line only the beginning is kept.
"""

import operator
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from uploader.model.rows import Mark

#: The maximum length of a row: sixteen of HubSpot's longest values (65,536 characters each).
#: It must exceed `BLOCK_BYTES` (see `Lines.next`).
LINE_BYTES = 1024 * 1024
#: Kept of a longer line: one byte more than the maximum, which shows that the rest is missing.
KEPT_BYTES = LINE_BYTES + 1

_BREAKS = b"\r\n"
_QUOTED = re.compile(rb'"[^"]*"')


def find_line_end(sample: bytes) -> bytes:
    r"""The line end: `\n`, which includes `\r\n`, or `\r` (old Macs) if most lines end with it.

    Spreadsheets on old Macs write `\n` inside quoted cells, which don't count.
    """
    if b"\r" not in sample:
        return b"\n"
    bare = _QUOTED.sub(b"", sample)
    feeds, pairs = bare.count(b"\n"), bare.count(b"\r\n")
    return b"\r" if bare.count(b"\r") - pairs > feeds else b"\n"


def watch_last_line(
    blocks: Iterator[bytes], line_end: bytes, unfinished: Callable[[bytes], None]
) -> Iterator[bytes]:
    """The content unchanged. Calls `unfinished` with a last line without a line break before yielding it."""
    rest = b""
    for block in blocks:
        cut = block.rfind(line_end) + 1
        if cut or len(rest) + len(block) > LINE_BYTES:
            cut = cut or len(block)
            yield rest + block[:cut]
            rest = block[cut:]
        else:
            rest += block
    if rest.strip() and not rest.endswith(b"\r"):  # half of a line break is a line break
        unfinished(rest)
    if rest:
        yield rest


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive physical lines."""

    data: bytes  #: the bytes in the source; empty for an overlong line
    start: Mark
    raws: list[bytes]  #: each line without its line end
    texts: list[str]  #: the lines decoded, if wanted; "" for a line that is not UTF-8
    ends: list[int]  #: where each line ends, line end included, from the start of the block
    closed: bool  #: no row continues beyond this block
    torn: bool  #: the last line has no line end

    def __len__(self) -> int:
        return len(self.raws)

    def mark(self, at: int) -> Mark:
        """The mark where line `at` of this block begins."""
        return Mark(self.start.offset + self._begin(at), self.start.line + at)

    def span(self, first: int, last: int) -> bytes:
        """The bytes of the lines in [first, last), line ends included."""
        return self.data[self._begin(first) : self._begin(last)]

    def length(self, first: int, last: int) -> int:
        """The number of bytes in `span`."""
        return self._begin(last) - self._begin(first)

    def reach(self, at: int, lines: int, offset: int) -> int:
        """The line to stop at: `lines` further, or the first that begins at or after `offset`."""
        within = bisect_left(self.ends, offset - self.start.offset, lo=at)
        return max(at + 1, min(at + lines, within + 1, len(self.raws)))

    def _begin(self, at: int) -> int:
        return self.ends[at - 1] if at else 0


class Lines:
    """The lines of a source from `start` on, which must be the beginning of a line."""

    def __init__(
        self,
        contents: Iterator[bytes],
        start: Mark,
        line_end: bytes,
        *,
        decode: bool,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_ready`: whether `contents` continue without waiting for the writer."""
        self._contents = contents
        self._is_ready = is_ready
        self._next_start = start
        self._line_end = line_end
        self._decode = decode
        self._rest = b""
        self._held: Block | None = None
        self._ended = False

    def next(self) -> Block | None:
        """The next block; None at the end of the source."""
        if self._held is not None:
            block, self._held = self._held, None
            return block
        # Blocks of content are shorter than `LINE_BYTES`, so that only a first line can be overlong.
        while not self._ended and self._line_end not in self._rest and len(self._rest) <= LINE_BYTES:
            more = next(self._contents, b"")
            self._ended = not more
            self._rest += more
        if not self._rest:
            return None
        first = self._rest.find(self._line_end)
        if first > LINE_BYTES or (first < 0 and len(self._rest) > LINE_BYTES):
            return self._overlong()
        cut = len(self._rest) if self._ended else self._rest.rfind(self._line_end) + 1
        data, self._rest = self._rest[:cut], self._rest[cut:]
        block = self._split(data, self._next_start)
        self._next_start = block.mark(len(block))
        return block

    def is_ready(self) -> bool:
        """Whether the next block, or the end, is there without waiting for the writer."""
        return self._ended or self._held is not None or self._is_ready()

    def grow(self, block: Block, at: int) -> Block:
        """A longer block: from line `at` on, with the lines after this block."""
        data, closed = block.span(at, len(block)), True
        following = self.next()
        if following is not None and not following.data:
            self._held = following  # an overlong line is part of no other row
        elif following is not None:
            data, closed = data + following.data, False
        return self._split(data, block.mark(at), closed=closed)

    def _split(self, data: bytes, start: Mark, *, closed: bool = False) -> Block:
        torn = not data.endswith(self._line_end)
        raws = data.split(self._line_end)
        if not torn:
            raws.pop()
        ends = list(map(operator.add, accumulate(map(len, raws)), count(1)))
        if torn:
            ends[-1] -= 1
        if _BREAKS.strip(self._line_end) in data:
            raws = [raw.strip(_BREAKS) for raw in raws]
        return Block(data, start, raws, self._texts(raws), ends, closed or torn, torn)

    def _texts(self, raws: Sequence[bytes]) -> list[str]:
        """The lines decoded, at once unless one is not UTF-8."""
        if not self._decode:
            return []
        try:
            return list(map(bytes.decode, raws))
        except UnicodeDecodeError:
            return list(map(_text, raws))

    def _overlong(self) -> Block:
        """A block of one overlong line: read to its end, but only its beginning is kept."""
        start, kept, length = self._next_start, self._rest[:KEPT_BYTES], 0
        while True:
            cut = self._rest.find(self._line_end) + 1
            length += cut or len(self._rest)
            self._rest = self._rest[cut:] if cut else next(self._contents, b"")
            if cut or not self._rest:
                break
        self._next_start = Mark(start.offset + length, start.line + 1)
        return Block(b"", start, [kept], [""], [length], closed=True, torn=not cut)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return ""
