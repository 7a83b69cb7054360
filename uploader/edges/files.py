"""Files that hold personal data: created for their owner alone, and locked for one process at a time."""

import fcntl
import os
import time
from pathlib import Path

from uploader.errors import CheckpointError, StorageError

PRIVATE = 0o600

# `status` asks by taking the lock for an instant; a start that meets it tries again.
_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 4, 0.05


def create_private(path: Path, *, truncate: bool = False) -> int:
    """Open for writing, created 0600 whatever the umask; a symbolic link is not followed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
    descriptor = os.open(path, flags, PRIVATE)
    os.fchmod(descriptor, PRIVATE)
    return descriptor


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
            if _is_at(descriptor, self.path):
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

    def is_held(self) -> bool:
        """Whether some process holds it now; asking does not create it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
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


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        here = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (here.st_dev, here.st_ino)
