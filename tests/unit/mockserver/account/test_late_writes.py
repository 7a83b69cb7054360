"""Writes that a fault puts off: every request that writes may be carried out later than it was answered."""

import pytest

from support.mock_requests import ARCHIVE, MockClient, one
from uploader.mockserver.faults.scenario import Scenario

PROPERTY = {
    "name": "nickname", "label": "Nickname", "type": "string", "fieldType": "text",
    "groupName": "contactinformation",
}  # fmt: skip
LABELS = "/crm/associations/v4/contacts/companies/labels"
LINKS = "/crm/v4/associations/contacts/companies/batch"


def city(talk):
    return talk.stored["a@x.com"].get("city")


def labels(talk):
    return [held["label"] for held in talk.get(LABELS).json()["results"]]


def property_names(talk):
    return {held["name"] for held in talk.get("/crm/v3/properties/contacts").json()["results"]}


def send(talk, path, *inputs):
    return talk.send("POST", path, {"inputs": list(inputs)})


#: By fault endpoint: the request, which takes the contact's and the company's ids, and what it changes.
WRITES = {
    "upsert": (lambda talk, a, c: talk.upsert(one("a@x.com", city="Bonn")), city),
    "update": (
        lambda talk, a, c: send(
            talk, "/crm/v3/objects/contacts/batch/update", one(a, "", city="Bonn"), one("9", "", city="Ulm")
        ),
        city,
    ),
    "archive": (lambda talk, a, c: send(talk, ARCHIVE, {"id": a}), lambda talk: len(talk.stored)),
    "create_properties": (
        lambda talk, a, c: talk.send("POST", "/crm/v3/properties/contacts", PROPERTY),
        lambda talk: "nickname" in property_names(talk),
    ),
    "archive_properties": (
        lambda talk, a, c: talk.send("DELETE", "/crm/v3/properties/contacts/tier"),
        lambda talk: "tier" in property_names(talk),
    ),
    "associate": (
        lambda talk, a, c: send(talk, f"{LINKS}/associate/default", {"from": {"id": a}, "to": {"id": c}}),
        lambda talk: len(list(talk.simulator.links(talk.now))),
    ),
    "dissociate": (
        lambda talk, a, c: send(talk, f"{LINKS}/archive", {"from": {"id": a}, "to": [{"id": "77"}]}),
        lambda talk: len(list(talk.simulator.links(talk.now))),
    ),
    "change_association_labels": (
        lambda talk, a, c: talk.send("POST", LABELS, {"name": "billing", "label": "Billing"}),
        labels,
    ),
    "change_lists": (
        lambda talk, a, c: talk.send("DELETE", "/crm/v3/lists/1"),
        lambda talk: [held["deleted"] for held in talk.simulator.lists(talk.now)],
    ),
    "memberships": (
        lambda talk, a, c: talk.send("PUT", "/crm/v3/lists/1/memberships/add", [a]),
        lambda talk: [held["members"] for held in talk.simulator.lists(talk.now)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("endpoint", WRITES)
def test_a_late_write_happens_later_and_a_lost_one_never(endpoint):
    write, state = WRITES[endpoint]
    for late_seconds in (None, 3):
        talk = MockClient()
        talk.simulator.reset(
            0.0,
            [{"properties": {"email": "a@x.com"}}],
            {"companies": [{"properties": {}}]},
            lists=[{"name": "VIP"}],
        )
        (contact,), (company,) = (
            list(talk.simulator.objects(0.0, name)) for name in ("contacts", "companies")
        )
        talk.simulator.change_records(
            0.0, [], [], associate=[{"email": "a@x.com", "to": "companies", "ids": [77]}]
        )
        before = state(talk)
        late = {} if late_seconds is None else {"late_seconds": late_seconds}
        fault = {"kind": "reset", "endpoint": endpoint, "first": 1, **late}
        talk.simulator.change_scenario(Scenario.parse({"faults": [fault]}))
        assert write(talk, contact["id"], company["id"]).is_faulty
        talk.now = 2.0
        assert state(talk) == before
        talk.now = 3.0
        assert (state(talk) != before) == (late_seconds is not None)
    assert list(talk.stored) in (["a@x.com"], [])
