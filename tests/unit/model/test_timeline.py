"""The timeline of a job: nothing is lost when intervals are merged, and what is stored is what happened."""

import random
from collections import Counter

from hypothesis import given, strategies as st

from uploader.model.timeline import LATENCIES, MAX_INTERVALS, Interval, Timeline, coarser, percentile

EVENTS = st.lists(
    st.tuples(
        st.floats(0, 3_000),  # seconds since the last one
        st.sampled_from(["answer", "counts", "tick", "keep"]),
        st.sampled_from([0, 200, 207, 429, 503]),
        st.floats(0, 200),
    ),
    max_size=60,
)


def kept_by(file: dict, changes) -> None:
    if changes.replaces_all:
        file.clear()
    file.update({began: Interval(began, seconds, **counts) for began, seconds, counts in changes.intervals})


def sums(intervals) -> dict:
    total = Counter()
    for one in intervals:
        for name in ("outcomes", "statuses", "latencies"):
            total.update({(name, key): count for key, count in getattr(one, name).items()})
        total["retries"] += one.retries
    return {name: count for name, count in total.items() if count}


@given(EVENTS, st.integers(1, 2_000_000_000), st.integers(0, 5))
def test_the_stored_timeline_is_complete_whatever_commits_fail(events, now, failures):
    """Some writes fail and are given back; the timeline is read back from its file in the middle."""
    timeline, file, happened = Timeline([], now), {}, Counter()
    for seconds, kind, status, latency in events:
        now += seconds
        timeline.tick(now, pausing="daily" if status == 429 else "", per_second=19.0)
        if kind == "answer":
            timeline.note_answer(now, status, latency, in_flight=3)
            happened[("statuses", str(status))] += 1
        elif kind == "counts":
            timeline.note_counts({"created": 7, "updated": 0}, retries=1)
            happened[("outcomes", "created")] += 7
            happened["retries"] += 1
        elif kind == "keep":
            changes = timeline.take_changes()
            if failures:
                failures -= 1
                timeline.give_back(changes)
            else:
                kept_by(file, changes)
                timeline = Timeline(sorted(file.values(), key=lambda one: one.began), now)
    kept_by(file, timeline.take_changes())
    found = sums(file.values())
    assert {name: n for name, n in found.items() if name[0] != "latencies"} == dict(happened)
    answers = sum(n for name, n in found.items() if name[0] == "latencies")
    assert answers == sum(n for name, n in happened.items() if name[0] == "statuses")
    assert file == {one.began: one for one in timeline.intervals} or not events


def test_a_run_of_days_has_as_many_intervals_as_one_of_an_hour():
    timeline, now, answers = Timeline([], 0.0), 0.0, 0
    for _ in range(20_000):
        now += 30.0
        timeline.tick(now, per_second=19.0)
        timeline.note_answer(now, 200, 0.1, 1)
        answers += 1
    intervals = timeline.intervals
    assert len(intervals) <= MAX_INTERVALS
    assert sum(one.answers for one in intervals) == answers
    assert len({one.seconds for one in intervals}) == 1
    assert all(one.began % one.seconds == 0 for one in intervals)
    assert [one.per_second for one in intervals] == [19.0] * len(intervals)


def test_two_neighbours_become_one_and_what_cannot_be_added_is_as_it_was_last():
    some = [
        Interval(10, 2, {"created": 1}, {"200": 2}, {"3": 2}, {"daily": 1.5}, 1, 9, 10.0, 100, 60),
        Interval(12, 2, {"created": 2}, {"429": 1}, {"3": 1}, {"daily": 0.5}, 0, 4, 19.0, 100, 50),
        Interval(20, 2, {"updated": 5}),
    ]
    late = Interval(20, 4, {"updated": 5})
    assert coarser(some) == [
        Interval(8, 4, {"created": 1}, {"200": 2}, {"3": 2}, {"daily": 1.5}, 1, 9, 10.0, 100, 60),
        Interval(12, 4, {"created": 2}, {"429": 1}, {"3": 1}, {"daily": 0.5}, 0, 4, 19.0, 100, 50),
        late,
    ]
    assert coarser(coarser(some))[0].outcomes == {"created": 3}
    assert coarser(coarser(some))[0].per_second == 19.0


def test_a_pause_is_as_long_as_it_was_and_a_clock_set_back_makes_no_new_past():
    timeline = Timeline([], 1_000.0)
    for step in range(101):
        timeline.tick(1_000.0 + step * 0.2, pausing="burst" if 20 <= step < 71 else "")
    assert round(sum(one.paused.get("burst", 0.0) for one in timeline.intervals), 6) == 10.2
    timeline.tick(500.0)
    timeline.note_answer(400.0, 200, 0.1, 1)
    assert min(one.began for one in timeline.intervals) == 1_000


@given(st.lists(st.floats(0.0001, 140.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_at_most_a_third_too_long(latencies, share):
    timeline = Timeline([], 0.0)
    for seconds in latencies:
        timeline.note_answer(0.0, 200, seconds, 1)
    found = percentile(timeline.intervals[0].latencies, share)
    exact = sorted(latencies)[max(0, -(-int(share * 1000) * len(latencies) // 1000) - 1)]
    assert exact <= found <= max(LATENCIES[0], exact * 4 ** (1 / 5) + 0.001)


def test_of_no_answer_there_is_no_percentile():
    assert percentile({}, 0.5) is None


def test_what_is_slower_than_all_is_counted_with_the_slowest():
    timeline = Timeline([], 0.0)
    timeline.note_answer(0.0, 0, 1e6, 1)
    assert percentile(timeline.intervals[0].latencies, random.random()) == LATENCIES[-1]
