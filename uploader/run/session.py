"""What every job that talks to HubSpot needs: a sender, an account, patience, and ways to end early.

`pipeline` and `verification` build on it; what they do with rows is theirs.
"""

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from uploader.core.calendar import seconds_to_midnight
from uploader.core.model import Tallies
from uploader.core.outcome import LONG_PAUSES, Cause, Verdict
from uploader.core.pacing import InFlightCap, SendLog
from uploader.core.wire import MAX_INPUTS, Paths, paths
from uploader.edges.background import Background, Offload
from uploader.edges.hubspot import HubSpot, Transport
from uploader.errors import StorageError
from uploader.run.preflight import Account, Preflight
from uploader.run.sender import Sender
from uploader.run.stop import StopRun
from uploader.settings import OnLongPause, Settings

#: Kept between two sends that are a window apart, for what they may gain on each other on the way.
JITTER_MARGIN_SECONDS = 0.1
#: Batches under way at the start; `InFlightCap` finds the rest.
_START_IN_FLIGHT = 32
_WATCH_SECONDS = 0.2
#: Past the reset itself, since clocks differ.
_RESET_GRACE_SECONDS = 5.0
_DAY_SECONDS, _CLOCKS_DIFFER_SECONDS, _ASK_AGAIN_SECONDS = 86_400.0, 900.0, 60.0
#: How often what has no known end is asked for.
_MIGRATION_SECONDS = 3_600.0

T = TypeVar("T")


@dataclass(slots=True)
class Seams:
    """Where tests put other things than the world: each default is the real one."""

    transport: Callable[[Settings], Transport] = lambda settings: HubSpot(settings.base_url, settings.token)
    offload: Callable[[str], Offload] = Background
    roll: Callable[[], float] = random.random
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter_margin_seconds: float = JITTER_MARGIN_SECONDS
    batch_records: int = MAX_INPUTS


class Session:
    """`stop` may be called at any time from the same loop, a second time to stop at once."""

    def __init__(self, settings: Settings, seams: Seams | None = None) -> None:
        self.settings = settings
        self.seams = seams or Seams()
        self.account: Account | None = None
        self.sender: Sender | None = None
        self.started = asyncio.Event()  #: the account is known and work is under way
        self._clock = asyncio.get_running_loop().time
        self._halted = asyncio.Event()
        self._halt: tuple[Cause, str] | None = None
        self._crash: Exception | None = None
        self._signal = 0
        self._at_once = asyncio.Event()

    @property
    def paths(self) -> Paths:
        return paths(self.settings.api_version, self.settings.object_type)

    def stop(self, signal: int = 0) -> None:
        """Let what is on the wire end and be booked, and leave the rest open; again: don't even wait."""
        if self._halt and self._halt[0] is Cause.SIGNAL:
            self._at_once.set()
        self._signal = self._signal or signal
        self._end(Cause.SIGNAL, "")

    # --- before the first request that counts ---

    def _make_sender(self, transport: Transport, tallies: Tallies) -> None:
        log = SendLog(self.settings.rate, self.seams.jitter_margin_seconds)
        cap = InFlightCap(_START_IN_FLIGHT, self.settings.max_in_flight)
        self.sender = Sender(transport, log, cap, tallies, self._clock)

    async def _look(self) -> Account:
        assert self.sender is not None
        settings = self.settings
        preflight = Preflight(
            self.sender, self.paths, settings.first_contact_seconds, self._patience, self.seams.roll
        )
        self.account = await preflight.look(settings.id_property, settings.token)
        return self.account

    # --- ending early ---

    def _end(self, cause: Cause, reason: str) -> None:
        if self._halt is None:
            self._halt = (cause, reason)
        self._halted.set()

    def _reason(self) -> str:
        return ": ".join(part for part in self._halt or () if part)

    async def _until_halted(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`, or None where the run was halted first."""
        task = asyncio.ensure_future(work)
        halted = asyncio.ensure_future(self._halted.wait())
        try:
            await asyncio.wait({task, halted}, return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        except StopRun as stop:
            self._end(stop.cause, stop.reason)
            return None
        finally:
            for waiting in (task, halted):
                waiting.cancel()
            await asyncio.gather(task, halted, return_exceptions=True)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.ensure_future(self._guard(work))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """What ends one task for a reason ends the run for it."""
        try:
            await work
        except StopRun as stop:
            self._end(stop.cause, stop.reason)
        except StorageError as error:
            self._end(Cause.STORAGE, str(error))
        except Exception as error:  # noqa: BLE001  # raised again once the books are closed
            self._crash = self._crash or error
            self._end(Cause.OUTAGE, "crashed")

    async def _watch(self) -> None:
        """Stop the run when nothing succeeds for long."""
        sender, settings = self.sender, self.settings
        assert sender is not None
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            limit = settings.outage_seconds if sender.ever_answered else settings.first_contact_seconds
            if sender.pausing in LONG_PAUSES:
                sender.failing_since = None  # a straggler's failure says nothing of what comes after
            since = sender.failing_since
            if since is not None and self._clock() - since > limit:
                raise StopRun(Cause.OUTAGE, f"nothing succeeded for {limit:g} s: {sender.last_failure}")

    def _patience(self, verdict: Verdict) -> float | None:
        """How long to wait for what ends by itself; None where the user would rather stop."""
        cause = verdict.cause
        if cause not in LONG_PAUSES or self.settings.on_long_pause is OnLongPause.STOP:
            return None
        if verdict.pause_seconds:
            return verdict.pause_seconds
        if cause is Cause.MIGRATION or self.account is None:
            return _MIGRATION_SECONDS
        account = self.account
        rest = seconds_to_midnight(self.seams.wall_clock(), account.time_zone, account.utc_offset_seconds)
        if rest > _DAY_SECONDS - _CLOCKS_DIFFER_SECONDS:
            return _ASK_AGAIN_SECONDS  # by our clock it is past midnight; by theirs not yet
        return min(rest + _RESET_GRACE_SECONDS, math.inf if account.time_zone else _MIGRATION_SECONDS)
