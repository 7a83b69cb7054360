"""What a power cut must not lose goes through to the disk, on macOS through the disk's own cache."""

import errno
import fcntl
import os
from contextlib import closing

import pytest

from uploader.storage.results_file import Extent, ResultsFile
from uploader.system import sqlite
from uploader.system.disk_flush import flush_file
from uploader.system.whole_file import write_whole

#: As in the header file of macOS.
F_FULLFSYNC = 51


@pytest.fixture
def flushes(monkeypatch):
    """Names of the calls that flush a file, as they are made."""
    made = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _, name=name: made.append(name))
    return made


@pytest.fixture
def macos(monkeypatch, flushes):
    """As macOS has it: F_FULLFSYNC, and no `fdatasync`. Returns the errors that the former gives."""
    errors = []

    def call(descriptor, command):
        assert (os.fstat(descriptor).st_size > 0, command) == (True, F_FULLFSYNC)
        if errors:
            raise OSError(errors[0], os.strerror(errors[0]))
        flushes.append("F_FULLFSYNC")

    monkeypatch.delattr(os, "fdatasync")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", F_FULLFSYNC, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", call)
    return errors


def flush(path):
    path.write_bytes(b"x")
    with path.open("r+b") as file:
        flush_file(file.fileno())


def test_elsewhere_the_data_are_flushed(tmp_path, flushes):
    flush(tmp_path / "a")
    assert flushes == ["fdatasync"]


@pytest.mark.usefixtures("macos")
def test_on_macos_it_goes_through_the_cache_of_the_disk(tmp_path, flushes):
    flush(tmp_path / "a")
    assert flushes == ["F_FULLFSYNC"]


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY])
def test_a_file_system_without_it_flushes_as_it_can(tmp_path, flushes, macos, number):
    macos.append(number)
    flush(tmp_path / "a")
    assert flushes == ["fsync"]


def test_a_disk_that_fails_is_an_error(tmp_path, macos):
    macos.append(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        flush(tmp_path / "a")


@pytest.mark.usefixtures("macos")
def test_files_of_a_job_go_all_the_way(tmp_path, flushes):
    write_whole(tmp_path / "whole", b"x")
    assert flushes[0] == "F_FULLFSYNC"
    flushes.clear()
    with closing(ResultsFile(tmp_path / "results.csv", Extent(), ["a.csv"])) as file:
        file.append([b"2,a@x.com,1,created,a.csv,\n"])
    assert flushes == ["F_FULLFSYNC"]


def test_so_do_the_commits_of_sqlite(tmp_path):
    with closing(sqlite.connect(tmp_path / "a.db", "create", synchronous="FULL")) as connection:
        assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)
