"""The file of contacts that replies named, and of linked keys. It is removed when the job ends.

The contacts show identity conflicts: several keys led to one contact. The links make two rows of one contact
conflict that have no key in common, once an earlier row with the keys of both was written.

It is an SQLite file beside the checkpoint. It grows by about 80 bytes for each updated row, and in jobs with
several match keys by about 150 bytes for each row that has two of them. It is committed before the checkpoint
and so has everything that the checkpoint counts; entries that a kill repeats do no harm.
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
from uploader.model.keys_of_one_contact import UpdatedContacts
from uploader.storage.file_names import keys_of_one_contact_path
from uploader.system import sqlite

#: The most keys that are linked as one contact's. A key that would link more is a placeholder.
MOST_LINKED = 8
_MOST_ASKED = 500  # parameters of one query: some builds of SQLite accept only 999
_KEPT_ANSWERS = 1_000  # decoded replies in memory in `repeated`


class KeysOfOneContactFile:
    """The file, created with the first entry. Used by one thread at a time."""

    def __init__(self, checkpoint: Path) -> None:
        self._path = keys_of_one_contact_path(checkpoint)
        self._connection: sqlite3.Connection | None = None
        self._unwritten: list[Sequence[str]] = []  # linked keys not written yet
        try:
            if self._path.exists():
                self._connection = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise CheckpointError(f"cannot read {self._path} ({error}); remove it") from error

    def append(self, updated_contacts: Sequence[bytes]) -> None:
        """Write packed updated contacts and all links to the disk. StorageError if that fails."""
        self.write_links()
        with sqlite.storage_errors(f"cannot write {self._path}"):
            if updated_contacts:
                self._open().executemany(
                    "INSERT INTO answers (body) VALUES (?)", [(reply,) for reply in updated_contacts]
                )
            if self._connection is not None:
                self._connection.commit()

    def link(self, keys: Sequence[str]) -> None:
        """Link the keys of a row that was written, as lock keys. From any thread.

        `linked` finds them after `write_links`; they are on the disk after `append`.
        """
        self._unwritten.append(keys)

    def write_links(self) -> None:
        """Write new links, not yet flushed to the disk. StorageError if that fails."""
        with sqlite.storage_errors(f"cannot write {self._path}"):
            while self._unwritten:
                some = self._unwritten[:_MOST_ASKED]
                self._write_links(some)
                del self._unwritten[: len(some)]

    def linked(self, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The linked ones of these keys, each with all keys of its contact. StorageError."""
        self.write_links()
        with sqlite.storage_errors(f"cannot read {self._path}"):
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

    def repeated(self) -> Iterator[tuple[str, list[UpdatedContacts]]]:
        """The ids that several rows led to, each with the replies that name it. Sorted on the disk."""
        connection = self._connection
        if connection is None:
            return
        with sqlite.storage_errors(f"cannot use {self._path}"):
            with connection:
                connection.executescript(_REPEATED_TABLES)
                connection.executemany("INSERT INTO seen VALUES (?, ?)", self._seen(connection))
                connection.executemany("INSERT INTO repeated VALUES (?, ?, ?, ?)", self._parts(connection))
            fetch = lru_cache(_KEPT_ANSWERS)(self._reply)
            rows = connection.execute("SELECT id, answer, body FROM repeated ORDER BY first, id, rowid")
            for hubspot_id, parts in groupby(rows, itemgetter(0)):
                yield (
                    hubspot_id,
                    [
                        fetch(number) if body is None else _UPDATED_CONTACTS.decode(body)
                        for _, number, body in parts
                    ],
                )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def remove(self) -> None:
        """Remove the file, when the job has ended."""
        self.close()
        sqlite.remove_database(self._path)

    def _open(self) -> sqlite3.Connection:
        self._connection = self._connection or self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite.connect(self._path, "create", synchronous="FULL")
        with sqlite.closed_on_error(connection):
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
        """The parts of each reply with repeated ids; None as the body means the whole reply."""
        for number, group in groupby(connection.execute(_BY_ANSWER), itemgetter(0)):
            first = {hubspot_id: before for _, hubspot_id, before in group}
            reply = self._reply(number)
            if not reply.is_paired:
                yield from ((before, hubspot_id, number, None) for hubspot_id, before in first.items())
                continue
            for hubspot_id, row in zip(reply.ids, reply.rows, strict=True):
                if hubspot_id in first:
                    part = pack(UpdatedContacts((hubspot_id,), (row,)))
                    yield first[hubspot_id], hubspot_id, number, part

    def _reply(self, number: int) -> UpdatedContacts:
        assert self._connection is not None
        (body,) = self._connection.execute("SELECT body FROM answers WHERE number = ?", (number,)).fetchone()
        return _UPDATED_CONTACTS.decode(body)


class _Ids(msgspec.Struct, gc=False, array_like=True):
    """The ids of a `UpdatedContacts`, decoded without its rows."""

    ids: tuple[str, ...]


_IDS = msgspec.json.Decoder(_Ids)
_UPDATED_CONTACTS = msgspec.json.Decoder(UpdatedContacts)

# `first`: the first reply with the id. This order groups ids that share replies.
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


def pack(updated: UpdatedContacts) -> bytes:
    """The value as JSON, which needs a tenth of the memory."""
    return msgspec.json.encode(updated)
