"""Writes files and folders through to the disk, so that a power cut loses nothing of them.

On macOS `fsync` stops at the cache of the disk, and there is no `fdatasync`: F_FULLFSYNC goes further.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

#: Of a file system that does not know F_FULLFSYNC, such as a network's.
_NOT_KNOWN = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOTTY, errno.EOPNOTSUPP})


def flush_file(descriptor: int) -> None:
    """Write what an open file holds to the disk. OSError if that fails."""
    import fcntl  # noqa: PLC0415  # Windows lacks it

    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(descriptor, full)
        except OSError as error:
            if error.errno not in _NOT_KNOWN:
                raise
        else:
            return
    getattr(os, "fdatasync", os.fsync)(descriptor)


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, as far as its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
