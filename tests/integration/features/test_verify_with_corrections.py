"""Rows that failed and were uploaded later, corrected, are verified with the job that they are of."""

import csv
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.undo_runs import undo
from support.verify_runs import change_records, counts, verify
from uploader.cli import main
from uploader.cli.commands.verify import _lines
from uploader.hubspot.object_types import noun
from uploader.pipeline.failure_limits import FailureLimit

LOOSE = {"max_failures": FailureLimit(share=1.0), "snapshot": True}
ADDRESS = "c1@example.com"
#: Of the second and third row the tier is no option; the first one is of the second's contact.
ROWS = [
    {"email": ADDRESS, "city": "Ulm", "tier": "gold"},
    {"email": ADDRESS, "city": "Bonn", "tier": "platinum"},
    {"email": "c2@example.com", "city": "Bonn", "tier": "platinum"},
    {"email": "nobody", "city": "Bonn", "tier": "gold"},
]


def first_job(tmp_path, rows=ROWS, **options) -> Job:
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"), LOOSE | options)
    job.run_virtual()
    return job


def failures(job: Job, name: str) -> Path:
    path = job.source.with_name(name)
    assert main.run(["failures", f"{job.source}.checkpoint", "-o", str(path)]) == 0
    return path


def corrected(job: Job, name: str, **cells: dict[str, str]) -> Job:
    """A later job, of the failed rows of this one with other cells."""
    path = failures(job, name)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    write_csv(path, [{**row, **{k: v for k, v in cells.items() if row[k] == "platinum"}} for row in rows])
    later = Job(path, job.simulator, LOOSE)
    later._clock = job._clock + 600.0
    later.run_virtual()
    job._clock = later._clock + 600.0
    return later


def test_the_job_and_its_corrected_rows_have_one_verdict(tmp_path):
    job = first_job(tmp_path)
    corrected(job, "the rest.csv", tier="silver")
    report, findings = verify(job)
    assert (counts(report), findings, report.exit_code) == ({"equal": 2}, [], 0)
    (one,) = report.corrected
    assert (one.name.rpartition("/")[2], one.rows, one.rows_written) == ("the rest.csv", 3, 2)
    assert (report.rows_written, report.rows_failed) == (1, 3)
    change_records(job, update=[{"email": ADDRESS, "properties": {"city": "Rome"}}])
    (finding,) = verify(job)[1]
    assert (finding.property, finding.wanted, finding.found, finding.source) == ("city", "Bonn", "Rome", 1)


def test_the_report_of_the_job_tells_of_its_corrected_rows(tmp_path):
    def page_of(job):
        assert main.run(["report", f"{job.source}.checkpoint", "-o", str(tmp_path / "page.html")]) == 0
        return (tmp_path / "page.html").read_text()

    job = first_job(tmp_path)
    write = "write the failed rows to a file"
    assert write in page_of(job)
    later = corrected(job, "the rest.csv", tier="silver")
    line = "A later job uploaded 3 of the failed rows, from the rest.csv{}: 1 failed again."
    assert (line.format("") in page_of(job), write in page_of(job)) == (True, False)
    undo(later)
    assert (line.format(", and was undone") in page_of(job), write in page_of(job)) == (True, True)


def test_rows_that_were_corrected_twice_count_as_of_the_first_job(tmp_path):
    job = first_job(tmp_path)
    second = corrected(job, "second.csv", tier="copper")
    third = corrected(second, "third.csv", city="Bonn")
    assert counts(verify(job)[0]) == {"equal": 1}
    path = third.source
    text = path.read_text().replace("copper", "silver").replace("platinum", "silver")
    (tmp_path / "fourth.csv").write_text(text)
    fourth = Job(tmp_path / "fourth.csv", job.simulator, LOOSE)
    fourth._clock = job._clock + 600.0
    fourth.run_virtual()
    report, findings = verify(job)
    assert (counts(report), findings) == ({"equal": 2}, [])
    assert len(report.corrected) == 3


@pytest.mark.parametrize("match", [("email",), ("email", "external_id")])
def test_rows_without_an_answer_that_were_uploaded_later_are_checked(tmp_path, match):
    fault = {"kind": "status", "status": 502, "keys": ["c7@example.com"]}
    rows = [{**row, "external_id": f"x{n}"} for n, row in enumerate(contacts(30))]
    simulator = make_simulator(quota="none", faults=[fault])
    job = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, {**LOOSE, "match": match})
    job.run_virtual()
    assert counts(verify(job)[0]) == {"equal": 29, "not checked": 1}
    job.simulator.change_scenario(make_simulator(quota="none").scenario)
    path = failures(job, "again.csv")
    again = Job(path, job.simulator, {**LOOSE, "match": match})
    again._clock = job._clock + 600.0
    again.run_virtual()
    assert counts(verify(job)[0]) == {"equal": 30}


def test_the_later_job_may_match_rows_by_more_properties(tmp_path):
    """So a contact that it finds by its id may be one that the job found by its address."""
    rows = [
        {"email": ADDRESS, "external_id": "x1", "city": "Ulm"},
        {"email": "", "external_id": "x1", "city": "Bonn"},
        {"email": "", "external_id": "x2", "city": "Bonn"},
    ]
    job = first_job(tmp_path, rows)
    later = Job(failures(job, "rest.csv"), job.simulator, {**LOOSE, "match": ("email", "external_id")})
    later._clock = job._clock + 600.0
    later.run_virtual()
    report, findings = verify(job)
    assert (counts(report), findings) == ({"equal": 2}, [])
    (line,) = (line for line in _lines(report, noun("contacts")) if "failed rows" in line)
    assert line.startswith(f"2 of 2 failed rows were written later, from {later.source} (2 of 2 rows), and")
    assert line.endswith("; 0 are left")


def test_a_later_job_that_does_not_count_is_named(tmp_path):
    job = first_job(tmp_path)
    later = corrected(job, "the rest.csv", tier="silver")
    other = Job(write_csv(tmp_path / "other.csv", ROWS[:1]), job.simulator, LOOSE)
    other._clock = job._clock
    other.run_virtual()
    undo(later)
    report, _ = verify(job)
    assert (counts(report), report.corrected) == ({"equal": 1}, [])
    assert job.left_out == [
        "the rows of the rest.csv.checkpoint, which uploaded failed rows, are left out: it was undone"
    ]
    with later.source.open("a") as file:
        file.write("x@example.com\n")
    Path(f"{later.source}.checkpoint.undo").unlink()
    verify(job)
    assert job.left_out[0].endswith("are left out: its source has changed since")
