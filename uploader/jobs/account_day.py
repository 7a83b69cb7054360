"""The account's day at one moment: when it ends, how long to wait for that, how long requests take.

In    the account, the time by HubSpot's clock, the daily quota as far as it is known.
Out   times, seconds, texts, a `Forecast`.
"""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from uploader.hubspot.account import Account
from uploader.pipeline.rate.calendar import clock_text, next_midnight
from uploader.pipeline.rate.daily_quota import DailyQuota
from uploader.pipeline.rate.forecast import Forecast, Today, forecast

#: Wait between attempts if the end of a pause is not known.
MIGRATION_SECONDS = 3_600.0
#: Wait after the reset, since clocks differ; how much they may differ; wait before asking again.
_RESET_GRACE_SECONDS, _CLOCKS_DIFFER_SECONDS, _ASK_AGAIN_SECONDS = 5.0, 900.0, 60.0
_DAY_SECONDS, _LONGEST_DAY_SECONDS = 86_400.0, 90_000.0


class AccountDay(NamedTuple):
    """The account's day and daily quota, as known at one moment."""

    account: Account
    now: datetime  #: by HubSpot's clock, if `is_server_time`
    quota: DailyQuota
    is_server_time: bool

    @property
    def ends_at(self) -> datetime:
        """When the day ends: HubSpot's reset time if known, else the account's midnight."""
        resets_at = self.quota.resets_at
        return resets_at if resets_at is not None and resets_at > self.now else self._midnight(self.now)

    @property
    def seconds_to_wait(self) -> float:
        """Seconds until the next day, or until asking again whether it has begun."""
        resets_at = self.quota.resets_at
        if resets_at is not None and 0 <= (self.now - resets_at).total_seconds() < _CLOCKS_DIFFER_SECONDS:
            return _ASK_AGAIN_SECONDS  # the day is over by the clock, but not yet by HubSpot
        rest = (self.ends_at - self.now).total_seconds()
        if resets_at is None and rest > _DAY_SECONDS - _CLOCKS_DIFFER_SECONDS:
            return _ASK_AGAIN_SECONDS
        has_zone = resets_at is not None or self.account.time_zone
        # A clock that may be wrong is not trusted for a whole day: asking every hour costs little.
        is_sure = has_zone and self.is_server_time and rest <= _LONGEST_DAY_SECONDS
        return min(rest + _RESET_GRACE_SECONDS, math.inf if is_sure else MIGRATION_SECONDS)

    @property
    def spent_text(self) -> str:
        """The message that the day's requests are used up."""
        limit = self.quota.limit
        reserved = self.quota.reserve.of(limit)
        kept = f"all but the {reserved:,} reserved for other apps" if reserved else "all"
        return f"{kept} of today's {limit or 0:,} requests are used"

    def clock_text(self, moment: datetime) -> str:
        """A time by the account's own clock, and by this machine's."""
        account = self.account
        return clock_text(moment, self.now, account.time_zone or "UTC", account.utc_offset_seconds)

    def forecast(self, requests: int, per_second: float, pause_seconds: float | None) -> Forecast:
        """How long this many more requests take. `pause_seconds`: the rest of a pause until the next day."""
        day = self.quota
        grant = None if day.limit is None else max(0, day.limit - day.reserve.of(day.limit))
        today = Today(day.left, grant, day.resets_at)
        if pause_seconds is not None:
            today = Today(0, grant, self.now + timedelta(seconds=pause_seconds))
        return forecast(requests, max(per_second, 1e-3), self.now, today, self._midnight)

    def _midnight(self, at: datetime) -> datetime:
        return next_midnight(at, self.account.time_zone, self.account.utc_offset_seconds)
