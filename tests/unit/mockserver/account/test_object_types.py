"""Companies, deals, tickets and custom objects, and each API version in its own shape."""

import pytest

from support.mock_requests import MockClient, one

TYPES = [
    ("companies", "0-2", "Company", "name"),
    ("deals", "0-3", "Deal", "dealname"),
    ("tickets", "0-5", "Ticket", "subject"),
    ("p_cars", "2-123456", "Car", "model"),
]
VERSIONS = ["v3", "2026-03", "2026-09"]


def path(version, object_type, verb):
    objects = "/crm/v3/objects" if version == "v3" else f"/crm/objects/{version}"
    return f"{objects}/{object_type}/batch/{verb}"


def keyed(key, trace=None, **properties):
    return one(key, id_property="external_id", trace=trace, **properties)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "type_id", "word", "text"), TYPES)
def test_each_type_is_written_and_read_by_its_name_and_by_its_id(name, type_id, word, text, version):
    talk = MockClient()
    made = talk.upsert(keyed("E1", **{text: "x"}), path=path(version, name, "upsert")).json()
    again = talk.upsert(keyed("e1", **{text: "y"}), path=path(version, type_id, "upsert")).json()
    assert [body["results"][0]["new"] for body in (made, again)] == [True, False]
    assert made["results"][0]["url"].split("/")[-2] == type_id
    assert "email" not in made["results"][0]["properties"]
    body = {"idProperty": "external_id", "properties": [text], "inputs": [{"id": "E1"}, {"id": "E2"}]}
    read = talk.send("POST", path(version, name, "read"), body)
    assert read.status == (200 if version == "2026-09" else 207)
    assert read.json()["results"][0]["properties"][text] == "y"
    assert f"some {word.upper()} objects" in read.json()["errors"][0]["message"]
    assert [record["properties"][text] for record in talk.simulator.objects(0, name)] == ["y"]
    assert list(talk.simulator.objects(0)) == []
    assert talk.simulator.stats()["objects"][name] == 1


@pytest.mark.parametrize(("name", "type_id", "word", "text"), TYPES)
def test_only_a_custom_unique_property_is_a_key(name, type_id, word, text):
    talk = MockClient()
    for not_unique in (text, "email", "domain"):
        reply = talk.upsert(one("a@x.com", id_property=not_unique), path=path("v3", name, "upsert"))
        assert reply.status == 400
        assert reply.json()["message"].endswith(f"by non-unique {type_id} property {not_unique}")


def test_a_garage_s_email_is_text_like_any_other():
    talk = MockClient()
    cars = [keyed("1", email="No Address"), keyed("2", email="No Address")]
    assert talk.upsert(*cars, path=path("v3", "p_cars", "upsert")).status == 200
    assert {car["properties"]["email"] for car in talk.simulator.objects(0, "p_cars")} == {"No Address"}


def test_a_value_that_is_taken_is_a_conflict_in_the_type_s_own_words():
    talk = MockClient()
    upsert = path("v3", "companies", "upsert")
    talk.upsert(keyed("1", customer_number="7"), path=upsert)
    reply = talk.upsert(keyed("2", customer_number="7", trace="t"), path=upsert)
    assert (reply.status, reply.json()["errors"][0]["message"][:24]) == (207, "Company already exists. ")


@pytest.mark.parametrize(("name", "type_id", "word", "text"), TYPES)
def test_each_type_has_properties_of_its_own(name, type_id, word, text):
    talk = MockClient({"properties": [{"name": "plan", "object_type": name}]})
    for listed in (f"/crm/v3/properties/{name}", f"/crm/properties/2026-09/{type_id}"):
        found = {p["name"]: p for p in talk.get(listed).json()["results"]}
        assert {text, "plan", "hubspot_owner_id", "tier"} <= found.keys()
        assert {n for n, p in found.items() if p["hasUniqueValue"]} == {"external_id", "customer_number"}
    assert "plan" not in {p["name"] for p in talk.get("/crm/v3/properties/contacts").json()["results"]}


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("companies", "crm.objects.companies.write"),
        ("0-3", "crm.objects.deals.write"),
        ("tickets", "tickets"),
        ("2-123456", "crm.objects.custom.write"),
    ],
)
def test_each_type_needs_a_scope_of_its_own(name, scope):
    talk = MockClient({"auth": {"scopes": ["crm.objects.contacts.write"]}})
    reply = talk.upsert(keyed("1"), path=path("v3", name, "upsert"))
    assert reply.json()["errors"][0]["context"]["requiredGranularScopes"] == [scope]


def test_limits_count_each_type_and_custom_ones_together():
    talk = MockClient()
    talk.upsert(keyed("1"), keyed("2"), path=path("v3", "p_cars", "upsert"))
    talk.upsert(keyed("1"), path=path("v3", "deals", "upsert"))
    body = talk.get("/crm/v3/limits/records").json()
    usage = {entry["objectTypeId"]: entry["usage"] for entry in body["hubspotDefinedObjectTypes"]}
    assert usage == {"0-1": 0, "0-2": 0, "0-3": 1, "0-5": 0}
    (cars,) = body["customObjectTypes"]["byObjectType"]
    assert (cars["usage"], body["customObjectTypes"]["overallUsage"]) == (2, 2)


def test_seeds_and_meddling_reach_every_type():
    talk = MockClient()
    talk.simulator.reset(0.0, objects={"deals": [{"properties": {"external_id": "D1", "amount": "5"}}]})
    (deal,) = talk.simulator.objects(0, "deals")
    talk.simulator.change_records(0.0, [{"external_id": "d1", "properties": {"amount": "6"}}], [], "deals")
    talk.simulator.change_records(0.0, [{"id": deal["id"], "properties": {"dealname": "x"}}], [], "0-3")
    (deal,) = talk.simulator.objects(0, "deals")
    assert deal["properties"] == {"external_id": "D1", "amount": "6", "dealname": "x"}
    talk.simulator.change_records(0.0, [], [deal["id"]], "deals")
    assert next(talk.simulator.objects(0, "deals"))["archived"]
    with pytest.raises(ValueError, match="no deal"):
        talk.simulator.change_records(0.0, [{"external_id": "D1", "properties": {}}], [], "deals")
    with pytest.raises(ValueError, match="butterflies"):
        talk.simulator.objects(0, "butterflies")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_partial_failure_has_each_version_s_shape(version):
    talk = MockClient()
    good, bad = one("a@x.com", trace="1"), one("b@x.com", trace="2", tier="tin")
    reply = talk.upsert(good, bad, path=path(version, "contacts", "upsert"))
    body = reply.json()
    assert reply.status == (200 if version == "2026-09" else 207)
    assert (len(body["results"]), body["numErrors"]) == (1, 1)
    assert body["errors"][0]["context"] == {"objectWriteTraceId": ["2"]}
    assert all("warnings" not in result for result in body["results"])


RULES = {
    "validations": [
        {"property": "score", "rule": "MAX_NUMBER", "arguments": ["100"]},
        {"property": "city", "rule": "MAX_LENGTH", "arguments": ["4"]},
        {"property": "lastname", "rule": "REQUIRED"},
        {"property": "zip", "rule": "REGEX", "arguments": [r"\d{5}"]},
        {"property": "amount", "rule": "MIN_NUMBER", "arguments": ["1"], "object_type": "deals"},
    ]
}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_admins_demand_is_enforced_from_2026_09_on(version):
    talk = MockClient(RULES)
    inputs = [
        one("a@x.com", trace="1", lastname="A", city="Bonn", score="100", zip="53111"),
        one("b@x.com", trace="2", lastname="B", score="101"),
        one("c@x.com", trace="3"),
        one("d@x.com", trace="4", lastname="D", city="Hamburg"),
        one("e@x.com", trace="5", lastname="E", zip="x"),
    ]
    body = talk.upsert(*inputs, path=path(version, "contacts", "upsert")).json()
    failed = {error["context"]["objectWriteTraceId"][0] for error in body.get("errors", [])}
    assert failed == ({"2", "3", "4", "5"} if version == "2026-09" else set())
    assert talk.upsert(one("a@x.com", trace="1"), path=path(version, "0-1", "upsert")).json()["results"]
    alone = talk.upsert(one("f@x.com"), path=path(version, "contacts", "upsert"))
    assert alone.status == (400 if version == "2026-09" else 200)


def test_the_rules_of_admins_are_listed():
    talk = MockClient(RULES)
    for listed in ("/crm/v3/property-validations/0-1", "/crm/property-validations/2026-03/0-1"):
        found = {e["propertyName"]: e["propertyValidationRules"] for e in talk.get(listed).json()["results"]}
        assert found.keys() == {"score", "city", "zip"}
        assert found["score"] == [{"ruleType": "MAX_NUMBER", "ruleArguments": ["100"]}]


@pytest.mark.parametrize(
    "table",
    [
        {"property": "x", "rule": "MAX_LENGTH"},
        {"property": "x", "rule": "NONSENSE"},
        {"property": "x", "rule": "REQUIRED", "object_type": "butterflies"},
    ],
)
def test_senseless_validations_are_refused(table):
    with pytest.raises(ValueError, match="validations"):
        MockClient({"validations": [table]})
