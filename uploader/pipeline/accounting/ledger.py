"""The ledger of open and settled rows: what a checkpoint has to remember to resume.

In    slices as they are read (`open`), positions as they are settled.
Out   a `Progress`: everything below the watermark is settled; above it the settled ranges are listed.
Raise ValueError for a position that is settled already.
Rule  The watermark never passes an open row, and no row is settled twice.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence

from uploader.model.records import Slice
from uploader.model.watermark import Progress, Resume


class Ledger:
    """Tracks which positions are settled. Rows read again after a resume are not counted twice."""

    def __init__(self, progress: Progress | None = None) -> None:
        progress = progress or Progress()
        self.rows = progress.rows
        self.watermark = progress.watermark
        # The settled ranges above the watermark, in order; no two of them touch.
        self._firsts = [first for first, _ in progress.ranges]
        self._end_of = dict(progress.ranges)
        self._resume = progress.resume
        self._slices: deque[Resume] = deque()

    def open(self, slice_: Slice) -> None:
        """Note that the rows of a slice were read and are open."""
        self.rows = max(self.rows, slice_.first + slice_.rows)
        self._slices.append(Resume(slice_.first, slice_.source, slice_.start))

    def settle(self, position: int, end: int = 0) -> None:
        """Settle `position`, or all from it up to `end`: join them to the ranges they touch and move the
        watermark.
        """
        end = end or position + 1
        index = bisect_right(self._firsts, position)
        before = self._firsts[index - 1] if index else self.watermark
        before_end = self._end_of[before] if index else self.watermark
        if position < max(before_end, self.watermark):
            raise ValueError(f"position {position} is settled twice")
        if index < len(self._firsts) and self._firsts[index] < end:
            raise ValueError(f"position {self._firsts[index]} is settled twice")
        if index < len(self._firsts) and self._firsts[index] == end:
            end = self._end_of.pop(self._firsts.pop(index))
        if position == self.watermark:
            self.watermark = end
        elif index and before_end == position:
            self._end_of[before] = end
        else:
            insort(self._firsts, position)
            self._end_of[position] = end

    def settle_all(self, positions: Sequence[int]) -> None:
        """Settle several positions, most of them consecutive."""
        if not positions:
            return
        ordered = sorted(positions)
        if ordered == list(range(ordered[0], ordered[0] + len(ordered))):
            self.settle(ordered[0], ordered[-1] + 1)
            return
        first = last = ordered[0]
        for position in ordered[1:]:
            if position != last + 1:
                self.settle(first, last + 1)
                first = position
            last = position
        self.settle(first, last + 1)

    def progress(self) -> Progress:
        """Return the progress, with the newest slice at or below the watermark as the point to resume at."""
        while self._slices and self._slices[0].position <= self.watermark:
            self._resume = self._slices.popleft()
        ranges = tuple((first, self._end_of[first]) for first in self._firsts)
        return Progress(self.rows, self.watermark, ranges, self._resume)
