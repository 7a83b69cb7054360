"""The checkpoint: one SQLite file from which a killed run resumes.

It holds the job's identity, progress, tallies, dead letters and pending records, and the rows that the canary
sent until it is approved. A confirmed row leaves no line of its own here, only counts and the watermark.
Its size follows failures and what is in flight, not the sources.

Durability: WAL with synchronous=FULL; on a network file system a rollback journal instead. A commit is on
the disk when it returns, and the results file is flushed before it. After a kill or power cut the results
file has all lines that the checkpoint counts. That costs two flushes per commit, up to ten commits a second,
off the event loop.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from uploader.errors import CheckpointError, StorageError
from uploader.model.canary import Canary, CanaryRow
from uploader.model.keys_of_one_contact import IdentityConflict
from uploader.model.records import EMAIL
from uploader.model.settings_periods import Period
from uploader.model.settled_rows import Settlement
from uploader.model.timeline import Changes, Interval
from uploader.sources.source import Shape
from uploader.storage import duplicates_file
from uploader.storage.checkpoint_tables import (
    canary as canary_rows,
    failed_and_pending_rows,
    opt_outs,
    progress_and_tallies,
    settings_periods,
    timeline,
)
from uploader.storage.checkpoint_tables.failed_and_pending_rows import DeadLetter, Superseding
from uploader.storage.checkpoint_tables.progress_and_tallies import State, of_job
from uploader.storage.checkpoint_tables.timeline import Invocation
from uploader.storage.file_names import duplicates_path, keys_of_one_contact_path
from uploader.system import sqlite
from uploader.system.private_files import open_plain

_APPLICATION_ID = 0x55504C44  # "UPLD"
_FORMAT = 3
#: The format of version 0.4.0, whose jobs can be continued.
_FORMER = 2

#: How long one attempt to commit waits for readers.
COMMIT_LOCK_SECONDS = 1.0

_SCHEMA = f"""
CREATE TABLE job (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE changes (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, what TEXT NOT NULL);
{progress_and_tallies.SCHEMA}
{failed_and_pending_rows.SCHEMA}
CREATE TABLE aliases (
    hubspot_id TEXT NOT NULL, position INTEGER NOT NULL, source INTEGER NOT NULL, row INTEGER NOT NULL,
    key TEXT NOT NULL, PRIMARY KEY (hubspot_id, position)
) WITHOUT ROWID;
"""


#: Tables that checkpoints of earlier versions lack: added when one is opened.
_LATER = f"""
{timeline.SCHEMA}
{failed_and_pending_rows.LATER_SCHEMA}
{canary_rows.SCHEMA}
{opt_outs.SCHEMA}
"""


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Identifies a source by its content, whatever its name is now."""

    name: str
    fingerprint: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies a job. The URL, modification times and the token are no part of it."""

    sources: tuple[SourceIdentity, ...]
    settings: Mapping[str, Any]  #: the settings that change what is written, by name
    results: bool  #: whether the job has a results file
    portal: str = ""  #: the account's id; "" if the token may not read it


class Checkpoint:
    """An open checkpoint, for one thread at a time. A writer holds the `Lock` beside it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._main_key = ""  #: the job's main id property, read when needed
        self._has_known = True  #: the file may contain marks

    @classmethod
    def create(cls, path: Path, identity: Identity, canary: Canary | None = None) -> "Checkpoint":
        """Create a new job's checkpoint. It is written under another name, then renamed: never incomplete."""
        draft = path.with_name(path.name + ".new")
        try:
            connection = sqlite.connect(draft, "replace", isolation_level=None)
            checkpoint = cls(connection, draft)
            with closing(checkpoint):
                # In one transaction: each of several would wait for the disk.
                connection.executescript(
                    f"BEGIN; {_SCHEMA} {_LATER} {settings_periods.SCHEMA} "
                    f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={_FORMAT};"
                )
                checkpoint._put_job(identity)
                connection.execute("INSERT INTO job VALUES ('id', ?)", (json.dumps(str(uuid4())),))
                connection.execute("COMMIT")
                if canary is not None:
                    checkpoint.note_canary(canary)
                checkpoint.commit(State(), ())
            # Else SQLite would replay another job's log into the new file.
            for ending in sqlite.ENDINGS:
                path.with_name(path.name + ending).unlink(missing_ok=True)
            draft.rename(path)
        except (OSError, sqlite3.Error, StorageError) as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise CheckpointError(
                f"cannot write the checkpoint {path}: {_text(error)}; choose another path with --checkpoint"
            ) from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "Checkpoint":
        """Open an existing checkpoint. CheckpointError if it is damaged, or no checkpoint."""
        if not path.is_file():
            raise CheckpointError(f"there is no checkpoint {path}")
        if not Checkpoint.is_sqlite(path):
            if path.suffix == ".toml":
                raise CheckpointError(f"{path} is no checkpoint; a project file or a plan is given with -f")
            raise CheckpointError(
                f"{path} is not a checkpoint of uploader, or is damaged; give the .checkpoint file (path of "
                "the source + .checkpoint), or start over with --restart"
            )
        try:
            connection = sqlite.connect(path, "ro" if read_only else "rw", isolation_level=None)
            with sqlite.closed_on_error(connection):
                version = _check_format(connection, path)
                if not read_only:
                    _prepare_for_writing(connection, path, version)
            if read_only:
                connection = sqlite.reading_connection(connection, path)
            with sqlite.closed_on_error(connection):
                checkpoint = cls(connection, path)
                checkpoint.identity()
                checkpoint.state()
        except OSError as error:
            raise CheckpointError(f"cannot use {error.filename}: {error.strerror}") from error
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise _unreadable(path, error) from error
        return checkpoint

    @staticmethod
    def is_sqlite(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"

    @staticmethod
    def is_checkpoint(path: Path) -> bool:
        """Whether the file is a checkpoint of uploader, damaged or not."""
        with open_plain(path) as file:
            head = file.read(100)  # the SQLite header, with the application id at 68
        return head.startswith(b"SQLite format 3\0") and head[68:72] == _APPLICATION_ID.to_bytes(4, "big")

    @staticmethod
    def remove(path: Path) -> None:
        """Remove a checkpoint, and the files that are kept as long as it."""
        sqlite.remove_database(path)
        sqlite.remove_database(keys_of_one_contact_path(path))
        duplicates_file.remove(duplicates_path(path))

    def _storing(self) -> AbstractContextManager[None]:
        return sqlite.storage_errors(
            f"cannot write the checkpoint {self.path}",
            busy=f"the checkpoint {self.path} is being read by another process",
        )

    def close(self) -> None:
        # The disk may be full; what is committed is safe in the WAL.
        with suppress(sqlite3.Error):
            self._connection.close()

    # --- identity ---

    def identity(self) -> Identity:
        job = {name: json.loads(value) for name, value in self._connection.execute("SELECT * FROM job")}
        sources = tuple(
            SourceIdentity(
                source["name"],
                source["fingerprint"],
                Shape(
                    source["shape"]["format"],
                    source["shape"]["delimiter"],
                    tuple(source["shape"]["columns"]),
                    source["shape"].get("encoding", ""),
                    source["shape"].get("sheet", ""),
                    source["shape"].get("query", ""),
                ),
            )
            for source in job["sources"]
        )
        return Identity(sources, job["settings"], job["results"], job["portal"])

    def job_id(self) -> str:
        """The job's unique id; "" if an earlier version began it."""
        return str(of_job(self._connection, "id", ""))

    def repeated_options(self) -> dict[str, list[str]]:
        """The options that printed commands repeat, with the values last given."""
        return dict(of_job(self._connection, "files", {}))

    def note_repeated_options(self, options: Mapping[str, Sequence[str]]) -> None:
        with self._storing(), self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO job VALUES ('files', ?)", (json.dumps(options),))

    def has_links_file(self) -> bool:
        """Whether the file of the rows' links was created, so that it must be there."""
        return bool(of_job(self._connection, "links_file", default=False))

    def note_links_file(self) -> None:
        """Record that the file of the rows' links was created."""
        with self._storing(), self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO job VALUES ('links_file', 'true')")

    def rows_not_in_results(self) -> int:
        """The number of rows that were settled before the results file was started again."""
        return int(of_job(self._connection, "results_lack", 0))

    def restart_results(self, settled: int, what: str) -> None:
        """Start the results file again, without the `settled` rows. `what`: the text for the changes."""
        with self._storing(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE state SET results_bytes = 0")
            connection.execute(
                "INSERT OR REPLACE INTO job VALUES ('results_lack', ?)", (json.dumps(settled),)
            )
            connection.execute("INSERT INTO changes (what) VALUES (?)", (what,))

    def accept(self, identity: Identity, changes: str, in_doubt_below: int = 0) -> None:
        """Store changed settings or another account, with the rows that the former settings applied to.

        `changes`: a text about them. `in_doubt_below`: open rows below it may have been sent.
        """
        with self._storing(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            if changes:
                connection.execute("INSERT INTO changes (what) VALUES (?)", (changes,))
            if changes and (former := self.identity().settings) != identity.settings:
                settings_periods.end(connection, former, in_doubt_below)
            self._put_job(identity)

    def note_missing_snapshot(self, in_doubt_below: int) -> None:
        """Record that the snapshot of the rows written so far is missing."""
        with self._storing(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO changes (what) VALUES ('the snapshot file was missing')")
            settings_periods.note_missing_snapshot(connection, self.identity().settings, in_doubt_below)

    def periods(self, in_doubt_below: int = 0) -> list[Period]:
        """Which settings applied to which rows; the last period is the current one."""
        with self.as_of_now():
            settings = self.identity().settings
            now = settings_periods.present(self._connection, settings, in_doubt_below)
            return [*settings_periods.read(self._connection), now]

    def _put_job(self, identity: Identity) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO job VALUES (?, ?)",
            [(name, json.dumps(value)) for name, value in asdict(identity).items()],
        )

    # --- the canary ---

    def canary(self) -> Canary | None:
        """The canary; None if the job has none."""
        return canary_rows.read(self._connection)

    def note_canary(self, canary: Canary) -> None:
        """Store the canary. Approval is recorded, and deletes the rows it sent."""
        with self._storing(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            canary_rows.note(connection, canary)

    def canary_rows(self) -> list[CanaryRow]:
        """The rows that the canary has sent, in file order, without their source text."""
        return canary_rows.read_rows(self._connection)

    # --- state ---

    @contextmanager
    def as_of_now(self) -> Iterator[None]:
        """Reads within see one commit, even if another process commits meanwhile."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def state(self) -> State:
        """The state of the job, as of one commit."""
        with self.as_of_now():
            return progress_and_tallies.read(self._connection)

    def commit(
        self,
        state: State,
        settlements: Sequence[Settlement],
        superseding: Sequence[Superseding] = (),
        conflicts: Sequence[IdentityConflict] = (),
        canary: Sequence[CanaryRow] = (),
        *,
        changes: Changes | None = None,
        invocation: Invocation | None = None,
    ) -> None:
        """Write state and settlements to the disk in one transaction. BusyError if readers hold a lock.

        `settlements`: of the rows that the checkpoint keeps; a confirmed row is only counted in `state`.
        `changes`: of the timeline. `invocation`: the current one.
        """
        with self._storing(), self._waiting_briefly() as connection:
            connection.execute("BEGIN IMMEDIATE")
            if settlements and not self._main_key:
                self._main_key = str(self.identity().settings.get("id_property", EMAIL))
            failed_and_pending_rows.write(connection, settlements, self._main_key)
            failed_and_pending_rows.supersede(connection, superseding)
            connection.executemany(
                "INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?, ?)",
                [(a.hubspot_id, a.position, a.source, a.row, a.key) for a in conflicts],
            )
            canary_rows.write_rows(connection, canary)
            progress_and_tallies.write(connection, state)
            if state.known or self._has_known:
                progress_and_tallies.write_known(connection, state.known)
                self._has_known = bool(state.known)
            if changes is not None:
                timeline.write(connection, changes)
            if invocation is not None:
                timeline.note(connection, invocation)

    def list_opt_outs(self, addresses: Sequence[str]) -> tuple[list[str], int]:
        """Write addresses that opted out to the disk. Returns the new ones, and how many there are.

        BusyError if readers hold a lock.
        """
        with self._storing(), self._waiting_briefly() as connection:
            connection.execute("BEGIN IMMEDIATE")
            return opt_outs.add(connection, addresses)

    def opt_outs(self) -> Iterator[str]:
        """The addresses that opted out."""
        return opt_outs.read(self._connection)

    @contextmanager
    def _waiting_briefly(self) -> Iterator[sqlite3.Connection]:
        """A transaction that fails soon without its lock, so that the caller can report that it waits."""
        self._connection.execute(f"PRAGMA busy_timeout={round(COMMIT_LOCK_SECONDS * 1000)}")
        try:
            with self._connection as connection:
                yield connection
        finally:
            self._connection.execute(f"PRAGMA busy_timeout={round(sqlite.LOCK_SECONDS * 1000)}")

    # --- timeline ---

    def timeline(self) -> list[Interval]:
        """The timeline of the job."""
        return timeline.read(self._connection)

    def invocations(self) -> list[Invocation]:
        """The invocations that worked on the job, in order."""
        return timeline.read_invocations(self._connection)

    def changes(self) -> list[tuple[str, str]]:
        """Time (UTC) and text of each change of settings or approval by the user."""
        return list(self._connection.execute("SELECT at, what FROM changes ORDER BY id"))

    # --- rows that are not confirmed ---

    def dead_letters(self) -> Iterator[DeadLetter]:
        """All dead letters, in file order. One is superseded only by a row that was written."""
        return failed_and_pending_rows.dead_letters(self._connection)

    def dead_letter_messages(self) -> Iterator[tuple[str, str, int, int, bytes]]:
        """Each outcome and message of dead letters: how many have it, and source and bytes of one of them."""
        yield from self._connection.execute(
            "SELECT outcome, message, count(*), source, raw FROM dead_letters GROUP BY outcome, message"
        )

    def dead_letter_lock_keys(self) -> Iterator[str]:
        """The lock key of each dead letter's key."""
        for (value,) in self._connection.execute("SELECT closed_value FROM dead_letters"):
            yield value

    def dead_letter_other_lock_keys(self) -> Iterator[str]:
        """The other lock keys by which rows may reach the record of a dead letter."""
        for (value,) in self._connection.execute("SELECT DISTINCT closed_value FROM dead_values"):
            yield value

    def pending(self) -> Iterator[tuple[int, int, str]]:
        """Source, row and key of every pending row, in file order."""
        yield from self._connection.execute("SELECT source, row, key FROM pending ORDER BY position")

    def unconfirmed(self) -> Iterator[tuple[int, str]]:
        """Position and outcome of every settled row that is not confirmed, in file order."""
        return failed_and_pending_rows.outcomes(self._connection)

    def identity_conflicts(self) -> Iterator[IdentityConflict]:
        """The contacts that several keys led to (identity conflicts), each with its rows in file order."""
        for row in self._connection.execute("SELECT * FROM aliases ORDER BY hubspot_id, position"):
            yield IdentityConflict(*row)


def _check_format(connection: sqlite3.Connection, path: Path) -> int:
    """The format of a checkpoint. CheckpointError if it is none of ours; sqlite3.Error if it is damaged."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise CheckpointError(
            f"{path} is not a checkpoint of uploader; choose another path with --checkpoint"
        )
    if version not in {_FORMAT, _FORMER}:
        raise CheckpointError(
            f"{path} was written by another version of uploader (format {version}); continue with "
            "that version, or start over with --restart"
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    return int(version)


def _prepare_for_writing(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Set the journal, and add what files of earlier versions lack."""
    sqlite.set_journal(connection, path, "FULL")
    if version == _FORMER:
        connection.executescript(
            f"BEGIN IMMEDIATE; {progress_and_tallies.FROM_FORMER} PRAGMA user_version={_FORMAT}; COMMIT;"
        )
    connection.executescript(_LATER)
    settings_periods.create_in_older_file(connection)


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    if sqlite.is_locked(error):
        return CheckpointError(f"another process has locked {path}; try again when it has ended")
    return CheckpointError(
        f"the checkpoint {path} is damaged ({_text(error)}); restore a copy, or start over with --restart"
    )


def _text(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
