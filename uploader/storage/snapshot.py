"""The snapshot: what contacts held before the job wrote them, in an SQLite file beside the checkpoint.

`undo` reads it. The first reading of a contact counts: later ones may show our own values. If a kill leaves
open whether a row was written, the first and the last reading are kept (`snapshot_entry_origins`). An entry
is on the disk before its row is sent. The size follows the rows written.
Table `contacts` has a key's first contact. Table `reached` has the others named for it:
contacts of a key that led to none at first, and contacts that it led to later.
"""

import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import NamedTuple

from uploader.errors import CheckpointError
from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Settlement
from uploader.storage import snapshot_entry_origins
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.file_names import snapshot_path
from uploader.storage.snapshot_entry_state import ReadingState
from uploader.system import sqlite
from uploader.system.boot_id import boot_id

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


#: In `about`: rows written without a snapshot, kept when the job's checkpoint is removed.
UNKEPT = "unkept"


class Reached(StrEnum):
    """How it is known which contact a key led to during the job.

    With an empty id: a write was confirmed, and no reply named the contact.
    """

    CREATED = "created"  #: according to a reply, the job created it
    UPDATED = "updated"  #: according to the first reply, it existed
    SEEN = "seen"  #: replayed, or found by a later read: the job may have created it
    OTHER = "other"  #: found by a later read, and not created by the job


@dataclass(frozen=True, slots=True)
class Former:
    """What a contact held before a row was written."""

    value: str  #: the lock key of its key
    id_property: str
    key: str
    hubspot_id: str  #: "" where there was no such contact
    row: int
    source: int
    held: Mapping[str, str]  #: the current values of the properties to be written; "" for none
    sent: Mapping[str, str]  #: the values to be written
    keys: Collection[str] = ()  #: the lock keys by which rows may reach the contact
    seen_at: float | None = None  #: when it was read, by HubSpot's clock
    position: int | None = None  #: of the row


class _Entry(NamedTuple):
    """The stored entry of a key. An absence is a reading that found no contact."""

    number: int
    hubspot_id: str
    doubt: int | None  #: the last absence after which a row may have been written
    is_in_doubt: bool  #: whether there is no later absence
    reached: Mapping[str, str]  #: `Reached`, by id


class _Origin(NamedTuple):
    """Whether the job created a contact, as far as the snapshot shows."""

    is_ours: bool  #: it did not exist when a row of one of its keys was read
    doubt: int | None  #: the absence after which a row may have created it
    numbers: Sequence[int]  #: the entries that show this


class SnapshotFile:
    """The snapshot of a job, open for writing. One thread and one process at a time."""

    def __init__(self, checkpoint: Path, about: Mapping[str, str]) -> None:
        """Open or create the job's file. `about`: the job's id, account and object type."""
        self.path = snapshot_path(checkpoint)
        with _storing(self.path):
            self._connection = _open(self.path, "create")
        with sqlite.closed_on_error(self._connection):
            self._begin_or_resume(about)

    def _begin_or_resume(self, about: Mapping[str, str]) -> None:
        with _storing(self.path), self._connection as connection:
            if not self.about():
                connection.executemany("INSERT INTO about VALUES (?, ?)", sorted(about.items()))
        if self.about()["job"] != about["job"]:
            raise CheckpointError(f"{self.path} is the snapshot of another job; move it elsewhere")
        if (before := self.about().get("object_type")) != (now := about.get("object_type")):
            raise CheckpointError(
                f"{self.path} is a snapshot of {before} and cannot hold {now}; use --object-type {before}, "
                "or run a separate job with another --checkpoint"
            )
        with _storing(self.path), self._connection as connection:
            # The job was begun with a token that could not read the account.
            connection.execute(
                "UPDATE about SET value = ? WHERE name = 'portal' AND value = ''", (about["portal"],)
            )
            # An undo made in between does not cover what is written from now on.
            connection.execute(
                "INSERT INTO about VALUES ('runs', '1') "
                "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )

    def about(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM about"))

    def decide_open_readings(
        self, state: State, unconfirmed: Iterable[tuple[int, str]], in_doubt_below: int
    ) -> None:
        """Decide the open readings of an earlier run, before new rows are read.

        `state` and `unconfirmed` come from its checkpoint; rows below `in_doubt_below` may have been sent.
        """
        with _storing(self.path):
            _decide_open_readings(self._connection, state, unconfirmed, in_doubt_below)

    def keep(self, formers: Sequence[Former]) -> None:
        """Store what contacts hold before they are written. On the disk when it returns."""
        with _storing(self.path), self._connection as connection:
            for former in formers:
                self._keep(connection, former)

    def _keep(self, connection: sqlite3.Connection, former: Former) -> None:
        """Store what a contact held before a row of the job, as far as the job did not write it."""
        origin = self._origin(former)
        hubspot_id = "" if origin.is_ours or origin.doubt is not None else former.hubspot_id
        entry = self._entry(former.value)
        number = entry.number if entry else self._begin(connection, former, hubspot_id)
        reading = snapshot_entry_origins.begin(
            connection, number, former.position, former.seen_at, former.hubspot_id
        )
        snapshot_entry_origins.keep_sent(connection, reading, number, former.sent)
        known_id = entry.hubspot_id if entry else hubspot_id
        if former.hubspot_id not in {"", known_id}:
            how = Reached.OTHER if hubspot_id else Reached.SEEN
            # At the time of an undo the keys that show its origin may lead to another contact.
            for one in {number, *origin.numbers}:
                self._note(connection, one, former.hubspot_id, how)
        if not former.hubspot_id and entry is not None and entry.is_in_doubt:
            snapshot_entry_origins.note_absent(connection, number, former.seen_at)
        if former.hubspot_id and not origin.is_ours:  # else the job created it, with its values
            if origin.doubt is not None:
                nothing = [(name, "") for name in former.held]
                snapshot_entry_origins.keep_former(connection, origin.doubt, former.hubspot_id, nothing)
            snapshot_entry_origins.keep_former(connection, reading, former.hubspot_id, former.held.items())

    def _begin(self, connection: sqlite3.Connection, former: Former, hubspot_id: str) -> int:
        """Add a contact; returns its number."""
        added = connection.execute(
            "INSERT INTO contacts (value, id_property, key, hubspot_id, row, source, kept_at, seen_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(former.value, former.id_property, former.key, hubspot_id),
                *(former.row, former.source, time.time(), former.seen_at),
            ),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def _entry(self, value: str) -> _Entry | None:
        """The contact of a lock key; None if it has none yet."""
        row = self._connection.execute(
            "SELECT number, hubspot_id FROM contacts WHERE value = ?", (value,)
        ).fetchone()
        if row is None:
            return None
        absences = self._connection.execute(
            "SELECT id, state FROM readings WHERE contact = ? AND found = '' ORDER BY id", (row[0],)
        ).fetchall()
        reached = self._connection.execute(
            "SELECT hubspot_id, how FROM reached WHERE contact = ? AND hubspot_id != ''", (row[0],)
        )
        doubts = [number for number, state in absences if state == ReadingState.DOUBT]
        is_in_doubt = bool(doubts) and doubts[-1] == absences[-1][0]
        number, hubspot_id = row
        return _Entry(number, hubspot_id, doubts[-1] if doubts else None, is_in_doubt, dict(reached))

    def forget(self, values: Sequence[str], positions: Sequence[int] = ()) -> None:
        """Remove the last reading of each key: its row was not written.

        `positions`: the row of each; without them the last row read.
        """
        rows = zip(values, positions, strict=True) if positions else ((value, None) for value in values)
        with _storing(self.path), self._connection as connection:
            for value, position in rows:
                snapshot_entry_origins.forget_last(connection, value, position)

    def doubt(self, records: Sequence[Record]) -> None:
        """Note that these rows may have been written, before they are read again."""
        with _storing(self.path), self._connection as connection:
            snapshot_entry_origins.note_states(
                connection, [(record, ReadingState.DOUBT) for record in records]
            )

    def note_confirmed(self, settlements: Sequence[Settlement]) -> None:
        """Note which rows were written, and which contacts the replies named.

        A created contact is ours, whatever its key leads to later.
        """
        found = [
            (s.record.lock_keys[0], s.hubspot_id, _how(s))
            for s in settlements
            if isinstance(s.record, Record) and s.outcome in {Outcome.CREATED, Outcome.UPDATED}
        ]
        with _storing(self.path), self._connection as connection:
            snapshot_entry_origins.note_settled(connection, settlements)
            for value, hubspot_id, how in found:
                row = connection.execute(
                    "SELECT number, hubspot_id FROM contacts WHERE value = ?", (value,)
                ).fetchone()
                if row and (not row[1] or hubspot_id not in {"", row[1]}):
                    self._note(connection, row[0], hubspot_id, how)

    def _note(self, connection: sqlite3.Connection, number: int, hubspot_id: str, how: Reached) -> None:
        """Store how a contact is known. CREATED replaces everything else; otherwise the first one stays."""
        connection.execute(
            "INSERT INTO reached VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET how = excluded.how WHERE excluded.how = ?",
            (number, hubspot_id, how.value, Reached.CREATED.value),
        )

    def _origin(self, former: Former) -> _Origin:
        """A contact's origin, from the entries of all its keys: a row of another key may have created it."""
        if not former.hubspot_id:
            return _Origin(is_ours=False, doubt=None, numbers=())
        entries = [one for value in {former.value, *former.keys} if (one := self._entry(value))]
        ours = [one.number for one in entries if _led_to_nobody(one, former.hubspot_id)]
        unsure = [one for one in entries if _may_have_created(one, former.hubspot_id)]
        if not unsure:
            return _Origin(bool(ours), None, ours)
        return _Origin(
            is_ours=False,
            doubt=max(one.doubt for one in unsure if one.doubt is not None),
            numbers=[one.number for one in unsure],
        )

    def close(self) -> None:
        self._connection.close()


def decide_open_readings_for_undo(path: Path, checkpoint: Path, noted: int) -> None:
    """Decide the open readings of a job's last run, as its next run would.

    `noted`: the position from the lock file below which rows may have been sent. If the checkpoint is gone or
    is another job's, all open readings stay in doubt.
    """
    with _storing(path), closing(_open(path, "rw")) as connection:
        job = dict(connection.execute("SELECT name, value FROM about"))["job"]
        try:
            known = Checkpoint.open(checkpoint, read_only=True)
        except CheckpointError:
            return
        with closing(known):
            if known.job_id() == job:
                state = known.state()
                in_doubt_below = max(state.in_doubt_below, noted)
                _decide_open_readings(connection, state, known.unconfirmed(), in_doubt_below)


def _open(path: Path, mode: sqlite.Mode) -> sqlite3.Connection:
    """Open the file, and add what earlier versions lack."""
    connection = sqlite.connect(path, mode, synchronous="FULL")
    with sqlite.closed_on_error(connection):
        connection.executescript(_SCHEMA)
        if "seen_at" not in sqlite.columns(connection, "main", "contacts"):  # begun by 0.6.2
            connection.execute("ALTER TABLE contacts ADD COLUMN seen_at REAL")
        snapshot_entry_origins.upgrade(connection)
    return connection


def _decide_open_readings(
    connection: sqlite3.Connection, state: State, unconfirmed: Iterable[tuple[int, str]], in_doubt_below: int
) -> None:
    here = boot_id()
    rows = connection.execute("SELECT value FROM about WHERE name = 'boot'").fetchall()
    # The lock file's note survives a kill, but not a power cut.
    is_exact = bool(here) and rows == [(here,)]
    with connection:
        snapshot_entry_origins.decide_open_readings(
            connection, state, unconfirmed, in_doubt_below, is_exact=is_exact
        )
        connection.execute("INSERT OR REPLACE INTO about VALUES ('boot', ?)", (here,))


def read_about(path: Path) -> dict[str, str]:
    """The table `about` of a snapshot: its job and account. Empty if damaged or never begun."""
    try:
        with closing(sqlite.connect(path, "ro")) as connection:
            return dict(connection.execute("SELECT name, value FROM about"))
    except sqlite3.Error:
        return {}


def note(path: Path, name: str, value: str) -> None:
    """Store a value in the table `about` of a snapshot."""
    with _storing(path), closing(sqlite.connect(path, "rw")) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))


def free_number(*paths: Path) -> str:
    """The number that these files get when they are put aside, such as ".1"."""
    numbers = map(".{}".format, count(1))
    return next(n for n in numbers if not any(path.with_name(path.name + n).exists() for path in paths))


def put_aside(*paths: Path, number: str = "") -> None:
    """Rename a former job's snapshot and what else it needs to be undone; all get the same number."""
    there = [path for path in paths if path.exists()]
    number = number or free_number(*paths)
    for path in there:
        aside = path.with_name(f"{path.name}{number}")
        for ending in (*sqlite.ENDINGS, ""):  # the file itself last: without its log it would be incomplete
            file = path.with_name(path.name + ending)
            if file.exists():
                file.rename(aside.with_name(aside.name + ending))


def _led_to_nobody(entry: _Entry, hubspot_id: str) -> bool:
    """Whether a key first led to no contact and later to this one, so that the job created it.

    Others may have moved the key to an existing contact: that one has another id.
    """
    if entry.hubspot_id or (entry.is_in_doubt and entry.reached.get(hubspot_id) != Reached.CREATED):
        return False
    return not entry.reached or entry.reached.get(hubspot_id, Reached.OTHER) != Reached.OTHER


def _may_have_created(entry: _Entry, hubspot_id: str) -> bool:
    """Whether a row of this key, if it was written, may have created this contact."""
    if entry.doubt is None or hubspot_id == entry.hubspot_id or _led_to_nobody(entry, hubspot_id):
        return False
    return entry.reached.get(hubspot_id, Reached.SEEN) == Reached.SEEN


def _how(settlement: Settlement) -> Reached:
    if settlement.outcome is Outcome.CREATED:
        return Reached.CREATED
    return Reached.SEEN if settlement.replayed else Reached.UPDATED


def _storing(path: Path) -> AbstractContextManager[None]:
    return sqlite.storage_errors(f"cannot write the snapshot {path}")
