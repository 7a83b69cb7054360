"""A results file that somebody has changed, moved or lost: refused, with a way on, and never cut."""

import csv
import sqlite3
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.cli.text.summary import ending_text
from uploader.errors import CheckpointError
from uploader.model.stop import Cause
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.files_to_purge import find

ROWS = contacts(300)


@pytest.fixture
def job(tmp_path) -> Job:
    """Stopped half-way."""
    job = Job(
        write_csv(tmp_path / "contacts.csv", ROWS),
        make_simulator(quota="190/10", latency_seconds=0.5),
        batch_records=10,
    )
    assert 0 < job.run_virtual(stop_after=2.5).tallies.settled < len(ROWS)
    return job


def results_of(job: Job) -> Path:
    return Path(f"{job.source}.results.csv")


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


EDITS = {
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "column": lambda data: b"".join(line.replace(b"\n", b",checked\n") for line in lines_of(data)),
    "note": lambda data: data.replace(b"created", b"created?", 1),
    "note of the same length": lambda data: data.replace(b"created", b"CREATED", 1),
    "sorted": lambda data: b"".join([lines_of(data)[0], *sorted(lines_of(data)[1:], reverse=True)]),
    "shortened": lambda data: b"".join(lines_of(data)[:-1]),
    "longer, by a line at the top": lambda data: lines_of(data)[0] * 2 + data,
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_results_file_is_refused_and_left_as_it_is(job, edit):
    path = results_of(job)
    original = path.read_bytes()
    path.write_bytes(EDITS[edit](original))
    edited, sent = path.read_bytes(), job.simulator.stats()["records_received"]
    assert edited != original
    with pytest.raises(
        CheckpointError, match=r"results\.csv (was changed|is \d+ bytes too short).*restore the file"
    ) as error:
        job.run_virtual()
    assert "--accept-changed-results" in str(error.value)
    assert path.read_bytes() == edited
    assert job.simulator.stats()["records_received"] == sent
    path.write_bytes(original)
    job.check(ROWS, job.run_virtual())
    assert path.read_bytes().startswith(original)


@pytest.mark.parametrize("edit", ["CRLF", "byte order mark", "shortened", "missing"])
def test_a_job_goes_on_with_a_new_results_file_where_that_is_accepted(job, edit):
    path, settled = results_of(job), len(job.outcomes())
    if edit == "missing":
        path.unlink()
        with pytest.raises(CheckpointError, match=r"results\.csv is missing: restore the file"):
            job.run_virtual()
        assert not path.exists()
        edited = None
    else:
        path.write_bytes(edited := EDITS[edit](path.read_bytes()))
    job.run_virtual(stop_after=2.0, accept_changed_results=True)
    summary = job.run_virtual()
    assert (summary.state, summary.exit_code, summary.tallies.settled) == ("complete", 0, len(ROWS))
    assert len(job.held()) == len(ROWS)
    aside = path.with_name(f"{path.name}.1")
    assert (aside.read_bytes() if edited else None) == edited
    outcomes = job.outcomes()
    assert len(outcomes) == len(ROWS) - settled
    checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
    assert checkpoint.rows_not_in_results() == settled
    assert [what for _, what in checkpoint.changes() if "results" in what]
    checkpoint.close()
    found = {one.path for one in find(Path(f"{job.source}.checkpoint"))}
    assert path in found
    assert (aside in found) is (
        edited is not None and edited.removeprefix(b"\xef\xbb\xbf").startswith(b"row,key")
    )


def test_accepting_changes_of_a_results_file_changes_nothing_where_there_are_none(job):
    before = results_of(job).read_bytes()
    job.check(ROWS, job.run_virtual(accept_changed_results=True))
    assert results_of(job).read_bytes().startswith(before)
    assert not list(job.source.parent.glob("*.results.csv.1"))


def test_what_follows_the_committed_lines_is_cut_off(job):
    with results_of(job).open("ab") as file:
        file.write(b"2999,c2997@example.com,,crea")
    job.check(ROWS, job.run_virtual())


@pytest.mark.parametrize("edit", ["CRLF", "byte order mark", "shortened", "sorted"])
def test_of_a_job_begun_before_there_were_digests_what_can_be_checked_is(job, edit):
    """The header, and that the committed lines end at the end of one."""
    checkpoint = Path(f"{job.source}.checkpoint")
    with sqlite3.connect(checkpoint) as connection:
        connection.execute("DELETE FROM job WHERE name = 'results_digest'")
    connection.close()
    path = results_of(job)
    original = path.read_bytes()
    path.write_bytes(EDITS[edit](original))
    if edit == "sorted":  # of this nothing tells
        assert job.run_virtual().state == "complete"
        return
    with pytest.raises(CheckpointError, match=r"was changed|bytes too short"):
        job.run_virtual()
    path.write_bytes(original)
    assert job.run_virtual(stop_after=3.0).tallies.settled > len(original.splitlines())
    path.write_bytes(path.read_bytes().replace(b"created", b"CREATED", 1))
    with pytest.raises(CheckpointError, match="was changed"):  # from now on there is one
        job.run_virtual()


def test_a_job_that_has_ended_does_not_look_at_its_results_file(job):
    assert job.run_virtual().exit_code == 0
    path = results_of(job)
    path.write_bytes(EDITS["CRLF"](path.read_bytes()))
    assert job.run_virtual().exit_code == 0


# While the job runs


def change_once(job: Job, change) -> dict[str, object]:
    done = []

    def tick(run):
        view = run.view()
        if not done and view is not None and view.tallies.settled and results_of(job).stat().st_size:
            done.append(change(results_of(job)))

    return {"on_tick": tick}


def rewrite(path: Path) -> bytes:
    """As an editor does that writes into the file."""
    data = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(data)
    return data


def replace(path: Path) -> bytes:
    """As an editor does that writes another file and renames it."""
    new = path.with_name("new")
    new.write_bytes(data := path.read_bytes().replace(b"\n", b"\r\n"))
    new.replace(path)
    return data


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [rewrite, replace, remove], ids=lambda change: change.__name__)
def test_a_results_file_that_is_changed_while_the_job_runs_stops_it(tmp_path, change):
    job = Job(
        write_csv(tmp_path / "contacts.csv", ROWS),
        make_simulator(quota="190/10", latency_seconds=0.5),
        batch_records=10,
    )
    summary = job.run_virtual(**change_once(job, change))
    assert (summary.cause, summary.exit_code, summary.state) == (Cause.RESULTS, 78, "stopped")
    assert ending_text(summary).startswith("stopped: another program has changed the results file: ")
    assert ending_text(summary).endswith("; then run the same command again")
    path = results_of(job)
    with pytest.raises(CheckpointError):
        job.run_virtual()
    if change is rewrite:
        assert "was changed" in summary.reason
        assert job.run_virtual(accept_changed_results=True).exit_code == 0
        assert len(job.held()) == len(ROWS)
        return
    assert f"are in {path}.1; move that file back to {path}" in summary.reason
    path.with_name(f"{path.name}.1").replace(path)
    job.check(ROWS, job.run_virtual())


def test_a_results_file_that_is_only_touched_stops_nothing(tmp_path):
    job = Job(
        write_csv(tmp_path / "contacts.csv", ROWS),
        make_simulator(quota="190/10", latency_seconds=0.5),
        batch_records=10,
    )
    job.check(ROWS, job.run_virtual(**change_once(job, lambda path: path.write_bytes(path.read_bytes()))))
    with results_of(job).open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(ROWS)
