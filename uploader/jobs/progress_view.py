"""What a run shows of itself at one moment. No formatting."""

from collections.abc import Callable
from dataclasses import dataclass

from uploader.model.chain import Chain
from uploader.model.settlements import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.rate.limiter import Quota


@dataclass(slots=True)
class View:
    """What a display needs to know, at one moment."""

    tallies: Tallies
    elapsed_seconds: float
    bytes_read: int
    bytes_total: int | None
    in_flight: int
    limit: Quota  #: what the quota, or the user's cap, allows
    used: int  #: of it, by us, in the window that ends now
    pause: Cause | None
    pause_seconds: float
    failing_seconds: float
    failure: str
    held_back: int
    chain: Chain  #: the longest of the rows that wait for each other
    is_behind: bool  #: the books are: nothing more is read until the disk has them
    reads_first: bool  #: contacts are read before their rows are written
    half_done: int  #: rows that were read and are still to be written
    settled_before: int  #: by earlier invocations
    forecast: Callable[[int, float], float]  #: seconds that so many requests take, at so many a second
    is_locked_out: bool = False  #: another process reads the checkpoint, so that it can't be written

    @property
    def per_second(self) -> float:
        """Requests that may be sent, at most."""
        return self.limit.per_second

    @property
    def worked(self) -> int:
        """The work done, in rows: those that were settled or read, and once more those written after that."""
        seen = self.tallies.settled + self.half_done
        return seen + self.tallies.written if self.reads_first else seen

    @property
    def work_per_row(self) -> float:
        """What a row takes of it, by those seen so far; before any is, what it takes at most."""
        if not self.reads_first:
            return 1.0
        share = self.share_written
        return 2.0 if share is None else 1.0 + share

    @property
    def share_written(self) -> float | None:
        """Of the rows settled or read those that were sent, or are to be; None before there are any."""
        seen = self.tallies.settled + self.half_done
        return (self.tallies.written + self.half_done) / seen if seen else None
