"""The periods of a job that have ended, as its checkpoint keeps them. Called within its transactions."""

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


def take_up(connection: sqlite3.Connection) -> None:
    """Add the table to a file that was begun before there was one, with what is known of the rows so far."""
    if has_table(connection, "periods"):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        former = _former(connection)
        connection.execute(SCHEMA)
        for period in former:
            _insert(connection, period)


def read(connection: sqlite3.Connection) -> list[Period]:
    """Those that have ended, in order."""
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
    """The one that has not ended. `in_doubt_below`: what is known of it beside the file."""
    state = progress_and_tallies.read(connection)
    return Period(
        settings,
        bool((settings or {}).get("snapshot")),
        state.progress,
        max(state.in_doubt_below, in_doubt_below),
        state.tallies.outcomes,
    )


def end(connection: sqlite3.Connection, settings: Mapping[str, Any], in_doubt_below: int) -> None:
    """Other settings than these apply from now on."""
    _insert(connection, present(connection, settings, in_doubt_below))


def note_missing_snapshot(
    connection: sqlite3.Connection, settings: Mapping[str, Any], in_doubt_below: int
) -> None:
    """What was kept of all rows so far is gone."""
    end(connection, settings, in_doubt_below)
    connection.execute("UPDATE periods SET has_snapshot = 0")


def _former(connection: sqlite3.Connection) -> list[Period]:
    """What a file without the table says: that settings were changed, and not when."""
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
