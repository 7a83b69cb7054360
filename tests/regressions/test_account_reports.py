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


DEALS = {"object_type": "deals", "id_property": "external_id"}
RENEWALS = {"id": "renewals", "label": "Renewals", "stages": ["r1=Open", "r2=Closed Won"]}
SALES = {"id": "default", "label": "Sales", "stages": ["s1=Contract sent", "s2=Closed Won"]}


def deals(run):
    return [(held["pipeline"], held["dealstage"]) for held in run.held("external_id").values()]


def test_pipelines_and_stages_are_taken_by_name(tmp_path):
    """Stages are ids that no property lists, so files with their names were refused row by row."""
    rows = [
        {"external_id": "1", "pipeline": "Sales", "dealstage": "Contract sent"},
        {"external_id": "2", "pipeline": "renewals", "dealstage": "Closed won"},
        {"external_id": "3", "pipeline": "default", "dealstage": "CLOSED WON"},
        {"external_id": "4", "pipeline": "Renewals", "dealstage": "r1"},
    ]
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES, RENEWALS])
    assert run.run_virtual().as_dict()["created"] == 4
    assert deals(run) == [("default", "s1"), ("renewals", "r2"), ("default", "s2"), ("renewals", "r1")]
    assert counts(verify(run)[0]) == {"equal": 4}


def test_a_stage_of_several_pipelines_is_asked_for(tmp_path):
    rows = [
        {"external_id": "1", "dealstage": "Closed Won"},
        {"external_id": "2", "dealstage": "Contract sent"},
        {"external_id": "3", "dealstage": "Contract lost"},
    ]
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES, RENEWALS])
    run.run_virtual()
    assert run.outcomes() == {2: "invalid", 3: "created", 4: "invalid"}
    ambiguous, unknown = (letter.message for letter in run.dead_letters())
    assert "is a stage of several pipelines (Sales, Renewals)" in ambiguous
    assert "is not a stage of any pipeline" in unknown


@pytest.mark.parametrize(
    "constants",
    [{"pipeline": "Renewals"}, {"pipeline": "Renewals", "dealstage": "Closed Won"}],
    ids=["a pipeline for all rows", "both for all rows"],
)
def test_the_pipeline_that_set_gives_decides_what_a_stage_is(tmp_path, constants):
    rows = [{"external_id": "1", "dealstage": "Closed Won"}]
    rows = [{name: text for name, text in row.items() if name not in constants} for row in rows]
    options = {**DEALS, "constants": constants}
    run = job(tmp_path, rows, options=options, pipelines=[SALES, RENEWALS])
    run.run_virtual()
    assert deals(run) == [("renewals", "r2")]


def test_rows_that_name_their_fields_have_pipelines_of_their_own(tmp_path):
    rows = [
        {"external_id": "1", "dealstage": "Closed Won", "pipeline": "Sales"},
        {"external_id": "2", "pipeline": "Renewals", "dealstage": "Closed Won"},
        {"id": "3", "properties": {"pipeline": "Renewals", "dealstage": "Closed Won"}},
    ]
    run = job(tmp_path, rows, ndjson=True, options=DEALS, pipelines=[SALES, RENEWALS])
    run.run_virtual()
    assert deals(run) == [("default", "s2"), ("renewals", "r2"), ("renewals", "r2")]


def test_stages_that_the_token_may_not_read_are_left_to_hubspot(tmp_path):
    rows = [
        {"external_id": "1", "pipeline": "default", "dealstage": "s2"},
        {"external_id": "2", "pipeline": "default", "dealstage": "Closed Won"},
    ]
    unread = {"kind": "status", "endpoint": "pipelines", "status": 403}
    run = job(tmp_path, rows, options=DEALS, pipelines=[SALES], faults=[unread])
    run.run_virtual()
    assert run.outcomes() == {2: "created", 3: "rejected"}
