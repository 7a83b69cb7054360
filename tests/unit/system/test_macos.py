"""What the system tells by a program where Linux has a file, and what it allows less of."""

import resource
from pathlib import Path

import pytest

from uploader.system import boot_id, filesystem_of_path, open_files
from uploader.system.filesystem_of_path import find_storage
from uploader.system.mounts import StorageKind, file_system_in_list, is_local
from uploader.system.system_programs import output_of

LISTED = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//ann@server.local/Team%20Share on /Volumes/Team (old) (smbfs, nodev, nosuid, mounted by ann)
nas:/vol on /Volumes/Gr\u00f6\u00dfe (nfs, nodev)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/Users/ann/crm/contacts.csv", "apfs"),
        ("/Volumes/Team (old)/contacts.csv", "smbfs"),
        ("/volumes/team (OLD)/contacts.csv", "smbfs"),
        ("/Volumes/Team (older)/contacts.csv", "apfs"),
        ("/Volumes/Gro\u0308\u00dfe", "nfs"),
        ("/System/Volumes/Data/home/ann", "autofs"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_mount(path, kind):
    assert file_system_in_list(LISTED, path) == kind


def test_of_two_mounts_on_a_point_the_later_counts_and_other_lines_are_passed_over():
    assert file_system_in_list(f"{LISTED}nonsense\ndisk on / (hfs, local)\n", "/Users") == "hfs"
    assert file_system_in_list("", "/Users") == ""


def test_a_checkpoint_on_a_share_is_known_to_be_on_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem_of_path, "MOUNTINFO", tmp_path / "not there")
    monkeypatch.setattr(filesystem_of_path, "_listed", lambda: f"//a@b/c on {tmp_path.resolve()} (smbfs)\n")
    assert find_storage(tmp_path / "a.checkpoint") == (StorageKind.NETWORK, "smbfs")


def test_without_either_a_file_system_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystem_of_path, "MOUNTINFO", tmp_path / "not there")
    monkeypatch.setattr(filesystem_of_path, "_PROGRAM", str(tmp_path / "not there, too"))
    filesystem_of_path._listed.cache_clear()
    try:
        assert find_storage(tmp_path / "a.checkpoint") == (StorageKind.DISK, "")
    finally:
        filesystem_of_path._listed.cache_clear()


def test_files_on_the_disks_of_macos_are_at_hand():
    assert is_local("apfs")
    assert is_local("hfs")
    assert not is_local("macfuse")


def test_the_start_of_the_machine_has_an_id(tmp_path, monkeypatch):
    assert len(boot_id.boot_id()) == 36
    program = tmp_path / "sysctl"
    program.write_text('#!/bin/sh\n[ "$*" = "-n kern.bootsessionuuid" ] && echo 4D3A-1\n')
    program.chmod(0o700)
    monkeypatch.setattr(boot_id, "_ON_LINUX", tmp_path / "not there")
    monkeypatch.setattr(boot_id, "_ON_MACOS", (str(program), *boot_id._ON_MACOS[1:]))
    assert boot_id.boot_id() == "4D3A-1"
    program.unlink()
    assert boot_id.boot_id() == ""


def test_a_program_that_fails_says_nothing():
    assert output_of("sh", "-c", "echo a") == "a\n"
    assert output_of("sh", "-c", "echo a; exit 1") == ""
    assert output_of(str(Path("/nowhere/at/all"))) == ""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted"),
    [
        (256, resource.RLIM_INFINITY, (4_096, resource.RLIM_INFINITY)),
        (256, 10_240, (4_096, 10_240)),
        (256, 1_024, (1_024, 1_024)),
        (256, 256, None),
        (65_536, 65_536, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_as_many_files_may_be_open_as_requests_need(monkeypatch, soft, hard, wanted):
    calls = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: calls.append(limits))
    open_files.allow_many_open_files()
    assert calls == ([wanted] if wanted else [])
