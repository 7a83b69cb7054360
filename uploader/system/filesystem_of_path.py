"""The file system of a path."""

import functools
import os
from pathlib import Path

from uploader.system.mounts import StorageKind, file_system, file_system_in_list, storage_kind
from uploader.system.system_programs import output_of

#: On Linux. macOS and BSD have a program; where there is neither, every file system counts as a disk.
MOUNTINFO = Path("/proc/self/mountinfo")
_PROGRAM = "/sbin/mount"


def find_storage(path: Path) -> tuple[StorageKind, str]:
    """The kind of storage of a file's folder, and the type of its file system."""
    kind = filesystem_type(path.parent)
    return storage_kind(kind), kind


def filesystem_type(path: Path) -> str:
    """The type of a path's file system, links followed; "" if unknown."""
    try:
        # Decoded as Python decodes paths, so that names that are not UTF-8 match.
        table = os.fsdecode(MOUNTINFO.read_bytes())
    except OSError:
        return file_system_in_list(_listed(), os.path.realpath(path))
    return file_system(table, os.path.realpath(path))


@functools.cache
def _listed() -> str:
    """What is mounted. Asked once: a program takes longer than a file, and many paths are looked up."""
    return output_of(_PROGRAM)
