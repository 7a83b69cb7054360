"""When the account's day ends, and how its times are told."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from uploader.pipeline.rate.calendar import clock_text, next_midnight


def seconds_to_midnight(now, zone, offset):
    return (next_midnight(now, zone, offset) - now).total_seconds()


NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = 3_600.0


@pytest.mark.parametrize(
    ("now", "zone", "hours"),
    [
        (NOON, "UTC", 12),
        (NOON, "Europe/Berlin", 11),
        (NOON, "America/New_York", 17),
        (NOON, "Asia/Kolkata", 6.5),
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "Europe/Berlin", 23),  # the short day is ahead
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "Europe/Berlin", 25),  # the long one
        (datetime(2026, 1, 15, 0, tzinfo=UTC), "UTC", 24),
        (
            datetime(2024, 4, 25, 12, tzinfo=UTC),
            "Africa/Cairo",
            10,
        ),  # that midnight was skipped: 1:00 follows
    ],
)
def test_the_day_ends_at_midnight_in_the_accounts_own_zone(now, zone, hours):
    assert seconds_to_midnight(now, zone, 0) == hours * HOUR


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 29, 0, 30), datetime(2026, 10, 25, 0, 30)])  # noqa: DTZ001
def test_the_zone_that_now_is_told_in_makes_no_difference(zone, day):
    local = day.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    expected = seconds_to_midnight(local.astimezone(UTC), zone, 0)
    assert seconds_to_midnight(local, zone, 0) == expected
    assert seconds_to_midnight(local.astimezone(timezone(timedelta(hours=5))), zone, 0) == expected


@pytest.mark.parametrize("zone", ["", "Nowhere/Atall", "America", "../etc/passwd", "a\0b", "x" * 5_000])
def test_an_unknown_zone_falls_back_to_the_offset(zone):
    assert seconds_to_midnight(NOON, zone, -5 * HOUR) == 17 * HOUR


@pytest.mark.parametrize("offset", [86_400.0, -86_400.0, 1e12])
def test_an_offset_that_no_zone_has_is_no_reason_to_crash(offset):
    """The number is the server's."""
    assert 0 < seconds_to_midnight(NOON, "", offset) <= 25 * HOUR


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Pacific/Kiritimati", "?"]),
    st.integers(-12, 14),
)
def test_midnight_is_always_ahead_and_never_more_than_a_long_day(now, zone, offset_hours):
    seconds = seconds_to_midnight(now.replace(tzinfo=UTC), zone, offset_hours * HOUR)
    assert 0 < seconds <= 25 * HOUR


@pytest.mark.parametrize(
    ("zone", "here", "shown"),
    [
        ("America/New_York", "Europe/Berlin", "20:30 (America/New_York), 02:30 on Fri 16 Jan here"),
        ("Europe/Paris", "Europe/Berlin", "02:30 on Fri 16 Jan (Europe/Paris)"),
        ("UTC", "Africa/Abidjan", "01:30 on Fri 16 Jan (UTC)"),
    ],
)
def test_a_time_is_also_told_by_the_readers_clock_where_that_shows_another(zone, here, shown):
    moment = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    assert clock_text(moment, NOON, zone, 0, ZoneInfo(here)) == shown
