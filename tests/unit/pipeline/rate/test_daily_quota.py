"""What is known of the account's day."""

from datetime import UTC, datetime

import pytest

from uploader.hubspot.replies import QuotaHeaders, Usage
from uploader.pipeline.rate.daily_quota import DailyQuota


def test_a_late_answer_about_the_day_gives_back_nothing_that_headers_have_counted_since():
    day, ends = DailyQuota(), datetime(2026, 1, 2, tzinfo=UTC)
    day.learn(QuotaHeaders(daily=1_000, daily_remaining=3), 1.0)
    day.look(Usage(limit=1_000, resets_at=ends))
    assert (day.limit, day.remaining, day.resets_at) == (1_000, 3, ends)


@pytest.mark.parametrize(
    ("usage", "is_believed"),
    [
        (Usage(1_000, 600), True),
        (Usage(1_000, 615), True),  # other apps have sent meanwhile
        (Usage(1_000, 0), True),  # it is older than the headers
        (Usage(2_000, 600), False),
        (Usage(1_000, 900), False),
    ],
)
def test_a_usage_that_headers_contradict_is_doubted(usage, is_believed):
    day, ends = DailyQuota(), datetime(2026, 1, 2, tzinfo=UTC)
    day.learn(QuotaHeaders(daily=1_000, daily_remaining=400), 1.0)
    day.look(Usage(usage.limit, usage.used, ends))
    assert (day.limit, day.resets_at) == (1_000, ends if is_believed else None)
