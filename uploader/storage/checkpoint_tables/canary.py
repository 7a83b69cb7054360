"""The canary in the checkpoint: its state, and the rows it sent until it is approved.

All functions run in the checkpoint's transactions.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from uploader.hubspot.requests import sent_properties
from uploader.model.canary import Canary, CanaryRow
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, lock_key

#: Added to checkpoints of earlier versions.
SCHEMA = """
CREATE TABLE IF NOT EXISTS canary (
    position INTEGER PRIMARY KEY, source INTEGER NOT NULL, row INTEGER NOT NULL, id_property TEXT NOT NULL,
    key TEXT NOT NULL, body BLOB NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL
);
"""


def note(connection: sqlite3.Connection, canary: Canary) -> None:
    """Store the canary. Approval is recorded, and deletes the rows it sent."""
    connection.execute("INSERT OR REPLACE INTO job VALUES ('canary', ?)", (json.dumps(asdict(canary)),))
    if canary.approved:
        connection.execute("INSERT INTO changes (what) VALUES ('the canary was approved')")
        connection.execute("DELETE FROM canary")


def read(connection: sqlite3.Connection) -> Canary | None:
    """The canary; None if the job has none."""
    rows = connection.execute("SELECT value FROM job WHERE name = 'canary'").fetchall()
    return Canary(**json.loads(rows[0][0])) if rows else None


def write_rows(connection: sqlite3.Connection, rows: Sequence[CanaryRow]) -> None:
    """Store rows that the canary has sent."""
    connection.executemany("INSERT OR REPLACE INTO canary VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_cells, rows))


def read_rows(connection: sqlite3.Connection) -> list[CanaryRow]:
    """The rows that the canary has sent, in file order, without their source text."""
    rows = connection.execute("SELECT * FROM canary ORDER BY position")
    return [
        CanaryRow(
            Record(position, source, row, name, key, (lock_key(name, key),), _properties(body), b""),
            Outcome(outcome),
            reason,
        )
        for position, source, row, name, key, body, outcome, reason in rows
    ]


def _cells(sent: CanaryRow) -> tuple[object, ...]:
    record = sent.record
    return (
        *(record.position, record.source, record.row, record.id_property, record.key),
        json.dumps({"properties": sent_properties(record)}).encode(),
        *(sent.outcome.value, sent.reason),
    )


def _properties(body: bytes) -> Mapping[str, str]:
    """The sent properties. Up to 0.7 the body was a whole input."""
    properties: Mapping[str, str] = json.loads(body)["properties"]
    return properties
