"""A job's session with HubSpot: by which sender it asks, which account that is, how patient it is."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from uploader.hubspot.account import Account
from uploader.hubspot.client import HubSpot, Transport
from uploader.hubspot.sign_in.token_provider import Access
from uploader.hubspot.wire import MAX_INPUTS, paths
from uploader.jobs.account_day import MIGRATION_SECONDS, AccountDay
from uploader.jobs.column_rules import may_hold_owners
from uploader.jobs.ending import Ending
from uploader.jobs.preflight import Preflight, check_keys
from uploader.jobs.summary import EarlyEnd
from uploader.model.settlements import Tallies
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.pipeline.rate.daily_quota import Day
from uploader.pipeline.rate.forecast import Forecast
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Clocks, Elapsed
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


def exact_clock() -> Callable[[], float]:
    """The loop's. uvloop's own stands still while a callback runs: too coarse for an exact log of sends, so
    it is read where uvloop reads it, too.
    """
    loop = asyncio.get_running_loop()
    is_coarse = any(kind.__module__.partition(".")[0] == "uvloop" for kind in type(loop).__mro__)
    return time.monotonic if is_coarse else loop.time


async def sleep_real_time(
    seconds: float, clock: Callable[[], float], wall_clock: Callable[[], datetime]
) -> None:
    """Sleep; the time in which the machine sleeps counts, too."""
    elapsed = Elapsed(clock(), wall_clock().timestamp())
    until = elapsed.seconds + seconds
    while (rest := until - elapsed.seconds) > 0:
        await asyncio.sleep(min(rest, _LOOK_SECONDS))
        elapsed.read(clock(), wall_clock().timestamp())


class Session:
    """From the first request to the end of the connections, which `async with` sees to."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams,
        ending: Ending,
        tallies: Tallies | None = None,
        *,
        sender: Callable[..., Sender] = Sender,
    ) -> None:
        """`tallies`: where its requests are counted; `sender` makes the one by which they leave."""
        self.settings = settings
        self.seams = seams
        self.ending = ending
        self.clocks = Clocks(exact_clock(), seams.wall_clock)
        self.paths = paths(settings.api_version, settings.object_type)
        self.account: Account | None = None  #: once its properties are known
        self._transport = seams.transport(settings)
        self._daily_usage_task: asyncio.Task[None] | None = None
        _LOG.info("%s", settings.network.summary)
        self.sender = sender(
            self._transport,
            SendLog(settings.rate, share=settings.share),
            InFlightCap(_START_IN_FLIGHT, settings.max_in_flight),
            tallies or Tallies(),
            self.clocks,
            day=Day(settings.daily_reserve),
            day_is_spent=self._day_is_spent,
            access=self._access(),
        )
        self.attempts = Attempts(self.sender, self.pause_for, seams.roll)
        self.preflight = Preflight(self.attempts, self.paths, self._outage_seconds)

    def _access(self) -> Access | None:
        settings = self.settings
        if settings.sign_in is None:
            return None
        return Access(
            settings.sign_in,
            settings.token,
            self._transport,
            self.paths,
            self.clocks.elapsed,
            outage_seconds=self._outage_seconds,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections, once nothing is asked and no token is being renewed any more."""
        if self._daily_usage_task is not None:
            self._daily_usage_task.cancel()
            await asyncio.gather(self._daily_usage_task, return_exceptions=True)
        if self.sender.access is not None:
            await self.sender.access.close()
        await self._transport.close()

    # --- which account it is ---

    async def look(self) -> Account:
        """The account and its properties. SettingsError where rows can't be matched by the key."""
        account = await self.read_properties(await self.read_account())
        if account.schema is not None:
            check_keys(self.settings.rules, account.schema)
        return account

    async def read_account(self) -> Account:
        """Which account it is. Its day is asked for from then on, beside the rest: forecasts alone need that
        answer, so whatever becomes of the question ends nothing.
        """
        account = await self.preflight.read_account(self.settings.token)

        async def read_daily_usage() -> None:
            with suppress(StopRun):
                await self.preflight.read_daily_usage()

        self._daily_usage_task = self.ending.task(read_daily_usage())
        return account

    async def wait_for_daily_usage(self) -> None:
        """Or it turns out that nobody says."""
        if self._daily_usage_task is not None:
            await asyncio.wait({self._daily_usage_task})

    async def read_properties(self, account: Account) -> Account:
        has_addresses = self.settings.rules.has_addresses
        schema = await self.preflight.read_properties(has_addresses=has_addresses)
        self.account = replace(account, schema=schema)
        return self.account

    async def with_owners(
        self, sources: list[Source], account: Account, former: Sequence[Settings] = ()
    ) -> Account:
        """The account with its owners, where a source holds any by these settings or by former ones."""
        schema = account.schema
        if schema is None or not any(
            may_hold_owners(settings, sources, schema) for settings in (self.settings, *former)
        ):
            return account
        owners = await self.preflight.read_owners()
        self.account = replace(account, schema=replace(schema, owners=owners))
        return self.account

    # --- beside the work ---

    async def run_workers(
        self,
        works: Iterable[Coroutine[Any, Any, None]],
        drain: Callable[[Collection[asyncio.Task[None]]], Awaitable[None]] | None = None,
    ) -> None:
        """Until all are done. StopRun where the run ends first: then `drain` waits for some of the tasks, and
        the others are cancelled.
        """
        tasks = [self.ending.task(work) for work in works]
        watch = self.ending.task(self.watch())
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

    async def watch(self) -> None:
        """StopRun when nothing succeeds for long. Until cancelled."""
        sender = self.sender
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self.clocks.notice_time()
            limit = self._outage_seconds()
            if sender.pausing in LONG_PAUSES:
                sender.failing_since = None  # a straggler's failure says nothing of what comes after
            since = sender.failing_since
            if since is not None and self.clocks.loop() - since > limit:
                raise StopRun(Cause.OUTAGE, f"nothing succeeded for {limit:g} s: {sender.last_failure}")

    async def refresh_daily_usage(self) -> None:
        """Ask anew when a day has ended, so that the end of the next is known. Until cancelled."""
        sender, asked_for = self.sender, None
        day = sender.day
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            is_over = day.resets_at is not None and day.resets_at < self.clocks.server_now()
            if is_over and day.resets_at != asked_for and sender.pausing is None:
                asked_for = day.resets_at
                await self.preflight.read_daily_usage()

    async def sleep_real_time(self, seconds: float) -> None:
        """Sleep; the time in which the machine sleeps counts, too."""
        await sleep_real_time(seconds, self.clocks.loop, self.clocks.wall)

    # --- patience ---

    def pause_for(self, verdict: Verdict) -> float | None:
        """How long to wait for what ends by itself; None where the user would rather stop."""
        cause = verdict.cause
        if cause not in LONG_PAUSES or self.settings.on_long_pause is OnLongPause.STOP:
            return None
        if verdict.pause_seconds:
            return verdict.pause_seconds
        if cause is Cause.MIGRATION or self.account is None:
            return MIGRATION_SECONDS
        return self.day.seconds_to_wait

    def _day_is_spent(self) -> float:
        """The requests we may send today are used up: wait for the next day, or stop."""
        if self.settings.on_long_pause is OnLongPause.STOP:
            raise StopRun(Cause.DAILY, self.day.spent_text)
        return self.day.seconds_to_wait

    def _outage_seconds(self) -> float:
        """How long nothing may succeed."""
        settings = self.settings
        return settings.outage_seconds if self.sender.ever_answered else settings.first_contact_seconds

    @property
    def day(self) -> AccountDay:
        """The account's, as it is now."""
        clocks = self.clocks
        return AccountDay(
            self.account or Account(), clocks.server_now(), self.sender.day, clocks.knows_server_time
        )

    def forecast(self, requests: int, per_second: float | None = None) -> Forecast:
        """How long so many more requests take, the account's days included."""
        sender = self.sender
        is_over = sender.pausing is Cause.DAILY
        return self.day.forecast(
            requests,
            per_second or sender.log.expected_per_second(self.clocks.loop()),
            sender.pause_seconds if is_over else None,
        )


# --- ending early ---


def reason_of(ending: Ending, session: Session | None) -> str:
    """Why a job ends early; "" where it does not."""
    reason = ": ".join(part for part in (ending.cause, ending.reason) if part)
    if ending.cause is Cause.DAILY and session is not None:
        day = session.day
        reason += f"; the account's next day begins at {day.clock_text(day.ends_at)}"
    return reason


def early_end(ending: Ending, session: Session | None) -> EarlyEnd | None:
    """How a job that only reads ended before its end, where it did."""
    return EarlyEnd(ending.cause, reason_of(ending, session), ending.signal) if ending.cause else None
