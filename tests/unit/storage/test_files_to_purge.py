"""Which files of a job `purge` finds: also those that a kill has left before there was anything in them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.files_to_purge import find
from uploader.system import whole_file

_ENDINGS = (
    ".results.csv",
    ".differences.csv",
    ".kept.csv",
    ".links.csv",
    ".optouts.csv",
    *(f".checkpoint.{one}" for one in ("ids", "links", "list", "created", "verify", "snapshot", "undo")),
    *(f".checkpoint.{one}" for one in ("repeats", "verified.json", "report.html")),
)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "a.csv.checkpoint"
    Checkpoint.create(path, Identity((), {}, results=True)).close()
    return path


def _found(checkpoint):
    return {one.path.name for one in find(checkpoint)} - {checkpoint.name}


@pytest.mark.parametrize("ending", _ENDINGS)
def test_an_empty_file_in_the_place_of_the_jobs_own_is_found(checkpoint, ending):
    checkpoint.with_name(f"a.csv{ending}").touch()
    assert _found(checkpoint) == {f"a.csv{ending}"}


def test_a_database_without_a_table_in_the_place_of_the_jobs_own_is_found(checkpoint):
    path = checkpoint.with_name(f"{checkpoint.name}.links")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert path.stat().st_size > 0
    assert _found(checkpoint) == {path.name}


def test_what_a_kill_has_left_of_a_file_that_is_written_whole_is_found(checkpoint, monkeypatch):
    path = checkpoint.with_name("a.csv.links.csv")
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("killed"))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(pytest.fail.Exception):
        whole_file.write_whole(path, b"row,key,hubspot_id,column\n7,a@x.com,1,account\n")
    monkeypatch.undo()
    (draft,) = checkpoint.parent.glob(".a.csv.links.csv.*")
    checkpoint.with_name(".a.csv.links.csv.mine").write_text("row,key,hubspot_id,column\n")
    checkpoint.with_name(f"{draft.name[:-1]}").write_text("row,key,hubspot_id,column\n")
    repeats = checkpoint.with_name("a.csv.checkpoint.repeats.new")
    repeats.write_text('{"job": "1"')
    assert _found(checkpoint) == {draft.name, repeats.name}


def test_a_draft_of_somebody_else_stays(checkpoint):
    checkpoint.with_name(".a.csv.links.csv.abcd1234").write_text("my,own,list\n")
    checkpoint.with_name("a.csv.results.csv").write_text("my,own,list\n")
    assert _found(checkpoint) == set()
