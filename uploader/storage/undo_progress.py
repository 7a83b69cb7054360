"""How far a job is undone, from the file that its undo keeps beside the snapshot."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from uploader.storage.file_names import snapshot_path, undo_path
from uploader.system import sqlite


class UndoProgress(NamedTuple):
    """The state of an undo."""

    outcomes: Mapping[str, int]  #: of the settled records: some are settled before it is approved
    left: int
    ended_at: str  #: "" if it has not ended
    has_written: bool  #: it has changed or archived a record, or was about to

    @property
    def is_begun(self) -> bool:
        """Whether it has done more than to look for the records, which it does before it asks."""
        return self.has_written or bool(self.ended_at)


def read_undo_progress(checkpoint: Path, job: str) -> UndoProgress | None:
    """How far a job is undone; None if it has no undo, or the file can't be read."""
    path = undo_path(snapshot_path(checkpoint))
    if not path.is_file():
        return None
    try:
        with closing(sqlite.connect(path, "ro", lock_seconds=sqlite.SHORT_LOCK_SECONDS)) as connection:
            about = dict(connection.execute("SELECT name, value FROM about"))
            found = dict(connection.execute("SELECT coalesce(fate, ''), count(*) FROM keys GROUP BY fate"))
            # A restarted undo keeps what it was about to archive in a table of its own.
            is_restarted = bool(sqlite.columns(connection, "main", "archived"))
            written = "SELECT 1 FROM keys WHERE intent IS NOT NULL"
            written += " UNION ALL SELECT 1 FROM archived" if is_restarted else ""
            has_written = connection.execute(f"SELECT EXISTS ({written})").fetchone() == (1,)
    except sqlite3.Error:
        return None
    if not str(about.get("snapshot", "")).startswith(f"{job} "):
        return None
    left = found.pop("", 0)
    return UndoProgress(found, left, str(about.get("ended_at", "")), has_written)
