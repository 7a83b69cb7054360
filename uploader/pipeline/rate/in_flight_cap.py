"""How many batches may be in flight at once. Time is an argument.

At a fixed send rate the number in flight follows (rate x latency). The cap is for a server that slows down or
is overloaded: it is halved then, and raised one by one. And where no quota limits the rate, it finds out how
many the server answers side by side.
"""

#: At rates that HubSpot grants, replies may take so long without the rate suffering.
_GRANTED_PER_SECOND, _SLOW_SECONDS = 50.0, 10.0


class InFlightCap:
    """The cap on batches in flight.

    The first batch goes alone, so that a fault of every row shows before a second request is spent. A few
    more may follow if its answer is slow. If no quota limits the rate, the start value is a guess: the cap is
    raised while it is reached and replies get no slower, by a quarter in the time of a reply, and lowered
    again where they do. Beyond that, requests only queue up at the server, and the records in them push
    others out of the processor's cache.
    """

    #: With the requests before it, so many show a systemic fault at a price of less than twenty.
    _UNANSWERED = 16
    _SHRINK = 0.5
    _STEP = 0.25  # a reply, until the server first pushes back
    _MANY = 20
    _SLOWER = 1.5  # times the least mean latency

    def __init__(self, start: int, maximum: int) -> None:
        self.maximum = maximum
        self._start = float(min(start, maximum))
        self._limit = 1.0
        self._opened = False
        self._fine = 0  # replies since the last push back
        self._shrunk_at = float("-inf")
        self._replies = 0  # that came while the cap was reached
        self._mean_latency = 0.0  # of about the last `_MANY` of them
        self._least_latency = float("inf")  # the least that was

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def is_open(self) -> bool:
        """Whether more than the first batch may be in flight."""
        return self._opened

    def unanswered(self) -> None:
        """Allow more than one request, because the first batch has waited long for its answer."""
        if not self._opened:
            self._limit = float(min(self._UNANSWERED, self.maximum))

    def open(self, per_second: float = 0.0) -> None:
        """Allow more than one request: a batch was answered well, at this send rate."""
        if not self._opened:
            needed = per_second * _SLOW_SECONDS if per_second <= _GRANTED_PER_SECOND else 0.0
            self._start = min(float(self.maximum), max(self._start, needed))
            self._opened, self._limit = True, max(self._limit, self._start)

    def replied(self, in_flight: int, latency_seconds: float) -> None:
        """Learn from a reply after `latency_seconds`, with `in_flight` requests (itself included)."""
        if not self._opened:
            return
        self._fine += 1
        if in_flight < self.limit:
            return
        self._note_latency(latency_seconds)
        was_pushed_back = self._shrunk_at > float("-inf")
        step = 1 / self._limit if was_pushed_back else self._STEP
        if self._limit < self._start or self._is_as_quick_as_ever:
            self._limit = min(float(self.maximum), self._limit + step)
        elif self._replies >= self._MANY:
            self._limit = max(self._start, self._limit - step)

    def overloaded(self, now: float, sent_at: float, *, is_explicit: bool = True) -> None:
        """Lower the cap, because the server is overloaded. Requests that left before the last lowering are
        ignored.

        `is_explicit`: the status means overload. Otherwise one failure among many good replies is an
        accident.
        """
        is_accident = not is_explicit and self._fine >= self._MANY
        self._fine = 0
        if not is_accident and sent_at >= self._shrunk_at:
            self._limit = max(1.0, self._limit * self._SHRINK)
            self._shrunk_at = now

    @property
    def _is_as_quick_as_ever(self) -> bool:
        """Whether replies that came while the cap was reached are no slower than others before them."""
        return self._replies >= self._MANY and self._mean_latency <= self._SLOWER * self._least_latency

    def _note_latency(self, latency_seconds: float) -> None:
        self._replies += 1
        self._mean_latency += (latency_seconds - self._mean_latency) / min(self._replies, self._MANY)
        if self._replies >= self._MANY:
            self._least_latency = min(self._least_latency, self._mean_latency)
