"""How many batches may be in flight at once. Time is an argument.

At a fixed send rate the number in flight finds itself (rate x latency). The cap is for a server that slows
down or pushes back: it shrinks by a share then, and comes back one by one.
"""

#: At rates that HubSpot grants, replies may take so long without the rate suffering.
_GRANTED_PER_SECOND, _SLOW_SECONDS = 50.0, 10.0


class InFlightCap:
    """The first batch goes alone: what is wrong with every row shows then, before a second request is spent.
    A few may follow where its answer is slow to come.

    Where no quota binds, the start is a guess: while the cap binds it is raised by half, and kept there only
    if more got through: beyond that point requests merely queue up at the other end.
    """

    #: With the requests before it, so many show a systemic fault at a price of less than twenty.
    _UNANSWERED = 16
    _RAISE, _SHRINK, _SHRINK_SLOW = 1.5, 0.5, 0.7
    _WORTH_IT = 1.25  # times the former throughput: less may be chance, and a cap once raised stays
    _HOLD_SECONDS = 30.0
    _MANY = 20
    # Growing latency: so many periods in a row, in each so much more than in the last, and than ever at best.
    _PERIOD_SECONDS, _PERIODS, _GROWN, _FAR_GROWN = 5.0, 3, 1.2, 2.0

    def __init__(self, start: int, maximum: int) -> None:
        self.maximum = maximum
        self._start = float(min(start, maximum))
        self._limit = 1.0
        self._opened = False
        self._pushed_back = False
        self._fine = 0  # replies since the last push back
        self._shrunk_at = float("-inf")
        self._hold_until = float("-inf")
        self._former: tuple[float, float] | None = None  # limit and throughput before the last raise
        self._begin(0.0)
        self._latencies: list[float] = []
        self._period_since = 0.0
        self._last_latency = self._best_latency = float("inf")
        self._growing = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def is_open(self) -> bool:
        return self._opened

    def unanswered(self) -> None:
        """The first batch has waited for its answer for some while: that line is slow."""
        if not self._opened:
            self._limit = float(min(self._UNANSWERED, self.maximum))

    def open(self, per_second: float = 0.0) -> None:
        """A batch was answered well, at this send rate."""
        if not self._opened:
            needed = per_second * _SLOW_SECONDS if per_second <= _GRANTED_PER_SECOND else 0.0
            start = min(float(self.maximum), max(self._start, needed))
            self._opened, self._limit = True, max(self._limit, start)

    def replied(self, now: float, in_flight: int, latency_seconds: float = 0.0) -> None:
        """An answer came, with `in_flight` requests out (itself included)."""
        if not self._opened:
            return
        self._fine += 1
        self._watch_latency(now, in_flight, latency_seconds)
        if not self._replies:
            self._since = now
        self._replies += 1
        self._binding += in_flight >= self.limit
        if self._pushed_back:
            if not self._growing:
                self._limit = min(float(self.maximum), self._limit + (in_flight >= self.limit) / self._limit)
        elif self._replies > self.limit and now > self._since:
            self._judge(now, (self._replies - 1) / (now - self._since))
            self._begin(now)

    def overloaded(self, now: float, sent_at: float, *, is_told: bool = True) -> None:
        """The server pushed back. Requests that left before the last shrinking say nothing new.

        One failure among many good replies, unless it is told to mean overload, is an accident.
        """
        is_accident = not is_told and self._fine >= self._MANY
        self._fine = 0
        if is_accident:
            return
        self._pushed_back = True
        if sent_at >= self._shrunk_at:
            self._shrink(now, self._limit * self._SHRINK)

    def _shrink(self, now: float, limit: float) -> None:
        self._limit = max(1.0, limit)
        self._shrunk_at = now

    def _watch_latency(self, now: float, in_flight: int, latency_seconds: float) -> None:
        """A server that answers ever later is given more than it can do. One that is merely slow is not."""
        if not self._latencies:
            self._period_since = now
        self._latencies.append(latency_seconds)
        if now - self._period_since < self._PERIOD_SECONDS:
            return
        mean = sum(self._latencies) / len(self._latencies)
        has_grown = mean > self._GROWN * self._last_latency and mean > self._FAR_GROWN * self._best_latency
        self._growing = self._growing + 1 if has_grown else 0
        self._best_latency, self._last_latency = min(self._best_latency, mean), mean
        self._latencies.clear()
        if self._growing >= self._PERIODS:
            self._pushed_back, self._growing = True, 0
            self._shrink(now, min(self._limit, float(in_flight)) * self._SHRINK_SLOW)

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
