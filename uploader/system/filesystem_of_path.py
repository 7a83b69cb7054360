"""Where a job's files are: on which file system."""

import os
from pathlib import Path

from uploader.system.mounts import Place, file_system, place_of

#: Linux; elsewhere all places pass for disks.
MOUNTINFO = Path("/proc/self/mountinfo")


def look_at(path: Path) -> tuple[Place, str]:
    """What the folder of a file is, and the type of its file system."""
    kind = kind_of(path.parent)
    return place_of(kind), kind


def kind_of(path: Path) -> str:
    """The type of the file system where the content is of what a path leads to; "" where nobody tells."""
    try:
        # Bytes that are no UTF-8 are found again in the path, which Python decodes in the same way.
        table = os.fsdecode(MOUNTINFO.read_bytes())
    except OSError:
        return ""
    return file_system(table, os.path.realpath(path))
