"""What opens an SQLite file closes it again if that fails, whichever statement it is that fails."""

import sqlite3
from contextlib import closing
from typing import ClassVar

import pytest

from uploader.errors import UploaderError
from uploader.jobs.scans.link_values import LinkValues
from uploader.plans.other_files import OtherFiles
from uploader.preview.overlay import Overlay
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.storage.created_records_file import CreatedRecordsFile
from uploader.storage.file_names import keys_of_one_contact_path
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile
from uploader.storage.snapshot import SnapshotFile
from uploader.system import sqlite

_IDENTITY = Identity((), {"id_property": "email"}, results=True, portal="7")


def _counted(name):
    """The method of a connection, unless the process fails at this statement."""

    def run(self, *arguments):
        self._count()
        return getattr(sqlite3.Connection, name)(self, *arguments)

    return run


class _Failing(sqlite3.Connection):
    """A connection whose process fails at one statement."""

    opened: ClassVar[list["_Failing"]] = []
    left = 0  #: statements that succeed

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.is_closed = False
        self.opened.append(self)

    execute, executemany = _counted("execute"), _counted("executemany")
    executescript, backup = _counted("executescript"), _counted("backup")

    def close(self):
        super().close()
        self.is_closed = True

    def _count(self):
        _Failing.left -= 1
        if _Failing.left < 0:
            raise sqlite3.OperationalError("disk I/O error")


def _checkpoint(folder):
    path = folder / "a.checkpoint"
    if not path.exists():
        Checkpoint.create(path, _IDENTITY).close()
    return path


def _rollback_journal(folder):
    """A checkpoint as on a network file system, which is read from a copy."""
    path = _checkpoint(folder)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return path


def _keys_file(folder):
    path = folder / "a.checkpoint"
    keys_of_one_contact_path(path).touch()
    return path


_ABOUT = {"job": "1", "portal": "2", "object_type": "contacts"}
#: What is there before, and what opens a file.
_OPENERS = {
    "a checkpoint that is created": (
        lambda _: None,
        lambda folder, _: Checkpoint.create(folder / "a", _IDENTITY),
    ),
    "a checkpoint": (_checkpoint, lambda _, path: Checkpoint.open(path)),
    "a checkpoint that is read": (_checkpoint, lambda _, path: Checkpoint.open(path, read_only=True)),
    "a checkpoint that is read from a copy": (
        _rollback_journal,
        lambda _, path: Checkpoint.open(path, read_only=True),
    ),
    "a snapshot": (lambda _: None, lambda folder, _: SnapshotFile(folder / "a", _ABOUT)),
    "keys of one contact": (_keys_file, lambda _, path: KeysOfOneContactFile(path)),
    "created records": (lambda _: None, lambda folder, _: CreatedRecordsFile(folder / "a")),
    "the overlay of a preview": (lambda _: None, lambda folder, _: Overlay(folder / "overlay")),
    "links of other files": (lambda _: None, lambda folder, _: OtherFiles(folder, [])),
    "values of links": (lambda _: None, lambda folder, _: LinkValues(folder, [])),
}


@pytest.mark.parametrize(("prepare", "open_it"), _OPENERS.values(), ids=_OPENERS)
def test_a_file_that_cannot_be_opened_is_closed(tmp_path, monkeypatch, prepare, open_it):
    connect, statements, is_open = sqlite3.connect, 0, False
    while not is_open:
        path = prepare(tmp_path)
        with monkeypatch.context() as patch:
            _Failing.opened, _Failing.left = [], statements
            patch.setattr(
                sqlite3, "connect", lambda *one, **more: connect(*one, **{**more, "factory": _Failing})
            )
            try:
                opened = open_it(tmp_path, path)
            except (UploaderError, sqlite3.Error):
                assert [one for one in _Failing.opened if not one.is_closed] == [], statements
            else:
                is_open = True
        statements += 1
    opened.close() if hasattr(opened, "close") else opened.__exit__()
    assert [one for one in _Failing.opened if not one.is_closed] == []
    assert statements > 1


def test_a_temporary_database_without_a_folder_is_closed(tmp_path, monkeypatch):
    opened = []
    connect = sqlite3.connect

    def note(*arguments, **named):
        opened.append(connect(*arguments, factory=_Failing, **named))
        return opened[-1]

    def fail(*_):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", note)
    monkeypatch.setattr(sqlite, "set_temporary_folder", fail)
    with pytest.raises(UploaderError):
        sqlite.connect_temporary(tmp_path)
    assert [one.is_closed for one in opened] == [True]


@pytest.mark.parametrize("is_written_to", [False, True])
def test_a_reader_leaves_no_files_of_its_own_and_those_of_a_writer(tmp_path, is_written_to):
    path = _checkpoint(tmp_path)
    writer = Checkpoint.open(path) if is_written_to else None
    Checkpoint.open(path, read_only=True).close()
    left = {one.name for one in tmp_path.iterdir()} - {path.name}
    assert left == ({"a.checkpoint-wal", "a.checkpoint-shm"} if is_written_to else set())
    if writer is not None:
        writer.commit(State(), ())
        writer.close()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_reader_leaves_what_a_kill_has_left(tmp_path):
    """A log that is not empty stays until a writer comes."""
    path = _checkpoint(tmp_path)
    writer = Checkpoint.open(path)
    writer.commit(State(reason="half"), ())
    for name in ("a.checkpoint", "a.checkpoint-wal"):
        (tmp_path / f"killed.{name}").write_bytes((tmp_path / name).read_bytes())
    writer.close()
    log = tmp_path / "killed.a.checkpoint-wal"
    before = log.read_bytes()
    with closing(Checkpoint.open(tmp_path / "killed.a.checkpoint", read_only=True)) as reader:
        assert reader.state().reason == "half"
    assert log.read_bytes() == before != b""


def test_a_source_is_left_as_sqlite_leaves_it(tmp_path):
    path = _checkpoint(tmp_path)
    with closing(sqlite.connect(path, "source")) as connection:
        connection.execute("SELECT * FROM job").fetchall()
    assert (tmp_path / "a.checkpoint-wal").exists()
