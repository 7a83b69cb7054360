"""Writes a file completely or not at all: under another name, flushed, then renamed."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from uploader.errors import SettingsError, StorageError
from uploader.system.disk_flush import flush_file, flush_folder


class WholeFile:
    """A file to be written once. Creating this object checks the path and removes a former file of ours."""

    def __init__(self, option: str, path: Path, is_ours: Callable[[bytes], bool]) -> None:
        """SettingsError if the path can't be written, or has a file that is not ours."""
        self.path = path
        if path.is_symlink():
            raise SettingsError(f"{option} {path} is a symbolic link; give the file itself")
        try:
            if path.exists() and not (path.is_file() and is_ours(path.read_bytes()[:_MOST_BYTES])):
                raise SettingsError(f"{option} {path} exists and is not such a file; choose another path")
            descriptor, draft = _draft(path)
            os.close(descriptor)
            draft.unlink()
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(f"cannot write {option} {path}: {error.strerror}") from error

    def write(self, data: bytes) -> None:
        """Write the file to the disk. StorageError if that fails; then there is no file."""
        write_whole(self.path, data)


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace a file, with mode 0600. StorageError if that fails; then the former file stays."""
    try:
        descriptor, draft = _draft(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                file.flush()
                flush_file(file.fileno())
            draft.rename(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        flush_folder(path.absolute().parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def drafts(path: Path) -> list[Path]:
    """What kills have left of a file that was being written."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")  # as `mkstemp` chooses them
    with suppress(OSError):
        return sorted(one for one in path.absolute().parent.iterdir() if name.fullmatch(one.name))
    return []


def _draft(path: Path) -> tuple[int, Path]:
    """An open temporary file beside the path, with mode 0600 and a random name."""
    descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    return descriptor, Path(name)


#: Enough to recognise a file of ours.
_MOST_BYTES = 1024 * 1024
