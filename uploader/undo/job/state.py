"""Whether a job was undone before, to the end or in part."""

from contextlib import closing
from pathlib import Path

from uploader.canary import planning
from uploader.model.settings_periods import NotInSnapshot
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import snapshot_path, undo_path
from uploader.storage.rows_without_snapshot import count_rows_without_snapshot
from uploader.system.private_files import Lock
from uploader.undo.undo_file import Undone, read_undone


def is_undone(checkpoint: Path) -> bool:
    """Whether the job of a checkpoint was undone to the end."""
    if not checkpoint.exists():
        return False
    found = undone_before(checkpoint)
    return found is not None and not found[0].left


def has_to_begin_anew(checkpoint: Path) -> bool:
    """Whether a job was undone to the end, or its canary in part. Without an undo, nothing is opened."""
    if not (checkpoint.exists() and undo_path(snapshot_path(checkpoint)).exists()):
        return False
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        is_canary_undone = planning.is_undone(opened)
    return is_canary_undone or is_undone(checkpoint)


def undone_before(checkpoint: Path) -> tuple[Undone, NotInSnapshot] | None:
    """What an undo of the job has done, and what is not in the snapshot; None if no undo was begun."""
    if not undo_path(snapshot_path(checkpoint)).exists():
        return None
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        job = opened.job_id()
    found = read_undone(checkpoint, job) if job else None
    if found is None:
        return None
    return found, count_rows_without_snapshot(checkpoint, {"job": job}, Lock(checkpoint).read_note())
