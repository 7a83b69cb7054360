"""Companies by domain: found by search, updated by id, created once, whatever becomes of the requests."""

import csv
import random
from pathlib import Path

import pytest

from support.jobs import companies, counts_of, job_by_domain
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, reading, run_process
from support.soaked import some
from uploader.jobs import opening
from uploader.pipeline.failure_limits import FailureLimit


def results(job) -> dict[int, dict[str, str]]:
    """The lines of the results file, by row."""
    with Path(f"{job.source}.results.csv").open(encoding="utf-8", newline="") as file:
        return {int(line["row"]): line for line in csv.DictReader(file)}


def sent_to(job, ending: str) -> int:
    """How many requests had a path that ends so."""
    return sum(seen.path.endswith(ending) for seen in job.simulator.statistics.log)


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_companies_are_updated_by_id_or_created(tmp_path, version):
    held = [{"domain": f"d{n}.com", "name": f"Old {n}"} for n in range(150)]
    rows = [{"domain": f"https://www.D{n}.com/", "name": f"New {n}"} for n in range(300)]
    job = job_by_domain(tmp_path, rows, held)
    summary = job.run_virtual(api_version=version)
    assert counts_of(summary, "created", "updated", "rejected", "invalid") == (150, 150, 0, 0)
    assert companies(job) == sorted((f"d{n}.com", f"New {n}") for n in range(300))
    assert (sent_to(job, "/create"), sent_to(job, "/update"), sent_to(job, "/search")) == (2, 2, 5)
    ids = {one["properties"]["domain"]: one["id"] for one in job.simulator.objects(1e9, "companies")}
    assert all(line["hubspot_id"] == ids[line["key"]] for line in results(job).values())


def test_a_domain_of_several_companies_is_rejected_by_name(tmp_path):
    held = [{"domain": "a.com"}, {"domain": "b.com"}, {"domain": "B.com"}]
    rows = [{"domain": "a.com", "name": "A"}, {"domain": "www.b.com", "name": "B"}]
    job = job_by_domain(tmp_path, rows, held)
    summary = job.run_virtual()
    assert counts_of(summary, "created", "updated", "rejected") == (0, 1, 1)
    (letter,) = job.dead_letters()
    ids = [
        one["id"]
        for one in job.simulator.objects(1e9, "companies")
        if one["properties"]["domain"].lower() == "b.com"
    ]
    assert (letter.key, letter.category) == ("b.com", "AMBIGUOUS")
    assert letter.message == f"2 records have this domain: {', '.join(ids)}"
    assert "B" not in {name for _, name in companies(job)}


def test_later_rows_update_what_an_earlier_one_created_although_no_search_finds_it(tmp_path):
    rows = [{"domain": f"d{n % 7}.com", "name": f"Name {n}", "city": f"C{n % 3}"} for n in range(60)]
    job = job_by_domain(tmp_path, rows, rules={"search_lag_seconds": 1e6})
    summary = job.run_virtual()
    assert counts_of(summary, "created", "updated") == (7, 53)
    assert companies(job) == [(f"d{n}.com", f"Name {53 + (n - 53) % 7}") for n in range(7)]


@pytest.mark.parametrize("cell", ["info@acme.com", "acme", "a b.com", "acme.com;b.com", ""])
def test_cells_that_are_no_domains_are_invalid(tmp_path, cell):
    job = job_by_domain(tmp_path, [{"domain": cell, "name": "A"}, {"domain": "b.com", "name": "B"}])
    assert counts_of(job.run_virtual(), "invalid", "created") == (1, 1)


def fault(kind, **more):
    return {"kind": kind, "endpoint": "create", **more}


#: What may become of a request that creates companies, without an answer that says so.
LOST = {
    "reset": fault("reset", applied=True),
    "gateway": fault("status", status=502, shape="html", applied=True),
    "not created": fault("status", status=503, applied=False),
    "created later": fault("status", status=504, applied=False, late_seconds=90),
    "silent": fault("no_op", applied=False, late_seconds=30),
    "without results": fault("drop_results", count=40),
    "accepted": fault("batch_status", applied=True, results_share=0.3),
    "accepted, and created later": fault("batch_status", applied=False, late_seconds=100),
    "cut off": fault("truncate", applied=True),
    "garbled": fault("garble"),
    "cancelled": fault("batch_status", status="CANCELED", applied=True),
    "unnamed errors": fault("rules", rules={"errors_without_trace_id": True}),
}


#: Others of these end in the same way.
ALIKE = {"gateway", "garbled", "cut off", "accepted", "cancelled"}


@pytest.mark.parametrize("name", some(*(one for one in LOST if one not in ALIKE), soaked=sorted(ALIKE)))
def test_no_company_is_created_twice_where_an_answer_is_lost(tmp_path, name):
    rows = [{"domain": f"d{n % 150}.com", "name": f"Name {n}"} for n in range(200)]
    rows.insert(20, {"domain": "bad.com", "name": "x" * 70_000})
    job = job_by_domain(tmp_path, rows, faults=[{**LOST[name], "times": 1}])
    summary = job.run_virtual()
    outcomes = job.outcomes()
    job.check_sums(summary, outcomes)
    assert counts_of(summary, "rejected", "abandoned", "pending", "invalid") in {(1, 0, 0, 0), (0, 0, 0, 1)}
    assert summary.as_dict()["created"] + summary.as_dict()["updated"] == 200
    assert companies(job) == sorted((f"d{n}.com", f"Name {150 + n if n < 50 else n}") for n in range(150))


@pytest.mark.parametrize("updates", ["fail", "succeed"])
def test_none_is_created_twice_through_an_outage(tmp_path, updates):
    """Those that HubSpot has carried out are found. The others wait for the next invocation, or are
    abandoned where other writes succeed.
    """
    rows = [{"domain": f"d{n}.com", "name": f"Name {n}"} for n in range(12)]
    faults = [fault("status", status=503, applied=True, times=1), fault("status", status=503)]
    if updates == "fail":
        faults.append({"kind": "status", "status": 503, "endpoint": "update"})
    job = job_by_domain(tmp_path, rows, faults=faults)
    job.batch_records = 6
    summary = job.run_virtual()
    found = counts_of(summary, "updated", "abandoned"), summary.exit_code
    assert found == (((6, 0), 75) if updates == "fail" else ((6, 6), 1))
    assert [domain for domain, _ in companies(job)] == [f"d{n}.com" for n in range(6)]
    job.simulator.change_scenario(make_simulator().scenario)
    job.run_virtual(restart=updates == "succeed")
    assert companies(job) == sorted((f"d{n}.com", f"Name {n}") for n in range(12))


def test_a_job_begun_anew_does_not_create_what_the_one_before_has_just_created(tmp_path):
    """It does not know it any more, and no search finds it yet."""
    rows = [{"domain": f"d{n}.com", "name": f"Name {n}"} for n in range(30)]
    job = job_by_domain(tmp_path, rows, rules={"search_lag_seconds": 60})
    assert counts_of(job.run_virtual(), "created") == (30,)
    assert counts_of(job.run_virtual(restart=True), "created", "updated") == (0, 30)
    assert len(companies(job)) == 30


#: Of all requests that such a job sends, and of late or lost creations.
FAULTS = [
    fault("status", status=503, rate=0.08),
    fault("reset", applied=True, rate=0.08),
    fault("status", status=502, shape="html", applied=True, rate=0.05),
    fault("status", status=504, applied=False, late_seconds=60, rate=0.05),
    fault("drop_results", rate=0.05),
    fault("batch_status", applied=True, rate=0.03),
    fault("status", status=429, rate=0.05),
    {"kind": "reset", "applied": True, "rate": 0.1, "endpoint": "update"},
    {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "update"},
    {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "search"},
    {"kind": "status", "status": 429, "rate": 0.05, "endpoint": "search"},
]


@pytest.mark.parametrize("seed", some(0, soaked=range(1, 12)))
def test_a_job_that_is_killed_again_and_again_creates_each_company_once(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)
    choose = random.Random(seed)
    held = [{"domain": f"d{n}.com", "name": f"Old {n}"} for n in range(30)]
    held += [{"domain": f"twin{n % 3}.com", "name": "Twin"} for n in range(6)]
    domains = [*(f"d{n}.com" for n in range(90)), *(f"twin{n}.com" for n in range(3))]
    rows = [{"domain": choose.choice(domains), "name": f"Name {n}"} for n in range(160)]
    job = job_by_domain(tmp_path, rows, held, faults=FAULTS, seed=seed)
    job.options |= {"snapshot": seed % 2 == 1, "max_failures": FailureLimit(count=10**6)}
    kinds, summary = ["kill", "kill in a commit", "signal"], None
    with reading(slice_rows=20, most_open=80):
        for number in range(8):
            run_process(job, Stop(0.3 + 0.4 * number, kinds[number % 3]), batch_records=8)
        while summary is None or summary.state != "complete":
            summary = run_process(job, None, batch_records=8)
    outcomes = job.outcomes()
    job.check_sums(summary, outcomes)
    assert (summary.as_dict()["rows"], summary.as_dict()["pending"]) == (160, 0)
    by_row = {number: (row, outcomes[number]) for number, row in enumerate(rows, 2)}
    twins = {row["domain"] for row in rows if row["domain"].startswith("twin")}
    assert {row["domain"] for row, outcome in by_row.values() if outcome == "rejected"} == twins
    wanted = {one["domain"]: one["name"] for one in held[:30]}
    wanted |= {row["domain"]: row["name"] for row, outcome in by_row.values() if outcome != "rejected"}
    unsure = {row["domain"] for row, outcome in by_row.values() if outcome == "abandoned"}
    found = [one for one in companies(job) if not one[0].startswith("twin")]
    assert len({domain for domain, _ in found}) == len(found)
    assert {one: name for one, name in found if one not in unsure} == {
        one: name for one, name in wanted.items() if one not in unsure
    }
    assert len(unsure) < 5


@pytest.mark.parametrize("rules", [{}, {"multi_status": False}, {"conflict": "batch"}])
def test_a_unique_value_that_another_company_has_rejects_its_row_unless_it_is_freed(tmp_path, rules):
    held = [{"domain": "a.com", "external_id": "1"}, {"domain": "b.com", "external_id": "2"}]
    rows = [
        {"domain": "new4.com", "external_id": "4"},
        {"domain": "new3.com", "external_id": "2"},
        {"domain": "a.com", "external_id": "9"},
        {"domain": "new2.com", "external_id": "1"},  # freed by the row before
    ]
    job = job_by_domain(tmp_path, rows, held, rules=rules)
    summary = job.run_virtual()
    assert counts_of(summary, "created", "updated", "rejected") == (2, 1, 1)
    (letter,) = job.dead_letters()
    assert (letter.key, letter.category) == ("new3.com", "CONFLICT")
    assert [domain for domain, _ in companies(job)] == ["a.com", "b.com", "new2.com", "new4.com"]


@pytest.mark.parametrize("reads", [False, True])
def test_a_company_that_the_job_created_and_somebody_deleted(tmp_path, reads):
    """Its later rows are rejected by name, or it is created anew where it is read before it is written."""
    rows = [{"domain": f"d{n % 10}.com", "name": f"Name {n}"} for n in range(20)]
    job = job_by_domain(tmp_path, rows, rules={"search_lag_seconds": 1e6})
    assert job.run_virtual(limit=10).tallies.settled == 10
    ids = [one["id"] for one in job.simulator.objects(1e9, "companies")]
    job.simulator.change_records(job._clock, [], ids[:3], "companies")
    summary = job.run_virtual(skip_unchanged=reads, accept_changed_settings=True)
    assert counts_of(summary, "created", "updated", "rejected") == ((13, 7, 0) if reads else (10, 7, 3))
    assert len(companies(job)) == (10 if reads else 7)
    assert {letter.category for letter in job.dead_letters()} <= {"OBJECT_NOT_FOUND"}
