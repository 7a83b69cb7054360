"""A link that the job has made stays marked as made by it, and no other one is: `undo` goes by that mark."""

import asyncio
from dataclasses import replace

import pytest

from support.jobs import Job
from support.links.runs import KEY, PLAIN, PRIMARY, account, counts, labels, listed, make_job
from support.links.undo_runs import undo
from uploader.mockserver.account.store import Source
from uploader.mockserver.bodies.error_bodies import iso
from uploader.mockserver.simulator import Simulator
from uploader.model.associations import LinkColumn
from uploader.model.records import OWN_ID
from uploader.undo.link_plan import LinkUndo

A, B = "a@x.com", "b@x.com"
LABELS = [{"object_type": "contacts", "to": "companies", "label": one} for one in ("Buyer", "Owner")]


def ids(simulator: Simulator, object_type: str, name: str) -> dict[str, str]:
    return {one["properties"].get(name, ""): one["id"] for one in simulator.objects(1e9, object_type)}


def pairs(job: Job) -> set[frozenset[str]]:
    """The links between records of the account, by HubSpot's ids."""
    return {frozenset((one["from"]["id"], one["to"]["id"])) for one in job.simulator.links(1e9)}


def abort(job: Job):
    """Kill the run once the request that makes links has left: it is carried out, and not answered."""

    def look(run) -> None:
        if job.transport.paths[-1].endswith("batch/create"):
            run.stop(2)
            run.stop(2)

    return look


def test_a_link_that_was_sent_stays_the_jobs_if_an_earlier_row_asks_for_it_later(tmp_path):
    """At the first pass the other record of the earlier row was not there by its address."""
    delay = {"kind": "delay", "seconds": 5, "endpoint": "associate", "times": 1}
    simulator = account([], [B, "old@x.com"], faults=[delay])
    boss = ids(simulator, "contacts", "email")["old@x.com"]
    rows = [
        {"email": B, "lastname": "1", "boss": A, "boss_id": ""},
        {"email": B, "lastname": "2", "boss": "", "boss_id": boss},
        {"email": "c@x.com", "lastname": "3", "boss": "", "boss_id": ""},
    ]
    columns = [LinkColumn("boss", "contacts", "email"), LinkColumn("boss_id", "contacts", OWN_ID)]
    job = make_job(tmp_path / "c.csv", rows, simulator, columns)
    assert counts(job.run_virtual(limit=2, on_tick=abort(job))) == {"open": 2}
    assert len(pairs(job)) == 1
    simulator.change_records(job._clock, [{"id": boss, "properties": {"email": A}}], [])
    assert counts(job.run_virtual()) == {"linked": 1, "already": 1}
    undo(job)
    assert pairs(job) == set()


def test_primary_companies_are_made_in_the_order_of_rows_where_later_rows_may_create_contacts(tmp_path):
    """Of which contact the first row is, was not known at the limit; the row after it is of the same one."""
    simulator = account(["c0", "c1", "c2"], ["old@x.com"], [("old@x.com", "c0", "")])
    person = ids(simulator, "contacts", "email")["old@x.com"]
    rows = [
        {KEY: "c1", "name": "n1", "person": A, "person_id": ""},
        {KEY: "c2", "name": "n2", "person": "", "person_id": person},
        {KEY: "c9", "name": "n3", "person": "", "person_id": ""},
    ]
    columns = [
        LinkColumn("person", "contacts", "email", label="Primary"),
        LinkColumn("person_id", "contacts", OWN_ID, label="Primary"),
    ]
    job = make_job(tmp_path / "c.csv", rows, simulator, columns, object_type="companies", id_property=KEY)
    assert counts(job.run_virtual(limit=2)) == {"open": 2}
    simulator.change_records(job._clock, [{"id": person, "properties": {"email": A}}], [])
    held = labels(simulator)
    assert counts(job.run_virtual()) == {"linked": 2}
    assert labels(simulator)[A, "c2"] == {"Primary"}
    undo(job)
    assert labels(simulator) == held


@pytest.mark.parametrize("was_linked", [False, True])
def test_links_by_a_label_that_was_changed_midway_are_taken_back(tmp_path, was_linked):
    """The rows were settled by the former settings, and their links are made by the new ones."""
    later = {"kind": "status", "status": 477, "retry_after_seconds": 900, "endpoint": "associate", "times": 1}
    before = [(A, "c1", "")] if was_linked else []
    simulator = account(["c1"], [A], before, association_labels=LABELS, faults=[later])
    held = labels(simulator)
    rows = [{"email": A, "main": "c1"}]
    job = make_job(tmp_path / "c.csv", rows, simulator, [replace(PRIMARY, label="Buyer")])
    assert job.run_virtual().exit_code == 75
    job.options["associations"] = (replace(PRIMARY, label="Owner"),)
    assert counts(job.run_virtual(accept_changed_settings=True)) == {"linked": 1}
    assert "Owner" in labels(simulator)[A, "c1"]
    assert [one["label"] for one in listed(job)] == ["Owner"]
    undo(job)
    assert labels(simulator) == held


def test_values_are_looked_up_anew_by_another_property(tmp_path):
    simulator = account(
        ["77", "78"], properties=[{"name": "erp", "unique": True, "object_type": "companies"}]
    )
    company = ids(simulator, "companies", KEY)
    simulator.change_records(0.0, [{"id": company["78"], "properties": {"erp": "77"}}], [], "companies")
    rows = [{"email": A, "account": "77"}, {"email": B, "account": "77"}]
    job = make_job(tmp_path / "c.csv", rows, simulator, [PLAIN])
    assert counts(job.run_virtual(limit=1)) == {"linked": 1}
    job.options["associations"] = (replace(PLAIN, by="erp"),)
    assert counts(job.run_virtual(accept_changed_settings=True)) == {"linked": 2}
    assert labels(simulator).keys() == {(A, "77"), (B, "78")}


def test_links_that_are_made_again_after_an_undo_are_taken_back_again(tmp_path, monkeypatch):
    monkeypatch.setattr("uploader.associations.link_writer.MOST_LINKS", 10)
    delay = {"kind": "delay", "seconds": 5, "endpoint": "associate", "requests": [2, 2]}
    rows = [{"email": f"c{n}@x.com", "account": f"n{n % 3}"} for n in range(40)]
    options = {"create_missing": frozenset({"companies"}), "max_in_flight": 1}
    job = make_job(tmp_path / "c.csv", rows, account([], faults=[delay]), [PLAIN], **options)

    def look(run) -> None:
        if sum(path.endswith("batch/create") for path in job.transport.paths) == 2:
            abort(job)(run)

    assert counts(job.run_virtual(on_tick=look)) == {"linked": 10, "others_created": 3, "open": 30}
    assert len(pairs(job)) == 20
    assert undo(job).counts[LinkUndo.UNLINKED] == 20
    assert (pairs(job), live(job)) == (set(), set())
    assert counts(job.run_virtual()) == {"linked": 40, "others_created": 3}
    assert len(pairs(job)) == 40 - 10  # those whose outcome was known are not made again
    assert live(job) == {"n0", "n1", "n2"}
    undo(job)
    assert (pairs(job), live(job)) == (set(), set())


@pytest.mark.parametrize("column", [PLAIN, PRIMARY], ids=["plain", "primary"])
def test_a_link_that_was_taken_back_is_made_for_a_later_row(tmp_path, column):
    rows = [{"email": A, column.column: "c1"}, {"email": A, column.column: "c1"}]
    job = make_job(tmp_path / "c.csv", rows, account(["c1"], [A]), [column])
    assert counts(job.run_virtual(limit=1)) == {"linked": 1}
    undo(job)
    assert pairs(job) == set()
    assert counts(job.run_virtual()) == {"linked": 2}
    assert len(pairs(job)) == 1
    undo(job)
    assert pairs(job) == set()


def live(job: Job) -> set[str]:
    """The companies that are not archived."""
    found = job.simulator.objects(1e9, "companies")
    return {one["properties"][KEY] for one in found if not one["archived"]}


def test_a_company_that_somebody_else_created_meanwhile_stays(tmp_path):
    """The job's request was not carried out before; its second one is answered as an update."""
    lost = {"kind": "reset", "applied": False, "keys": ["n1"], "times": 1}
    options = {"create_missing": frozenset({"companies"})}
    rows = [{"email": A, "account": "n1"}]
    job = make_job(tmp_path / "c.csv", rows, account([], [A], faults=[lost]), [PLAIN], **options)
    theirs = []

    def create(run) -> None:
        if not theirs and job.transport.paths[-1].endswith("/companies/batch/upsert"):
            records = job.simulator.account._store("companies").records
            at = iso(job.simulator.wall(asyncio.get_running_loop().time()))
            theirs.append(records.create({KEY: "n1"}, at, Source("CRM_UI", "7")))

    assert counts(job.run_virtual(on_tick=create))["linked"] == 1
    undo(job)
    assert live(job) == {"n1"}


def test_a_link_that_both_records_ask_for_is_made_once(tmp_path):
    """Without a label it is one link, whichever of the two rows names the other record."""
    rows = [{"email": A, "boss": B}, {"email": B, "boss": A}]
    job = make_job(tmp_path / "c.csv", rows, account([], [A, B]), [LinkColumn("boss", "contacts", "email")])
    assert counts(job.run_virtual()) == {"linked": 1, "already": 1}
    assert counts_of_undo(undo(job)) == {"unlinked": 1}


def counts_of_undo(report) -> dict[str, int]:
    return {one.value: count for one, count in report.counts.items() if count}
