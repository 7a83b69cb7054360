"""The links that the rows of a job ask for, and what became of each: an SQLite file beside the checkpoint.

It is committed before the checkpoint, so it has the links of every row below the watermark, and the outcome
of every row that the checkpoint counts as settled; rows that are read again after a kill write the same.
It is kept when the job ends: `verify`, `undo` and the report read it.

rows   the rows that have links, by position: key, outcome, HubSpot's id of the record
links  the links, one for each value of a cell: what was there before, the outcome and the reason
ends   the other records by the values that name them, each looked up once
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from uploader.errors import CheckpointError
from uploader.model.associations import LinkColumn, LinkCounts, LinkOutcome, RowLinks
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Settlement, note
from uploader.model.watermark import Progress
from uploader.storage.file_names import associations_path
from uploader.system import sqlite

#: `rows.outcome`: "" until the row is settled. `why`: of a row that failed or was skipped.
#: `links.number`: of the column. `fault`: as of `LinkValue`. `sent`: a request with it may have left.
#: `before`: the types of the pair before that, as texts such as "HUBSPOT_DEFINED=1", separated by commas;
#: NULL where it was not read.
#: `displaced`: the record that had lost the label by it, which only one record can have; "" for none.
#: `undone`: what `undo` has made of a link or of a created record, "" if nothing yet, and why; "archiving"
#: before the request.
#: `ends.place`: the first column with this type of records and this `by`; `name`: the value, as compared.
#: `created`: 1 if the job has created it, 2 if it may have.
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    position INTEGER PRIMARY KEY, source INTEGER NOT NULL, row INTEGER NOT NULL, id_property TEXT NOT NULL,
    key TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '', hubspot_id TEXT NOT NULL DEFAULT '',
    why TEXT NOT NULL DEFAULT ''
);
CREATE TABLE links (
    id INTEGER PRIMARY KEY, position INTEGER NOT NULL, number INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    value TEXT NOT NULL, fault TEXT NOT NULL, to_id TEXT NOT NULL DEFAULT '',
    sent INTEGER NOT NULL DEFAULT 0, before TEXT, displaced TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '',
    undone TEXT NOT NULL DEFAULT '', undo_why TEXT NOT NULL DEFAULT '',
    UNIQUE (position, number, ordinal)
);
CREATE TABLE ends (
    place INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, state TEXT NOT NULL DEFAULT '',
    hubspot_id TEXT NOT NULL DEFAULT '', created INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',
    undone TEXT NOT NULL DEFAULT '', undo_why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (place, name)
) WITHOUT ROWID;
"""
#: A row that is read again by other settings may have another key, and so another record.
_ADD_ROW = """
INSERT INTO rows (position, source, row, id_property, key) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (position) DO UPDATE SET id_property = excluded.id_property, key = excluded.key,
    hubspot_id = iif(key = excluded.key AND id_property = excluded.id_property, hubspot_id, '')
"""
_ADD_LINK = """
INSERT INTO links (position, number, ordinal, value, fault) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (position, number, ordinal) DO UPDATE SET value = excluded.value, fault = excluded.fault
WHERE outcome = ''
"""
#: An id that an earlier answer named stays if a repeated one does not.
_SETTLE = """
UPDATE rows SET outcome = ?, hubspot_id = iif(? = '', hubspot_id, ?), why = ? WHERE position = ?
"""
_LISTED = """
SELECT source, row, id_property, key, hubspot_id, number, value, to_id, links.outcome, links.why
FROM links JOIN rows USING (position) ORDER BY position, number, ordinal
"""
#: More than any job has; the largest integer of SQLite.
_MOST_ROWS = 2**63 - 1
#: A power cut must not lose the links of a row below the watermark, or those that were sent.
_SYNCHRONOUS: Final = "FULL"


class ListedLink(NamedTuple):
    """A link with its outcome, for the list of all links."""

    source: int
    row: int
    id_property: str
    key: str
    from_id: str
    number: int  #: of the column
    value: str
    to_id: str
    outcome: str  #: "" while it is open
    why: str


class AssociationsFile(sqlite.Database):
    """The links of a job. `add` may be called from any thread, the others from one at a time."""

    def __init__(self, checkpoint: Path, number: str = "") -> None:
        """`number`: such as ".1", of the links of a former job that was started over."""
        super().__init__(associations_path(checkpoint, number))
        self._added: list[RowLinks] = []
        self._numbers: Sequence[int] = ()  # of the columns of this invocation

    def create(self, about: Mapping[str, str], columns: Sequence[LinkColumn]) -> None:
        """Create the file of a job, where there is none. `about`: job, portal, object type. StorageError."""
        with self._storing():
            self._connection = sqlite.connect(self.path, "create", synchronous=_SYNCHRONOUS)
            self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        with self._transaction() as connection:
            noted = {**about, "columns": orjson.dumps(columns).decode()}
            connection.executemany("INSERT INTO about VALUES (?, ?)", noted.items())
        self._numbers = range(len(columns))

    def open(self, job: str, *, read_only: bool = False) -> None:
        """Open the file of a job. CheckpointError if it is missing or another job's."""
        if not self.path.exists():
            raise CheckpointError(f"{self.path} is missing, which has the links of this job: restore it")
        with self._storing():
            mode: sqlite.Mode = "ro" if read_only else "rw"
            self._connection = sqlite.connect(
                self.path, mode, synchronous=None if read_only else _SYNCHRONOUS
            )
        if self._about().get("job") != job:
            self.close()
            raise CheckpointError(f"{self.path} has the links of another job: restore that of this one")

    def open_former(self) -> dict[str, str]:
        """Open the file of a job that was started over; what it tells of it: `job`, `portal`, `object_type`.
        CheckpointError if it does not.
        """
        with self._storing():
            self._connection = sqlite.connect(self.path, "rw", synchronous=_SYNCHRONOUS)
        about = self._about()
        if not {"job", "portal", "object_type"} <= about.keys():
            self.close()
            raise CheckpointError(
                f"{self.path} does not say which account its links are in; give the snapshot of its job"
            )
        return about

    def note_account(self, portal: str, object_type: str) -> None:
        """Note what else only the checkpoint tells, which may be removed. StorageError."""
        with self._transaction() as connection:
            about = {"portal": portal, "object_type": object_type}
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def columns(self) -> list[LinkColumn]:
        """The columns that the links are of, by number."""
        return [LinkColumn(**one) for one in orjson.loads(self._about()["columns"])]

    def note_columns(self, columns: Sequence[LinkColumn]) -> None:
        """Note the columns of this invocation. The numbers of former ones stay theirs. StorageError."""
        known = self.columns()
        known += [one for one in columns if one not in known]
        self._numbers = [known.index(one) for one in columns]
        with self._transaction() as connection:
            text = orjson.dumps(known).decode()
            connection.execute("UPDATE about SET value = ? WHERE name = 'columns'", (text,))

    def move_open(self, followers: Mapping[int, int]) -> None:
        """Give the links of columns, by number, that were not sent yet to others. StorageError."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE OR IGNORE links SET number = ? WHERE number = ? AND outcome = '' AND NOT sent",
                [(after, before) for before, after in followers.items()],
            )

    def forget_open(self, progress: Progress) -> None:
        """Forget the links of the rows that will be read again: by other settings they may have other links.
        StorageError.
        """
        firsts = [progress.watermark, *(end for _, end in progress.ranges)]
        ends = [*(first for first, _ in progress.ranges), _MOST_ROWS]
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM links WHERE position >= ? AND position < ?", zip(firsts, ends, strict=True)
            )

    # --- while rows are processed ---

    def add(self, rows: Sequence[RowLinks]) -> None:
        """Add the links of rows; they are on the disk after the next `commit`."""
        self._added += rows

    def commit(self, settled: Sequence[Settlement]) -> None:
        """Write what was added, and the outcomes of these rows. Repeating it does no harm. StorageError."""
        count = len(self._added)
        added = self._added[:count]
        if not added and not settled:
            return
        outcomes = [
            (
                one.outcome.value,
                one.hubspot_id,
                one.hubspot_id,
                note(one) if one.refusal or one.outcome in _NOT_THERE else "",
                one.record.position,
            )
            for one in settled
        ]
        with self._transaction() as connection:
            connection.executemany(_ADD_ROW, [one[:5] for one in added])
            connection.executemany(
                _ADD_LINK,
                [
                    (one.position, self._numbers[value.column], *value[1:])
                    for one in added
                    for value in one.values
                ],
            )
            connection.executemany(_SETTLE, outcomes)
        del self._added[:count]

    # --- afterwards ---

    def counts(self) -> LinkCounts:
        """The links of all rows by outcome."""
        found: Mapping[str, int] = dict(self._all("SELECT outcome, count(*) FROM links GROUP BY outcome"))
        outcomes = {one: found.get(one.value, 0) for one in LinkOutcome}
        return LinkCounts(sum(found.values()), outcomes)

    def created_ends(self) -> int:
        """How many other records the job has created."""
        ((count,),) = self._all("SELECT count(*) FROM ends WHERE created = 1")
        return int(count)

    def may_have_created(self) -> int:
        """How many other records the job has created, or may have."""
        ((count,),) = self._all("SELECT count(*) FROM ends WHERE created AND hubspot_id != ''")
        return int(count)

    def made(self) -> int:
        """How many links the job has made that are not taken back."""
        is_made = "outcome IN ('linked', 'pending') AND undone NOT IN ('unlinked', 'gone')"
        ((count,),) = self._all(f"SELECT count(*) FROM links WHERE {is_made}")  # noqa: S608
        return int(count)

    def listed(self) -> Iterator[ListedLink]:
        """All links, in the order of rows. StorageError."""
        with self._storing():
            yield from map(ListedLink._make, self._open.execute(_LISTED))

    def list_is_due(self) -> bool:
        """Whether outcomes may have changed since the list of links was written."""
        return "list_is_due" in self._about()

    def note_list_due(self, *, is_due: bool) -> None:
        """Note whether the list of links is to be written. StorageError."""
        with self._transaction() as connection:
            if is_due:
                connection.execute("INSERT OR REPLACE INTO about VALUES ('list_is_due', '')")
            else:
                connection.execute("DELETE FROM about WHERE name = 'list_is_due'")

    # --- for the pass over links, whose tables and order `associations.work_list` knows ---

    @property
    def connection(self) -> sqlite3.Connection:
        return self._open

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction. StorageError."""
        return self._transaction()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Reads. StorageError."""
        with self._storing():
            yield self._open

    def _about(self) -> dict[str, str]:
        return dict(self._all("SELECT name, value FROM about"))


_NOT_THERE = frozenset(Outcome) - {Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED}
