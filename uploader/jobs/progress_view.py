"""The progress of a run at one moment. It is not formatted here."""

from collections.abc import Callable
from dataclasses import dataclass

from uploader.model.chain_of_rows import Chain
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.rate.limiter import Quota


@dataclass(slots=True)
class View:
    """The progress of a run at one moment, for a display."""

    tallies: Tallies
    elapsed_seconds: float
    bytes_read: int
    bytes_total: int | None
    in_flight: int
    limit: Quota  #: the quota, or the maximum set by the user
    used: int  #: requests that we sent in the window that ends now
    pause: Cause | None
    pause_seconds: float
    failing_seconds: float
    failure: str
    waiting_records: int  #: that wait for an earlier row
    chain: Chain  #: the longest chain of rows that wait for each other
    is_behind: bool  #: commits are behind: no more rows are read until they are on the disk
    reads_first: bool  #: contacts are read before their rows are written
    half_done: int  #: rows whose contact was read and that are still to be written
    settled_before: int  #: rows settled by earlier invocations
    forecast: Callable[[int, float], float]  #: seconds for a number of requests, at a rate per second
    in_doubt: int = 0  #: records that may have been created: the search is to show it
    is_locked_out: bool = False  #: another process reads the checkpoint, so it can't be written

    @property
    def per_second(self) -> float:
        """The maximum of requests per second."""
        return self.limit.per_second

    @property
    def worked(self) -> int:
        """The work done, in rows: each row settled or read counts once, and a written row once more."""
        seen = self.tallies.settled + self.half_done
        return seen + self.tallies.written if self.reads_first else seen

    @property
    def work_per_row(self) -> float:
        """The average work for a row, by the rows so far; the maximum before there are any."""
        if not self.reads_first:
            return 1.0
        share = self.share_written
        return 2.0 if share is None else 1.0 + share

    @property
    def share_written(self) -> float | None:
        """The share of the rows settled or read that was written or will be; None before there are any."""
        seen = self.tallies.settled + self.half_done
        return (self.tallies.written + self.half_done) / seen if seen else None
