"""Settled rows that are not confirmed, as the checkpoint keeps them: dead letters, pending, skipped ones.

Called within its transactions.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from uploader.hubspot.error_objects import CONFLICTS
from uploader.model.outcomes import DEAD_LETTERS, TRANSIENT, Outcome
from uploader.model.records import display_key
from uploader.model.settlements import Settlement
from uploader.system.sqlite import has_table

SCHEMA = """
CREATE TABLE dead_letters (
    position INTEGER PRIMARY KEY, source INTEGER NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL,
    closed_value TEXT NOT NULL, outcome TEXT NOT NULL, category TEXT NOT NULL, message TEXT NOT NULL,
    attempts INTEGER NOT NULL, correlation_id TEXT NOT NULL, existing_id TEXT NOT NULL,
    raw BLOB NOT NULL, superseded INTEGER
);
CREATE INDEX dead_letters_by_value ON dead_letters (closed_value);
CREATE TABLE pending (
    position INTEGER PRIMARY KEY, source INTEGER NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL,
    raw BLOB NOT NULL
);
"""
#: A job that was begun before there were such tables is taken up all the same.
LATER_SCHEMA = """
CREATE TABLE IF NOT EXISTS dead_values (
    closed_value TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (closed_value, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS skipped (position INTEGER PRIMARY KEY);
"""

_UNCONFIRMED = """
SELECT position, outcome FROM dead_letters UNION ALL SELECT position, 'pending' FROM pending
UNION ALL SELECT position, 'skipped' FROM skipped ORDER BY 1
"""
#: Of a job that was begun before there was such a table, and is only looked at.
_UNCONFIRMED_BEFORE = """
SELECT position, outcome FROM dead_letters UNION ALL SELECT position, 'pending' FROM pending ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Superseding:
    """A row that wrote a unique value, which may be the key of an earlier dead letter.

    By its own key it may also have written to the record of a dead letter that had the value beside its key.
    """

    position: int
    row: int
    lock_key: str
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected, invalid or abandoned row, as it is kept."""

    position: int
    source: int
    row: int
    key: str
    lock_key: str
    outcome: str
    category: str
    message: str
    attempts: int
    correlation_id: str
    existing_id: str
    raw: bytes
    superseded: int | None  #: the later row that wrote the same key
    #: Nothing has superseded it, and a dead letter of its key is to be mended: they go on together, in order.
    waits: bool = False

    @property
    def is_retryable(self) -> bool:
        """As it is: nobody has said anything against it, nor against one that belongs before or after it."""
        return self.outcome in TRANSIENT and not self.waits


def write(connection: sqlite3.Connection, settlements: Sequence[Settlement], main_key: str) -> None:
    """What of these is not confirmed. `main_key`: the job's id property."""
    connection.executemany(
        "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        [_dead_letter(s) for s in settlements if s.outcome in DEAD_LETTERS],
    )
    connection.executemany(
        "INSERT INTO dead_values VALUES (?, ?)",
        [(value, s.record.position) for s in settlements for value in other_lock_keys(s)],
    )
    connection.executemany(
        "INSERT INTO skipped VALUES (?)",
        [(s.record.position,) for s in settlements if s.outcome is Outcome.SKIPPED],
    )
    pending = [s.record for s in settlements if s.outcome is Outcome.PENDING]
    connection.executemany(
        "INSERT INTO pending VALUES (?, ?, ?, ?, ?)",
        [(r.position, r.source, r.row, display_key(r.key, r.values, main_key), r.raw) for r in pending],
    )


def supersede(connection: sqlite3.Connection, superseding: Sequence[Superseding]) -> None:
    connection.executemany(
        "UPDATE dead_letters SET superseded = ? WHERE closed_value = ? AND position < ?",
        [(later.row, later.lock_key, later.position) for later in superseding],
    )
    connection.executemany(
        "UPDATE dead_letters SET superseded = ? WHERE position < ? AND position IN "
        "(SELECT position FROM dead_values WHERE closed_value = ?)",
        [(later.row, later.position, later.lock_key) for later in superseding if later.is_key],
    )


def dead_letters(connection: sqlite3.Connection) -> Iterator[DeadLetter]:
    """In file order."""
    links = _links(connection)
    mended = {
        links.first(value)
        for (value,) in connection.execute(
            "SELECT closed_value FROM dead_letters WHERE superseded IS NULL AND outcome NOT IN (?)",
            tuple(TRANSIENT),
        )
        if value in links
    }
    rows = connection.execute(
        """
        SELECT position, source, row, key, closed_value, outcome, category, message, attempts,
               correlation_id, existing_id, raw, superseded,
               superseded IS NULL AND closed_value != '' AND EXISTS (
                   SELECT 1 FROM dead_letters AS other
                   WHERE other.closed_value = letter.closed_value AND other.superseded IS NULL
                   AND other.outcome NOT IN (?))
        FROM dead_letters AS letter ORDER BY position
        """,
        tuple(TRANSIENT),
    )
    for row in rows:
        letter = DeadLetter(*row)
        if letter.superseded is None and letter.lock_key in links:
            letter = replace(letter, waits=letter.waits or links.first(letter.lock_key) in mended)
        yield letter


class _Links:
    """Values that lead to one record, as dead letters say: each one's key, and what it has beside it."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def __contains__(self, value: str) -> bool:
        return value in self._before

    def first(self, value: str) -> str:
        """The same one for all that are linked."""
        while (before := self._before[value]) != value:
            self._before[value] = self._before[before]
            value = before
        return value

    def link(self, value: str, other: str) -> None:
        for one in (value, other):
            self._before.setdefault(one, one)
        self._before[self.first(other)] = self.first(value)


def _links(connection: sqlite3.Connection) -> _Links:
    """Of the letters that nothing has superseded. None where a job matches by one property."""
    links = _Links()
    if has_table(connection, "dead_values"):
        for value, other in connection.execute(
            "SELECT letter.closed_value, dead_values.closed_value FROM dead_values "
            "JOIN dead_letters AS letter USING (position) "
            "WHERE superseded IS NULL AND letter.closed_value != ''"
        ):
            links.link(value, other)
    return links


def outcomes(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Position and outcome of all of them, in file order."""
    is_later = has_table(connection, "skipped")
    yield from connection.execute(_UNCONFIRMED if is_later else _UNCONFIRMED_BEFORE)


def other_lock_keys(settlement: Settlement) -> tuple[str, ...]:
    """What a dead letter's record is reached by beside its key: nothing, where another is said to have it."""
    is_dead = settlement.outcome in DEAD_LETTERS
    if not is_dead or (settlement.refusal and settlement.refusal.category in CONFLICTS):
        return ()
    return settlement.record.values[1:]


def _dead_letter(settlement: Settlement) -> tuple[object, ...]:
    record, refusal = settlement.record, settlement.refusal
    assert refusal is not None
    return (
        record.position,
        record.source,
        record.row,
        record.key,
        record.values[0] if record.values else "",
        settlement.outcome.value,
        refusal.category,
        refusal.message,
        settlement.attempts,
        refusal.correlation_id,
        refusal.existing_id,
        record.raw,
    )
