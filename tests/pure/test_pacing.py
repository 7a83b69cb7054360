"""How fast requests may leave: the quota is never exceeded and never left unused."""

import pytest
from hypothesis import given, strategies as st

from uploader.core.pacing import CAREFUL_QUOTA, InFlightCap, Quota, SendLog, parse_quota
from uploader.core.wire import QuotaHeaders

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
    clock = Clock(SendLog(cap, margin))
    for gap in gaps:
        clock.send(gap)
    for limit in clock.log.limits:
        assert clock.most_in(limit.seconds) <= limit.requests


@given(st.none() | _QUOTAS, st.lists(_GAPS | st.integers(1, 12), min_size=1, max_size=60))
def test_no_window_ends_with_a_send_too_many_after_the_quota_has_changed(cap, steps):
    """A step is a send after a gap, or the news of another quota; windows are as long as before."""
    clock = Clock(SendLog(cap, 0.0))
    for step in steps:
        if isinstance(step, int):
            clock.log.learn(QuotaHeaders(limit=step, interval_seconds=clock.log.quota.seconds))
        else:
            clock.send(step)
            for limit in clock.log.limits:
                assert clock.most_in(limit.seconds, since=-1) <= limit.requests


def test_a_longer_window_learned_later_holds_what_was_sent_before():
    clock = Clock(SendLog(Quota(20, 1.0), 0.0))
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
    log = SendLog(cap, 0.0)
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
    log = SendLog(None, 0.1)
    log.note(50.3)
    log.seed(QuotaHeaders(limit=5), 51.0, started=50.0)
    assert log.wait_seconds(51.0) == pytest.approx(50.0 + 10.0 + 0.1 - 51.0)


def test_the_count_of_the_first_reply_is_booked_as_sent_just_now():
    log = SendLog(None, 0.0)
    log.note(50.0)
    log.seed(QuotaHeaders(limit=5, remaining=3, interval_seconds=10.0), 51.0, started=49.0)
    for _ in range(3):
        assert log.wait_seconds(51.0) <= 0
        log.note(51.0)
    assert log.wait_seconds(51.0) == pytest.approx(9.0)


@given(_QUOTAS, st.integers(1, 5))
def test_the_quota_is_not_left_unused(quota, windows):
    """Whoever always wants to send gets through as many as the quota holds, window after window."""
    clock = Clock(SendLog(quota, 0.0))
    begin = clock.now
    for _ in range(quota.requests * windows):
        clock.send()
    assert clock.now - begin <= quota.seconds * (windows - 1) + 1e-6


def test_the_margin_keeps_two_sends_apart_that_are_a_window_apart():
    clock = Clock(SendLog(Quota(1, 10.0), 0.5))
    clock.send()
    clock.send()
    assert clock.sends[1] - clock.sends[0] == pytest.approx(10.5)


def test_cap_and_quota_hold_at_once_whichever_is_the_narrower():
    log = SendLog(Quota(2, 1.0), 0.0)
    log.learn(QuotaHeaders(limit=5, interval_seconds=10.0))
    clock = Clock(log)
    for _ in range(12):
        clock.send()
    assert (clock.most_in(1.0), clock.most_in(10.0)) == (2, 5)


def test_without_a_word_from_the_server_the_start_is_careful():
    assert SendLog(None, 0.0).quota == CAREFUL_QUOTA == Quota(100, 10.0)


def test_learn_says_whether_anything_changed():
    log = SendLog(None, 0.0)
    assert log.learn(QuotaHeaders(limit=190, interval_seconds=10.0))
    assert not log.learn(QuotaHeaders(limit=190, interval_seconds=10.0))
    assert not log.learn(QuotaHeaders())
    assert not log.learn(QuotaHeaders(limit=0))
    assert log.quota == Quota(190, 10.0)


def test_a_quota_without_an_interval_keeps_the_window_it_had():
    log = SendLog(None, 0.0)
    log.learn(QuotaHeaders(limit=110))
    assert log.quota == Quota(110, 10.0)


@pytest.mark.parametrize(("remaining", "others"), [(3, 4), (7, 0), (9, 0), (None, 8)])
def test_what_others_have_sent_is_what_the_first_reply_misses_beyond_our_own_request(remaining, others):
    log = SendLog(None, 0.0)
    log.note(50.0)
    log.seed(QuotaHeaders(limit=8, remaining=remaining, interval_seconds=10.0), 51.0, started=49.0)
    assert log.predecessor == others


def test_a_quota_beyond_reason_does_not_fill_the_memory():
    """Law 6, and headers are anyone's: a window taken as used up is no list of a million sends."""
    log = SendLog(None, 0.0)
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
def test_what_is_no_quota_is_named(text):
    with pytest.raises(ValueError, match="REQUESTS/SECONDS"):
        parse_quota(text)


# --- requests in flight ---

_EVENTS = st.lists(
    st.tuples(st.sampled_from(["reply", "overload", "stale", "open"]), st.floats(0, 5), st.integers(0, 300)),
    max_size=200,
)


@given(st.integers(1, 64), st.integers(1, 300), _EVENTS)
def test_the_cap_in_flight_stays_between_one_and_its_maximum(start, maximum, events):
    cap, now = InFlightCap(start, maximum), 0.0
    assert 1 <= cap.limit <= maximum
    for kind, gap, in_flight in events:
        now += gap
        if kind == "reply":
            cap.replied(now, in_flight)
        elif kind == "open":
            cap.open()
        else:
            cap.overloaded(now, now if kind == "overload" else now - 100)
        assert 1 <= cap.limit <= maximum


def opened_cap(start):
    cap = InFlightCap(start, 256)
    cap.open()
    return cap


def test_the_first_batch_goes_alone_until_one_was_answered_well():
    cap = InFlightCap(32, 256)
    for second in range(100):
        cap.replied(float(second), in_flight=1)
    assert cap.limit == 1
    cap.open()
    assert cap.limit == 32


def test_a_good_answer_later_on_opens_nothing_again():
    cap = opened_cap(32)
    cap.overloaded(now=10.0, sent_at=9.0)
    cap.open()
    assert cap.limit == 16


def test_a_push_back_halves_the_cap_and_the_requests_of_that_time_halve_it_once():
    cap = opened_cap(32)
    cap.overloaded(now=10.0, sent_at=9.0)
    for _ in range(20):
        cap.overloaded(now=10.5, sent_at=9.5)
    assert cap.limit == 16
    cap.overloaded(now=12.0, sent_at=11.0)
    assert cap.limit == 8


def test_after_a_push_back_the_cap_comes_back_while_it_binds():
    cap = opened_cap(32)
    cap.overloaded(now=1.0, sent_at=0.5)
    for count in range(2_000):
        cap.replied(2.0 + count / 100, in_flight=cap.limit)
    assert cap.limit > 32


def test_a_cap_that_does_not_bind_is_not_raised():
    cap = opened_cap(32)
    for count in range(1_000):
        cap.replied(count / 100, in_flight=3)
    assert cap.limit == 32


def test_a_cap_that_binds_is_raised_while_more_gets_through():
    cap, now = opened_cap(4), 0.0
    for _ in range(5_000):
        now += 1.0 / cap.limit  # a server that answers each within a second, however many
        cap.replied(now, in_flight=cap.limit)
    assert cap.limit > 100


def test_a_raise_that_brings_nothing_is_taken_back():
    cap, now, seen = opened_cap(32), 0.0, set()
    for _ in range(2_000):
        now += 0.01  # the same 100 a second, however many are in flight
        cap.replied(now, in_flight=cap.limit)
        seen.add(cap.limit)
    assert seen == {32, 48}
    assert cap.limit == 32
