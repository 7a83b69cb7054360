"""The readings of a snapshot: for which row, when, and whether that row was written.

A reading is what a row's contact held before that row was sent. Each part of the snapshot (the key's entry,
former values, sent values) names its reading, so that it can be removed if the row was not written. If that
is unknown, a later reading is kept beside it, and `undo/value_before_job` decides between them.
Column `found`: the contact that was read, "" for none. `asked`: all that the row sends, if an earlier reading
of the key already has some of it in `sent`. All functions run in the snapshot's transactions.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence

import orjson

from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Settlement
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.snapshot_entry_state import (
    CLOCKS_DIFFER_SECONDS,
    EXACT_SECONDS,
    OpenReading,
    ReadingState,
    reading_state,
)
from uploader.system.sqlite import columns

SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (
    id INTEGER PRIMARY KEY, contact INTEGER NOT NULL, position INTEGER, at REAL NOT NULL, slack REAL NOT NULL,
    state TEXT NOT NULL, found TEXT NOT NULL DEFAULT '', asked TEXT
);
CREATE INDEX IF NOT EXISTS readings_by_contact ON readings (contact);
CREATE INDEX IF NOT EXISTS contacts_by_id ON contacts (hubspot_id);
CREATE INDEX IF NOT EXISTS reached_by_id ON reached (hubspot_id);
"""
#: Columns that files of 0.6.2 lack. `reading`: the first one; `later`: another, if the first is in doubt.
_COLUMNS = (
    ("former", "reading INTEGER"),
    ("former", "later INTEGER"),
    ("former", "later_text TEXT"),
    ("sent", "reading INTEGER"),
)
#: In 0.6.2 each key's entry was one reading, without the row's position.
_FILL = """
INSERT INTO readings (contact, at, slack, state, found)
    SELECT number, kept_at, ?, 'kept', hubspot_id FROM contacts ORDER BY number;
UPDATE sent SET reading = (SELECT id FROM readings WHERE readings.contact = sent.contact);
UPDATE former SET reading = (
    SELECT min(readings.id) FROM readings JOIN contacts ON contact = number
    WHERE contacts.hubspot_id = former.hubspot_id
);
"""
_KEEP_FORMER = """
INSERT INTO former (hubspot_id, property, text, reading) VALUES (?, ?, ?, ?)
ON CONFLICT (hubspot_id, property) DO UPDATE SET later = excluded.reading, later_text = excluded.text
WHERE (SELECT state FROM readings WHERE id = former.reading) = 'doubt'
AND (later IS NULL OR (SELECT state FROM readings WHERE id = later) = 'doubt')
"""

#: How many readings are in memory at once.
_JUDGED_AT_ONCE = 5_000


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the tables and columns that a file of an earlier version lacks."""
    lacking = [
        (table, column)
        for table, column in _COLUMNS
        if column.split()[0] not in columns(connection, "main", table)
    ]
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, column in lacking:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        for statement in _FILL.split(";") if lacking else ():
            connection.execute(statement, (CLOCKS_DIFFER_SECONDS,) * statement.count("?"))


def begin(
    connection: sqlite3.Connection, contact: int, position: int | None, seen_at: float | None, found: str
) -> int:
    """Store a reading for a row; returns its number. `seen_at`: by HubSpot's clock."""
    at, slack = (time.time(), CLOCKS_DIFFER_SECONDS) if seen_at is None else (seen_at, EXACT_SECONDS)
    added = connection.execute(
        "INSERT INTO readings (contact, position, at, slack, state, found) VALUES (?, ?, ?, ?, ?, ?)",
        (contact, position, at, slack, ReadingState.KEPT.value, found),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def keep_former(
    connection: sqlite3.Connection, reading: int, hubspot_id: str, held: Iterable[tuple[str, str]]
) -> None:
    """Store former values: the first reading of each, and if that is in doubt the last one, too."""
    connection.executemany(
        _KEEP_FORMER,
        [(hubspot_id, name, text, reading) for name, text in held],
    )


def keep_sent(connection: sqlite3.Connection, reading: int, contact: int, sent: Mapping[str, str]) -> None:
    """Store the values that are about to be sent."""
    added = connection.executemany(
        "INSERT OR IGNORE INTO sent (contact, property, text, reading) VALUES (?, ?, ?, ?)",
        [(contact, name, text, reading) for name, text in sent.items()],
    )
    if added.rowcount < len(sent):
        asked = orjson.dumps(dict(sent)).decode()
        connection.execute("UPDATE readings SET asked = ? WHERE id = ?", (asked, reading))


def note_absent(connection: sqlite3.Connection, contact: int, seen_at: float | None) -> None:
    """Note that a key still led to no contact, although a row of it may have been written."""
    connection.execute(
        "UPDATE contacts SET kept_at = ?, seen_at = ? WHERE number = ?", (time.time(), seen_at, contact)
    )


def note_settled(connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
    """Note for settled rows whether they were written, or may have been."""
    states = [
        (s.record, _STATES[s.outcome])
        for s in settlements
        if s.outcome in _STATES and isinstance(s.record, Record)
    ]
    note_states(connection, states)


def note_states(connection: sqlite3.Connection, states: Iterable[tuple[Record, ReadingState]]) -> None:
    """Set the state of the open readings of these rows."""
    connection.executemany(
        "UPDATE readings SET state = ? WHERE position = ? AND state = ? "
        "AND contact = (SELECT number FROM contacts WHERE value = ?)",
        [
            (state.value, record.position, ReadingState.KEPT.value, record.lock_keys[0])
            for record, state in states
        ],
    )


_STATES = {
    Outcome.CREATED: ReadingState.WRITTEN,
    Outcome.UPDATED: ReadingState.WRITTEN,
    Outcome.PENDING: ReadingState.DOUBT,
    Outcome.ABANDONED: ReadingState.DOUBT,
}


def forget_last(connection: sqlite3.Connection, value: str, position: int | None = None) -> None:
    """Remove the last reading of a key, or of a row of it: the row was not written."""
    found = connection.execute(
        "SELECT readings.id, contact FROM readings JOIN contacts ON contact = number WHERE value = ?1 "
        "AND (?2 IS NULL OR position = ?2) ORDER BY readings.id DESC LIMIT 1",
        (value, position),
    ).fetchone()
    if found:
        forget(connection, *found)


def forget(connection: sqlite3.Connection, reading: int, contact: int) -> None:
    """Remove a reading, and everything that the snapshot has from it alone."""
    connection.execute("DELETE FROM sent WHERE contact = ? AND reading = ?", (contact, reading))
    ids = connection.execute(
        "SELECT hubspot_id FROM contacts WHERE number = ? "
        "UNION SELECT hubspot_id FROM reached WHERE contact = ?",
        (contact, contact),
    )
    for (hubspot_id,) in ids.fetchall():
        _forget_former(connection, reading, hubspot_id)
    connection.execute("DELETE FROM readings WHERE id = ?", (reading,))
    if not connection.execute("SELECT 1 FROM readings WHERE contact = ?", (contact,)).fetchone():
        connection.execute("DELETE FROM reached WHERE contact = ?", (contact,))
        connection.execute("DELETE FROM contacts WHERE number = ?", (contact,))


def _forget_former(connection: sqlite3.Connection, reading: int, hubspot_id: str) -> None:
    """Remove a reading's former values, unless another row of the contact has sent the property."""
    connection.execute(
        "UPDATE former SET later = NULL, later_text = NULL WHERE hubspot_id = ? AND later = ?",
        (hubspot_id, reading),
    )
    connection.execute(
        "UPDATE former SET reading = (SELECT min(sent.reading) FROM sent "
        "WHERE sent.property = former.property AND contact IN "
        "(SELECT number FROM contacts WHERE contacts.hubspot_id = former.hubspot_id "
        "UNION SELECT contact FROM reached WHERE reached.hubspot_id = former.hubspot_id)) "
        "WHERE hubspot_id = ? AND reading = ?",
        (hubspot_id, reading),
    )
    connection.execute("DELETE FROM former WHERE hubspot_id = ? AND reading IS NULL", (hubspot_id,))


def decide_open_readings(
    connection: sqlite3.Connection,
    state: State,
    unconfirmed: Iterable[tuple[int, str]],
    in_doubt_below: int,
    *,
    is_exact: bool,
) -> None:
    """Decide the open readings of an earlier run. `is_exact`: no row from `in_doubt_below` on was sent."""
    some = _open_readings_after(connection, 0)
    if not some:
        return
    connection.execute("CREATE TEMP TABLE unsure (position INTEGER PRIMARY KEY)")
    positions = ((position,) for position, _ in unconfirmed)
    connection.executemany("INSERT OR IGNORE INTO unsure VALUES (?)", positions)
    while some:
        unsure = _unconfirmed_positions(connection, some)
        for one in some:
            decided = reading_state(
                one,
                state.progress,
                unsure,
                in_doubt_below,
                is_complete=state.state == "complete",
                is_exact=is_exact,
            )
            if decided is None:
                forget(connection, one.reading, one.contact)
            else:
                connection.execute("UPDATE readings SET state = ? WHERE id = ?", (decided.value, one.reading))
        some = _open_readings_after(connection, some[-1].reading)
    connection.execute("DROP TABLE unsure")


def _open_readings_after(connection: sqlite3.Connection, reading: int) -> list[OpenReading]:
    """The next open readings, not all at once: a file of 0.6.2 has one for each contact."""
    rows = connection.execute(
        "SELECT readings.id, contact, position, source, row FROM readings JOIN contacts ON contact = number "
        "WHERE state = ? AND readings.id > ? ORDER BY readings.id LIMIT ?",
        (ReadingState.KEPT.value, reading, _JUDGED_AT_ONCE),
    )
    return [OpenReading(*row) for row in rows]


def _unconfirmed_positions(connection: sqlite3.Connection, some: Sequence[OpenReading]) -> set[int]:
    """Their positions that were settled without being confirmed."""
    found = connection.execute(
        "SELECT position FROM unsure JOIN readings USING (position) WHERE readings.id BETWEEN ? AND ?",
        (some[0].reading, some[-1].reading),
    )
    return {position for (position,) in found}
