"""Counts requests in the burst window and the day. Pure: `now` comes in.

Units: seconds of the caller's monotonic clock.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Quota:
    """A number of requests in a rolling window."""

    requests: int
    window_seconds: float

    def __str__(self) -> str:
        return f"{self.requests}/{self.window_seconds:g}"


def parse_quota(text: str) -> Quota | None:
    """The quota in a text: `190/10` is 190 requests in any 10 seconds; `none` is no limit."""
    if text.strip().lower() == "none":
        return None
    requests, _, seconds = text.partition("/")
    try:
        quota = Quota(int(requests), float(seconds))
    except ValueError:
        raise ValueError(f"quota must look like 190/10 (requests/seconds) or be none, got {text!r}") from None
    if quota.requests < 1 or not 0 < quota.window_seconds < math.inf:
        raise ValueError(f"quota must be at least one request in a positive time, got {text!r}")
    return quota


class RollingWindow:
    """An exact log of the counted requests. One counted at t is forgotten at t + window, not before."""

    def __init__(self) -> None:
        self._counted: deque[float] = deque()
        self.most = 0  #: the highest count in one window

    def used(self, now: float, window_seconds: float) -> int:
        counted = self._counted
        while counted and counted[0] + window_seconds <= now:
            counted.popleft()
        return len(counted)

    def add(self, now: float) -> None:
        self._counted.append(now)
        self.most = max(self.most, len(self._counted))

    def admit(self, now: float, quota: Quota, *, count_refused: bool) -> bool:
        has_room = self.used(now, quota.window_seconds) < quota.requests
        if has_room or count_refused:
            self.add(now)
        return has_room


@dataclass(frozen=True, slots=True)
class Day:
    """The account's day: it ends at local midnight, or every `day_seconds` for tests."""

    time_zone: str
    day_seconds: float | None

    def ends_at(self, wall_seconds: float) -> float:
        if self.day_seconds is not None:
            return (math.floor(wall_seconds / self.day_seconds) + 1) * self.day_seconds
        zone = ZoneInfo(self.time_zone)
        local = datetime.fromtimestamp(wall_seconds, zone)
        # Midnight by the wall clock: the last Sunday of summer time has 25 hours.
        midnight = datetime.combine(local.date() + timedelta(days=1), time(), zone)
        return midnight.astimezone(UTC).timestamp()


class DailyCount:
    """The account's requests since its last midnight; all private apps share this count."""

    def __init__(self, already_used: int) -> None:
        self.used = already_used
        self._ends_at: float | None = None

    def ends_at(self, wall_seconds: float, day: Day) -> float:
        """When the current day ends, by the wall clock. Resets the count if one has ended."""
        if self._ends_at is None:
            self._ends_at = day.ends_at(wall_seconds)
        elif wall_seconds >= self._ends_at:
            self.used = 0
            self._ends_at = day.ends_at(wall_seconds)
        return self._ends_at
