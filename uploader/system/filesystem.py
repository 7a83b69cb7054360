"""Where a job's files are: on which file system, and how SQLite has to be told to write there."""

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Literal

from uploader.system.mounts import Place, file_system, place_of

#: Linux; elsewhere all places pass for disks.
MOUNTINFO = Path("/proc/self/mountinfo")


def look_at(path: Path) -> tuple[Place, str]:
    """What the folder of a file is, and the type of its file system."""
    kind = kind_of(path.parent)
    return place_of(kind), kind


def kind_of(path: Path) -> str:
    """The type of the file system where the content is of what a path leads to; "" where nobody tells."""
    try:
        # Bytes that are no UTF-8 are found again in the path, which Python decodes in the same way.
        table = os.fsdecode(MOUNTINFO.read_bytes())
    except OSError:
        return ""
    return file_system(table, os.path.realpath(path))


def settle_in(connection: sqlite3.Connection, path: Path, synchronous: Literal["FULL", "NORMAL"]) -> None:
    """How a file is written: WAL on a disk; on a network, where no memory is shared, a journal beside it."""
    is_disk = look_at(path)[0] is Place.DISK
    connection.execute(f"PRAGMA journal_mode={'WAL' if is_disk else 'DELETE'}")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    spill_beside(connection, path)


#: How long SQLite waits for a lock that another process holds.
LOCK_SECONDS = 60.0


def is_locked(error: Exception) -> bool:
    """Whether a call has failed because another process holds a lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def own_copy(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A connection to read from, however slowly, without hindering who writes; the given one is used up.

    WAL gives readers their own view. Beside a rollback journal every reader holds a lock that the writer has
    to wait for, so that what is read is a copy without a name, and the lock is held while it is made.
    """
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        spill_beside(connection, path)
        return connection
    try:
        copy = sqlite3.connect("", isolation_level=connection.isolation_level, check_same_thread=False)
        spill_beside(copy, path)
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
