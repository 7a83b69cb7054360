"""Which contacts the answers named, and which keys are linked: kept until the job ends.

By the first aliases are noticed. By the second rows of one contact conflict that have no key in common: an
earlier row that held the keys of both was written.

One SQLite file beside the checkpoint. It grows with the rows that were updated (some 80 bytes each), in jobs
of several match keys also with the rows that hold two of them (some 150 bytes each), and goes when the job
has ended. Committed before the checkpoint, so it never lacks what that counts on; what a kill makes it hold
twice does no harm.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec
import orjson

from uploader.errors import CheckpointError
from uploader.model.keys_of_one_contact import Sighting
from uploader.storage.file_names import sightings_path
from uploader.system import sqlite

#: Keys of one contact. A key that links more of them is a placeholder, and links no others.
MOST_LINKED = 8
_MOST_ASKED = 500  # of SQLite at once: some of its builds take no more than 999
_KEPT_ANSWERS = 1_000  # decoded ones, while repeated ids are looked through


class Sightings:
    """Created with the first sighting. Used by one thread at a time."""

    def __init__(self, checkpoint: Path) -> None:
        self._path = sightings_path(checkpoint)
        self._connection: sqlite3.Connection | None = None
        self._unwritten: list[Sequence[str]] = []  # keys that are linked
        try:
            if self._path.exists():
                self._connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise CheckpointError(f"{self._path} can't be read ({error}); remove it") from error

    def append(self, sightings: Sequence[bytes]) -> None:
        """Packed ones. On the disk when it returns, with all that was linked. StorageError if it refuses."""
        self.write_links()
        with sqlite.storage_errors(f"can't write {self._path}"):
            if sightings:
                self._open().executemany(
                    "INSERT INTO answers (body) VALUES (?)", [(sighting,) for sighting in sightings]
                )
            if self._connection is not None:
                self._connection.commit()

    def link(self, keys: Sequence[str]) -> None:
        """A row that held these keys is written, as `lock_key`. From any thread.

        Known after `write_links`, and on the disk after `append`.
        """
        self._unwritten.append(keys)

    def write_links(self) -> None:
        """StorageError if the disk refuses."""
        with sqlite.storage_errors(f"can't write {self._path}"):
            while self._unwritten:
                some = self._unwritten[:_MOST_ASKED]
                self._write_links(some)
                del self._unwritten[: len(some)]

    def linked(self, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Of these keys those that are linked, each with all keys of its contact. StorageError."""
        self.write_links()
        with sqlite.storage_errors(f"can't read {self._path}"):
            return self._linked(keys)

    def _write_links(self, rows: Sequence[Sequence[str]]) -> None:
        known = self._linked(key for keys in rows for key in keys)
        changed: dict[str, tuple[str, ...]] = {}
        for keys in rows:
            together = tuple(dict.fromkeys(other for key in keys for other in known.get(key, (key,))))
            if len(together) <= MOST_LINKED and any(known.get(key) != together for key in keys):
                changed |= dict.fromkeys(together, together)
                known |= dict.fromkeys(together, together)
        if changed:
            packed = [(key, orjson.dumps(together)) for key, together in changed.items()]
            self._open().executemany("INSERT OR REPLACE INTO links VALUES (?, ?)", packed)

    def _linked(self, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        if self._connection is None:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        asked = list(dict.fromkeys(keys))
        for at in range(0, len(asked), _MOST_ASKED):
            some = asked[at : at + _MOST_ASKED]
            places = ",".join("?" * len(some))
            query = f"SELECT key, keys FROM links WHERE key IN ({places})"  # noqa: S608  # places alone
            found |= {key: tuple(orjson.loads(keys)) for key, keys in self._connection.execute(query, some)}
        return found

    def repeated(self) -> Iterator[tuple[str, list[Sighting]]]:
        """The ids that were seen more than once, each with where; sorted on the disk, not in memory."""
        connection = self._connection
        if connection is None:
            return
        with sqlite.storage_errors(f"can't use {self._path}"):
            with connection:
                connection.executescript(_REPEATED_TABLES)
                connection.executemany("INSERT INTO seen VALUES (?, ?)", self._seen(connection))
                connection.executemany("INSERT INTO repeated VALUES (?, ?, ?, ?)", self._parts(connection))
            fetch = lru_cache(_KEPT_ANSWERS)(self._sighting)
            rows = connection.execute("SELECT id, answer, body FROM repeated ORDER BY first, id, rowid")
            for hubspot_id, parts in groupby(rows, itemgetter(0)):
                yield (
                    hubspot_id,
                    [fetch(number) if body is None else _SIGHTING.decode(body) for _, number, body in parts],
                )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def remove(self) -> None:
        """The job has ended: they have served."""
        self.close()
        sqlite.remove_database(self._path)

    def _open(self) -> sqlite3.Connection:
        self._connection = self._connection or self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite.connect(self._path, "create", synchronous="FULL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS links (key TEXT PRIMARY KEY, keys BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY, body BLOB NOT NULL)"
        )
        return connection

    def _seen(self, connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
        for number, body in connection.execute("SELECT number, body FROM answers"):
            for hubspot_id in _IDS.decode(body).ids:
                yield hubspot_id, number

    def _parts(self, connection: sqlite3.Connection) -> Iterator[tuple[int, str, int, bytes | None]]:
        """Of each answer what it says of ids that were seen more than once; None for all that it holds."""
        for number, group in groupby(connection.execute(_BY_ANSWER), itemgetter(0)):
            first = {hubspot_id: before for _, hubspot_id, before in group}
            sighting = self._sighting(number)
            if not sighting.is_paired:
                yield from ((before, hubspot_id, number, None) for hubspot_id, before in first.items())
                continue
            for hubspot_id, row in zip(sighting.ids, sighting.rows, strict=True):
                if hubspot_id in first:
                    part = pack(Sighting((hubspot_id,), (row,)))
                    yield first[hubspot_id], hubspot_id, number, part

    def _sighting(self, number: int) -> Sighting:
        assert self._connection is not None
        (body,) = self._connection.execute("SELECT body FROM answers WHERE number = ?", (number,)).fetchone()
        return _SIGHTING.decode(body)


class _Ids(msgspec.Struct, gc=False, array_like=True):
    """Of a `Sighting` that alone."""

    ids: tuple[str, ...]


_IDS = msgspec.json.Decoder(_Ids)
_SIGHTING = msgspec.json.Decoder(Sighting)

# `first`: the answer that named the id first. In that order those come together that share their answers.
_REPEATED_TABLES = """
DROP TABLE IF EXISTS seen;
DROP TABLE IF EXISTS repeated;
CREATE TABLE seen (id TEXT, answer INTEGER);
CREATE TABLE repeated (first INTEGER, id TEXT, answer INTEGER, body BLOB);
"""
_BY_ANSWER = """
SELECT answer, id, first
FROM (SELECT id, answer, min(answer) OVER same AS first, count(*) OVER same AS times
      FROM seen WINDOW same AS (PARTITION BY id))
WHERE times > 1 ORDER BY answer
"""


def pack(sighting: Sighting) -> bytes:
    """As it is kept: in a tenth of the memory."""
    return msgspec.json.encode(sighting)
