"""The burst window, the day, and the headers that show them."""

from datetime import datetime

import pytest
from hypothesis import given, strategies as st

from support.mock_requests import MockClient, fault, one, quota
from uploader.mockserver.quota import Day, Quota, RollingWindow, parse_quota

PROPERTIES = "/crm/v3/properties/contacts"
USAGE = "/account-info/v3/api-usage/daily/private-apps"


@given(
    st.lists(st.floats(0, 5, width=32), max_size=200), st.integers(1, 12), st.floats(0.5, 10), st.booleans()
)
def test_no_rolling_window_ever_holds_more_than_the_quota(gaps, requests, seconds, count_refused):
    window, limit = RollingWindow(), Quota(requests, seconds)
    now, accepted = 0.0, []
    for gap in gaps:
        now += gap
        if window.admit(now, limit, count_refused=count_refused):
            accepted.append(now)
    for end in accepted:
        assert sum(end - seconds < at <= end for at in accepted) <= requests


@given(st.lists(st.floats(0, 5, width=32), max_size=100), st.integers(1, 9))
def test_the_window_refuses_only_what_would_exceed_it(gaps, requests):
    window, now, accepted = RollingWindow(), 0.0, []
    for gap in gaps:
        now += gap
        held = sum(at + 10.0 > now for at in accepted)
        assert window.admit(now, Quota(requests, 10.0), count_refused=False) == (held < requests)
        if held < requests:
            accepted.append(now)


def test_a_slot_is_free_again_exactly_one_window_later():
    talk = MockClient(quota=quota(1))
    statuses = []
    for now in (0.0, 9.999, 10.0):
        talk.now = now
        statuses.append(talk.get(PROPERTIES).status)
    assert statuses == [200, 429, 200]


def test_refused_calls_use_up_the_window_only_where_a_rule_says_so():
    for counts, expected in ((False, [200, 429, 200]), (True, [200, 429, 429])):
        talk = MockClient({"rules": {"refused_calls_count": counts}}, quota=quota(1))
        statuses = []
        for now in (0.0, 5.0, 12.0):
            talk.now = now
            statuses.append(talk.get(PROPERTIES).status)
        assert statuses == expected


def test_the_burst_429_is_the_recorded_one_without_retry_after():
    talk = MockClient(quota=quota(1))
    talk.get(PROPERTIES)
    reply = talk.get(PROPERTIES)
    body = reply.json()
    assert (reply.status, body["errorType"], body["policyName"]) == (
        429,
        "RATE_LIMIT",
        "TEN_SECONDLY_ROLLING",
    )
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert body["groupName"].startswith("publicapi:private_app-api-calls-ten-secondly:")
    assert "category" not in body
    assert "Retry-After" not in reply.headers
    assert body["correlationId"] == reply.headers["x-hubspot-correlation-id"]
    assert reply.delay_seconds == 0


def test_retry_after_on_request():
    talk = MockClient({"rules": {"retry_after_seconds": 7}}, quota=quota(1))
    talk.get(PROPERTIES)
    assert talk.get(PROPERTIES).headers["Retry-After"] == "7"


def test_the_headers_count_down():
    talk = MockClient(quota=quota(3), daily_quota=10)
    headers = [talk.get(PROPERTIES).headers for _ in range(2)]
    assert [h["X-HubSpot-RateLimit-Remaining"] for h in headers] == ["2", "1"]
    assert [h["X-HubSpot-RateLimit-Daily-Remaining"] for h in headers] == ["9", "8"]
    assert headers[0]["X-HubSpot-RateLimit-Max"] == "3"
    assert headers[0]["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers[0]["X-HubSpot-RateLimit-Daily"] == "10"
    assert headers[0]["Content-Type"] == "application/json;charset=utf-8"


@pytest.mark.parametrize(("moment", "expected"), [("arrival", ["2", "1"]), ("answer", ["1", "1"])])
def test_what_remains_is_counted_at_the_arrival_or_at_the_answer(moment, expected):
    talk = MockClient({"rules": {"remaining_at": moment}}, quota=quota(3))
    replies = [talk.get(PROPERTIES) for _ in range(2)]
    sent = [
        talk.simulator.complete_headers(reply, 5.0).headers["X-HubSpot-RateLimit-Remaining"]
        for reply in replies
    ]
    assert sent == expected
    later = talk.simulator.complete_headers(replies[0], 10.0).headers["X-HubSpot-RateLimit-Remaining"]
    assert later == ("2" if moment == "arrival" else "3")


def rate_headers(talk):
    return {name for name in talk.get(PROPERTIES).headers if name.startswith("X-HubSpot-RateLimit")}


def test_headers_can_be_left_out():
    assert rate_headers(MockClient({"rules": {"rate_headers": False}}, quota=quota(3))) == set()
    oauth = rate_headers(MockClient({"rules": {"daily_headers": False}}, quota=quota(3)))
    assert oauth == {f"X-HubSpot-RateLimit-{end}" for end in ("Max", "Remaining", "Interval-Milliseconds")}
    unlimited = rate_headers(MockClient())
    assert unlimited == {"X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining"}


def test_the_window_is_of_the_token_and_the_day_of_the_account():
    talk = MockClient(quota=quota(1), daily_quota=3)
    assert [talk.get(PROPERTIES, token=t).status for t in ("a", "a", "b", "c")] == [200, 429, 200, 200]
    reply = talk.get(PROPERTIES, token="d")
    assert (reply.status, reply.json()["policyName"]) == (429, "DAILY")
    assert reply.json()["message"] == "You have reached your daily limit."


def test_a_short_day_ends_when_the_usage_endpoint_says():
    talk = MockClient({"account": {"day_seconds": 60, "daily_used": 1}}, daily_quota=2)
    talk.now = 10.0
    usage = talk.get(USAGE).json()["results"][0]
    assert (usage["usageLimit"], usage["currentUsage"], usage["fetchStatus"]) == (2, 2, "SUCCESS")
    ends_in = (parse(usage["resetsAt"]) - parse(usage["collectedAt"])).total_seconds()
    talk.now += ends_in - 0.001
    assert talk.get(PROPERTIES).status == 429
    talk.now += 0.001
    assert talk.get(PROPERTIES).status == 200


def test_the_day_ends_at_the_midnight_of_the_account():
    summer = parse("2026-07-01T12:00:00Z").timestamp()
    assert Day("US/Eastern", None).ends_at(summer) == parse("2026-07-02T04:00:00Z").timestamp()
    # The last Sunday of summer time is 25 hours long.
    sunday = parse("2026-10-25T00:30:00+02:00").timestamp()
    assert Day("Europe/Berlin", None).ends_at(sunday) == sunday + 24.5 * 3600


def parse(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "parsed"), [("190/10", Quota(190, 10.0)), ("1/0.5", Quota(1, 0.5)), ("none", None)]
)
def test_quotas_are_read(text, parsed):
    assert parse_quota(text) == parsed


@pytest.mark.parametrize("text", ["", "190", "0/10", "5/0", "5/inf", "x/10", "-1/10", "5/nan"])
def test_other_quotas_are_refused(text):
    with pytest.raises(ValueError, match="quota must"):
        parse_quota(text)


def test_throttled_requests_write_nothing_and_see_no_fault():
    talk = MockClient(fault("reset"), quota=quota(1))
    assert talk.upsert(one("a@x.com")).delivery == "reset"
    assert talk.upsert(one("a@x.com")).delivery == "send"
    assert talk.stored == {}


def test_changing_the_quota_keeps_the_window():
    talk = MockClient(quota=quota(5))
    for _ in range(3):
        talk.get(PROPERTIES)
    talk.simulator.change_quota(quota(3))
    assert talk.get(PROPERTIES).status == 429
    assert talk.simulator.stats()["most_in_window"] == 3


def test_every_answer_is_dated_by_the_server_s_clock_as_it_is_sent():
    talk = MockClient({"faults": [{"kind": "delay", "endpoint": "properties", "seconds": 90}]})
    talk.now = 30.5
    assert talk.get(PROPERTIES).headers["Date"] == "Thu, 01 Jan 2026 00:02:00 GMT"
    assert talk.get(USAGE).headers["Date"] == "Thu, 01 Jan 2026 00:00:30 GMT"
