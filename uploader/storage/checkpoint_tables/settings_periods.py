"""The ended periods of a job, in the checkpoint: which settings applied to which rows.

All functions run in the checkpoint's transactions.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from uploader.model.outcomes import Outcome
from uploader.model.settings_periods import Period, known_by_changes
from uploader.model.watermark import Progress
from uploader.storage.checkpoint_tables import progress_and_tallies
from uploader.system.sqlite import has_table

SCHEMA = """
CREATE TABLE IF NOT EXISTS periods (
    id INTEGER PRIMARY KEY, settings TEXT, has_snapshot INTEGER, rows INTEGER NOT NULL,
    watermark INTEGER NOT NULL, ranges TEXT NOT NULL, lost_below INTEGER NOT NULL, outcomes TEXT NOT NULL
);
"""


def create_in_older_file(connection: sqlite3.Connection) -> None:
    """Add the table to a checkpoint of an earlier version, with what it shows of former settings."""
    if has_table(connection, "periods"):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        former = _former(connection)
        connection.execute(SCHEMA)
        for period in former:
            _insert(connection, period)


def read(connection: sqlite3.Connection) -> list[Period]:
    """The ended periods, in order."""
    if not has_table(connection, "periods"):
        return _former(connection)
    rows = connection.execute(
        "SELECT settings, has_snapshot, rows, watermark, ranges, lost_below, outcomes "
        "FROM periods ORDER BY id"
    )
    return [
        Period(
            json.loads(settings) if settings is not None else None,
            None if has_snapshot is None else bool(has_snapshot),
            Progress(read_rows, watermark, tuple((a, b) for a, b in json.loads(ranges))),
            in_doubt_below,
            {Outcome(name): count for name, count in json.loads(outcomes).items()},
        )
        for settings, has_snapshot, read_rows, watermark, ranges, in_doubt_below, outcomes in rows
    ]


def present(
    connection: sqlite3.Connection, settings: Mapping[str, Any] | None, in_doubt_below: int = 0
) -> Period:
    """The current period. `in_doubt_below`: the position known from the lock file."""
    state = progress_and_tallies.read(connection)
    return Period(
        settings,
        bool((settings or {}).get("snapshot")),
        state.progress,
        max(state.in_doubt_below, in_doubt_below),
        state.tallies.outcomes,
    )


def end(connection: sqlite3.Connection, settings: Mapping[str, Any], in_doubt_below: int) -> None:
    """End the period with these settings."""
    _insert(connection, present(connection, settings, in_doubt_below))


def note_missing_snapshot(
    connection: sqlite3.Connection, settings: Mapping[str, Any], in_doubt_below: int
) -> None:
    """End the period, and note that no period so far has a snapshot."""
    end(connection, settings, in_doubt_below)
    connection.execute("UPDATE periods SET has_snapshot = 0")


def _former(connection: sqlite3.Connection) -> list[Period]:
    """The period of a file without the table, which shows that settings changed but not when."""
    is_mapping_known, is_snapshot_known = known_by_changes(
        what for (what,) in connection.execute("SELECT what FROM changes")
    )
    if is_mapping_known and is_snapshot_known:
        return []
    ((text,),) = connection.execute("SELECT value FROM job WHERE name = 'settings'")
    settings = json.loads(text)
    now = present(connection, settings)
    return [
        Period(
            settings if is_mapping_known else None,
            now.has_snapshot if is_snapshot_known else None,
            now.progress,
            now.in_doubt_below,
            now.outcomes,
        )
    ]


def _insert(connection: sqlite3.Connection, period: Period) -> None:
    progress = period.progress
    connection.execute(
        "INSERT INTO periods (settings, has_snapshot, rows, watermark, ranges, lost_below, outcomes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            json.dumps(period.settings) if period.settings is not None else None,
            period.has_snapshot,
            progress.rows,
            progress.watermark,
            json.dumps(progress.ranges),
            period.in_doubt_below,
            json.dumps({outcome.value: count for outcome, count in period.outcomes.items()}),
        ),
    )
