"""The margin that finds itself, and who else is there."""

from hypothesis import given, strategies as st

from uploader.hubspot.replies import QuotaHeaders
from uploader.hubspot.reply_decoding import decode_usage
from uploader.pipeline.rate.daily_quota import DailyQuota, Reserve
from uploader.pipeline.rate.limiter import Margin, Quota, SendLog
from uploader.pipeline.rate.use_by_others import Others, within

WINDOW = 10.0


def after_windows(margin: Margin, count: int, *, remaining: int, is_bound: bool = True) -> float:
    for tenth in range(count * 100 + 1):
        margin.note_remaining(tenth / 10, remaining, WINDOW, is_bound=is_bound)
    return margin.seconds


def test_the_margin_narrows_while_the_window_is_never_full():
    assert after_windows(Margin(0.1), 3, remaining=1) < 0.06


def test_it_stays_where_the_window_is_full_or_we_are_not_at_the_limit():
    assert after_windows(Margin(0.1), 3, remaining=0) == 0.1
    assert after_windows(Margin(0.1), 3, remaining=50, is_bound=False) == 0.1


def test_a_margin_that_was_too_narrow_is_not_tried_again_for_long():
    margin = Margin(0.1)
    margin.overrun(0.0, is_alone=True)
    assert margin.seconds == 0.2
    assert 0.1 < after_windows(margin, 50, remaining=3) <= 0.13 + 1e-9


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 5), st.booleans()), max_size=100))
def test_the_margin_stays_within_its_bounds(steps):
    margin, now = Margin(), 0.0
    for gap, remaining, is_overrun in steps:
        now += gap
        if is_overrun:
            margin.overrun(now, is_alone=True)
        else:
            margin.note_remaining(now, remaining, WINDOW, is_bound=True)
        assert Margin.LEAST <= margin.seconds <= Margin.MOST


def test_differences_around_zero_are_no_other_client():
    others = Others()
    for tick in range(50):
        others.note_use(tick % 5 - 2, tick % 5 - 2, tick / 10, WINDOW)
    assert others.requests == 0
    assert others.available(190, 188, 5.0, WINDOW) is None


def test_other_senders_keep_what_they_use_and_a_gap():
    others = Others()
    for tick in range(20):
        others.note_use(50, 50, tick / 10, WINDOW)
    assert 130 <= others.available(190, 139, 2.0, WINDOW) < 140


def test_two_who_are_equal_leave_less_of_a_gap_than_one_who_has_more():
    few, many = Others(), Others()
    for tick in range(20):
        few.note_use(20, 20, tick / 10, WINDOW)
        many.note_use(95, 95, tick / 10, WINDOW)
    assert 190 - 20 - few.available(190, 168, 2.0, WINDOW) > 190 - 95 - many.available(190, 94, 2.0, WINDOW)


def test_more_is_believed_at_once_and_less_only_when_it_is_seen_again():
    others = Others()
    for tick in range(9):
        others.note_use(50, 50, tick / 10, WINDOW)
    others.note_use(90, 90, 1.0, WINDOW)
    assert others.requests >= 80
    others.note_use(0, 0, 1.1, WINDOW)
    assert others.requests >= 50


def test_a_refusal_with_room_by_our_own_log_is_somebody_elses_doing():
    log = SendLog()
    log.learn(QuotaHeaders(limit=10, interval_seconds=10.0))
    for second in range(4):
        log.note(float(second))
    before = log.margin.seconds
    assert log.refused(3.0, 3.1) < 1
    assert (log.others.requests, log.margin.seconds) == (6, before)


def test_a_refusal_without_room_is_our_own_and_widens_the_margin_once():
    log = SendLog(Quota(4, 10.0))
    for second in range(4):
        log.note(float(second))
    pauses = [log.refused(3.0, 3.1 + step) for step in range(1_000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 10
    assert log.margin.seconds == 2 * Margin.START


def test_a_day_is_spent_when_only_the_reserve_is_left():
    day = DailyQuota(Reserve(share=0.2))
    assert not day.is_spent(10_000)
    day.learn(QuotaHeaders(daily=1_000, daily_remaining=250), 7.0)
    day.learn(QuotaHeaders(daily=1_000, daily_remaining=260), 6.9)
    assert (day.left, day.is_spent(49), day.is_spent(50)) == (50, False, True)
    day.begin()
    assert day.left is None


def test_the_usage_endpoint_is_read_leniently():
    entry = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": 1_000,
        "currentUsage": 7,
        "fetchStatus": "SUCCESS",
    }
    usage = decode_usage({"results": [{**entry, "resetsAt": "2025-12-13T05:00:00Z"}]})
    assert (usage.limit, usage.resets_at.hour) == (1_000, 5)
    assert decode_usage({"results": [entry]}).resets_at is None
    assert decode_usage({"results": [{**entry, "fetchStatus": "FAILURE"}]}) is None
    assert decode_usage({"results": [{**entry, "name": "api-calls-daily"}]}) is None
    assert decode_usage({"results": "none"}) is None
    assert decode_usage({}) is None


# --- `Remaining` may tell of the arrival or of the answer ---

EXCHANGES = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 8)), min_size=1, max_size=80)


def after_exchanges(exchanges, *, at_answer: bool, others: int = 0) -> list[int]:
    """What is believed of others after each reply; they have `others` in any window, and we the rest.

    An exchange: how long after the one before it left, and how long it took.
    """
    log = SendLog(Quota(1_000, WINDOW), margin_seconds=0.0)
    log.learn(QuotaHeaders(limit=1_000, interval_seconds=WINDOW))
    log.others.fill(others, 0.0)
    sends, now = [], 100.0
    for gap, latency in exchanges:
        now += gap
        sends.append((now, now + latency))
    events = sorted([(left, 0, left) for left, _ in sends] + [(done, 1, left) for left, done in sends])
    believed = []
    for now, is_reply, left in events:
        if is_reply:
            end = now if at_answer else left
            used = others + sum(end - WINDOW <= other <= end + 1e-9 for other, _ in sends)
            log.answered(QuotaHeaders(limit=1_000, remaining=1_000 - used), left, now)
            believed.append(log.others.requests)
        else:
            log.note(now)
    return believed


@given(EXCHANGES, st.booleans())
def test_our_own_requests_are_never_taken_for_somebody_elses(exchanges, at_answer):
    assert set(after_exchanges(exchanges, at_answer=at_answer)) == {0}


@given(EXCHANGES, st.booleans(), st.integers(3, 300))
def test_a_client_that_keeps_its_pace_is_believed_to_keep_it_whatever_ours_does(exchanges, at_answer, others):
    assert set(after_exchanges(exchanges, at_answer=at_answer, others=others)) == {others}


@given(st.lists(st.tuples(st.integers(10, 300), st.integers(0, 60)), min_size=7, max_size=30))
def test_requests_that_cannot_be_ours_are_others(ranges):
    others = Others()
    for tick, (least, width) in enumerate(ranges):
        others.note_use(least, least + width, tick / 10, WINDOW)
    assert others.requests >= min(least for least, _ in ranges) - Others.UNCERTAIN


@given(st.integers(-300, 300), st.integers(0, 100), st.integers(0, 300))
def test_what_is_known_stays_where_it_can_be_and_moves_no_further_than_it_must(least, width, known):
    found = within(least, least + width, known)
    if least <= known <= least + width:
        assert found == known
    else:
        assert found in (known, least, least + width)
        assert abs(found - known) <= max(least - known, known - least - width)


def test_a_gap_that_nobody_takes_shrinks_to_one_request_but_for_an_offer_now_and_then():
    others, rooms = Others(), []
    for second in range(600):
        others.note_use(20, 20, float(second), WINDOW)
        rooms.append(others.available(190, 165, float(second), WINDOW))
    assert max(rooms[:110]) < 169
    assert set(rooms[200:]) == {169, 166}
    assert rooms[200:].count(166) <= 20


def test_what_was_overrun_as_somebody_else_turned_up_widens_no_margin():
    margin = Margin(0.1)
    margin.overrun(5.0, is_alone=True)
    margin.overrun(8.0, is_alone=True)
    margin.excuse(20.0)
    assert margin.seconds == 0.1
    assert after_windows(margin, 50, remaining=3) == Margin.LEAST


def test_what_is_overrun_beside_others_who_were_known_widens_the_margin():
    margin = Margin(0.1)
    margin.overrun(5.0, is_alone=False)
    margin.excuse(6.0)
    assert margin.seconds == 0.2
