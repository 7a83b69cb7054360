"""How much of the quota other senders on the same token use. Time is an argument.

`Remaining` says how full the window was, but not when: it may be computed when the request arrives or when it
is answered. In between, requests of our own leave and others drop out of the window. So a reply gives a range
for what others use: what is used, less our own part at one end of the exchange or at the other. The known use
stays as it is while it lies in that range, and else changes only as far as it must.

- Without others, the range always includes zero, so our own requests are never taken for theirs.
- While we send at a steady pace, both ends have the same count, and a reply shows exactly what others use.
- While our pace changes, the range is as wide as that change during one exchange. A known sender is believed
  to be there still; a new one is noticed when the pace is steady again.
- A request that is refused, lost or still connecting is in our count and not in the server's. The range is
  too low by it, for a window at most. A refusal shows more: the window was full when the request arrived.
- A reply that took long gives a wide range, and so changes little.

We yield to others: we leave them what they use, and a gap beside it, so that they can take more. The gap
grows with what we have beyond them, so two uploaders come to equal shares. If they do not use it, it shrinks
to one request, apart from an occasional offer.
"""

from collections import deque
from statistics import median_low


class Others:
    """What other senders have used of a window, as last seen."""

    #: Requests that pass each other on the way make our own count wrong by so many.
    UNCERTAIN = 2
    # Slots left free for others who are there, and the share of what we have beyond them and some. Less, and
    # two uploaders come to equal shares too slowly; more, and each use of others costs too much.
    _GAP, _GAP_SHARE, _GAP_FROM = 1, 0.08, 10
    # The share is left free for so many windows after they took more, then in one window of so many, in part.
    _WANTED_WINDOWS, _OFFER_EVERY_WINDOWS, _OFFER = 12, 24, 3
    _PROBES = 12  # in a window, however full others keep it
    _PROBES_OF_PAST = 40  # the same while a predecessor's requests are seen to leave it
    _KEPT = 7

    def __init__(self) -> None:
        self.requests = 0  #: of others in any window, about; 0 if there are none
        self._recent: deque[tuple[float, int]] = deque(maxlen=self._KEPT)  # when, how many
        self._level, self._grown_at = 0, float("-inf")  # the most they took, and when that became more
        self._at_begin = 0
        self._begun_until = float("-inf")

    def begin(self, requests: int, now: float, window_seconds: float) -> None:
        """Note what the window held before our first request: perhaps from an earlier process that has ended.

        It is not known when these leave the window, so no request is tried that may exceed it.
        """
        self.fill(requests, now)
        self._at_begin, self._begun_until = requests, now + window_seconds

    def note_use(self, least: int, most: int, now: float, window_seconds: float) -> None:
        """Note that a reply shows between `least` and `most` requests of others. Noise may make either
        negative.
        """
        found = within(least, most, self.requests)
        if self.is_past(now):
            # A predecessor's requests leave the window one by one: the latest reply is the most accurate.
            self._recent.clear()
        self.lapse(now, window_seconds)
        self._recent.append((now, max(0, found)))
        self._notice_growth(now)

    def lapse(self, now: float, window_seconds: float) -> None:
        """Forget what was seen before this window."""
        while self._recent and self._recent[0][0] < now - window_seconds:
            self._recent.popleft()
        self.requests = self._seen()

    def _seen(self) -> int:
        """Return what `requests` is by what was seen last."""
        if not self._recent:
            return 0
        # Who has just taken more has it; that they have less has to be seen more often.
        recent = max(median_low([count for _, count in self._recent]), self._recent[-1][1] - self.UNCERTAIN)
        return recent if recent > self.UNCERTAIN else 0

    def fill(self, requests: int, now: float) -> None:
        """Note that others certainly have so many requests."""
        self._recent.extend([(now, max(0, requests))] * self._KEPT)
        self._notice_growth(now)

    def _notice_growth(self, now: float) -> None:
        self.requests = self._seen()
        if self.requests >= self._level + self.UNCERTAIN:
            self._level, self._grown_at = self.requests, now
        self._level = min(self._level, self.requests)

    def forget(self) -> None:
        """Start again with a different window."""
        self._recent.clear()
        self.requests = 0

    def available(self, quota: int, ours: int, now: float, window_seconds: float) -> int | None:
        """Return how many requests of a window may be ours; None if there are no other senders."""
        if self.is_past(now):
            past = self._recent[-1][1] if self._recent else 0
            return quota - past - (self._GAP if self.requests else 0)
        others = self.requests
        if not others:
            return None
        return quota - others - self._GAP - self._offer(ours, now, window_seconds)

    def _offer(self, ours: int, now: float, window_seconds: float) -> int:
        """Return the requests left to others beyond the least gap."""
        share = int(self._GAP_SHARE * max(0, ours - self.requests - self._GAP_FROM))
        if self.is_growing(now, window_seconds):
            return share
        windows = (now - self._grown_at) / window_seconds
        return min(share, self._OFFER) if windows % self._OFFER_EVERY_WINDOWS < 1 else 0

    def is_growing(self, now: float, window_seconds: float) -> bool:
        """Whether others have used more lately and may want more."""
        return now - self._grown_at < self._WANTED_WINDOWS * window_seconds

    def is_past(self, now: float) -> bool:
        """Whether others may have sent only before our start."""
        return now < self._begun_until

    def probe_at(self, last: float, now: float, window_seconds: float) -> float:
        """Return when one of our requests may leave although the window is full, because the use by others
        changes.
        """
        if not self.is_past(now):
            return last + window_seconds / self._PROBES
        is_leaving = bool(self._recent) and self._recent[-1][1] < self._at_begin - self.UNCERTAIN
        return last + window_seconds / self._PROBES_OF_PAST if is_leaving else self._begun_until


def within(least: int, most: int, known: int) -> int:
    """Return `known` if it lies in the range or just outside a wide one, else the nearer end."""
    noise = Others.UNCERTAIN if most - least > Others.UNCERTAIN else 0
    if least - noise <= known <= most + noise:
        return known
    return max(least, min(known, most))
