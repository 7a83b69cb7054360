"""The bar of undo and verify: no line is wider than the terminal, and nothing is shown beside a question."""

import asyncio

import pytest
from hypothesis import given, strategies as st

from support.virtual_loop import run_virtual
from uploader.cli import work_display
from uploader.cli.work_display import Pace, Work, WorkDisplay, line, lines

WORKS = st.builds(
    Work,
    st.sampled_from(["contacts", "rows read"]),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.lists(st.text("ab 1", min_size=1, max_size=20), max_size=6),
    st.text("ab 1", max_size=200),
)


@given(WORKS, st.integers(8, 200))
def test_no_line_is_wider_than_the_terminal(work, width):
    assert all(0 < len(one) <= width for one in lines(work, "20 s left", width))


def test_the_bar_and_the_time_left_follow_what_is_done():
    pace = Pace()
    for second in range(5):
        work = Work("contacts", 100 + second * 50, 1_000, ["3 archived"])
        pace.add(float(second), work)
    assert pace.left_text() == "14 s left"
    first, second = lines(work, pace.left_text(), 80)
    assert first.startswith("#######-----------------  30%  300 of 1,000 contacts | 14 s left")
    assert second == "3 archived"
    assert line(work, pace.left_text()) == "30% | 300 of 1,000 contacts | 3 archived | 14 s left"


def test_the_bar_is_full_only_if_nothing_is_left():
    assert lines(Work("contacts", 999, 1_000), "", 80) == [
        "#######################-  99%  999 of 1,000 contacts"
    ]
    assert line(Work("contacts", 999, 1_000), "").startswith("99% | ")
    assert lines(Work("contacts", 1_000, 1_000), "", 80)[0].startswith(f"{'#' * 24} 100%")


def test_the_time_left_does_not_jump_between_the_batches():
    """A batch of a hundred every three seconds, looked at each second: the time goes down by one."""
    pace, left = Pace(), []
    for second in range(28):
        pace.add(float(second), Work("contacts", second // 3 * 100, 2_000))
        left.append(pace.left_text())
    assert left[3:28] == [f"{57 - at} s left" for at in range(25)]


@pytest.mark.parametrize(
    "after",
    [Work("contacts", 5, 10, trouble="PAUSED 9 s"), Work("contacts", 1, 10), Work("rows read", 9, 10)],
)
def test_a_pause_and_another_kind_of_work_have_a_pace_of_their_own(after):
    pace = Pace()
    pace.add(0.0, Work("contacts", 1, 10))
    pace.add(1.0, after)
    assert pace.left_text() == ""


def test_while_a_question_is_asked_nothing_is_shown_and_the_introduction_comes_before_it(monkeypatch):
    said = []
    monkeypatch.setattr(work_display, "print_message", said.append)

    async def run():
        ready = asyncio.Event()
        display = WorkDisplay(
            lambda: Work("contacts", 1, 2), ready=ready, introduce=lambda: said.append("introduction")
        )
        async with display:
            await asyncio.sleep(20)
            assert said == []
            ready.set()
            async with display.aside():
                said.append("question?")
                await asyncio.sleep(60)
            await asyncio.sleep(6)

    run_virtual(run())
    assert said == ["introduction", "question?", "50% | 1 of 2 contacts"]
