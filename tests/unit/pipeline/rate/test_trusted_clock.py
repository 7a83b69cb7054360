"""Clocks that stand still, are set or gain on each other, and replies that are dated to the second."""

import pytest
from hypothesis import given, strategies as st

from uploader.pipeline.rate.trusted_clock import Elapsed, ServerTime, Standstill

HOUR = 3_600.0


@pytest.mark.parametrize(
    ("loop", "wall", "passed"),
    [
        (0.2, 0.2, 0.2),
        (0.2, 8 * HOUR, 8 * HOUR),  # the machine slept
        (8 * HOUR, 8 * HOUR, 8 * HOUR),  # the process was stopped, or the loop's clock goes on in a sleep
        (0.2, -HOUR, 0.2),  # the wall clock was set back
        (8 * HOUR, -HOUR, 8 * HOUR),
        (0.2, 0.7, 0.2),  # it is being adjusted
    ],
)
def test_of_two_clocks_the_one_decides_by_which_more_time_has_passed(loop, wall, passed):
    time = Elapsed(10.0, 1e9)
    assert time.read(10.0 + loop, 1e9 + wall) == pytest.approx(10.0 + passed)


STEPS = st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e5, 1e5)), max_size=30)


@given(STEPS)
def test_elapsed_time_never_runs_back_and_never_behind_the_loop(steps):
    time, loop, wall, before = Elapsed(0.0, 0.0), 0.0, 0.0, 0.0
    for by_loop, by_wall in steps:
        loop, wall = loop + by_loop, wall + by_wall
        after = time.read(loop, wall)
        assert after >= before
        assert after >= loop - 1e-6
        before = after


def test_a_wall_clock_that_is_adjusted_for_long_adds_nothing():
    time = Elapsed(0.0, 0.0)
    for step in range(1, 100_000):
        time.read(step * 0.2, step * 0.2001)
    assert time.seconds == pytest.approx(99_999 * 0.2)


def test_a_process_that_does_not_run_stands_still_however_long_the_others_wait():
    still = Standstill(0.0)
    for step in range(1, 1_000):
        still.look(step * 0.2)
    assert still.seconds == 0
    still.look(199.8 + HOUR)
    assert still.seconds == pytest.approx(HOUR)
    still.look(200.0 + HOUR)
    assert still.seconds == pytest.approx(HOUR)


# --- the server's ---

REPLIES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20), st.floats(0, 1)), min_size=1, max_size=30)


def noted(offset, replies) -> tuple[ServerTime, float]:
    """Of requests that leave after a while, take their time and are dated somewhere on the way."""
    time, now = ServerTime(), 0.0
    for pause, latency, part in replies:
        left = now + pause
        now = left + latency
        time.note(float(int(offset + left + latency * part)), left, now)
    return time, now


@given(st.floats(1e9, 2e9), REPLIES)
def test_the_server_s_time_lies_between_the_bounds_that_dates_leave(offset, replies):
    time, now = noted(offset, replies)
    assert time.least - 1e-5 <= offset <= time.most + 1e-5
    assert time.most - time.least <= 1 + min(latency for _, latency, _ in replies) + 1e-5
    assert time.at(now) <= offset + now + 1e-5


@given(st.floats(1e9, 2e9), st.floats(100, 1e6), REPLIES)
def test_a_date_that_contradicts_the_ones_before_counts_alone(offset, jump, before):
    """A clock was set, or the machine slept and neither of its own has noticed."""
    time, now = noted(offset, before)
    time.note(float(int(offset + jump + now + 5)), now + 4, now + 5)
    assert time.least - 1e-5 <= offset + jump <= time.most + 1e-5


def test_without_a_date_the_server_s_time_is_unknown():
    assert ServerTime().at(5.0) is None
