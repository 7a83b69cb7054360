"""What every job that talks to HubSpot needs: a sender, an account, patience, and ways to end early.

Upload, preview, check, verify and undo build on it; what they do with rows is theirs.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from uploader.hubspot.account import Account
from uploader.hubspot.client import Call, HubSpot, Transport
from uploader.hubspot.sign_in.token_provider import Access
from uploader.hubspot.wire import MAX_INPUTS, Paths, paths
from uploader.jobs.column_rules import may_hold_owners
from uploader.jobs.ending import Ending
from uploader.jobs.preflight import Preflight, check_keys
from uploader.jobs.summary import EarlyEnd
from uploader.model.settlements import Tallies
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.pipeline.rate.calendar import clock_text, next_midnight
from uploader.pipeline.rate.daily_quota import Day
from uploader.pipeline.rate.forecast import Forecast, Today, forecast
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Elapsed
from uploader.pipeline.reply_verdict import Verdict
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.sender import Sender
from uploader.settings import Settings
from uploader.settings.sign_in import SignInSettings
from uploader.settings.speed import OnLongPause
from uploader.sources.source import Source
from uploader.system.blocking_calls import Background, Offload

_LOG = logging.getLogger("uploader")

#: Batches under way at the start; `InFlightCap` finds the rest.
_START_IN_FLIGHT = 32
_WATCH_SECONDS, _LOOK_SECONDS = 0.2, 1.0
#: Past the reset itself, since clocks differ; and how much they may.
_RESET_GRACE_SECONDS, _CLOCKS_DIFFER_SECONDS, _ASK_AGAIN_SECONDS = 5.0, 900.0, 60.0
_DAY_SECONDS, _LONGEST_DAY_SECONDS = 86_400.0, 90_000.0
#: How often what has no known end is asked for.
_MIGRATION_SECONDS = 3_600.0


@dataclass(slots=True)
class Seams:
    """Where tests put other things than the world: each default is the real one."""

    transport: Callable[[SignInSettings], Transport] = lambda settings: HubSpot(
        settings.base_url, settings.token, settings.network
    )
    offload: Callable[[str], Offload] = Background
    roll: Callable[[], float] = random.random
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    batch_records: int = MAX_INPUTS


def _exact_clock(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The loop's. uvloop's own stands still while a callback runs: too coarse for an exact log of sends, so
    it is read where uvloop reads it, too.
    """
    is_coarse = any(kind.__module__.partition(".")[0] == "uvloop" for kind in type(loop).__mro__)
    return time.monotonic if is_coarse else loop.time


class Session:
    """`stop` may be called at any time from the same loop, a second time to stop at once."""

    def __init__(self, settings: Settings, seams: Seams | None = None) -> None:
        self.settings = settings
        self.seams = seams or Seams()
        self.account: Account | None = None
        self.sender: Sender | None = None
        self.sender_type: Callable[..., Sender] = Sender
        self.started = asyncio.Event()  #: the account is known and work is under way
        self._clock = _exact_clock(asyncio.get_running_loop())
        self.ending = Ending()
        self._day: asyncio.Task[None] | None = None  # asks for it

    @property
    def paths(self) -> Paths:
        return paths(self.settings.api_version, self.settings.object_type)

    def stop(self, signal: int = 0) -> None:
        """Let what is on the wire end and be booked, and leave the rest open; again: don't even wait."""
        self.ending.stop(signal)

    # --- before the first request that counts ---

    def _make_sender(self, transport: Transport, tallies: Tallies) -> None:
        settings = self.settings
        _LOG.info("%s", settings.network.told)
        self.sender = self.sender_type(
            transport,
            SendLog(settings.rate, share=settings.share),
            InFlightCap(_START_IN_FLIGHT, settings.max_in_flight),
            tallies,
            self._clock,
            day=Day(settings.daily_reserve),
            wall_clock=self.seams.wall_clock,
            day_is_spent=self._day_is_spent,
        )
        self.sender.vouching = Call("GET", self.paths.account)
        if settings.sign_in is not None:
            self.sender.access = Access(
                settings.sign_in,
                settings.token,
                transport,
                self.paths,
                self.sender.elapsed,
                outage_seconds=self._outage_seconds,
            )

    async def _look(self) -> Account:
        """The account and its properties. SettingsError where rows can't be matched by the key."""
        account = await self._look_at_properties(await self._look_at_account())
        if account.schema is not None:
            check_keys(self.settings.rules, account.schema)
        return account

    async def _look_at_account(self) -> Account:
        """Which account it is. Its day is asked for from then on, beside the rest: forecasts alone need that
        answer, so whatever becomes of the question ends nothing.
        """
        account = await self._preflight.look_at_account(self.settings.token)

        async def look_at_the_day() -> None:
            with suppress(StopRun):
                await self._preflight.look_at_the_day()

        self._day = self.ending.task(look_at_the_day())
        return account

    async def _until_day_is_known(self) -> None:
        """Or it turns out that nobody says."""
        if self._day is not None:
            await asyncio.wait({self._day})

    async def _look_at_properties(self, account: Account) -> Account:
        has_addresses = self.settings.rules.has_addresses
        schema = await self._preflight.look_at_properties(has_addresses=has_addresses)
        self.account = replace(account, schema=schema)
        return self.account

    async def _hang_up(self, transport: Transport) -> None:
        """The connections, once nothing is asked and no token is being renewed any more."""
        if self._day is not None:
            self._day.cancel()
            await asyncio.gather(self._day, return_exceptions=True)
        if self.sender is not None and self.sender.access is not None:
            await self.sender.access.close()
        await transport.close()

    async def _with_owners(
        self, sources: list[Source], account: Account, former: Sequence[Settings] = ()
    ) -> Account:
        """The account with its owners, where a source holds any by these settings or by former ones."""
        schema = account.schema
        if schema is None or not any(
            may_hold_owners(settings, sources, schema) for settings in (self.settings, *former)
        ):
            return account
        owners = await self._preflight.look_at_owners()
        self.account = replace(account, schema=replace(schema, owners=owners))
        return self.account

    @cached_property
    def _preflight(self) -> Preflight:
        return Preflight(self._attempts(), self.paths, self._outage_seconds)

    def _attempts(self) -> Attempts:
        assert self.sender is not None
        return Attempts(self.sender, self._patience, self.seams.roll)

    async def _share_work(
        self,
        works: Iterable[Coroutine[Any, Any, None]],
        drain: Callable[[Collection[asyncio.Task[None]]], Awaitable[None]] | None = None,
    ) -> None:
        """Until all are done. StopRun where the run ends first: then `drain` waits for some of the tasks, and
        the others are cancelled.
        """
        tasks = [self.ending.task(work) for work in works]
        watch = self.ending.task(self._watch())
        try:
            await self.ending.unless_ended(asyncio.wait(tasks))
        except StopRun:
            if drain is not None:
                await drain(tasks)
            raise
        finally:
            for task in (*tasks, watch):
                task.cancel()
            await asyncio.gather(*tasks, watch, return_exceptions=True)

    # --- ending early ---

    def _reason(self) -> str:
        """Why the run ends early; "" where it does not."""
        ending = self.ending
        reason = ": ".join(part for part in (ending.cause, ending.reason) if part)
        if ending.cause is Cause.DAILY and self.sender:
            reason += f"; the account's next day begins at {self.clock_text(self.next_reset())}"
        return reason

    def _early_end(self) -> EarlyEnd | None:
        ending = self.ending
        return EarlyEnd(ending.cause, self._reason(), ending.signal) if ending.cause else None

    async def _watch(self) -> None:
        """Stop the run when nothing succeeds for long."""
        sender = self.sender
        assert sender is not None
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            sender.notice_time()
            limit = self._outage_seconds()
            if sender.pausing in LONG_PAUSES:
                sender.failing_since = None  # a straggler's failure says nothing of what comes after
            since = sender.failing_since
            if since is not None and self._clock() - since > limit:
                raise StopRun(Cause.OUTAGE, f"nothing succeeded for {limit:g} s: {sender.last_failure}")

    async def _wait_out(self, seconds: float) -> None:
        """Sleep; the time in which the machine sleeps counts, too."""
        time = Elapsed(self._clock(), self.seams.wall_clock().timestamp())
        until = time.seconds + seconds
        while (rest := until - time.seconds) > 0:
            await asyncio.sleep(min(rest, _LOOK_SECONDS))
            time.read(self._clock(), self.seams.wall_clock().timestamp())

    def _outage_seconds(self) -> float:
        """How long nothing may succeed."""
        assert self.sender is not None
        settings = self.settings
        return settings.outage_seconds if self.sender.ever_answered else settings.first_contact_seconds

    # --- the day ---

    def _patience(self, verdict: Verdict) -> float | None:
        """How long to wait for what ends by itself; None where the user would rather stop."""
        cause = verdict.cause
        if cause not in LONG_PAUSES or self.settings.on_long_pause is OnLongPause.STOP:
            return None
        if verdict.pause_seconds:
            return verdict.pause_seconds
        if cause is Cause.MIGRATION or self.account is None:
            return _MIGRATION_SECONDS
        return self._seconds_to_reset()

    def _day_is_spent(self) -> float:
        """The requests we may send today are used up: wait for the next day, or stop."""
        if self.settings.on_long_pause is OnLongPause.STOP:
            raise StopRun(Cause.DAILY, self._day_text())
        return self._seconds_to_reset()

    def _day_text(self) -> str:
        assert self.sender is not None
        day = self.sender.day
        reserved = day.reserve.of(day.limit)
        kept = f"all but the {reserved:,} kept for other apps" if reserved else "all"
        return f"{kept} of {day.limit or 0:,} requests are used today"

    def server_now(self) -> datetime:
        """By HubSpot's clock, as far as it is known: what its times are compared with."""
        return self.seams.wall_clock() if self.sender is None else self.sender.server_now()

    def next_reset(self) -> datetime:
        """When the account's day ends, as far as anybody has said."""
        assert self.sender is not None
        now, resets_at = self.server_now(), self.sender.day.resets_at
        if resets_at is not None and resets_at > now:
            return resets_at
        account = self.account or Account()
        return next_midnight(now, account.time_zone, account.utc_offset_seconds)

    def clock_text(self, moment: datetime) -> str:
        """A time by the account's own clock, and by this machine's."""
        account, now = self.account or Account(), self.server_now()
        return clock_text(moment, now, account.time_zone or "UTC", account.utc_offset_seconds)

    def _seconds_to_reset(self) -> float:
        assert self.sender is not None
        now, resets_at = self.server_now(), self.sender.day.resets_at
        if resets_at is not None and 0 <= (now - resets_at).total_seconds() < _CLOCKS_DIFFER_SECONDS:
            return _ASK_AGAIN_SECONDS  # by the clock the day is over, and it is not yet
        rest = (self.next_reset() - now).total_seconds()
        if resets_at is None and rest > _DAY_SECONDS - _CLOCKS_DIFFER_SECONDS:
            return _ASK_AGAIN_SECONDS
        has_zone = resets_at is not None or (self.account is not None and self.account.time_zone)
        # By a clock that may be wrong nobody waits for a day: to ask every hour costs little.
        is_sure = has_zone and self.sender.knows_server_time and rest <= _LONGEST_DAY_SECONDS
        return min(rest + _RESET_GRACE_SECONDS, math.inf if is_sure else _MIGRATION_SECONDS)

    def requests_for(self, records: int) -> int:
        """How many requests so many records take in full batches, reading them first included."""
        return -(-records // MAX_INPUTS) * (2 if self.settings.looks_first else 1)

    def forecast(self, requests: int, per_second: float | None = None) -> Forecast:
        """How long so many more requests take, the account's days included."""
        assert self.sender is not None
        day, log = self.sender.day, self.sender.log
        grant = None if day.limit is None else max(0, day.limit - day.reserve.of(day.limit))
        account, now = self.account or Account(), self.server_now()
        today = Today(day.left, grant, day.resets_at)
        if self.sender.pausing is Cause.DAILY:
            today = Today(0, grant, now + timedelta(seconds=self.sender.pause_seconds))
        return forecast(
            requests,
            max(per_second or log.expected_per_second(self._clock()), 1e-3),
            now,
            today,
            lambda at: next_midnight(at, account.time_zone, account.utc_offset_seconds),
        )

    async def _follow_the_day(self) -> None:
        """Ask anew when a day has ended, so that the end of the next is known. Until cancelled."""
        sender = self.sender
        assert sender is not None
        day, asked_for = sender.day, None
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            is_over = day.resets_at is not None and day.resets_at < self.server_now()
            if is_over and day.resets_at != asked_for and sender.pausing is None:
                asked_for = day.resets_at
                await self._preflight.look_at_the_day()
