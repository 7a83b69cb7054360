"""Values of databases as texts."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from uuid import UUID

import pytest

from uploader.sources.formats.rows_of_cells import UnreadableValue
from uploader.sources.sql.cells import spell_value


class Tier(Enum):
    GOLD = "gold"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("ünal", "ünal"),
        (True, "true"),
        (False, "false"),
        (2**70, str(2**70)),
        (0.1, "0.1"),
        (3.0, "3"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime.fromisoformat("2024-01-02T03:04:05"), "2024-01-02T03:04:05"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2024-01-02T01:04:05Z"),
        (time(3, 4), "03:04:00"),
        (timedelta(days=1, seconds=2, milliseconds=500), "24:00:02.5"),
        (-timedelta(minutes=1), "-00:01:00"),
        (b"abc", "abc"),
        (memoryview(b"abc"), "abc"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ip_address("10.0.0.1"), "10.0.0.1"),
        (Tier.GOLD, "gold"),
        (["a", None, 2], "a;2"),
        ([], ""),
    ],
)
def test_each_type_has_its_text(value, text):
    assert spell_value(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff", "not UTF-8"),
        ("\ud800", "not UTF-8"),
        ({"a": 1}, "nested"),
        ([{"a": 1}], "nested"),
        ([[1]], "nested"),
        (["a;b"], "`;`"),
        (float("nan"), "NaN"),
        (Decimal("NaN"), "NaN"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "outside the calendar"),
        (object(), "has the type object"),
    ],
)
def test_what_has_no_text_is_unreadable_with_a_reason(value, reason):
    assert reason in getattr(spell_value(value), "reason", "")
    assert isinstance(spell_value(value), UnreadableValue)


def test_a_time_in_utc_is_no_other_text():
    assert spell_value(datetime(2024, 1, 2, tzinfo=UTC)) == "2024-01-02T00:00:00Z"
