"""How fast requests may leave: the quota is never exceeded and never left unused."""

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.replies import QuotaHeaders
from uploader.pipeline.rate.limiter import CAREFUL_QUOTA, EARLY_READS, Quota, SendLog, parse_quota

_QUOTAS = st.builds(Quota, st.integers(1, 12), st.sampled_from([1.0, 10.0]))
_GAPS = st.floats(0, 15) | st.just(0.0)


class Clock:
    """Sends as soon as the log allows, `pause` seconds after the last one, and remembers when."""

    def __init__(self, log, now=1_000.0):
        self.log, self.now, self.sends = log, now, []

    def send(self, pause=0.0):
        self.now += pause
        # As the sender does: sleep what the log says, and ask again.
        while (wait := self.log.wait_seconds(self.now)) > 0:
            self.now = max(self.now + wait, self.now + 1e-9)
        self.log.note(self.now)
        self.sends.append(self.now)

    def most_in(self, seconds, since=0):
        """The most sends in any window of that length that ends with one of the sends from `since` on."""
        return max(
            sum(1 for other in self.sends if end - seconds + 1e-6 < other <= end)
            for end in self.sends[since:]
        )


@given(st.none() | _QUOTAS, st.lists(_GAPS, min_size=1, max_size=60), st.floats(0, 0.5))
def test_no_window_ever_holds_more_sends_than_the_cap_and_the_quota(cap, gaps, margin):
    clock = Clock(SendLog(cap, margin_seconds=margin))
    for gap in gaps:
        clock.send(gap)
    for limit in clock.log.limits:
        assert clock.most_in(limit.seconds) <= limit.requests


@given(st.none() | _QUOTAS, st.lists(_GAPS | st.integers(1, 12), min_size=1, max_size=60))
def test_no_window_ends_with_a_send_too_many_after_the_quota_has_changed(cap, steps):
    """A step is a send after a gap, or the news of another quota; windows are as long as before."""
    clock = Clock(SendLog(cap, margin_seconds=0.0))
    for step in steps:
        if isinstance(step, int):
            clock.log.learn(QuotaHeaders(limit=step, interval_seconds=clock.log.quota.seconds))
        else:
            clock.send(step)
            for limit in clock.log.limits:
                assert clock.most_in(limit.seconds, since=-1) <= limit.requests


def test_a_longer_window_learned_later_holds_what_was_sent_before():
    clock = Clock(SendLog(Quota(20, 1.0), margin_seconds=0.0))
    for _ in range(100):
        clock.send()
    clock.log.learn(QuotaHeaders(limit=100, interval_seconds=10.0))
    clock.send()
    assert clock.most_in(10.0, since=-1) <= 100


@given(_QUOTAS, st.none() | st.integers(0, 12), st.none() | _QUOTAS, st.lists(_GAPS, max_size=40))
def test_with_what_a_predecessor_may_have_sent_no_window_holds_more_than_the_quota(
    quota, remaining, cap, gaps
):
    """The predecessor sent all that `remaining` misses, just before our first request or along with it."""
    log = SendLog(cap, margin_seconds=0.0)
    clock = Clock(log)
    started = clock.now
    clock.send()
    clock.now += 0.2
    headers = QuotaHeaders(limit=quota.requests, remaining=remaining, interval_seconds=quota.seconds)
    log.seed(headers, clock.now, started)
    theirs = quota.requests - 1 if remaining is None else max(0, quota.requests - remaining - 1)
    clock.sends = sorted([*clock.sends, *([started] * theirs)])
    first_of_ours = len(clock.sends)
    for gap in gaps:
        clock.send(gap)
    if gaps:
        assert clock.most_in(quota.seconds, since=first_of_ours) <= quota.requests


def test_without_a_count_a_new_process_waits_a_whole_window_from_its_start():
    log = SendLog(margin_seconds=0.1)
    log.note(50.3)
    log.seed(QuotaHeaders(limit=5), 51.0, started=50.0)
    assert log.wait_seconds(51.0) == pytest.approx(50.0 + 10.0 + 0.1 - 51.0)


@given(st.lists(st.booleans(), max_size=20))
def test_without_a_count_a_few_early_reads_leave_and_all_else_waits(requests):
    log = SendLog(margin_seconds=0.1)
    log.note(50.3)
    log.seed(QuotaHeaders(limit=100), 51.0, started=50.0)
    left = 0
    for is_early in requests:
        wait = log.wait_seconds(51.0, is_early=is_early)
        if is_early and left < EARLY_READS:
            assert wait == 0
            log.note(51.0)
            left += 1
        else:
            assert wait == pytest.approx(9.1)


def test_early_reads_break_no_other_limit():
    log = SendLog(Quota(2, 60.0), margin_seconds=0.0)
    log.note(50.3)
    log.seed(QuotaHeaders(), 51.0, started=50.0)
    log.note(51.0)
    assert log.wait_seconds(51.0, is_early=True) == pytest.approx(59.3)


def test_requests_counted_by_the_first_reply_are_logged_as_sent_just_now():
    log = SendLog(margin_seconds=0.0)
    log.note(50.0)
    log.seed(QuotaHeaders(limit=5, remaining=3, interval_seconds=10.0), 51.0, started=49.0)
    for _ in range(3):
        assert log.wait_seconds(51.0) <= 0
        log.note(51.0)
    assert log.wait_seconds(51.0) == pytest.approx(9.0)


@given(_QUOTAS, st.integers(1, 5))
def test_the_quota_is_not_left_unused(quota, windows):
    """Whoever always wants to send gets through as many as the quota holds, window after window."""
    clock = Clock(SendLog(quota, margin_seconds=0.0))
    begin = clock.now
    for _ in range(quota.requests * windows):
        clock.send()
    assert clock.now - begin <= quota.seconds * (windows - 1) + 1e-6


def test_the_margin_keeps_two_sends_apart_that_are_a_window_apart():
    clock = Clock(SendLog(Quota(1, 10.0), margin_seconds=0.5))
    clock.send()
    clock.send()
    assert clock.sends[1] - clock.sends[0] == pytest.approx(10.5)


def test_cap_and_quota_hold_at_once_whichever_is_the_narrower():
    log = SendLog(Quota(2, 1.0), margin_seconds=0.0)
    log.learn(QuotaHeaders(limit=5, interval_seconds=10.0))
    clock = Clock(log)
    for _ in range(12):
        clock.send()
    assert (clock.most_in(1.0), clock.most_in(10.0)) == (2, 5)


def test_without_quota_headers_the_start_is_careful():
    assert SendLog(margin_seconds=0.0).quota == CAREFUL_QUOTA == Quota(100, 10.0)


def test_learn_says_whether_anything_changed():
    log = SendLog(margin_seconds=0.0)
    assert log.learn(QuotaHeaders(limit=190, interval_seconds=10.0))
    assert not log.learn(QuotaHeaders(limit=190, interval_seconds=10.0))
    assert not log.learn(QuotaHeaders())
    assert not log.learn(QuotaHeaders(limit=0))
    assert log.quota == Quota(190, 10.0)


def test_a_quota_without_an_interval_keeps_the_window_it_had():
    log = SendLog(margin_seconds=0.0)
    log.learn(QuotaHeaders(limit=110))
    assert log.quota == Quota(110, 10.0)


def test_a_quota_beyond_reason_does_not_fill_the_memory():
    """Memory stays bounded whatever a header says: a full window is no list of a million sends."""
    log = SendLog(margin_seconds=0.0)
    log.note(50.0)
    log.seed(QuotaHeaders(limit=3_000_000), 51.0, started=50.0)
    assert len(log._sends) <= 100_000


@pytest.mark.parametrize(
    ("text", "quota"),
    [("190/10", Quota(190, 10.0)), (" 1/0.5 ", Quota(1, 0.5)), ("100/1.25", Quota(100, 1.25))],
)
def test_a_quota_is_requests_per_seconds(text, quota):
    assert parse_quota(text) == quota
    assert parse_quota(str(quota)) == quota


@given(st.text(alphabet="0123456789/.-+e ", max_size=12))
def test_any_text_is_a_quota_of_positive_numbers_or_a_value_error(text):
    try:
        quota = parse_quota(text)
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017
    else:
        assert quota.requests > 0
        assert quota.seconds > 0


@pytest.mark.parametrize(
    "text", ["", "190", "0/10", "190/0", "190/0.0", "-1/10", "1e3/10", "190/10/2", "a/b"]
)
def test_a_text_that_is_no_quota_is_named(text):
    with pytest.raises(ValueError, match="REQUESTS/SECONDS"):
        parse_quota(text)
