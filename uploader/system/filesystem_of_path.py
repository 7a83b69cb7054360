"""The file system of a path."""

import os
from pathlib import Path

from uploader.system.mounts import StorageKind, file_system, storage_kind

#: On Linux; elsewhere every file system counts as a disk.
MOUNTINFO = Path("/proc/self/mountinfo")


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
        return ""
    return file_system(table, os.path.realpath(path))
