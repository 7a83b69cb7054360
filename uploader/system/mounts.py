"""Finds a path's file system in the mount table, and what that means for a checkpoint. Pure.

In    the text of /proc/self/mountinfo, or what `mount` prints on macOS and BSD; and an absolute path without
      symbolic links.
Out   the file system's type as the kernel calls it; whether it is on a network, or an object store.
Raise nothing: malformed lines are ignored.
From  https://www.kernel.org/doc/html/latest/filesystems/proc.html (3.5), and sqlite.org/wal.html: all users
      of a WAL must be on one machine. The list of macOS: man pages mount(8) and statfs(2).
"""

import re
import unicodedata
from enum import StrEnum

_NETWORK = frozenset((
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "macfuse", "orangefs", "osxfuse", "smb3", "smbfs", "webdav", "fuse.ceph",
    "fuse.davfs", "fuse.glusterfs", "fuse.juicefs", "fuse.moosefs",
    "fuse.sshfs",
))  # fmt: skip
_OBJECTS = frozenset((
    "fuse.blobfuse", "fuse.blobfuse2", "fuse.gcsfuse", "fuse.goofys", "fuse.mountpoint-s3", "fuse.ossfs",
    "fuse.rclone", "fuse.s3fs",
))  # fmt: skip
#: Local disks, and memory. Types that are not listed may be remote.
_OWN = frozenset((
    "apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "overlay",
    "ramfs", "tmpfs", "xfs", "zfs",
))  # fmt: skip
_ESCAPED = re.compile(r"\\([0-7]{3})")
#: Such as `//ann@server/share on /Volumes/share (smbfs, nodev, nosuid, mounted by ann)`.
_LISTED = re.compile(r" on (/.*) \((\w+)[,)]")


class StorageKind(StrEnum):
    """What kind of storage a file system is, for a checkpoint."""

    DISK = "disk"
    NETWORK = "network"  #: other machines may use it, without shared memory
    OBJECTS = "objects"  #: files are copied as a whole, without locks


def file_system(mountinfo: str, path: str) -> str:
    """The type of a path's file system; "" if unknown. A later mount hides an earlier one."""
    found, depth = "", -1
    for line in mountinfo.split("\n"):  # not splitlines: names may contain other line separators
        point, kind = _read(line)
        if point and len(point) >= depth and _is_below(path, point):
            found, depth = kind, len(point)
    return found


def file_system_in_list(listed: str, path: str) -> str:
    """The same by what `mount` prints. Names are compared without their case, as macOS does it."""
    table = [(_folded(found[1]), found[2]) for line in listed.split("\n") if (found := _LISTED.search(line))]
    above = [
        (len(point), at, kind) for at, (point, kind) in enumerate(table) if _is_below(_folded(path), point)
    ]
    return max(above)[2] if above else ""


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def storage_kind(kind: str) -> StorageKind:
    if kind in _OBJECTS:
        return StorageKind.OBJECTS
    return StorageKind.NETWORK if kind in _NETWORK else StorageKind.DISK


def is_local(kind: str) -> bool:
    """Whether files of this type are read without waiting for another machine or process."""
    return kind in _OWN


def _read(line: str) -> tuple[str, str]:
    """Mount point and type of a line; the number of fields before the dash varies."""
    fields, dash, rest = line.partition(" - ")
    words, (kind, _, _) = fields.split(" "), rest.partition(" ")
    if not dash or len(words) < 6 or not kind:
        return "", ""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 8)), words[4]), kind


def _is_below(path: str, point: str) -> bool:
    return point in {"/", path} or path.startswith(f"{point}/")
