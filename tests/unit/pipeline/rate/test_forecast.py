"""How long a number of requests takes, the account's days included."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import example, given, strategies as st

from uploader.model.chain_of_rows import CHAIN_SECONDS
from uploader.pipeline.rate.calendar import next_midnight
from uploader.pipeline.rate.forecast import Today, forecast, requests_by_halving, with_chain

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)


def ahead(requests, per_second=10.0, **today):
    return forecast(requests, per_second, NOON, Today(**today), lambda at: next_midnight(at, "UTC", 0))


def test_without_a_daily_quota_it_is_a_division():
    found = ahead(36_000)
    assert (found.seconds, found.pauses, found.ends_at) == (3_600.0, 0, NOON + timedelta(hours=1))


def test_what_fits_into_the_day_does_not_pause():
    found = ahead(36_000, left=36_000, grant=100_000)
    assert (found.seconds, found.pauses) == (3_600.0, 0)


def test_a_spent_day_is_waited_out():
    found = ahead(36_000, left=18_000, grant=100_000)
    assert found.pauses_at == NOON + timedelta(minutes=30)
    assert found.goes_on_at == datetime(2026, 6, 11, tzinfo=UTC)
    assert (found.before_pause, found.pauses) == (18_000, 1)
    assert found.ends_at == datetime(2026, 6, 11, 0, 30, tzinfo=UTC)


def test_a_reset_that_was_told_counts_and_not_midnight():
    resets_at = NOON + timedelta(hours=2)
    found = ahead(36_000, left=18_000, grant=100_000, resets_at=resets_at)
    assert (found.goes_on_at, found.ends_at) == (resets_at, resets_at + timedelta(minutes=30))


def test_a_reset_before_the_quota_is_used_up_is_no_pause():
    found = ahead(600_000, left=440_000, grant=864_000)
    assert (found.pauses, found.seconds) == (0, 60_000.0)


def test_a_reserve_that_leaves_nothing_never_ends():
    found = ahead(1, left=0, grant=0)
    assert found.ends_at is None
    assert found.seconds == float("inf")


@given(
    st.integers(0, 10**7),
    st.floats(0.1, 100),
    st.integers(0, 10**6),
    st.integers(1_000, 10**6),
)
@example(151_199, 0.7, 30_240, 60_480)
def test_no_day_grants_more_than_it_has_and_no_time_is_lost(requests, per_second, left, grant):
    found = ahead(requests, per_second, left=left, grant=grant)
    if found.ends_at is None:
        return
    days = (found.ends_at.date() - NOON.date()).days
    assert requests <= left + days * grant
    assert found.seconds >= requests / per_second - 1
    assert (found.pauses == 0) is (found.pauses_at is None)
    if found.pauses == 0:
        assert found.seconds == pytest.approx(requests / per_second, abs=days + 1)


def test_rows_that_follow_one_another_take_a_request_each_once_no_others_are_left():
    quick = ahead(100)
    assert with_chain(quick, 10) == quick
    found = with_chain(quick, 1_522)
    assert found.seconds == 1_522 * CHAIN_SECONDS
    assert found.ends_at == NOON + timedelta(seconds=found.seconds)
    assert found.requests == 100 + 1_522 - quick.seconds / CHAIN_SECONDS


def test_halving_costs_what_counting_every_case_says():
    """design.md, section 3: 2.3, 7.2 and 13 requests a batch at 0.1, 0.5 and 1 %; 199 if all are refused."""

    def requests(bad):
        if len(bad) <= 1 or not any(bad):
            return 1
        middle = len(bad) // 2
        return 1 + requests(bad[:middle]) + requests(bad[middle:])

    for size in range(1, 10):
        for share in (0.0, 0.01, 0.5, 1.0):
            weighed = sum(
                share ** sum(bad) * (1 - share) ** (size - sum(bad)) * requests(bad)
                for bad in product((False, True), repeat=size)
            )
            assert requests_by_halving(size, share) == pytest.approx(weighed)
    averages = [round(requests_by_halving(100, share), 1) for share in (0.001, 0.005, 0.01, 1)]
    assert averages == [2.3, 7.3, 12.9, 199]
