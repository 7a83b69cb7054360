"""`--tolerate`: a finished job with few enough failed rows is a success, and no other job is."""

import pytest
from hypothesis import given, strategies as st

from uploader.cli.text.summary import ending_text
from uploader.errors import SettingsError
from uploader.jobs.summary import Summary
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import Tolerance
from uploader.settings.safety import parse_tolerance

FAILED = (Outcome.REJECTED, Outcome.INVALID, Outcome.ABANDONED, Outcome.PENDING)


def tallies(**counts: int) -> Tallies:
    made = Tallies(rows=sum(counts.values()))
    made.outcomes = {outcome: counts.get(outcome.value, 0) for outcome in Outcome}
    return made


COUNTS = st.fixed_dictionaries({outcome.value: st.integers(0, 30) for outcome in Outcome})
TOLERANCES = st.builds(Tolerance, count=st.integers(0, 60)) | st.builds(Tolerance, share=st.floats(0, 1))


@given(COUNTS, TOLERANCES)
def test_a_finished_job_is_a_success_exactly_within_the_tolerance(counts, tolerance):
    failed = sum(counts[outcome.value] for outcome in FAILED)
    rows = sum(counts.values())
    most = tolerance.count if tolerance.count is not None else tolerance.share * rows
    summary = Summary(tallies(**counts), "complete", tolerance=tolerance)
    assert summary.exit_code == (0 if failed <= most else 1)
    assert summary.as_dict()["tolerated"] == (failed if failed <= most else 0)


@given(COUNTS, TOLERANCES, st.sampled_from(list(Cause)))
def test_a_job_that_stopped_ends_as_it_would_without(counts, tolerance, cause):
    stopped = Summary(tallies(**counts), "stopped", cause=cause, signal=15)
    assert (
        Summary(stopped.tallies, "stopped", cause=cause, signal=15, tolerance=tolerance).exit_code
        == stopped.exit_code
        != 0
    )


@given(COUNTS)
def test_without_tolerate_nothing_about_it_is_shown(counts):
    summary = Summary(tallies(**counts), "complete")
    assert "tolerated" not in summary.as_dict()
    assert "toler" not in ending_text(summary)
    is_all_well = not any(counts[outcome.value] for outcome in (*FAILED, Outcome.PENDING))
    assert (ending_text(summary) == "complete") is is_all_well


def test_the_last_line_says_it():
    few = Summary(tallies(created=8, rejected=2), "complete", tolerance=Tolerance(count=2))
    assert ending_text(few) == "complete; 2 rows failed, no more than --tolerate 2"
    many = Summary(tallies(created=8, rejected=2), "complete", tolerance=Tolerance(share=0.1))
    assert ending_text(many) == "complete; 2 rows failed, MORE than --tolerate 10%"
    none = Summary(tallies(created=8), "complete", tolerance=Tolerance(count=2))
    assert ending_text(none) == "complete"
    some = Summary(tallies(created=8, rejected=1, invalid=1, pending=3), "complete")
    assert ending_text(some) == "complete; 2 rows failed; 3 pending"
    undone = "complete, and undone since: these are the counts of the upload; 2 rows failed; 3 pending"
    assert ending_text(some, is_undone=True) == undone


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [("0", Tolerance(count=0)), ("12", Tolerance(count=12)), ("0.5%", Tolerance(share=0.005))],
)
def test_a_tolerance_is_read_as_it_is_told(text, tolerance):
    assert parse_tolerance(text) == tolerance
    assert parse_tolerance(str(tolerance)) == tolerance


@pytest.mark.parametrize("text", ["", "-1", "101%", "few", "1.5"])
def test_a_text_that_is_no_tolerance_is_refused(text):
    with pytest.raises(SettingsError, match="--tolerate"):
        parse_tolerance(text)
