"""Two paths to one file, where a file system ignores upper and lower case as on macOS, and where not."""

import os
from pathlib import Path

import pytest

from uploader.errors import SettingsError
from uploader.settings import Settings
from uploader.sources.patterns import expand
from uploader.system.same_place import ignores_case, place_of

COMPOSED, DECOMPOSED = "gr\u00f6\u00dfe", "gro\u0308\u00dfe"


@pytest.fixture
def macos(monkeypatch):
    """A path leads to what its name is called, in whatever case."""

    def samefile(self, other):
        if not Path(str(other)).exists():
            raise FileNotFoundError
        return str(self).casefold() == str(other).casefold()

    monkeypatch.setattr(Path, "samefile", samefile)


def test_here_names_that_differ_in_case_are_two_files(tmp_path):
    assert not ignores_case(tmp_path)
    assert place_of(tmp_path / "a.csv") != place_of(tmp_path / "A.csv")
    assert place_of("a/../b.csv") == place_of(Path.cwd() / "b.csv")


def test_what_a_folder_is_called_in_the_other_case_tells(tmp_path, macos):
    assert ignores_case(tmp_path)
    assert ignores_case(tmp_path / "not yet" / "there")
    assert place_of(tmp_path / "A.csv") == place_of(str(tmp_path / "a.csv"))
    assert place_of(tmp_path / f"{COMPOSED}.csv") == place_of(tmp_path / f"{DECOMPOSED}.csv")
    assert place_of(tmp_path / "a.csv") != place_of(tmp_path / "b.csv")


def test_a_folder_on_another_disk_is_judged_by_what_is_in_it(tmp_path, monkeypatch, macos):
    """Its own name is on the disk above it."""
    disk = tmp_path / "disk"
    (disk / "12").mkdir(parents=True)
    stat = Path.stat

    def other_disk(self, **more):
        found = list(stat(self, **more))
        found[2] = found[2] + (disk in (self, *self.parents))
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", other_disk)
    assert not ignores_case(disk)
    (disk / "letters").touch()
    assert ignores_case(disk)


@pytest.mark.usefixtures("macos")
def test_a_job_does_not_write_what_it_reads_or_writes_under_a_name_in_another_case(tmp_path):
    source, results = str(tmp_path / "Contacts.csv"), tmp_path / "contacts.CSV"
    with pytest.raises(SettingsError, match="cannot be both the source and the results file"):
        Settings(sources=(source,), token="t", results=results)
    with pytest.raises(SettingsError, match="cannot be both the checkpoint and the results file"):
        Settings(sources=(source,), token="t", checkpoint=tmp_path / "A.x", results=tmp_path / "a.X")


@pytest.mark.usefixtures("macos")
def test_a_pattern_leaves_out_the_file_that_the_job_writes_in_another_case(tmp_path):
    for name in ("one.csv", "Out.csv"):
        (tmp_path / name).touch()
    assert expand([f"{tmp_path}/*.csv"], [f"{tmp_path}/out.csv"], is_resumed=False) == [f"{tmp_path}/one.csv"]


@pytest.mark.parametrize("stored", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED])
def test_a_pattern_matches_names_whose_letters_are_spelled_in_another_way(tmp_path, stored, typed):
    (tmp_path / f"{stored} 1.csv").touch()
    found = expand([f"{tmp_path}/{typed}*.csv"], [], is_resumed=False)
    assert found == [f"{tmp_path}/{stored} 1.csv"]
