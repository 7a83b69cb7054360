"""Which settings applied to which rows, and which rows were written while no snapshot was kept.

In    the `Period`s of a job in order; the last one is the present.
Out   a row's period; earlier periods in which it may have been sent, too; `NotInSnapshot` rows.
Raise nothing.
Rule  A row belongs to the first period at whose end it was settled. If it was open then but may have been
      sent, it may have been written under the settings of that period and of a later one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uploader.model.outcomes import MAYBE_WRITTEN, WRITTEN, Outcome
from uploader.model.watermark import Progress

#: Positions as [first, end) pairs, in order, without overlaps.
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Period:
    """A part of a job during which its settings stayed the same. All numbers are as of its end."""

    settings: Mapping[str, Any] | None  #: those that change what is written, by name; None: not known
    has_snapshot: bool | None  #: whether one was kept, and still exists; None: not known
    progress: Progress
    in_doubt_below: int  #: open rows below this position may have been sent
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)  #: of all rows settled by then


@dataclass(frozen=True, slots=True)
class NotInSnapshot:
    """Rows that no snapshot can undo."""

    written: int = 0  #: created or updated without a snapshot
    unsure: int = 0  #: at most so many more may have been written
    rows: Ranges = ()  #: positions of all rows settled without a snapshot
    unsure_rows: Ranges = ()  #: positions of rows that may have been sent without one
    unknown: str = ""  #: why there may be others; "" if this is all

    @property
    def is_empty(self) -> bool:
        return not (self.written or self.unsure or self.unknown)


#: For a checkpoint written before periods were recorded.
NOT_RECORDED = "--snapshot was switched on or off by a version that did not record when"


def period_of(periods: Sequence[Period], position: int) -> int:
    """Return the index of the period whose settings applied when the row was settled."""
    last = len(periods) - 1
    return next((i for i in range(last) if periods[i].progress.is_settled(position)), last)


def uncertain_periods(periods: Sequence[Period], position: int) -> list[int]:
    """Return the indexes of earlier periods under whose settings a row may have been sent as well."""
    own = period_of(periods, position)
    return [i for i in range(own) if position < periods[i].in_doubt_below]


def not_in_snapshot(periods: Sequence[Period]) -> NotInSnapshot:
    """Return the rows that were written, or may have been, in periods without a snapshot."""
    written = unsure = 0
    settled: Ranges = ()
    doubtful: Ranges = ()
    before = Period(None, None, Progress(), 0)
    for period in periods:
        if period.has_snapshot is False:
            written += _more(WRITTEN, before, period)
            unsure += _more(MAYBE_WRITTEN, before, period)
            now = _settled(period.progress)
            settled = union((*settled, *minus(now, _settled(before.progress))))
            doubtful = union((*doubtful, *minus(((0, period.in_doubt_below),), now)))
        before = period
    doubtful = minus(doubtful, settled)
    unknown = NOT_RECORDED if any(period.has_snapshot is None for period in periods) else ""
    return NotInSnapshot(written, unsure + size(doubtful), settled, doubtful, unknown)


def may_have_snapshot(periods: Sequence[Period]) -> bool:
    """Whether a row was written, or may have been, while a snapshot was kept."""
    before = Period(None, None, Progress(), 0)
    for period in periods:
        has_more = (
            period.progress.settled > before.progress.settled or period.in_doubt_below > before.in_doubt_below
        )
        if has_more and period.has_snapshot is not False:
            return True
        before = period
    return False


def known_by_changes(texts: Iterable[str]) -> tuple[bool, bool]:
    """Return whether a file's record of changed settings proves that those of the mapping stayed the same,
    and whether it proves that for the snapshot.
    """
    changes = [text for text in texts if not text.startswith("the canary")]
    is_mapping_known = all(text in _SWITCHES for text in changes)
    return is_mapping_known, not any("snapshot was " in text for text in changes)


_SWITCHES = frozenset({"snapshot was None, is True", "snapshot was True, is None"})


# --- ranges ---


def size(ranges: Ranges) -> int:
    return sum(end - first for first, end in ranges)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the union of ranges, joined where they touch."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(one for one in ranges if one[0] < one[1]):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return tuple(joined)


def minus(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the positions of `ranges` that are not in `others`."""
    left: list[tuple[int, int]] = []
    index = 0
    for first, end in ranges:
        start = first
        while index < len(others) and others[index][1] <= start:
            index += 1
        at = index
        while at < len(others) and others[at][0] < end:
            left.append((start, others[at][0]))
            start = max(start, others[at][1])
            at += 1
        left.append((start, end))
    return tuple((first, end) for first, end in left if first < end)


def _settled(progress: Progress) -> Ranges:
    return union(((0, progress.watermark), *progress.ranges))


def _more(outcomes: Iterable[Outcome], before: Period, period: Period) -> int:
    return sum(period.outcomes.get(one, 0) - before.outcomes.get(one, 0) for one in outcomes)
