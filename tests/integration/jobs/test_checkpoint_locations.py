"""Where a checkpoint is: beside its source or in a folder of its own, on a disk or on a network."""

import asyncio
import sqlite3

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.cli.commands.status import read_summary
from uploader.cli.progress import Pace, lines
from uploader.errors import CheckpointError, SettingsError
from uploader.mockserver.settings import MockSettings
from uploader.mockserver.simulator import Simulator
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.settings import Settings
from uploader.storage import checkpoint
from uploader.storage.checkpoint import Checkpoint
from uploader.system import filesystem_of_path


def job_of(folder, count=500, **options):
    source = write_csv(folder / "contacts.csv", contacts(count))
    return Job(source, Simulator(MockSettings()), options)


def mounted(monkeypatch, tmp_path, kind):
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/vda rw\n2 1 0:40 / {tmp_path} rw - {kind} host:/share rw\n")
    monkeypatch.setattr(filesystem_of_path, "MOUNTINFO", table)


def journal_of(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]
    finally:
        connection.close()


def test_all_files_of_a_job_go_to_its_folder_and_none_beside_the_source(tmp_path):
    exports, state = tmp_path / "exports", tmp_path / "state"
    exports.mkdir()
    state.mkdir()
    job = job_of(exports, checkpoint_dir=state, snapshot=True)
    summary = job.run_virtual()
    assert summary.exit_code == 0
    assert [path.name for path in exports.iterdir()] == ["contacts.csv"]
    kept = {path.name for path in state.iterdir()}
    assert {"contacts.csv.checkpoint", "contacts.csv.results.csv", "contacts.csv.checkpoint.snapshot"} <= kept
    assert job.run_virtual().tallies.requests == summary.tallies.requests


def test_two_sources_of_one_name_do_not_share_a_checkpoint_unnoticed(tmp_path):
    state = tmp_path / "state"
    for name in ("a", "b", "state"):
        (tmp_path / name).mkdir()
    first = job_of(tmp_path / "a", 300, checkpoint_dir=state)
    assert first.run_virtual().exit_code == 0
    second = job_of(tmp_path / "b", 301, checkpoint_dir=state)
    with pytest.raises(CheckpointError, match=r"belongs to another file than .*/b/contacts\.csv"):
        second.run_virtual()


def test_to_start_over_forgets_no_namesake(tmp_path):
    state = tmp_path / "state"
    for name in ("a", "b", "state"):
        (tmp_path / name).mkdir()
    first = job_of(tmp_path / "a", 300, checkpoint_dir=state)
    done = first.run_virtual()
    second = job_of(tmp_path / "b", 301, checkpoint_dir=state)
    with pytest.raises(CheckpointError, match=r"/a/contacts\.csv, which --restart of .*/b/contacts\.csv"):
        second.run_virtual(restart=True)
    assert first.run_virtual().tallies == done.tallies
    write_csv(first.source, contacts(302))  # mended, it is the same file by its name
    assert first.run_virtual(restart=True).tallies.rows == 302


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"No such file or directory.*--checkpoint-dir"):
        job_of(tmp_path, checkpoint_dir=tmp_path / "missing").run_virtual()


def test_a_checkpoint_has_one_place(tmp_path):
    with pytest.raises(SettingsError, match="either --checkpoint or --checkpoint-dir"):
        Settings(sources=("a.csv",), token="t", checkpoint=tmp_path / "c", checkpoint_dir=tmp_path)


@pytest.mark.parametrize(
    ("source", "checkpoint", "results"),
    [
        ("in/a.csv", "out/a.csv.checkpoint", "out/a.csv.results.csv"),
        ("in/*.csv", "out/_.csv.checkpoint", "out/_.csv.results.csv"),
        ("https://host/in/a.csv?key=1", "out/a.csv.checkpoint", "out/a.csv.results.csv"),
    ],
)
def test_names_are_those_that_they_have_beside_the_source(tmp_path, source, checkpoint, results):
    settings = Settings(sources=(source,), token="t", checkpoint_dir=tmp_path / "out")
    assert (settings.checkpoint_path, settings.results_path) == (tmp_path / checkpoint, tmp_path / results)


def test_on_a_network_the_journal_needs_no_shared_memory_and_one_line_says_so(tmp_path, monkeypatch):
    job = job_of(tmp_path, 3_000, rate=None)
    mounted(monkeypatch, tmp_path, "nfs4")
    seen = []

    def look(run):
        seen.extend(run.notices)
        seen.append(journal_of(tmp_path / "contacts.csv.checkpoint"))

    summary = job.run_virtual(stop_after=1.0, on_start=look)
    assert summary.state == "stopped"
    (notice,) = [line for line in seen if "network file system (nfs4)" in line]
    assert "--checkpoint-dir" in notice
    assert "delete" in seen
    assert not list(tmp_path.glob("*-wal"))
    summary = job.run_virtual()
    job.check(contacts(3_000), summary)
    assert summary.state == "complete"
    assert not list(tmp_path.glob("*-journal"))


def test_a_job_that_was_moved_to_a_network_goes_on_there(tmp_path, monkeypatch):
    job = job_of(tmp_path, 3_000)
    assert job.run_virtual(stop_after=1.0).state == "stopped"
    mounted(monkeypatch, tmp_path, "cifs")
    summary = job.run_virtual()
    job.check(contacts(3_000), summary)
    assert journal_of(tmp_path / "contacts.csv.checkpoint") == "delete"


# Readers of a checkpoint on a network


REFUSED = [
    dict(row, email=f"c{i}@example.badtld") if i % 50 == 0 else row for i, row in enumerate(contacts(3_000))
]


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A job on a network, of which a fiftieth of the rows is refused."""
    mounted(monkeypatch, tmp_path, "nfs4")
    monkeypatch.setattr(checkpoint, "COMMIT_LOCK_SECONDS", 0.0)
    source = write_csv(tmp_path / "contacts.csv", REFUSED)
    return Job(
        source, make_simulator(quota="190/10", latency_seconds=0.5), {"max_failures": FailureLimit(share=1.0)}
    )


def place_of(job):
    return job.settings().checkpoint_path


class Reader:
    """Another program, such as a backup, that keeps a read transaction open once rows are settled."""

    def __init__(self, job, until=float("inf")):
        self.job, self.until, self.shown = job, until, set()
        self.connection = None

    def tick(self, run):
        now = asyncio.get_running_loop().time()
        self.shown.update(lines(run.view(), Pace(), 120))
        if self.connection is None and run.view().tallies.settled:
            self.connection = sqlite3.connect(place_of(self.job))
            self.connection.execute("BEGIN")
            self.connection.execute("SELECT * FROM job").fetchone()
            self.until += now
        elif now > self.until:
            self.close()

    def close(self):
        self.connection.close()


def test_a_list_that_is_read_slowly_keeps_no_job_waiting(shared):
    """`failures | less`: the rows are taken one by one, for hours."""
    held = []

    def read(run):
        if not held and read_summary(place_of(shared)).tallies.failed:
            opened = Checkpoint.open(place_of(shared), read_only=True)
            letters = opened.dead_letters()
            held.extend((opened, letters, next(letters)))

    summary = shared.run_virtual(on_tick=read)
    shared.check(REFUSED, summary)
    opened, letters, _ = held
    assert 1 <= 1 + sum(1 for _ in letters) < summary.tallies.failed == 60
    opened.close()


def test_a_commit_waits_as_long_as_another_program_reads_and_says_so(shared, caplog):
    reader = Reader(shared, until=600.0)
    summary = shared.run_virtual(on_tick=reader.tick)
    shared.check(REFUSED, summary)
    assert summary.state == "complete"
    assert summary.elapsed_seconds > 600
    assert "waiting for another process that is reading the checkpoint" in reader.shown
    assert [one for one in caplog.messages if "is being read by another process" in one] == [
        f"the checkpoint {place_of(shared)} is being read by another process; waiting until it has finished"
    ]


def test_a_second_signal_ends_a_run_that_waits_for_a_reader(shared):
    reader = Reader(shared)
    summary = shared.run_virtual(on_tick=reader.tick, stop_after=60.0, again_after=90.0)
    assert (summary.state, summary.cause, summary.exit_code) == ("stopped", Cause.STORAGE, 78)
    assert "is being read by another process" in summary.reason
    assert shared._clock < 95
    reader.close()
    shared.check(REFUSED, shared.run_virtual())


def test_one_signal_waits_for_a_reader(shared):
    reader = Reader(shared, until=120.0)
    summary = shared.run_virtual(on_tick=reader.tick, stop_after=2.5)
    assert (summary.state, summary.cause) == ("stopped", Cause.SIGNAL)
    assert summary.tallies.settled
    assert shared._clock > 100
    shared.check(REFUSED, shared.run_virtual())


def test_an_object_store_holds_no_checkpoint(tmp_path, monkeypatch):
    job = job_of(tmp_path)
    mounted(monkeypatch, tmp_path, "fuse.s3fs")
    with pytest.raises(CheckpointError, match=r"object store \(fuse\.s3fs\).*--checkpoint-dir"):
        job.run_virtual()
    assert not (tmp_path / "contacts.csv.checkpoint").exists()


def test_on_a_local_disk_there_is_no_notice(tmp_path, monkeypatch):
    job = job_of(tmp_path, 50)
    mounted(monkeypatch, tmp_path, "xfs")
    seen = []
    assert job.run_virtual(on_start=lambda run: seen.append(list(run.notices))).exit_code == 0
    assert not any("--checkpoint-dir" in notice for notice in seen[0])
    assert journal_of(tmp_path / "contacts.csv.checkpoint") == "wal"
