"""The results file: one line for every settled row, appended to only.

Its committed length stands in the checkpoint: what came after is cut off on resume, so the file is
complete and without repeats after any kill. Columns: row, key, hubspot_id, outcome, source, note. A key of
another property than the job's main id property stands there with its name, such as `email=ann@x.com`. The
note says why a row failed or was skipped, and which of its values were left out.
"""

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from uploader.core.express import result_lines
from uploader.core.model import EMAIL, Delivered, Settlement, note, told_key
from uploader.edges.files import create_private
from uploader.errors import CheckpointError, StorageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEADER = ("row", "key", "hubspot_id", "outcome", "source", "note")


class ResultsFile:
    """Open for appending, from its committed length on."""

    def __init__(self, path: Path, committed_bytes: int, source_names: list[str], main: str = EMAIL) -> None:
        """`main`: the job's main id property."""
        self.path = path
        self._names = source_names
        self._main = main
        try:
            size = path.stat().st_size if path.exists() else 0
            if size < committed_bytes:
                state = f"is {committed_bytes - size:,} bytes short" if path.exists() else "is missing"
                raise CheckpointError(
                    f"{path} {state}: the checkpoint counts on it; put it back, or start over with --restart"
                )
            self._file = _open_alone(path)
            # A job that was begun before there were notes goes on without.
            self._has_notes = not committed_bytes or _is_headed(self._file, HEADER)
            self._file.truncate(committed_bytes)
            self._file.seek(committed_bytes)
        except BlockingIOError as error:
            raise CheckpointError(f"another process is writing {path}; choose another --results") from error
        except OSError as error:
            raise CheckpointError(
                f"can't write {path}: {error.strerror}; choose another place with --results"
            ) from error
        self.committed_bytes = committed_bytes

    def append(self, settled: Sequence[Settlement | Delivered]) -> int:
        """Write the lines through to the disk; the length to commit comes back."""
        if not settled:
            return self.committed_bytes
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if self.committed_bytes == 0:
            lines.writerow(HEADER)
        names = self._names
        for one in settled:
            if isinstance(one, Delivered):
                text.write(result_lines(one, names[one.pack.source], notes=self._has_notes))
            else:
                row = one.record
                key = told_key(row.key, row.values, self._main)
                cells = (row.row, key, one.hubspot_id, one.outcome.value, names[row.source])
                lines.writerow((*cells, note(one)) if self._has_notes else cells)
        data = text.getvalue().encode("utf-8", "replace")
        try:
            # After a failed append: what it left behind goes.
            self._file.truncate(self.committed_bytes)
            self._file.seek(self.committed_bytes)
            _write_all(self._file, data)
            os.fdatasync(self._file.fileno())
        except OSError as error:
            raise StorageError(f"can't write {self.path}: {error.strerror}") from error
        return self.committed_bytes + len(data)

    def close(self) -> None:
        self._file.close()


def read_results(path: Path, committed_bytes: int) -> Iterator[list[str]]:
    """The lines that count, without the header. CheckpointError where they can't be read."""
    try:
        with path.open("rb") as file:
            beginning = io.BufferedReader(_Beginning(file, committed_bytes))
            lines = csv.reader(io.TextIOWrapper(beginning, "utf-8", newline=""))
            next(lines, None)
            yield from lines
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror}; put it back") from error


class _Beginning(io.RawIOBase):
    """So many bytes of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        data = self._file.read(min(len(view), self._left))
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _is_headed(file: io.FileIO, header: Sequence[str]) -> bool:
    return file.read(200).split(b"\n")[0].decode(errors="replace") == ",".join(header)


def _open_alone(path: Path) -> io.FileIO:
    """Another job, with a checkpoint of its own, may have been given the same place: BlockingIOError."""
    file = io.FileIO(create_private(path), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]
