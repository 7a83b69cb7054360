"""Files with personal data: readable by their owner only, and locked for one process at a time."""

import errno
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from uploader.errors import CheckpointError, StorageError
from uploader.system.file_locks import lock_file

PRIVATE = 0o600

# `status` takes the lock for an instant; a start at that moment tries again.
_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 4, 0.05


def _open_safely(path: Path, flags: int) -> int:
    """Open a file with mode 0600 if it is created. Does not follow a link, and does not wait for a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE)


def create_private(path: Path, *, truncate: bool = False, is_new: bool = False) -> int:
    """Open a file for writing, with mode 0600 whatever the umask. Returns the descriptor.

    OSError for a link, a special file or another user's file; its `strerror` says which. `is_new`: the file
    must not exist.
    """
    flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0)
    try:
        descriptor = _open_safely(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _unsafe_file(path, "it is a symbolic link") from error
        raise
    try:
        found = os.fstat(descriptor)
        _check_safe(path, found)
        if stat.S_IMODE(found.st_mode) != PRIVATE:
            os.fchmod(descriptor, PRIVATE)
        if truncate:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file for reading. OSError for a link or a special file."""
    file = os.fdopen(_open_safely(path, os.O_RDONLY), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _unsafe_file(path, _NO_FILE)
    return file


def refuse_unsafe_file(path: Path) -> None:
    """OSError if a path is a link, a special file or another user's file: writing would be unsafe."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _unsafe_file(path, "it is a symbolic link")
    _check_safe(path, found)


_NO_FILE = "it is not a regular file"


def _check_safe(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _unsafe_file(path, _NO_FILE)
    if found.st_nlink > 1:
        raise _unsafe_file(path, "it has a second name (a hard link), so another file would be overwritten")
    # The owner of the folder could replace the file anyway; on some network drives one user owns all files.
    if found.st_uid not in {os.geteuid(), 0} and found.st_uid != path.parent.stat().st_uid:
        raise _unsafe_file(path, "it belongs to another user, who could read it")


def _unsafe_file(path: Path, why: str) -> OSError:
    return OSError(errno.EPERM, f"{why}; remove it, or choose another path", str(path))


def warnings_of(path: Path) -> list[str]:
    """Warnings about the folder of a file, if other users may replace the file."""
    try:
        mode = path.absolute().parent.stat().st_mode
    except OSError:
        return []
    if not mode & stat.S_IWOTH or mode & stat.S_ISVTX:
        return []
    return [
        (
            "every user can write to the folder of the checkpoint, and so replace the checkpoint; use "
            "another folder"
        )
    ]


class Lock:
    """A lock file beside a checkpoint, held by the one process that works on it.

    It is a file of its own because closing any handle on the checkpoint would drop SQLite's locks.
    It also stores a number, `noted`, that survives a kill of the process, not a power cut. Writing it takes
    a microsecond, so it may change with every request.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.path = checkpoint.with_name(checkpoint.name + ".lock")
        self.noted = 0  #: the number of the last holder, if it was killed
        self.keep_note = False  #: on release leave the file and its number, as a kill would
        self._descriptor: int | None = None

    def acquire(self) -> None:
        while self._descriptor is None:
            try:
                descriptor = create_private(self.path)
            except OSError as error:
                raise CheckpointError(
                    f"cannot write beside the checkpoint ({self.path}: {error.strerror}); choose another "
                    "path with --checkpoint or --checkpoint-dir"
                ) from error
            try:
                self._lock(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if is_at(descriptor, self.path):
                self._descriptor = descriptor
                self.noted = _number(os.pread(descriptor, _NOTE_BYTES, 0))
                self.keep_note = self.noted > 0
            else:  # its holder removed it after we opened it and before we locked it
                os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        for tries in range(1, _LOCK_TRIES + 1):
            try:
                lock_file(descriptor)
            except BlockingIOError:
                if tries == _LOCK_TRIES:
                    checkpoint = self.path.with_suffix("")
                    raise CheckpointError(
                        f"another process is using {checkpoint}{_holder(descriptor)}; wait for it, or stop it"
                    ) from None
                time.sleep(_LOCK_PAUSE_SECONDS)
            except OSError as error:
                raise CheckpointError(
                    f"cannot lock {self.path}: {error.strerror}. Its file system may have no locks; choose a "
                    "folder on a disk of this machine with --checkpoint-dir"
                ) from error
            else:
                return

    def forget(self) -> None:
        """Reset the number: its job was removed."""
        self.noted, self.keep_note = 0, False
        self.note(0)

    def note(self, number: int) -> None:
        """Store a number in the lock file."""
        assert self._descriptor is not None
        try:
            os.pwrite(self._descriptor, b"%0*d" % (_NOTE_BYTES, number), 0)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror}") from error

    def release(self) -> None:
        if self._descriptor is not None:
            if not self.keep_note:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def read_note(self) -> int:
        """The stored number, read without the lock; 0 if there is no lock file."""
        try:
            descriptor = _open_safely(self.path, os.O_RDONLY)
        except OSError:
            return 0
        try:
            return _number(os.pread(descriptor, _NOTE_BYTES, 0))
        except OSError:
            return 0
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Whether a process holds the lock. Does not create the file."""
        try:
            descriptor = _open_safely(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            lock_file(descriptor, shared=True)
        except BlockingIOError:
            return True
        except OSError:
            return False
        else:
            return False
        finally:
            os.close(descriptor)


_NOTE_BYTES = 20


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def is_at(descriptor: int, path: Path) -> bool:
    """Whether a path leads to the open file."""
    try:
        here = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (here.st_dev, here.st_ino)


def _holder(descriptor: int) -> str:
    """Such as ` (process 4711)`, of a file that is locked; "" if the system does not tell (macOS)."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, *_, process, place, _, _ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == inode and int(process) > 0:
                return f" (process {process})"
    return ""
