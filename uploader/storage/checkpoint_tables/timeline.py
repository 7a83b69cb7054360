"""The timeline of a job and its invocations, in the checkpoint. Called in its transactions."""

import json
import sqlite3
from dataclasses import astuple, dataclass

from uploader.model.timeline import Changes, Interval
from uploader.system.sqlite import has_table

#: Added to checkpoints of earlier versions.
SCHEMA = """
CREATE TABLE IF NOT EXISTS stretches (
    began INTEGER PRIMARY KEY, seconds INTEGER NOT NULL, told TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS invocations (
    began REAL PRIMARY KEY, seen REAL NOT NULL, rows_estimated INTEGER, version TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One process that worked on the job."""

    began: float  #: seconds since 1970
    seen: float  #: its last commit
    rows_estimated: int | None  #: of all sources; None if unknown
    version: str
    state: str  #: at that commit: "stopped" without a reason while it runs
    reason: str


def write(connection: sqlite3.Connection, changes: Changes) -> None:
    if changes.replaces_all:
        connection.execute("DELETE FROM stretches")
    connection.executemany(
        "INSERT OR REPLACE INTO stretches VALUES (?, ?, ?)",
        [(began, seconds, json.dumps(counts)) for began, seconds, counts in changes.intervals],
    )


def note(connection: sqlite3.Connection, invocation: Invocation) -> None:
    connection.execute("INSERT OR REPLACE INTO invocations VALUES (?, ?, ?, ?, ?, ?)", astuple(invocation))


def read(connection: sqlite3.Connection) -> list[Interval]:
    """The timeline, in order; empty if an earlier version wrote the checkpoint."""
    if not has_table(connection, "stretches"):
        return []
    rows = connection.execute("SELECT began, seconds, told FROM stretches ORDER BY began")
    return [Interval(began, seconds, **json.loads(counts)) for began, seconds, counts in rows]


def read_invocations(connection: sqlite3.Connection) -> list[Invocation]:
    if not has_table(connection, "invocations"):
        return []
    return [Invocation(*row) for row in connection.execute("SELECT * FROM invocations ORDER BY began")]
