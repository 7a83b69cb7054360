"""The values that a job would have written, on top of those in the account: a temporary SQLite file.

It grows on the disk with what would be written, and is of no use after the preview, so nothing is durable.
Ids are HubSpot's own, or simulated ones of contacts that would be created (`simulated_contact`).
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import orjson

from uploader.system import sqlite

_SCHEMA = """
CREATE TABLE contacts (id TEXT PRIMARY KEY, properties BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE owners (value TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
"""
_CACHE_KILOBYTES = 16_384
_AT_ONCE = 200


class Overlay:
    """Use it from one thread at a time. StorageError if the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._storing():
            self._connection = sqlite.connect(path, "replace")
            with sqlite.closed_on_error(self._connection):
                for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KILOBYTES}"):
                    self._connection.execute(f"PRAGMA {pragma}")
                self._connection.executescript(_SCHEMA)

    def owners(self, values: Collection[str]) -> dict[str, str]:
        """By lock key, the id of the contact that would have it; "" if no contact would. Lock keys that the
        job would not have changed are left out.
        """
        return dict(self._among("SELECT value, id FROM owners WHERE value IN", values))

    def properties(self, contacts: Collection[str]) -> dict[str, dict[str, str]]:
        """By contact id, the properties that would have been written."""
        found = self._among("SELECT id, properties FROM contacts WHERE id IN", contacts)
        return {contact: orjson.loads(packed) for contact, packed in found}

    def write(self, contacts: Mapping[str, Mapping[str, str]], owners: Mapping[str, str]) -> None:
        """Write properties and unique values, over those written before."""
        before = self.properties(contacts.keys())
        rows = [(one, orjson.dumps({**before.get(one, {}), **new})) for one, new in contacts.items()]
        with self._storing(), self._connection as connection:
            connection.executemany("INSERT OR REPLACE INTO contacts VALUES (?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO owners VALUES (?, ?)", list(owners.items()))

    def close(self) -> None:
        self._connection.close()

    def _among(self, question: str, names: Collection[str]) -> list[tuple[str, str]]:
        """The rows of a query that ends in `IN`, for any number of names."""
        found: list[tuple[str, str]] = []
        with self._storing():
            listed = list(names)
            for begin in range(0, len(listed), _AT_ONCE):
                some = listed[begin : begin + _AT_ONCE]
                marks = ",".join("?" * len(some))
                found += self._connection.execute(f"{question} ({marks})", some)
        return found

    def _storing(self) -> AbstractContextManager[None]:
        return sqlite.storage_errors(f"cannot write {self.path}", hint="; set TMPDIR to use another folder")
