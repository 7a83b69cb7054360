"""The sender: every request of the process is sent here, one after the other, paced and counted.

Nothing is awaited between permit and send: permits that waiting workers hold become a burst. The exact
log decides when a request may leave; aiolimiter only smooths what the log allows.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from uploader.hubspot.replies import Reply
from uploader.hubspot.sign_in.token_provider import Access
from uploader.hubspot.transport import Call, Transport
from uploader.model.redaction import without_addresses
from uploader.model.settled_rows import Tallies
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.model.timeline import Timeline
from uploader.pipeline.rate.daily_quota import DailyQuota
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.search_pace import SearchPace
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.reply_verdict import Action, Verdict, hits_search_limit

_LOG = logging.getLogger("uploader")
#: How many requests may leave back to back if the log allows it, enough to make up for late timers; and how
#: much faster than the quota they may leave to catch up.
_SMOOTH_BURST, _CATCH_UP = 4, 1.05
#: The same after a start that took more than half a window, so that the rest of it can still be used.
_CATCH_UP_LATE = 1.4
#: Statuses of an overloaded server (0: no answer in time).
_OVERLOADED = frozenset({0, 423, 502, 503, 504, 524})
#: The one that says so explicitly; the others may concern only that one request.
_LOCKED = 423
#: Refusals that show that the server is up and accepts our token.
_THERE = frozenset({423, 429, 477})
#: How often a long pause looks at the wall clock: a suspended machine's own clock stands still.
_LOOK_SECONDS = 60.0
_MOMENT_SECONDS = 0.05
#: The mean time to a reply is that of about so many.
_RECENT_REPLIES = 20
#: After a longer pause, contacts that were read before it are read again.
FRESH_SECONDS = 60.0
#: Length of a pause whose end the server does not name.
_DEFAULT_SECONDS = 10.0


class OutOfDateError(Exception):
    """A request was not sent, because what it is based on was read before a long pause."""


@dataclass(slots=True)
class Pause:
    """A time in which no request is sent."""

    cause: Cause
    began: float
    until: float  #: in elapsed seconds: a machine that slept meanwhile has waited, too
    ends_day: bool = False  #: whether the day in which it began is over at its end


class Sender:
    """Sends requests when no pause, the smoothing and the log allow it, and learns from each reply."""

    only_reads = False  #: whether a write is answered without being sent

    def __init__(
        self,
        transport: Transport,
        log: SendLog,
        cap: InFlightCap,
        tallies: Tallies,
        clocks: Clocks,
        *,
        day: DailyQuota | None = None,
        day_is_spent: Callable[[], float] = lambda: _LOOK_SECONDS,
        access: Access | None = None,
    ) -> None:
        """`day_is_spent` returns the seconds to wait for the next day; it may raise StopRun instead.
        `access` provides the token; None: the transport has its own.
        """
        self.log = log
        self.cap = cap
        self.day = day or DailyQuota()
        self.in_flight = 0
        self.waiting = 0  #: requests that wait for their permits
        self.on_departure: Callable[[], None] = lambda: None  #: called when one of these no longer waits
        self.pause_under_way: Pause | None = None
        self.successes = 0  #: replies that settled something
        self.write_successes = 0  #: those of them that were replies to writes
        self.failing_since: float | None = None  #: when the first request left of those that failed in a row
        self._writes_fail = False  # of those in a row, some were about records to be written
        self.ever_answered = False
        self.reply_seconds = 0.0  #: the mean time to a reply, of the last ones; 0: none came yet
        self._replies = 0
        self.last_failure = ""
        self.tallies = tallies
        self.timeline: Timeline | None = None  #: records each reply
        self.access = access
        self._on_count: Callable[[], None] = lambda: None
        self._transport = transport
        self._clocks = clocks
        self._clock = clocks.loop
        self._stalled_seconds = 0.0
        self._day_is_spent = day_is_spent
        self._started = clocks.loop()
        self._turn = asyncio.Lock()
        self._searches, self._search_turn = SearchPace(), asyncio.Lock()
        self._alone = True  # until a first reply shows what an earlier process has used
        self._burst_seconds = 0.0  # what the last 429 of the window asks for, by our own log
        self._smooth = self._smoother()

    async def send(
        self,
        call: Call,
        *,
        note_in_flight: Callable[[bool], None] = lambda _: None,
        known_at: float = math.inf,
        may_resend: Callable[[], bool] = lambda: True,
        is_early: bool = False,
    ) -> Reply:
        """Wait for a permit, send, and return the reply. `note_in_flight` is called when the request leaves
        and when it is over.

        `known_at`: `stalled_seconds` when the data behind the request was read; OutOfDateError if the run has
        stood still for too long since, while others may write. `may_resend` is asked if only the token was
        refused and another one exists; a second refusal is returned as the reply. `is_early`: a read that
        need not wait until an earlier process's requests have left the window, as long as these are few.
        """
        refused = ""
        while True:
            reply = None
            with self._in_line():
                async with self._one_by_one(call):
                    noted = await self._permit(known_at, is_early=is_early)
                    if call.is_search:
                        self._searches.note(noted)
                    token = self.access.token if self.access else ""
                    if self._alone:
                        reply = await self._exchange(call, noted, note_in_flight, known_at)
            if reply is None:
                reply = await self._exchange(call, noted, note_in_flight, known_at)
            if self.access is None or not _is_refused(self.access, token, reply):
                return reply
            if (refused and token != refused) or not may_resend():
                return reply
            refused = token

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        """Count a request that waits for its permit."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self.on_departure()

    @asynccontextmanager
    async def _one_by_one(self, call: Call) -> AsyncIterator[None]:
        """Wait until it is this request's turn. A search first waits until its own limit allows one: others
        may leave meanwhile.
        """
        if not call.is_search:
            async with self._turn:
                yield
            return
        async with self._search_turn:
            # A refusal may prolong the wait.
            while (wait := self._searches.wait_seconds(self._clock())) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            async with self._turn:
                yield

    async def _ask_account(self, call: Call) -> Reply:
        """Send `call`, whose reply names the account of the token in use. The caller holds `_turn`."""
        noted = await self._permit(math.inf, is_early=True)
        return await self._exchange(call, noted, lambda _: None)

    def begin(self, tallies: Tallies, cap: InFlightCap, day_is_spent: Callable[[], float]) -> None:
        """Begin a job, which may follow another one: what is known of the quota stays. Its requests are
        counted into `tallies`, its first batch goes alone, and failures of the former job are forgotten.
        """
        self.tallies, self._on_count, self.timeline = tallies, lambda: None, None
        self.cap, self._day_is_spent = cap, day_is_spent
        self.failing_since, self._writes_fail, self.last_failure = None, False, ""

    def count_into(self, tallies: Tallies, on_count: Callable[[], None], timeline: Timeline) -> None:
        """Count into `tallies` from now on, and add what was counted before. `on_count` is called before a
        count changes; `timeline` records each answer.
        """
        tallies.requests, tallies.throttled = self.tallies.requests, self.tallies.throttled
        tallies.pauses = dict(self.tallies.pauses)
        self.tallies, self._on_count, self.timeline = tallies, on_count, timeline

    # --- time ---

    @property
    def stalled_seconds(self) -> float:
        """Seconds in all in which nothing could be sent, whatever the quota, including those in which the
        process did not run.
        """
        return self._stalled_seconds + self._clocks.stood_still_seconds

    # --- pauses ---

    def pause(self, cause: Cause, seconds: float | None, left_at: float) -> None:
        """Send nothing for a while. All replies of one kind share one pause.

        A reply to a request that left before the current or last pause began is ignored, unless it asks for a
        long pause. A pause may become longer, never shorter. The limit of searches holds up searches alone.
        """
        if cause is Cause.SEARCH:
            return
        now, last = self._clock(), self.pause_under_way
        if seconds is None:
            seconds = self._burst_seconds if cause is Cause.BURST else _DEFAULT_SECONDS
        if last is not None and left_at <= last.began and cause not in LONG_PAUSES:
            return
        rest = self.pause_seconds
        if last is not None and seconds <= rest:
            return
        if last is None or rest <= 0 or cause is not last.cause:
            self._on_count()
            counts = self.tallies.pauses
            counts[cause.value] = counts.get(cause.value, 0) + 1
            _LOG.info("pause of %.1f s: %s", seconds, cause)
        ends_day = cause is Cause.DAILY or (last is not None and last.ends_day)
        self.pause_under_way = Pause(cause, now, self._clocks.elapsed() + seconds, ends_day)

    def pause_for(self, verdict: Verdict, left_at: float) -> None:
        """Pause as long as a reply asks for."""
        assert verdict.cause is not None
        self.pause(verdict.cause, verdict.pause_seconds, left_at)

    def act_on(self, verdict: Verdict, patience: Callable[[Verdict], float | None], left_at: float) -> None:
        """Pause as a reply asks. If it asks to stop, pause for as long as `patience` returns; StopRun if
        that is None.
        """
        if verdict.action is not Action.STOP:
            self.pause_for(verdict, left_at)
            return
        assert verdict.cause is not None
        seconds = patience(verdict)
        if seconds is None:
            raise StopRun(verdict.cause, verdict.reason)
        self.pause(verdict.cause, seconds, left_at)

    @property
    def pause_seconds(self) -> float:
        """The seconds left of the current pause."""
        pause = self.pause_under_way
        return 0.0 if pause is None else max(0.0, pause.until - self._clocks.elapsed())

    @property
    def pausing(self) -> Cause | None:
        """The cause of the current pause, or None."""
        return self.pause_under_way.cause if self.pause_under_way and self.pause_seconds > 0 else None

    # --- how the server does ---

    def succeeded(self, *, is_write: bool = False) -> None:
        """Note that a reply settled something, so the server works. Reads prove nothing about writes."""
        self.successes += 1
        self.write_successes += is_write
        if is_write or not self._writes_fail:
            self.progressed()

    def progressed(self) -> None:
        """Note that rows were settled, so there is no general outage."""
        self.failing_since = None

    def failed(self, reason: str, left_at: float, *, is_write: bool = False) -> None:
        """Note that a request that left at `left_at` failed through no fault of its records."""
        self.last_failure = without_addresses(reason)
        if self.failing_since is None:
            self.failing_since, self._writes_fail = left_at, False
        self._writes_fail |= is_write

    def note_good_batch(self) -> None:
        """Note that the first batch was answered well: further ones may be sent side by side."""
        if self.cap.is_open:
            return
        slowest = self.log.slowest
        self.cap.open(slowest.per_second)
        if self._clock() - self._started > slowest.seconds / 2:
            self._smooth = self._smoother(_CATCH_UP_LATE)

    # --- one request ---

    async def _permit(self, known_at: float, *, is_early: bool) -> float:
        """Wait until one more request may leave. Returns the time at which the log has it."""
        await self._smooth.acquire()
        while True:
            now = self._clock()
            stalled = self.pause_seconds or self._wait_for_the_day()
            if self.access is not None:
                stalled = max(stalled, self.access.wait_seconds(self._clocks.elapsed()))
            # What the log says during a pause may be otherwise once that is over.
            wait = stalled or self.log.wait_seconds(now, is_early=is_early)
            if wait > 0:
                await asyncio.sleep(min(wait, _LOOK_SECONDS))
            else:
                self._check_age(known_at)
                self.log.note(now)
                if self.access is None or not self.access.is_due(self._clocks.elapsed()):
                    return now
                # Whether HubSpot counts it is not documented: so it counts.
                self._count_request()
                await self.access.renew(self._ask_account)
                stalled = self._clock() - now
            if stalled > 0:
                self._stalled_seconds += self._clock() - now

    def _check_age(self, known_at: float) -> None:
        if known_at < math.inf and self.stalled_seconds - known_at > FRESH_SECONDS:
            raise OutOfDateError

    def _wait_for_the_day(self) -> float:
        """Return the seconds to wait if the day's quota is used up, apart from what is reserved for
        others.
        """
        pause = self.pause_under_way
        slept = pause is not None and pause.ends_day
        if slept or (self.day.is_spent(self.in_flight) and self.day.has_ended(self._clocks.server_now())):
            if pause is not None:
                pause.ends_day = False
            self.day.begin()  # what was left of the day that has ended says nothing of this one
            self._alone = True  # its first reply does; until then nothing more leaves
        if not self.day.is_spent(self.in_flight):
            return 0.0
        if self.in_flight and self.day.left:
            return _MOMENT_SECONDS  # those in flight may be counted already: their replies tell
        self.pause(Cause.DAILY, self._day_is_spent(), self._clock())
        return self.pause_seconds

    async def _exchange(
        self, call: Call, noted: float, note_in_flight: Callable[[bool], None], known_at: float = math.inf
    ) -> Reply:
        """Send a request that has its permit, and note when it really left."""
        sent_at = left_at = self._clock()
        elapsed = self._clocks.elapsed()
        self.in_flight += 1
        self._count_request()
        note_in_flight(True)

        departures = 0

        def left() -> None:
            nonlocal left_at, departures
            departures += 1
            if departures == 1:
                # A new connection takes its time: what counts is when the request went out.
                left_at = self.log.move(noted, self._clock())
                if call.is_search:
                    self._searches.move(noted, left_at)
                self._check_age(known_at)  # the machine may have slept meanwhile
            else:
                # aiohttp sends a GET again by itself where an idle connection turns out to be closed.
                self.log.note(self._clock())
                self._count_request()

        try:
            reply = await self._transport.send(call, left)
        finally:
            note_in_flight(False)
            in_flight, self.in_flight = self.in_flight, self.in_flight - 1
        if reply.date is not None:
            self._clocks.note_reply(reply.date, elapsed)
        self._learn(reply, sent_at, left_at, in_flight)
        if call.is_search:
            self._learn_of_search(reply, left_at)
        else:
            self._learn_of_window(reply, left_at)
        return reply

    def _count_request(self) -> None:
        self._on_count()
        self.tallies.requests += 1

    def _learn(self, reply: Reply, sent_at: float, left_at: float, in_flight: int) -> None:
        """Learn from a reply: requests in flight, timeline, the day."""
        now = self._clock()
        self._replies += 1
        self.reply_seconds += (now - left_at - self.reply_seconds) / min(self._replies, _RECENT_REPLIES)
        if reply.status in _OVERLOADED and reply.maybe_applied:
            self.cap.overloaded(now, sent_at, is_explicit=reply.status == _LOCKED)
        else:
            self.cap.replied(in_flight, now - sent_at)
        self.day.learn(reply.quota, left_at)
        if self.timeline is not None:
            wall = self._clocks.wall().timestamp()
            self.timeline.note_answer(wall, reply.status, now - left_at, in_flight)
        if reply.status == 429:
            self._on_count()
            self.tallies.throttled += 1
        if reply.readable and (reply.ok or reply.status in _THERE):
            self.ever_answered = True

    def _learn_of_search(self, reply: Reply, left_at: float) -> None:
        """Learn from a reply to a search. It has no headers, and says of the window only that it is full."""
        if hits_search_limit(reply):
            self._searches.refused(left_at, self._clock(), reply.retry_after_seconds)
            return
        self._searches.answered(left_at)
        if reply.status == 429:
            self._learn_of_window(reply, left_at)

    def _learn_of_window(self, reply: Reply, left_at: float) -> None:
        """Learn from a reply what the window holds."""
        now = self._clock()
        if self._alone and (reply.status or reply.maybe_applied):
            self.log.seed(reply.quota, now, self._started)
            self._alone = False
            self._smooth = self._smoother()
            _LOG.info(
                "quota %s, %d requests used by others before this run",
                self.log.quota,
                self.log.others.requests,
            )
        elif self.log.learn(reply.quota, left_at):
            _LOG.info("quota is %s now", self.log.quota)
            self._smooth = self._smoother()
        if reply.status != 429:
            self.log.answered(reply.quota, left_at, now)
        elif self.pause_under_way is None or left_at > self.pause_under_way.began:
            self._burst_seconds = self.log.refused(left_at, now)

    def _smoother(self, catch_up: float = _CATCH_UP) -> AsyncLimiter:
        slowest = self.log.slowest
        burst = min(_SMOOTH_BURST, slowest.requests)
        return AsyncLimiter(burst, burst / (slowest.per_second * catch_up))


def _is_refused(access: Access, token: str, reply: Reply) -> bool:
    """Whether it was the token alone that was refused, and there may be another one to send by."""
    if reply.status == 401:
        return access.refused(token)
    if reply.ok:
        access.worked(token)
    return False
