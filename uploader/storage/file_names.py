"""The names of a job's files beside its checkpoint. No file is opened here."""

import re
from pathlib import Path

CHECKPOINT_ENDING = ".checkpoint"
SNAPSHOT_ENDING = ".snapshot"
LIST_ENDING = ".list"
LINKS_ENDING = ".links"


def find_job(named: Path) -> tuple[Path, str]:
    """The checkpoint of a job, and its number, such as ".1" of one that was started over; given the
    checkpoint, or the job's snapshot, links or list.
    """
    for ending in (SNAPSHOT_ENDING, LINKS_ENDING, LIST_ENDING):
        head, dot, number = named.name.rpartition(ending)
        if dot and head and (not number or (number[0] == "." and number[1:].isdigit())):
            return named.with_name(head), number
    return named, ""


def associations_path(checkpoint: Path, number: str = "") -> Path:
    """The path of the links of a job, with the number of a renamed one."""
    return checkpoint.with_name(f"{checkpoint.name}{LINKS_ENDING}{number}")


def created_records_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.created")


def duplicates_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.repeats")


def links_list_path(checkpoint: Path) -> Path:
    """The list of links in its usual place."""
    return checkpoint.with_name(f"{checkpoint.name.removesuffix(CHECKPOINT_ENDING)}.links.csv")


def list_path(checkpoint: Path, number: str = "") -> Path:
    """The path of the records of a list, with the number of a renamed one."""
    return checkpoint.with_name(f"{checkpoint.name}{LIST_ENDING}{number}")


def keys_of_one_contact_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.ids")


def opt_outs_path(checkpoint: Path) -> Path:
    """The list of opt-outs, which bears the source's name as the checkpoint does."""
    return checkpoint.with_name(f"{checkpoint.name.removesuffix(CHECKPOINT_ENDING)}.optouts.csv")


def snapshot_path(checkpoint: Path, number: str = "") -> Path:
    """The path of the snapshot of a job, with the number of a renamed one."""
    return checkpoint.with_name(f"{checkpoint.name}{SNAPSHOT_ENDING}{number}")


def undo_path(snapshot: Path) -> Path:
    """The path of the undo file, with the number of a renamed snapshot."""
    head, _, number = snapshot.name.rpartition(SNAPSHOT_ENDING)
    return snapshot.with_name(f"{head}.undo{number}")


def verified_path(checkpoint: Path) -> Path:
    """The path of the result of the last complete `verify`."""
    return checkpoint.with_name(f"{checkpoint.name}.verified.json")


def verification_path(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.verify")


def unused(path: Path) -> Path:
    """The path if neither it nor a checkpoint of it exists, else the next free one: `a.csv`, `a-2.csv`."""
    stem = re.sub(r"-\d+$", "", path.stem)
    for number in range(2, 10_000):
        if not path.exists() and not path.with_name(f"{path.name}.checkpoint").exists():
            return path
        path = path.with_name(f"{stem}-{number}{path.suffix}")
    return path
