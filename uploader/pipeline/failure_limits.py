"""How many rows may fail: in a run before it stops, and in a finished job before that is a failure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """How many rows may fail in one invocation. A share applies only from `ENOUGH_ROWS` rows on."""

    count: int | None = None
    share: float | None = None

    ENOUGH_ROWS = 1_000

    def exceeded(self, failed: int, rows: int) -> bool:
        """`rows` counts all rows read, because invalid rows are settled long before their neighbours."""
        if self.count is not None:
            return failed > self.count
        return self.share is not None and rows >= self.ENOUGH_ROWS and failed > self.share * rows

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{(self.share or 0) * 100:g}%"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many rows of a finished job may have failed before it counts as a failure."""

    count: int | None = None
    share: float | None = None

    def covers(self, failed: int, rows: int) -> bool:
        """Whether so many failed rows are tolerated."""
        return failed <= (self.count if self.count is not None else (self.share or 0.0) * rows)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{(self.share or 0) * 100:g}%"
