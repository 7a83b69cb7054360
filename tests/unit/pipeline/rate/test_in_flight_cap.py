"""How many batches may be in flight at once."""

from hypothesis import given, strategies as st

from uploader.pipeline.rate.in_flight_cap import InFlightCap

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
            cap.replied(in_flight, gap)
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
    for _ in range(100):
        cap.replied(1, 0.3)
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


def test_one_failure_among_many_good_replies_is_an_accident_and_two_are_not():
    cap = opened_cap(32)
    for _ in range(30):
        cap.replied(10, 0.3)
    cap.overloaded(now=30.0, sent_at=29.0, is_explicit=False)
    assert cap.limit == 32
    cap.overloaded(now=30.1, sent_at=29.1, is_explicit=False)
    assert cap.limit == 16


def test_a_few_may_follow_a_first_batch_whose_answer_is_slow_to_come():
    cap = InFlightCap(32, 256)
    cap.unanswered()
    assert cap.limit == 16
    cap.open()
    cap.unanswered()
    assert cap.limit == 32
    cap = InFlightCap(32, 4)
    cap.unanswered()
    assert cap.limit == 4


def reply_while_it_binds(cap, count, latency=0.3):
    for _ in range(count):
        cap.replied(cap.limit, latency)


def test_after_a_push_back_the_cap_comes_back_one_by_one_while_it_binds():
    cap = opened_cap(32)
    cap.overloaded(now=1.0, sent_at=0.5)
    assert cap.limit == 16
    reply_while_it_binds(cap, 17)
    assert cap.limit == 17
    reply_while_it_binds(cap, 2_000)
    assert cap.limit > 32


def test_after_a_push_back_the_cap_comes_back_also_where_replies_have_become_slow():
    cap = opened_cap(32)
    reply_while_it_binds(cap, 30, latency=0.1)
    cap.overloaded(now=1.0, sent_at=0.5)
    reply_while_it_binds(cap, 2_000, latency=2.0)
    assert cap.limit == 32


def test_a_cap_that_does_not_bind_is_not_raised():
    cap = opened_cap(32)
    for _ in range(1_000):
        cap.replied(3, 0.3)
    assert cap.limit == 32


def test_a_cap_that_binds_is_raised_while_replies_get_no_slower():
    cap = opened_cap(4)
    reply_while_it_binds(cap, 5_000)
    assert cap.limit > 90


def test_a_cap_is_not_raised_where_requests_merely_queue_up_at_the_other_end():
    cap = opened_cap(32)
    for _ in range(20_000):
        cap.replied(cap.limit, cap.limit / 100)  # the same 100 a second, however many are in flight
    assert 32 < cap.limit < 56


def test_until_the_server_pushes_back_the_cap_grows_by_a_quarter_in_the_time_of_a_reply():
    cap = opened_cap(8)
    reply_while_it_binds(cap, 19)  # how quick replies are is not known yet
    assert cap.limit == 8
    reply_while_it_binds(cap, 8)
    assert cap.limit == 10
    cap.overloaded(now=1.0, sent_at=0.5)
    reply_while_it_binds(cap, 13)  # one by one
    assert cap.limit == 7


def test_the_cap_is_lowered_to_its_start_where_replies_get_slower():
    cap = opened_cap(8)
    reply_while_it_binds(cap, 500, latency=0.1)
    assert cap.limit > 100
    reply_while_it_binds(cap, 5_000, latency=1.0)
    assert cap.limit == 8
