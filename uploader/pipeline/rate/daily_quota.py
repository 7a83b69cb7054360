"""The account's day: how many requests are left of it, and when it ends. All private apps share it.

From  https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from dataclasses import dataclass
from datetime import datetime

from uploader.hubspot.wire import QuotaHeaders, Usage


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is left to other apps of a day: a number of requests, or a share of the quota."""

    count: int = 0
    share: float = 0.0

    def of(self, limit: int | None) -> int:
        return self.count or int(self.share * (limit or 0))


@dataclass(slots=True)
class DailyQuota:
    """As far as it is known: OAuth apps have no daily quota, and no header speaks of one."""

    reserve: Reserve = Reserve()
    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    learnt_at: float = float("-inf")  #: when the request left whose reply was the last to speak of it
    _ended: datetime | None = None  # the end that was taken note of

    @property
    def left(self) -> int | None:
        """Requests that we may still send today; None where nobody says."""
        if self.remaining is None:
            return None
        return max(0, self.remaining - self.reserve.of(self.limit))

    def learn(self, headers: QuotaHeaders, left: float) -> None:
        """What the reply to a request says that left at `left`; an older one's word is no news."""
        if headers.daily_remaining is None or left < self.learnt_at:
            return
        self.limit, self.remaining = headers.daily or self.limit, headers.daily_remaining
        self.learnt_at = left

    def look(self, usage: Usage) -> None:
        """Take over what the usage endpoint says."""
        self.limit = usage.limit
        self.resets_at = usage.resets_at

    def is_spent(self, in_flight: int) -> bool:
        """Whether the requests on the wire may use up what is left."""
        return self.left is not None and self.left <= in_flight

    def has_ended(self, now: datetime) -> bool:
        """Whether its known end has passed, during a pause for another reason, say. True until `begin`."""
        return self.resets_at is not None and self._ended != self.resets_at <= now

    def begin(self) -> None:
        """A new day: what is left of it the next reply tells."""
        self.remaining = None
        self._ended = self.resets_at
