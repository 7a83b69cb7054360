"""On which file system a path is, and what that means for a checkpoint. Reading the table is not done here.

In    the text of /proc/self/mountinfo, and an absolute path without symbolic links.
Out   the file system's type as the kernel calls it; whether it is on a network, or an object store.
Raise nothing: lines that can't be read are passed over.
From  https://www.kernel.org/doc/html/latest/filesystems/proc.html (3.5), and sqlite.org/wal.html: all who use
      a WAL have to be on one machine.
"""

import re
from enum import StrEnum

_NETWORK = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "orangefs", "smb3", "smbfs", "fuse.ceph", "fuse.davfs", "fuse.glusterfs", "fuse.juicefs", "fuse.moosefs",
    "fuse.sshfs",
))  # fmt: skip
_OBJECTS = frozenset((
    "fuse.blobfuse", "fuse.blobfuse2", "fuse.gcsfuse", "fuse.goofys", "fuse.mountpoint-s3", "fuse.ossfs",
    "fuse.rclone", "fuse.s3fs",
))  # fmt: skip
#: Disks of this machine, and memory: who reads there waits for nobody. What is not named may be anything.
_OWN = frozenset((
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs",
))  # fmt: skip
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Place(StrEnum):
    """What a checkpoint may expect of where it is."""

    DISK = "disk"
    NETWORK = "network"  #: other machines may have it too, and no memory is shared with them
    OBJECTS = "objects"  #: files are copied as a whole, and nobody is kept from doing so at the same time


def file_system(mountinfo: str, path: str) -> str:
    """Its type; "" where the table names none. Of two on one point the later one hides the first."""
    found, depth = "", -1
    for line in mountinfo.split("\n"):  # other signs that part lines for Python may stand in a name
        point, kind = _read(line)
        if point and len(point) >= depth and _is_below(path, point):
            found, depth = kind, len(point)
    return found


def place_of(kind: str) -> Place:
    if kind in _OBJECTS:
        return Place.OBJECTS
    return Place.NETWORK if kind in _NETWORK else Place.DISK


def is_at_hand(kind: str) -> bool:
    """Whether a file there is read without waiting for another machine, or for another process."""
    return kind in _OWN


def _read(line: str) -> tuple[str, str]:
    """Mount point and type; the fields before the lone dash vary in number."""
    fields, dash, rest = line.partition(" - ")
    words, (kind, _, _) = fields.split(" "), rest.partition(" ")
    if not dash or len(words) < 6 or not kind:
        return "", ""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 8)), words[4]), kind


def _is_below(path: str, point: str) -> bool:
    return point in {"/", path} or path.startswith(f"{point}/")
