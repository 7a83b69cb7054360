"""The parts of a job that can be undone, found by any of its files."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from uploader.errors import CheckpointError
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import associations_path, find_job, list_path, snapshot_path
from uploader.storage.list_file import ListFile
from uploader.undo.undo_file import UndoFile, find


@dataclass(frozen=True, slots=True)
class JobWithLinks:
    checkpoint: Path
    job: str
    portal: str
    object_type: str
    number: str = ""  #: such as ".1", of a former job that was started over


def has_snapshot(named: Path) -> bool:
    try:
        find(named)
    except CheckpointError:
        return False
    return True


def job_of_snapshot(named: Path) -> str:
    """The id of the job that a snapshot is of."""
    with closing(UndoFile(find(named)[0])) as file:
        return file.about["job"]


def job_of_list(named: Path) -> str:
    """The id of the job that a list is of; "" if another file is named."""
    checkpoint, number = find_job(named)
    if named.name != list_path(checkpoint, number).name:
        return ""
    with closing(ListFile(checkpoint, number)) as file:
        return file.about["job"] if file.open(read_only=True) else ""


def find_list(named: Path) -> tuple[Path, str] | None:
    """The checkpoint and the number of the list of a job, given any of its files; None if it has no list."""
    found = find_job(named)
    return found if list_path(*found).is_file() else None


def find_links(named: Path, job: str) -> JobWithLinks | None:
    """The job with the links, given any of its files; None if it has none. `job`: that of the snapshot or of
    the list, or ""; the links of another job stay as they are.
    """
    checkpoint, number = find_job(named)
    if not associations_path(checkpoint, number).is_file():
        return None
    if number:
        found = _of_former_job(checkpoint, number)
        return found if job in ("", found.job) else None
    if not checkpoint.is_file():
        return None
    with closing(Checkpoint.open(checkpoint, read_only=True)) as opened:
        own, identity = opened.job_id(), opened.identity()
    if job not in ("", own):
        return None
    return JobWithLinks(checkpoint, own, identity.portal, identity.settings["object_type"])


def _of_former_job(checkpoint: Path, number: str) -> JobWithLinks:
    """The same of a job whose files were renamed: its checkpoint is gone."""
    snapshot = snapshot_path(checkpoint, number)
    if snapshot.is_file():
        with closing(UndoFile(snapshot)) as undo_file:
            about = undo_file.about
    else:
        with closing(AssociationsFile(checkpoint, number)) as file:
            about = file.open_former()
    return JobWithLinks(checkpoint, about["job"], about["portal"], about["object_type"], number)
