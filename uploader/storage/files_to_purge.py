"""Finds and removes the files of a job that hold personal data; never the source.

A name is not enough: the content of a file must show that a job wrote it, or there is none, since a kill
leaves files before anything is in them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from uploader.errors import StorageError
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import (
    CHECKPOINT_ENDING,
    associations_path,
    created_records_path,
    duplicates_path,
    keys_of_one_contact_path,
    list_path,
    snapshot_path,
    undo_path,
    verification_path,
    verified_path,
)
from uploader.storage.opt_outs_file import HEADER
from uploader.system import sqlite
from uploader.system.private_files import open_plain
from uploader.system.whole_file import drafts

_OPT_OUTS = f"{HEADER}\n".encode()
#: CSV files beside the sources: ending, description, first bytes.
_LISTS = (
    (".results.csv", "the outcome of each row", b"row,key,hubspot_id,outcome,source"),
    (".differences.csv", "the differences that verify found", b"verdict,row,source,key,hubspot_id"),
    (".kept.csv", "what undo kept", b"outcome,row,source,key,hubspot_id"),
    (".links.csv", "the outcome of each link", b"row,key,hubspot_id,column"),
    (".optouts.csv", "the addresses that opted out, to be imported in HubSpot", _OPT_OUTS),
)
#: Options that name no files with personal data.
_SECRETS = frozenset({"--token-file", "--oauth-file", "--token-command"})
_REPORT = b'<meta name="generator" content="uploader '
#: The beginning of the result of verify.
VERIFIED_HEAD = b'{"verified_job":'
_HEAD_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of the job."""

    path: Path
    what: str
    is_result: bool = False  #: the outcome of each row, which some users have to keep
    is_to_import: bool = False  #: whether it was imported in HubSpot, only the user knows


def find(checkpoint: Path) -> list[JobFile]:
    """The files, in the order of removal: the checkpoint last, so that purge can be repeated."""
    found = [one for one in _databases(checkpoint) if _is_database(one.path)]
    for path, what, head in _texts(checkpoint):
        for one in (path, *drafts(path)):
            if _is_empty(one) or _begins_with(one, head, anywhere=head == _REPORT):
                is_result = head.startswith(b"row,key")
                found.append(JobFile(one, what, is_result, is_to_import=head == _OPT_OUTS))
    return [*found, JobFile(checkpoint, "the checkpoint, with all failed rows")]


def is_report(path: Path) -> bool:
    """Whether a file is there, and is a page of ours."""
    return _begins_with(path, _REPORT, anywhere=True)


def files_around(checkpoint: Path, job: Checkpoint) -> list[JobFile]:
    """Files that have to do with a job and may stay: its sources, those that its options name, and those
    that begin with the name of a source. Each once, those that are to be removed among them.
    """
    sources = [Path(one.name) for one in job.identity().sources]
    sources = [path if path.is_file() else checkpoint.with_name(path.name) for path in sources]
    named = [
        (Path(value), f"given with {option}")
        for option, values in job.repeated_options().items()
        for value in values
        if option not in _SECRETS
    ]
    beside = [
        (path, "begins with the name of a source")
        for stem in dict.fromkeys(path.with_suffix("") for path in sources)
        for path in _beginning_with(stem)
        if not path.name.endswith(sqlite.ENDINGS)  # they go with their database
    ]
    found: dict[Path, JobFile] = {}
    for path, what in [*((path, "a source") for path in sources), *named, *beside]:
        if path.is_file():
            found.setdefault(path.absolute(), JobFile(path, what))
    return list(found.values())


def _beginning_with(stem: Path) -> list[Path]:
    """Files such as `contacts.failures.csv`, for `contacts`."""
    with suppress(OSError):
        return sorted(stem.parent.glob(f"{_escaped(stem.name)}.*"))
    return []


def _databases(checkpoint: Path) -> Iterator[JobFile]:
    yield JobFile(keys_of_one_contact_path(checkpoint), "keys that led to the same record")
    for kept in _numbered(associations_path(checkpoint)):
        yield JobFile(kept, "the links between records")
    for kept in _numbered(list_path(checkpoint)):
        yield JobFile(kept, "the records that were put into a list")
    yield JobFile(created_records_path(checkpoint), "the keys of created records")
    yield JobFile(verification_path(checkpoint), "the state of verify")
    former = snapshot_path(checkpoint)
    for kept in _numbered(former):
        yield JobFile(undo_path(kept), "the state of undo")
        yield JobFile(kept, "the snapshot: values before the job")


def _texts(checkpoint: Path) -> Iterator[tuple[Path, str, bytes]]:
    stem = checkpoint.name.removesuffix(CHECKPOINT_ENDING)
    for ending, what, head in _LISTS:
        for name in dict.fromkeys((f"{stem}{ending}", f"{checkpoint.name}{ending}")):
            for path in _numbered(checkpoint.with_name(name)):
                yield path, what, head
    shared = duplicates_path(checkpoint)
    for path in (shared, shared.with_name(f"{shared.name}.new")):
        yield path, "which rows share a key", b"{"
    yield verified_path(checkpoint), "the result of verify", VERIFIED_HEAD
    yield checkpoint.with_name(f"{checkpoint.name}.report.html"), "the report", _REPORT


def _numbered(path: Path) -> Iterator[Path]:
    """A file, and earlier ones that were renamed to its name and a number."""
    yield path
    with suppress(OSError):
        for kept in sorted(path.parent.glob(f"{_escaped(path.name)}.*")):
            if kept.name.removeprefix(f"{path.name}.").isdigit():
                yield kept


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _is_database(path: Path) -> bool:
    if not _begins_with(path, b"SQLite format 3\0"):
        return _is_empty(path)
    with (
        suppress(sqlite3.Error),
        closing(sqlite.connect(path, "ro", lock_seconds=sqlite.SHORT_LOCK_SECONDS)) as found,
    ):
        tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return not tables or bool(tables & _OUR_TABLES)
    return False


#: Each of our databases has one of these tables.
_OUR_TABLES = frozenset({"about", "answers", "created", "seen"})


def _begins_with(path: Path, head: bytes, *, anywhere: bool = False) -> bool:
    try:
        with open_plain(path) as file:
            begin = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head in begin if anywhere else begin.removeprefix(b"\xef\xbb\xbf").startswith(head)


def _is_empty(path: Path) -> bool:
    try:
        with open_plain(path) as file:
            return not file.read(1)
    except OSError:
        return False


def remove(file: JobFile) -> None:
    """Remove a file, and those of SQLite beside it. StorageError if that fails."""
    path = file.path
    try:
        for ending in (*sqlite.ENDINGS, ""):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove {path}: {error.strerror}") from error
