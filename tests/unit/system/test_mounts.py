"""The table of mounts: which one holds a path, whatever else stands there."""

import re

import pytest
from hypothesis import given, strategies as st

from uploader.system.mounts import StorageKind, file_system, is_local, storage_kind

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1
)
PATHS = st.lists(NAMES, max_size=4).map(lambda names: "/" + "/".join(names))
KINDS = st.sampled_from(["ext4", "nfs4", "tmpfs", "overlay", "fuse.sshfs", "fuse.s3fs"])
MOUNTS = st.lists(st.tuples(PATHS, KINDS, st.integers(0, 3)), max_size=6)


def line(point: str, kind: str, optional: int = 0) -> str:
    """As the kernel writes it: blanks, tabs, line ends and backslashes in octal."""
    escaped = re.sub(r"[ \t\n\\#]", lambda found: f"\\{ord(found[0]):03o}", point)
    fields = " ".join(f"master:{number}" for number in range(optional))
    return f"36 35 98:0 / {escaped} rw,noatime {fields}{' ' if fields else ''}- {kind} server:/a rw,b=c"


def written(mounts) -> str:
    """Names may hold other signs that part lines for Python, though not for the kernel."""
    return "".join(line(*mount) + "\n" for mount in mounts)


@given(MOUNTS, PATHS)
def test_the_deepest_mount_above_a_path_holds_it_and_of_two_on_a_point_the_later(mounts, path):
    parts = path.rstrip("/").split("/")
    above = ["/".join(parts[:count]) or "/" for count in range(len(parts), 0, -1)]
    wanted = ""
    for folder in above:
        kinds = [kind for point, kind, _ in mounts if (point.rstrip("/") or "/") == folder]
        if kinds:
            wanted = kinds[-1]
            break
    assert file_system(written(mounts), path) == wanted


@given(st.text(), MOUNTS, PATHS)
def test_lines_that_are_none_are_passed_over(junk, mounts, path):
    noise = junk.replace(" - ", " ")
    assert file_system(written(mounts) + noise, path) == file_system(written(mounts), path)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("ext4", StorageKind.DISK),
        ("overlay", StorageKind.DISK),
        ("tmpfs", StorageKind.DISK),
        ("", StorageKind.DISK),
        *(
            (kind, StorageKind.NETWORK)
            for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs")
        ),
        *((kind, StorageKind.OBJECTS) for kind in ("fuse.s3fs", "fuse.gcsfuse", "fuse.rclone")),
    ],
)
def test_what_a_checkpoint_may_expect(kind, place):
    assert storage_kind(kind) is place


def test_a_folder_whose_name_begins_like_a_mount_is_not_on_it():
    table = f"{line('/', 'ext4')}\n{line('/data', 'nfs4')}\n"
    assert file_system(table, "/database") == "ext4"
    assert file_system(table, "/data/base") == "nfs4"


def test_only_what_is_known_to_be_this_machines_own_is_at_hand():
    assert all(map(is_local, ("ext4", "xfs", "tmpfs", "overlay")))
    assert not any(map(is_local, ("nfs4", "fuse.sshfs", "fuse.whatever", "virtiofs", "9p", "")))
