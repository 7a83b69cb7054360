"""What is seen of a job of another process."""

from uploader.cli.status_watch import Looks, _lines
from uploader.jobs.summary import Summary
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
