"""What is seen of a job of another process."""

import pytest

from uploader.cli.status_watch import Looks, _line, _lines
from uploader.jobs.summary import Summary
from uploader.model.chain_of_rows import Chain
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies


def test_the_bar_is_full_only_when_the_job_is_complete():
    """Also where it has more rows than were estimated."""
    tallies = Tallies(rows=1_010)
    tallies.outcomes[Outcome.CREATED] = 1_010
    shown = {}
    for state in ("running", "complete"):
        looks, summary = Looks(), Summary(tallies, state)
        looks.add(0.0, summary)
        shown[state] = _lines(summary, looks, 1_000, 100)[0]
    assert shown["running"].startswith(f"{'#' * 23}-  99%  1,010 rows")
    assert shown["complete"].startswith(f"{'#' * 24} 100%  1,010 rows")


def test_a_rate_is_shown_from_the_second_look_on():
    """One look tells none."""
    looks, summary = Looks(), Summary(Tallies(rows=400), "running")
    shown = []
    for second in range(2):
        summary.tallies.outcomes[Outcome.CREATED] = 100 * second
        looks.add(float(second), summary)
        shown.append(_lines(summary, looks, 1_000, 120)[0].partition("%  ")[2])
    assert shown == [
        "0 of 1,000 rows",
        "100 of 1,000 rows | 9 s left | 100 rows/s | 0.0 requests/s",
    ]


def _shown(chain: Chain, rows: int, width: int | None = 200) -> list[str]:
    """The display of a job that has settled 400 rows of about 1,000, at 100 rows a second. `width`: of
    the terminal; None: there is none.
    """
    looks, summary = Looks(), Summary(Tallies(rows=rows), "running", chain=chain)
    for second in (0, 1):
        summary.tallies.outcomes[Outcome.CREATED] = 300 + 100 * second
        looks.add(float(second), summary)
    return _lines(summary, looks, 1_000, width) if width else [_line(summary, looks, 1_000)]


def test_the_time_left_counts_the_rows_of_one_key_with_those_to_come():
    """Of 500 rows to come a tenth is expected to join 100 that wait. The others take 6 seconds."""
    chain = Chain(100, seconds_per_row=1.0, share=0.1)
    assert "400 of 1,000 rows | 2 min 30 s left" in _shown(chain, rows=500)[0]


def test_once_only_rows_of_one_key_are_left_their_number_is_exact():
    chain = Chain(50, seconds_per_row=0.5, is_all=True)
    assert "400 of 450 rows | 25 s left" in _shown(chain, rows=450)[0]


ROWS = "50 rows share a value and are written one after the other, 0.5 s each: about 25 s"


@pytest.mark.parametrize(
    ("chain", "begin", "end"),
    [
        (
            Chain(50, 0.5, is_all=True),
            "only these are left: ",
            " (--on-duplicate last writes only the last row of a key)",
        ),
        (
            Chain(50, 0.5, reading_waits=True),
            "reading has paused, because the rows that wait for an earlier one fill the memory: ",
            "; remove placeholder values from the file, or use --on-duplicate last",
        ),
    ],
)
def test_what_slows_a_job_is_said_to_its_end(chain, begin, end):
    for width in (80, 400):
        shown = _shown(chain, 450, width)
        assert f"{begin}{ROWS}{end}" in " ".join(" ".join(shown).split())
        assert max(map(len, shown)) <= width
    assert _shown(chain, 450, None)[0].endswith(f" | {begin}{ROWS}{end}")


def test_a_chain_that_other_rows_are_sent_beside_is_not_mentioned():
    assert "one after the other" not in " ".join(_shown(Chain(50, 0.5), rows=450))
