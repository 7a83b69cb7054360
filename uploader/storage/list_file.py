"""Which records belong into a job's list, and which of them the job has put there: an SQLite file beside the
checkpoint.

What was added is on the disk before anything follows from it, and what is about to be sent is noted before it
leaves, so that `undo` takes out what the job has put in, and nothing else. Kept when the job ends.

about     the job, the list, and how many of the job's settled rows were looked at
members   the records, by HubSpot's id
nameless  rows that were written, and whose records were not found
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from uploader.model.lists import ListProgress, Member
from uploader.storage.file_names import list_path
from uploader.system import sqlite

#: `sent_at`: when the first request with it left, by HubSpot's clock; NULL before that.
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE members (id INTEGER PRIMARY KEY, state TEXT NOT NULL, sent_at REAL);
CREATE TABLE nameless (
    source INTEGER NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (source, row)
) WITHOUT ROWID;
"""
_NOTE = "INSERT INTO about VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
#: A power cut must not lose what was added.
_SYNCHRONOUS: Final = "FULL"


class Nameless(NamedTuple):
    """A row that was written, and whose record was not found."""

    source: int
    row: int
    key: str
    why: str


class ListFile(sqlite.Database):
    """The list of a job. One thread at a time."""

    def __init__(self, checkpoint: Path, number: str = "") -> None:
        """`number`: such as ".1", of the list of a former job that was started over."""
        super().__init__(list_path(checkpoint, number))

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def create(self, about: Mapping[str, str]) -> None:
        """Create the file, in place of another job's. `about`: name of the list, job, portal, object type.
        StorageError.
        """
        with self._storing():
            self.close()
            sqlite.remove_database(self.path)
            self._connection = sqlite.connect(self.path, "replace", synchronous=_SYNCHRONOUS)
            self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        self.note(**about)

    def open(self, *, read_only: bool = False) -> bool:
        """Open the file; False if there is none, or a kill came before there was anything in it."""
        if not self.path.exists():
            return False
        with self._storing():
            mode: sqlite.Mode = "ro" if read_only else "rw"
            self._connection = sqlite.connect(
                self.path, mode, synchronous=None if read_only else _SYNCHRONOUS
            )
            is_begun = sqlite.has_table(self._connection, "nameless")
        if not is_begun or "job" not in self.about:
            self.close()
            return False
        return True

    @property
    def about(self) -> dict[str, str]:
        """What is noted: `name`, `job`, `portal`, `object_type`, `list_id`, `made`, `make_sent_at`,
        `rows`, `unlisted`.
        """
        return dict(self._all("SELECT name, value FROM about"))

    def note(self, **values: str) -> None:
        """StorageError."""
        with self._transaction() as connection:
            connection.executemany(_NOTE, values.items())

    # --- records that belong into the list ---

    def add(self, ids: Iterable[int], nameless: Sequence[Nameless], rows: int, unlisted: int = 0) -> None:
        """Add records of rows, of which the first `rows` that the job settled are looked at then. A record
        that is there already stays as it is, unless `undo` has taken it out. StorageError.
        """
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO members (id, state) VALUES (?, 'open') ON CONFLICT (id) DO UPDATE "
                "SET state = 'open', sent_at = NULL WHERE state = 'removed'",
                ((one,) for one in ids),
            )
            connection.executemany("INSERT OR REPLACE INTO nameless VALUES (?, ?, ?, ?)", nameless)
            about = self.about
            lost = int(about.get("unlisted", 0)) + unlisted
            connection.executemany(_NOTE, [("rows", str(rows)), ("unlisted", str(lost))])

    def begin_anew(self, name: str) -> None:
        """Fill another list, since there is no other any more: all records are open again."""
        with self._transaction() as connection:
            connection.execute("UPDATE members SET state = 'open', sent_at = NULL")
            connection.execute("DELETE FROM about WHERE name IN ('list_id', 'made', 'make_sent_at')")
            connection.execute(_NOTE, ("name", name))

    # --- requests ---

    def first_open(self) -> int | None:
        """The lowest id of a record that has no outcome; None if all have."""
        ((first,),) = self._all("SELECT min(id) FROM members WHERE state IN ('open', 'sent', 'doubt')")
        return first if first is None else int(first)

    def take_unsent(self, after: int, count: int, at: float) -> tuple[list[int], set[int]]:
        """Note that a request is about to leave with the next records after the id `after`. Returns them, and
        those of them that an earlier request had, whose answer did not come.
        """
        rows = self._all(
            "SELECT id, state FROM members WHERE id > ? AND state IN ('open', 'sent') ORDER BY id LIMIT ?",
            (after, count),
        )
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE members SET state = 'sent', sent_at = coalesce(sent_at, ?) WHERE id = ?",
                ((at, one) for one, _ in rows),
            )
        return [one for one, _ in rows], {one for one, state in rows if state == Member.SENT}

    def note_answer(self, states: Mapping[int, Member]) -> None:
        """Note what became of records. StorageError."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE members SET state = ? WHERE id = ?",
                ((state.value, one) for one, state in states.items()),
            )

    def doubt_unanswered(self) -> None:
        """Doubt all records that a request had, whose answer did not come."""
        with self._transaction() as connection:
            connection.execute("UPDATE members SET state = 'doubt' WHERE state = 'sent'")

    def last_doubtful(self) -> int | None:
        """The highest id of a record in doubt."""
        ((last,),) = self._all("SELECT max(id) FROM members WHERE state = 'doubt'")
        return last if last is None else int(last)

    def settle_doubts(self, members: Mapping[int, float | None], margin_seconds: float) -> None:
        """Say of records in doubt whether the job has put them into the list: those that came there after
        its first request with them. `members`: of the list, with the time when each was added.
        """
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE members SET state = iif(? >= sent_at - ?, 'added', 'already') "
                "WHERE id = ? AND state = 'doubt'",
                ((at, margin_seconds, one) for one, at in members.items()),
            )

    def end_doubts(self, state: Member) -> None:
        """Settle all records that are still in doubt."""
        with self._transaction() as connection:
            connection.execute("UPDATE members SET state = ? WHERE state = 'doubt'", (state.value,))

    # --- undo ---

    def count(self, *states: Member) -> int:
        """The number of records in these states."""
        marks = ", ".join("?" for _ in states)
        ((count,),) = self._all(
            f"SELECT count(*) FROM members WHERE state IN ({marks})",  # noqa: S608  # question marks only
            [one.value for one in states],
        )
        return int(count)

    def added(self, count: int) -> list[int]:
        """The next records that the job has put into the list, and that are not taken out."""
        rows = self._all("SELECT id FROM members WHERE state = 'added' ORDER BY id LIMIT ?", (count,))
        return [one for (one,) in rows]

    # --- results ---

    def progress(self, settled: int) -> ListProgress:
        """How far it is. `settled`: rows that the job has settled."""
        about = self.about
        states = dict(self._all("SELECT state, count(*) FROM members GROUP BY state"))
        reasons = dict(
            self._all("SELECT why, count(*) AS rows FROM nameless GROUP BY why ORDER BY rows DESC, why")
        )
        return ListProgress(
            about["name"],
            about.get("list_id", ""),
            bool(about.get("made")),
            max(0, settled - int(about.get("rows", 0))),
            {one: states[one.value] for one in Member if one.value in states},
            reasons,
            int(about.get("unlisted", 0)),
        )

    def missing(self) -> Iterator[int]:
        """The ids of records that HubSpot did not have any more. StorageError."""
        with self._storing():
            for (one,) in self._open.execute("SELECT id FROM members WHERE state = 'missing' ORDER BY id"):
                yield one

    def nameless(self) -> Iterator[Nameless]:
        """Rows whose records were not found, in their order. StorageError."""
        with self._storing():
            yield from map(Nameless._make, self._open.execute("SELECT * FROM nameless"))
