"""Which settings applied to which row, and which rows no snapshot knows of: against sets of positions."""

from hypothesis import given, strategies as st

from uploader.model.outcomes import Outcome
from uploader.model.settings_periods import (
    Period,
    known_by_changes,
    may_have_snapshot,
    minus,
    not_in_snapshot,
    period_of,
    size,
    uncertain_periods,
    union,
)
from uploader.model.watermark import Progress

ROWS = 14
positions = st.sets(st.integers(0, ROWS - 1))


def ranges_of(found: set[int]) -> tuple[tuple[int, int], ...]:
    return union((one, one + 1) for one in found)


def progress_of(settled: set[int]) -> Progress:
    watermark = next(p for p in range(ROWS + 1) if p not in settled)
    return Progress(ROWS, watermark, ranges_of({p for p in settled if p > watermark}))


@st.composite
def histories(draw) -> list[tuple[set[int], int, bool]]:
    """What was settled by the end of each period, what may have been sent, whether a snapshot was kept."""
    settled: set[int] = set()
    found = []
    for _ in range(draw(st.integers(1, 4))):
        settled = settled | draw(positions)
        found.append((settled, draw(st.integers(0, ROWS)), draw(st.booleans())))
    return found


def periods_of(history) -> list[Period]:
    return [
        Period({}, has_snapshot, progress_of(settled), below, {Outcome.UPDATED: len(settled)})
        for settled, below, has_snapshot in history
    ]


@given(histories())
def test_a_row_belongs_to_the_first_period_at_whose_end_it_was_settled(history):
    periods = periods_of(history)
    last = len(history) - 1
    for position in range(ROWS + 2):
        own = next((i for i, (settled, _, _) in enumerate(history) if position in settled), last)
        assert period_of(periods, position) == own
        assert uncertain_periods(periods, position) == [i for i in range(own) if position < history[i][1]]


@given(histories())
def test_rows_without_a_snapshot_are_those_of_its_periods_and_what_those_may_have_sent(history):
    rows: set[int] = set()
    sent: set[int] = set()
    before: set[int] = set()
    for settled, below, has_snapshot in history:
        if not has_snapshot:
            rows |= settled - before
            sent |= set(range(below)) - settled
        before = settled
    found = not_in_snapshot(periods_of(history))
    assert (found.rows, found.unsure_rows) == (ranges_of(rows), ranges_of(sent - rows))
    assert (found.written, found.unsure) == (len(rows), len(sent - rows))
    assert found.unknown == ""
    assert found.is_empty == (not rows and not sent)


@given(positions, positions)
def test_ranges_are_sets_of_positions(one, other):
    assert minus(ranges_of(one), ranges_of(other)) == ranges_of(one - other)
    assert union((*ranges_of(one), *ranges_of(other))) == ranges_of(one | other)
    assert size(ranges_of(one)) == len(one)


def test_only_what_was_sent_counts_as_written_without_a_snapshot():
    outcomes = {
        Outcome.CREATED: 1,
        Outcome.UPDATED: 2,
        Outcome.UNCHANGED: 4,
        Outcome.REJECTED: 8,
        Outcome.INVALID: 16,
        Outcome.SKIPPED: 32,
        Outcome.ABANDONED: 64,
        Outcome.PENDING: 128,
    }
    later = dict.fromkeys(outcomes, 1000)
    done = Progress(255, 255)
    found = not_in_snapshot([Period({}, False, done, 0, outcomes), Period({}, True, done, 0, later)])
    assert (found.written, found.unsure) == (3, 192)


def test_a_period_with_unknown_settings_is_reported():
    done = Progress(3, 3)
    found = not_in_snapshot([Period(None, None, done, 0), Period({}, True, done, 0)])
    assert (found.written, found.unsure) == (0, 0)
    assert found.unknown
    assert not found.is_empty


def test_a_snapshot_can_be_missed_only_where_rows_were_sent_while_it_was_kept():
    three = Progress(5, 3)
    without = Period({}, False, three, 4)
    assert not may_have_snapshot([Period({}, True, Progress(), 0)])
    assert not may_have_snapshot([without, Period({}, True, three, 4)])
    assert may_have_snapshot([without, Period({}, True, three, 5)])
    assert may_have_snapshot([without, Period({}, True, Progress(5, 4), 0)])
    assert may_have_snapshot([Period({}, True, three, 0), without])


def test_a_job_begun_before_there_were_periods_is_known_by_its_noted_changes():
    assert known_by_changes([]) == (True, True)
    assert known_by_changes(["the canary was approved"]) == (True, True)
    assert known_by_changes(["snapshot was None, is True"]) == (True, False)
    assert known_by_changes(["map was {}, is {'a': 'b'}"]) == (False, True)
    assert known_by_changes(["map was {}, is {'a': 'b'}, snapshot was True, is None"]) == (False, False)
