"""When a search may leave: as many as the account allows in any second, and a wait after a refusal."""

from hypothesis import given, strategies as st

from uploader.pipeline.rate.search_pace import QUOTA, SearchPace

GAPS = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.3)), max_size=40)


@given(GAPS)
def test_no_second_has_more_searches_than_the_limit(gaps):
    """`gaps`: how long after the last one a search is wanted, and how late it really leaves."""
    pace, now, left = SearchPace(), 0.0, []
    for gap, late in gaps:
        now += gap
        now += pace.wait_seconds(now)
        assert pace.wait_seconds(now) < 1e-9
        pace.note(now)
        left.append(now + late)
        pace.move(now, now + late)
        now += late
    for at in left:
        assert sum(at <= other < at + QUOTA.seconds for other in left) <= QUOTA.requests


def test_refusals_of_one_burst_are_one_and_later_ones_wait_longer():
    pace = SearchPace()
    for _ in range(3):
        pace.note(1.0)
    pace.refused(1.0, 1.2, None)
    pace.refused(1.0, 1.3, None)
    assert pace.wait_seconds(1.3) == 1.2 + 1.0 - 1.3
    pace.note(2.2)
    pace.refused(2.2, 2.3, None)
    assert pace.wait_seconds(2.3) == 2.0
    pace.answered(1.0)  # it had left before the last refusal
    pace.note(4.3)
    pace.refused(4.3, 4.4, None)
    assert pace.wait_seconds(4.4) == 4.0
    pace.answered(8.4)
    pace.note(8.5)
    pace.refused(8.5, 8.6, 1.5)
    assert round(pace.wait_seconds(8.6), 9) == 1.5


def test_the_margin_grows_where_we_alone_were_too_many():
    pace = SearchPace()
    for _ in range(QUOTA.requests):
        pace.note(0.0)
    before = pace.wait_seconds(0.0)
    pace.refused(0.0, 0.0, None)
    for _ in range(QUOTA.requests):
        pace.note(9.0)
    assert pace.wait_seconds(9.0) > before
