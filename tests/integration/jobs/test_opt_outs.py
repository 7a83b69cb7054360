"""Rows that say "opted out" are written, and each of their addresses is listed once, whatever happens."""

import csv
import random
import stat
from contextlib import closing

import orjson
import pytest

from support.check_runs import check
from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.checks import SEEN
from support.model.running import KillableCheckpoint, reading, run_process
from support.soaked import some
from uploader.errors import CheckpointError, SettingsError, StorageError
from uploader.jobs import opening
from uploader.storage.checkpoint import Checkpoint
from uploader.storage.file_names import opt_outs_path
from uploader.storage.opt_outs_file import OptOutsFile

COLUMN = "HasOptedOutOfEmail"


def job_of(folder, rows, options=None, **scenario) -> Job:
    folder.mkdir(exist_ok=True)
    scenario = {"latency_seconds": 0.02, **scenario}
    options = {"opt_outs": "list", **(options or {})}
    job = Job(write_csv(folder / "contacts.csv", rows), make_simulator(**scenario), options)
    job.simulator.reset(0.0, [])
    return job


def path_of(job):
    return opt_outs_path(job.settings().checkpoint_path)


def listed(job) -> list[str]:
    path = path_of(job)
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        heading, *lines = csv.reader(file)
    assert heading == ["Email"]
    return [address for (address,) in lines]


def people(count, every=3):
    """Rows of which one in `every` says "opted out", and the addresses of these."""
    rows = contacts(count, **{COLUMN: "no"})
    for row in rows[::every]:
        row[COLUMN] = "yes"
    return rows, [row["email"] for row in rows[::every]]


def test_rows_are_written_and_listed_in_a_private_file(tmp_path):
    rows = contacts(6, **{COLUMN: "no"})
    rows[1][COLUMN] = rows[4][COLUMN] = "Yes"
    rows[4]["email"] = " C4@Example.COM "
    job = job_of(tmp_path, rows)
    summary = job.run_virtual()
    assert (summary.exit_code, summary.tallies.opt_outs, len(job.held())) == (0, 2, 6)
    assert listed(job) == ["c1@example.com", "c4@example.com"]
    assert path_of(job) == tmp_path / "contacts.csv.optouts.csv"
    assert stat.S_IMODE(path_of(job).stat().st_mode) == 0o600
    assert not any("optedout" in name.lower() for contact in job.held().values() for name in contact)


def test_an_opt_out_is_listed_whatever_becomes_of_its_row(tmp_path):
    cells = {"city": "", "score": "", "Email Opt Out": "yes", "Status": ""}
    rows = [
        {"email": "created@x.com", **cells},
        {"email": "invalid@x.com", **cells, "score": "many"},
        {"email": "skipped@x.com", **cells, "Status": "gone"},
        {"email": "refused@x.com", **cells},
        {"email": "CREATED@x.com", **cells, "city": "Ulm"},
        {"email": "nobody at x.com", **cells},
    ]
    job = job_of(
        tmp_path,
        rows,
        {"suppress_where": {"Status": ("gone",)}},
        faults=[{"kind": "reject", "keys": ["refused@x.com"]}],
    )
    tallies = job.run_virtual().tallies
    assert list(job.outcomes().values()).count("invalid") == 2
    assert set(job.outcomes().values()) >= {"skipped", "rejected"}
    assert listed(job) == ["created@x.com", "invalid@x.com", "skipped@x.com", "refused@x.com"]
    assert (tallies.opt_outs, tallies.opt_outs_unlisted) == (4, 0)


def test_a_record_without_an_address_is_counted_apart(tmp_path):
    rows = [
        {"external_id": "1", "email": "", COLUMN: "yes"},
        {"external_id": "2", "email": "a@x.com", COLUMN: ""},
        {"external_id": "3", "email": "b@x.com", COLUMN: "1"},
    ]
    properties = [{"name": "external_id", "unique": True}]
    job = job_of(tmp_path, rows, {"match": ("external_id",)}, properties=properties)
    tallies = job.run_virtual().tallies
    assert (tallies.confirmed, tallies.opt_outs, tallies.opt_outs_unlisted) == (3, 1, 1)
    assert listed(job) == ["b@x.com"]


class Mortal(KillableCheckpoint):
    """Also the transaction that lists opt-outs fails if the process is killed in it."""

    def list_opt_outs(self, addresses):
        self.killed.check()
        return super().list_opt_outs(addresses)


@pytest.mark.parametrize("kind", some("kill in a commit", "signal", soaked=["kill"]))
def test_no_kill_loses_an_opt_out_or_lists_it_twice(tmp_path, monkeypatch, kind):
    """At each moment the list has the address of every contact that was written, and opted out."""
    monkeypatch.setattr(opening, "Checkpoint", Mortal)
    dice, seen = random.Random(f"opt-outs {kind}"), SEEN["killed while writing"]
    for attempt in range(6):
        rows, opted_out = people(90)
        rows += [{**row, "firstname": "again"} for row in rows[::10]]
        job = job_of(tmp_path / f"{attempt}", rows, {"max_in_flight": dice.choice([1, 2, 5])})
        with reading(slice_rows=dice.randint(1, 9), most_open=dice.choice([3, 20, 30_000])):
            for _ in range(3):
                run_process(job, Stop(dice.uniform(0, 0.2), kind), batch_records=4)
                assert job.held().keys() & set(opted_out) <= set(listed(job)), attempt
            assert run_process(job, None, batch_records=4).tallies.opt_outs == len(opted_out)
        assert sorted(listed(job)) == sorted(opted_out), attempt
        job.check([{**row, COLUMN: ""} for row in rows], job.run_virtual())
    assert kind == "signal" or SEEN["killed while writing"] > seen + 6


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["before", "torn", "after"])
def test_a_kill_while_the_list_is_written_is_mended_by_the_next_run(tmp_path, monkeypatch, share):
    rows, opted_out = people(60)
    job = job_of(tmp_path, rows)
    append, calls = OptOutsFile._append, []

    def tear(self, data):
        calls.append(data)
        if len(calls) != 4:
            return append(self, data)
        append(self, data[: round(share * len(data))])
        raise StorageError("killed")

    monkeypatch.setattr(OptOutsFile, "_append", tear)
    with reading(slice_rows=7, most_open=30_000):
        assert job.run_virtual().state == "stopped"
        assert job.held().keys() & set(opted_out) <= set(listed(job))
        assert job.run_virtual().tallies.opt_outs == len(opted_out)
    assert listed(job) == opted_out


@pytest.mark.parametrize("change", ["remove", "edit"])
def test_a_list_that_was_removed_or_edited_is_written_again(tmp_path, change):
    rows, opted_out = people(30)
    job = job_of(tmp_path, rows)
    assert job.run_virtual(limit=10).tallies.opt_outs == 4
    if change == "remove":
        path_of(job).unlink()
    else:
        path_of(job).write_text("Email\nsomebody@else.com\n")
    job.run_virtual()
    assert listed(job) == opted_out


def test_skip_sends_none_of_these_rows_and_writes_no_list(tmp_path):
    rows, opted_out = people(9)
    job = job_of(tmp_path, rows, {"opt_outs": "skip"})
    tallies = job.run_virtual().tallies
    assert (tallies.skips, tallies.opt_outs) == ({"SUPPRESSED": 3}, 0)
    assert not job.held().keys() & set(opted_out)
    assert not path_of(job).exists()


def test_a_mapped_column_lists_too_and_one_that_is_left_out_by_name_does_not(tmp_path):
    rows = [{"email": "a@x.com", COLUMN: "yes", "city": "Ulm"}]
    job = job_of(tmp_path / "mapped", rows, {"mapped": {COLUMN: "firstname"}, "only": frozenset({"email"})})
    job.run_virtual()
    assert listed(job) == ["a@x.com"]
    assert job.held()["a@x.com"].keys() >= {"email"}
    job = job_of(tmp_path / "ignored", rows, {"ignored": frozenset({COLUMN})})
    with pytest.raises(SettingsError, match="no column tells of opt-outs"):
        job.run_virtual()


def test_a_consent_that_is_missing_is_an_opt_out(tmp_path):
    cells = {"y@x.com": "yes", "n@x.com": "no", "blank@x.com": "", "unclear@x.com": "maybe"}
    rows = [{"email": address, "Accepts Email Marketing": cell} for address, cell in cells.items()]
    job = job_of(tmp_path, rows)
    tallies = job.run_virtual().tallies
    assert listed(job) == ["n@x.com", "blank@x.com"]
    assert (tallies.confirmed, set(job.held())) == (3, {"y@x.com", "n@x.com", "blank@x.com"})


def test_rows_that_name_their_fields_are_listed_in_each_form(tmp_path):
    rows = [
        {"email": "a@x.com", "opt_in": True, "unsubscribed": False},
        {"email": "b@x.com", "opt_in": True, "unsubscribed": True},
        {"email": "c@x.com"},
        {"id": "d@x.com", "properties": {"opt_in": "yes", "unsubscribed": "yes"}},
        {"id": "e@x.com", "unsubscribed": True, "properties": {"opt_in": "yes"}},
    ]
    job = job_of(tmp_path, [{"email": "", "a": ""}])
    job.source = tmp_path / "contacts.ndjson"
    job.source.write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    assert job.run_virtual().tallies.confirmed == 5
    assert listed(job) == ["b@x.com", "c@x.com", "d@x.com", "e@x.com"]
    assert all(name not in contact for contact in job.held().values() for name in ("opt_in", "unsubscribed"))


def test_a_job_that_began_without_the_list_is_not_continued_with_it(tmp_path):
    rows, _ = people(30)
    job = job_of(tmp_path, rows, {"opt_outs": "skip"})
    job.run_virtual(limit=10)
    for more in ({}, {"accept_changed_settings": True}):
        with pytest.raises(CheckpointError, match="would lack the opt-outs"):
            job.run_virtual(opt_outs="list", **more)
    assert job.run_virtual(opt_outs="list", restart=True).tallies.opt_outs == 10


def test_a_former_list_is_never_overwritten(tmp_path):
    rows, opted_out = people(9)
    job = job_of(tmp_path, rows)
    job.run_virtual()
    job.run_virtual(restart=True)
    assert listed(job) == opted_out
    assert path_of(job).with_name(f"{path_of(job).name}.1").read_text().split() == ["Email", *opted_out]
    job.settings().checkpoint_path.unlink()
    (tmp_path / "contacts.csv.results.csv").unlink()
    with pytest.raises(CheckpointError, match="import the list in HubSpot"):
        job.run_virtual()


def test_check_says_how_many_addresses_would_be_listed(tmp_path):
    rows, opted_out = people(30)
    rows += [dict(rows[0]), {"email": "no address", "firstname": "x", COLUMN: "yes"}]
    job = job_of(tmp_path, rows)
    for options in ({}, {"opt_outs": ""}):
        found = check(job, **options).findings
        assert (found.opt_outs, found.opt_out_addresses) == (12, len(opted_out)), options
    assert check(job, opt_outs="skip").findings.suppressed == 12
    assert not path_of(job).exists()


def test_check_counts_the_words_that_are_unclear(tmp_path):
    cells = ["Unsubscribed", "Subscribed", "subscribed", "no", ""]
    rows = [{"email": f"u{at}@x.com", "Marketing status": cell} for at, cell in enumerate(cells)]
    job = job_of(tmp_path, rows)
    (column,) = check(job).bad_columns
    assert [(one.text, one.cells) for one in column.values] == [("Subscribed", 2), ("Unsubscribed", 1)]
    assert [one.value for one in column.options] == ["yes", "no"]
    words = {"Marketing status": {"Unsubscribed": "yes", "Subscribed": "no"}}
    report = check(job, translations=words)
    assert (report.problems, report.findings.sendable, report.findings.opt_outs) == ([], 5, 1)
    assert job.run_virtual(translations=words).tallies.confirmed == 5
    assert listed(job) == ["u0@x.com"]


def test_a_checkpoint_of_an_earlier_version_lists_nothing_and_can_be_read(tmp_path):
    job = job_of(tmp_path, contacts(3), {"opt_outs": ""})
    job.run_virtual()
    path = job.settings().checkpoint_path
    with closing(Checkpoint.open(path)) as checkpoint:
        checkpoint._connection.execute("DROP TABLE opt_outs")
    with closing(Checkpoint.open(path, read_only=True)) as checkpoint:
        assert checkpoint.state().tallies.opt_outs == 0
