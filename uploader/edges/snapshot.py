"""What a job's contacts held before it wrote them: one SQLite file beside the checkpoint, for `undo`.

The first snapshot of a contact wins: what is read later, after a kill or for a later row, may be our own
value. It is on the disk before the write leaves. Its size follows what is written.
A key's first contact stands in `contacts`; others that answers and reads named for it stand in `reached`:
those of a key that led to nobody, and those it led to later.
"""

import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from urllib.parse import quote

from uploader.core.model import Outcome, Record, Settlement
from uploader.edges.files import SQLITE_ENDINGS, create_private, refuse_traps
from uploader.edges.places import settle_in
from uploader.errors import CheckpointError, StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contacts (
    number INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE, id_property TEXT NOT NULL, key TEXT NOT NULL,
    hubspot_id TEXT NOT NULL, row INTEGER NOT NULL, source INTEGER NOT NULL, kept_at REAL NOT NULL,
    seen_at REAL
);
CREATE TABLE IF NOT EXISTS former (
    hubspot_id TEXT NOT NULL, property TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (hubspot_id, property)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (
    contact INTEGER NOT NULL, property TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (contact, property, text)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (
    contact INTEGER NOT NULL, hubspot_id TEXT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (contact, hubspot_id)
) WITHOUT ROWID;
"""


class Reached(StrEnum):
    """How it is known which contact a key led to while the job ran. An empty id: a write was confirmed, and
    nobody named the contact.
    """

    CREATED = "created"  #: an answer said that the job created it
    UPDATED = "updated"  #: the first answer said that it was there
    SEEN = "seen"  #: confirmed by a second sending, or found by a later read: as the job left it
    OTHER = "other"  #: found by a later read, and not what the job had created: it was there


@dataclass(frozen=True, slots=True)
class Former:
    """A contact as it was before a row was written."""

    value: str  #: the closed value of its key
    id_property: str
    key: str
    hubspot_id: str  #: "" where there was no such contact
    row: int
    source: int
    held: Mapping[str, str]  #: of the properties that are about to be written; "" for none
    sent: Mapping[str, str]  #: what is about to be written
    keys: Collection[str] = ()  #: the closed values by which rows may reach the contact
    seen_at: float | None = None  #: when it was read, by HubSpot's clock


class SnapshotFile:
    """Used by one thread at a time, by one process at a time."""

    def __init__(self, checkpoint: Path, about: Mapping[str, str]) -> None:
        """Take up the job's file, or begin it. `about` tells one job's from another's, and its account."""
        self.path = place(checkpoint)
        with _storing(self.path):
            os.close(create_private(self.path))
            refuse_traps(self.path)
            self._connection = _connect(self.path, "rw")
            settle_in(self._connection, self.path, "FULL")
            self._connection.executescript(_SCHEMA)
            if "seen_at" not in columns(self._connection, "main", "contacts"):  # begun by 0.6.2
                self._connection.execute("ALTER TABLE contacts ADD COLUMN seen_at REAL")
            if not self.about():
                with self._connection as connection:
                    connection.executemany("INSERT INTO about VALUES (?, ?)", sorted(about.items()))
        if self.about()["job"] != about["job"]:
            self.close()
            raise CheckpointError(f"{self.path} is the snapshot of another job; move it away")
        with _storing(self.path), self._connection as connection:
            # An undo that was made in between says nothing of what is written from now on.
            connection.execute(
                "INSERT INTO about VALUES ('runs', '1') "
                "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )

    def about(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM about"))

    def keep(self, formers: Sequence[Former]) -> list[int]:
        """Durable when it returns; which of them, by index, are the first of their key, comes back."""
        if not formers:
            return []
        now, first = time.time(), []
        with _storing(self.path), self._connection as connection:
            for index, former in enumerate(formers):
                is_ours = self._is_ours(former)
                hubspot_id = "" if is_ours else former.hubspot_id
                inserted = connection.execute(
                    """
                    INSERT OR IGNORE INTO contacts
                        (value, id_property, key, hubspot_id, row, source, kept_at, seen_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    (
                        *(former.value, former.id_property, former.key, hubspot_id),
                        *(former.row, former.source, now, former.seen_at),
                    ),
                )
                first += [index] if inserted.rowcount else []
                number, known_id = connection.execute(
                    "SELECT number, hubspot_id FROM contacts WHERE value = ?", (former.value,)
                ).fetchone()
                if former.hubspot_id not in {"", known_id}:
                    how = Reached.SEEN if is_ours else Reached.OTHER
                    self._note(connection, number, former.hubspot_id, how)
                if hubspot_id:  # else it was not there, and what it holds now is ours
                    connection.executemany(
                        "INSERT OR IGNORE INTO former VALUES (?, ?, ?)",
                        [(former.hubspot_id, name, text) for name, text in former.held.items()],
                    )
                connection.executemany(
                    "INSERT OR IGNORE INTO sent VALUES (?, ?, ?)",
                    [(number, name, text) for name, text in former.sent.items()],
                )
        return first

    def forget(self, values: Sequence[str]) -> None:
        """Contacts that were not written after all: whatever they hold later is not the job's."""
        with _storing(self.path), self._connection as connection:
            for value in values:
                connection.execute(
                    "DELETE FROM sent WHERE contact IN (SELECT number FROM contacts WHERE value = ?)",
                    (value,),
                )
                connection.execute(
                    "DELETE FROM reached WHERE contact IN (SELECT number FROM contacts WHERE value = ?)",
                    (value,),
                )
                connection.execute("DELETE FROM contacts WHERE value = ?", (value,))
            connection.execute("DELETE FROM former WHERE hubspot_id NOT IN (SELECT hubspot_id FROM contacts)")

    def note_confirmed(self, settlements: Sequence[Settlement]) -> None:
        """Keep which contacts the answers named: a created one is ours, whatever its key leads to later."""
        found = [
            (s.record.values[0], s.hubspot_id, _how(s))
            for s in settlements
            if isinstance(s.record, Record) and s.outcome in {Outcome.CREATED, Outcome.UPDATED}
        ]
        with _storing(self.path), self._connection as connection:
            for value, hubspot_id, how in found:
                row = connection.execute(
                    "SELECT number, hubspot_id FROM contacts WHERE value = ?", (value,)
                ).fetchone()
                if row and (not row[1] or hubspot_id not in {"", row[1]}):
                    self._note(connection, row[0], hubspot_id, how)

    def _note(self, connection: sqlite3.Connection, number: int, hubspot_id: str, how: Reached) -> None:
        """That the contact was created is the surest word; else the first one stands."""
        connection.execute(
            "INSERT INTO reached VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET how = excluded.how WHERE excluded.how = ?",
            (number, hubspot_id, how.value, Reached.CREATED.value),
        )

    def _is_ours(self, former: Former) -> bool:
        """Whether the contact was not there when a row of this key, or of another, came to it."""
        return any(self._led_to_nobody(value, former.hubspot_id) for value in {former.value, *former.keys})

    def _led_to_nobody(self, value: str, hubspot_id: str) -> bool:
        """Whether a key led to nobody, and to this contact since, as far as its answers and reads tell.

        Others may have moved the key to a contact that was there before: that one has another id.
        """
        row = self._connection.execute(
            "SELECT number FROM contacts WHERE value = ? AND hubspot_id = ''", (value,)
        ).fetchone()
        if row is None:
            return False
        known = dict(
            self._connection.execute(
                "SELECT hubspot_id, how FROM reached WHERE contact = ? AND hubspot_id != ''", row
            )
        )
        return not known or known.get(hubspot_id, Reached.OTHER) != Reached.OTHER

    def close(self) -> None:
        self._connection.close()


def place(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.snapshot")


def put_aside(path: Path) -> Path | None:
    """Keep a former job's snapshot under another name: it alone can undo what that job did."""
    if not path.exists():
        return None
    number = next(n for n in count(1) if not path.with_name(f"{path.name}.{n}").exists())
    aside = path.with_name(f"{path.name}.{number}")
    for ending in (*SQLITE_ENDINGS, ""):  # the file itself last: without its log it would be another
        file = path.with_name(path.name + ending)
        if file.exists():
            file.rename(aside.with_name(aside.name + ending))
    return aside


def columns(connection: sqlite3.Connection, schema: str, table: str) -> set[str]:
    """Of a table; none where it is not there, as in a file of an earlier version."""
    return {name for _, name, *_ in connection.execute(f"PRAGMA {schema}.table_info({table})")}


def _how(settlement: Settlement) -> Reached:
    if settlement.outcome is Outcome.CREATED:
        return Reached.CREATED
    return Reached.SEEN if settlement.replayed else Reached.UPDATED


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"can't write the snapshot {path}: {error}") from error
