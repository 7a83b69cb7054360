"""The links that rows ask for are on the disk before their rows are settled, whatever ends the run."""

import json
import random
from contextlib import closing
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.errors import CheckpointError
from uploader.model.associations import LinkColumn
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint
from uploader.undo.job.parts import find_links

_COLUMNS = (
    LinkColumn("account", "companies", "external_id"),
    LinkColumn("deals", "deals", "hs_object_id", separator=";"),
)


def _rows(count):
    """Contacts of which two thirds have links."""
    accounts = ("", "A1", "A2")
    return [
        {**one, "account": accounts[i % 3], "deals": f"{i};{i + 1}" if i % 4 == 0 else ""}
        for i, one in enumerate(contacts(count))
    ]


def _expected(rows):
    links = {}
    for position, row in enumerate(rows):
        if row["account"]:
            links[position, 0, 0] = row["account"]
        for ordinal, value in enumerate(filter(None, row["deals"].split(";"))):
            links[position, 1, ordinal] = value
    return links


def _on_disk(source):
    """The links of the file, and the state of the checkpoint."""
    checkpoint = Checkpoint.open(Path(f"{source}.checkpoint"), read_only=True)
    file = AssociationsFile(checkpoint.path)
    file.open(checkpoint.job_id(), read_only=True)
    try:
        found = file._all("SELECT position, number, ordinal, value FROM links")
        return {tuple(key): value for *key, value in found}, checkpoint.state()
    finally:
        file.close()
        checkpoint.close()


def _stop_halfway(job, **options):
    """Stop when some rows are settled, and others are open."""

    def abort(run):
        if run.pipeline.collector.tallies.confirmed:
            run.stop()
            run.stop()

    tallies = job.run_virtual(on_tick=abort, **options).tallies
    assert 0 < tallies.confirmed < len(job.rows)


@pytest.fixture
def job(tmp_path):
    rows = _rows(1_000)
    made = Job(
        write_csv(tmp_path / "a.csv", rows),
        make_simulator(latency_seconds=0.3, quota="20/10"),
        options={"associations": _COLUMNS},
    )
    made.rows = rows
    return made


def test_the_file_has_the_links_of_all_rows(job):
    job.run_virtual()
    found, state = _on_disk(job.source)
    assert found == _expected(job.rows)
    assert state.tallies.settled == 1_000


def test_a_run_that_is_interrupted_again_and_again_has_the_links_of_every_settled_row(job):
    expected, pauses = _expected(job.rows), random.Random(3)
    for _ in range(8):
        job.run_virtual(stop_after=pauses.uniform(2.5, 5.0), again_after=5.1)
        found, state = _on_disk(job.source)
        assert found.items() <= expected.items()
        missing = {key for key in expected if state.progress.is_settled(key[0])} - found.keys()
        assert not missing
    job.run_virtual()
    assert _on_disk(job.source)[0] == expected


def test_the_disk_gets_the_links_before_the_checkpoint_counts_their_rows(job, monkeypatch):
    """As a kill between both writes would find them, also of rows that are read since the last commit."""
    monkeypatch.setattr("uploader.pipeline.collector.COMMIT_SECONDS", 5.0)
    job.rows = _rows(3_000)
    write_csv(job.source, job.rows)
    expected, seen = _expected(job.rows), []
    commit = Checkpoint.commit

    def check(self, state, *args, **kwargs):
        if self.path.exists() and self.path.name == "a.csv.checkpoint":  # it is created under another name
            found, _ = _on_disk(job.source)
            settled = {key for key in expected if state.progress.is_settled(key[0])}
            seen.append(settled <= found.keys())
        return commit(self, state, *args, **kwargs)

    monkeypatch.setattr(Checkpoint, "commit", check)
    job.run_virtual()
    assert len(seen) > 3
    assert all(seen)


def test_links_of_open_rows_are_forgotten_when_they_are_read_by_other_settings(job):
    _stop_halfway(job)
    before, state = _on_disk(job.source)
    settled = state.progress.is_settled
    assert any(not settled(position) for position, *_ in before)
    company = {"account": "company"}
    with pytest.raises(
        CheckpointError,
        match="associate was 'account' to companies by external_id; 'deals' to deals by HubSpot's id, values",
    ):
        job.run_virtual(associations=_COLUMNS[1:], mapped=company)
    assert _on_disk(job.source)[0] == before
    job.run_virtual(associations=_COLUMNS[1:], mapped=company, accept_changed_settings=True)
    found, _ = _on_disk(job.source)
    assert found == {
        key: value for key, value in _expected(job.rows).items() if key[1] == 1 or settled(key[0])
    }


def test_other_columns_get_numbers_of_their_own(job):
    """So do the links of rows that were settled before: none of them was sent."""
    _stop_halfway(job)
    changed = (LinkColumn("account", "companies", "external_id", "Primary"), _COLUMNS[1])
    job.run_virtual(associations=changed, accept_changed_settings=True)
    found, _ = _on_disk(job.source)
    assert found == {
        (position, number or 2, ordinal): value
        for (position, number, ordinal), value in _expected(job.rows).items()
    }


def test_a_job_begun_without_links_gets_those_of_the_rows_still_open(job):
    nothing = {"ignored": frozenset({"account", "deals"}), "associations": ()}
    _stop_halfway(job, **nothing)
    assert not Path(f"{job.source}.checkpoint.links").exists()
    checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
    settled = checkpoint.state().progress.is_settled
    checkpoint.close()
    job.run_virtual(accept_changed_settings=True)
    found, _ = _on_disk(job.source)
    assert found == {key: value for key, value in _expected(job.rows).items() if not settled(key[0])}


def test_a_job_whose_links_are_gone_is_not_continued(job):
    _stop_halfway(job)
    for path in job.source.parent.glob("*.links*"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"a\.csv\.checkpoint\.links is missing"):
        job.run_virtual()


def test_a_job_begun_anew_keeps_the_links_of_the_former_one_under_another_name(job):
    job.run_virtual()
    job.run_virtual(restart=True)
    assert _on_disk(job.source)[0] == _expected(job.rows)
    assert Path(f"{job.source}.checkpoint.links.1").exists()


def _remove_checkpoint_and_results(source):
    for path in [*source.parent.glob("*.checkpoint*"), *source.parent.glob("*.results.csv")]:
        if ".links" not in path.name:
            path.unlink()


@pytest.mark.parametrize("has_links", [True, False], ids=["with links", "without links"])
def test_links_of_a_job_whose_checkpoint_is_gone_are_not_overwritten(job, has_links):
    """They have what was there before: without them nothing can be taken back."""
    job.run_virtual()
    _remove_checkpoint_and_results(job.source)
    links = Path(f"{job.source}.checkpoint.links")
    before = links.read_bytes()
    options = {} if has_links else {"ignored": frozenset({"account", "deals"}), "associations": ()}
    with pytest.raises(CheckpointError, match=r"file of links .*a\.csv\.checkpoint\.links.*--restart"):
        job.run_virtual(**options)
    assert links.read_bytes() == before
    assert not Path(f"{job.source}.checkpoint").exists()
    job.run_virtual(restart=True, **options)
    kept = find_links(Path(f"{links}.1"), "")
    assert (kept.portal, kept.object_type) == (str(job.simulator.scenario.account.portal_id), "contacts")


def test_a_file_of_links_that_the_checkpoint_does_not_know_is_renamed(job):
    """Such as that of a job whose checkpoint was replaced by an earlier copy."""
    nothing = {"ignored": frozenset({"account", "deals"}), "associations": ()}
    _stop_halfway(job, **nothing)
    foreign = AssociationsFile(Path(f"{job.source}.checkpoint"))
    foreign.create({"job": "another"}, _COLUMNS)
    foreign.close()
    job.run_virtual(accept_changed_settings=True)
    with closing(AssociationsFile(foreign.path.with_suffix(""), ".1")) as kept:
        kept.open("another")


def test_rows_of_json_and_of_a_limit_have_their_links(job):
    source = job.source.with_suffix(".ndjson")
    source.write_text(
        "".join(json.dumps({**one, "deals": one["deals"].split(";")}) + "\n" for one in job.rows)
    )
    job.source = source
    job.run_virtual(limit=300)
    assert _on_disk(source)[0] == _expected(job.rows[:300])
    job.run_virtual()
    assert _on_disk(source)[0] == _expected(job.rows)
