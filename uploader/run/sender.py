"""The one door to HubSpot: every request of the process passes here, in turn, paced and counted.

Nothing is awaited between permit and send: permits that waiting workers hold become a burst. The exact
log decides; aiolimiter only smooths what the log allows.
"""

import asyncio
import logging
from collections.abc import Callable

from aiolimiter import AsyncLimiter

from uploader.core.model import Tallies
from uploader.core.outcome import Cause
from uploader.core.pacing import InFlightCap, SendLog
from uploader.core.wire import Reply
from uploader.edges.hubspot import Call, Transport

_LOG = logging.getLogger("uploader")
#: How many may leave back to back where the log allows it: enough to make up for late timers.
_SMOOTH_BURST = 4
#: Codes of a server that is pushed too hard (and 0: no answer in time).
_OVERLOADED = frozenset({0, 423, 502, 503, 504, 524})


class Sender:
    """Sends when the pause is over, the smoothing and the log allow it; learns from each reply."""

    def __init__(
        self,
        transport: Transport,
        log: SendLog,
        cap: InFlightCap,
        tallies: Tallies,
        clock: Callable[[], float],
    ) -> None:
        self.log = log
        self.cap = cap
        self.on_wire = 0
        self.paused_until = float("-inf")
        self.pause_cause: Cause | None = None
        self.successes = 0  #: replies that settled something
        self.failing_since: float | None = None  #: when the first request left of those that failed in a row
        self.ever_answered = False
        self.last_failure = ""
        self.tallies = tallies
        self._transport = transport
        self._clock = clock
        self._started = clock()
        self._turn = asyncio.Lock()
        self._alone = True  # until a first reply has told what a predecessor used up
        self._smooth = self._smoother()

    async def send(self, call: Call, *, on_wire: Callable[[bool], None] = lambda _: None) -> Reply:
        """Wait for a permit and send. `on_wire` is told when the request leaves and when it is over."""
        async with self._turn:
            noted = await self._permit()
            if self._alone:
                return await self._exchange(call, noted, on_wire)
        return await self._exchange(call, noted, on_wire)

    def pause(self, cause: Cause, seconds: float) -> None:
        """Nobody sends for a while. A pause under way is made longer, never shorter."""
        until = self._clock() + seconds
        if until > self.paused_until:
            _LOG.info("pause of %.1f s: %s", seconds, cause)
            self.paused_until, self.pause_cause = until, cause

    def succeeded(self) -> None:
        """A reply settled something: the server is there and works."""
        self.successes += 1
        self.failing_since = None

    def failed(self, reason: str, sent_at: float) -> None:
        """A request brought nothing, through no fault of its records."""
        self.last_failure = reason
        if self.failing_since is None:
            self.failing_since = sent_at

    @property
    def pausing(self) -> Cause | None:
        """Why nobody sends now, if so."""
        return self.pause_cause if self._clock() < self.paused_until else None

    async def _permit(self) -> float:
        """Wait until one more may leave; when it was noted as leaving comes back."""
        await self._smooth.acquire()
        while True:
            now = self._clock()
            wait = max(self.log.wait_seconds(now), self.paused_until - now)
            if wait <= 0:
                self.log.note(now)
                return now
            await asyncio.sleep(wait)

    async def _exchange(self, call: Call, noted: float, on_wire: Callable[[bool], None]) -> Reply:
        sent_at = self._clock()
        self.on_wire += 1
        self.tallies.requests += 1
        on_wire(True)
        try:
            # A new connection takes its time: what counts is when the request went out.
            reply = await self._transport.send(call, lambda: self.log.move(noted, self._clock()))
        finally:
            on_wire(False)
            in_flight, self.on_wire = self.on_wire, self.on_wire - 1
        self._learn(reply, sent_at, in_flight)
        return reply

    def _learn(self, reply: Reply, sent_at: float, in_flight: int) -> None:
        now = self._clock()
        if reply.status == 429:
            self.tallies.throttled += 1
        if reply.status in _OVERLOADED and reply.maybe_applied:
            self.cap.overloaded(now, sent_at)
        else:
            self.cap.replied(now, in_flight)
        if self._alone and (reply.status or reply.maybe_applied):
            self.log.seed(reply.quota, now, self._started)
            self._alone = False
            self._smooth = self._smoother()
            _LOG.info("quota %s, %d used up before us", self.log.quota, self.log.predecessor)
        elif self.log.learn(reply.quota):
            _LOG.info("quota is %s now", self.log.quota)
            self._smooth = self._smoother()
        if reply.ok and reply.readable:
            self.ever_answered = True

    def _smoother(self) -> AsyncLimiter:
        rate = self.log.slowest.per_second
        burst = min(_SMOOTH_BURST, self.log.slowest.requests)
        return AsyncLimiter(burst, burst / rate)
