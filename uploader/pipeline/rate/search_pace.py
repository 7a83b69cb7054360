"""When a search may leave: its endpoint has a limit of its own, beside the quota. Time is an argument.

The limit is one of the account, so other apps may use it up, too; replies do not say how much is left.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
"""

from bisect import insort
from collections.abc import Sequence

from uploader.pipeline.rate.limiter import Quota

QUOTA = Quota(5, 1.0)
#: What a run can count on, with the margin below.
PER_SECOND = 4.5
#: Kept between two searches that are a window apart here; it doubles when we were one too many.
_MARGIN_SECONDS, _MOST_MARGIN_SECONDS = 0.1, 0.5
#: The wait after a refusal, which doubles with each one in a row.
_REFUSED_SECONDS, _MOST_REFUSED_SECONDS = 1.0, 8.0


class SearchPace:
    """An exact log of the last searches, and the time before which none leaves after a refusal."""

    def __init__(self) -> None:
        self._sends: list[float] = []  # in order; no more than the limit
        self._margin = _MARGIN_SECONDS
        self._refusals = 0  # in a row
        self._refused_at = float("-inf")  # when the last refused search had left
        self._free_at = float("-inf")

    @property
    def sends(self) -> Sequence[float]:
        """When the last searches left."""
        return self._sends

    def wait_seconds(self, now: float) -> float:
        """Return the seconds until one more search exceeds no window."""
        free_at = self._free_at
        if len(self._sends) == QUOTA.requests:
            free_at = max(free_at, self._sends[0] + QUOTA.seconds + self._margin)
        return max(0.0, free_at - now)

    def note(self, now: float) -> None:
        """Log a search that leaves now."""
        self._sends = [*self._sends, now][-QUOTA.requests :]

    def move(self, noted: float, left: float) -> None:
        """Move a search logged at `noted` to `left`, when it really left."""
        if noted in self._sends:
            self._sends.remove(noted)
            insort(self._sends, left)

    def answered(self, left: float) -> None:
        """Note a reply to a search that left at `left` and was not refused for the limit."""
        if left > self._refused_at:
            self._refusals = 0

    def refused(self, left: float, now: float, asked_seconds: float | None) -> None:
        """Note a refusal of a search that left at `left`. `asked_seconds`: the wait that the reply names.

        Refusals of searches that left before the wait for an earlier one are one.
        """
        if left <= self._refused_at or (self._refusals and left < self._free_at):
            return
        self._refused_at, self._refusals = left, self._refusals + 1
        ours = sum(left - QUOTA.seconds < at <= left for at in self._sends)
        if ours >= QUOTA.requests:
            self._margin = min(_MOST_MARGIN_SECONDS, 2 * self._margin)
        wait = min(_MOST_REFUSED_SECONDS, _REFUSED_SECONDS * 2.0 ** min(self._refusals - 1, 8))
        self._free_at = now + max(wait, asked_seconds or 0.0)
