"""Clocks that stand still, are set, and gain on each other."""

import pytest
from hypothesis import given, strategies as st

from uploader.core.clocks import Elapsed, Standstill

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
