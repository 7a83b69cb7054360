"""Live lines: whatever a run has to tell, none is wider than the terminal."""

import pytest
from hypothesis import given, strategies as st

from uploader.cli.progress import Pace, PlainLines, figures, fit, lines, share_done
from uploader.cli.text.summary import chain_text
from uploader.jobs.progress_view import View
from uploader.model.chain_of_rows import Chain
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.rate.limiter import Quota

COUNTS = st.integers(0, 10**9)


@st.composite
def views(draw):
    outcomes = {outcome: draw(COUNTS) for outcome in Outcome}
    settled = sum(outcomes.values())
    tallies = Tallies(
        rows=settled + draw(COUNTS), outcomes=outcomes, throttled=draw(COUNTS), requests=draw(COUNTS)
    )
    total = draw(st.one_of(st.none(), st.integers(1, 10**12)))
    return View(
        tallies=tallies,
        elapsed_seconds=draw(st.floats(0, 1e6)),
        bytes_read=draw(st.integers(0, 10**12)),
        bytes_total=total,
        in_flight=draw(st.integers(0, 256)),
        limit=Quota(draw(st.integers(1, 300)), 10.0),
        used=draw(st.integers(0, 300)),
        pause=draw(st.one_of(st.none(), st.sampled_from(list(Cause)))),
        pause_seconds=draw(st.floats(0, 90_000)),
        failing_seconds=draw(st.floats(0, 900)),
        failure=draw(st.text(max_size=200)),
        waiting_records=draw(COUNTS),
        chain=draw(st.builds(Chain, COUNTS, st.floats(0, 60), st.booleans(), st.booleans())),
        is_behind=draw(st.booleans()),
        reads_first=draw(st.booleans()),
        half_done=draw(st.integers(0, 10_000)),
        settled_before=draw(st.integers(0, 10**9)),
        forecast=lambda requests, per_second: requests / per_second,
    )


@given(st.lists(views(), min_size=1, max_size=3), st.integers(8, 300))
def test_no_line_is_wider_than_the_terminal(seen, width):
    pace = Pace()
    for second, view in enumerate(seen):
        pace.add(second * 5.0, view)
    shown = lines(seen[-1], pace, width)
    assert shown
    assert all(0 < len(line) <= width for line in shown)
    assert all(line.isprintable() for line in shown)
    if width >= 40:
        assert f"{seen[-1].tallies.settled:,}" in shown[0]
        assert " rows" in shown[0]
        assert any("PAUSED" in line for line in shown) == (seen[-1].pause is not None)
    assert figures(seen[-1], pace)["settled"] == seen[-1].tallies.settled


def test_the_bar_moves_while_rows_are_read_first_and_is_full_at_the_end():
    def share(settled: int, half_done: int, written: int) -> float | None:
        outcomes = {
            **dict.fromkeys(Outcome, 0),
            Outcome.UPDATED: written,
            Outcome.UNCHANGED: settled - written,
        }
        return share_done(
            view_of(Tallies(rows=1_000, outcomes=outcomes), half_done=half_done, reads_first=True)
        )

    assert share(0, 0, 0) == 0.0
    assert share(0, 1_000, 0) == pytest.approx(0.5)  # all are read, none is written
    assert share(400, 200, 300) == pytest.approx((600 + 300) / (1_000 * (1 + 500 / 600)))
    assert share(1_000, 0, 300) == share(1_000, 0, 1_000) == pytest.approx(1.0)


def view_of(
    tallies: Tallies, *, half_done: int = 0, reads_first: bool = False, share_read: float = 1.0
) -> View:
    """A view of a job whose source is read up to this share."""
    return View(
        tallies=tallies,
        elapsed_seconds=1.0,
        bytes_read=round(1_000 * share_read),
        bytes_total=1_000,
        in_flight=0,
        limit=Quota(190, 10.0),
        used=0,
        pause=None,
        pause_seconds=0.0,
        failing_seconds=0.0,
        failure="",
        waiting_records=0,
        chain=Chain(),
        is_behind=False,
        reads_first=reads_first,
        half_done=half_done,
        settled_before=0,
        forecast=lambda requests, per_second: requests / per_second,
    )


@pytest.mark.parametrize(("in_doubt", "says"), [(3, True), (2, False)])
def test_it_is_said_if_all_that_is_left_waits_for_the_search(in_doubt, says):
    """Not that no request succeeds: none is sent."""
    view = view_of(Tallies(rows=3))
    view.in_doubt, view.failing_seconds = in_doubt, 60.0
    shown = " ".join(lines(view, Pace(), 200))
    assert ("waiting for HubSpot's search: 3 rows may have created records" in shown) == says
    assert ("no request succeeded" in shown) != says


def test_what_slows_a_run_is_said_to_its_end():
    view = view_of(Tallies(rows=64))
    view.chain = Chain(64, 77.0, True, False)
    text = chain_text(view.chain)
    assert text.endswith("(--on-duplicate last writes only the last row of a key)")
    assert text in " ".join(" ".join(lines(view, Pace(), 80)).split())
    view.chain = Chain(1, 1.2, True, False)
    assert "only these are left" not in " ".join(lines(view, Pace(), 80))


def test_nothing_to_say_is_an_empty_line():
    assert fit([""], 80) == fit([], 80) == ""


@given(st.lists(st.text(min_size=1, max_size=30), max_size=6), st.integers(1, 60))
def test_parts_are_whole_but_for_a_first_one_that_is_too_long(parts, width):
    shown = fit(parts, width)
    assert len(shown) <= width
    whole = [" | ".join(parts[:count]) for count in range(len(parts) + 1)]
    assert shown in whole or (len(parts[0]) > width and shown.rstrip(".") in parts[0])


def test_rows_that_are_settled_unsent_have_an_end_too():
    pace = Pace()
    for second in range(5):
        invalid = {**dict.fromkeys(Outcome, 0), Outcome.INVALID: 1_000 * second}
        view = view_of(Tallies(rows=1_000 * second, outcomes=invalid), share_read=second / 10)
        pace.add(float(second), view)
    assert pace.seconds_left(view) == pytest.approx(6.0)


def test_a_line_without_news_is_printed_once_a_minute():
    plain = PlainLines()
    texts = {second: "waiting" if second < 150 else "linking" for second in range(5, 181, 5)}
    printed = [second for second, text in texts.items() if plain.is_due(text, second)]
    assert printed == [5, 65, 125, 150]
