"""How fast to send: the exact log of sends, and how to stay just under the quota. Time is an argument.

A quota is `requests` in any `seconds`, counted where HubSpot sees them arrive. A window slides with each
request, so only the times of the last sends show whether one more fits. `use_by_others` finds out who else
sends on the same token; `in_flight_cap` limits the requests in flight.
From  https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

import re
from bisect import bisect_left, insort
from dataclasses import dataclass

from uploader.hubspot.replies import QuotaHeaders
from uploader.pipeline.rate.use_by_others import Others


@dataclass(frozen=True, slots=True)
class Quota:
    """A number of requests that may be sent in any window of so many seconds."""

    requests: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds:g}"


#: Less than the margin by far: not worth moving a send in the log.
_SAME_SECONDS = 0.005
#: Sends are remembered at least so long.
_LONGEST_SECONDS = 60.0
#: What a timer may be late.
_LATE_SECONDS = 0.02
#: Reads that may leave, after the first request, while a predecessor may have filled the window.
EARLY_READS = 5
#: Every kind of account has at least this; the first reply's headers name the real one.
CAREFUL_QUOTA = Quota(100, 10.0)

_QUOTA = re.compile(r"([1-9]\d{0,8})/(\d{1,6}(?:\.\d{1,6})?)")


def parse_quota(text: str) -> Quota:
    """Read `REQUESTS/SECONDS`, such as 190/10; ValueError says what is wrong."""
    found = _QUOTA.fullmatch(text.strip())
    if not found or not float(found[2]):
        raise ValueError(f"{text!r} is not REQUESTS/SECONDS, such as 190/10")
    return Quota(int(found[1]), float(found[2]))


class Margin:
    """Seconds kept between two sends that are a window apart here, and may be closer where they arrive.

    It narrows window by window while the server's window is never full, and widens when it was overrun by us:
    what lies below the margin of that moment is then not tried again for long.
    """

    START, LEAST, MOST = 0.06, 0.005, 0.5
    _NARROW, _WIDEN = 0.8, 2.0
    _REMEMBERED_SECONDS = 1_800.0
    _REGRET_SECONDS = 60.0  # within so long, others may turn out to have been the cause

    def __init__(self, seconds: float = START) -> None:
        self.seconds = seconds
        self._least_remaining: int | None = None
        self._judged_at: float | None = None
        self._overrun: tuple[float, float] | None = None  # the margin that was too narrow, and when
        # Both as they were before an overrun while no other sender was known, and the time of it.
        self._before: tuple[float, tuple[float, float] | None] = (seconds, None)
        self._alone_at = float("-inf")

    def note_remaining(self, now: float, remaining: int, window_seconds: float, *, is_bound: bool) -> None:
        """Note the remaining requests of a reply. `is_bound`: we send as fast as the margin allows."""
        if self._judged_at is None or not is_bound:
            self._judged_at, self._least_remaining = now, None
            return
        least = self._least_remaining
        self._least_remaining = remaining if least is None else min(least, remaining)
        if now - self._judged_at >= window_seconds:
            if self._least_remaining:
                self.seconds = max(self._floor(now), self.seconds * self._NARROW)
            self._judged_at, self._least_remaining = now, None

    def overrun(self, now: float, *, is_alone: bool) -> None:
        """Widen the margin: one of our requests was too many for the window. `is_alone`: no other sender
        is known.
        """
        if is_alone and now - self._alone_at > self._REGRET_SECONDS:
            self._before, self._alone_at = (self.seconds, self._overrun), now
        self._overrun = (self.seconds, now)
        self.seconds = min(self.MOST, max(self.seconds, self.LEAST) * self._WIDEN)
        self._judged_at, self._least_remaining = now, None

    def excuse(self, now: float) -> None:
        """Undo a recent overrun: another sender has appeared and was the cause."""
        if now - self._alone_at <= self._REGRET_SECONDS:
            self.seconds, self._overrun = self._before
            self._alone_at = float("-inf")

    def _floor(self, now: float) -> float:
        if self._overrun and now - self._overrun[1] < self._REMEMBERED_SECONDS:
            return min(self.seconds, 1.3 * self._overrun[0])
        return min(self.seconds, self.LEAST)


class SendLog:
    """When requests left, as far as they can still matter, and when the next one may.

    `cap` is the user's own limit, if any; `quota` is what the server says, or the careful guess; `share` is
    the part of it that is ours to use. All of them hold at once.
    """

    def __init__(
        self, cap: Quota | None = None, *, share: float = 1.0, margin_seconds: float = Margin.START
    ) -> None:
        self.cap = cap
        self.share = share
        self._take(cap or CAREFUL_QUOTA)
        self.margin = Margin(margin_seconds)
        self.others = Others()
        self._sends: list[float] = []  # in order; `_head` of them are forgotten
        self._head = 0
        self._horizon = float("-inf")  # what left before it is forgotten
        self._unknown_until = float("-inf")  # a predecessor may have filled the window
        self._slot = self._due = float("-inf")  # beside others: when the last was to leave, and the next is
        self._refusals, self._refused_at = 0, float("-inf")  # in a row, and when the last of them had left
        self._taught_at = float("-inf")  # when the request left whose reply was the last to name the quota

    def _take(self, quota: Quota) -> None:
        self.quota = quota
        ours = Quota(max(1, int(quota.requests * self.share)), quota.seconds)
        self.limits: tuple[Quota, ...] = (ours,) if self.cap is None else (ours, self.cap)

    @property
    def slowest(self) -> Quota:
        return min(self.limits, key=lambda limit: limit.per_second)

    def expected_per_second(self, now: float) -> float:
        """Return the likely rate: the quota, less the margin and what others use.

        The requests of an earlier process, such as a `check` just before, are gone within a window.
        """
        ours, *cap = self.limits
        others = 0 if self.others.is_past(now) else self.others.requests
        requests = min(ours.requests, self.quota.requests - others) if others else ours.requests
        expected = max(1, requests) / (ours.seconds + self.margin.seconds)
        return min([expected, *(limit.per_second for limit in cap)])

    # --- may the next one leave? ---

    def wait_seconds(self, now: float, *, is_early: bool = False) -> float:
        """Return the seconds until one more send exceeds no window.

        `is_early`: a read that may leave before it is known what an earlier process sent.
        """
        ours, *cap = self.limits
        free_at = self._free_at(ours.requests, ours.seconds + self.margin.seconds)
        if cap:  # the user's own cap, which only we count
            free_at = max(free_at, self._free_at(cap[0].requests, cap[0].seconds))
        wait = max(0.0, free_at - now, self._others_wait(now))
        # So far all have been early reads, but for the first request.
        if is_early and len(self._sends) - self._head <= EARLY_READS:
            return wait
        return max(wait, self._unknown_until - now)

    def is_unknown(self, now: float) -> bool:
        """Whether an earlier process may have filled the window and no reply says how far."""
        return now < self._unknown_until

    def _others_wait(self, now: float) -> float:
        """Return the seconds to wait so that other senders get their part of the window."""
        window = self.quota.seconds
        allowed = self.others.available(self.quota.requests, self.count(now, window), now, window)
        if allowed is None:
            return 0.0
        free_at = self._free_at(allowed, window + self.margin.seconds)
        if allowed > 0 and not self.others.is_past(now):
            # Evenly: a burst shows nothing of what others do meanwhile; at a steady pace a reply shows what
            # they use, whichever moment its count is from.
            self._due = self._slot + (window + self.margin.seconds) / allowed
            free_at = max(free_at, self._due)
        return min(free_at, self.others.probe_at(self._last, now, window)) - now

    def _free_at(self, requests: int, seconds: float) -> float:
        """Return the time at which the oldest of the last `requests` sends leaves the time span."""
        if requests <= 0:
            return float("inf")
        if len(self._sends) - self._head < requests:
            return float("-inf")
        return self._sends[-requests] + seconds

    # --- what happened ---

    @property
    def _last(self) -> float:
        return self._sends[-1] if len(self._sends) > self._head else float("-inf")

    def count(self, at: float, seconds: float) -> int:
        """Return the number of our sends in the window that ends at `at`, which may be in the past."""
        first = bisect_left(self._sends, at - seconds, self._head)
        return bisect_left(self._sends, at + 1e-9, first) - first

    def note(self, now: float) -> None:
        """Log a request that leaves now."""
        self._sends.append(now)
        # On a schedule: what a timer is late, the next makes up for.
        self._slot = min(now, max(self._due, now - _LATE_SECONDS))
        # By time, not by count: a longer window may be learned later.
        self._horizon = now - max(_LONGEST_SECONDS, *(2 * limit.seconds for limit in self.limits))
        while self._sends[self._head] < self._horizon:
            self._head += 1
        if self._head > 1_000 and self._head * 2 > len(self._sends):
            del self._sends[: self._head]
            self._head = 0

    def move(self, noted: float, left: float) -> float:
        """Move a request logged at `noted` to `left`, when it really left. Returns its time in the log."""
        if left - noted < _SAME_SECONDS:
            return noted
        index = bisect_left(self._sends, noted, self._head)
        if index < len(self._sends) and self._sends[index] == noted:
            del self._sends[index]
            insort(self._sends, left, self._head)
        return left

    def learn(self, headers: QuotaHeaders, left: float = float("inf")) -> bool:
        """Take over the quota named in a reply to a request that left at `left`. Returns whether it changed.

        Replies overtake each other: a reply to an older request is ignored.
        """
        if not headers.limit or left < self._taught_at:
            return False
        self._taught_at = min(left, self._last)
        quota = Quota(headers.limit, headers.interval_seconds or self.quota.seconds)
        changed = quota != self.quota
        if changed:
            self._take(quota)
            self.others.forget()
        return changed

    def seed(self, headers: QuotaHeaders, now: float, started: float) -> None:
        """Log what an earlier process may have sent in this window.

        `headers`: of the first reply. Without a count, the window before `started` is taken as used up.
        """
        self.learn(headers)
        if headers.remaining is None:
            self._unknown_until = started + self.quota.seconds + self.margin.seconds
        else:
            self.others.begin(self.quota.requests - headers.remaining - 1, now, self.quota.seconds)

    def answered(self, headers: QuotaHeaders, left: float, now: float) -> None:
        """Learn what a reply to a request that left at `left` says of the window."""
        if left > self._refused_at:
            self._refusals = 0
        window = self.quota.seconds
        if headers.remaining is None:
            self.others.lapse(now, window)  # without a count it is not known when they are gone
        if headers.remaining is None or headers.limit != self.quota.requests or left < self._horizon + window:
            return
        # The count may be as of the arrival of the request, or as of the reply.
        ours, at_answer = self.count(left, window), self.count(now, window)
        used = self.quota.requests - headers.remaining
        self.others.note_use(used - max(ours, at_answer), used - min(ours, at_answer), now, window)
        if self.others.requests:
            self.margin.excuse(now)
        is_bound = ours >= self._allowed(ours, now) - 1 - self.quota.per_second * self.margin.seconds
        self.margin.note_remaining(now, headers.remaining, window, is_bound=is_bound)

    def _allowed(self, ours: int, now: float) -> int:
        """Return how many requests of a window are ours, considering what others use."""
        room = self.others.available(self.quota.requests, ours, now, self.quota.seconds)
        return self.quota.requests if room is None else room

    def _is_margin_to_blame(self, ours: int, now: float) -> bool:
        """Whether others neither use more and more nor have filled the window."""
        return not self.others.is_growing(now, self.quota.seconds) and self._allowed(ours, now) > 0

    def refused(self, left: float, now: float) -> float:
        """Return for how long no request should be sent, because the window was full when one of ours
        arrived.

        A moment, since the window slides; longer after each refusal in a row, because it may be fuller than
        we know.
        """
        self._refusals += 1
        self._refused_at = left
        window = self.quota.seconds
        ours = self.count(left, window)
        spare = self.quota.requests - ours
        if spare > Others.UNCERTAIN + self.others.requests:
            self.others.fill(spare, now)
        # Less than none: the quota is not what it was.
        elif spare >= 0 and self._refusals == 1 and self._is_margin_to_blame(ours, now):
            self.margin.overrun(now, is_alone=not self.others.requests)
        return min(window, window / 100 * 4.0 ** min(self._refusals - 1, 8))
