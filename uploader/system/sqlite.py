"""SQLite files: opened safely, with a journal for their file system; their errors translated."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from uploader.errors import BusyError, SettingsError, StorageError
from uploader.system.filesystem_of_path import find_storage
from uploader.system.mounts import StorageKind
from uploader.system.private_files import create_private, refuse_unsafe_file

#: How long SQLite waits for a lock that another process holds.
LOCK_SECONDS = 60.0
#: The same if the caller can do without the file.
SHORT_LOCK_SECONDS = 5.0

#: Read; read a file that is not ours; write; write, and create a missing file; write, and empty an existing
#: file.
Mode = Literal["ro", "source", "rw", "create", "replace"]

#: The endings of the files that SQLite keeps beside a database.
ENDINGS = ("-wal", "-shm", "-journal")


def connect(
    path: Path,
    mode: Mode,
    *,
    synchronous: Literal["FULL", "NORMAL"] | None = None,
    isolation_level: Literal["DEFERRED"] | None = "DEFERRED",
    lock_seconds: float = LOCK_SECONDS,
) -> sqlite3.Connection:
    """A connection for one thread at a time. OSError or sqlite3.Error if the file can't be opened.

    A new file has mode 0600; links and special files are refused. `synchronous`: call `set_journal` with it;
    without it the caller does.
    """
    if mode in {"create", "replace"}:
        os.close(create_private(path, truncate=mode == "replace"))
    is_read = mode in {"ro", "source"}
    if not is_read:
        refuse_unsafe_files(path)
    connection = sqlite3.connect(
        uri(path, "ro" if is_read else "rw"),
        uri=True,
        isolation_level=isolation_level,
        check_same_thread=False,
        timeout=lock_seconds,
        factory=_Reader if mode == "ro" else sqlite3.Connection,
    )
    if isinstance(connection, _Reader):
        connection.path = path
    if synchronous is not None:
        with closed_on_error(connection):
            set_journal(connection, path, synchronous)
    return connection


class _Reader(sqlite3.Connection):
    """Reads one of our files. SQLite leaves an empty log beside it that only a writer's end removes."""

    path: Path | None = None

    def close(self) -> None:
        super().close()
        if self.path is not None:
            remove_empty_log(self.path)


def remove_empty_log(path: Path) -> None:
    """Remove what SQLite has left beside a file of ours that was only read. It stays if the file is in use
    elsewhere, or the folder can't be written.
    """
    if _has_empty_log(path):
        with suppress(OSError, sqlite3.Error), closing(connect(path, "rw", lock_seconds=0)) as writer:
            writer.execute("PRAGMA user_version")


def _has_empty_log(path: Path) -> bool:
    """Whether SQLite's log beside a file has nothing in it."""
    with suppress(OSError):
        return path.with_name(f"{path.name}{ENDINGS[0]}").stat().st_size == 0
    return False


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close a connection that was just opened if what is within fails."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def connect_unnamed(
    beside: Path, *, isolation_level: Literal["DEFERRED"] | None = "DEFERRED"
) -> sqlite3.Connection:
    """A temporary database without a name; its temporary files are beside a path."""
    connection = sqlite3.connect(
        "", uri=True, isolation_level=isolation_level, check_same_thread=False, timeout=LOCK_SECONDS
    )
    with closed_on_error(connection):
        set_temporary_folder(connection, beside)
    return connection


def connect_temporary(folder: Path) -> sqlite3.Connection:
    """A temporary database without a name, whose transactions are begun by hand. SettingsError if no folder
    takes its temporary files.
    """
    try:
        return connect_unnamed(folder / "temporary", isolation_level=None)
    except sqlite3.Error as error:
        raise SettingsError(
            f"cannot create temporary files in {folder} or TMPDIR; choose a writable folder with "
            "--checkpoint-dir"
        ) from error


def uri(path: Path, mode: Literal["ro", "rw"]) -> str:
    """The URI that opens or attaches a file, whatever its name, without creating it."""
    return f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"


def set_journal(connection: sqlite3.Connection, path: Path, synchronous: Literal["FULL", "NORMAL"]) -> None:
    """Use WAL on a disk, and a rollback journal on a network, where no memory is shared."""
    is_disk = find_storage(path)[0] is StorageKind.DISK
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA fullfsync=ON")  # macOS: through the cache of the disk; elsewhere no difference
    connection.execute(f"PRAGMA journal_mode={'WAL' if is_disk else 'DELETE'}")
    set_temporary_folder(connection, path)


def reading_connection(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A connection for slow reads that do not block the writer. Replaces the given connection, which is
    closed if that fails.

    WAL gives readers their own view. With a rollback journal a reader holds a lock that blocks writing,
    so this reads from an unnamed copy, and holds the lock only while the copy is made.
    """
    with closed_on_error(connection):
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            set_temporary_folder(connection, path)
            return connection
        copy = connect_unnamed(path, isolation_level=None)
        with closed_on_error(copy):
            connection.backup(copy)
    connection.close()
    return copy


def set_temporary_folder(connection: sqlite3.Connection, path: Path) -> None:
    """Put temporary files for large sorts beside `path` if the system has no temporary folder."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        # Deprecated; the only other way is a variable that SQLite reads before Python runs.
        folder = str(path.absolute().parent).replace("'", "''")
        connection.execute(f"PRAGMA temp_store_directory='{folder}'")


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a file has a table. Files of earlier versions may lack some."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def columns(connection: sqlite3.Connection, schema: str, table: str) -> set[str]:
    """The columns of a table; empty if the file has no such table."""
    return {name for _, name, *_ in connection.execute(f"PRAGMA {schema}.table_info({table})")}


def refuse_unsafe_files(database: Path) -> None:
    """OSError if the database, or one of SQLite's files beside it, is a link or a special file."""
    for ending in ("", *ENDINGS):
        with suppress(FileNotFoundError):
            refuse_unsafe_file(database.with_name(database.name + ending))


def remove_database(path: Path) -> None:
    """Remove a database, and SQLite's files beside it."""
    for ending in ("", *ENDINGS):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def is_locked(error: Exception) -> bool:
    """Whether a call has failed because another process holds a lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def storage_errors(failure: str, *, hint: str = "", busy: str = "") -> Iterator[None]:
    """Turn errors of the disk or SQLite within into StorageError: what failed, why, and a hint.

    `busy`: the text of the BusyError that is raised instead if another process holds a lock.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if busy and is_locked(error):
            raise BusyError(busy) from error
        raise StorageError(f"{failure}: {error}{hint}") from error


class Database:
    """Base of stores in an SQLite file that they open later. One thread and one process at a time."""

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
        return storage_errors(f"cannot use {self.path}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is written within is on the disk at its end, or none. StorageError."""
        with self._storing(), self._open as connection:
            yield connection

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._storing():
            return self._open.execute(query, values).fetchall()
