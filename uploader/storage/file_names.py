"""The names of a job's files beside its checkpoint. No file is opened here."""

from pathlib import Path

SNAPSHOT_ENDING = ".snapshot"


def duplicates_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.repeats")


def keys_of_one_contact_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.ids")


def snapshot_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}{SNAPSHOT_ENDING}")


def undo_path(snapshot: Path) -> Path:
    """The path of the undo file, with the number of a renamed snapshot."""
    head, _, number = snapshot.name.rpartition(SNAPSHOT_ENDING)
    return snapshot.with_name(f"{head}.undo{number}")


def verification_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.verify")
