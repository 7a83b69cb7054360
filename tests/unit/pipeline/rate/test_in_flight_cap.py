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


def test_one_failure_among_many_good_replies_is_an_accident_and_two_are_not():
    cap = opened_cap(32)
    for second in range(30):
        cap.replied(float(second), in_flight=10)
    cap.overloaded(now=30.0, sent_at=29.0, is_told=False)
    assert cap.limit == 32
    cap.overloaded(now=30.1, sent_at=29.1, is_told=False)
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
