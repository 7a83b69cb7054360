"""What somebody else may have put at the places of a job's files: refused, not followed, never waited for."""

import errno
import os
import stat
from pathlib import Path

import pytest

from uploader.errors import CheckpointError
from uploader.system.private_files import Lock, create_private, open_plain, warnings_of
from uploader.system.sqlite import refuse_unsafe_files


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("precious")
    path.chmod(0o644)
    return path


def _symlink(path, victim):
    path.symlink_to(victim)


def _dangling(path, victim):
    path.symlink_to(victim.with_name("not yet"))


def _hard_link(path, victim):
    path.hardlink_to(victim)


def _pipe(path, victim):
    del victim
    os.mkfifo(path)


TRAPS = {"symlink": _symlink, "dangling": _dangling, "hard link": _hard_link, "pipe": _pipe}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
@pytest.mark.parametrize("truncate", [False, True])
def test_a_trap_is_refused_and_what_it_leads_to_stays_as_it_was(tmp_path, victim, trap, truncate):
    place = tmp_path / "place"
    trap(place, victim)
    with pytest.raises(OSError, match=r"symbolic link|not a regular file|second name"):
        create_private(place, truncate=truncate)
    assert victim.read_text() == "precious"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644
    assert not victim.with_name("not yet").exists()


@pytest.mark.parametrize("trap", [_symlink, _pipe], ids=["symlink", "pipe"])
def test_what_is_read_is_a_file_or_an_error_at_once(tmp_path, victim, trap):
    place = tmp_path / "place"
    trap(place, victim)
    with pytest.raises(OSError, match="place"):
        open_plain(place)


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_sqlite_is_not_led_elsewhere_by_the_files_beside_it(tmp_path, victim, trap, ending):
    place = tmp_path / "database"
    if ending:
        place.write_text("")
    refuse_unsafe_files(place)
    trap(place.with_name(place.name + ending), victim)
    with pytest.raises(OSError, match=f"database{ending}"):
        refuse_unsafe_files(place)


def test_a_file_of_ours_that_others_could_read_is_tightened(tmp_path):
    path = tmp_path / "ours"
    path.write_text("mine")
    path.chmod(0o666)
    os.close(create_private(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "mine"


def test_a_new_file_must_not_be_there(tmp_path):
    os.close(create_private(tmp_path / "new", is_new=True))
    with pytest.raises(FileExistsError):
        create_private(tmp_path / "new", is_new=True)


def test_another_users_file_is_refused_but_not_in_that_users_folder(tmp_path, monkeypatch):
    path = tmp_path / "theirs"
    os.close(create_private(path))
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    os.close(create_private(path))  # the folder is theirs, too
    real = type(path).stat
    monkeypatch.setattr(type(path), "stat", lambda self, **kw: _owned(real(self, **kw), owner + 2))
    seen = os.fstat
    monkeypatch.setattr(os, "fstat", lambda descriptor: _owned(seen(descriptor), owner + 3))
    with pytest.raises(PermissionError, match="another user"):
        create_private(path)


def _owned(found, owner):
    fields = list(found)
    fields[4] = owner
    return os.stat_result(fields)


def test_a_pipe_in_place_of_the_lock_neither_hangs_nor_passes(tmp_path):
    lock = Lock(tmp_path / "a.checkpoint")
    os.mkfifo(lock.path)
    assert lock.is_held() is False
    with pytest.raises(CheckpointError, match="not a regular file"):
        lock.acquire()


def test_a_folder_for_everybody_is_known_and_a_sticky_one_is_none(tmp_path):
    tmp_path.chmod(0o777)
    assert warnings_of(tmp_path / "a.checkpoint")
    tmp_path.chmod(0o1777)
    assert warnings_of(tmp_path / "a.checkpoint") == []


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not tell who holds a lock")
def test_who_holds_a_lock_is_named(tmp_path):
    held, other = Lock(tmp_path / "a.checkpoint"), Lock(tmp_path / "a.checkpoint")
    held.acquire()
    with pytest.raises(CheckpointError, match=rf"a.checkpoint \(process {os.getpid()}\); wait"):
        other.acquire()
    held.release()


def test_a_file_system_without_locks_is_named_with_a_way_out(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr("uploader.system.private_files.lock_file", refuse)
    with pytest.raises(CheckpointError, match=r"cannot lock .*not supported\. .* with --checkpoint-dir"):
        Lock(tmp_path / "a.checkpoint").acquire()
