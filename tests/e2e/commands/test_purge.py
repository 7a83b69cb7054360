"""`uploader purge`: a job's own files go, all of them, and nobody else's."""

import pytest

from support.jobs import contacts, write_csv
from support.processes import kill, run, start, wait_until
from uploader.system.sqlite import ENDINGS


@pytest.fixture
def job(tmp_path, hubspot_mock):
    """A finished job with all that can stand beside it."""
    rows = contacts(300)
    rows[3]["email"] = "nobody"
    source = write_csv(tmp_path / "contacts.csv", rows)
    mock = hubspot_mock(quota="190/10")
    way = ("--base-url", mock.url)
    done = run("upload", source, *way, "--yes", "--snapshot", "--on-duplicate", "first", cwd=tmp_path)
    assert done.code == 1, done.err
    mock.change_records(update=[{"email": "c5@example.com", "properties": {"firstname": "Else"}}])
    checkpoint = tmp_path / "contacts.csv.checkpoint"
    for words in (("verify", checkpoint, *way), ("report", checkpoint), ("undo", checkpoint, *way, "--yes")):
        assert run(*words, cwd=tmp_path).code in {0, 1}
    assert names(tmp_path) >= {"contacts.csv.differences.csv", "contacts.csv.kept.csv"}
    assert "contacts.csv.checkpoint.verified.json" in names(tmp_path)
    page = (tmp_path / "contacts.csv.checkpoint.report.html").read_text()
    assert "records, 298 as uploaded, 1 differ." in page
    return checkpoint


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_all_of_a_job_goes_and_nothing_else(tmp_path, job):
    foreign = {"contacts.csv.differences.csv.old", "contacts.csv.checkpoint.snapshot.mine", "x.checkpoint"}
    for name in foreign:
        (tmp_path / name).write_text("mine")
    (tmp_path / "contacts.csv.optouts.csv").write_text("Email\nc1@example.com\n")
    assert len(names(tmp_path)) > len(foreign) + 5
    done = run("purge", job, "--yes", "--with-opt-outs", cwd=tmp_path)
    assert (done.code, done.out.split()[0]) == (0, "deleted")
    assert names(tmp_path) == {"contacts.csv", *foreign}
    assert run("purge", job, "--yes", cwd=tmp_path).code == 2


def test_what_is_left_is_named(tmp_path, job):
    (tmp_path / "contacts.failures.csv").write_text("email\n")
    (tmp_path / "contacts.csv.optouts.csv").write_text("Email\nc1@example.com\n")
    for name, source in (("failed.csv", "contacts.csv"), ("foreign.csv", "people.csv")):
        (tmp_path / name).write_text(f"email,uploader_row,uploader_source\nx@x.com,7,{source}\n")
    done = run("purge", job, "--yes", "--keep-results", cwd=tmp_path)
    left = done.err.partition("left, as they may hold personal data, too: ")[2].splitlines()
    assert left[0] == "5 files"
    assert [(line.partition(": ")[0].rpartition("/")[2], line.partition(": ")[2]) for line in left[1:]] == [
        ("contacts.csv.results.csv", "the outcome of each row"),
        ("contacts.csv.optouts.csv", "the addresses that opted out, to be imported in HubSpot"),
        ("failed.csv", "failed rows of this job"),
        ("contacts.csv", "a source"),
        ("contacts.failures.csv", "begins with the name of a source"),
    ]


def test_results_are_kept_where_they_have_to_be(tmp_path, job):
    assert run("purge", job, "--yes", "--keep-results", cwd=tmp_path).code == 0
    assert names(tmp_path) == {"contacts.csv", "contacts.csv.results.csv"}


def test_a_file_of_that_name_that_is_somebody_elses_stays(tmp_path, job):
    (tmp_path / "contacts.csv.results.csv").unlink()
    (tmp_path / "contacts.csv.results.csv").write_text("my,own,list\n")
    link = tmp_path / "contacts.csv.differences.csv"
    link.unlink()
    link.symlink_to(tmp_path / "contacts.csv")
    assert run("purge", job, "--yes", cwd=tmp_path).code == 0
    assert names(tmp_path) == {"contacts.csv", "contacts.csv.results.csv", "contacts.csv.differences.csv"}


def test_nothing_is_removed_without_yes(tmp_path, job):
    before = names(tmp_path)
    done = run("purge", job, cwd=tmp_path)
    assert (done.code, "add --yes" in done.err) == (2, True)
    assert str(job) in done.err
    assert names(tmp_path) >= {one for one in before if not one.endswith(ENDINGS)}  # an empty log goes


def test_a_job_that_runs_or_has_open_rows_is_left_alone(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(60_000))
    checkpoint = tmp_path / "contacts.csv.checkpoint"
    uploading = start("upload", source, "--base-url", hubspot_mock(quota="190/10").url, "--yes", cwd=tmp_path)
    wait_until((tmp_path / "contacts.csv.results.csv").exists, uploading)
    running = run("purge", checkpoint, "--yes", "--unfinished", cwd=tmp_path)
    assert (running.code, "is using" in running.err) == (2, True)
    kill(uploading)
    open_rows = run("purge", checkpoint, "--yes", cwd=tmp_path)
    assert (open_rows.code, "--unfinished" in open_rows.err) == (2, True)
    assert checkpoint.exists()
    assert run("purge", checkpoint, "--yes", "--unfinished", cwd=tmp_path).code == 0
    assert names(tmp_path) == {"contacts.csv"}


def test_a_job_that_was_killed_before_its_first_answer_leaves_nothing(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(10))
    never = {"faults": [{"kind": "delay", "seconds": 600, "endpoint": "upsert"}]}
    way = ("--base-url", hubspot_mock(scenario=never).url, "--yes")
    uploading = start("upload", source, *way, "--snapshot", cwd=tmp_path)
    results = tmp_path / "contacts.csv.results.csv"
    wait_until(results.exists, uploading)
    kill(uploading)
    assert results.read_bytes() == b""
    assert run("purge", f"{source}.checkpoint", "--yes", "--unfinished", cwd=tmp_path).code == 0
    assert names(tmp_path) == {"contacts.csv"}
