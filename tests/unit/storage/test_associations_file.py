"""The links that rows ask for: written before the checkpoint, and the same again after a kill."""

import pytest
from hypothesis import given, strategies as st

from support.builders import record
from uploader.errors import CheckpointError
from uploader.model.associations import LinkColumn, LinkOutcome, LinkValue, RowLinks
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Refusal, Settlement
from uploader.model.watermark import Progress
from uploader.storage.associations_file import AssociationsFile, ListedLink
from uploader.storage.files_to_purge import find

_COLUMNS = [LinkColumn("accountid", "companies", "sf_account_id", label="Primary", separator=";")]


@pytest.fixture
def file(tmp_path):
    made = AssociationsFile(tmp_path / "a.csv.checkpoint")
    made.create({"job": "job"}, _COLUMNS)
    yield made
    made.close()


def _links(position, *values):
    some = tuple(LinkValue(0, ordinal, value) for ordinal, value in enumerate(values))
    return RowLinks(position, 0, position + 2, "email", f"p{position}@x.com", some)


def _opened_again(file):
    file.close()
    again = AssociationsFile(file.path.with_name("a.csv.checkpoint"))
    again.open("job")
    return again


def test_links_and_columns_are_there_after_the_commit(file):
    file.add([_links(0, "a", "b"), _links(3, "a")])
    file.commit([Settlement(record(0), Outcome.CREATED, "17")])
    again = _opened_again(file)
    assert again.columns() == _COLUMNS
    assert list(again.listed()) == [
        ListedLink(0, 2, "email", "p0@x.com", "17", 0, "a", "", "", ""),
        ListedLink(0, 2, "email", "p0@x.com", "17", 0, "b", "", "", ""),
        ListedLink(0, 5, "email", "p3@x.com", "", 0, "a", "", "", ""),
    ]
    assert (again.counts().read, again.counts().open, again.counts().failed) == (3, 3, 0)
    again.close()


def test_rows_that_are_read_again_are_counted_once(file):
    for _ in range(2):
        file.add([_links(0, "a", "b")])
        file.commit([])
    assert file.counts().read == 2
    assert file._added == []


def test_a_row_that_is_sent_again_keeps_the_id_of_its_record(file):
    file.add([_links(0, "a")])
    file.commit([Settlement(record(0), Outcome.CREATED, "17")])
    file.commit([Settlement(record(0), Outcome.UPDATED)])
    assert file._all("SELECT outcome, hubspot_id FROM rows") == [("updated", "17")]


@pytest.mark.parametrize("change", [{"key": "other@x.com"}, {"id_property": "ref"}])
def test_a_row_that_is_read_again_with_another_key_has_no_record_yet(file, change):
    """A kill came after its outcome was written here, and before the checkpoint counted it."""
    file.add([_links(0, "a")])
    file.commit([Settlement(record(0), Outcome.CREATED, "17")])
    file.add([_links(0, "a")._replace(**change)])
    file.commit([Settlement(record(0), Outcome.UPDATED)])
    assert file._all("SELECT outcome, hubspot_id FROM rows") == [("updated", "")]


def test_the_reason_of_a_failed_row_is_kept(file):
    file.add([_links(0, "a")])
    file.commit([Settlement(record(0), Outcome.REJECTED, refusal=Refusal("X", "not\nvalid"))])
    assert file._all("SELECT outcome, why FROM rows") == [("rejected", "not valid")]


def test_what_was_added_is_kept_if_the_commit_fails(file, monkeypatch):
    file.add([_links(0, "a")])
    with monkeypatch.context() as patched:
        patched.setattr(AssociationsFile, "_transaction", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            file.commit([])
    file.commit([])
    assert file.counts().read == 1


def test_every_outcome_is_counted(file):
    file.add([_links(0, "a", "b", "c")])
    file.commit([])
    with file._transaction() as connection:
        connection.execute("UPDATE links SET outcome = 'linked' WHERE ordinal = 0")
        connection.execute("UPDATE links SET outcome = 'missing' WHERE ordinal = 1")
    counts = file.counts()
    assert counts.outcomes[LinkOutcome.LINKED] == counts.outcomes[LinkOutcome.MISSING] == 1
    assert (counts.read, counts.open, counts.failed) == (3, 1, 1)


def test_the_file_of_another_job_is_refused(file):
    file.close()
    other = AssociationsFile(file.path.with_name("a.csv.checkpoint"))
    with pytest.raises(CheckpointError, match="another job"):
        other.open("other")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        AssociationsFile(tmp_path / "none.checkpoint").open("job")


def test_the_file_holds_personal_data_and_is_purged(file):
    assert file.path.stat().st_mode & 0o777 == 0o600
    checkpoint = file.path.with_name("a.csv.checkpoint")
    file.path.with_name("a.csv.links.csv").write_text("row,key,hubspot_id,column,object\n")
    found = [one.path.name for one in find(checkpoint)]
    assert found[:2] == ["a.csv.checkpoint.links", "a.csv.links.csv"]


_STRETCHES = st.lists(st.integers(1, 4), max_size=6)


@given(st.integers(0, 5), _STRETCHES)
def test_what_is_forgotten_are_the_links_of_the_rows_that_are_read_again(
    tmp_path_factory, watermark, stretches
):
    """`stretches`: of open rows, of settled ones, and so on, above the watermark."""
    ranges, position = [], watermark
    for at, length in enumerate(stretches):
        if at % 2:
            ranges.append((position, position + length))
        position += length
    progress = Progress(position, watermark, tuple(ranges))
    file = AssociationsFile(tmp_path_factory.mktemp("links") / "a.csv.checkpoint")
    file.create({"job": "job"}, _COLUMNS)
    try:
        file.add([_links(one, "a") for one in range(position + 3)])
        file.commit([])
        file.forget_open(progress)
        kept = {one.row - 2 for one in file.listed()}
    finally:
        file.close()
    assert kept == {one for one in range(position + 3) if progress.is_settled(one)}
