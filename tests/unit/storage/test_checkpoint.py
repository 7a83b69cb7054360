"""The checkpoint and the results file: what is committed is there, and nothing else is believed."""

import csv
import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from uploader.errors import CheckpointError, StorageError
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.model.rows import Fault, Mark
from uploader.model.settled_rows import Refusal, Settlement, Tallies
from uploader.model.watermark import Progress, Resume
from uploader.sources.source import Shape
from uploader.storage.checkpoint import Checkpoint, Identity, SourceIdentity
from uploader.storage.checkpoint_tables.failed_and_pending_rows import Superseding
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.failed_rows import KINDS
from uploader.storage.results_file import Extent, ResultsFile
from uploader.system.private_files import Lock

IDENTITY = Identity(
    (SourceIdentity("a.csv", "f00d", Shape("csv", ",", ("email", "naïve"))),),
    {"id_property": "email"},
    results=True,
    portal="7",
)


def record(position: int, key: str = "") -> Record:
    key = key or f"c{position}@example.com"
    return Record(
        position, 0, position + 2, "email", key, (f"email={key.lower()}",), b"{}", f"{key},x".encode()
    )


def rejected(position: int, key: str = "") -> Settlement:
    return Settlement(
        record(position, key), Outcome.REJECTED, refusal=Refusal("CONFLICT", "no", "corr", "17")
    )


def test_what_was_committed_is_what_is_read(tmp_path, closed_at_end):
    path = tmp_path / "job.checkpoint"
    tallies = Tallies(rows=9, requests=3, num_errors=1, batches={"COMPLETE": 2})
    tallies.outcomes[Outcome.REJECTED] = 1
    progress = Progress(9, 4, ((5, 7),), Resume(3, 0, Mark(77, 5)))
    known = {0: (Mark(80, 6, "d2"), Mark(99, 8, "d3"))}
    state = State(progress, tallies, "stopped", "why", 12, Extent(345, "d1", (1, 345, 9)), 6.5, known)
    checkpoint = closed_at_end(Checkpoint.create(path, IDENTITY))
    checkpoint.commit(state, [rejected(4)])
    checkpoint.close()
    again = closed_at_end(Checkpoint.open(path))
    assert (again.state(), again.identity()) == (state, IDENTITY)
    assert [mark.digest for mark in again.state().known[0]] == ["d2", "d3"]
    (letter,) = again.dead_letters()
    assert (letter.row, letter.raw, letter.category, letter.existing_id) == (
        6,
        b"c4@example.com,x",
        "CONFLICT",
        "17",
    )


def test_marks_that_are_passed_are_forgotten(tmp_path, closed_at_end):
    checkpoint = closed_at_end(Checkpoint.create(tmp_path / "job.checkpoint", IDENTITY))
    for known in ({0: (Mark(80, 6, "d2"),)}, {}, {}):
        checkpoint.commit(State(known=known), [])
        assert checkpoint.state().known == known
    checkpoint.close()


def as_version_0_4_0_left_it(path: Path) -> None:
    """In its format: marks without a digest, sources without an encoding."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE state DROP COLUMN resume_digest")
        (text,) = connection.execute("SELECT value FROM job WHERE name = 'sources'").fetchone()
        sources = json.loads(text)
        for source in sources:
            del source["shape"]["encoding"], source["shape"]["sheet"]
        connection.execute("UPDATE job SET value = ? WHERE name = 'sources'", (json.dumps(sources),))
        connection.execute("PRAGMA user_version = 2")


def test_a_job_that_version_0_4_0_began_is_looked_at_and_goes_on(tmp_path, closed_at_end):
    path = tmp_path / "job.checkpoint"
    state = State(
        Progress(9, 4, ((5, 7),), Resume(3, 0, Mark(77, 5))),
        Tallies(rows=9),
        results=Extent(345),
    )
    checkpoint = closed_at_end(Checkpoint.create(path, IDENTITY))
    checkpoint.commit(state, [])
    checkpoint.close()
    as_version_0_4_0_left_it(path)
    for read_only in (True, False, False):
        again = closed_at_end(Checkpoint.open(path, read_only=read_only))
        assert (again.state(), again.identity()) == (state, IDENTITY)
        if not read_only:
            state.progress = Progress(9, 5, ((5, 7),), Resume(4, 0, Mark(88, 6, "d1")))
            again.commit(state, [])
            assert again.state().progress.resume.mark.digest == "d1"
        again.close()


def test_a_checkpoint_of_a_version_yet_to_come_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "job.checkpoint"
    Checkpoint.create(path, IDENTITY).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(CheckpointError, match="with that version, or start over with --restart"):
        Checkpoint.open(path)


def test_a_checkpoint_is_for_its_owner_alone(tmp_path, closed_at_end):
    path = tmp_path / "job.checkpoint"
    checkpoint = closed_at_end(Checkpoint.create(path, IDENTITY))
    checkpoint.commit(State(reason="so that there is a WAL"), ())
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_commit_that_fails_changes_nothing(tmp_path, closed_at_end):
    checkpoint = closed_at_end(Checkpoint.create(tmp_path / "job.checkpoint", IDENTITY))
    checkpoint.commit(State(reason="first"), [rejected(1)])
    checkpoint._connection.execute("PRAGMA max_page_count = 12")
    many = [rejected(position, f"{'x' * 500}{position}@example.com") for position in range(2, 400)]
    with pytest.raises(StorageError, match="full"):
        checkpoint.commit(State(reason="second"), many)
    assert checkpoint.state().reason == "first"
    assert len(list(checkpoint.dead_letters())) == 1


def test_dead_letters_that_lead_to_one_record_by_other_values_go_on_together(tmp_path, closed_at_end):
    """Mended and sent after the second, the first would write its older values over it."""
    checkpoint = closed_at_end(Checkpoint.create(tmp_path / "job.checkpoint", IDENTITY))
    values = [
        ("crm_id=1", "email=ann@x.com"),  # rejected
        ("email=ann@x.com",),  # abandoned, as all others
        ("phone=1", "email=ann@x.com"),
        ("phone=1",),
        ("crm_id=2", "email=bob@x.com"),
        ("email=bob@x.com",),
    ]
    refusal = Refusal("VALIDATION_ERROR", "bad")
    checkpoint.commit(
        State(),
        [
            Settlement(
                msgspec.structs.replace(record(position), lock_keys=some),
                Outcome.ABANDONED if position else Outcome.REJECTED,
                attempts=1,
                refusal=refusal,
            )
            for position, some in enumerate(values)
        ],
    )
    is_retryable = [letter.is_retryable for letter in checkpoint.dead_letters()]
    assert is_retryable == [False, False, False, False, True, True]


def test_what_is_read_as_of_now_stays_so_while_another_process_commits(tmp_path, closed_at_end):
    path = tmp_path / "job.checkpoint"
    writer = closed_at_end(Checkpoint.create(path, IDENTITY))
    writer.commit(State(), [rejected(1)])
    reader = closed_at_end(Checkpoint.open(path, read_only=True))
    with reader.as_of_now():
        assert len(list(reader.dead_letters())) == 1
        writer.commit(State(), [rejected(2)])
        assert len(list(reader.dead_letters())) == 1
    assert len(list(reader.dead_letters())) == 2


def test_a_later_row_that_wrote_the_key_supersedes_earlier_dead_letters_only(tmp_path, closed_at_end):
    checkpoint = closed_at_end(Checkpoint.create(tmp_path / "job.checkpoint", IDENTITY))
    checkpoint.commit(State(), [rejected(1, "a@x.com"), rejected(9, "A@x.com"), rejected(2, "b@x.com")])
    checkpoint.commit(State(), (), [Superseding(5, 7, "email=a@x.com")])
    assert {letter.position: letter.superseded for letter in checkpoint.dead_letters()} == {
        1: 7,
        2: None,
        9: None,
    }


def test_a_dead_letter_supersedes_none_of_its_key(tmp_path, closed_at_end):
    checkpoint = closed_at_end(Checkpoint.create(tmp_path / "job.checkpoint", IDENTITY))
    checkpoint.commit(State(), [rejected(1, "a@x.com"), rejected(9, "A@x.com"), rejected(4, "a@x.com")])
    assert [letter.superseded for letter in checkpoint.dead_letters()] == [None] * 3


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["updated", "rejected", "invalid", "abandoned"])),
        max_size=9,
    ),
    first=st.sampled_from(["transient", "permanent"]),
)
def test_once_all_dead_letters_are_sent_again_each_contact_has_its_last_row(rows, first):
    """Whichever of the two files goes first; and no row is left behind but for one that was written later."""
    dead = [
        Settlement(record(position, f"{key}@x.com"), Outcome(outcome), refusal=Refusal("OTHER", "no"))
        for position, (key, outcome) in enumerate(rows)
        if outcome != "updated"
    ]
    applied = [(position, key) for position, (key, outcome) in enumerate(rows) if outcome == "updated"]
    held = {key: position for position, key in applied}
    with TemporaryDirectory() as folder:
        checkpoint = Checkpoint.create(Path(folder) / "job.checkpoint", IDENTITY)
        checkpoint.commit(
            State(), dead, [Superseding(at, at + 2, f"email={key}@x.com", is_key=True) for at, key in applied]
        )
        letters = list(checkpoint.dead_letters())
        checkpoint.close()
    files = {kind: [one for one in letters if KINDS[kind](one)] for kind in ("transient", "permanent")}
    assert sorted(one.position for file in files.values() for one in file) == [
        one.position for one in letters
    ]
    assert all(one.outcome == "abandoned" for one in files["transient"])
    for letter in (*files.pop(first), *next(iter(files.values()))):
        if letter.superseded is None:
            held[letter.key[0]] = letter.position
    assert held == {key: position for position, (key, _) in enumerate(rows)}


@pytest.mark.parametrize(
    "content", [b"", b"email,name\n", b"SQLite format 3\0" + b"\0" * 4000], ids=["empty", "csv", "torn"]
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "job.checkpoint"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        Checkpoint.open(path)


def test_another_sqlite_file_is_refused(tmp_path):
    path = tmp_path / "job.checkpoint"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(CheckpointError, match="not a checkpoint of uploader"):
        Checkpoint.open(path)


def test_damage_is_found_at_the_start(tmp_path):
    path = tmp_path / "job.checkpoint"
    Checkpoint.create(path, IDENTITY).close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.open(path)


def test_who_gives_a_plan_for_a_checkpoint_is_not_advised_to_start_over(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("[[step]]\n")
    with pytest.raises(CheckpointError, match="a project file or a plan is given with -f") as raised:
        Checkpoint.open(path)
    assert "--restart" not in str(raised.value)


def test_a_checkpoint_appears_whole_or_not_at_all(tmp_path, closed_at_end):
    with pytest.raises(CheckpointError, match="--checkpoint"):
        Checkpoint.create(tmp_path / "nowhere" / "job.checkpoint", IDENTITY)
    (tmp_path / "job.checkpoint.new").write_bytes(b"left by a kill")
    assert closed_at_end(Checkpoint.create(tmp_path / "job.checkpoint", IDENTITY)).state() == State()
    assert not (tmp_path / "job.checkpoint.new").exists()


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / "job.checkpoint"
    first, second = Lock(path), Lock(path)
    assert not first.is_held()
    first.acquire()
    assert second.is_held()
    with pytest.raises(CheckpointError, match="another process"):
        second.acquire()
    first.release()
    assert not second.is_held()
    second.acquire()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_what_was_noted_of_a_job_that_is_no_more_is_forgotten_also_by_a_kill(tmp_path):
    path = tmp_path / "job.checkpoint"
    killed = Lock(path)
    killed.acquire()
    killed.note(900)
    killed.keep_note = True
    killed.release()
    second = Lock(path)
    second.acquire()
    assert second.noted == 900
    second.forget()
    second.keep_note = True  # as a kill
    second.release()
    third = Lock(path)
    third.acquire()
    assert third.noted == 0
    third.release()
    assert list(tmp_path.iterdir()) == []


def created(position: int) -> Settlement:
    return Settlement(record(position), Outcome.CREATED, hubspot_id=str(position))


def test_the_results_file_is_cut_back_to_what_was_committed(tmp_path):
    path = tmp_path / "r.csv"
    results = ResultsFile(path, Extent(), ["a.csv"])
    extent = results.append([results.lines([created(1)])])
    results.keep()
    results.append([results.lines([created(2)])])
    results.close()
    assert path.stat().st_size > results.committed.size == extent.size
    again = ResultsFile(path, extent, ["a.csv"])
    again.append([again.lines([created(3)])])
    again.close()
    assert path.read_text() == (
        "row,key,hubspot_id,outcome,source,note\n"
        "3,c1@example.com,1,created,a.csv,\n"
        "5,c3@example.com,3,created,a.csv,\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_results_file_that_nobody_wrote_is_checked_when_lines_are_appended(tmp_path):
    path = tmp_path / "r.csv"
    results = ResultsFile(path, Extent(), ["a.csv"])
    extent = results.append([results.lines([created(1)])])
    results.close()
    before = path.stat()
    path.write_bytes(changed := path.read_bytes().replace(b"created", b"CREATED"))
    with pytest.raises(CheckpointError, match="was changed"):
        ResultsFile(path, extent, ["a.csv"])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = ResultsFile(path, extent, ["a.csv"])
    with pytest.raises(StorageError, match="was changed"):
        again.append([again.lines([created(2)])])
    again.close()
    assert path.read_bytes() == changed


def test_a_results_file_that_lost_lines_is_refused(tmp_path):
    path = tmp_path / "r.csv"
    with pytest.raises(CheckpointError, match="is missing"):
        ResultsFile(path, Extent(10), ["a.csv"])
    assert not path.exists()
    path.write_text("short")
    with pytest.raises(CheckpointError, match="5 bytes too short"):
        ResultsFile(path, Extent(10), ["a.csv"])


def test_a_results_file_is_not_written_through_a_symbolic_link(tmp_path):
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "r.csv").symlink_to(tmp_path / "theirs")
    with pytest.raises(CheckpointError):
        ResultsFile(Path(tmp_path / "r.csv"), Extent(), ["a.csv"])
    assert (tmp_path / "theirs").read_text() == "precious"


def test_a_results_file_has_one_writer(tmp_path):
    first = ResultsFile(tmp_path / "r.csv", Extent(), ["a.csv"])
    first.append([first.lines([created(1)])])
    first.keep()
    with pytest.raises(CheckpointError, match="another process"):
        ResultsFile(tmp_path / "r.csv", Extent(), ["b.csv"])
    first.close()
    assert "c1@example.com" in (tmp_path / "r.csv").read_text()


def test_lines_of_results_stand_in_the_order_in_which_rows_were_settled(tmp_path):
    first = Settlement(record(0), Outcome.CREATED, "101")
    results = ResultsFile(tmp_path / "results.csv", Extent(), ["a.csv"])
    results.append(
        [results.lines([first, Settlement(record(5), Outcome.UPDATED, "102")]), results.lines([first])]
    )
    results.close()
    lines = (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[3] for line in lines[1:]] == ["created", "updated", "created"]


def test_a_note_says_why_a_row_failed_and_what_was_left_out(tmp_path):
    faults = (Fault("no email", "KEY"), Fault("renewal_date: 'soon' is no date", "DATE", "renewal_date"))
    unsent = Unsent(3, 0, 5, "", (), Outcome.INVALID, "KEY", "no email", b"", faults)
    partly = record(4)
    partly.dropped = (Fault("renewal_date: 'never,\n ever' is no date", "DATE", "renewal_date"),)
    results = ResultsFile(tmp_path / "results.csv", Extent(), ["a.csv"])
    settled = [
        Settlement(unsent, Outcome.INVALID, refusal=Refusal("KEY", "no email")),
        Settlement(partly, Outcome.CREATED, "7"),
        rejected(6),
        created(7),
    ]
    results.append([results.lines(settled)])
    results.close()
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        notes = {line["row"]: line["note"] for line in csv.DictReader(file)}
    assert notes == {
        "5": "no email; renewal_date: 'soon' is no date",
        "6": "left out: renewal_date: 'never, ever' is no date",
        "8": "no",
        "9": "",
    }


def test_a_results_file_that_was_begun_without_notes_goes_on_without(tmp_path):
    path = tmp_path / "results.csv"
    begun = b"row,key,hubspot_id,outcome,source\n2,a@x.com,1,created,a.csv\n"
    path.write_bytes(begun)
    results = ResultsFile(path, Extent(len(begun)), ["a.csv"])
    results.append([results.lines([rejected(6), created(5)])])
    results.close()
    assert (
        path.read_bytes() == begun + b"8,c6@example.com,,rejected,a.csv\n7,c5@example.com,5,created,a.csv\n"
    )
