"""Properties that a client creates and archives, and the search for records that have a value of them."""

import pytest
from hubspot.crm import objects, properties

from support.mock_requests import UPSERT, MockClient, fault, one

PROPERTIES = "/crm/v3/properties/contacts"
SEARCH = "/crm/v3/objects/contacts/search"


def definition(name="shoe_size", **more):
    usual = {"label": "Shoe size", "type": "number", "fieldType": "number", "groupName": "contactinformation"}
    return {"name": name, **usual, **more}


def create(client, *inputs, path=f"{PROPERTIES}/batch/create", **rest):
    return client.send("POST", path, {"inputs": list(inputs)}, **rest)


def names(client, **query):
    return {entry["name"] for entry in client.get(PROPERTIES, query=query).json()["results"]}


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/properties/contacts/batch/create",
        "/crm/properties/2026-03/0-1/batch/create",
        "/crm/properties/2026-09/contacts/batch/create",
    ],
)
def test_what_is_created_is_listed_and_takes_values(path):
    client = MockClient()
    reply = create(client, definition(), definition("nickname", type="string", fieldType="text"), path=path)
    assert (reply.status, [one["name"] for one in reply.json()["results"]]) == (
        201,
        ["shoe_size", "nickname"],
    )
    assert names(client) >= {"shoe_size", "nickname"}
    assert client.upsert(one("a@x.com", trace="1", shoe_size="44")).status == 200
    assert client.upsert(one("a@x.com", trace="1", shoe_size="big")).status == 207
    client.simulator.change_scenario(client.simulator.scenario)
    assert names(client) >= {"shoe_size", "nickname"}


def test_names_that_exist_are_told_one_by_one_as_recorded():
    client = MockClient()
    reply = create(client, definition("city"), definition(), definition())
    body = reply.json()
    assert (reply.status, [one["name"] for one in body["results"]], body["numErrors"]) == (
        207,
        ["shoe_size"],
        2,
    )
    assert body["errors"][0] == {
        "status": "error",
        "category": "OBJECT_ALREADY_EXISTS",
        "subCategory": "Properties.PROPERTY_WITH_NAME_EXISTS",
        "message": "A property named 'city' already exists.",
        "context": {"name": ["city"]},
    }
    assert client.send("POST", PROPERTIES, definition()).status == 409


@pytest.mark.parametrize(
    "wrong",
    [
        definition("Shoe"),
        definition("1shoe"),
        definition(groupName="nowhere"),
        definition(type="bool", fieldType="booleancheckbox"),
        definition(type="enumeration", fieldType="select"),
    ],
    ids=["upper case", "digit", "group", "bool without options", "enumeration without options"],
)
def test_a_definition_that_can_not_be_is_refused_and_the_others_are_created(wrong):
    client = MockClient()
    body = create(client, wrong, definition("good")).json()
    assert ([one["name"] for one in body["results"]], body["numErrors"]) == (["good"], 1)
    assert body["errors"][0]["context"] == {"name": [wrong["name"]]}
    whole = MockClient({"rules": {"multi_status": False}})
    assert create(whole, wrong, definition("good")).status == 400
    assert "good" not in names(whole)


def test_a_batch_that_is_none_is_refused_as_a_whole():
    client = MockClient()
    for body in (
        [{"name": "x"}],
        [definition(type="text")],
        ["x"],
        [definition(f"n{n}") for n in range(101)],
    ):
        assert create(client, *body).status == 400
    assert "n1" not in names(client)


def test_archived_properties_are_gone_listed_apart_and_refuse_values():
    client = MockClient()
    create(client, definition(), definition("other"))
    body = {"inputs": [{"name": "shoe_size"}, {"name": "unknown"}]}
    assert client.send("POST", f"{PROPERTIES}/batch/archive", body).status == 204
    assert client.send("DELETE", f"{PROPERTIES}/other").status == 204
    assert names(client).isdisjoint({"shoe_size", "other"})
    assert names(client, archived="true") == {"shoe_size", "other"}
    assert client.upsert(one("a@x.com", trace="1", shoe_size="44")).status == 207
    assert client.send("DELETE", f"{PROPERTIES}/city").status == 400
    assert create(client, definition()).status == 201
    assert names(client, archived="true") == {"other"}


@pytest.mark.parametrize("applied", [True, False])
def test_a_reply_can_be_lost_with_or_without_the_write(applied):
    client = MockClient(fault("status", status=502, endpoint="create_properties", applied=applied))
    assert create(client, definition()).status == 502
    assert ("shoe_size" in names(client)) is applied


def test_only_tokens_with_the_scope_of_schemas_may_change_properties():
    client = MockClient({"auth": {"scopes": ["crm.objects.contacts.read", "crm.objects.contacts.write"]}})
    reply = create(client, definition())
    assert (reply.status, "crm.schemas.contacts.write" in str(reply.json())) == (403, True)
    assert client.send("POST", f"{PROPERTIES}/batch/archive", {"inputs": []}).status == 403
    assert client.send("POST", UPSERT, {"inputs": []}).status == 200


def test_the_official_client_has_nothing_to_complain_about(hubspot_mock):
    mock = hubspot_mock()

    def api(package, name):
        configuration = package.Configuration(host=mock.url)
        configuration.access_token = "any"
        return getattr(package, name)(package.ApiClient(configuration))

    made = properties.PropertyCreate(
        name="shoe_size",
        label="Shoe size",
        type="number",
        field_type="number",
        group_name="contactinformation",
    )
    batch = api(properties, "BatchApi")
    assert batch.create("contacts", properties.BatchInputPropertyCreate(inputs=[made])).results[0].name
    again = batch.create("contacts", properties.BatchInputPropertyCreate(inputs=[made]))
    assert again.errors[0].category == "OBJECT_ALREADY_EXISTS"
    assert api(properties, "CoreApi").create("companies", made).field_type == "number"
    wanted = objects.Filter(property_name="shoe_size", operator="HAS_PROPERTY")
    request = objects.PublicObjectSearchRequest(
        filter_groups=[objects.FilterGroup(filters=[wanted])], limit=1, after="0", properties=[], sorts=[]
    )
    assert api(objects, "SearchApi").do_search("contacts", request).total == 0
    names_ = properties.BatchInputPropertyName(inputs=[properties.PropertyName(name="shoe_size")])
    batch.archive("contacts", names_)
    api(properties, "CoreApi").archive("companies", "shoe_size")
    listed = api(properties, "CoreApi").get_all("contacts").results
    assert "shoe_size" not in {one.name for one in listed}
