"""What a job's contacts held before it wrote them: one SQLite file beside the checkpoint, for `undo`.

The first snapshot of a contact wins: what is read later, for a later row, may be our own value. After a kill
that nobody knows the end of, the first and the last one are kept (`snapshot_entry_origins`). It is on the
disk before the write leaves. Its size follows what is written.
A key's first contact stands in `contacts`; others that answers and reads named for it stand in `reached`:
those of a key that led to nobody, and those it led to later.
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
from uploader.model.settlements import Settlement
from uploader.storage import snapshot_entry_origins
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.file_names import snapshot_path
from uploader.storage.snapshot_entry_state import ReadingState
from uploader.system import sqlite

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


#: What the job wrote without it, where the job's own checkpoint is no more.
UNKEPT = "unkept"


class Reached(StrEnum):
    """How it is known which contact a key led to while the job ran. An empty id: a write was confirmed, and
    nobody named the contact.
    """

    CREATED = "created"  #: an answer said that the job created it
    UPDATED = "updated"  #: the first answer said that it was there
    SEEN = "seen"  #: confirmed by a second sending, or found by a later read: as the job left it, or may have
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
    position: int | None = None  #: of the row


class _Entry(NamedTuple):
    """What is kept of a key already. An absence is a reading that found nobody."""

    number: int
    hubspot_id: str
    doubt: int | None  #: the last absence after which a row may have been written
    is_in_doubt: bool  #: whether there was no absence since
    reached: Mapping[str, str]  #: `Reached`, by id


class _Origin(NamedTuple):
    """How a contact came to be, as far as the snapshot tells."""

    is_ours: bool  #: it was not there when a row of one of its keys came to it
    doubt: int | None  #: the absence after which a row may have created it
    numbers: Sequence[int]  #: the entries that say so


class SnapshotFile:
    """Used by one thread at a time, by one process at a time."""

    def __init__(self, checkpoint: Path, about: Mapping[str, str]) -> None:
        """Take up the job's file, or begin it. `about` tells one job's from another's, and its account."""
        self.path = snapshot_path(checkpoint)
        with _storing(self.path):
            self._connection = _open(self.path, "create")
            if not self.about():
                with self._connection as connection:
                    connection.executemany("INSERT INTO about VALUES (?, ?)", sorted(about.items()))
        if self.about()["job"] != about["job"]:
            self.close()
            raise CheckpointError(f"{self.path} is the snapshot of another job; move it away")
        if (before := self.about().get("object_type")) != (now := about.get("object_type")):
            self.close()
            raise CheckpointError(
                f"{self.path} is a snapshot of {before} and can't be one of {now}, too; go back to "
                f"--object-type {before}, or make the rest a job of its own with another --checkpoint"
            )
        with _storing(self.path), self._connection as connection:
            # A job that was begun by a token that could not say whose account it is.
            connection.execute(
                "UPDATE about SET value = ? WHERE name = 'portal' AND value = ''", (about["portal"],)
            )
            # An undo that was made in between says nothing of what is written from now on.
            connection.execute(
                "INSERT INTO about VALUES ('runs', '1') "
                "ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )

    def about(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM about"))

    def take_up(self, standing: State, unconfirmed: Iterable[tuple[int, str]], in_doubt_below: int) -> None:
        """Judge what an earlier invocation left, before rows move. `standing` and `unconfirmed` are those of
        its checkpoint; open rows before `in_doubt_below` may have been sent.
        """
        with _storing(self.path):
            _take_up(self._connection, standing, unconfirmed, in_doubt_below)

    def keep(self, formers: Sequence[Former]) -> None:
        """Durable when it returns."""
        with _storing(self.path), self._connection as connection:
            for former in formers:
                self._keep(connection, former)

    def _keep(self, connection: sqlite3.Connection, former: Former) -> None:
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
            # The keys that tell of its origin may lead to another contact by the time of an undo.
            for one in {number, *origin.numbers}:
                self._note(connection, one, former.hubspot_id, how)
        if not former.hubspot_id and entry is not None and entry.is_in_doubt:
            snapshot_entry_origins.note_absent(connection, number, former.seen_at)
        if former.hubspot_id and not origin.is_ours:  # else it was not there, and what it holds now is ours
            if origin.doubt is not None:
                nothing = [(name, "") for name in former.held]
                snapshot_entry_origins.keep_former(connection, origin.doubt, former.hubspot_id, nothing)
            snapshot_entry_origins.keep_former(connection, reading, former.hubspot_id, former.held.items())

    def _begin(self, connection: sqlite3.Connection, former: Former, hubspot_id: str) -> int:
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
        """Take out what was kept of these keys last: their rows were not written after all. `positions`: of
        which rows, value by value; without them, of whichever row was read last.
        """
        rows = zip(values, positions, strict=True) if positions else ((value, None) for value in values)
        with _storing(self.path), self._connection as connection:
            for value, position in rows:
                snapshot_entry_origins.forget_last(connection, value, position)

    def doubt(self, records: Sequence[Record]) -> None:
        """Note that these rows were sent and may have been written. They are about to be read again."""
        with _storing(self.path), self._connection as connection:
            snapshot_entry_origins.note_states(
                connection, [(record, ReadingState.DOUBT) for record in records]
            )

    def note_confirmed(self, settlements: Sequence[Settlement]) -> None:
        """Keep which rows were written, and which contacts the answers named: a created one is ours, whatever
        its key leads to later.
        """
        found = [
            (s.record.values[0], s.hubspot_id, _how(s))
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
        """That the contact was created is the surest word; else the first one stands."""
        connection.execute(
            "INSERT INTO reached VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET how = excluded.how WHERE excluded.how = ?",
            (number, hubspot_id, how.value, Reached.CREATED.value),
        )

    def _origin(self, former: Former) -> _Origin:
        """By the entries of all its keys: a row of another key may have created it."""
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


def take_up_for_undo(path: Path, checkpoint: Path, noted: int) -> None:
    """Judge what the job's last invocation left, as it would itself. `noted`: how far was sent, as its lock
    has it. Where the checkpoint is gone, or is another job's, all that isn't certain stays in doubt.
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
                _take_up(connection, state, known.unconfirmed(), in_doubt_below)


def _open(path: Path, mode: sqlite.Mode) -> sqlite3.Connection:
    """With all that files of earlier versions lack."""
    connection = sqlite.connect(path, mode, synchronous="FULL")
    connection.executescript(_SCHEMA)
    if "seen_at" not in sqlite.columns(connection, "main", "contacts"):  # begun by 0.6.2
        connection.execute("ALTER TABLE contacts ADD COLUMN seen_at REAL")
    snapshot_entry_origins.upgrade(connection)
    return connection


def _take_up(
    connection: sqlite3.Connection,
    standing: State,
    unconfirmed: Iterable[tuple[int, str]],
    in_doubt_below: int,
) -> None:
    here = boot_id()
    rows = connection.execute("SELECT value FROM about WHERE name = 'boot'").fetchall()
    # How far was sent is noted where a kill doesn't reach it, but a power cut does.
    is_exact = bool(here) and rows == [(here,)]
    with connection:
        snapshot_entry_origins.take_up(connection, standing, unconfirmed, in_doubt_below, is_exact=is_exact)
        connection.execute("INSERT OR REPLACE INTO about VALUES ('boot', ?)", (here,))


def boot_id() -> str:
    """Another one after every start of the machine; "" where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def read_about(path: Path) -> dict[str, str]:
    """Whose a snapshot is; nothing where it is damaged, or was never begun."""
    try:
        with closing(sqlite.connect(path, "ro")) as connection:
            return dict(connection.execute("SELECT name, value FROM about"))
    except sqlite3.Error:
        return {}


def note(path: Path, name: str, value: str) -> None:
    """Keep something with a snapshot."""
    with _storing(path), closing(sqlite.connect(path, "rw")) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))


def put_aside(path: Path) -> Path | None:
    """Keep a former job's snapshot under another name: it alone can undo what that job did."""
    if not path.exists():
        return None
    number = next(n for n in count(1) if not path.with_name(f"{path.name}.{n}").exists())
    aside = path.with_name(f"{path.name}.{number}")
    for ending in (*sqlite.ENDINGS, ""):  # the file itself last: without its log it would be another
        file = path.with_name(path.name + ending)
        if file.exists():
            file.rename(aside.with_name(aside.name + ending))
    return aside


def _led_to_nobody(entry: _Entry, hubspot_id: str) -> bool:
    """Whether a key led to nobody, and to this contact since, as far as its answers and reads tell.

    Others may have moved the key to a contact that was there before: that one has another id.
    """
    if entry.hubspot_id or (entry.is_in_doubt and entry.reached.get(hubspot_id) != Reached.CREATED):
        return False
    return not entry.reached or entry.reached.get(hubspot_id, Reached.OTHER) != Reached.OTHER


def _may_have_created(entry: _Entry, hubspot_id: str) -> bool:
    """Whether a row of this key that nobody knows the end of may have created this contact."""
    if entry.doubt is None or hubspot_id == entry.hubspot_id or _led_to_nobody(entry, hubspot_id):
        return False
    return entry.reached.get(hubspot_id, Reached.SEEN) == Reached.SEEN


def _how(settlement: Settlement) -> Reached:
    if settlement.outcome is Outcome.CREATED:
        return Reached.CREATED
    return Reached.SEEN if settlement.replayed else Reached.UPDATED


def _storing(path: Path) -> AbstractContextManager[None]:
    return sqlite.storage_errors(f"can't write the snapshot {path}")
