"""The rows that were read of a query: a hash of all of them, and the ordering key of the last one.

In    rows as bytes, each with the values of the columns that rows are ordered by.
Out   what a mark keeps of them: `digest` and `place`.
Raise nothing.
Rules The hash is a chain, so it goes on from that of a mark without the rows before it. A place has the key
      of the last row, and number and hash of the last rows that share it: by them that row is found again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any
from uuid import UUID

#: The types that a key's values may have: a letter for each, and how a text is read back.
_TYPES: dict[type, tuple[str, Callable[[str], Any]]] = {
    int: ("i", int),
    str: ("s", str),
    float: ("f", float.fromhex),
    Decimal: ("d", Decimal),
    datetime: ("t", datetime.fromisoformat),
    date: ("D", date.fromisoformat),
    UUID: ("u", UUID),
}
_READ = dict(_TYPES.values())
#: Types whose values are equal here exactly if they are equal in a database, whatever its collation.
_EXACT = frozenset([int, Decimal, datetime, date, UUID])

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """The last row that was read."""

    key: Key
    rows: int = 1  #: the last rows with this key
    digest: str = ""  #: of these rows

    @property
    def is_exact(self) -> bool:
        """Whether the key can be compared with those that the database returns."""
        return all(type(value) in _EXACT for value in self.key)

    def text(self) -> str:
        """The place as a mark keeps it; "" if the key has a blank value, NaN, or one of an unusual type."""
        if not self.key or any(type(value) not in _TYPES or value != value for value in self.key):  # noqa: PLR0124
            return ""
        values = [(_TYPES[type(value)][0], _spell(value)) for value in self.key]
        return json.dumps([values, self.rows, self.digest])


def _spell(value: object) -> str:
    return value.hex() if isinstance(value, float) else str(value)


def read_place(text: str) -> Place | None:
    """The place that a mark keeps; None if it keeps none."""
    try:
        values, rows, digest = json.loads(text)
        return Place(tuple(_READ[kind](value) for kind, value in values), rows, digest)
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return None


class Trail:
    """Follows the rows of a query, from a mark on."""

    def __init__(self, rows: int = 0, digest: str = "", place: Place | None = None) -> None:
        self.rows = rows  #: read so far
        self._chain = bytes.fromhex(digest)
        self._key: Key = place.key if place else ()
        self._tied = place.rows if place else 0
        self._tied_chain = bytes.fromhex(place.digest) if place else b""

    @property
    def digest(self) -> str:
        """The hash of all rows."""
        return self._chain.hex()

    @property
    def place(self) -> Place | None:
        """Where reading can go on; None if rows have no key that a mark can keep."""
        found = Place(self._key, self._tied, self._tied_chain.hex())
        return found if found.text() else None

    def add(self, row: bytes, key: Key = ()) -> None:
        self.rows += 1
        self._chain = sha256(self._chain + row).digest()
        if key != self._key:
            self._key, self._tied, self._tied_chain = key, 0, b""
        self._tied += 1
        self._tied_chain = sha256(self._tied_chain + row).digest()


def digest_of(rows: Sequence[bytes]) -> str:
    """The hash of rows, as a place has it."""
    chain = b""
    for row in rows:
        chain = sha256(chain + row).digest()
    return chain.hex()
