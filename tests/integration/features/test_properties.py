"""The account's properties: read, and why they may not be."""

import pytest

from support.mock_transport import make_simulator
from support.programs import seams_to
from support.virtual_loop import run_virtual
from uploader.model.stop import Cause
from uploader.properties.run import Listing, account_settings


def listing(object_type="contacts", **scenario):
    async def run():
        seams = seams_to(make_simulator(quota="none", **scenario))
        return await Listing(account_settings(object_type, token="test-token"), seams).run()

    return run_virtual(run())


def test_sensitive_properties_are_listed_as_far_as_the_token_may_see_them():
    secret = {"name": "diagnosis", "sensitive": True}
    scopes = ["crm.objects.contacts.sensitive.read.v2", "crm.objects.contacts.read"]
    rules = {"sensitive_definitions": "refused"}
    seen = listing(properties=[secret], auth={"scopes": scopes}, rules=rules)
    assert {one.name: one.sensitivity for one in seen.properties}["diagnosis"] == "sensitive"
    assert seen.hidden_scope == "crm.objects.contacts.highly_sensitive.read.v2"
    unseen = listing(properties=[secret], auth={"scopes": scopes[1:]}, rules=rules)
    assert "diagnosis" not in {one.name for one in unseen.properties}
    assert "crm.objects.contacts.sensitive.read.v2" in unseen.hidden_scope
    assert (seen.account.portal, seen.exit_code, unseen.exit_code) == ("44237313", 0, 0)


def test_all_properties_of_another_object_type_are_listed():
    found = {one.name: one for one in listing("p_cars").properties}
    assert (found["email"].is_unique, found["doors"].type) == (False, "number")


@pytest.mark.parametrize(
    ("fault", "cause", "code"),
    [
        ({"kind": "status", "status": 403, "endpoint": "properties"}, Cause.SCOPE, 2),
        ({"kind": "status", "status": 401, "endpoint": "properties"}, Cause.TOKEN, 2),
        ({"kind": "status", "status": 502, "endpoint": "properties"}, Cause.OUTAGE, 75),
    ],
    ids=["scope", "token", "outage"],
)
def test_without_an_answer_it_ends_with_the_reason(fault, cause, code):
    report = listing(faults=[fault])
    assert report.end is not None
    assert (report.end.cause, report.exit_code, report.properties) == (cause, code, [])


def test_an_unknown_object_type_is_a_problem_of_usage():
    report = listing("butterflies")
    assert report.end is not None
    assert (report.end.cause, report.exit_code) == (Cause.ADDRESS, 2)
    assert "butterflies" in report.end.reason
