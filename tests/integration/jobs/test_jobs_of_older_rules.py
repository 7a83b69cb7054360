"""Jobs that a version began which read rows by other rules: nothing may be written a second time."""

import asyncio
import json
import sqlite3
from contextlib import closing

import openpyxl
import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.undo_runs import undo
from support.verify_runs import counts, verify
from uploader.errors import CheckpointError
from uploader.verify.judge import Doubt

ROWS = 60
RULES = "reading_rules"


def make_older(job: Job, **settings) -> None:
    """The checkpoint as a version wrote it that recorded no rules."""
    with closing(sqlite3.connect(f"{job.source}.checkpoint")) as connection, connection:
        (text,) = connection.execute("SELECT value FROM job WHERE name = 'settings'").fetchone()
        recorded = {name: value for name, value in json.loads(text).items() if name != RULES} | settings
        connection.execute("UPDATE job SET value = ? WHERE name = 'settings'", (json.dumps(recorded),))


def workbook_job(tmp_path, **options) -> Job:
    book = openpyxl.Workbook()
    book.active.append(["external_id", "firstname"])
    for number in range(1, ROWS + 1):
        book.active.append([number, f"F{number}"])
        book.active.cell(number + 1, 1).number_format = "00000"
    book.save(tmp_path / "c.xlsx")
    simulator = make_simulator(quota="10/10", properties=[{"name": "external_id", "unique": True}])
    return Job(tmp_path / "c.xlsx", simulator, {"id_property": "external_id", **options}, batch_records=2)


def csv_job(tmp_path, rows=None, **options) -> Job:
    source = write_csv(tmp_path / "c.csv", rows or contacts(ROWS))
    return Job(source, make_simulator(quota="10/10"), options, batch_records=2)


def begun(job: Job) -> Job:
    """The job after a part of its rows, as an older version leaves it."""
    summary = job.run_virtual(stop_after=12.0)
    assert summary.state == "stopped"
    assert summary.tallies.confirmed
    make_older(job)
    return job


def test_a_workbook_is_not_continued_by_newer_rules(tmp_path):
    job = begun(workbook_job(tmp_path))
    held = job.held("external_id")
    with pytest.raises(CheckpointError, match=r"c\.xlsx in another way than version .*--accept-changed-s"):
        job.run_virtual()
    assert job.held("external_id") == held
    assert job.run_virtual(accept_changed_settings=True).state == "complete"


def test_rows_in_doubt_count_as_written(tmp_path):
    job = workbook_job(tmp_path)
    job.simulator = make_simulator(
        quota="10/10", properties=[{"name": "external_id", "unique": True}], latency_seconds=4.0
    )

    def kill_soon(run) -> None:
        for seconds in (2.0, 2.1):
            asyncio.get_running_loop().call_later(seconds, run.stop, 2)

    summary = job.run_virtual(on_start=kill_soon)
    assert (summary.tallies.confirmed, summary.state) == (0, "stopped")
    make_older(job)
    with pytest.raises(CheckpointError, match="in another way"):
        job.run_virtual()


def test_a_job_that_sent_nothing_continues_by_the_newer_rules(tmp_path):
    job = workbook_job(tmp_path)
    job.run_virtual(on_start=lambda run: run.stop(2))
    assert not list(job.simulator.objects(1e9))
    make_older(job)
    assert job.run_virtual().state == "complete"
    report, _ = verify(job)
    assert not report.has_older_rules


def test_a_plain_csv_file_is_continued(tmp_path):
    job = begun(csv_job(tmp_path))
    assert job.run_virtual().state == "complete"
    report, _ = verify(job)
    assert counts(report) == {"equal": ROWS}
    assert report.has_older_rules


def test_a_finished_job_stays_finished_and_can_be_verified_and_undone(tmp_path):
    job = workbook_job(tmp_path, snapshot=True)
    assert job.run_virtual().state == "complete"
    make_older(job)
    assert job.run_virtual().state == "complete"
    report, _ = verify(job)
    assert report.has_older_rules
    assert undo(job)[0].exit_code == 0


def test_the_older_meaning_of_suppressed_consent_is_not_mixed_with_the_newer(tmp_path):
    rows = [
        {"email": f"c{i}@example.com", "Email Opt In": ("yes", "no", "", "false", "later")[i % 5]}
        for i in range(ROWS)
    ]
    job = csv_job(tmp_path, rows, ignored=frozenset({"Email Opt In"}))
    job.run_virtual(
        stop_after=12.0, suppress_where={"Email Opt In": ("never",)}, ignored=frozenset({"Email Opt In"})
    )
    make_older(job)
    with pytest.raises(CheckpointError, match="--suppress-where Email Opt In in another way"):
        job.run_virtual(suppress_where={"Email Opt In": ("never",)})


def test_verify_lists_written_rows_that_are_skipped_now(tmp_path):
    rows = [{**row, "Email Opt In": ("yes", "", "false")[i % 3]} for i, row in enumerate(contacts(ROWS))]
    job = csv_job(tmp_path, rows, ignored=frozenset({"Email Opt In"}))
    assert job.run_virtual().exit_code == 0
    make_older(job, suppress_where={"Email Opt In": ["no"]})
    report, _ = verify(job)
    assert counts(report) == {"equal": ROWS // 3, "not checked": ROWS * 2 // 3}
    assert report.doubts == {Doubt.NOW_SKIPPED.value: ROWS * 2 // 3}


def test_a_header_that_was_kept_with_its_wrapping_is_the_same_header(tmp_path):
    rows = [{"email": f"c{i}@example.com", '="city"': f"X{i}"} for i in range(ROWS)]
    rules = {"mapped": {"city": "firstname"}, "ignored": frozenset({"Note"})}
    job = csv_job(tmp_path, [{**row, '="Note"': "n"} for row in rows], **rules)
    job.run_virtual(stop_after=12.0)
    make_older(job, map={'="city"': "firstname"}, ignore=['="Note"'])
    with closing(sqlite3.connect(f"{job.source}.checkpoint")) as connection, connection:
        (text,) = connection.execute("SELECT value FROM job WHERE name = 'sources'").fetchone()
        sources = json.loads(text)
        sources[0]["shape"]["columns"] = ["email", '="city"', '="Note"']
        connection.execute("UPDATE job SET value = ? WHERE name = 'sources'", (json.dumps(sources),))
    summary = job.run_virtual()
    assert (summary.state, summary.tallies.confirmed) == ("complete", ROWS)
    assert counts(verify(job)[0]) == {"equal": ROWS}


def test_another_sheet_than_before_is_named_as_an_option(tmp_path):
    book = openpyxl.Workbook()
    for title in ("Old people", "New"):
        sheet = book.create_sheet(title)
        sheet.append(["email", "firstname"])
        for number in range(ROWS):
            sheet.append([f"c{number}@example.com", title])
    book.remove(book.worksheets[0])
    book["Old people"].sheet_state = "hidden"
    book.active = 1
    book.save(tmp_path / "c.xlsx")
    job = Job(tmp_path / "c.xlsx", make_simulator(quota="10/10"), batch_records=2)
    job.run_virtual(stop_after=12.0, sheet="Old people")
    with pytest.raises(CheckpointError, match="from sheet 'New' now; give --sheet \"Old people\""):
        job.run_virtual()
    assert job.run_virtual(sheet="Old people").state == "complete"


@pytest.mark.parametrize("cell", ['="c59@example.com"', "c59@example.com\u200b"])
def test_a_csv_file_with_a_key_that_is_read_otherwise_is_not_continued(tmp_path, cell):
    rows = contacts(ROWS)
    rows[-1]["email"] = cell
    job = begun(csv_job(tmp_path, rows))
    with pytest.raises(CheckpointError, match=r"the key in row 61 of .*c\.csv in another way"):
        job.run_virtual()
    assert job.run_virtual(accept_changed_settings=True).state == "complete"


def test_a_csv_file_with_other_cells_that_are_read_otherwise_is_continued(tmp_path):
    rows = contacts(ROWS)
    rows[-1]["firstname"] = '="F"'
    assert begun(csv_job(tmp_path, rows)).run_virtual().state == "complete"
