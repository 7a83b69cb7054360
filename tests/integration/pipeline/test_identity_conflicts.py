"""Two addresses of one contact: no file tells, so no order is kept; they are noticed and listed."""

from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.storage.checkpoint import Checkpoint


def seeded(tmp_path, rows, *, people, **scenario) -> Job:
    """`people` are there before: each a list of addresses, the primary first."""
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", **scenario))
    job.simulator.reset(
        0.0, [{"properties": {"email": first}, "additional_emails": more} for first, *more in people]
    )
    return job


def aliases(job: Job) -> list[list[tuple[int, str]]]:
    checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
    found: dict[str, list[tuple[int, str]]] = {}
    for alias in checkpoint.identity_conflicts():
        found.setdefault(alias.hubspot_id, []).append((alias.row, alias.key))
    checkpoint.close()
    return sorted(found.values())


def test_rows_of_two_addresses_of_one_contact_are_listed(tmp_path):
    rows = contacts(900)
    rows[3]["email"], rows[700]["email"] = "ann@x.com", "Ann.Old@x.com"
    rows[20]["email"], rows[21]["email"] = "bob@x.com", "bob.old@x.com"
    people = [["ann@x.com", "ann.old@x.com"], ["bob@x.com", "bob.old@x.com"], ["eve@x.com", "eve.old@x.com"]]
    people += [[row["email"]] for row in rows[100:400]]
    job = seeded(tmp_path, rows, people=people)
    summary = job.run_virtual()
    assert summary.as_dict()["aliases"] == 2
    assert aliases(job) == [
        [(5, "ann@x.com"), (702, "Ann.Old@x.com")],
        [(22, "bob@x.com"), (23, "bob.old@x.com")],
    ]
    assert not Path(f"{job.source}.checkpoint.ids").exists()


def test_rows_of_one_address_are_not(tmp_path):
    rows = contacts(300) + [{"email": f"C{i}@example.com", "firstname": "again"} for i in range(300)]
    job = seeded(tmp_path, rows, people=[[f"c{i}@example.com", f"old{i}@example.com"] for i in range(300)])
    summary = job.run_virtual()
    job.check(rows, summary)
    assert summary.as_dict()["aliases"] == 0
    _, _, *batches = job.transport.paths  # the account and its properties are asked for first
    assert batches == ["/crm/v3/objects/contacts/batch/upsert"] * 6  # none for a question


@pytest.mark.parametrize("rules", [{"conflict": "batch"}, {"echo_trace_ids": True}, {"multi_status": False}])
def test_two_addresses_in_one_batch_are_written_both_and_listed(tmp_path, rules):
    rows = [{"email": "bob@x.com", "city": "Rome"}, {"email": "bob.old@x.com", "city": "Bonn"}]
    job = seeded(tmp_path, rows, people=[["bob@x.com", "bob.old@x.com"]], rules=rules)
    summary = job.run_virtual()
    assert summary.as_dict()["updated"] == 2
    assert aliases(job) == [[(2, "bob@x.com"), (3, "bob.old@x.com")]]


def test_what_a_stopped_run_saw_is_not_forgotten(tmp_path):
    rows = contacts(2_000)
    rows[3]["email"], rows[1_900]["email"] = "ann@x.com", "ann.old@x.com"
    job = seeded(tmp_path, rows, people=[["ann@x.com", "ann.old@x.com"]])
    job.options["max_in_flight"] = 1
    stopped = job.run_virtual(stop_after=10.6)
    assert 0 < stopped.tallies.settled < 1_900
    summary = job.run_virtual()
    assert (summary.state, summary.as_dict()["aliases"]) == ("complete", 1)
    assert aliases(job) == [[(5, "ann@x.com"), (1902, "ann.old@x.com")]]


def test_a_read_that_fails_for_the_moment_hides_no_rows(tmp_path):
    rows = contacts(300)
    rows[3]["email"], rows[250]["email"] = "ann@x.com", "ann.old@x.com"
    refused = {"kind": "reject", "endpoint": "read", "category": "INTERNAL_ERROR", "times": 2}
    job = seeded(tmp_path, rows, people=[["ann@x.com", "ann.old@x.com"]], faults=[refused])
    assert job.run_virtual().as_dict()["aliases"] == 1
    assert aliases(job) == [[(5, "ann@x.com"), (252, "ann.old@x.com")]]


def test_a_contact_that_may_not_be_read_is_listed_without_its_rows(tmp_path):
    rows = contacts(300)
    rows[3]["email"], rows[250]["email"] = "ann@x.com", "ann.old@x.com"
    scopes = ["oauth", "crm.objects.contacts.write", "crm.schemas.contacts.read"]
    # Among others that were there before: which id belongs to which is unknown, too.
    people = [["ann@x.com", "ann.old@x.com"], *([row["email"]] for row in contacts(300))]
    job = seeded(tmp_path, rows, people=people, auth={"scopes": scopes})
    summary = job.run_virtual()
    assert (summary.exit_code, summary.as_dict()["aliases"]) == (0, 1)
    assert aliases(job) == [[(0, "")]]
