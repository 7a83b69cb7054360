"""Who else sends on the same token, and how much of the window is left to us. Time is an argument.

`Remaining` tells how full the window was when a request arrived; what of that our own log does not explain
is others'. We yield to them: what they use is theirs, and a gap is left beside it, so that they need not
fight for more. The gap grows with what we have beyond them, so two of us come to equal shares, and a small
steady client keeps all it takes.
"""

from collections import deque
from statistics import median_low


class Others:
    """What others have sent in a window, as last seen."""

    #: Requests that pass each other on the way make our own count wrong by so many.
    UNCERTAIN = 2
    # Slots left free for others who are there, and the share of what we have beyond them and some. Less, and
    # two of us come to equal shares too slowly; more, and what a small client leaves is not used.
    _GAP, _GAP_SHARE, _GAP_FROM = 1, 0.055, 20
    _PROBES = 12  # in a window, however full others keep it
    _PROBES_OF_PAST = 40  # the same while a predecessor's requests are seen to leave it
    _SEEN = 7

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=self._SEEN)  # when, how many
        self._at_begin = 0
        self._begun_until = float("-inf")

    @property
    def requests(self) -> int:
        """In any window, about; 0 where nobody is there."""
        if not self._seen:
            return 0
        # Who has just taken more has it; that they have less has to be seen more often.
        seen = max(median_low(count for _, count in self._seen), self._seen[-1][1] - self.UNCERTAIN)
        return seen if seen > self.UNCERTAIN else 0

    def begin(self, requests: int, now: float, window_seconds: float) -> None:
        """What the window held before our first request: perhaps of a predecessor that is gone.

        Nobody knows when it leaves the window, so no slot is tried that is not known to be free.
        """
        self.fill(requests, now)
        self._at_begin, self._begun_until = requests, now + window_seconds

    def seen(self, requests: int, now: float, window_seconds: float) -> None:
        """What a reply tells of them. Noise may make it less than nothing."""
        if self.is_past(now):
            # A predecessor's requests leave the window one by one: the last word is the truest.
            self._seen.clear()
        self.lapse(now, window_seconds)
        self._seen.append((now, max(0, requests)))

    def lapse(self, now: float, window_seconds: float) -> None:
        """What was seen before this window says nothing of it."""
        while self._seen and self._seen[0][0] < now - window_seconds:
            self._seen.popleft()

    def fill(self, requests: int, now: float) -> None:
        """They have so many for sure."""
        self._seen.extend([(now, max(0, requests))] * self._SEEN)

    def forget(self) -> None:
        """The window is another one now."""
        self._seen.clear()

    def room(self, quota: int, ours: int, now: float) -> int | None:
        """How many of a window may be ours; None where nobody else is there."""
        if self.is_past(now):
            return quota - (self._seen[-1][1] if self._seen else 0)
        others = self.requests
        if not others:
            return None
        return quota - others - self._GAP - int(self._GAP_SHARE * max(0, ours - others - self._GAP_FROM))

    def is_past(self, now: float) -> bool:
        """Whether they may have been there before us only."""
        return now < self._begun_until

    def probe_at(self, last: float, now: float, window_seconds: float) -> float:
        """When one of ours may leave though there is no room for it: what others take changes."""
        if not self.is_past(now):
            return last + window_seconds / self._PROBES
        is_leaving = bool(self._seen) and self._seen[-1][1] < self._at_begin - self.UNCERTAIN
        return last + window_seconds / self._PROBES_OF_PAST if is_leaving else self._begun_until
