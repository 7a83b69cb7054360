"""The snapshot knows the contacts of its keys by HubSpot id: those the job created, and others."""

import sqlite3
from contextlib import closing
from pathlib import Path

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.undo_runs import id_of
from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Settlement
from uploader.storage.snapshot import Former, SnapshotFile

ABOUT = {"job": "1", "portal": "44237313", "object_type": "contacts"}


def asked(source: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(f"{source}.checkpoint.snapshot")) as connection:
        return connection.execute(query).fetchall()


def reached(source: Path) -> set[tuple[str, str, str]]:
    return set(
        asked(source, "SELECT key, reached.hubspot_id, how FROM reached JOIN contacts ON contact = number")
    )


def former_ids(source: Path) -> set[str]:
    return {one for (one,) in asked(source, "SELECT DISTINCT hubspot_id FROM former")}


def former(key: str, hubspot_id: str = "", keys=(), city: str = "", row: int = 2) -> Former:
    return Former(
        f"email={key}", "email", key, hubspot_id, row, 0, {"city": city}, {"city": "Bonn"}, set(keys), 1_000.0
    )


def confirmed(key: str, hubspot_id: str, outcome: Outcome) -> Settlement:
    record = Record(0, 0, 2, "email", key, (f"email={key}",), b"", b"")
    return Settlement(record, outcome, hubspot_id)


def test_an_answer_that_names_a_created_contact_is_kept(tmp_path):
    job = Job(write_csv(tmp_path / "c.csv", contacts(3)), make_simulator(quota="none"), {"snapshot": True})
    job.simulator.reset(0.0, [{"properties": {"email": "c1@example.com"}}])
    job.run_virtual()
    created = [f"c{n}@example.com" for n in (0, 2)]
    assert reached(job.source) == {(key, id_of(job, key), "created") for key in created}


def test_ids_are_kept_as_soon_as_rows_count_as_settled(tmp_path):
    """Not at the end of the run: a kill would take them along."""
    job = Job(write_csv(tmp_path / "c.csv", contacts(300)), make_simulator(quota="10/10"), {"snapshot": True})
    seen = []

    def look(run) -> None:
        settled = run.pipeline.collector.committed.tallies.settled
        seen.append((settled, len(reached(job.source))))

    job.run_virtual(on_tick=look)
    assert all(settled == known for settled, known in seen)
    assert any(0 < settled < 300 for settled, _ in seen)


def test_a_contact_that_was_created_twice_over_is_known_by_the_read_of_its_next_row(tmp_path):
    """The first answer is lost, and that to the second sending names nobody."""
    rows = [*contacts(3, city="Bonn"), *contacts(3, city="Ulm")]
    fault = {"kind": "reset", "applied": True, "first": 1, "endpoint": "upsert"}
    simulator = make_simulator(quota="none", faults=[fault])
    job = Job(write_csv(tmp_path / "c.csv", rows), simulator, {"snapshot": True})
    assert job.run_virtual().exit_code == 0
    named = {(key, one, how) for key, one, how in reached(job.source) if one}
    assert named == {(key, id_of(job, key), "seen") for key in (f"c{n}@example.com" for n in range(3))}


def test_a_contact_that_took_over_a_created_ones_key_is_another_s(tmp_path):
    """7 was created, and merged into 5, which was there: what 5 holds is to be kept, by whatever key."""
    snapshot = SnapshotFile(tmp_path / "c.csv.checkpoint", ABOUT)
    snapshot.keep([former("b@x.com")])
    snapshot.note_confirmed([confirmed("b@x.com", "7", Outcome.CREATED)])
    snapshot.keep([former("b@x.com", "5", {"email=a@x.com", "email=b@x.com"}, "Ulm", 3)])
    snapshot.keep([former("a@x.com", "5", {"email=a@x.com", "email=b@x.com"}, "Bonn", 4)])
    snapshot.close()
    source = tmp_path / "c.csv"
    assert reached(source) == {("b@x.com", "7", "created"), ("b@x.com", "5", "other")}
    assert asked(source, "SELECT hubspot_id FROM contacts ORDER BY number") == [("",), ("5",)]
    assert asked(source, "SELECT hubspot_id, property, text FROM former") == [("5", "city", "Ulm")]


def test_a_created_contact_is_the_jobs_by_each_of_its_keys(tmp_path):
    snapshot = SnapshotFile(tmp_path / "c.csv.checkpoint", ABOUT)
    snapshot.keep([former("b@x.com")])
    snapshot.note_confirmed([confirmed("b@x.com", "7", Outcome.CREATED)])
    snapshot.keep([former("c@x.com", "7", {"email=b@x.com", "email=c@x.com"}, "Bonn", 3)])
    snapshot.close()
    source = tmp_path / "c.csv"
    assert asked(source, "SELECT hubspot_id FROM contacts") == [("",), ("",)]
    assert reached(source) == {("b@x.com", "7", "created"), ("c@x.com", "7", "seen")}
    assert former_ids(source) == set()


def test_a_contact_that_is_removed_is_found_by_no_id_either(tmp_path):
    """Its number may be given to another key."""
    snapshot = SnapshotFile(tmp_path / "c.csv.checkpoint", ABOUT)
    snapshot.keep([former("b@x.com")])
    snapshot.note_confirmed([confirmed("b@x.com", "7", Outcome.UPDATED)])
    snapshot.forget(["email=b@x.com"])
    snapshot.keep([former("d@x.com")])
    snapshot.close()
    assert reached(tmp_path / "c.csv") == set()


def test_the_time_of_a_read_is_hubspots(tmp_path):
    job = Job(write_csv(tmp_path / "c.csv", contacts(2)), make_simulator(quota="none"), {"snapshot": True})
    job.run_virtual()
    times = [at for (at,) in asked(job.source, "SELECT seen_at FROM contacts")]
    assert len(times) == 2
    assert all(0 <= at - job.simulator.wall(0.0) < 100 for at in times), times


def test_a_snapshot_of_0_6_2_is_taken_up(tmp_path):
    job = Job(write_csv(tmp_path / "c.csv", contacts(3)), make_simulator(quota="none"), {"snapshot": True})
    job.run_virtual()
    with closing(sqlite3.connect(f"{job.source}.checkpoint.snapshot")) as connection:
        connection.executescript("DROP TABLE reached; ALTER TABLE contacts DROP COLUMN seen_at")
        (job_id,) = connection.execute("SELECT value FROM about WHERE name = 'job'").fetchone()
    snapshot = SnapshotFile(Path(f"{job.source}.checkpoint"), {**ABOUT, "job": job_id})
    snapshot.keep([former("d@x.com")])
    snapshot.close()
    assert asked(job.source, "SELECT seen_at FROM contacts ORDER BY number") == [*[(None,)] * 3, (1_000.0,)]
    assert reached(job.source) == set()
