"""Other jobs of a snapshot's folder that wrote some of the same records, by their snapshots and undo files.

Nothing is written. A file that can't be read is passed over: then what its job wrote counts as anybody's.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from uploader.storage.file_names import SNAPSHOT_ENDING, undo_path
from uploader.system import sqlite
from uploader.undo.taken_back import OtherWrites

_SNAPSHOT = re.compile(rf"(.+){re.escape(SNAPSHOT_ENDING)}(\.\d+)?")
#: When a snapshot was begun, by the clock of the machine that wrote it.
_BEGAN = "SELECT kept_at FROM contacts ORDER BY number LIMIT 1"
_SHARES = """
SELECT EXISTS (SELECT 1 FROM contacts JOIN mine.contacts USING (value))
    OR EXISTS (SELECT 1 FROM contacts JOIN mine.contacts AS mine USING (hubspot_id) WHERE hubspot_id != '')
    OR EXISTS (SELECT 1 FROM contacts JOIN mine.reached AS mine USING (hubspot_id) WHERE hubspot_id != '')
    OR EXISTS (SELECT 1 FROM reached JOIN mine.contacts AS mine USING (hubspot_id) WHERE hubspot_id != '')
"""
_FORMER = "SELECT property, text FROM former WHERE hubspot_id = ?"
_SENT = """
SELECT property, text FROM sent WHERE contact IN (
    SELECT number FROM contacts WHERE hubspot_id = ?1 UNION SELECT contact FROM reached WHERE hubspot_id = ?1
)
"""


@dataclass(frozen=True, slots=True)
class OtherJob:
    """A job of the same account and type of records."""

    snapshot: Path
    checkpoint: Path
    began_at: float
    is_newer: bool
    is_begun: bool  #: its undo has settled at least one record
    is_undone: bool  #: its undo has settled all of them


class OtherJobs:
    """The jobs, newest first. Close it after use."""

    def __init__(self, snapshot: Path, about: Mapping[str, str]) -> None:
        self.jobs = sorted(_find(snapshot, about), key=lambda job: -job.began_at)
        self._connections = ExitStack()
        self._opened: dict[Path, sqlite3.Connection] = {}

    @property
    def to_undo_first(self) -> Sequence[OtherJob]:
        """The newer jobs that are not undone."""
        return [job for job in self.jobs if job.is_newer and not job.is_undone]

    def writes(self, hubspot_id: str) -> Sequence[OtherWrites]:
        """What the jobs that are undone, and newer ones, know of a record."""
        found = []
        for job in self.jobs:
            if job.is_begun or job.is_newer:
                with suppress(sqlite3.Error):
                    found.append(self._writes(job, hubspot_id))
        return [one for one in found if one.sent]

    def _writes(self, job: OtherJob, hubspot_id: str) -> OtherWrites:
        connection = self._opened.get(job.snapshot)
        if connection is None:
            connection = self._opened[job.snapshot] = self._connections.enter_context(
                closing(_open(job.snapshot))
            )
        sent: dict[str, list[str]] = {}
        for name, text in connection.execute(_SENT, (hubspot_id,)):
            sent.setdefault(name, []).append(text)
        former = dict(connection.execute(_FORMER, (hubspot_id,)))
        return OtherWrites(job.checkpoint.name, job.is_begun, former, sent)

    def close(self) -> None:
        self._opened.clear()
        self._connections.close()


def _find(snapshot: Path, about: Mapping[str, str]) -> Iterator[OtherJob]:
    began_at = 0.0
    with suppress(sqlite3.Error, OSError):
        with closing(_open(snapshot)) as connection:
            began_at = _first(connection, _BEGAN)
        for path in sorted(snapshot.parent.iterdir()):
            named = _SNAPSHOT.fullmatch(path.name)
            if named and path.name != snapshot.name and path.is_file():
                with suppress(sqlite3.Error):
                    yield from _job(path, path.with_name(named[1]), snapshot, about, began_at)


def _job(
    path: Path, checkpoint: Path, own: Path, about: Mapping[str, str], began_at: float
) -> Iterator[OtherJob]:
    with closing(_open(path)) as connection:
        theirs = dict(connection.execute("SELECT name, value FROM about"))
        if not about["portal"] or any(theirs.get(name) != about[name] for name in ("portal", "object_type")):
            return
        connection.execute("ATTACH ? AS mine", (sqlite.uri(own, "ro"),))
        if not _first(connection, _SHARES):
            return
        at = _first(connection, _BEGAN)
    done, left = _undone(path, theirs.get("job", ""))
    yield OtherJob(path, checkpoint, at, at > began_at, bool(done), bool(done and not left))


def _undone(snapshot: Path, job: str) -> tuple[int, int]:
    """The numbers of records that an undo has settled, and of those that are left."""
    path = undo_path(snapshot)
    if path.is_file():
        with suppress(sqlite3.Error), closing(_open(path)) as connection:
            about = dict(connection.execute("SELECT name, value FROM about"))
            if str(about.get("snapshot", "")).startswith(f"{job} "):
                ((done, left),) = connection.execute("SELECT count(fate), count(*) - count(fate) FROM keys")
                return done, left
    return 0, 0


def _first(connection: sqlite3.Connection, query: str) -> float:
    row = connection.execute(query).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def _open(path: Path) -> sqlite3.Connection:
    return sqlite.connect(path, "ro", lock_seconds=sqlite.SHORT_LOCK_SECONDS)
