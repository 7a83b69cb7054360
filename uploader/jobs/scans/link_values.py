"""The values of link columns, counted over all rows. They are on the disk where they are many.

In    the links of rows; what is found out about the other records.
Out   by kind of other record its values, the most frequent first; by column those that name none.
Raise `StorageError` if the disk is full.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from uploader.model.associations import LinkColumn, RowLinks
from uploader.model.records import Record, lock_key
from uploader.system import sqlite

#: `own`: the keys of the rows themselves, which links to records of the same type may name.
#: `other`: another spelling of the same value. `place`: the first column of the same kind of record. `why`: a
#: value names no record; NULL: not known.
_SCHEMA = """
CREATE TABLE counted (
    number INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, links INTEGER NOT NULL, other TEXT,
    PRIMARY KEY (number, name)
) WITHOUT ROWID;
CREATE TABLE own (name TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name, place)) WITHOUT ROWID;
CREATE TABLE ends (
    id INTEGER PRIMARY KEY, place INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, why TEXT,
    UNIQUE (place, name)
);
"""
_ADD = """
INSERT INTO counted (number, name, value, links) VALUES (?, ?, ?, ?)
ON CONFLICT (number, name) DO UPDATE SET
    links = links + excluded.links, other = iif(value = excluded.value, other, excluded.value)
"""
_LIST = """
INSERT INTO ends (place, name, value)
SELECT ?, name, min(value) FROM counted WHERE number IN (SELECT value FROM json_each(?))
GROUP BY name ORDER BY sum(links) DESC, name
"""
_MISSING = """
FROM counted JOIN ends USING (name) WHERE number = ? AND place = ? AND why != ''
"""
_UNKNOWN = """
SELECT ifnull(sum(links), 0) FROM counted JOIN ends USING (name)
WHERE number = ? AND place = ? AND why IS NULL
"""


#: Short ids of Salesforce. Two that differ in the case of a letter are two records there, and one in HubSpot.
_ALIKE = """
SELECT count(*), min(value), min(other) FROM counted
WHERE number = ? AND other IS NOT NULL AND length(value) = 15 AND value NOT GLOB '*[^A-Za-z0-9]*'
"""


_FIND_OWN = """
UPDATE ends SET why = ''
WHERE EXISTS (SELECT 1 FROM own WHERE own.name = ends.name AND own.place = ends.place)
"""


class End(NamedTuple):
    """A value that names another record."""

    id: int  #: the most frequent ones have the lowest
    name: str  #: as values are compared
    value: str


class MissingEnd(NamedTuple):
    """A value that names no record of the account."""

    value: str
    links: int
    why: str


@dataclass(slots=True)
class LinkCounts:
    """What the rows and the account tell of a link column."""

    column: LinkColumn
    links: int = 0
    values: int = 0  #: different ones
    faults: int = 0  #: values that cannot name a record, whatever the account has
    fault: str = ""  #: the reason of the first of them
    missing: int = 0  #: links whose other record is not in the account
    missing_values: int = 0  #: different ones
    unknown: int = 0  #: links that were not looked up
    alike: int = 0  #: ids of Salesforce that differ from another one only in upper and lower case
    alike_example: Sequence[str] = ()  #: two of these
    most_missing: Sequence[MissingEnd] = ()  #: the most frequent first


class LinkValues:
    """Counts the values of the rows of all sources. One thread at a time. Close it to free the disk."""

    def __init__(self, folder: Path, columns: Sequence[LinkColumn], object_type: str = "") -> None:
        """`folder`: for a temporary file, where memory does not suffice. `object_type`: of the rows."""
        self.columns = columns
        kinds = [(one.object_type, one.by, one.results) for one in columns]
        self.places = [kinds.index(kind) for kind in kinds]
        own = [number for number, one in enumerate(columns) if one.object_type == object_type]
        self._own = {columns[number].by: self.places[number] for number in own}  # places by property
        self.listed = 0  #: values, once all rows are added
        self.noted = 0  #: of these
        self._faults = [Counter[str]() for _ in columns]
        with self._storing():
            self._connection = sqlite.connect_temporary(folder)
            with sqlite.closed_on_error(self._connection):
                self._connection.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _storing(self) -> AbstractContextManager[None]:
        return sqlite.storage_errors("cannot count the values of links")

    def add(self, rows: Sequence[RowLinks], records: Sequence[Record] = ()) -> None:
        """Count the links of some rows. `records`: all that are made of these rows."""
        found = Counter[tuple[int, str]]()
        for row in rows:
            for one in row.values:
                if one.fault:
                    faults = self._faults[one.column]
                    faults[one.fault if one.fault in faults or len(faults) < _MOST_FAULTS else ""] += 1
                    continue
                found[one.column, one.value] += 1
        with self._storing():
            self._connection.execute("BEGIN")
            self._connection.executemany(
                _ADD, [(number, lock_key("", text), text, n) for (number, text), n in found.items()]
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO own VALUES (?, ?)",
                [
                    (lock_key("", one.key), self._own[one.id_property])
                    for one in (records if self._own else ())
                    if one.id_property in self._own
                ],
            )
            self._connection.execute("COMMIT")

    def list_ends(self) -> None:
        """List the other records that the rows name, once all rows are added. Those that are rows themselves
        will be there.
        """
        with self._storing():
            for place in dict.fromkeys(self.places):
                numbers = [number for number, other in enumerate(self.places) if other == place]
                self.listed += self._connection.execute(_LIST, (place, str(numbers))).rowcount

            self.noted += self._connection.execute(_FIND_OWN).rowcount

    def ends(self, place: int, after: int, most: int) -> list[End]:
        """The next values of the columns of a place after this id, the most frequent first."""
        # `+`: in the order of ids. By the index of places all values would be sorted for each page.
        query = (
            "SELECT id, name, value FROM ends WHERE +place = ? AND id > ? AND why IS NULL ORDER BY id LIMIT ?"
        )
        with self._storing():
            return list(map(End._make, self._connection.execute(query, (place, after, most))))

    def note(self, place: int, found: Mapping[str, str]) -> None:
        """Note why values, by name, name no record; "": they do."""
        self.noted += len(found)
        with self._storing():
            self._connection.executemany(
                "UPDATE ends SET why = ? WHERE place = ? AND name = ?",
                [(why, place, name) for name, why in found.items()],
            )

    def all_missing(self, number: int) -> Iterator[tuple[str, str, int, str]]:
        """The values of a column that name no record: name, value, links, and why."""
        query = f"SELECT name, counted.value, links, why {_MISSING}"
        with self._storing():
            yield from self._connection.execute(query, (number, self.places[number]))

    def counts(self, most: int) -> list[LinkCounts]:
        """What is known of each column, with at most so many missing values."""
        with self._storing():
            return [self._counts_of(number, most) for number in range(len(self.columns))]

    def _counts_of(self, number: int, most: int) -> LinkCounts:
        where, faults = (number, self.places[number]), self._faults[number]
        links, values = self._one(
            "SELECT ifnull(sum(links), 0), count(*) FROM counted WHERE number = ?", (number,)
        )
        missing, missing_values = self._one(f"SELECT ifnull(sum(links), 0), count(*) {_MISSING}", where)
        (unknown,) = self._one(_UNKNOWN, where)
        alike, *example = self._one(_ALIKE, (number,))
        named = self._connection.execute(
            f"SELECT counted.value, links, why {_MISSING} ORDER BY links DESC, name LIMIT ?", (*where, most)
        )
        return LinkCounts(
            self.columns[number],
            links + faults.total(),
            values,
            faults.total(),
            next(iter(faults), ""),
            missing,
            missing_values,
            unknown,
            alike,
            example if alike else (),
            list(map(MissingEnd._make, named)),
        )

    def _one(self, query: str, values: tuple[int, ...]) -> sqlite3.Row:
        found: sqlite3.Row = self._connection.execute(query, values).fetchone()
        return found


#: Different faults that are told apart.
_MOST_FAULTS = 100
