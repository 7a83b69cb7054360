"""Files of a job's failed rows in its folder, and the later jobs that uploaded them. Nothing is written.

A file of failed rows names the source and the number of each row: see `failures`.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from uploader.errors import UploaderError
from uploader.model.column_names import folded
from uploader.model.rows import Row, readable
from uploader.sources.open import open_source
from uploader.sources.source import Source
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.file_names import CHECKPOINT_ENDING
from uploader.system.private_files import open_plain

#: The column that names the source of a failed row.
SOURCE_OF_ROW = "uploader_source"
#: Files that may hold failed rows: texts, which tell by their beginning, and workbooks.
_TEXTS, _WORKBOOK = frozenset({".csv", ".tsv", ".txt", ".ndjson", ".jsonl"}), ".xlsx"
_HEAD_BYTES = 65_536


def files_of_failed_rows(checkpoint: Path, identity: Identity) -> list[Path]:
    """The files beside the checkpoint that hold failed rows of this job, in the order of their names."""
    names = {_last(source.name) for source in identity.sources}
    found = []
    with suppress(OSError):
        for path in sorted(checkpoint.parent.iterdir()):
            if path.name not in names and path.is_file() and _may_hold_failed_rows(path):
                with suppress(UploaderError, OSError):
                    if _holds_rows_of(open_source(str(path)), names):
                        found.append(path)
    return found


def _may_hold_failed_rows(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending not in _TEXTS:
        return ending == _WORKBOOK
    try:
        with open_plain(path) as file:
            return SOURCE_OF_ROW.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


def _holds_rows_of(source: Source, names: Collection[str]) -> bool:
    """Whether a source holds rows that failed in a job with sources of these names, by its first row."""
    columns = [folded(column) for column in source.shape.columns]
    with closing(source.slices(None)) as slices:  # type: ignore[type-var]  # a generator
        row: Row | None = next((row for rows in slices for row in rows.rows), None)
    content = readable(row.content) if row else ()
    if isinstance(content, list | tuple):
        content = dict(zip(columns, content, strict=False))
    return isinstance(content, Mapping) and _last(str(content.get(SOURCE_OF_ROW) or "")) in names


def correcting_jobs(checkpoint: Checkpoint) -> list[Path]:
    """The checkpoints of the later jobs that uploaded failed rows of this one, in the order in which they
    began.
    """
    files = files_of_failed_rows(checkpoint.path, checkpoint.identity())
    names, began = {path.name for path in files}, _began(checkpoint)
    found: list[tuple[float, Path]] = []
    for path in _checkpoints_beside(checkpoint.path) if files else ():
        with suppress(UploaderError), closing(Checkpoint.open(path, read_only=True)) as other:
            uploaded = {_last(source.name) for source in other.identity().sources}
            if uploaded <= names and _began(other) >= began:
                found.append((_began(other), path))
    return [path for _, path in sorted(found)]


def _checkpoints_beside(checkpoint: Path) -> Iterator[Path]:
    with suppress(OSError):
        for path in sorted(checkpoint.parent.iterdir()):
            if path.name.endswith(CHECKPOINT_ENDING) and path.name != checkpoint.name and path.is_file():
                yield path


def _began(checkpoint: Checkpoint) -> float:
    """When the job's first invocation began; 0 if an earlier version did not store it."""
    return next((one.began for one in checkpoint.invocations()), 0.0)


def _last(name: str) -> str:
    """The name of a file without its folder."""
    return name.rpartition("/")[2]
