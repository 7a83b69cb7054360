"""The account of open and settled rows: what a checkpoint has to remember to go on from.

In    slices as they are read (`open`), positions as they are settled.
Out   a `Progress`: everything before the watermark is settled; above it the settled ranges are named.
Rule  The watermark never passes an open row, and no row is settled twice: `settled` is counted from the
      ranges alone, so a caller's own count that differs gives a double or a lost one away.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

from uploader.core.model import Mark, Slice


@dataclass(frozen=True, slots=True)
class Resume:
    """Where reading goes on: the row at `mark` of source number `source` has position `position`."""

    position: int = 0
    source: int = 0
    mark: Mark | None = None  #: None: at that source's first row


@dataclass(frozen=True, slots=True)
class Progress:
    """What is settled, in a form whose size follows what is in flight."""

    rows: int = 0  #: rows read; positions run from 0 to rows - 1
    watermark: int = 0  #: every position below it is settled
    ranges: tuple[tuple[int, int], ...] = ()  #: settled positions above it, as [first, end) pairs in order
    resume: Resume = field(default_factory=Resume)

    @property
    def settled(self) -> int:
        return self.watermark + sum(end - first for first, end in self.ranges)

    def is_settled(self, position: int) -> bool:
        if position < self.watermark:
            return True
        index = bisect_right(self.ranges, position, key=lambda pair: pair[0]) - 1
        return index >= 0 and position < self.ranges[index][1]


class Ledger:
    """Which positions are settled. Rows read a second time, after a resume, are not counted again."""

    def __init__(self, progress: Progress | None = None) -> None:
        progress = progress or Progress()
        self.rows = progress.rows
        self.watermark = progress.watermark
        # The settled ranges above the watermark, found by either end. No two of them touch.
        self._end_of = dict(progress.ranges)
        self._first_of = {end: first for first, end in progress.ranges}
        self._resume = progress.resume
        self._slices: deque[Resume] = deque()

    def open(self, slice_: Slice) -> None:
        """Rows were read: they are open until settled."""
        self.rows = max(self.rows, slice_.first + slice_.rows)
        self._slices.append(Resume(slice_.first, slice_.source, slice_.start))

    def settle(self, position: int) -> None:
        """Join the position to the ranges it touches; the watermark moves over what it reaches."""
        first = self._first_of.pop(position, position)
        end = self._end_of.pop(position + 1, position + 1)
        if first != position:
            del self._end_of[first]
        if end != position + 1:
            del self._first_of[end]
        if first == self.watermark:
            self.watermark = end
        else:
            self._end_of[first] = end
            self._first_of[end] = first

    def progress(self) -> Progress:
        while self._slices and self._slices[0].position <= self.watermark:
            self._resume = self._slices.popleft()
        return Progress(self.rows, self.watermark, tuple(sorted(self._end_of.items())), self._resume)
