"""The account's daily quota: how many requests are left, and when the day ends. All private apps share it."""

from dataclasses import dataclass
from datetime import datetime

from uploader.hubspot.replies import QuotaHeaders, Usage


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is left to other apps each day: a number of requests, or a share of the quota."""

    count: int = 0
    share: float = 0.0

    def of(self, limit: int | None) -> int:
        return self.count or int(self.share * (limit or 0))


#: The share of the quota that other apps may use between the reply with the headers and this one.
_USED_MEANWHILE = 0.02


@dataclass(slots=True)
class DailyQuota:
    """The daily quota as far as it is known: OAuth apps have none, and no header names it."""

    reserve: Reserve = Reserve()
    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    learnt_at: float = float("-inf")  #: when the request left whose reply was the last to mention it
    _ended: datetime | None = None  # the end that was taken note of

    @property
    def left(self) -> int | None:
        """The requests that we may still send today; None if it is not known."""
        if self.remaining is None:
            return None
        return max(0, self.remaining - self.reserve.of(self.limit))

    def learn(self, headers: QuotaHeaders, left: float) -> None:
        """Learn from a reply to a request that left at `left`, unless a later one was read already."""
        if headers.daily_remaining is None or left < self.learnt_at:
            return
        self.limit, self.remaining = headers.daily or self.limit, headers.daily_remaining
        self.learnt_at = left

    def look(self, usage: Usage) -> None:
        """Take over what the usage endpoint says, unless headers contradict it: then it is of another quota
        or another day.
        """
        if self.limit is not None and self.remaining is not None:
            used = self.limit - self.remaining  # what the endpoint says may be older
            if usage.limit != self.limit or usage.used > used + self.limit * _USED_MEANWHILE:
                return
        self.limit = usage.limit
        self.resets_at = usage.resets_at

    def is_spent(self, in_flight: int) -> bool:
        """Whether the requests in flight may use up what is left."""
        return self.left is not None and self.left <= in_flight

    def has_ended(self, now: datetime) -> bool:
        """Whether the known end of the day has passed, for instance during a pause. True until `begin`."""
        return self.resets_at is not None and self._ended != self.resets_at <= now

    def begin(self) -> None:
        """Begin a new day. The next reply shows what is left of it."""
        self.remaining = None
        self._ended = self.resets_at
