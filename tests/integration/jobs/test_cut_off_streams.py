"""A stream that was cut off stops a job before its last row, and the job goes on with all of it."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from support.jobs import Job, contacts
from support.mock_transport import make_simulator
from uploader.model.stop import Cause
from uploader.settings.speed import OnLongPause

ROWS = contacts(6_000, city="London")
TEXT = "email,firstname,city\n" + "".join(f"{r['email']},{r['firstname']},{r['city']}\n" for r in ROWS)
CUT = TEXT.index("c4321@") + len("c4321@example.com,F4321,Lond")


@pytest.fixture
def job(tmp_path) -> Job:
    options = {"checkpoint": tmp_path / "job.checkpoint", "on_long_pause": OnLongPause.WAIT}
    return Job(tmp_path / "rows", make_simulator(quota="none"), options)


def write(pipe: Path, text: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads on
        pipe.write_text(text)


def run(job: Job, text: str, **options):
    pipe = job.source.with_name(f"pipe{len(list(job.source.parent.iterdir()))}")
    os.mkfifo(pipe)
    threading.Thread(target=write, args=(pipe, text), daemon=True).start()
    return job.run_virtual(sources=(str(pipe),), results=Path(f"{job.source}.results.csv"), **options)


def test_a_job_goes_on_with_the_whole_stream(job):
    summary = run(job, TEXT[:CUT])
    assert (summary.state, summary.cause, summary.exit_code) == ("stopped", Cause.CUT_OFF, 78)
    assert "give the whole stream again, or use --accept-unfinished-last-line" in summary.reason.lower()
    assert (summary.tallies.rows, summary.tallies.open) == (4_321, 0)
    assert not {"c4321@example.com"} & job.held().keys()
    again = run(job, TEXT[:CUT])
    assert (again.cause, again.exit_code, again.tallies.rows) == (Cause.CUT_OFF, 78, 4_321)
    summary = run(job, TEXT)
    job.check(ROWS, summary)
    assert (summary.exit_code, job.simulator.stats()["records_received"]) == (0, len(ROWS))


def test_a_job_sends_the_last_row_as_it_stands_where_that_is_accepted(job):
    assert run(job, TEXT[:CUT]).cause is Cause.CUT_OFF
    summary = run(job, TEXT[:CUT], accept_unfinished_last_line=True)
    assert (summary.exit_code, summary.tallies.rows) == (0, 4_322)
    assert job.held()["c4321@example.com"]["city"] == "Lond"
    assert job.simulator.stats()["records_received"] == 4_322


def test_a_stream_whose_beginning_is_short_is_begun_anew(job):
    """Its fingerprint is of the first 64 KB: all of it differs from a part of it."""
    text = TEXT[: TEXT.index("c99@") + 5]
    summary = run(job, text)
    assert "--restart" in summary.reason
    job.check(ROWS, run(job, TEXT, restart=True))


def test_a_stream_of_one_unfinished_row_begins_no_job(job):
    summary = run(job, "email,firstname\na@x.com,An")
    assert (summary.cause, summary.exit_code, summary.tallies.rows) == (Cause.CUT_OFF, 2, 0)
    assert job.held() == {}


def test_of_a_file_the_row_is_sent_and_reported(job, tmp_path):
    job.source = tmp_path / "contacts.csv"
    job.source.write_text(TEXT[:CUT])
    runs = []
    summary = job.run_virtual(on_start=runs.append)
    assert (summary.exit_code, summary.tallies.rows) == (0, 4_322)
    assert [one for one in runs[0].notices if "the last line has no line break" in one]
    assert runs[0].late_notices() == []
