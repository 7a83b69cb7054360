"""A file that is written whole or not at all: under another name in its folder, flushed, then renamed."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from uploader.errors import SettingsError, StorageError


class WholeFile:
    """Its place is looked at, and cleared of what was written there before, when it is made."""

    def __init__(self, option: str, path: Path, is_ours: Callable[[bytes], bool]) -> None:
        """SettingsError if it can't be written, or if what stands there is none of ours."""
        self.path = path
        if path.is_symlink():
            raise SettingsError(f"{option} {path} is a symbolic link; name the file itself")
        try:
            if path.exists() and not (path.is_file() and is_ours(path.read_bytes()[:_MOST_BYTES])):
                raise SettingsError(f"{option} {path} holds something else; name another file")
            descriptor, draft = _draft(path)
            os.close(descriptor)
            draft.unlink()
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(f"{option} {path} can't be written: {error.strerror}") from error

    def write(self, data: bytes) -> None:
        """On the disk when it returns. StorageError if that refuses; nothing stands there then."""
        write_whole(self.path, data)


def write_whole(path: Path, data: bytes) -> None:
    """In the place of what stands there, for its owner alone. StorageError, and all as before, if not."""
    try:
        descriptor, draft = _draft(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        _flush_folder(path.absolute().parent)
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror}") from error


def _draft(path: Path) -> tuple[int, Path]:
    """For its owner alone, and of a name that nobody can foresee."""
    descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    return descriptor, Path(name)


#: Enough to know one of ours by.
_MOST_BYTES = 1024 * 1024


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some file systems flush no folder; the name is there all the same
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
