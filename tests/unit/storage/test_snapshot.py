"""The snapshot's file: what is taken out of it, what is left, and at what cost."""

import sqlite3
import tracemalloc
from contextlib import closing

import pytest

from uploader.model.watermark import Progress
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.file_names import snapshot_path
from uploader.storage.snapshot import Former, SnapshotFile

ABOUT = {"job": "1", "portal": "44237313", "object_type": "contacts"}
TABLES = ("contacts", "former", "sent", "reached", "readings")


def former(key: str, hubspot_id: str = "", position: int = 0, at: float = 1_000.0, **held: str) -> Former:
    """A row that is about to set each property to "ours"."""
    held = held or {"city": "Ulm"}
    sent = dict.fromkeys(held, "ours")
    return Former(
        f"email={key}", "email", key, hubspot_id, position + 2, 0, held, sent, (), at, position=position
    )


@pytest.fixture
def snapshot(tmp_path, closed_at_end) -> SnapshotFile:
    return closed_at_end(SnapshotFile(tmp_path / "c.checkpoint", ABOUT))


def asked(tmp_path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(snapshot_path(tmp_path / "c.checkpoint"))) as connection:
        return connection.execute(query).fetchall()


def test_a_reading_that_is_removed_leaves_nothing(tmp_path, snapshot):
    snapshot.keep([former("a", "7"), former("b", "", 1)])
    snapshot.forget(["email=a", "email=b"])
    assert [asked(tmp_path, f"SELECT * FROM {table}") for table in TABLES] == [[]] * 5


def test_what_another_key_of_the_contact_needs_stays(tmp_path, snapshot):
    snapshot.keep([former("a", "7", city="Ulm", phone="1"), former("b", "7", 1, city="ours")])
    snapshot.forget(["email=a"])
    assert asked(tmp_path, "SELECT hubspot_id, property, text FROM former") == [("7", "city", "Ulm")]
    snapshot.forget(["email=b"])
    assert asked(tmp_path, "SELECT * FROM former") == []


def test_a_later_row_that_was_refused_takes_out_its_own_values_alone(tmp_path, snapshot):
    snapshot.keep([former("a", "7", city="Ulm")])
    snapshot.keep([former("a", "7", 9, city="ours", phone="1")])
    snapshot.forget(["email=a"])
    assert asked(tmp_path, "SELECT property, text FROM former") == [("city", "Ulm")]
    assert asked(tmp_path, "SELECT property, text FROM sent") == [("city", "ours")]
    assert asked(tmp_path, "SELECT position FROM readings") == [(0,)]


@pytest.mark.parametrize("work", ["keep", "forget"])
def test_a_batch_costs_the_same_in_a_large_snapshot(tmp_path, snapshot, work):
    """Counted in steps of SQLite's own machine, not in seconds."""
    steps = []
    for size in (200, 10_000):
        batch = [former(f"x{size}-{n}", f"9{size}{n}", 10**6 + n) for n in range(20)]
        snapshot.keep([former(f"{size}-{n}", f"{size}{n}", n) for n in range(size)])
        if work == "forget":
            snapshot.keep(batch)
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        snapshot._connection.set_progress_handler(tick, 10)
        snapshot.keep(batch) if work == "keep" else snapshot.forget([one.value for one in batch])
        snapshot._connection.set_progress_handler(None, 0)
        steps.append(count)
    assert 0 < steps[0] <= steps[1] < 2 * steps[0]


def test_what_a_process_left_is_judged_in_bounded_memory(tmp_path, snapshot):
    """As of a job of 0.6.2, each of whose contacts has a reading that is to be judged."""
    size = 40_000
    with snapshot._connection as connection:
        connection.executemany(
            "INSERT INTO contacts VALUES (?, 'email=' || ?1, 'email', ?1, ?1, ?1, 0, 0.0, NULL)",
            ((number,) for number in range(1, size + 1)),
        )
        connection.execute(
            "INSERT INTO readings (contact, position, at, slack, state) "
            "SELECT number, number - 1, 0.0, 5.0, 'kept' FROM contacts"
        )
    unconfirmed = ((position, "rejected") for position in range(0, size, 1_000))
    tracemalloc.start()
    try:
        snapshot.decide_open_readings(State(Progress(size, watermark=size // 2)), unconfirmed, size)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert asked(tmp_path, "SELECT state, count(*), sum(position) FROM readings GROUP BY 1") == [
        ("doubt", 20_020, sum(range(20_000, 40_000)) + sum(range(0, 20_000, 1_000))),
        ("written", 19_980, sum(range(20_000)) - sum(range(0, 20_000, 1_000))),
    ]
