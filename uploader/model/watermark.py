"""How far a job is: which rows are settled, and where reading resumes."""

from bisect import bisect_right
from dataclasses import dataclass, field

from uploader.model.rows import Mark


@dataclass(frozen=True, slots=True)
class Resume:
    """Where reading goes on: the row at `mark` of source number `source` has position `position`."""

    position: int = 0
    source: int = 0
    mark: Mark | None = None  #: None: at that source's first row


@dataclass(frozen=True, slots=True)
class Progress:
    """Which rows are settled. Its size depends on what is in flight."""

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
