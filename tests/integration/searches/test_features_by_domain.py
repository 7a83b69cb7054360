"""What else a job of companies by domain has: rules of writing, preview, canary, check, verify, undo."""

import pytest

from support.check_runs import check
from support.jobs import companies, counts_of, job_by_domain
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, reading, run_process
from support.soaked import some
from support.undo_runs import counts as undone, state, undo
from support.verify_runs import counts as verified, verify
from uploader.errors import SettingsError
from uploader.jobs import opening
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.duplicates import OnDuplicate
from uploader.records.write_policy import Only, Policy

HELD = [{"domain": f"d{n}.com", "name": f"Old {n}"} for n in range(60)]
HELD += [{"domain": "twin.com", "name": "Twin"}] * 2
ROWS = [{"domain": f"d{n % 100}.com", "name": f"New {n}", "city": "Bonn"} for n in range(120)]
ROWS.insert(5, {"domain": "twin.com", "name": "New Twin", "city": "Bonn"})


def test_rules_for_values_and_companies_hold(tmp_path):
    job = job_by_domain(tmp_path, ROWS, HELD)
    summary = job.run_virtual(policy=Policy.FILL, skip_unchanged=True)
    assert counts_of(summary, "created", "updated", "unchanged", "rejected") == (40, 60, 20, 1)
    assert {name for domain, name in companies(job) if domain == "d3.com"} == {"Old 3"}
    assert {name for domain, name in companies(job) if domain == "d80.com"} == {"New 80"}
    job = job_by_domain(tmp_path, ROWS, HELD)
    summary = job.run_virtual(only_records=Only.EXISTING, restart=True)
    assert counts_of(summary, "created", "updated", "skipped", "rejected") == (0, 80, 40, 1)
    job = job_by_domain(tmp_path, ROWS, HELD)
    summary = job.run_virtual(only_records=Only.NEW, restart=True)
    assert counts_of(summary, "created", "updated", "skipped", "rejected") == (40, 0, 80, 1)


def test_verify_finds_what_was_changed_although_searches_lag(tmp_path):
    job = job_by_domain(tmp_path, ROWS, HELD, rules={"search_lag_seconds": 10_000})
    assert job.run_virtual().as_dict()["rejected"] == 1
    report, findings = verify(job)
    assert (verified(report), findings) == ({"equal": 100}, [])
    ids = {one["properties"]["domain"]: one["id"] for one in job.simulator.objects(1e9, "companies")}
    job.simulator.change_records(
        job._clock, [{"id": ids["d70.com"], "properties": {"name": "Else"}}], [ids["d90.com"]], "companies"
    )
    report, findings = verify(job, restart=True)
    assert verified(report) == {"equal": 98, "differs": 1, "missing": 1}
    assert {(one.property, one.found) for one in findings if one.property} == {
        ("name", "Else"),
        ("domain", ""),
    }


def test_undo_archives_what_was_created_and_restores_what_was_changed(tmp_path):
    job = job_by_domain(tmp_path, ROWS, HELD, rules={"search_lag_seconds": 10_000})
    before = state(job, "companies")
    job.run_virtual(snapshot=True)
    assert len(state(job, "companies")) == 102
    report, kept = undo(job)
    assert (report.end, kept, undone(report)) == (None, [], {"archived": 40, "restored": 60})
    after = state(job, "companies")
    assert {one: (held["domain"], held["name"]) for one, held in after.items()} == {
        one: (held["domain"], held["name"]) for one, held in before.items()
    }
    assert not any(held.get("city") for held in after.values())


def test_the_first_companies_are_read_back_at_once(tmp_path):
    reviews = []

    async def judge(review):
        reviews.append(review)
        return True

    account = {"account_type": "STANDARD"}
    job = job_by_domain(tmp_path, ROWS, HELD, rules={"search_lag_seconds": 10_000}, account=account)
    summary = job.run_virtual(judge=judge)
    assert counts_of(summary, "created", "updated", "rejected") == (40, 80, 1)
    assert [(one.rows, one.as_sent) for one in reviews] == [(100, 99)]


def test_check_accepts_the_key_and_counts_the_searches(tmp_path):
    rows = [{"domain": f"d{n}.com", "name": f"New {n}"} for n in range(2_500)]
    report = check(job_by_domain(tmp_path, rows, HELD))
    assert report.problems == []
    ahead = report.workload.forecast
    assert (report.workload.batches, ahead.requests) == (25, 75)
    assert ahead.seconds > 5.0


def test_a_domain_is_no_key_of_other_types_and_goes_with_no_other_key(tmp_path):
    job = job_by_domain(tmp_path, ROWS)
    with pytest.raises(SettingsError, match="not a unique property"):
        job.run_virtual(object_type="deals", mapped={"domain": "dealname"}, id_property="dealname")
    with pytest.raises(SettingsError, match="cannot be combined"):
        job.settings(id_property="email", match=("domain", "name"))
    with pytest.raises(SettingsError, match="--id-property, or domain"):
        job.settings(id_property="email")


@pytest.mark.parametrize("seed", some(0, soaked=range(1, 12)))
def test_undo_of_a_killed_job_leaves_the_account_as_it_was(tmp_path, seed, monkeypatch):
    """Companies whose creation got no answer are the job's, too."""
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)
    lost = [
        {"kind": "reset", "applied": True, "rate": 0.2, "endpoint": "create"},
        {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "create"},
        {"kind": "status", "status": 502, "applied": True, "rate": 0.1, "endpoint": "update"},
    ]
    rows = [{"domain": f"d{n % 50}.com", "name": f"New {n}"} for n in range(80)]
    job = job_by_domain(tmp_path, rows, HELD[:25], faults=lost, seed=seed)
    job.options |= {"snapshot": True, "max_failures": FailureLimit(count=10**6)}
    before, summary = companies(job), None
    with reading(slice_rows=20, most_open=60):
        for number in range(5):
            run_process(
                job, Stop(0.4 + 0.5 * number, ["kill", "kill in a commit"][number % 2]), batch_records=8
            )
        while summary is None or summary.state != "complete":
            summary = run_process(job, None, batch_records=8)
    assert companies(job) == sorted((f"d{n}.com", f"New {n + 50 if n < 30 else n}") for n in range(50))
    report, kept = undo(job)
    assert (report.end, kept, companies(job)) == (None, [], before)


def test_what_no_search_shows_is_abandoned_and_undone_when_it_does(tmp_path):
    """The search lags by days: it does not find what was created since, either."""
    lost = {"kind": "reset", "applied": True, "times": 1, "endpoint": "create"}
    rows = [{"domain": f"d{n}.com", "name": f"New {n}"} for n in range(20)]
    job = job_by_domain(tmp_path, rows, faults=[lost], rules={"search_lag_seconds": 1e6})
    job.batch_records = 10
    summary = job.run_virtual(snapshot=True)
    assert counts_of(summary, "created", "abandoned") == (10, 10)
    assert len(companies(job)) == 20
    job.simulator.change_scenario(make_simulator().scenario)
    report, kept = undo(job)
    assert (report.end, kept, undone(report), companies(job)) == (None, [], {"archived": 20}, [])


@pytest.mark.parametrize(("rule", "name"), [(OnDuplicate.FIRST, "1"), (OnDuplicate.LAST, "2")])
def test_two_spellings_of_a_domain_are_one_key(tmp_path, rule, name):
    rows = [{"domain": "https://www.A.com/x", "name": "1"}, {"domain": " a.com", "name": "2"}]
    job = job_by_domain(tmp_path, rows)
    assert counts_of(job.run_virtual(on_duplicate=rule), "created", "skipped") == (1, 1)
    assert companies(job) == [("a.com", name)]


def test_rows_in_the_form_of_the_api_have_a_domain_or_are_invalid(tmp_path):
    job = job_by_domain(tmp_path, [{"domain": "x"}], HELD[:1])
    job.source.write_text(
        '{"id": "www.d0.com", "idProperty": "domain", "properties": {"name": "A"}}\n'
        '{"id": "d1.com", "properties": {"name": "B", "domain": "D1.com"}}\n'
        '{"id": "e1", "idProperty": "external_id", "properties": {"name": "C"}}\n'
    )
    found = counts_of(job.run_virtual(format="ndjson"), "created", "updated", "invalid")
    assert (found, companies(job)) == ((1, 1, 1), [("d0.com", "A"), ("d1.com", "B")])
