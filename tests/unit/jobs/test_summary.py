"""How a run ended: the exit code and the keys that others script against."""

import json

import pytest
from hypothesis import given, strategies as st

from uploader.jobs.row_outcome import RowOutcome
from uploader.jobs.summary import JobState, Summary, advice
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause


def tallies(rows=None, **counts):
    made = Tallies()
    for name, count in counts.items():
        made.outcomes[Outcome(name)] = count
    made.rows = made.settled if rows is None else rows
    return made


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({}, 0),
        ({"created": 5, "updated": 4, "unchanged": 3, "skipped": 2}, 0),
        ({"created": 5, "rejected": 1}, 1),
        ({"created": 5, "invalid": 1}, 1),
        ({"created": 5, "abandoned": 1}, 1),
        ({"created": 5, "pending": 1}, 1),
    ],
)
def test_a_finished_run_is_0_if_every_row_is_where_it_belongs_else_1(counts, code):
    assert Summary(tallies(**counts), "complete").exit_code == code


@pytest.mark.parametrize("outcome", Outcome)
def test_a_row_is_ok_if_a_job_of_such_rows_alone_is(outcome):
    summary = Summary(tallies(**{outcome.value: 3}), JobState.COMPLETE)
    assert RowOutcome("crm", 1, "a@example.com", outcome).ok is summary.ok is (summary.exit_code == 0)


def test_a_summary_has_the_usual_counts_and_its_state_as_a_word():
    summary = Summary(
        tallies(rows=20, created=5, updated=4, rejected=3, invalid=2, abandoned=1), JobState.STOPPED
    )
    assert (summary.rows, summary.created, summary.updated, summary.failed) == (20, 5, 4, 6)
    assert not summary.ok
    assert f"{summary.state}" == json.loads(json.dumps(summary.as_dict()))["state"] == "stopped"
    assert type(summary.as_dict()["state"]) is str


@pytest.mark.parametrize(
    ("cause", "before_any_write", "afterwards"),
    [
        (Cause.DAILY, 75, 75),
        (Cause.MIGRATION, 75, 75),
        (Cause.OUTAGE, 75, 75),
        (Cause.TOKEN, 2, 78),
        (Cause.SCOPE, 2, 78),
        (Cause.ADDRESS, 2, 78),
        (Cause.ID_PROPERTY, 2, 78),
        (Cause.PROPERTY, 2, 78),
        (Cause.SOURCE, 2, 78),
        (Cause.FAILURES, 78, 78),
        (Cause.STORAGE, 78, 78),
        (Cause.RESULTS, 78, 78),
    ],
)
def test_a_stopped_run_says_whether_to_come_back_or_to_mend_something(cause, before_any_write, afterwards):
    assert Summary(tallies(rows=9), "stopped", cause=cause).exit_code == before_any_write
    assert Summary(tallies(rows=9, updated=1), "stopped", cause=cause).exit_code == afterwards


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_an_interrupted_run_ends_as_the_shell_expects(signal, code):
    assert Summary(tallies(rows=9), "stopped", cause=Cause.SIGNAL, signal=signal).exit_code == code


def test_a_signal_after_the_last_row_changes_nothing():
    assert Summary(tallies(created=1), "complete", cause=Cause.SIGNAL, signal=2).exit_code == 0


def test_the_summary_has_the_documented_keys():
    keys = (
        "rows, created, updated, unchanged, rejected, invalid, skipped, abandoned, pending, open, replayed, "
        "values_dropped, requests, throttled, retries, num_errors, batches, elapsed_seconds, state, reason"
    )
    assert set(keys.split(", ")) <= Summary(tallies(), "complete").as_dict().keys()


_COUNTS = st.dictionaries(st.sampled_from([outcome.value for outcome in Outcome]), st.integers(0, 10**9))


@given(_COUNTS, st.integers(0, 10**6))
def test_rows_are_the_eight_outcomes_and_what_is_open(counts, still_open):
    made = tallies(**counts)
    made.rows += still_open
    shown = Summary(made, "stopped").as_dict()
    assert shown["rows"] == sum(shown[outcome.value] for outcome in Outcome) + shown["open"]
    assert shown["open"] == still_open
    assert len(Outcome) == 8


def test_batches_are_listed_by_status_and_seconds_rounded():
    made = tallies()
    made.batches = {"PENDING": 1, "COMPLETE": 7}
    shown = Summary(made, "running", elapsed_seconds=1.23456).as_dict()
    assert list(shown["batches"].items()) == [("COMPLETE", 7), ("PENDING", 1)]
    assert shown["elapsed_seconds"] == 1.235


@pytest.mark.parametrize(
    "cause", [cause for cause in Cause if cause not in {Cause.BURST, Cause.LOCKED, Cause.SEARCH}]
)
def test_every_cause_that_stops_a_run_comes_with_its_own_way_out(cause):
    others = {advice(other) for other in Cause if other is not cause}
    assert advice(cause) not in others


def test_tallies_tell_confirmed_and_failed_apart():
    made = tallies(rows=30, created=1, updated=2, rejected=3, invalid=4, abandoned=5, pending=6, skipped=7)
    assert (made.confirmed, made.failed, made.settled, made.open) == (3, 12, 28, 2)
