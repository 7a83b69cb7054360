"""Which contacts the answers named, kept until the job ends: that is how aliases are noticed.

One SQLite file beside the checkpoint. It grows with the rows that were updated (some 80 bytes each), and goes
when the job has ended. Committed before the checkpoint, so it never lacks what that counts on; what a kill
makes it hold twice does no harm.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import orjson

from uploader.errors import CheckpointError
from uploader.model.keys_of_one_contact import Seen, Sighting
from uploader.storage.file_names import sightings_path
from uploader.system import sqlite

_KEPT_ANSWERS = 1_000  # decoded ones, while repeated ids are looked through


class Sightings:
    """Created with the first sighting. Used by one thread at a time."""

    def __init__(self, checkpoint: Path) -> None:
        self._path = sightings_path(checkpoint)
        self._connection: sqlite3.Connection | None = None
        try:
            if self._path.exists():
                self._connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise CheckpointError(f"{self._path} can't be read ({error}); remove it") from error

    def append(self, sightings: Sequence[Sighting]) -> None:
        """On the disk when it returns. StorageError if that refuses."""
        if not sightings:
            return
        with sqlite.storage_errors(f"can't write {self._path}"):
            connection = self._connection = self._connection or self._connect()
            with connection:
                connection.executemany(
                    "INSERT INTO answers (body) VALUES (?)", [(_packed(sighting),) for sighting in sightings]
                )

    def repeated(self) -> Iterator[tuple[str, list[Sighting]]]:
        """The ids that were seen more than once, each with where; sorted on the disk, not in memory."""
        connection = self._connection
        if connection is None:
            return
        with sqlite.storage_errors(f"can't use {self._path}"):
            with connection:
                connection.execute("DROP TABLE IF EXISTS seen")
                connection.execute("CREATE TABLE seen (id TEXT, answer INTEGER)")
                connection.executemany("INSERT INTO seen VALUES (?, ?)", self._seen(connection))
            fetch = lru_cache(_KEPT_ANSWERS)(self._sighting)
            for hubspot_id, answers in connection.execute(
                "SELECT id, group_concat(answer) FROM seen GROUP BY id HAVING count(*) > 1"
            ):
                numbers = sorted({int(number) for number in answers.split(",")})
                yield hubspot_id, [fetch(number) for number in numbers]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def remove(self) -> None:
        """The job has ended: they have served."""
        self.close()
        sqlite.remove_database(self._path)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite.connect(self._path, "create", synchronous="FULL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY, body BLOB NOT NULL)"
        )
        return connection

    def _seen(self, connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
        for number, body in connection.execute("SELECT number, body FROM answers"):
            for hubspot_id in orjson.loads(body)[0]:
                yield hubspot_id, number

    def _sighting(self, number: int) -> Sighting:
        assert self._connection is not None
        (body,) = self._connection.execute("SELECT body FROM answers WHERE number = ?", (number,)).fetchone()
        ids, rows = orjson.loads(body)
        return Sighting(
            tuple(ids),
            tuple(
                Seen(position, source, row, key, tuple(values)) for position, source, row, key, values in rows
            ),
        )


def _packed(sighting: Sighting) -> bytes:
    rows = [(seen.position, seen.source, seen.row, seen.key, seen.values) for seen in sighting.rows]
    return orjson.dumps([sighting.ids, rows])
