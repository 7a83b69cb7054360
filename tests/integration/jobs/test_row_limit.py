"""`--limit N`: the first N rows are processed, and the job continues without it."""

import json

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.canary.assessment import Review
from uploader.cli import main
from uploader.errors import SettingsError
from uploader.model.stop import Cause


def job(tmp_path, rows, **options) -> Job:
    simulator = make_simulator(quota="190/10", latency_seconds=0.1)
    return Job(write_csv(tmp_path / "contacts.csv", rows), simulator, options)


@pytest.mark.parametrize("limit", [1, 150, 500, 501])
def test_the_first_rows_are_written_and_the_same_command_continues(tmp_path, limit):
    rows = contacts(1_300)
    run = job(tmp_path, rows)
    summary = run.run_virtual(limit=limit)
    assert (summary.state, summary.cause, summary.exit_code) == ("stopped", Cause.LIMIT, 75)
    assert summary.tallies.rows == summary.tallies.settled == limit
    assert run.simulator.stats()["records_received"] == limit
    further = run.run_virtual(limit=limit + 200)
    assert (further.cause, further.tallies.rows) == (Cause.LIMIT, limit + 200)
    run.check(rows, run.run_virtual())
    assert run.simulator.stats()["records_received"] == len(rows)


def test_a_job_that_stopped_after_one_row_says_so(tmp_path):
    stopped = job(tmp_path, contacts(3)).run_virtual(limit=1)
    assert "the first row" in stopped.reason
    assert "1 rows" not in stopped.reason


@pytest.mark.parametrize("limit", [700, 701, 5_000])
def test_a_limit_that_no_row_exceeds_ends_with_a_complete_job(tmp_path, limit):
    rows = contacts(700)
    run = job(tmp_path, rows)
    run.check(rows, run.run_virtual(limit=limit))


def test_rows_that_are_not_sent_count_and_those_open_below_the_limit_are_sent_first(tmp_path):
    rows = contacts(600)
    rows[3]["email"] = "none"
    run = job(tmp_path, rows)
    run.run_virtual(limit=450, stop_after=0.25)
    summary = run.run_virtual(limit=450)
    assert (summary.cause, summary.tallies.settled, summary.tallies.rows) == (Cause.LIMIT, 450, 450)
    again = run.run_virtual(limit=450)
    assert (again.cause, again.tallies.rows) == (Cause.LIMIT, 450)


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_limit_that_is_no_number_of_rows_is_refused(tmp_path, limit):
    with pytest.raises(SettingsError, match="--limit"):
        job(tmp_path, contacts(3)).run_virtual(limit=limit)


async def approve(review: Review) -> bool:
    return bool(review.rows)


@pytest.mark.parametrize("limit", [50, 51, 400, 5_000])
def test_a_canary_is_reviewed_before_further_rows_below_the_limit_are_sent(tmp_path, limit):
    rows = contacts(1_300)
    run = job(tmp_path, rows, canary=50)
    waits = run.run_virtual(limit=limit)
    sent = run.simulator.stats()["records_received"]
    assert (waits.cause, sent) == (Cause.LIMIT if limit == 50 else Cause.CANARY, 50)
    summary = run.run_virtual(limit=min(limit + 1, len(rows) - 1), judge=approve)
    assert (summary.cause, summary.tallies.open) == (Cause.LIMIT, 0)
    run.check(rows, run.run_virtual())
    assert run.simulator.stats()["records_received"] == len(rows)


def test_a_canary_and_the_rows_below_a_limit_are_sent_in_one_run(tmp_path):
    rows = contacts(1_300)
    run = job(tmp_path, rows, canary=50)
    summary = run.run_virtual(limit=400, judge=approve)
    assert (summary.cause, summary.tallies.settled, summary.tallies.rows) == (Cause.LIMIT, 400, 400)
    run.check(rows, run.run_virtual())


def test_check_looks_at_as_many_rows_as_an_upload_would(tmp_path, capsysbinary, monkeypatch):
    """The option was accepted, passed on to the next command, and ignored."""
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN", raising=False)
    source = write_csv(tmp_path / "contacts.csv", contacts(300))
    main.run(["check", str(source), "--limit", "30", "--json"])
    report = json.loads(capsysbinary.readouterr().out)
    assert (report["rows"], report["sample"]) == (30, 30)
