"""SQLite files: how they are opened, how they are written where they lie, and what their errors become."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from uploader.errors import BusyError, StorageError
from uploader.system.filesystem_of_path import look_at
from uploader.system.mounts import Place
from uploader.system.private_files import create_private, refuse_trap

#: How long SQLite waits for a lock that another process holds.
LOCK_SECONDS = 60.0
#: The same where the caller can do without an answer.
SHORT_LOCK_SECONDS = 5.0

#: Read; write; the same, and create it if it isn't there; the same, and empty what is there.
Mode = Literal["ro", "rw", "create", "replace"]

#: Of the files that SQLite keeps beside a database.
ENDINGS = ("-wal", "-shm", "-journal")


def connect(
    path: Path,
    mode: Mode,
    *,
    synchronous: Literal["FULL", "NORMAL"] | None = None,
    isolation_level: Literal["DEFERRED"] | None = "DEFERRED",
    lock_seconds: float = LOCK_SECONDS,
) -> sqlite3.Connection:
    """A connection for one thread at a time. OSError or sqlite3.Error if there can't be one.

    A file is created for its owner alone, and none is written through what somebody has put there as a trap.
    `synchronous`: the file is written as `settle_in` says; without it the caller says how.
    """
    if mode in {"create", "replace"}:
        os.close(create_private(path, truncate=mode == "replace"))
    if mode != "ro":
        refuse_traps(path)
    connection = sqlite3.connect(
        uri(path, "ro" if mode == "ro" else "rw"),
        uri=True,
        isolation_level=isolation_level,
        check_same_thread=False,
        timeout=lock_seconds,
    )
    if synchronous is not None:
        try:
            settle_in(connection, path, synchronous)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_unnamed(
    beside: Path, *, isolation_level: Literal["DEFERRED"] | None = "DEFERRED"
) -> sqlite3.Connection:
    """A database without a name, gone when it is closed; it spills beside a path."""
    connection = sqlite3.connect(
        "", uri=True, isolation_level=isolation_level, check_same_thread=False, timeout=LOCK_SECONDS
    )
    spill_beside(connection, beside)
    return connection


def uri(path: Path, mode: Literal["ro", "rw"]) -> str:
    """By which a file is opened or attached, whatever its name; it is not created."""
    return f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"


def settle_in(connection: sqlite3.Connection, path: Path, synchronous: Literal["FULL", "NORMAL"]) -> None:
    """How a file is written: WAL on a disk; on a network, where no memory is shared, a journal beside it."""
    is_disk = look_at(path)[0] is Place.DISK
    connection.execute(f"PRAGMA journal_mode={'WAL' if is_disk else 'DELETE'}")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    spill_beside(connection, path)


def own_copy(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A connection to read from, however slowly, without hindering who writes; the given one is used up.

    WAL gives readers their own view. Beside a rollback journal every reader holds a lock that the writer has
    to wait for, so that what is read is a copy without a name, and the lock is held while it is made.
    """
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        spill_beside(connection, path)
        return connection
    try:
        copy = connect_unnamed(path, isolation_level=None)
        connection.backup(copy)
    finally:
        connection.close()
    return copy


def spill_beside(connection: sqlite3.Connection, path: Path) -> None:
    """Large sorts need a temporary file: beside `path`, where nowhere else is one (a read-only root)."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        # Deprecated, and the one way but for a variable that is read before any Python has run.
        folder = str(path.absolute().parent).replace("'", "''")
        connection.execute(f"PRAGMA temp_store_directory='{folder}'")


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a file has a table, which one of an earlier version may lack."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def columns(connection: sqlite3.Connection, schema: str, table: str) -> set[str]:
    """Of a table; none where it is not there, as in a file of an earlier version."""
    return {name for _, name, *_ in connection.execute(f"PRAGMA {schema}.table_info({table})")}


def refuse_traps(database: Path) -> None:
    """OSError if SQLite would write through what somebody has put in the place of one of its files."""
    for ending in ("", *ENDINGS):
        with suppress(FileNotFoundError):
            refuse_trap(database.with_name(database.name + ending))


def remove_database(path: Path) -> None:
    """With what SQLite keeps beside it."""
    for ending in ("", *ENDINGS):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def is_locked(error: Exception) -> bool:
    """Whether a call has failed because another process holds a lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def storage_errors(failure: str, *, hint: str = "", busy: str = "") -> Iterator[None]:
    """Turn what the disk or SQLite refuses within into StorageError: what failed, why, and a hint.

    `busy`: the text of the BusyError that is raised instead if another process holds a lock.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if busy and is_locked(error):
            raise BusyError(busy) from error
        raise StorageError(f"{failure}: {error}{hint}") from error


class Database:
    """The file of a store that opens it after it was made. Used by one thread and one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def _storing(self) -> AbstractContextManager[None]:
        return storage_errors(f"can't use {self.path}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written within is durable when it ends, or none of it is there. StorageError if not."""
        with self._storing(), self._open as connection:
            yield connection

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._storing():
            return self._open.execute(query, values).fetchall()
