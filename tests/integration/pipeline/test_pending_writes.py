"""What HubSpot only accepts: confirmed by what was written since, or reported as pending, row by row."""

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator

#: More than these are rejected or so; the fault strikes the batch that has this key.
FIRST = "c0@example.com"


def pending(tmp_path, *, status="PENDING", **fault) -> tuple[Job, list[dict[str, str]]]:
    """A file in which one contact comes twice, and holds already what its first row asks for."""
    rows = [*contacts(120), {"email": FIRST.upper(), "firstname": "Last"}]
    fault = {"kind": "batch_status", "status": status, "results_share": 0, "times": 1, **fault}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", faults=[fault]))
    job.simulator.reset(0.0, [{"properties": {"email": FIRST, "firstname": "F0"}}])
    return job, rows


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING"])
def test_values_that_were_there_before_do_not_confirm_a_write_that_is_yet_to_come(tmp_path, status):
    """Else the later row would go at once, and be overwritten by the earlier one."""
    job, rows = pending(tmp_path, status=status, late_seconds=9)
    summary = job.run_virtual()
    job.check(rows, summary)
    assert job.held()[FIRST]["firstname"] == "Last"
    assert summary.as_dict()["pending"] == 0


def test_a_write_that_happened_at_once_is_confirmed_by_the_first_reading(tmp_path):
    job, rows = pending(tmp_path, applied=True)
    summary = job.run_virtual()
    job.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["pending"]) == (0, 0)


def test_writes_that_are_never_confirmed_are_pending_and_named_row_by_row(tmp_path):
    job, rows = pending(tmp_path)
    summary = job.run_virtual()
    job.check(rows, summary)
    assert summary.exit_code == 1
    assert {row for row, outcome in job.outcomes().items() if outcome == "pending"} == set(range(2, 102))
    assert job.held()[FIRST]["firstname"] == "Last"


def test_a_cancelled_batch_is_sent_again(tmp_path):
    job, rows = pending(tmp_path, status="CANCELED")
    summary = job.run_virtual()
    job.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["pending"]) == (0, 0)


def test_a_contact_that_breaks_its_reading_leaves_only_its_own_row_pending(tmp_path):
    broken = {"kind": "status", "status": 500, "endpoint": "read", "keys": ["c50@example.com"]}
    accepted = {"kind": "batch_status", "status": "PENDING", "results_share": 0, "applied": True, "times": 1}
    rows = contacts(120)
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", faults=[accepted, broken])
    )
    summary = job.run_virtual()
    job.check(rows, summary)
    assert {row for row, outcome in job.outcomes().items() if outcome == "pending"} == {52}
