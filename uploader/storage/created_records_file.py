"""The file of records that a job creates although their key is not unique, such as companies by domain.

A search finds a new record only after a while, so the job has to know what it created; and batch/create makes
a second record where it is sent twice. So a key is in this SQLite file, beside the checkpoint, before its
request leaves, and its id as soon as an answer names it. It is on the disk when a method returns. It grows by
about 60 bytes for each record that is created, and stays until `purge`: `verify` and `undo` use it, too.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from uploader.errors import CheckpointError
from uploader.storage.file_names import created_records_path
from uploader.system import sqlite

_SCHEMA = """
CREATE TABLE IF NOT EXISTS created (
    key TEXT PRIMARY KEY, hubspot_id TEXT NOT NULL, is_accepted INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID
"""
_MOST_ASKED = 500  # parameters of one query


class Creation(NamedTuple):
    """A request to create the record of a key."""

    hubspot_id: str  #: "" while no answer has named it
    is_accepted: bool  #: HubSpot has said that it creates it, or has
    at: float  #: when it was about to leave, or got no answer, by HubSpot's clock, in seconds since 1970


class CreatedRecordsFile:
    """The file. Used by one thread at a time. StorageError if the disk refuses."""

    def __init__(self, checkpoint: Path, *, read_only: bool = False) -> None:
        """`read_only`: of a job that has ended; without a file, nothing was created."""
        self.path = created_records_path(checkpoint)
        self._connection: sqlite3.Connection | None = None
        if read_only and not self.path.exists():
            return
        try:
            self._connection = sqlite.connect(
                self.path, "ro" if read_only else "create", synchronous=None if read_only else "FULL"
            )
            if not read_only:
                with sqlite.closed_on_error(self._connection):
                    self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise CheckpointError(f"cannot use {self.path} ({error})") from error

    def creations(self, keys: Collection[str]) -> dict[str, Creation]:
        """The requests for these keys, as far as there were any."""
        found: dict[str, Creation] = {}
        if self._connection is None:
            return found
        listed = list(keys)
        with sqlite.storage_errors(f"cannot read {self.path}"):
            for begin in range(0, len(listed), _MOST_ASKED):
                some = listed[begin : begin + _MOST_ASKED]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, hubspot_id, is_accepted, at FROM created WHERE key IN ({marks})"  # noqa: S608
                for key, hubspot_id, is_accepted, at in self._connection.execute(query, some):
                    found[key] = Creation(hubspot_id, bool(is_accepted), at)
        return found

    def begin(self, keys: Iterable[str], at: float) -> None:
        """Note that a request for these keys is about to leave, or that it got no answer."""
        self._write("INSERT OR REPLACE INTO created VALUES (?, '', 0, ?)", [(key, at) for key in keys])

    def accept(self, keys: Iterable[str]) -> None:
        """Note that HubSpot has accepted these keys, and has not named their records yet."""
        self._write("UPDATE created SET is_accepted = 1 WHERE key = ?", [(key,) for key in keys])

    def note(self, ids: Mapping[str, str], at: float) -> None:
        """Note the ids of records; "" where HubSpot has created one and does not say which."""
        values = [(key, hubspot_id, at) for key, hubspot_id in ids.items()]
        self._write(
            "INSERT INTO created VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET "
            "hubspot_id = excluded.hubspot_id, is_accepted = 1",
            values,
        )

    def forget(self, keys: Iterable[str]) -> None:
        """Note that nothing was created for these keys."""
        self._write("DELETE FROM created WHERE key = ?", [(key,) for key in keys])

    def doubt_all(self) -> None:
        """Note that a new job begins: what an earlier one created is not known to be there any more."""
        self._write("UPDATE created SET hubspot_id = '', is_accepted = 0", [()])

    def _write(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        assert self._connection is not None
        if values:
            with sqlite.storage_errors(f"cannot write {self.path}"), self._connection as connection:
                connection.executemany(statement, values)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
