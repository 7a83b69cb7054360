"""How a plan ended: its exit code and the sums of its steps."""

import pytest

from uploader.jobs.summary import Summary
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.plans.ending import PlanEnd, StepEnd


def step(code: int | None, cause: Cause | None = None, *, rows: int = 1) -> StepEnd:
    tallies = Tallies()
    tallies.rows = rows
    tallies.outcomes[Outcome.CREATED] = rows
    summary = Summary(tallies, "stopped" if cause else "complete", cause or "", cause=cause)
    return StepEnd("a", "deals", "", "", None if code is None else summary, code)


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([step(0), step(0)], 0),
        ([step(0), step(1), step(0)], 1),
        ([step(1), step(75, Cause.OUTAGE), step(None)], 75),
        ([step(1), step(78, Cause.FAILURES), step(None)], 78),
        ([step(75, Cause.LIMIT), step(75, Cause.LIMIT)], 75),
        ([step(75, Cause.LIMIT), step(130, Cause.SIGNAL), step(None)], 130),
        ([step(3, Cause.CANARY), step(None)], 3),
        ([step(2), step(None)], 2),
        ([step(0), step(None)], 75),
    ],
)
def test_the_exit_code_is_that_of_the_step_that_stopped_it_else_the_worst(steps, code):
    assert PlanEnd(steps).exit_code == code


def test_a_step_blocks_the_next_ones_unless_it_is_complete_or_limited():
    assert not step(0).blocks
    assert not step(1).blocks
    assert not step(75, Cause.LIMIT).blocks
    assert step(78, Cause.FAILURES).blocks
    assert step(75, Cause.OUTAGE).blocks
    assert StepEnd("a", "deals", "", "", error="no file", exit_code=2).blocks


def test_the_totals_are_the_sums_of_the_steps():
    end = PlanEnd([step(0, rows=2), step(0, rows=3), step(None)])
    assert end.totals()["rows"] == end.totals()["created"] == 5
    assert end.as_dict()["totals"] == end.totals()
    assert [one["state"] for one in end.as_dict()["steps"]] == ["complete", "complete", "not started"]
    assert (end.state, PlanEnd([step(None)]).state) == ("stopped", "not started")
