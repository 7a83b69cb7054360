"""A file that is written whole or not at all, and where it is not written."""

import errno
import os
import stat

import pytest

from uploader.errors import SettingsError, StorageError
from uploader.system import whole_file
from uploader.system.whole_file import WholeFile


def ours(data: bytes) -> bool:
    return data.startswith(b"ours")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_an_earlier_run_left_is_gone_until_there_is_something_new(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"ours, of yesterday")
    file = WholeFile("--to", path, ours)
    assert names(tmp_path) == []
    file.write(b"ours, of today")
    assert path.read_bytes() == b"ours, of today"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["a.json"]


def test_a_refusing_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    file = WholeFile("--to", tmp_path / "a.json", ours)

    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(whole_file, "flush_file", refuse)
    with pytest.raises(StorageError, match=r"a\.json: No space left"):
        file.write(b"ours")
    assert names(tmp_path) == []


def test_a_file_of_others_stays(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_bytes(b"email\n")
    with pytest.raises(SettingsError, match=r"--to .*contacts\.csv exists and is not such a file"):
        WholeFile("--to", path, ours)
    assert path.read_bytes() == b"email\n"


def test_a_link_is_not_followed_nor_replaced(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"ours")
    link.symlink_to(target)
    with pytest.raises(SettingsError, match="symbolic link"):
        WholeFile("--to", link, ours)
    assert link.is_symlink()
    assert target.read_bytes() == b"ours"


@pytest.mark.parametrize("name", ["missing/a.json", "folder", "fifo", "file/a.json"])
def test_a_place_that_can_not_be_written_is_told_before(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SettingsError, match=f"--to .*{name}"):
        WholeFile("--to", tmp_path / name, ours)
