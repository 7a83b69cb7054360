"""Lists: made, found by id and name and by search, filled, read page by page, emptied and deleted."""

from urllib.parse import quote

import pytest
from hubspot.crm import lists as official

from support.mock_requests import ARCHIVE, MockClient
from uploader.mockserver.faults.scenario import Scenario

LISTS = "/crm/v3/lists"


def filled(document=None, count=3):
    talk = MockClient(document)
    talk.seed(*({"properties": {"email": f"c{n}@x.com"}} for n in range(count)))
    return talk, [one["id"] for one in talk.simulator.objects(0.0)]


def create(talk, name="VIP", processing_type="MANUAL", type_id="0-1", **rest):
    body = {"name": name, "processingType": processing_type, "objectTypeId": type_id, **rest}
    return talk.send("POST", LISTS, body)


def made(talk, **document):
    return create(talk, **document).json()["list"]["listId"]


def change(talk, list_id, *ids, verb="add"):
    return talk.send("PUT", f"{LISTS}/{list_id}/memberships/{verb}", list(ids))


def members(talk, list_id, **query):
    return [one["recordId"] for one in page(talk, list_id, **query)["results"]]


def page(talk, list_id, **query):
    return talk.get(f"{LISTS}/{list_id}/memberships", query=query).json()


def test_a_static_list_is_made_and_found_by_its_id_and_its_name():
    talk, _ = filled()
    shown = create(talk, name="Came in 50/50 €").json()["list"]
    assert (shown["processingType"], shown["objectTypeId"], shown["size"]) == ("MANUAL", "0-1", 0)
    by_name = f"{LISTS}/object-type-id/0-1/name/{quote('Came in 50/50 €', safe='')}"
    for path in (f"{LISTS}/{shown['listId']}", by_name):
        assert talk.get(path).json()["list"] == shown


def test_what_does_not_exist_is_not_found():
    talk, _ = filled()
    made(talk)
    for path in ("/9", "/9/memberships", "/object-type-id/0-1/name/Nobody", "/object-type-id/0-2/name/VIP"):
        reply = talk.get(LISTS + path)
        assert (reply.status, reply.json()["category"]) == (404, "OBJECT_NOT_FOUND")
    assert change(talk, "9").status == 404


def test_a_name_is_unique_among_all_lists_until_they_are_deleted():
    talk, _ = filled()
    first = made(talk)
    again = create(talk)
    assert (again.status, again.json()["subCategory"]) == (400, "ILS.DUPLICATE_LIST_NAMES")
    assert create(talk, type_id="0-2").json()["subCategory"] == "ILS.DUPLICATE_LIST_NAMES"
    assert talk.send("DELETE", f"{LISTS}/{first}").status == 204
    assert talk.get(f"{LISTS}/{first}").status == 404
    assert create(talk).status == 200


@pytest.mark.parametrize("document", [
    {"name": None}, {"name": ""}, {"processing_type": "STATIC"}, {"processing_type": "DYNAMIC"},
    {"type_id": "contacts"}, {"type_id": "0-99"}, {"type_id": None},
])  # fmt: skip
def test_a_list_that_cannot_be_made_is_refused(document):
    talk, _ = filled()
    assert create(talk, **document).status == 400
    assert list(talk.simulator.lists(0.0)) == []


def test_members_are_added_once_and_unknown_ones_reported():
    talk, (a, b, c) = filled()
    talk.send("POST", ARCHIVE, {"inputs": [{"id": c}]})
    vip = made(talk)
    first = change(talk, vip, b, a, b, c, "99").json()
    assert first == {"recordsIdsAdded": [b, a], "recordIdsRemoved": [], "recordIdsMissing": [c, "99"]}
    assert change(talk, vip, int(a)).json()["recordsIdsAdded"] == []
    assert members(talk, vip) == [a, b]
    assert talk.get(f"{LISTS}/{vip}").json()["list"]["size"] == 2


def test_members_are_removed_and_others_left_alone():
    talk, (a, b, c) = filled()
    vip = made(talk)
    change(talk, vip, a, b)
    gone = change(talk, vip, a, c, "99", verb="remove").json()
    assert gone == {"recordsIdsAdded": [], "recordIdsRemoved": [a], "recordIdsMissing": ["99"]}
    body = {"recordIdsToAdd": [a, c], "recordIdsToRemove": [b]}
    both = talk.send("PUT", f"{LISTS}/{vip}/memberships/add-and-remove", body).json()
    assert (both["recordsIdsAdded"], both["recordIdsRemoved"]) == ([a, c], [b])
    assert members(talk, vip) == [a, c]


def test_an_archived_record_is_no_member_and_a_merged_one_stays_one():
    talk, (a, b, c) = filled()
    vip = made(talk)
    change(talk, vip, a, b, c)
    talk.send("POST", ARCHIVE, {"inputs": [{"id": c}]})
    merged = talk.simulator.merge(0.0, {"id": a}, {"id": b})
    assert members(talk, vip) == [merged]
    assert change(talk, vip, b, verb="remove").json()["recordIdsRemoved"] == [merged]
    assert members(talk, vip) == []


def test_the_members_of_a_dynamic_list_cannot_be_changed():
    talk, (a, *_) = filled()
    dynamic = made(talk, processing_type="DYNAMIC", filterBranch={})
    assert change(talk, dynamic, a).status == 400
    assert change(talk, made(talk, name="S", processing_type="SNAPSHOT", filterBranch={}), a).status == 200


@pytest.mark.parametrize("body", [b"{", b'{"inputs": []}', b"[[]]", b"[1.5]", b"null"])
def test_members_that_cannot_be_read_are_refused(body):
    talk, _ = filled()
    assert talk.send("PUT", f"{LISTS}/{made(talk)}/memberships/add", body).status == 400


def test_members_come_in_pages():
    talk, ids = filled(count=5)
    vip = made(talk)
    change(talk, vip, *ids)
    first = page(talk, vip, limit="3")
    rest = page(talk, vip, limit="3", after=first["paging"]["next"]["after"])
    assert [one["recordId"] for one in (*first["results"], *rest["results"])] == ids
    assert (first["total"], "paging" in rest) == (5, False)
    assert talk.get(f"{LISTS}/{vip}/memberships", query={"limit": "251"}).status == 400


def test_lists_are_searched_by_name_type_and_id_page_by_page():
    talk, _ = filled()
    for name, type_id in (("Spring fair", "0-1"), ("Fair 2026", "0-1"), ("Fair", "0-2")):
        made(talk, name=name, type_id=type_id)

    def search(**asked):
        return talk.send("POST", f"{LISTS}/search", {"additionalProperties": [], "offset": 0, **asked}).json()

    def names(body):
        return [one["name"] for one in body["lists"]]

    assert names(search()) == ["Spring fair", "Fair 2026", "Fair"]
    assert names(search(query="fair", objectTypeId="0-1")) == ["Spring fair", "Fair 2026"]
    assert names(search(listIds=["3"], processingTypes=["MANUAL"])) == ["Fair"]
    assert names(search(processingTypes=["DYNAMIC"])) == []
    first = search(count=2)
    assert (first["hasMore"], first["total"], first["offset"]) == (True, 3, 2)
    assert names(search(count=2, offset=first["offset"])) == ["Fair"]
    assert search(count=501)["category"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(("fault", "held"), [
    ({"kind": "reset"}, 0), ({"kind": "reset", "applied": True}, 3), ({"kind": "truncate"}, 3),
    ({"kind": "status", "status": 503}, 0), ({"kind": "reset", "late_seconds": 1}, 0), ({"kind": "no_op"}, 0),
])  # fmt: skip
def test_faults_decide_whether_members_are_added(fault, held):
    talk, ids = filled({"faults": [{"endpoint": "memberships", "first": 1, **fault}]})
    vip = made(talk)
    change(talk, vip, *ids)
    assert len(members(talk, vip)) == held
    if "late_seconds" in fault:
        talk.now = 2.0
        assert len(members(talk, vip)) == 3
    change(talk, vip, *ids)
    assert members(talk, vip) == ids


def test_faults_decide_whether_a_list_is_made():
    lost = {"kind": "status", "status": 502, "endpoint": "change_lists"}
    talk, _ = filled({"faults": [{**lost, "first": 1}, {**lost, "requests": [2, 2], "applied": True}]})
    assert [create(talk).status for _ in range(3)] == [502, 502, 400]
    read = {"kind": "reset", "endpoint": "lists"}
    talk.simulator.change_scenario(Scenario.parse({"faults": [read]}))
    assert talk.get(f"{LISTS}/1").is_faulty


def test_a_member_that_is_rejected_is_reported_missing():
    talk, (a, b, _) = filled()
    vip = made(talk)
    reject = {"kind": "reject", "endpoint": "memberships", "keys": [a]}
    talk.simulator.change_scenario(Scenario.parse({"faults": [reject]}))
    body = change(talk, vip, a, b).json()
    assert (body["recordsIdsAdded"], body["recordIdsMissing"]) == ([b], [a])


@pytest.mark.parametrize(("scopes", "statuses"), [
    (["crm.lists.read"], (403, 200, 403)), (["crm.lists.write"], (200, 403, 403)),
    (["crm.lists.read", "crm.lists.write"], (200, 200, 200)),
])  # fmt: skip
def test_lists_have_scopes_of_their_own(scopes, statuses):
    talk, ids = filled({"auth": {"scopes": scopes}})
    lists = [{"name": "Seeded", "members": [{"id": ids[0]}]}]
    talk.simulator.reset(0.0, [{"properties": {"email": "c0@x.com"}}], lists=lists)
    replies = (create(talk), talk.get(f"{LISTS}/1"), change(talk, "1", ids[0]))
    assert tuple(one.status for one in replies) == statuses


def test_lists_are_seeded_and_dumped(hubspot_mock):
    mock = hubspot_mock()
    vip = {"name": "VIP", "members": [{"email": "a@x.com"}]}
    fair = {"name": "Fair", "type": "companies", "processing_type": "DYNAMIC"}
    mock.reset([{"properties": {"email": "a@x.com"}}], lists=[vip, fair])
    (contact,) = mock.contacts()
    first, second = mock.lists()
    assert first == {
        "id": "1", "name": "VIP", "type": "contacts", "processing_type": "MANUAL", "deleted": False,
        "members": [contact["id"]],
    }  # fmt: skip
    assert (second["type"], second["members"]) == ("companies", [])
    for wrong in ({}, {"name": "x", "type": "notes"}, {"name": "x", "members": [{"email": "b@x.com"}]}):
        with pytest.raises(OSError, match="400"):
            mock.reset(lists=[wrong])


def test_the_official_client_makes_fills_and_deletes_a_list(hubspot_mock):
    mock = hubspot_mock()
    mock.reset([{"properties": {"email": f"{name}@x.com"}} for name in "ab"])
    ids = [one["id"] for one in mock.contacts()]
    configuration = official.Configuration(host=mock.url)
    configuration.access_token = "any"
    client = official.ApiClient(configuration)
    lists, memberships = official.ListsApi(client), official.MembershipsApi(client)
    asked = official.ListCreateRequest(name="Fair 1/2", object_type_id="0-1", processing_type="MANUAL")
    list_id = lists.create(asked).list.list_id
    assert lists.get_by_name("Fair 1/2", "0-1").list.list_id == list_id
    search = official.ListSearchRequest(query="fair", offset=0, additional_properties=[])
    assert [one.name for one in lists.do_search(search).lists] == ["Fair 1/2"]
    added = memberships.add(list_id, [*ids, "99"])
    assert (added.records_ids_added, added.record_ids_missing) == (ids, ["99"])
    assert [one.record_id for one in memberships.get_page(list_id).results] == ids
    assert memberships.remove(list_id, [ids[0]]).record_ids_removed == [ids[0]]
    assert lists.get_by_id(list_id).list.size == 1
    lists.remove(list_id)
    assert [one["deleted"] for one in mock.lists()] == [True]
