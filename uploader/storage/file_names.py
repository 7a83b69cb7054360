"""What a job's files beside its checkpoint are called. No file is opened here."""

from pathlib import Path

SNAPSHOT_ENDING = ".snapshot"


def duplicates_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.repeats")


def sightings_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.ids")


def snapshot_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}{SNAPSHOT_ENDING}")


def undo_path(snapshot: Path) -> Path:
    """Beside the snapshot, an aside one's number included."""
    head, _, number = snapshot.name.rpartition(SNAPSHOT_ENDING)
    return snapshot.with_name(f"{head}.undo{number}")


def verification_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.verify")
