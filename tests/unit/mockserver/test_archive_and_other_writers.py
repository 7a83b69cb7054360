"""Archive, history with its sources, and somebody else who changes records after they were written."""

import pytest

from support.mock_requests import ARCHIVE, MockClient, one

APP = "1512050"


def versions(talk, key, name):
    (result,) = talk.read(key, history=[name]).json()["results"]
    return result["propertiesWithHistory"][name]


def test_what_the_app_wrote_is_an_integration_s_with_its_id():
    talk = MockClient()
    talk.upsert(one("a@x.com", city="Bonn"))
    talk.now = 60.0
    talk.upsert(one("a@x.com", city="Köln"))
    assert versions(talk, "a@x.com", "city") == [
        {
            "value": "Köln",
            "timestamp": "2026-01-01T00:01:00.000Z",
            "sourceType": "INTEGRATION",
            "sourceId": APP,
        },
        {
            "value": "Bonn",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "sourceType": "INTEGRATION",
            "sourceId": APP,
        },
    ]
    asked = ["hs_object_source", "hs_object_source_id"]
    (result,) = talk.read("a@x.com", properties=asked).json()["results"]
    assert [result["properties"][name] for name in asked] == ["INTEGRATION", APP]


def test_what_was_there_before_and_what_a_human_changed_say_so():
    talk = MockClient()
    talk.seed({"properties": {"email": "a@x.com", "city": "Ulm"}, "source": {"type": "FORM", "id": "7"}})
    talk.simulator.change_records(0.0, [{"email": "a@x.com", "properties": {"city": "Trier"}}], [])
    talk.upsert(one("a@x.com", city="Bonn"))
    found = versions(talk, "a@x.com", "city")
    assert [(v["value"], v["sourceType"]) for v in found] == [
        ("Bonn", "INTEGRATION"),
        ("Trier", "CRM_UI"),
        ("Ulm", "FORM"),
    ]
    assert found[1]["updatedByUserId"] == 9586504


def test_an_archived_address_makes_a_new_record():
    talk = MockClient()
    old = talk.upsert(one("a@x.com", city="Bonn")).json()["results"][0]["id"]
    talk.now = 5.0
    reply = talk.send("POST", ARCHIVE, {"inputs": [{"id": old}]})
    assert (reply.status, reply.body) == (204, b"")
    (gone,) = talk.read(old, id_property=None, query={"archived": "true"}).json()["results"]
    assert gone["archivedAt"] == "2026-01-01T00:00:05.000Z"
    assert gone["properties"]["email"] == "a@x.com"
    (result,) = talk.upsert(one("a@x.com")).json()["results"]
    assert result["new"]
    assert result["id"] != old
    assert talk.read("a@x.com", properties=["city"]).json()["results"][0]["properties"]["city"] is None


def test_a_late_archive_and_a_failed_one():
    talk = MockClient({"faults": [{"kind": "status", "status": 503, "endpoint": "archive", "first": 1}]})
    record = talk.upsert(one("a@x.com")).json()["results"][0]["id"]
    assert talk.send("POST", ARCHIVE, {"inputs": [{"id": record}]}).status == 503
    assert talk.read("a@x.com").status == 200
    assert talk.send("POST", ARCHIVE, {"inputs": [{"id": record}]}).status == 204
    assert talk.read("a@x.com").status == 207


WORKFLOW = {"who": "workflow", "name": "Routing", "property": "hs_lead_status", "value": "OPEN"}


def test_a_workflow_sets_its_property_on_a_share_of_what_was_written_at_once():
    talk = MockClient({"others": [{**WORKFLOW, "share": 0.3}]})
    keys = [f"c{n}@x.com" for n in range(100)]
    answered = talk.upsert(*(one(key) for key in keys)).json()["results"]
    assert all("hs_lead_status" not in result["properties"] for result in answered)
    chosen = {key for key, held in talk.stored.items() if held.get("hs_lead_status") == "OPEN"}
    assert 15 < len(chosen) < 45
    (version,) = versions(talk, min(chosen), "hs_lead_status")
    assert version["sourceType"] == "AUTOMATION_PLATFORM"
    assert version["sourceId"].startswith("enrollmentId:")
    assert version["sourceLabel"] == "Routing"
    again = MockClient({"others": [{**WORKFLOW, "share": 0.3}]})
    for key in reversed(keys):
        again.upsert(one(key))
    assert chosen == {key for key, held in again.stored.items() if held.get("hs_lead_status")}


def test_a_human_comes_after_a_while_and_once():
    talk = MockClient({"others": [{"who": "human", "property": "city", "value": "Ulm", "after_seconds": 30}]})
    talk.upsert(one("a@x.com", city="Bonn"))
    talk.now = 29.0
    assert talk.stored["a@x.com"]["city"] == "Bonn"
    talk.now = 30.0
    assert talk.stored["a@x.com"]["city"] == "Ulm"
    found = versions(talk, "a@x.com", "city")
    assert [v["sourceType"] for v in found] == ["CRM_UI", "INTEGRATION"]
    assert found[0]["timestamp"] == "2026-01-01T00:00:30.000Z"
    talk.upsert(one("a@x.com", city="Bonn"))
    talk.now = 90.0
    assert talk.stored["a@x.com"]["city"] == "Bonn"


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ({"on": "created"}, {"b@x.com", "c@x.com"}),
        ({"on": "updated"}, {"a@x.com"}),
        ({"keys": ["B@x.com"]}, {"b@x.com"}),
        ({"match": {"tier": "gold"}}, {"c@x.com"}),
        ({"object_type": "deals"}, set()),
    ],
)
def test_others_choose_what_they_follow(condition, chosen):
    talk = MockClient({"others": [{**WORKFLOW, **condition}]})
    talk.seed({"properties": {"email": "a@x.com"}})
    talk.upsert(one("a@x.com"), one("b@x.com"), one("c@x.com", tier="gold"))
    assert {key for key, held in talk.stored.items() if held.get("hs_lead_status")} == chosen


def test_somebody_archives_what_was_written():
    talk = MockClient(
        {"others": [{"who": "human", "archive": True, "keys": ["a@x.com"], "after_seconds": 1}]}
    )
    talk.upsert(one("a@x.com"), one("b@x.com"))
    talk.now = 2.0
    assert set(talk.stored) == {"b@x.com"}


@pytest.mark.parametrize(
    "table",
    [
        {"who": "workflow"},
        {"who": "human", "property": "city", "archive": True},
        {"who": "nobody", "property": "city"},
        {**WORKFLOW, "share": 2.0},
        {**WORKFLOW, "after_seconds": -1},
        {**WORKFLOW, "object_type": "butterflies"},
    ],
)
def test_senseless_others_are_refused(table):
    with pytest.raises(ValueError, match="others"):
        MockClient({"others": [table]})
