"""Settled rows that are not confirmed, in the checkpoint: dead letters, pending and skipped rows.

All functions run in the checkpoint's transactions.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from uploader.hubspot.error_objects import CONFLICTS
from uploader.model.outcomes import DEAD_LETTERS, TRANSIENT, Outcome
from uploader.model.records import display_key
from uploader.model.settled_rows import Settlement
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
#: Added to checkpoints of earlier versions.
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
#: For a checkpoint of an earlier version that is opened read-only.
_UNCONFIRMED_BEFORE = """
SELECT position, outcome FROM dead_letters UNION ALL SELECT position, 'pending' FROM pending ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Superseding:
    """A written row with a unique value that may be the key of an earlier dead letter.

    If the value is its key, it also supersedes dead letters that have the value beside their key.
    """

    position: int
    row: int
    lock_key: str
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected, invalid or abandoned row."""

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
    #: Not superseded, and a dead letter of its record needs correction: both are uploaded together, in order.
    needs_correction: bool = False

    @property
    def is_retryable(self) -> bool:
        """Whether it can be sent again unchanged: neither it nor another of its record needs correction."""
        return self.outcome in TRANSIENT and not self.needs_correction


def write(connection: sqlite3.Connection, settlements: Sequence[Settlement], main_key: str) -> None:
    """Store those that are not confirmed. `main_key`: the job's id property."""
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
        [(r.position, r.source, r.row, display_key(r.key, r.lock_keys, main_key), r.raw) for r in pending],
    )


def supersede(connection: sqlite3.Connection, superseding: Sequence[Superseding]) -> None:
    """Mark the earlier dead letters that these rows supersede."""
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
    """All dead letters, in file order."""
    links = _links(connection)
    uncorrected = {
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
            letter = replace(
                letter,
                needs_correction=letter.needs_correction or links.first(letter.lock_key) in uncorrected,
            )
        yield letter


class _Links:
    """Groups of lock keys that lead to one record, according to dead letters."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def __contains__(self, value: str) -> bool:
        return value in self._before

    def first(self, value: str) -> str:
        """The representative of a group, the same for all its values."""
        while (before := self._before[value]) != value:
            self._before[value] = self._before[before]
            value = before
        return value

    def link(self, value: str, other: str) -> None:
        for one in (value, other):
            self._before.setdefault(one, one)
        self._before[self.first(other)] = self.first(value)


def _links(connection: sqlite3.Connection) -> _Links:
    """The links by dead letters that are not superseded; none in a job with one match key."""
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
    """Position and outcome of all unconfirmed rows, in file order."""
    is_later = has_table(connection, "skipped")
    yield from connection.execute(_UNCONFIRMED if is_later else _UNCONFIRMED_BEFORE)


def other_lock_keys(settlement: Settlement) -> tuple[str, ...]:
    """The lock keys beside the key, for a dead letter; none if another record has its values."""
    is_dead = settlement.outcome in DEAD_LETTERS
    if not is_dead or (settlement.refusal and settlement.refusal.category in CONFLICTS):
        return ()
    return settlement.record.lock_keys[1:]


def _dead_letter(settlement: Settlement) -> tuple[object, ...]:
    record, refusal = settlement.record, settlement.refusal
    assert refusal is not None
    return (
        record.position,
        record.source,
        record.row,
        record.key,
        record.lock_keys[0] if record.lock_keys else "",
        settlement.outcome.value,
        refusal.category,
        refusal.message,
        settlement.attempts,
        refusal.correlation_id,
        refusal.existing_id,
        record.raw,
    )
