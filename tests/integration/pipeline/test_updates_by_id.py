"""Jobs that update records by HubSpot's own id: nothing is ever created."""

import csv
import random
from pathlib import Path

import pytest

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, reading, run_process
from support.soaked import some
from support.undo_runs import counts as undone, state, undo
from support.verify_runs import counts, verify
from uploader.jobs import opening
from uploader.mockserver.account.store import FIRST_ID
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.write_policy import Only, Policy

TEXTS = {"contacts": "city", "companies": "name", "deals": "dealname", "tickets": "subject"}
ABSENT = "999"


def job_of(tmp_path, rows, held, *, object_type="contacts", columns=(), **scenario) -> Job:
    """A job over records; contacts have the ids `id_(0)`, `id_(1)` and so on."""
    simulator = make_simulator(**{"quota": "190/10", "latency_seconds": 0.1, **scenario})
    simulator.reset(0.0, objects={object_type: [{"properties": dict(one)} for one in held]})
    source = write_csv(tmp_path / "export.csv", rows, columns)
    return Job(source, simulator, {"id_property": "id", "object_type": object_type})


def id_(number: int) -> str:
    return str(FIRST_ID + number)


def people(count: int) -> list[dict[str, str]]:
    return [{"email": f"c{n}@x.com", "city": f"Old {n}", "firstname": f"F{n}"} for n in range(count)]


def results(job: Job) -> dict[str, dict[str, str]]:
    """The lines of the results file, by key."""
    with Path(f"{job.source}.results.csv").open(encoding="utf-8", newline="") as file:
        return {line["key"]: line for line in csv.DictReader(file)}


def values(job: Job, name: str, object_type: str = "contacts") -> dict[str, str]:
    """A property of all live records, by id."""
    return {one: held.get(name, "") for one, held in state(job, object_type).items()}


def ends_of_paths(job: Job) -> set[str]:
    """The endings of the paths that were written to."""
    paths = {seen.path.rpartition("/")[2] for seen in job.simulator.statistics.log if "/batch/" in seen.path}
    return paths - {"read"}


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
@pytest.mark.parametrize(("object_type", "text"), TEXTS.items())
def test_rows_update_records_by_id_and_create_none(tmp_path, object_type, text, version):
    held = [{text: f"Old {n}"} for n in range(250)]
    job = job_of(tmp_path, [{"hs_object_id": ABSENT}], held, object_type=object_type)
    ids = [one["id"] for one in job.simulator.objects(0.0, object_type)]
    rows = [{"hs_object_id": one, text: f"New {n}"} for n, one in enumerate(ids)]
    rows.insert(7, {"hs_object_id": ABSENT, text: "lost"})
    write_csv(job.source, rows)
    summary = job.run_virtual(api_version=version)
    found = summary.as_dict()
    assert (found["created"], found["updated"], found["rejected"]) == (0, 250, 1)
    assert values(job, text, object_type) == {one: f"New {n}" for n, one in enumerate(ids)}
    assert ends_of_paths(job) == {"update"}
    (letter,) = job.dead_letters()
    assert (letter.key, letter.category) == (ABSENT, "OBJECT_NOT_FOUND")
    assert results(job)[ids[3]]["hubspot_id"] == ids[3]


def test_an_export_goes_back_as_it_came(tmp_path):
    """By the names of HubSpot's exports; records deleted since are rejected by name."""
    rows = [
        {"Record ID": id_(n), "First Name": f"F{n}", "Email": f"c{n}@x.com", "City": f"New {n}"}
        for n in range(300)
    ]
    job = job_of(tmp_path, rows, people(300))
    gone = {id_(4), id_(150), id_(299)}
    job.simulator.change_records(0.0, [], list(gone))
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["rejected"], summary.as_dict()["updated"]) == (1, 3, 297)
    assert {letter.key for letter in job.dead_letters()} == gone
    assert values(job, "city") == {id_(n): f"New {n}" for n in range(300) if id_(n) not in gone}
    assert len(list(job.simulator.objects(1e9))) == 300  # archived ones, too
    report, findings = verify(job)
    assert (counts(report), findings) == ({"equal": 297}, [])


def test_an_export_of_companies_goes_back_as_it_came(tmp_path):
    held = [{"name": f"Old {n}", "domain": f"d{n % 9}.com"} for n in range(30)]
    job = job_of(tmp_path, [{"Record ID": ABSENT}], held, object_type="companies")
    ids = [one["id"] for one in job.simulator.objects(0.0, "companies")]
    gone = {ids[4], ids[20]}
    job.simulator.change_records(0.0, [], list(gone), "companies")
    rows = [
        {"Record ID": one, "Company name": f"New {n}", "Company Domain Name": f"d{n % 9}.com"}
        for n, one in enumerate(ids)
    ]
    write_csv(job.source, rows)
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["rejected"], summary.as_dict()["updated"]) == (1, 2, 28)
    assert {letter.key for letter in job.dead_letters()} == gone
    assert {letter.category for letter in job.dead_letters()} == {"OBJECT_NOT_FOUND"}
    assert len(list(job.simulator.objects(1e9, "companies"))) == 30  # archived ones, too
    assert values(job, "name", "companies") == {
        one: f"New {n}" for n, one in enumerate(ids) if one not in gone
    }


def test_the_column_of_an_export_is_the_key_although_properties_cannot_be_read(tmp_path):
    rows = [{"Record ID": id_(n), "city": "New"} for n in range(3)]
    scopes = ["crm.objects.contacts.read", "crm.objects.contacts.write"]
    job = job_of(tmp_path, rows, people(3), auth={"scopes": scopes})
    assert job.run_virtual().as_dict()["updated"] == 3


def test_cells_that_are_no_ids_are_invalid_and_ids_are_compared_as_numbers(tmp_path):
    rows = [
        {"Record ID": f"000{id_(0)}", "city": "A"},
        {"Record ID": "c1@x.com", "city": "B"},
        {"Record ID": "", "city": "C"},
        {"Record ID": "1.71596E+11", "city": "D"},
        {"Record ID": f" {id_(0)} ", "city": "E"},
    ]
    job = job_of(tmp_path, rows, people(2))
    summary = job.run_virtual()
    assert summary.as_dict()["invalid"] == 3
    assert values(job, "city") == {id_(0): "E", id_(1): "Old 1"}
    reasons = {letter.row: letter.message for letter in job.dead_letters()}
    assert "'c1@x.com' is no id of a record" in reasons[3]


def test_rows_in_the_form_of_the_api_need_no_id_property_and_may_have_no_other(tmp_path):
    job = job_of(tmp_path, [{"id": "1"}], people(3))
    job.source.write_text(
        f'{{"id": "{id_(0)}", "properties": {{"city": "A"}}}}\n'
        f'{{"id": {id_(1)}, "properties": {{"city": "B", "hs_object_id": "{id_(1)}"}}}}\n'
        '{"id": "new@x.com", "idProperty": "email", "properties": {"city": "C"}}\n'
    )
    with job.source.open("a") as file:
        file.write(f'{{"Record ID": {id_(2)}, "city": "D"}}\n')
    found = job.run_virtual().as_dict()
    assert (found["updated"], found["invalid"], found["created"]) == (3, 1, 0)
    assert values(job, "city") == {id_(0): "A", id_(1): "B", id_(2): "D"}


@pytest.mark.parametrize(("key", "warns"), [("id", False), ("email", True)])
def test_a_full_account_is_no_matter_where_nothing_is_created(tmp_path, key, warns):
    rows = [{"Record ID": id_(n), "email": f"c{n}@x.com"} for n in range(20)]
    job = job_of(tmp_path, rows, people(20), account={"record_limit": 20})
    job.options |= {"id_property": key, "ignored": frozenset(() if key == "id" else ["Record ID"])}
    assert any("more records" in text for text in check(job).warnings) == warns


def test_several_rows_of_one_record_are_written_in_file_order(tmp_path):
    rows = [{"Record ID": id_(n % 5), "city": f"City {n}"} for n in range(40)]
    job = job_of(tmp_path, rows, people(5))
    assert job.run_virtual().as_dict()["updated"] == 40
    assert values(job, "city") == {id_(n): f"City {35 + n}" for n in range(5)}


def test_addresses_move_between_records_in_file_order(tmp_path):
    """An address is unique whatever the key is: a row waits for the one that frees its address."""
    rows = [
        {"Record ID": id_(0), "email": "free@x.com"},
        {"Record ID": id_(1), "email": "c0@x.com"},
        {"Record ID": id_(3), "email": "later@x.com"},
        {"Record ID": id_(2), "email": "c1@x.com"},
    ]
    job = job_of(tmp_path, rows, people(4))
    summary = job.run_virtual()
    assert values(job, "email") == {
        id_(0): "free@x.com",
        id_(1): "c0@x.com",
        id_(2): "c1@x.com",
        id_(3): "later@x.com",
    }
    assert (summary.as_dict()["rejected"], summary.as_dict()["updated"]) == (0, 4)


@pytest.mark.parametrize("echo", [True, False])
def test_the_old_id_of_a_merged_record_leads_to_the_one_it_was_merged_into(tmp_path, echo):
    rows = [{"Record ID": id_(n), "city": f"New {n}"} for n in range(20)]
    rows.append({"Record ID": ABSENT, "city": "lost"})
    job = job_of(tmp_path, rows, people(20), rules={"echo_trace_ids": echo})
    merged = [job.simulator.merge(0.0, {"id": id_(n)}, {"id": id_(n + 1)}) for n in (2, 8)]
    write_csv(job.source, [*rows, {"Record ID": merged[0], "city": "New M"}])
    summary = job.run_virtual()
    assert (summary.as_dict()["updated"], summary.as_dict()["rejected"]) == (21, 1)
    cities = values(job, "city")
    assert cities[merged[0]] in {"New 2", "New 3", "New M"}
    assert cities[id_(5)] == "New 5"
    assert results(job)[id_(5)]["hubspot_id"] == id_(5)
    assert {results(job)[id_(n)]["hubspot_id"] for n in (2, 3)} <= {merged[0], ""}
    # The order of the rows of one record is not sure, and that is listed.
    assert summary.as_dict()["aliases"] == 2
    report, findings = verify(job)
    assert counts(report).get("missing", 0) == counts(report).get("differs", 0) == 0
    assert {one.note for one in findings if one.property == "hs_object_id"} <= {
        "the record was merged into another one"
    }


def test_nothing_is_sent_for_values_that_are_there_and_existing_ones_stay(tmp_path):
    held = [{"email": f"c{n}@x.com", "city": "Ulm" if n % 2 else ""} for n in range(10)]
    rows = [{"Record ID": id_(n), "city": "Bonn", "email": f"c{n}@x.com"} for n in range(10)]
    rows.append({"Record ID": ABSENT, "city": "Bonn", "email": "new@x.com"})
    job = job_of(tmp_path, rows, held)
    found = job.run_virtual(policy=Policy.FILL, skip_unchanged=True).as_dict()
    assert (found["updated"], found["unchanged"], found["rejected"], found["created"]) == (5, 5, 1, 0)
    assert set(values(job, "city").values()) == {"Ulm", "Bonn"}
    again = Job(write_csv(tmp_path / "again.csv", rows), job.simulator, job.options)
    again._clock = job._clock
    found = again.run_virtual(skip_unchanged=True, only_records=Only.EXISTING).as_dict()
    assert (found["updated"], found["unchanged"], found["skipped"]) == (5, 5, 1)


def test_updates_that_are_accepted_and_not_confirmed_are_read_back_by_id(tmp_path):
    rows = [{"Record ID": id_(n), "city": f"New {n}"} for n in range(300)]
    pending = {"kind": "batch_status", "late_seconds": 2, "requests": [1, 2], "endpoint": "update"}
    job = job_of(tmp_path, rows, people(300), faults=[pending])
    found = job.run_virtual().as_dict()
    assert (found["updated"], found["pending"]) == (300, 0)
    assert values(job, "city") == {id_(n): f"New {n}" for n in range(300)}


def test_a_record_that_breaks_every_request_is_found_by_a_write_to_one_that_was_written(tmp_path):
    """Such a write is an update, too: it creates nothing."""
    rows = [{"Record ID": id_(n), "city": f"New {n}"} for n in range(250)]
    breaks = {"kind": "status", "status": 500, "keys": [id_(200)], "endpoint": "update"}
    job = job_of(tmp_path, rows, people(250), faults=[breaks])
    found = job.run_virtual().as_dict()
    assert (found["updated"], found["abandoned"], found["created"]) == (249, 1, 0)
    assert ends_of_paths(job) == {"update"}


@pytest.mark.parametrize(
    "rules",
    [
        {"multi_status": False},
        {"errors_without_trace_id": True},
        {"group_errors": "ids"},
        {"errors_in_200": True},
    ],
)
def test_refused_and_absent_records_are_found_however_a_reply_names_them(tmp_path, rules):
    rows = [{"Record ID": id_(n), "city": f"New {n}"} for n in range(150)]
    for n in (30, 70, 149):
        rows[n]["Record ID"] = f"{ABSENT}0{n}"
    refuse = {"kind": "reject", "keys": [id_(n) for n in (5, 31, 100)], "endpoint": "update"}
    refuse |= {"code": "INVALID_OPTION", "property": "city", "message": "no such city"}
    job = job_of(tmp_path, rows, people(150), rules=rules, faults=[refuse])
    found = job.run_virtual().as_dict()
    assert (found["updated"], found["rejected"]) == (144, 6)
    assert {letter.row - 2 for letter in job.dead_letters()} == {5, 30, 31, 70, 100, 149}


def test_the_first_rows_are_read_back_by_id_and_reviewed(tmp_path):
    reviews = []

    async def judge(review):
        reviews.append(review)
        return True

    rows = [{"Record ID": id_(n), "city": f"New {n}"} for n in range(150)]
    job = job_of(tmp_path, rows, people(150), account={"account_type": "STANDARD"})
    job.simulator.merge(0.0, {"id": id_(3)}, {"id": id_(140)})
    summary = job.run_virtual(judge=judge)
    assert summary.as_dict()["updated"] == 150
    assert [(one.rows, one.as_sent, one.is_clean) for one in reviews] == [(100, 100, True)]


def test_undo_restores_what_the_records_held(tmp_path):
    rows = [{"Record ID": id_(n), "city": f"New {n}", "email": f"new{n}@x.com"} for n in range(50)]
    rows.append({"Record ID": ABSENT, "city": "lost", "email": "lost@x.com"})
    job = job_of(tmp_path, rows, people(50))
    before = state(job)
    merged = job.simulator.merge(0.0, {"id": id_(0)}, {"id": id_(1)})
    before = state(job)
    job.run_virtual(snapshot=True)
    assert state(job)[merged]["city"] in {"New 0", "New 1"}
    report, kept = undo(job)
    assert (report.end, kept) == (None, [])
    assert undone(report) == {"restored": 49, "alias": 1}
    texts = ("city", "email")
    assert {one: [held.get(n) for n in texts] for one, held in state(job).items()} == {
        one: [held.get(n) for n in texts] for one, held in before.items()
    }


#: Of updates, and of the reads after them.
FAULTS = [
    {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "update"},
    {"kind": "reset", "applied": True, "rate": 0.1, "endpoint": "update"},
    {"kind": "status", "status": 502, "shape": "html", "applied": True, "rate": 0.1, "endpoint": "update"},
    {"kind": "batch_status", "applied": True, "rate": 0.05, "endpoint": "update"},
    {"kind": "drop_results", "rate": 0.05, "endpoint": "update"},
]


def applied(rows, outcomes, held):
    """The oracle: the records, by id, after the rows applied one at a time, but for the rejected ones."""
    records = {id_(n): dict(one) for n, one in enumerate(held)}
    for row, outcome in zip(rows, outcomes, strict=True):
        if outcome == "updated":
            records[row["Record ID"]].update(city=row["city"], email=row["email"])
    return {one: (record["city"], record["email"]) for one, record in records.items()}


@pytest.mark.parametrize("seed", some(0, soaked=[1]))
def test_a_job_that_is_killed_again_and_again_ends_as_if_sequential(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)
    choose = random.Random(seed)
    held = people(60)
    addresses = [one["email"] for one in held] + [f"free{n}@x.com" for n in range(90)]
    rows = [
        {
            "Record ID": choose.choice(
                [id_(choose.randrange(60)), id_(choose.randrange(60)), f"{ABSENT}0{n}"]
            )
            if n % 5 == 0
            else id_(choose.randrange(60)),
            "email": choose.choice(addresses),
            "city": f"City {n}",
        }
        for n in range(300)
    ]
    job = job_of(tmp_path, rows, held, faults=FAULTS, seed=seed)
    job.options |= {"snapshot": seed % 2 == 1, "max_failures": FailureLimit(count=10**6)}
    kinds = ["kill", "kill in a commit", "signal"]
    summary = None
    with reading(slice_rows=20, most_open=100):
        for number in range(12):
            run_process(job, Stop(0.2 + 0.15 * number, kinds[number % 3]), batch_records=8)
        while summary is None or summary.state != "complete":
            summary = run_process(job, None, batch_records=8)
    outcomes = job.outcomes()
    job.check_sums(summary, outcomes)
    assert (summary.as_dict()["rows"], set(outcomes.values())) == (300, {"updated", "rejected"})
    refused = {letter.row: letter.category for letter in job.dead_letters()}
    absent = {n for n, row in enumerate(rows, 2) if row["Record ID"].startswith(f"{ABSENT}0")}
    assert {row for row, category in refused.items() if category == "OBJECT_NOT_FOUND"} == absent
    assert {row for row, category in refused.items() if category != "CONFLICT"} == absent
    in_order = [outcomes[n] for n in range(2, len(rows) + 2)]
    held_now = {one: (r["city"], r["email"]) for one, r in state(job).items()}
    assert held_now == applied(rows, in_order, held)
