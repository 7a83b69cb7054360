"""How fast to send: the exact log of sends, and the cap on requests in flight. Time is an argument.

A quota is `requests` in any `seconds`, counted where HubSpot sees them arrive. A window slides with each
request, so only the times of the last sends can say whether one more fits. Two sends that are `seconds`
apart here may be closer there, when the first travelled longer: `margin_seconds` keeps them apart.
From  https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

import re
from collections import deque
from dataclasses import dataclass

from uploader.core.wire import QuotaHeaders


@dataclass(frozen=True, slots=True)
class Quota:
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
#: Every kind of account has at least this; the first reply's headers tell the real one.
CAREFUL_QUOTA = Quota(100, 10.0)

_QUOTA = re.compile(r"([1-9]\d{0,8})/(\d{1,6}(?:\.\d{1,6})?)")


def parse_quota(text: str) -> Quota:
    """Read `REQUESTS/SECONDS`, such as 190/10; ValueError says what is wrong."""
    found = _QUOTA.fullmatch(text.strip())
    if not found or not float(found[2]):
        raise ValueError(f"{text!r} is not REQUESTS/SECONDS, such as 190/10")
    return Quota(int(found[1]), float(found[2]))


class SendLog:
    """When requests left, as far as they can still matter, and when the next one may.

    `cap` is the user's own limit, if any; `quota` is what the server says, or the careful guess.
    Both hold at once.
    """

    def __init__(self, cap: Quota | None, margin_seconds: float) -> None:
        self.cap = cap
        self.quota = cap or CAREFUL_QUOTA
        self.margin_seconds = margin_seconds
        self._sends: deque[float] = deque()
        self._predecessor = (0, float("-inf"))  # how many others sent, and when, at the latest

    @property
    def limits(self) -> tuple[Quota, ...]:
        return (self.quota,) if self.cap is None else (self.quota, self.cap)

    @property
    def slowest(self) -> Quota:
        return min(self.limits, key=lambda limit: limit.per_second)

    def wait_seconds(self, now: float) -> float:
        """How long until one more send breaks no window."""
        free_at = max(self._free_at(limit) for limit in self.limits)
        others, when = self._predecessor
        gone_at = when + self.quota.seconds + self.margin_seconds
        if now < gone_at:
            # Their sends leave the window all at once; until then ours have to share it with them.
            shared = Quota(max(0, self.quota.requests - others), self.quota.seconds)
            free_at = max(free_at, min(gone_at, self._free_at(shared)))
        return max(0.0, free_at - now)

    def _free_at(self, limit: Quota) -> float:
        """When the oldest of the last sends that fill a limit's window leaves it."""
        if not limit.requests:
            return float("inf")
        if len(self._sends) < limit.requests:
            return float("-inf")
        return self._sends[-limit.requests] + limit.seconds + self.margin_seconds

    def note(self, now: float) -> None:
        """A request leaves now."""
        self._sends.append(now)
        # By time, not by count: a longer window may be learned later.
        horizon = now - max(_LONGEST_SECONDS, *(2 * limit.seconds for limit in self.limits))
        while self._sends[0] < horizon:
            self._sends.popleft()

    def move(self, noted: float, left: float) -> None:
        """A request noted at `noted` went out only at `left`."""
        if left - noted < _SAME_SECONDS or noted not in self._sends:
            return
        self._sends.remove(noted)
        index = len(self._sends)
        while index and self._sends[index - 1] > left:
            index -= 1
        self._sends.insert(index, left)

    def learn(self, headers: QuotaHeaders) -> bool:
        """Take over the quota a reply names; True when it changed."""
        if not headers.limit:
            return False
        quota = Quota(headers.limit, headers.interval_seconds or self.quota.seconds)
        changed, self.quota = quota != self.quota, quota
        return changed

    def seed(self, headers: QuotaHeaders, now: float, started: float) -> None:
        """Take into account what a predecessor, unknown to us, may have sent in this window.

        In    the first reply's headers. What the window has lost beyond our own single request is booked
              as sent just now, the worst case. Without a count the window before `started` is taken as
              used up.
        """
        self.learn(headers)
        if headers.remaining is None:
            self._predecessor = (self.quota.requests, started)
        else:
            self._predecessor = (max(0, self.quota.requests - headers.remaining - 1), now)

    @property
    def predecessor(self) -> int:
        """How many requests others had sent in the window that the first reply told of."""
        return self._predecessor[0]


class InFlightCap:
    """How many batches may be in flight at once.

    The first goes alone: what is wrong with every row shows then, before a second request is spent.
    At a fixed rate the number in flight finds itself (rate x latency). The cap is for a server that slows
    down or pushes back: it halves then, and comes back one by one. While it binds it is raised by half, and
    kept there only if more got through: beyond that point requests merely queue up at the other end.
    """

    _RAISE, _SHRINK = 1.5, 0.5
    _WORTH_IT = 1.1  # times the former throughput
    _HOLD_SECONDS = 30.0

    def __init__(self, start: int, maximum: int) -> None:
        self.maximum = maximum
        self._start = float(min(start, maximum))
        self._limit = 1.0
        self._opened = False
        self._pushed_back = False
        self._shrunk_at = float("-inf")
        self._hold_until = float("-inf")
        self._former: tuple[float, float] | None = None  # limit and throughput before the last raise
        self._begin(0.0)

    @property
    def limit(self) -> int:
        return int(self._limit)

    def open(self) -> None:
        """A batch was answered well."""
        if not self._opened:
            self._opened, self._limit = True, max(self._limit, self._start)

    def replied(self, now: float, in_flight: int) -> None:
        """An answer came, with `in_flight` requests out (itself included)."""
        if not self._opened:
            return
        if not self._replies:
            self._since = now
        self._replies += 1
        self._binding += in_flight >= self.limit
        if self._pushed_back:
            self._limit = min(float(self.maximum), self._limit + (in_flight >= self.limit) / self._limit)
        elif self._replies > self.limit and now > self._since:
            self._judge(now, (self._replies - 1) / (now - self._since))
            self._begin(now)

    def overloaded(self, now: float, sent_at: float) -> None:
        """The server pushed back. Requests that left before the last shrinking say nothing new."""
        self._pushed_back = True
        if sent_at >= self._shrunk_at:
            self._limit = max(1.0, self._limit * self._SHRINK)
            self._shrunk_at = now

    def _begin(self, now: float) -> None:
        self._replies, self._binding, self._since = 0, 0, now

    def _judge(self, now: float, throughput: float) -> None:
        if self._former and throughput < self._WORTH_IT * self._former[1]:
            self._limit, self._former = self._former[0], None
            self._hold_until = now + self._HOLD_SECONDS
        elif self._binding * 2 > self._replies and now >= self._hold_until:
            self._former = (self._limit, throughput)
            self._limit = min(float(self.maximum), self._limit * self._RAISE)
        else:
            self._former = None
