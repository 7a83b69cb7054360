"""A job that is finished: what `upload`, `status` and `undo` say when they are asked once more."""

import json

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.undo_runs import undo
from uploader.cli import main


@pytest.fixture
def printed_by(capsys, monkeypatch):
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "test-token")

    def run(*arguments: str) -> str:
        assert main.run([*arguments]) == 0
        captured = capsys.readouterr()
        return captured.out + captured.err

    return run


def finished(tmp_path, **options) -> Job:
    rows = [{"email": f"c{i}@example.com", "Joined": f"2024-02-{i:02}"} for i in range(1, 20)]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none"), options)
    assert job.run_virtual().exit_code == 0
    return job


def test_other_settings_than_it_was_finished_with_are_told(tmp_path, printed_by):
    job = finished(tmp_path, mapped={"Joined": "firstname"})
    text = printed_by("upload", str(job.source), "--map", "Joined=lastname", "--set", "city=Ulm")
    assert "nothing was sent" in text
    assert "with other settings; to run it again with these, use --restart" in text
    assert "map was {'Joined': 'firstname'}, is {'Joined': 'lastname'}" in text
    assert "set was None, is {'city': 'Ulm'}" in text


def test_the_same_settings_are_no_others(tmp_path, printed_by):
    job = finished(tmp_path, mapped={"Joined": "firstname"})
    text = printed_by("upload", str(job.source), "--map", "Joined=firstname", "--rate", "50/10", "--yes")
    assert "nothing was sent" in text
    assert "other settings" not in text


def test_status_and_upload_say_that_it_was_undone(tmp_path, printed_by):
    source = write_csv(tmp_path / "contacts.csv", contacts(150))
    job = Job(source, make_simulator(quota="none"), {"snapshot": True})
    job.run_virtual()
    checkpoint = f"{source}.checkpoint"
    assert "undone" not in printed_by("status", checkpoint)
    assert "undone" not in json.loads(printed_by("status", checkpoint, "--json"))
    undo(job, dry=True)
    assert "undone" not in printed_by("status", checkpoint)
    report, _ = undo(job)
    assert not report.is_old
    for text in (printed_by("status", checkpoint), printed_by("upload", str(source), "--snapshot")):
        assert "the job was undone on 20" in text
        assert "150 created records are archived, 0 changed records are restored" in text
        assert "complete, and undone since" in text
    undone = json.loads(printed_by("status", checkpoint, "--json"))["undone"]
    assert (undone["archived"], undone["restored"], undone["left"]) == (150, 0, 0)
    assert undone["ended_at"].startswith("20")
    page = tmp_path / "undone.html"
    printed_by("report", checkpoint, "-o", str(page))
    assert "the job was undone on 20" in page.read_text()
    assert "--dry-run" not in page.read_text()
    again, _ = undo(job)
    assert again.is_old
    anew, _ = undo(job, restart=True)
    assert not anew.is_old


def test_one_that_is_undone_in_part_says_how_that_goes_on(tmp_path, printed_by):
    source = write_csv(tmp_path / "contacts.csv", contacts(2_000))
    job = Job(source, make_simulator(quota="20/10"), {"snapshot": True})
    job.run_virtual()
    for seconds in range(20, 100, 4):
        report, _ = undo(job, stop_after=seconds, max_in_flight=1)
        if any(report.counts.values()):
            break
    assert 0 < report.left < 2_000
    undone = json.loads(printed_by("status", f"{source}.checkpoint", "--json"))["undone"]
    assert (undone["left"], undone["ended_at"]) == (report.left, "")
    text = printed_by("status", f"{source}.checkpoint")
    assert "the job is partly undone" in text
    assert "the same undo continues" in text


def test_a_job_begun_anew_is_not_called_undone(tmp_path, printed_by):
    source = write_csv(tmp_path / "contacts.csv", contacts(20))
    job = Job(source, make_simulator(quota="none"), {"snapshot": True})
    job.run_virtual()
    undo(job)
    job.run_virtual(restart=True)
    assert "undone" not in printed_by("status", f"{source}.checkpoint")


def test_changed_settings_are_told_without_addresses(tmp_path, printed_by):
    job = finished(tmp_path, ignored=frozenset({"Joined"}))
    text = printed_by("upload", str(job.source), "--ignore", "Joined", "--blank-value", "email=jane@corp.com")
    assert "blank_values was None, is {'email': ['(an address)']}" in text
