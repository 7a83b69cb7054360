"""Links are made exactly once, whatever goes wrong on the way, and whenever the run is stopped."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from support.jobs import contacts
from support.links.runs import PLAIN, PRIMARY, account, check_links, counts, labels, listed, make_job, stored
from support.soaked import some
from uploader.cli.commands.status import read_summary
from uploader.cli.text.summary import summary_text
from uploader.mockserver.faults.scenario import Scenario
from uploader.model.stop import Cause

_MIXED = [
    {"kind": "status", "status": 503, "rate": 0.1, "endpoint": "any"},
    {"kind": "status", "status": 429, "rate": 0.05, "endpoint": "any"},
    {"kind": "status", "status": 502, "rate": 0.1, "endpoint": "associate", "applied": True},
    {"kind": "reset", "rate": 0.1, "endpoint": "associate", "applied": True},
    {"kind": "reset", "rate": 0.1, "endpoint": "associate", "applied": False},
    {"kind": "drop_results", "count": 3, "rate": 0.2, "endpoint": "associate"},
    {"kind": "batch_status", "status": "PENDING", "rate": 0.1, "endpoint": "associate"},
    {"kind": "truncate", "rate": 0.1, "endpoint": "associations"},
]


def _rows(count, companies, chance):
    """Contacts, some of them in several rows, of which most have one or two companies."""
    return [
        {
            "email": f"c{chance.randrange(count)}@x.com",
            "firstname": str(number),
            "account": chance.choice([*companies, "", "gone"]),
            "main": chance.choice([*companies, "", ""]),
        }
        for number in range(count)
    ]


def _there(job):
    """The companies that the account has, by the options of the test."""
    return [one["properties"]["sf_id"] for one in job.simulator.objects(1e9, "companies")]


def _account(chance, **options):
    companies = [f"A{n}" for n in range(40)]
    known = [f"c{n}@x.com" for n in range(0, 600, 7)]
    before = [(one, chance.choice(companies), chance.choice(["", "Primary"])) for one in known[::2]]
    return account(companies, known, before, **options)


@pytest.mark.parametrize("seed", range(2))
def test_links_equal_the_oracle_through_mixed_faults(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("uploader.associations.link_writer.MOST_LINKS", 50)
    chance = random.Random(seed)
    simulator = _account(chance, faults=_MIXED, seed=seed, rules={"group_errors": "ids"} if seed else {})
    held = labels(simulator)
    rows = _rows(400, _there_of(simulator), chance)
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN, PRIMARY])
    summary = job.run_virtual()
    assert summary.state == "complete", summary.reason
    check_links(job, rows, summary, held, _there(job))


def _there_of(simulator):
    return [one["properties"]["sf_id"] for one in simulator.objects(1e9, "companies")]


@pytest.mark.parametrize("seed", some(0, soaked=[1]))
def test_links_equal_the_oracle_after_many_interruptions(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("uploader.associations.link_writer.MOST_LINKS", 20)
    chance = random.Random(seed)
    simulator = _account(chance, faults=_MIXED, seed=seed)
    held = labels(simulator)
    rows = _rows(300, _there_of(simulator), chance)
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN, PRIMARY], drain_timeout_seconds=0.0)
    stopped_in_links = 0
    for _ in range(40):
        after = chance.uniform(1.0, 4.0)
        summary = job.run_virtual(stop_after=after, again_after=after)
        if summary.state == "complete":
            break
        stopped_in_links += summary.tallies.rows == 300 and summary.tallies.open == 0
        found = summary.as_dict()["links"]
        assert found["read"] == sum(count for name, count in found.items() if name != "read")
    summary = job.run_virtual()
    assert summary.state == "complete"
    assert stopped_in_links > 2
    check_links(job, rows, summary, held, _there(job))


def test_only_the_pass_runs_where_the_rows_are_complete(tmp_path):
    rows = [{**one, "account": "A"} for one in contacts(50)]
    simulator = account(["A"], faults=[{"kind": "status", "status": 503, "endpoint": "associate"}])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN], outage_seconds=30.0)
    first = job.run_virtual()
    assert (first.exit_code, first.cause, counts(first)) == (75, Cause.OUTAGE, {"open": 50})
    assert {one["outcome"] for one in listed(job)} == {"open"}
    told = read_summary(Path(f"{job.source}.checkpoint"))
    assert (told.state, told.as_dict()["links"]) == ("stopped", first.as_dict()["links"])
    assert "links: 50 open" in summary_text(told)
    simulator.change_scenario(replace(simulator.scenario, faults=()))
    second = job.run_virtual()
    assert (second.exit_code, counts(second)) == (0, {"linked": 50})
    assert not any("upsert" in path for path in job.transport.paths)
    assert second.tallies.requests > first.tallies.requests


@pytest.mark.parametrize("rules", [{"link_errors": "batch"}, {"errors_without_trace_id": True}])
def test_a_link_at_fault_is_found_however_its_refusal_is_told(tmp_path, rules):
    simulator = account(["A"], rules=rules)
    (known,) = [one["id"] for one in simulator.objects(1e9, "companies")]
    rows = [{**one, "account": "77" if i in {3, 40} else known} for i, one in enumerate(contacts(64))]
    job = make_job(tmp_path / "a.csv", rows, simulator, [replace(PLAIN, by="id")])
    found = counts(job.run_virtual())
    assert found["linked"] == 62
    assert found.get("missing", 0) + found.get("rejected", 0) == 2


def test_a_link_that_is_never_answered_ends_pending_and_the_others_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr("uploader.associations.link_writer.MOST_LINKS", 10)
    simulator = account(["A", "B"])
    ids = {one["properties"]["sf_id"]: one["id"] for one in simulator.objects(1e9, "companies")}
    fault = {"kind": "status", "status": 500, "endpoint": "associate", "match": {"to": ids["B"]}}
    simulator.change_scenario(Scenario.parse({**_scenario(), "faults": [fault]}))
    rows = [{**one, "account": "B" if i == 7 else "A"} for i, one in enumerate(contacts(60))]
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    summary = job.run_virtual()
    assert counts(summary) == {"linked": 59, "pending": 1}
    assert summary.exit_code == 1
    (note,) = [one["note"] for one in listed(job) if one["outcome"] == "pending"]
    assert note.startswith("HubSpot gave no definite answer: HTTP 500")


def _scenario():
    return {"properties": [{"name": "sf_id", "unique": True, "object_type": "companies"}]}


def test_a_last_attempt_that_was_applied_is_found_by_reading(tmp_path):
    fault = {"kind": "status", "status": 502, "endpoint": "associate", "applied": True}
    simulator = account(["A"], faults=[fault])
    job = make_job(tmp_path / "a.csv", [{"email": "a@x.com", "account": "A"}], simulator, [PLAIN])
    assert counts(job.run_virtual()) == {"linked": 1}


def test_a_missing_scope_stops_the_run_and_names_it(tmp_path):
    fault = {"kind": "status", "status": 403, "endpoint": "associate", "times": 1}
    simulator = account(["A"], faults=[fault])
    rows = [{**one, "account": "A"} for one in contacts(5)]
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    first = job.run_virtual()
    assert (first.exit_code, first.cause, counts(first)) == (78, Cause.SCOPE, {"open": 5})
    assert counts(job.run_virtual()) == {"linked": 5}


def test_a_label_that_vanishes_stops_the_run_and_another_one_takes_its_place(tmp_path):
    label = {"object_type": "contacts", "to": "companies", "label": "Boss"}
    simulator = account(["A"], association_labels=[label])
    rows = [{**one, "account": "A"} for one in contacts(5)]
    job = make_job(tmp_path / "a.csv", rows, simulator, [replace(PLAIN, label="Boss")])
    types = simulator.account.associations._definitions

    def drop(run):
        boss = types.labelled("contacts", "companies", "Boss")
        if boss is not None:
            types.archive("contacts", "companies", boss)

    first = job.run_virtual(on_start=drop)
    assert (first.exit_code, first.cause, counts(first)) == (78, Cause.LABEL, {"open": 5})
    job.options["associations"] = (PLAIN,)
    assert counts(job.run_virtual(accept_changed_settings=True)) == {"linked": 5}


def test_requests_in_flight_are_answered_when_the_run_is_stopped(tmp_path):
    rows = [{**one, "account": "A"} for one in contacts(40)]
    simulator = account(["A"], faults=[{"kind": "delay", "seconds": 5, "endpoint": "associate"}])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])

    texts = []

    def stop(run):
        if job.transport.paths[-1].endswith("batch/create") and not run.ending.is_ending:
            texts.append(run.following.text)
            run.stop(2)

    summary = job.run_virtual(on_tick=stop)
    assert texts == ["links: 0 of 40, linking companies"]
    assert (summary.exit_code, counts(summary)) == (130, {"linked": 40})
    again = job.run_virtual()
    assert (again.exit_code, counts(again)) == (0, {"linked": 40})
    assert job.transport.paths == []


def test_a_second_signal_drops_the_requests_in_flight_and_nothing_is_lost(tmp_path):
    rows = [{**one, "account": "A"} for one in contacts(40)]
    simulator = account(["A"], faults=[{"kind": "delay", "seconds": 5, "endpoint": "associate"}])
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])

    def stop(run):
        if run.following is not None and run.session.sender.in_flight:
            run.stop(2)

    summary = job.run_virtual(on_tick=lambda run: [stop(run), stop(run)])
    assert (summary.exit_code, counts(summary)) == (130, {"open": 40})
    assert counts(job.run_virtual()) == {"linked": 40}


def test_what_was_there_before_the_first_request_is_kept_when_links_are_sent_again(tmp_path):
    """The first request was applied, and the process ended before its answer came."""
    fault = {"kind": "delay", "seconds": 5, "endpoint": "associate", "times": 1}
    simulator = account(
        ["A", "B"], ["ann@x.com"], [("ann@x.com", "B", ""), ("ann@x.com", "A", "")], faults=[fault]
    )
    rows = [{"email": "ann@x.com", "main": "A"}]
    job = make_job(tmp_path / "a.csv", rows, simulator, [PRIMARY])

    def abort(run):
        if job.transport.paths[-1].endswith("batch/create"):
            run.stop(2)
            run.stop(2)

    assert counts(job.run_virtual(on_tick=abort)) == {"open": 1}
    assert labels(simulator)["ann@x.com", "A"] == {"Primary"}
    assert counts(job.run_virtual()) == {"linked": 1}
    (former,) = [
        one["id"] for one in simulator.objects(1e9, "companies") if one["properties"]["sf_id"] == "B"
    ]
    assert stored(job, "SELECT before, displaced FROM links") == [("HUBSPOT_DEFINED=279", former)]


def test_a_fault_of_all_links_stops_the_run_before_it_costs_a_request_for_each(tmp_path):
    simulator = account(["A"], faults=[{"kind": "status", "status": 400, "endpoint": "associate"}])
    rows = [{**one, "account": "A"} for one in contacts(600)]
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    first = job.run_virtual()
    assert (first.exit_code, first.cause, counts(first)) == (78, Cause.LINKS, {"open": 600})
    assert sum("batch/create" in path for path in job.transport.paths) < 80
    simulator.change_scenario(replace(simulator.scenario, faults=()))
    assert counts(job.run_virtual()) == {"linked": 600}


def test_a_few_links_that_are_all_refused_end_rejected(tmp_path):
    simulator = account(["A"], faults=[{"kind": "status", "status": 400, "endpoint": "associate"}])
    rows = [{**one, "account": "A"} for one in contacts(5)]
    job = make_job(tmp_path / "a.csv", rows, simulator, [PLAIN])
    assert counts(job.run_virtual()) == {"rejected": 5}


def test_a_conflict_of_a_link_alone_is_tried_once_more(tmp_path):
    fault = {"kind": "status", "status": 409, "endpoint": "associate", "times": 1}
    job = make_job(
        tmp_path / "a.csv", [{"email": "a@x.com", "account": "A"}], account(["A"], faults=[fault]), [PLAIN]
    )
    assert counts(job.run_virtual()) == {"linked": 1}


@pytest.mark.parametrize("column", [PLAIN, PRIMARY], ids=["plain", "primary"])
@pytest.mark.parametrize(("status", "outcome"), [(400, "rejected"), (500, "pending")])
def test_a_link_that_failed_in_an_earlier_run_is_tried_again_for_a_later_row(
    tmp_path, monkeypatch, status, outcome, column
):
    """What is wrong may be mended meanwhile. Rows of one run share the outcome of the first one."""
    monkeypatch.setattr("uploader.associations.link_writer.MOST_LINKS", 1)
    simulator = account(["A", "B"])
    ids = {one["properties"]["sf_id"]: one["id"] for one in simulator.objects(1e9, "companies")}
    fault = {"kind": "status", "status": status, "endpoint": "associate", "match": {"to": ids["B"]}}
    simulator.change_scenario(Scenario.parse({**_scenario(), "faults": [fault]}))
    people = ["a@x.com", "b@x.com", "a@x.com", "c@x.com", "a@x.com", "a@x.com"]
    rows = [{"email": one, column.column: "A" if one[0] in "bc" else "B"} for one in people]
    job = make_job(tmp_path / "a.csv", rows, simulator, [column])
    assert counts(job.run_virtual(limit=4)) == {outcome: 2, "linked": 2}
    simulator.change_scenario(Scenario.parse(_scenario()))
    assert counts(job.run_virtual()) == {outcome: 2, "linked": 3, "already": 1}
    assert ("a@x.com", "B") in labels(simulator)
