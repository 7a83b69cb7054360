"""A job's session with HubSpot: its sender, its account, and how long it waits for either."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence, Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from msgspec import structs

from uploader.hubspot.account import Account
from uploader.hubspot.missing_scopes import OWNERS
from uploader.hubspot.requests import MAX_INPUTS, paths
from uploader.hubspot.schema import Schema
from uploader.hubspot.sign_in.token_provider import Access
from uploader.hubspot.sign_in.token_renewal import TokenCommand
from uploader.hubspot.transport import Transport
from uploader.jobs.account_day import MIGRATION_SECONDS, AccountDay
from uploader.jobs.column_rules import may_hold, may_name_others
from uploader.jobs.early_ending import Ending
from uploader.jobs.preflight import Kept, Preflight, check_keys
from uploader.jobs.summary import EarlyEnd
from uploader.model.settled_rows import Tallies
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.pipeline.follow_up import Tools
from uploader.pipeline.rate import search_pace
from uploader.pipeline.rate.daily_quota import DailyQuota
from uploader.pipeline.rate.forecast import Forecast
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Clocks, Elapsed
from uploader.pipeline.reply_verdict import Verdict
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.key_search import KeySearch
from uploader.pipeline.sender import Sender
from uploader.settings import Settings
from uploader.settings.sign_in import SignInSettings
from uploader.settings.speed import OnLongPause
from uploader.sources.source import Source
from uploader.storage.created_records_file import CreatedRecordsFile
from uploader.system.blocking_calls import Background, Offload

_LOG = logging.getLogger("uploader")

#: Batches under way at the start; `InFlightCap` finds the rest.
_START_IN_FLIGHT = 8
_WATCH_SECONDS, _LOOK_SECONDS = 0.5, 1.0


def _connect(settings: SignInSettings) -> Transport:
    # To load aiohttp takes a fifth of a second, which commands do not wait for that ask HubSpot nothing.
    from uploader.hubspot.client import HubSpot  # noqa: PLC0415

    return HubSpot(settings.base_url, settings.token, settings.network)


@dataclass(slots=True)
class Seams:
    """What tests replace: transport, threads, random numbers and clock. The defaults are the real ones."""

    transport: Callable[[SignInSettings], Transport] = _connect
    offload: Callable[[str], Offload] = Background
    random_number: Callable[[], float] = random.random
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    batch_records: int = MAX_INPUTS


def exact_clock() -> Callable[[], float]:
    """The loop's clock. uvloop caches the time while a callback runs, which is too coarse for an exact log of
    sends; there the clock behind it is read instead.
    """
    loop = asyncio.get_running_loop()
    is_coarse = any(kind.__module__.partition(".")[0] == "uvloop" for kind in type(loop).__mro__)
    return time.monotonic if is_coarse else loop.time


async def sleep_real_time(
    seconds: float, clock: Callable[[], float], wall_clock: Callable[[], datetime]
) -> None:
    """Sleep for this time, in which the time that the machine is suspended counts."""
    elapsed = Elapsed(clock(), wall_clock().timestamp())
    until = elapsed.seconds + seconds
    while (rest := until - elapsed.seconds) > 0:
        await asyncio.sleep(min(rest, _LOOK_SECONDS))
        elapsed.read(clock(), wall_clock().timestamp())


class Connection:
    """What jobs share that run one after the other: connections, clocks, pace and token, so that none of
    them has to find out what the one before has sent. `async with` closes it.
    """

    def __init__(self, settings: Settings, seams: Seams, *, sender: Callable[..., Sender] = Sender) -> None:
        """`settings`: of any of the jobs; they agree on account and speed. `sender` makes the sender."""
        self.settings = settings
        self.clocks = Clocks(exact_clock(), seams.wall_clock)
        self.kept: Kept = {}  #: replies about the account
        self._transport = seams.transport(settings)
        _LOG.info("%s", settings.network.summary)
        self.sender = sender(
            self._transport,
            SendLog(settings.rate, share=settings.share),
            InFlightCap(_START_IN_FLIGHT, settings.max_in_flight),
            Tallies(),
            self.clocks,
            day=DailyQuota(settings.daily_reserve),
            access=self._access(seams),
        )

    def _access(self, seams: Seams) -> Access | None:
        settings = self.settings
        if settings.sign_in is None:
            return None
        return Access(
            settings.sign_in,
            settings.token,
            self._transport,
            paths(settings.api_version, settings.object_type),
            self.clocks.elapsed,
            # A program may take its time; files are read at once.
            offload=seams.offload("token") if isinstance(settings.sign_in, TokenCommand) else None,
            outage_seconds=self.outage_seconds,
        )

    def begin(self, tallies: Tallies, day_is_spent: Callable[[], float]) -> Sender:
        """The sender for the next job, which counts into `tallies`."""
        known = self.sender.cap
        start = max(_START_IN_FLIGHT, known.limit)
        self.sender.begin(tallies, InFlightCap(start, self.settings.max_in_flight), day_is_spent)
        return self.sender

    def outage_seconds(self) -> float:
        """Seconds after which a run stops if no request succeeds."""
        settings = self.settings
        return settings.outage_seconds if self.sender.ever_answered else settings.first_contact_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections, after any token renewal has ended."""
        if self.sender.access is not None:
            await self.sender.access.close()
        await self._transport.close()


class Session:
    """All requests of a job, from the first to the last. `async with` closes the connections."""

    def __init__(
        self,
        settings: Settings,
        seams: Seams,
        ending: Ending,
        tallies: Tallies | None = None,
        *,
        sender: Callable[..., Sender] = Sender,
        connection: Connection | None = None,
    ) -> None:
        """`tallies` counts the requests. `sender` makes the sender. With a `connection` that others use, too,
        its sender is used, and it stays open.
        """
        self.settings = settings
        self.seams = seams
        self.ending = ending
        self.paths = paths(settings.api_version, settings.object_type)
        self.account: Account | None = None  #: once its properties are known
        self._is_shared = connection is not None
        self._connection = connection or Connection(settings, seams, sender=sender)
        self.clocks = self._connection.clocks
        self._daily_usage_task: asyncio.Task[None] | None = None
        self.sender = self._connection.begin(tallies or Tallies(), self._day_is_spent)
        self.attempts = Attempts(self.sender, self.pause_for, seams.random_number)
        outage_seconds = self._connection.outage_seconds
        kept = self._connection.kept
        self.preflight = Preflight(self.attempts, self.paths, settings.object_type, outage_seconds, kept)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections, after the daily usage request has ended."""
        if self._daily_usage_task is not None:
            self._daily_usage_task.cancel()
            await asyncio.gather(self._daily_usage_task, return_exceptions=True)
        if not self._is_shared:
            await self._connection.__aexit__(kind, error, trace)

    @property
    def token(self) -> str:
        """The token that requests are sent with."""
        access = self.sender.access
        return access.token if access else self.settings.token

    # --- which account it is ---

    async def read_account_and_schema(self) -> Account:
        """Read the account and its properties. SettingsError if HubSpot can't match rows by the key."""
        account = await self.read_properties(await self.read_account())
        if account.schema is not None:
            check_keys(self.settings.rules, account.schema)
        return account

    async def read_account(self) -> Account:
        """Read which account the token belongs to, and begin to read its daily usage in the background.

        Only forecasts need the daily usage, so a failure of that request is ignored.
        """
        account = await self.preflight.read_account(self.settings.token)

        async def read_daily_usage() -> None:
            with suppress(StopRun):
                await self.preflight.read_daily_usage()

        resets_at = self.sender.day.resets_at
        if resets_at is None or resets_at <= self.clocks.server_now():  # else a former job has read it
            self._daily_usage_task = self.ending.task(read_daily_usage())
        return account

    async def wait_for_daily_usage(self) -> None:
        """Wait until the daily usage is read, or that request has failed."""
        if self._daily_usage_task is not None:
            await asyncio.wait({self._daily_usage_task})

    async def read_properties(self, account: Account) -> Account:
        """The account with its properties."""
        has_addresses = self.settings.rules.has_addresses
        schema = await self.preflight.read_properties(has_addresses=has_addresses)
        self.account = replace(account, schema=schema)
        return await self.with_sensitive(self.account, partial(may_name_others, self.settings, ()))

    async def with_sensitive(self, account: Account, is_needed: Callable[[Schema], bool]) -> Account:
        """The account with its sensitive properties, if the listed ones do not suffice."""
        if account.schema is None or account.schema.has_sensitive or not is_needed(account.schema):
            return account
        has_addresses = self.settings.rules.has_addresses
        schema = await self.preflight.read_sensitive_properties(has_addresses=has_addresses)
        token = self.settings.token
        schema = await self.preflight.hide_unreadable(schema, token, has_addresses=has_addresses)
        self.account = replace(account, schema=schema)
        return self.account

    async def with_named_values(
        self,
        sources: list[Source],
        account: Account,
        former: Sequence[Settings] = (),
        drafted: AbstractSet[str] = frozenset(),
    ) -> Account:
        """The account with what the sources may name under the current or `former` settings: sensitive
        properties, owners, pipelines. `drafted`: further properties that their columns may be.
        """
        settings = (self.settings, *former)
        account = await self.with_sensitive(
            account, lambda listed: any(may_name_others(one, sources, listed) for one in settings)
        )
        schema = account.schema
        if schema is None:
            return account

        def are_held(names: AbstractSet[str]) -> bool:
            is_drafted = not names.isdisjoint(drafted)
            return is_drafted or any(may_hold(names, one, sources, account.schema) for one in settings)

        if are_held(schema.owned):
            owners = await self.preflight.read_owners()
            schema = replace(schema, owners=owners, owners_scope=account.scope(OWNERS))
        if are_held(schema.staged):
            schema = replace(schema, pipelines=await self.preflight.read_pipelines())
        self.account = replace(account, schema=schema)
        return self.account

    def tools(self, account: Account, reader: Offload, writer: Offload) -> Tools:
        """What a follow-up of the job's rows works with."""
        return Tools(
            structs.replace(self.attempts, is_wanted=lambda: not self.ending.is_ending),
            self.paths,
            account,
            self.run_workers,
            self.wait_for_the_last,
            self.preflight.ask,
            lambda: self.preflight.read_scopes(self.settings.token),
            self.clocks.server_now,
            reader,
            writer,
        )

    def now(self) -> float:
        """HubSpot's time, in seconds since 1970."""
        return self.clocks.server_now().timestamp()

    def key_search(
        self,
        created: CreatedRecordsFile | None,
        writer: Offload,
        others: Sequence[CreatedRecordsFile] = (),
    ) -> KeySearch | None:
        """What finds who has keys that are not unique; None where keys are. `writer` runs the calls of
        `created`. `others`: what other jobs have created.
        """
        return None if created is None else KeySearch(self.paths, created, writer, self.now, others)

    # --- beside the work ---

    async def run_workers(
        self,
        works: Iterable[Coroutine[Any, Any, None]],
        drain: Callable[[Collection[asyncio.Task[None]]], Awaitable[None]] | None = None,
    ) -> None:
        """Run these coroutines side by side until all are done. StopRun if the run is ended first: then
        `drain` waits for the tasks that may finish, and the others are cancelled.
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

    async def wait_for_the_last(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait until the tasks end, for the drain timeout at most, or until the run is aborted."""
        at_once = asyncio.ensure_future(self.ending.abort.wait())
        ended = asyncio.ensure_future(asyncio.wait(tasks))
        await asyncio.wait(
            {at_once, ended},
            timeout=self.settings.drain_timeout_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in (at_once, ended):
            task.cancel()
        await asyncio.gather(at_once, ended, return_exceptions=True)

    async def watch(self) -> None:
        """Raise StopRun when no request succeeds for the outage time. Runs until cancelled."""
        sender = self.sender
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self.clocks.notice_time()
            limit = self._connection.outage_seconds()
            if sender.pausing in LONG_PAUSES:
                sender.failing_since = None  # a late failure from before the pause does not count
            since = sender.failing_since
            if since is not None and self.clocks.loop() - since > limit:
                raise StopRun(Cause.OUTAGE, f"none in {limit:g} s; the last failure: {sender.last_failure}")

    async def refresh_daily_usage(self) -> None:
        """Read the daily usage again after each reset of the daily quota. Runs until cancelled."""
        sender, asked_for = self.sender, None
        day = sender.day
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            is_over = day.resets_at is not None and day.resets_at < self.clocks.server_now()
            if is_over and day.resets_at != asked_for and sender.pausing is None:
                asked_for = day.resets_at
                await self.preflight.read_daily_usage()

    async def sleep_real_time(self, seconds: float) -> None:
        """Sleep for this time, in which the time that the machine is suspended counts."""
        await sleep_real_time(seconds, self.clocks.loop, self.clocks.wall)

    # --- how long to wait ---

    def pause_for(self, verdict: Verdict) -> float | None:
        """Seconds to wait for a pause that ends by itself; None if the run is to stop instead."""
        cause = verdict.cause
        if cause not in LONG_PAUSES or self.settings.on_long_pause is OnLongPause.STOP:
            return None
        if verdict.pause_seconds:
            return verdict.pause_seconds
        if cause is Cause.MIGRATION or self.account is None:
            return MIGRATION_SECONDS
        return self.day.seconds_to_wait

    def _day_is_spent(self) -> float:
        """Seconds until the daily quota is reset. StopRun if the run is to stop instead."""
        if self.settings.on_long_pause is OnLongPause.STOP:
            raise StopRun(Cause.DAILY, self.day.spent_text)
        return self.day.seconds_to_wait

    @property
    def day(self) -> AccountDay:
        """The account's current day and daily quota."""
        clocks = self.clocks
        return AccountDay(
            self.account or Account(), clocks.server_now(), self.sender.day, clocks.knows_server_time
        )

    def forecast(self, requests: int, per_second: float | None = None, *, searches: int = 0) -> Forecast:
        """How long this many more requests take, with pauses for the daily quota. `searches`: how many of
        them are, which have a pace of their own.
        """
        sender = self.sender
        is_over = sender.pausing is Cause.DAILY
        pace = per_second or sender.log.expected_per_second(self.clocks.loop())
        if searches:
            pace = min(pace, search_pace.PER_SECOND * requests / searches)
        return self.day.forecast(
            requests,
            pace,
            sender.pause_seconds if is_over else None,
        )


# --- ending early ---


def reason_of(ending: Ending, session: Session | None) -> str:
    """Why a job ends early; "" if it does not."""
    said = ending.reason if ending.reason.endswith("...") else ending.reason.removesuffix(".")
    reason = ": ".join(part for part in (ending.cause, said) if part)  # which stands within a sentence
    if ending.cause is Cause.DAILY and session is not None:
        day = session.day
        reason += f"; the account's next day begins at {day.clock_text(day.ends_at)}"
    return reason


def early_end(ending: Ending, session: Session | None) -> EarlyEnd | None:
    """How a job that only reads was ended early; None if it ran to its end."""
    return EarlyEnd(ending.cause, reason_of(ending, session), ending.signal) if ending.cause else None
