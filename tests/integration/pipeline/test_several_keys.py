"""`--match external_id,email`: the next key where the first is blank, and the order of one contact's rows."""

import csv
import json
import sqlite3
from pathlib import Path

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.soaked import some
from support.verify_runs import counts, verify
from uploader.cli.main import run
from uploader.errors import CheckpointError, SettingsError

BOTH = {"match": ("external_id", "email")}


def job_of(tmp_path, rows, people=(), **scenario) -> Job:
    simulator = make_simulator(quota="190/10", latency_seconds=0.3, **scenario)
    simulator.reset(0.0, [{"properties": person} for person in people])
    return Job(write_csv(tmp_path / "rows.csv", rows), simulator, dict(BOTH))


def row(external_id="", email="", **rest):
    return {"external_id": external_id, "email": email, "firstname": "", "city": "", **rest}


def held(job, name="email"):
    return dict(job.held(name))


def results(job):
    with Path(f"{job.source}.results.csv").open(encoding="utf-8", newline="") as file:
        return {int(line["row"]): line for line in csv.DictReader(file)}


def mixed(count):
    """By number: both keys, the first alone, the second alone."""
    return [
        row(f"e{i}" if i % 3 != 2 else "", f"c{i}@x.com" if i % 3 != 1 else "", firstname=f"F{i}")
        for i in range(count)
    ]


def test_each_row_goes_by_the_first_key_it_has(tmp_path):
    rows = mixed(900)
    job = job_of(tmp_path, rows)
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 900)
    by_id, by_email = job.held("external_id"), job.held("email")
    for i, one in enumerate(rows):
        found = by_id[f"e{i}"] if i % 3 != 2 else by_email[f"c{i}@x.com"]
        assert found.get("email", "") == one["email"]
        assert found.get("external_id", "") == one["external_id"]
        assert found["firstname"] == f"F{i}"
    keys = [line["key"] for _, line in sorted(results(job).items())]
    assert keys[:3] == ["e0", "e1", "email=c2@x.com"]
    report, findings = verify(job)
    assert (counts(report), findings) == ({"equal": 900}, [])


def test_each_ndjson_row_goes_by_the_first_key_it_has(tmp_path):
    rows = [{name: cell for name, cell in one.items() if cell} for one in mixed(900)]
    source = tmp_path / "rows.ndjson"
    source.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    job = Job(source, make_simulator(quota="none"), dict(BOTH))
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 900)
    assert len(job.held("external_id")) == 600
    assert counts(verify(job)[0]) == {"equal": 900}


def test_no_batch_carries_two_id_properties(tmp_path):
    job = job_of(tmp_path, mixed(900))
    seen = []
    take = job.simulator.account.read_inputs

    def watch(exchange):
        take(exchange)
        if exchange.route.endpoint == "upsert":
            seen.append({one.id_property for one in exchange.inputs})

    job.simulator.account.read_inputs = watch
    job.run_virtual()
    assert {"external_id"} in seen
    assert {"email"} in seen
    assert all(len(names) == 1 for names in seen)


def test_rows_without_any_key_are_invalid_and_counted_apart(tmp_path):
    rows = [row("e1", "a@x.com"), row(city="Ulm"), row("", " ", city="Bonn"), row("", "nobody")]
    job = job_of(tmp_path, rows)
    summary = job.run_virtual().as_dict()
    assert (summary["invalid"], summary["keyless"], summary["created"]) == (3, 2, 1)
    letters = [(letter.category, letter.message) for letter in job.dead_letters()]
    assert letters[:2] == [("KEY", "no external_id or email")] * 2
    assert letters[2] == ("EMAIL", "'nobody' is not an e-mail address")


@pytest.mark.parametrize("seed", some(0, 1, soaked=range(2, 6)))
def test_a_later_row_by_address_waits_for_an_earlier_one_by_id(tmp_path, seed):
    """Row by row through one contact, by either key, with a server that loses every third answer."""
    rows = [
        one
        for i in range(120)
        for one in (
            row(f"e{i}", f"c{i}@x.com", firstname="first", city="Ulm"),
            row("", f"C{i}@x.com", firstname="second"),
            row(f"E{i}", f"c{i}@x.com", city="Bonn"),
        )
    ]
    faults = [{"kind": "reset", "applied": True, "every": 3}, {"kind": "delay", "seconds": 2.0, "every": 4}]
    job = job_of(tmp_path, rows, faults=faults)
    job.seed = seed
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["aliases"]) == (0, 0)
    contacts = job.held()
    assert len(contacts) == 120
    assert {(c["firstname"], c["city"]) for c in contacts.values()} == {("second", "Bonn")}
    assert len(results(job)) == 360
    assert counts(verify(job)[0]) == {"equal": 120}


@pytest.mark.parametrize("shape", ["with_id", "identity"])
@pytest.mark.parametrize("multi_status", [True, False])
def test_an_address_of_another_contact_is_a_conflict_that_names_it(tmp_path, shape, multi_status):
    rows = [
        row("e1", "ann@x.com", city="Ulm"),
        row("", "ann@x.com", city="Bonn"),
        row("e2", "bob@x.com"),
    ]
    rules = {"conflict_body": shape, "multi_status": multi_status}
    job = job_of(tmp_path, rows, people=[{"email": "ann@x.com", "city": "Trier"}], rules=rules)
    (ann,) = job.simulator.objects(0)
    summary = job.run_virtual().as_dict()
    assert (summary["rejected"], summary["updated"], summary["created"]) == (1, 1, 1)
    (letter,) = job.dead_letters()
    assert (letter.row, letter.existing_id) == (2, ann["id"])
    assert letter.category in {"CONFLICT", "OBJECT_ALREADY_EXISTS"}
    assert letter.superseded is None  # HubSpot says whose address it is: another's
    assert job.held()["ann@x.com"]["city"] == "Bonn"
    words = [f"{job.source}.checkpoint", "-o", str(tmp_path / "failed.csv")]
    assert run(["failures", *words]) == 0
    with (tmp_path / "failed.csv").open(encoding="utf-8", newline="") as file:
        assert [line["uploader_existing_id"] for line in csv.DictReader(file)] == [ann["id"]]


def test_a_dead_letter_is_superseded_by_a_later_row_of_its_address(tmp_path):
    """Sent again it would overwrite what the later row, by the other key, has written to the same contact."""
    rows = [
        row("e1", "ann@x.com", city="Ulm"),
        row("e1", "ann@x.com", city="Bonn", tier="tin"),
        row("", "ann@x.com", city="Köln"),
        row("e2", "bob@x.com", tier="tin"),
    ]
    for one in rows:
        one.setdefault("tier", "")
    job = job_of(tmp_path, rows)
    assert job.run_virtual().as_dict()["invalid"] == 2
    assert [(letter.row, letter.superseded) for letter in job.dead_letters()] == [(3, 4), (5, None)]
    assert job.held()["ann@x.com"]["city"] == "Köln"


def test_two_keys_of_one_contact_that_no_row_has_both_of_are_listed(tmp_path):
    rows = [row("e1", city="Ulm"), row("", "ann@x.com", city="Bonn")]
    job = job_of(tmp_path, rows, people=[{"email": "ann@x.com", "external_id": "e1"}])
    assert job.run_virtual().as_dict()["aliases"] == 1
    report, _ = verify(job)
    assert report.doubts == {"several keys of the file led to it": 2}


def test_a_contact_reached_by_an_address_that_it_has_lost_is_listed(tmp_path):
    """The row by that address is written before the one that takes the address away, in a reply of two rows
    that does not say which row is whose.
    """
    rows = [row("e1", "new@x.com"), row("e1", city="Ulm"), row("", "ann@x.com"), row("", "bob@x.com")]
    people = [{"email": "ann@x.com", "external_id": "e1"}, {"email": "bob@x.com"}]
    late = {"kind": "status", "status": 503, "keys": ["e1"], "requests": [1, 1]}
    job = job_of(tmp_path, rows, people, rules={"echo_trace_ids": False}, faults=[late])
    summary = job.run_virtual().as_dict()
    assert (summary["updated"], summary["aliases"]) == (4, 1)


def test_a_contact_that_changes_its_address_and_one_that_takes_it(tmp_path):
    rows = [
        row("e1", "old@x.com", city="Ulm"),
        row("e1", "new@x.com"),
        row("", "old@x.com", city="Bonn"),
        row("", "new@x.com", firstname="Ann"),
    ]
    job = job_of(tmp_path, rows)
    assert job.run_virtual().exit_code == 0
    found = job.held()
    assert (found["new@x.com"]["city"], found["new@x.com"]["firstname"]) == ("Ulm", "Ann")
    assert found["old@x.com"]["city"] == "Bonn"
    report, findings = verify(job)
    assert findings == []
    # Whether the contact kept its former address as a further one, nobody says.
    assert report.doubts == {"rows of another id property share a value with it": 2}


def test_what_rows_are_matched_by_is_the_job_s(tmp_path):
    rows = mixed(2_000)
    job = job_of(tmp_path, rows)
    assert job.run_virtual(stop_after=1.0).tallies.confirmed
    for changed in (("external_id",), ("email", "external_id")):
        with pytest.raises(CheckpointError, match="match"):
            job.run_virtual(match=changed)
    assert job.run_virtual().exit_code == 0
    assert len(job.held("external_id")) == 1_334


def test_a_key_that_no_source_has_is_a_mistake(tmp_path):
    job = Job(write_csv(tmp_path / "r.csv", [{"email": "a@x.com"}]), make_simulator(), dict(BOTH))
    with pytest.raises(SettingsError, match="no column is mapped to 'external_id'"):
        job.run_virtual()


def test_a_source_may_have_one_of_the_keys_only(tmp_path):
    job = job_of(tmp_path, mixed(150))
    second = write_csv(tmp_path / "more.csv", [{"email": f"m{i}@x.com", "city": "Ulm"} for i in range(150)])
    third = write_csv(tmp_path / "third.csv", [{"external_id": f"t{i}", "city": "Ulm"} for i in range(150)])
    summary = job.run_virtual(sources=(str(job.source), str(second), str(third)))
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 450)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"match": ("external_id", "external_id")}, "twice"),
        ({"match": ("external_id", "a/b")}, "--match 'a/b'"),
        ({"match": ("external_id",), "id_property": "customer_number"}, "not both"),
        ({"match": ("email", "hs_object_id")}, "HubSpot's own id cannot be combined"),
    ],
)
def test_senseless_keys_are_refused(tmp_path, options, text):
    with pytest.raises(SettingsError, match=text):
        job_of(tmp_path, mixed(3)).settings(**options)


def test_each_key_has_to_be_unique_in_the_account(tmp_path):
    rows = [{"email": "a@x.com", "city": "Ulm"}]
    job = Job(write_csv(tmp_path / "r.csv", rows), make_simulator(), {"match": ("email", "city")})
    with pytest.raises(SettingsError, match="--match 'city': not a unique property"):
        job.run_virtual()


def test_a_job_that_was_begun_before_there_were_several_keys_goes_on(tmp_path):
    rows = [{"external_id": f"e{i}", "city": "Ulm"} for i in range(2_000)]
    job = Job(
        write_csv(tmp_path / "r.csv", rows),
        make_simulator(quota="190/10", latency_seconds=0.3),
        {"id_property": "external_id"},
    )
    assert job.run_virtual(stop_after=1.0).tallies.confirmed
    with sqlite3.connect(f"{job.source}.checkpoint") as connection:
        (text,) = connection.execute("SELECT value FROM job WHERE name = 'settings'").fetchone()
        known = json.loads(text)
        del known["match"]
        connection.execute("UPDATE job SET value = ? WHERE name = 'settings'", (json.dumps(known),))
        connection.execute("DROP TABLE dead_values")
    connection.close()
    assert job.run_virtual().exit_code == 0
    assert counts(verify(job)[0]) == {"equal": 2_000}
