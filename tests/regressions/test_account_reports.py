"""Reports of wrong values written, or right ones left out, where a constant stood in for the account."""

import pytest

from support.intercepted_requests import existing, job, upserts
from support.undo_runs import undo
from support.verify_runs import counts, verify
from uploader.hubspot.schema import Schema

#: The stages of an account that renamed and reordered them, and added two.
STAGES = {
    "name": "lifecyclestage",
    "type": "enumeration",
    "options": ["98211533=Trial", "customer=Client", "lead", "98211534=Former client"],
}


def stage_of(run, email="a@x.com"):
    return run.held()[email]["lifecyclestage"]


def test_the_order_of_lifecycle_stages_is_the_accounts():
    listed = [("lead", 2), ("gone", -1), ("98211533", 0), ("other", None), ("customer", 1)]
    options = [{"label": value, "value": value, "displayOrder": order} for value, order in listed]
    schema = Schema.decode({"results": [{**STAGES, "options": options}]})
    assert schema.kinds["lifecyclestage"].stages == ("98211533", "customer", "lead", "gone", "other")


@pytest.mark.parametrize("lifecycle", ["forward", "any"])
def test_a_stage_that_may_pass_is_sent_whichever_way_hubspot_decides(tmp_path, lifecycle):
    """A built-in order took `customer` for later than `lead`, and booked the row as unchanged."""
    rows = [{"email": "a@x.com", "lifecyclestage": "Trial"}, {"email": "b@x.com", "lifecyclestage": "lead"}]
    there = [
        existing("a@x.com", lifecyclestage="customer"),
        existing("b@x.com", lifecyclestage="customer"),
    ]
    run = job(tmp_path, rows, there=there, rules={"lifecycle": lifecycle}, properties=[STAGES])
    summary = run.run_virtual(skip_unchanged=True)
    assert (summary.as_dict()["updated"], summary.as_dict()["unchanged"]) == (2, 0)
    assert len(upserts(run)) == 1
    assert stage_of(run, "b@x.com") == "lead"  # forward, in this account
    assert stage_of(run) == ("customer" if lifecycle == "forward" else "98211533")


def test_verify_calls_a_stage_that_hubspot_kept_its_doing(tmp_path):
    rows = [{"email": "a@x.com", "lifecyclestage": "Trial"}, {"email": "b@x.com", "lifecyclestage": "lead"}]
    there = [existing("a@x.com", lifecyclestage="98211534")]
    run = job(tmp_path, rows, there=there, properties=[STAGES])
    run.run_virtual()
    report, findings = verify(run)
    assert counts(report) == {"hubspot": 1, "equal": 1}
    assert [(one.wanted, one.found) for one in findings] == [("98211533", "98211534")]


def test_undo_restores_a_stage_of_the_account(tmp_path):
    rows = [{"email": "a@x.com", "lifecyclestage": "Former client"}]
    there = [existing("a@x.com", lifecyclestage="98211533")]
    run = job(tmp_path, rows, there=there, properties=[STAGES], options={"snapshot": True})
    run.run_virtual()
    assert stage_of(run) == "98211534"
    undo(run)
    assert stage_of(run) == "98211533"
