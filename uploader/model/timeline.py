"""The timeline of a job: what happened in each interval, for `report`. Sums, never single requests.

Intervals lie on a grid of wall-clock time, so those of several invocations fit together. When there are too
many, two neighbours become one, and later ones have the same width: days take as much space as an hour.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Any, TypeVar

#: Width of an interval at the start, and the highest number of intervals.
FIRST_SECONDS, MAX_INTERVALS = 1, 400
#: Upper ends of the latency classes in seconds, each a third above the last. Slower replies and requests
#: without an answer count in the last class.
LATENCIES = tuple(round(0.005 * 4 ** (step / 5), 4) for step in range(38))

_N = TypeVar("_N", int, float)


@dataclass(slots=True)
class Interval:
    """What happened from `began` on, for `seconds`. All counts can be added."""

    began: int  #: seconds since 1970, a multiple of `seconds`
    seconds: int
    outcomes: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)  #: of replies; "0": no reply
    latencies: dict[str, int] = field(default_factory=dict)  #: index into LATENCIES -> answers
    paused: dict[str, float] = field(default_factory=dict)  #: seconds without requests, by cause
    retries: int = 0
    most_in_flight: int = 0
    per_second: float = 0.0  #: requests that the quota allows, as last known
    day_limit: int = 0  #: the account's daily quota, and what is left of it; 0 if not known
    day_left: int = 0

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())


class Timeline:
    """The intervals of a running job. Events are added in the order of time."""

    def __init__(self, known: Sequence[Interval], now: float) -> None:
        """`known`: intervals of earlier invocations; `now`: seconds since 1970."""
        self.began = self.now = now
        self._intervals: dict[int, Interval] = {one.began: one for one in known}
        self._seconds = known[-1].seconds if known else FIRST_SECONDS
        self._changed: set[int] = set()
        self._is_rewritten = False
        self._ticked_at: float | None = None

    # --- what happens ---

    def tick(self, now: float, *, pausing: str = "", per_second: float = 0.0) -> None:
        """Move the time on. Call it at least once a second, so that pauses are counted in full."""
        now = max(now, self.now)  # a clock that is set back must not change earlier intervals
        interval = self._at(now)
        before, self._ticked_at, self.now = self._ticked_at, now, now
        if pausing and before is not None:
            interval.paused[pausing] = interval.paused.get(pausing, 0.0) + min(now - before, interval.seconds)
        interval.per_second = per_second or interval.per_second

    def note_answer(self, now: float, status: int, latency_seconds: float, in_flight: int) -> None:
        """Count a reply, or a request that was given up (status 0)."""
        interval = self._at(max(now, self.now))
        name = str(status)
        interval.statuses[name] = interval.statuses.get(name, 0) + 1
        place = str(min(bisect_left(LATENCIES, latency_seconds), len(LATENCIES) - 1))
        interval.latencies[place] = interval.latencies.get(place, 0) + 1
        interval.most_in_flight = max(interval.most_in_flight, in_flight)

    def note_day(self, limit: int | None, left: int | None) -> None:
        """Note what is known of the account's daily quota."""
        if left is not None and limit:
            interval = self._at(self.now)
            interval.day_limit, interval.day_left = limit, left

    def note_counts(self, outcomes: Mapping[str, int], retries: int) -> None:
        """Count settled rows by outcome, and batches that are sent again."""
        interval = self._at(self.now)
        for name, count in outcomes.items():
            if count:
                interval.outcomes[name] = interval.outcomes.get(name, 0) + count
        interval.retries += retries

    # --- what is to be kept ---

    @property
    def intervals(self) -> list[Interval]:
        return sorted(self._intervals.values(), key=lambda one: one.began)

    def take_changes(self) -> "Changes":
        """Return what has to be stored to keep the timeline as it is now."""
        changed = [self._intervals[began] for began in sorted(self._changed)]
        stored = [(one.began, one.seconds, nonzero_counts(one)) for one in changed]
        changes = Changes(stored, replaces_all=self._is_rewritten)
        self._changed, self._is_rewritten = set(), False
        return changes

    def give_back(self, changes: "Changes") -> None:
        """Take back changes that could not be stored."""
        self._changed |= {began for began, _, _ in changes.intervals} & self._intervals.keys()
        if changes.replaces_all:
            self._rewrite()

    def _at(self, now: float) -> Interval:
        began = math.floor(now / self._seconds) * self._seconds
        interval = self._intervals.get(began)
        if interval is None:
            if len(self._intervals) >= MAX_INTERVALS:
                made = coarser(self.intervals)
                self._seconds = made[0].seconds
                self._intervals = {one.began: one for one in made}
                self._rewrite()
                return self._at(now)
            interval = self._intervals[began] = Interval(began, self._seconds)
        self._changed.add(began)
        return interval

    def _rewrite(self) -> None:
        self._changed, self._is_rewritten = set(self._intervals), True


@dataclass(frozen=True, slots=True)
class Changes:
    """Intervals as they are stored: began, seconds, the rest by name."""

    intervals: Sequence[tuple[int, int, dict[str, Any]]]
    replaces_all: bool = False


def nonzero_counts(interval: Interval) -> dict[str, Any]:
    """Return the fields of an interval that are not empty, without its time."""
    values = {one.name: getattr(interval, one.name) for one in fields(Interval)}
    del values["began"], values["seconds"]
    return {name: copy(value) for name, value in values.items() if value}


def coarser(intervals: Sequence[Interval]) -> list[Interval]:
    """Return intervals twice as wide, in order of time."""
    wide = intervals[-1].seconds * 2
    grouped = groupby(intervals, key=lambda one: one.began // wide * wide)
    return [merged(began, wide, list(some)) for began, some in grouped]


def merged(began: int, seconds: int, some: Sequence[Interval]) -> Interval:
    """Return several intervals as one. What cannot be added has its last value."""
    days = [(one.day_limit, one.day_left) for one in some if one.day_limit]
    return Interval(
        began,
        seconds,
        outcomes=_summed(one.outcomes for one in some),
        statuses=_summed(one.statuses for one in some),
        latencies=_summed(one.latencies for one in some),
        paused=_summed(one.paused for one in some),
        retries=sum(one.retries for one in some),
        most_in_flight=max(one.most_in_flight for one in some),
        per_second=next((one.per_second for one in reversed(some) if one.per_second), 0.0),
        day_limit=days[-1][0] if days else 0,
        day_left=days[-1][1] if days else 0,
    )


def _summed(counted: Iterable[Mapping[str, _N]]) -> dict[str, _N]:
    total: dict[str, _N] = {}
    for counts in counted:
        for name, count in counts.items():
            total[name] = total[name] + count if name in total else count
    return total


def percentile(latencies: Mapping[str, int], share: float) -> float | None:
    """Return the seconds within which a share of the replies came, up to a third too many; None without
    replies.
    """
    total = sum(latencies.values())
    if not total:
        return None
    wanted, seen = math.ceil(share * total), 0
    for place, count in sorted((int(place), count) for place, count in latencies.items()):
        seen += count
        if seen >= wanted:
            return LATENCIES[min(place, len(LATENCIES) - 1)]
    return LATENCIES[-1]
