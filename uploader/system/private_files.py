"""Files that hold personal data: created for their owner alone, and locked for one process at a time."""

import errno
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import BinaryIO

from uploader.errors import CheckpointError, StorageError

PRIVATE = 0o600

# `status` asks by taking the lock for an instant; a start that meets it tries again.
_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 4, 0.05


#: Neither a link is followed, nor is a pipe waited for.
_CAREFULLY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def create_private(path: Path, *, truncate: bool = False, is_new: bool = False) -> int:
    """Open for writing, created 0600 whatever the umask; what somebody has put there as a trap is refused.

    OSError, whose `strerror` says what it is. `is_new`: it must not be there yet.
    """
    flags = os.O_RDWR | os.O_CREAT | _CAREFULLY | (os.O_EXCL if is_new else 0)
    try:
        descriptor = os.open(path, flags, PRIVATE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _trap(path, "it is a symbolic link, and may lead anywhere") from error
        raise
    try:
        found = os.fstat(descriptor)
        _refuse_trap(path, found)
        if stat.S_IMODE(found.st_mode) != PRIVATE:
            os.fchmod(descriptor, PRIVATE)
        if truncate:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_plain(path: Path) -> BinaryIO:
    """Open for reading what ought to be a file of ours. OSError where it is none."""
    file = os.fdopen(os.open(path, os.O_RDONLY | _CAREFULLY), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _trap(path, _NO_FILE)
    return file


def refuse_trap(path: Path) -> None:
    """OSError if writing to a path would write through what somebody has put there."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise _trap(path, "it is a symbolic link, and may lead anywhere")
    _refuse_trap(path, found)


_NO_FILE = "it is no regular file"


def _refuse_trap(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _trap(path, _NO_FILE)
    if found.st_nlink > 1:
        raise _trap(path, "it has a second name (a hard link), so that another file would be written")
    # Who owns the folder can replace the file anyway; on some network drives one user owns all.
    if found.st_uid not in {os.geteuid(), 0} and found.st_uid != path.parent.stat().st_uid:
        raise _trap(path, "it belongs to another user, who could read along")


def _trap(path: Path, why: str) -> OSError:
    return OSError(errno.EPERM, f"{why}; remove it, or choose another place", str(path))


def warnings_of(path: Path) -> list[str]:
    """What others may do to a file of ours where it lies."""
    try:
        mode = path.absolute().parent.stat().st_mode
    except OSError:
        return []
    if not mode & stat.S_IWOTH or mode & stat.S_ISVTX:
        return []
    return ["everybody may write in the folder of the checkpoint, and so replace it; another one is safer"]


class Lock:
    """Held by the one process that works on a checkpoint, on a file beside it.

    Not on the checkpoint itself: closing any other handle on a file drops the locks SQLite has on it.
    The file also keeps a number, `noted`, that survives a kill of this process (not a power cut): writing it
    costs a microsecond, so it may change with every request.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.path = checkpoint.with_name(checkpoint.name + ".lock")
        self.noted = 0  #: by the last holder, if it was killed
        self.keep_note = False  #: leave the file, and the number with it, as a kill would
        self._descriptor: int | None = None

    def acquire(self) -> None:
        while self._descriptor is None:
            try:
                descriptor = create_private(self.path)
            except OSError as error:
                raise CheckpointError(
                    f"can't write beside the checkpoint ({self.path}: {error.strerror}); "
                    "choose another place with --checkpoint or --checkpoint-dir"
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
            else:  # its last holder removed it between our opening and our locking
                os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        for tries in range(1, _LOCK_TRIES + 1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if tries == _LOCK_TRIES:
                    checkpoint = self.path.with_suffix("")
                    raise CheckpointError(
                        f"another process is working on {checkpoint}; wait for it, or stop it"
                    ) from None
                time.sleep(_LOCK_PAUSE_SECONDS)
            except OSError as error:
                raise CheckpointError(f"{self.path} can't be locked: {error.strerror}") from error
            else:
                return

    def forget(self) -> None:
        """What was noted is of a job that is no more."""
        self.noted, self.keep_note = 0, False
        self.note(0)

    def note(self, number: int) -> None:
        assert self._descriptor is not None
        try:
            os.pwrite(self._descriptor, b"%0*d" % (_NOTE_BYTES, number), 0)
        except OSError as error:
            raise StorageError(f"can't write {self.path}: {error.strerror}") from error

    def release(self) -> None:
        if self._descriptor is not None:
            if not self.keep_note:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def read_note(self) -> int:
        """What was noted, without holding it; 0 where there is no such file."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _CAREFULLY)
        except OSError:
            return 0
        try:
            return _number(os.pread(descriptor, _NOTE_BYTES, 0))
        except OSError:
            return 0
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Whether some process holds it now; asking does not create it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _CAREFULLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
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
    """Whether a path leads to the file that is open there."""
    try:
        here = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (here.st_dev, here.st_ino)
