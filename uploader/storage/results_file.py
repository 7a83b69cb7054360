"""The results file: one line for every settled row, appended to only.

Its committed length stands in the checkpoint: what came after is cut off on resume, so the file is
complete and without repeats after any kill. A digest of the committed lines stands there, too: a file that
was changed (an editor or a spreadsheet has saved it) is refused, since neither its length nor its lines count
any more. A file that nobody has written since the last commit, by its inode, size and time, is read only when
the first lines are appended: a resumed job need not wait for that. Columns: row, key, hubspot_id, outcome,
source, note. A key of another property than the job's main id property stands there with its name, such as
`email=ann@x.com`. The note says why a row failed or was skipped, and which of its values were left out.
"""

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from uploader.errors import CheckpointError, ResultsChangedError, StorageError
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, display_key
from uploader.model.settled_rows import Settlement, note
from uploader.system.disk_flush import flush_file
from uploader.system.file_locks import lock_file
from uploader.system.private_files import create_private, is_at

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEADER = ("row", "key", "hubspot_id", "outcome", "source", "note")
_BLOCK_BYTES = 1 << 20
_OUTCOMES = [(outcome, outcome.value) for outcome in Outcome]


@dataclass(frozen=True, slots=True)
class Extent:
    """The committed part of a results file: its length and hash."""

    size: int = 0
    digest: str = ""  #: "" from an earlier version
    version: tuple[int, ...] = ()  #: of the file when its last lines were written; () from an earlier version


class ResultsFile:
    """A results file, open for appending after its committed part."""

    def __init__(
        self,
        path: Path,
        committed: Extent,
        source_names: list[str],
        main: str = EMAIL,
    ) -> None:
        """`main`: the job's main id property."""
        self.path = path
        self._names = source_names
        self._main = main
        self._aside: Path | None = None  # where a copy was saved, if the file was replaced
        try:
            if committed.size and not path.exists():
                raise _refusal(path, "is missing")
            self._file = _open_alone(path)
            try:
                self._hash = None  # not computed yet
                if committed.version != _version(self._file):
                    self._hash = _check(path, self._file, committed)
                    self._file.truncate(committed.size)
                    committed = Extent(committed.size, self._hash.hexdigest(), _version(self._file))
                # A job that an earlier version began has no column `note`.
                self._has_notes = not committed.size or _header(self._file) == _line(HEADER)
            except BaseException:
                self._file.close()
                raise
        except BlockingIOError as error:
            raise CheckpointError(f"another process is writing {path}; choose another --results") from error
        except OSError as error:
            raise CheckpointError(
                f"cannot write {path}: {error.strerror}; choose another path with --results"
            ) from error
        self.committed = committed
        self._last_write = committed.version
        self._appended = self._hash, committed

    def lines(self, settled: Sequence[Settlement]) -> bytes:
        """The lines for these rows."""
        lines = result_lines(settled, self._names, self._main, has_notes=self._has_notes)
        return "".join(lines).encode("utf-8", "replace")

    def append(self, lines: Sequence[bytes]) -> Extent:
        """Write lines to the disk. Returns the extent to commit; call `keep` after the commit.

        StorageError if they can't be written, ResultsChangedError if another program has changed the file.
        """
        if not lines:
            self._appended = self._hash, self.committed
            return self.committed
        size = self.committed.size
        data = b"".join(lines if size else [_line(HEADER), b"\n", *lines])
        try:
            hashed = self._check_unchanged().copy()
            # Remove what a failed append left.
            self._file.truncate(size)
            self._file.seek(size)
            _write_all(self._file, data)
            flush_file(self._file.fileno())
            self._last_write = _version(self._file)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror}") from error
        hashed.update(data)
        extent = Extent(size + len(data), hashed.hexdigest(), self._last_write)
        self._appended = hashed, extent
        return extent

    def keep(self) -> None:
        """Note that the last append is committed."""
        self._hash, self.committed = self._appended

    def close(self) -> None:
        self._file.close()

    def _check_unchanged(self) -> "hashlib._Hash":
        """The hash of the committed part. ResultsChangedError if another program has changed or replaced the
        file.
        """
        if not is_at(self._file.fileno(), self.path):
            raise ResultsChangedError(
                f"{self.path} was moved or replaced while the job ran; the results are in "
                f"{self._put_aside()}; move that file back to {self.path}"
            )
        if self._hash is None or self._last_write != _version(self._file):
            try:
                self._hash = _check(self.path, self._file, self.committed)
            except _ChangedError as error:
                raise ResultsChangedError(str(error)) from error
        return self._hash

    def _put_aside(self) -> Path:
        """Save a copy of the open file, whose path now leads to another one."""
        if self._aside is None:
            aside = _unused(self.path)
            self._file.seek(0)
            with os.fdopen(create_private(aside, is_new=True), "wb") as copy:
                shutil.copyfileobj(self._file, copy)
                copy.truncate(self.committed.size)
            self._aside = aside
        return self._aside


def result_lines(
    settled: Sequence[Settlement], names: Sequence[str], main: str, *, has_notes: bool = True
) -> list[str]:
    """The lines of these rows, as `csv.writer` writes them. `names`: of the sources; `main`: the job's main
    id property.
    """
    end, commas = (",\n", 5) if has_notes else ("\n", 4)
    endings = [{outcome: f",{text},{name}{end}" for outcome, text in _OUTCOMES} for name in names]
    rows = [one.record for one in settled]
    lines = [
        f"{row.row},{row.key},{one.hubspot_id}{endings[row.source][one.outcome]}"
        if isinstance(row, Record) and not (one.refusal or row.dropped or row.id_property != main)
        else ""
        for one, row in zip(settled, rows, strict=True)
    ]
    left = lines.count("")
    are_quoted = _may_need_quotes("".join(lines), len(lines) - left, commas)
    if left or are_quoted:
        for index, line in enumerate(lines):
            if not line or (are_quoted and _may_need_quotes(line, 1, commas)):
                lines[index] = _unusual_line(settled[index], names, main, has_notes=has_notes)
    return lines


def _may_need_quotes(text: str, lines: int, commas: int) -> bool:
    """Whether `csv.writer` may quote a cell of these lines, which need so many commas each. True also for
    some that it does not quote.
    """
    are_plain = text.count("\n") == lines and text.count(",") == lines * commas
    return not are_plain or any(character in text for character in '"\r ')


def _unusual_line(settlement: Settlement, names: Sequence[str], main: str, *, has_notes: bool) -> str:
    text, row = io.StringIO(), settlement.record
    key = display_key(row.key, row.lock_keys, main)
    cells = (row.row, key, settlement.hubspot_id, settlement.outcome.value, names[row.source])
    csv.writer(text, lineterminator="\n").writerow((*cells, note(settlement)) if has_notes else cells)
    return text.getvalue()


def is_unchanged(path: Path, extent: Extent) -> bool:
    """Whether a results file is as the job wrote it. CheckpointError if it can't be read."""
    try:
        with path.open("rb") as file:
            _check(path, file, extent)
    except (FileNotFoundError, _ChangedError):
        return False
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    return True


def put_results_aside(path: Path) -> Path | None:
    """Rename a results file. Returns the new path; None if there is no file."""
    try:
        return path.rename(_unused(path)) if path.exists() else None
    except OSError as error:
        raise CheckpointError(f"cannot rename {path}: {error.strerror}") from error


def read_results(path: Path, extent: Extent) -> Iterator[list[str]]:
    """The committed lines, without the header. CheckpointError if unreadable or changed."""
    try:
        with path.open("rb") as file:
            _check(path, file, extent)
            file.seek(0)
            beginning = io.BufferedReader(_FilePrefix(file, extent.size))
            lines = csv.reader(io.TextIOWrapper(beginning, "utf-8", newline=""))
            next(lines, None)
            yield from lines
    except FileNotFoundError as error:
        raise _refusal(path, "is missing") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}; restore it") from error


def _check(path: Path, file: BinaryIO | io.FileIO, extent: Extent) -> "hashlib._Hash":
    """The hash of a file's committed part. CheckpointError if it is not as the job wrote it.

    Of a file that an earlier version wrote no more is known than how it begins, and that lines are whole.
    """
    hashed, left, last = hashlib.sha256(), extent.size, b""
    file.seek(0)
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        hashed.update(block)
        left -= len(block)
        last = block[-1:]
    if left:
        raise _refusal(path, f"is {left:,} bytes too short")
    is_ours = hashed.hexdigest() == extent.digest
    if extent.size and not extent.digest:
        is_ours = last == b"\n" and _header(file) in (_line(HEADER), _line(HEADER[:-1]))
    if extent.size and not is_ours:
        raise _refusal(path, "was changed since the job wrote it")
    return hashed


def _version(file: BinaryIO | io.FileIO) -> tuple[int, ...]:
    """Another one after any change of the file."""
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


class _ChangedError(CheckpointError):
    """The results file is not as the job left it."""


def _refusal(path: Path, state: str) -> _ChangedError:
    return _ChangedError(
        f"{path} {state}: restore the file as the job left it. If that is impossible, use "
        "--accept-changed-results: the job then continues with a new results file, which lacks the rows "
        "settled so far, and renames this one"
    )


def _unused(path: Path) -> Path:
    numbered = (path.with_name(f"{path.name}.{number}") for number in count(1))
    return next(one for one in numbered if not one.exists())


class _FilePrefix(io.RawIOBase):
    """The first `size` bytes of a file, as a stream."""

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


def _header(file: BinaryIO | io.FileIO) -> bytes:
    file.seek(0)
    return file.read(200).split(b"\n")[0]


def _line(header: Sequence[str]) -> bytes:
    return ",".join(header).encode()


def _open_alone(path: Path) -> io.FileIO:
    """Open and lock the file. BlockingIOError if another job has it open."""
    file = io.FileIO(create_private(path), "r+b")
    try:
        lock_file(file)
    except OSError:
        file.close()
        raise
    return file


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]
