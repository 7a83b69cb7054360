"""A whole job per type of object and per API version: partial failures, an outage, a kill, and verify."""

import json
from dataclasses import asdict

import pytest

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.soaked import combined
from support.verify_runs import counts, verify
from uploader.errors import SettingsError
from uploader.hubspot.requests import paths
from uploader.mockserver.routes import find_route
from uploader.model.stop import Cause

TYPES = {
    "contacts": "city",
    "companies": "name",
    "deals": "dealname",
    "tickets": "subject",
    "p_cars": "model",
    "2-123456": "model",
    "0-3": "dealname",
}
VERSIONS = ["v3", "2026-03", "2026-09"]


def records(count: int, text: str, **same: str) -> list[dict[str, str]]:
    return [{"external_id": f"e{i}", text: f"T{i}", **same} for i in range(count)]


def job_of(tmp_path, rows, *, options, **scenario) -> Job:
    simulator = make_simulator(quota="190/10", latency_seconds=0.2, **scenario)
    return Job(
        write_csv(tmp_path / "rows.csv", rows),
        simulator,
        {"id_property": "external_id", **options},
    )


def refusal(rows, every: int) -> dict[str, object]:
    """A fault that refuses some of the records, as HubSpot does a value that nobody could foresee."""
    keys = [row["external_id"] for row in rows[3::every]]
    refused = {"code": "INVALID_OPTION", "property": "tier", "message": "tin was not one of the options"}
    return {"kind": "reject", "keys": keys, **refused}


def _is_usual(object_type: str, version: str) -> bool:
    """Contacts in all versions, the other types in one each."""
    return object_type == "contacts" or VERSIONS[list(TYPES).index(object_type) % 3] == version


@pytest.mark.parametrize(("object_type", "version"), combined(TYPES, VERSIONS, usual=_is_usual))
def test_a_whole_job_of_each_type_in_each_version(tmp_path, object_type, version):
    text = TYPES[object_type]
    rows = records(140, text) + records(30, text)
    refused = refusal(rows[30:140], 18)
    faults = [
        refused,
        {"kind": "status", "status": 503, "first": 2},
        {"kind": "reset", "applied": True, "requests": [4, 5]},
    ]
    options = {"object_type": object_type, "api_version": version}
    job = job_of(tmp_path, rows, options=options, faults=faults)
    job.batch_records = 20
    stopped = job.run_virtual(stop_after=1.5)
    assert stopped.state == "stopped"
    summary = job.run_virtual()
    job.check(rows, summary, "external_id")
    assert summary.state == "complete"
    assert summary.as_dict()["rejected"] == len(refused["keys"])
    (category,) = {letter.category for letter in job.dead_letters()}
    assert category == "VALIDATION_ERROR"
    report, findings = verify(job, api_version=version)
    assert (counts(report), findings) == ({"equal": len(job.held("external_id"))}, [])
    used_paths = {request.path for request in job.simulator.statistics.log}
    assert len(used_paths) >= 5
    assert all(f"/{version}/" in f"{path}/" for path in used_paths), used_paths


@pytest.mark.parametrize("version", VERSIONS)
def test_one_upsert_after_the_other_finds_its_record_again(tmp_path, version):
    """A partial failure that names nobody: what is confirmed is confirmed by key or by count."""
    rows = records(300, "name")
    rules = {"errors_without_trace_id": True}
    job = job_of(
        tmp_path,
        rows,
        options={"object_type": "companies", "api_version": version},
        rules=rules,
        faults=[refusal(rows, 50)],
    )
    summary = job.run_virtual()
    job.check(rows, summary, "external_id")
    assert summary.as_dict()["rejected"] == 6


def test_what_an_admin_demands_is_refused_in_2026_09_alone(tmp_path):
    rows = [{**row, "score": "200" if i % 10 == 0 else "7"} for i, row in enumerate(records(200, "name"))]
    demands = [{"property": "score", "rule": "MAX_NUMBER", "arguments": ["100"], "object_type": "companies"}]
    for version, rejected in (("v3", 0), ("2026-03", 0), ("2026-09", 20)):
        (tmp_path / version).mkdir()
        options = {"object_type": "companies", "api_version": version}
        job = job_of(tmp_path / version, rows, options=options, validations=demands)
        summary = job.run_virtual()
        job.check(rows, summary, "external_id")
        assert summary.as_dict()["rejected"] == rejected, version


@pytest.mark.parametrize("column", ["email", "garage"])
def test_the_email_of_a_garage_is_text_like_any_other(tmp_path, column):
    """No address, not unique, kept as it is: many cars have the same one."""
    rows = [{**row, column: f"Garage {i % 2}"} for i, row in enumerate(records(250, "model"))]
    properties = [{"name": "garage", "object_type": "p_cars"}]
    job = job_of(tmp_path, rows, options={"object_type": "p_cars"}, properties=properties)
    summary = job.run_virtual()
    job.check(rows, summary, "external_id")
    assert summary.as_dict()["created"] == 250
    assert summary.as_dict()["held_back"] == 0
    report, _ = verify(job)
    assert counts(report) == {"equal": 250}
    job.simulator.change_records(
        job._clock, [{"external_id": "e0", "properties": {column: "GARAGE 0"}}], [], "p_cars"
    )
    report, _ = verify(job, restart=True)
    assert counts(report) == {"equal": 249, "differs": 1}


def test_a_custom_object_may_be_matched_by_a_property_of_that_name(tmp_path):
    rows = [{"email": f"garage {i}", "model": "Beetle"} for i in range(150)]
    unique = [{"name": "email", "object_type": "p_cars", "unique": True}]
    job = Job(
        write_csv(tmp_path / "cars.csv", rows),
        make_simulator(quota="none", properties=unique),
        {"object_type": "p_cars", "match": ("email",)},
    )
    summary = job.run_virtual()
    job.check(rows, summary)
    assert summary.as_dict()["created"] == 150


def test_rows_of_an_input_s_own_form(tmp_path):
    source = tmp_path / "deals.ndjson"
    lines = [
        {"id": f"e{i}", "idProperty": "external_id", "properties": {"dealname": f"T{i}"}} for i in range(120)
    ]
    lines[5]["idProperty"] = "email"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    options = {"object_type": "deals", "id_property": "external_id"}
    job = Job(source, make_simulator(quota="none"), options)
    summary = job.run_virtual()
    assert (summary.as_dict()["created"], summary.as_dict()["invalid"]) == (119, 1)
    assert "unique" in job.dead_letters()[0].message


@pytest.mark.parametrize("object_type", ["companies", "0-3", "p_cars"])
def test_other_objects_need_a_key_to_be_named(tmp_path, object_type):
    job = job_of(tmp_path, records(3, "name"), options={"object_type": object_type, "id_property": "email"})
    with pytest.raises(SettingsError, match="--id-property") as caught:
        job.settings()
    assert object_type in str(caught.value)


@pytest.mark.parametrize(
    ("object_type", "name", "text"),
    [
        ("companies", "name", "choose one of customer_number, domain, external_id"),
        ("p_cars", "model", "match records by it"),
        ("deals", "favourite", "no property of deals with that name"),
        ("contacts", "city", "choose one of customer_number, email, external_id"),
    ],
)
def test_a_key_that_is_none_is_said_before_the_first_write(tmp_path, object_type, name, text):
    job = job_of(tmp_path, [{name: "x"}], options={"object_type": object_type, "id_property": name})
    with pytest.raises(SettingsError, match=text):
        job.run_virtual()
    assert job.simulator.stats()["upserts"] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_type_that_is_not_there_stops_the_job_at_once(tmp_path, version):
    options = {"object_type": "butterflies", "api_version": version}
    summary = job_of(tmp_path, records(3, "name"), options=options).run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.ADDRESS, 2)
    assert "butterflies" in summary.reason


def test_a_token_that_may_not_write_companies_stops_the_job(tmp_path):
    scopes = ["oauth", "crm.objects.contacts.write", "crm.objects.contacts.read"]
    job = job_of(tmp_path, records(3, "name"), options={"object_type": "companies"}, auth={"scopes": scopes})
    assert job.run_virtual().cause is Cause.SCOPE


@pytest.mark.parametrize("version", VERSIONS)
def test_every_address_of_a_version_s_table_is_one_of_that_version(version):
    addresses = asdict(paths(version, "0-2"))
    assert addresses.pop("searched") == "domain"
    for name, path in addresses.items():
        found = [route for method in ("GET", "POST") if (route := find_route(method, path))]
        endpoint = {"lists": "create_list"}.get(name, name)
        assert endpoint in {route.endpoint for route in found}, path  # others may share the address
        same = {"token_info": "v2", "association_labels": "v4"}
        older = dict.fromkeys(("associations", "associate", "dissociate", "end_labels"), "v4")
        assert found[0].version == {**same, **(older if version == "v3" else {})}.get(name, version)
