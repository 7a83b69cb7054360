"""The readings a snapshot comes from: of which row, when, and whether that row was written. Called within
the snapshot's transactions.

A reading is what a row's contact held before that row was sent. What it added to the snapshot (the key's
entry, former values, values sent) names it, so that it can be taken out again where the row was not written.
Where nobody knows whether it was, a later reading is kept beside it: `undo/value_before_job` tells what is
true.
`found` is the contact that was read, "" for none. `asked`: what the row asked for, where an earlier reading
of the key names some of it in `sent` already.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence

import orjson

from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settlements import Settlement
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.snapshot_entry_state import (
    CLOCKS_DIFFER_SECONDS,
    EXACT_SECONDS,
    Kept,
    ReadingState,
    judge,
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
#: What files of 0.6.2 lack. `reading`: the first one; `later`: another one, where the first is in doubt.
_COLUMNS = (
    ("former", "reading INTEGER"),
    ("former", "later INTEGER"),
    ("former", "later_text TEXT"),
    ("sent", "reading INTEGER"),
)
#: Each key's entry of 0.6.2 was one reading, of a row whose position nobody kept.
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
    """Add what a file of an earlier version lacks."""
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
    """Keep that a row's contact was read; the number of the reading. `seen_at`: by HubSpot's clock."""
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
    """What a contact held. The first reading of a value stands; where that is in doubt, the last one, too."""
    connection.executemany(
        _KEEP_FORMER,
        [(hubspot_id, name, text, reading) for name, text in held],
    )


def keep_sent(connection: sqlite3.Connection, reading: int, contact: int, sent: Mapping[str, str]) -> None:
    """What is about to be written."""
    added = connection.executemany(
        "INSERT OR IGNORE INTO sent (contact, property, text, reading) VALUES (?, ?, ?, ?)",
        [(contact, name, text, reading) for name, text in sent.items()],
    )
    if added.rowcount < len(sent):
        asked = orjson.dumps(dict(sent)).decode()
        connection.execute("UPDATE readings SET asked = ? WHERE id = ?", (asked, reading))


def note_absent(connection: sqlite3.Connection, contact: int, seen_at: float | None) -> None:
    """A key still led to nobody, although a row of it may have been written."""
    connection.execute(
        "UPDATE contacts SET kept_at = ?, seen_at = ? WHERE number = ?", (time.time(), seen_at, contact)
    )


def note_settled(connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
    """The first reading of rows that were written stands; where nobody knows, it is in doubt."""
    states = [
        (s.record, _STATES[s.outcome])
        for s in settlements
        if s.outcome in _STATES and isinstance(s.record, Record)
    ]
    note_states(connection, states)


def note_states(connection: sqlite3.Connection, states: Iterable[tuple[Record, ReadingState]]) -> None:
    """What is known of rows now, for their readings of which nothing was."""
    connection.executemany(
        "UPDATE readings SET state = ? WHERE position = ? AND state = ? "
        "AND contact = (SELECT number FROM contacts WHERE value = ?)",
        [
            (state.value, record.position, ReadingState.KEPT.value, record.values[0])
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
    """Take out the last reading of a key: its row was not written. `position`: the last one of that row."""
    found = connection.execute(
        "SELECT readings.id, contact FROM readings JOIN contacts ON contact = number WHERE value = ?1 "
        "AND (?2 IS NULL OR position = ?2) ORDER BY readings.id DESC LIMIT 1",
        (value, position),
    ).fetchone()
    if found:
        forget(connection, *found)


def forget(connection: sqlite3.Connection, reading: int, contact: int) -> None:
    """Take out a reading, and all that the snapshot has by it alone."""
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
    """Former values stay where another row has sent the property, by whatever key of the contact."""
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


def take_up(
    connection: sqlite3.Connection,
    standing: State,
    unconfirmed: Iterable[tuple[int, str]],
    in_doubt_below: int,
    *,
    is_exact: bool,
) -> None:
    """Judge what an earlier invocation left. `is_exact`: no row from `in_doubt_below` on was sent."""
    some = _kept_after(connection, 0)
    if not some:
        return
    connection.execute("CREATE TEMP TABLE unsure (position INTEGER PRIMARY KEY)")
    positions = ((position,) for position, _ in unconfirmed)
    connection.executemany("INSERT OR IGNORE INTO unsure VALUES (?)", positions)
    while some:
        unsure = _unsure(connection, some)
        for one in some:
            state = judge(
                one,
                standing.progress,
                unsure,
                in_doubt_below,
                is_complete=standing.state == "complete",
                is_exact=is_exact,
            )
            if state is None:
                forget(connection, one.reading, one.contact)
            else:
                connection.execute("UPDATE readings SET state = ? WHERE id = ?", (state.value, one.reading))
        some = _kept_after(connection, some[-1].reading)
    connection.execute("DROP TABLE unsure")


def _kept_after(connection: sqlite3.Connection, reading: int) -> list[Kept]:
    """Some of the next: a file of 0.6.2 has one for each of its contacts."""
    rows = connection.execute(
        "SELECT readings.id, contact, position, source, row FROM readings JOIN contacts ON contact = number "
        "WHERE state = ? AND readings.id > ? ORDER BY readings.id LIMIT ?",
        (ReadingState.KEPT.value, reading, _JUDGED_AT_ONCE),
    )
    return [Kept(*row) for row in rows]


def _unsure(connection: sqlite3.Connection, some: Sequence[Kept]) -> set[int]:
    """The positions of these that were settled without being confirmed."""
    found = connection.execute(
        "SELECT position FROM unsure JOIN readings USING (position) WHERE readings.id BETWEEN ? AND ?",
        (some[0].reading, some[-1].reading),
    )
    return {position for (position,) in found}
