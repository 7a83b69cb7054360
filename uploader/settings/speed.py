"""Speed settings: how fast requests are sent, and when a run waits or stops. Raise `SettingsError`."""

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum

from uploader.errors import SettingsError
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.pipeline.rate.limiter import Quota, parse_quota
from uploader.settings.number_or_share import parse_number_or_share


class OnLongPause(StrEnum):
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class SpeedSettings:
    __slots__ = ()  # `Settings` has them

    rate: Quota | None = None  #: maximum; None: what HubSpot's headers allow
    share: float = 1.0  #: maximum share of the quota
    daily_reserve: Reserve = field(default=Reserve())  #: requests of a day that are left for other apps
    max_in_flight: int = 256
    on_long_pause: OnLongPause = OnLongPause.STOP
    drain_timeout_seconds: float = 20.0
    max_duration_seconds: float | None = None  #: of one invocation, which is then drained
    outage_seconds: float = 600.0  #: stop if no request succeeds for this long
    first_contact_seconds: float = 15.0  #: the same before the first success

    def _check_speed(self) -> None:
        if not 0 < self.share <= 1:
            raise SettingsError("--share takes a number above 0 and at most 1, or a percentage")
        if not 1 <= self.max_in_flight <= 1_000:
            raise SettingsError("--max-in-flight takes a number from 1 to 1000")
        if self.max_duration_seconds is not None and not 0 < self.max_duration_seconds < math.inf:
            raise SettingsError("--max-duration takes a time above 0, such as 2h30m")
        for option, seconds in (
            ("--drain-timeout", self.drain_timeout_seconds),
            ("--outage-timeout", self.outage_seconds),
            ("first_contact_seconds", self.first_contact_seconds),
        ):
            if not 0 <= seconds < math.inf:
                raise SettingsError(f"{option} takes a number of seconds, 0 or more")


def parse_rate(text: str) -> Quota:
    try:
        return parse_quota(text)
    except ValueError as error:
        raise SettingsError(f"--rate {error}") from error


def parse_share(text: str) -> float:
    """Read `P%`."""
    count, share = parse_number_or_share("--share", text)
    if count is not None or not share:
        raise SettingsError(f"--share {text!r} is not a percentage such as 80%")
    return share


def parse_reserve(text: str) -> Reserve:
    """Read `N` or `P%`."""
    count, share = parse_number_or_share("--daily-reserve", text)
    if share == 1:
        raise SettingsError(f"--daily-reserve {text!r} leaves no requests to this job")
    return Reserve(count or 0, share or 0.0)


def parse_duration(text: str) -> float:
    """Read `2h30m`, `90m`, `1d`, `45s` or a number of seconds, as seconds."""
    found = _DURATION.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise SettingsError(f"--max-duration {text!r} is not a duration such as 2h30m, 90m or 45s")
    return float(sum(int(one or 0) * size for one, size in zip(found.groups(), _UNITS, strict=True)))


_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s?)?")
#: Seconds in a day, an hour, a minute, a second.
_UNITS = (86_400, 3_600, 60, 1)
