"""What is known of the account's day."""

from datetime import UTC, datetime

from uploader.hubspot.replies import QuotaHeaders, Usage
from uploader.pipeline.rate.daily_quota import DailyQuota


def test_a_late_answer_about_the_day_gives_back_nothing_that_headers_have_counted_since():
    day, ends = DailyQuota(), datetime(2026, 1, 2, tzinfo=UTC)
    day.learn(QuotaHeaders(daily=1_000, daily_remaining=3), 1.0)
    day.look(Usage(limit=1_000, resets_at=ends))
    assert (day.limit, day.remaining, day.resets_at) == (1_000, 3, ends)
