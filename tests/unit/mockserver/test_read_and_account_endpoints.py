"""Everything but the upsert: reading back, properties, account, tokens."""

from urllib.parse import urlencode

import pytest

from support.mock_requests import ARCHIVE, READ, UPSERT, MockClient, one

PROPERTIES = "/crm/v3/properties/contacts"
DETAILS = "/account-info/v3/details"
TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"
CLIENT = {"client_id": "c", "client_secret": "s"}


def filled(document=None):
    talk = MockClient(document)
    talk.seed(
        {"properties": {"email": "a@x.com", "city": "Bonn"}, "additional_emails": ["a2@x.com"]},
        {"properties": {"email": "b@x.com", "external_id": "B1"}},
    )
    return talk


def test_read_finds_by_email_by_secondary_email_by_unique_property_and_by_id():
    talk = filled()
    (by_secondary,) = talk.read("A2@x.com", properties=["email", "city", "phone"]).json()["results"]
    assert (
        by_secondary["properties"] | {"email": "a@x.com", "city": "Bonn", "phone": None}
        == by_secondary["properties"]
    )
    assert talk.read("b1", id_property="external_id").json()["results"][0]["properties"]["email"] == "b@x.com"
    by_id = talk.read(by_secondary["id"], id_property=None).json()["results"]
    assert [result["id"] for result in by_id] == [by_secondary["id"]]


def test_read_names_all_misses_in_one_error():
    reply = filled().read("a@x.com", "no@x.com", "nor@x.com")
    body = reply.json()
    assert (reply.status, body["numErrors"], len(body["results"])) == (207, 1, 1)
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["no@x.com", "nor@x.com"]}


def test_read_caps_at_a_hundred_and_at_fifty_with_history():
    talk = MockClient()
    ids = [f"{n}@x.com" for n in range(101)]
    assert talk.read(*ids).status == 400
    assert (
        talk.read(*ids[:51], history=["city"])
        .json()["message"]
        .startswith("The maximum number of inputs supported in a batch request for property histories is 50")
    )
    assert talk.read(*ids[:50], history=["city"]).status == 207
    assert talk.read(*ids[:100]).status == 207


def test_history_lists_what_was_written_newest_first():
    talk = MockClient()
    for city in ("Bonn", "Köln", "Trier"):
        talk.upsert(one("a@x.com", city=city))
    history = talk.read("a@x.com", history=["city"]).json()["results"][0]["propertiesWithHistory"]
    assert [version["value"] for version in history["city"]] == ["Trier", "Köln", "Bonn"]


def test_cleared_reads_back_empty_and_never_set_as_null():
    talk = filled()
    talk.upsert(one("a@x.com", city=""))
    (result,) = talk.read("a@x.com", properties=["city", "phone", "lifecyclestage"]).json()["results"]
    assert [result["properties"][name] for name in ("city", "phone", "lifecyclestage")] == ["", None, "lead"]


def test_archived_contacts_are_read_only_when_asked_for():
    talk = filled()
    contact_id = talk.read("a@x.com").json()["results"][0]["id"]
    talk.send("POST", ARCHIVE, {"inputs": [{"id": contact_id}, {"id": "1"}]})
    assert talk.read("a@x.com").status == 207
    assert talk.read("a2@x.com").status == 207
    for ids, id_property in (([contact_id], None), (["A@x.com"], "email")):
        (result,) = talk.read(*ids, id_property=id_property, query={"archived": "true"}).json()["results"]
        assert (result["id"], result["archived"]) == (contact_id, True)
    assert talk.simulator.stats()["contacts"] == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"inputs":[7]}', b'{"inputs":{}}', b'{"inputs":[{"id":7}]}'])
@pytest.mark.parametrize("path", [READ, ARCHIVE])
def test_bad_read_and_archive_bodies_are_refused(path, body):
    assert MockClient().send("POST", path, body).status == 400


def test_read_by_a_property_that_is_not_unique_is_refused():
    assert filled().read("Bonn", id_property="city").status == 400


@pytest.mark.parametrize(
    "path", [PROPERTIES, "/crm/properties/2026-03/0-1", "/crm/properties/2026-09/contacts"]
)
def test_properties_are_listed_in_full(path):
    found = {one_["name"]: one_ for one_ in MockClient().get(path).json()["results"]}
    assert len(found) >= 60
    assert (found["email"]["label"], found["firstname"]["label"]) == ("Email", "First Name")
    assert found["external_id"]["hasUniqueValue"] is True
    assert found["hubspot_owner_id"]["externalOptions"] is True
    assert found["createdate"]["modificationMetadata"]["readOnlyValue"] is True
    assert found["hs_email_domain"]["calculated"] is True
    options = [(o["value"], o["label"], o["displayOrder"]) for o in found["tier"]["options"]]
    assert options == [("bronze", "Bronze", 2), ("gold", "Gold", 0), ("silver", "Silver", 1)]
    assert found["interests"]["fieldType"] == "checkbox"
    kinds = {name: found[name]["type"] for name in ("score", "renewal_date", "last_seen", "vip")}
    assert kinds == {"score": "number", "renewal_date": "date", "last_seen": "datetime", "vip": "bool"}


def test_a_scenario_adds_properties_and_sensitive_ones_stay_hidden():
    talk = MockClient({"properties": [{"name": "ssn", "sensitive": True, "unique": True}, {"name": "plan"}]})

    def names(**query):
        return {p["name"] for p in talk.get(PROPERTIES, query=query).json()["results"]}

    assert "plan" in names()
    assert "ssn" not in names()
    assert names(dataSensitivity="sensitive") == {"ssn"}
    assert names(archived="true") == set()
    assert talk.upsert(one("1", id_property="ssn", plan="x")).status == 200


@pytest.mark.parametrize("definitions", ["listed", "refused"])
def test_reads_leave_out_sensitive_values_without_the_scope(definitions):
    scopes = ["crm.objects.contacts.read", "crm.objects.contacts.write"]
    scenario = {
        "properties": [{"name": "ssn", "sensitive": True}],
        "auth": {"scopes": scopes},
        "rules": {"sensitive_definitions": definitions},
    }
    talk = MockClient(scenario)
    talk.seed({"properties": {"email": "a@x.com", "ssn": "1", "city": "Bonn"}})
    (found,) = talk.read("a@x.com", properties=["ssn", "city"]).json()["results"]
    assert found["properties"]["city"] == "Bonn"
    assert "ssn" not in found["properties"]
    (found,) = talk.read("a@x.com", history=["ssn", "city"]).json()["results"]
    assert found["propertiesWithHistory"].keys() == {"city"}
    listed = talk.get(PROPERTIES, query={"dataSensitivity": "sensitive"})
    assert listed.status == (200 if definitions == "listed" else 403)


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_account_details(version):
    talk = MockClient({"account": {"portal_id": 7, "time_zone": "Asia/Kolkata"}})
    body = talk.get(f"/account-info/{version}/details").json()
    assert (body["portalId"], body["timeZone"]) == (7, "Asia/Kolkata")
    assert (body["utcOffset"], body["utcOffsetMilliseconds"]) == ("+05:30", 19_800_000)


def test_the_default_account_is_on_the_american_east_coast():
    body = MockClient().get(DETAILS).json()
    assert (body["utcOffset"], body["utcOffsetMilliseconds"]) == ("-05:00", -18_000_000)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", UPSERT),
        ("POST", "/crm/v3/objects/contacts/batch/merge"),
        ("GET", "/"),
        ("GET", "/crm/v4/properties"),
    ],
)
def test_anything_else_is_not_found_and_has_no_category(method, path):
    reply = MockClient().send(method, path)
    assert (reply.status, reply.json()["message"]) == (404, "resource not found")
    assert "category" not in reply.json()


def test_unknown_object_types_are_named():
    reply = MockClient().upsert(one("a@x.com"), path="/crm/v3/objects/butterflies/batch/upsert")
    assert (reply.status, reply.json()["message"]) == (400, "Unable to infer object type from: butterflies")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer "}, {"authorization": "Basic eDp5"}])
def test_without_a_bearer_token_nobody_comes_in(headers):
    reply = MockClient().send("GET", DETAILS, token=None, headers=headers)
    assert (reply.status, reply.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_expired_and_garbage_tokens_are_both_called_expired():
    talk = MockClient({"auth": {"tokens": ["good", "old"], "expired": ["old"]}})
    assert talk.get(DETAILS, token="good").status == 200
    old, garbage = (talk.get(DETAILS, token=token) for token in ("old", "nonsense"))
    assert (old.status, garbage.status) == (401, 401)
    assert old.json()["category"] == garbage.json()["category"] == "EXPIRED_AUTHENTICATION"
    assert "expired 75 second(s) ago" in old.json()["message"]
    assert old.json()["context"] == {"expire time": ["2025-12-31T23:58:45.000Z"]}
    assert "20705 day(s) ago" in garbage.json()["message"]
    assert garbage.json()["context"] == {"expire time": ["1970-01-01T00:00:00Z"]}


@pytest.mark.parametrize("shape", ["errors", "context"])
def test_missing_scopes_in_both_shapes(shape):
    document = {"auth": {"scopes": ["crm.objects.contacts.read"]}, "rules": {"scope_error_shape": shape}}
    talk = MockClient(document)
    reply = talk.upsert(one("a@x.com"))
    body = reply.json()
    assert (reply.status, body["category"]) == (403, "MISSING_SCOPES")
    holder = body["errors"][0] if shape == "errors" else body
    assert holder["context"] == {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    assert talk.read("a@x.com").status == 207


def form(**fields):
    return urlencode(fields).encode()


def test_private_app_tokens_are_explained():
    talk = MockClient({"account": {"portal_id": 7}, "auth": {"tokens": ["pat-na1-x", "pat-eu1-x"]}})
    body = talk.send("POST", TOKEN_INFO, {"tokenKey": "pat-na1-x"}, token=None).json()
    assert body["hubId"] == 7
    assert "crm.objects.contacts.write" in body["scopes"]
    assert talk.send("POST", TOKEN_INFO, {"tokenKey": "pat-eu1-x"}, token=None).status == 401
    assert talk.send("POST", TOKEN_INFO, {"tokenKey": "pat-eu1-x"}, token="pat-eu1-x").status == 200
    assert talk.send("POST", TOKEN_INFO, {"tokenKey": "other"}).status == 401
    assert talk.send("POST", TOKEN_INFO, {}).status == 400
    assert talk.send("POST", TOKEN_INFO, b"{").status == 400


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-09/token"])
def test_a_refreshed_token_works_until_it_expires(path):
    talk = MockClient({"auth": {"tokens": [], "refresh_tokens": ["r"], "token_lifetime_seconds": 60}})
    body = talk.send(
        "POST", path, form(grant_type="refresh_token", refresh_token="r", **CLIENT), token=None
    ).json()
    assert (body["expires_in"], body["refresh_token"], body["token_type"]) == (60, "r", "bearer")
    assert talk.get(DETAILS, token=body["access_token"]).status == 200
    introspected = talk.send(
        "POST", "/oauth/v3/token/introspect", form(token=body["access_token"], **CLIENT)
    ).json()
    assert (introspected["active"], introspected["expires_in"]) == (True, 60)
    talk.now = 70.0
    reply = talk.get(DETAILS, token=body["access_token"])
    assert reply.status == 401
    assert reply.json()["message"].endswith(" expired 10 second(s) ago.")


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"refresh_token": "bad"}, "BAD_REFRESH_TOKEN", "invalid_grant"),
        ({"client_id": "x"}, "BAD_CLIENT_ID", "invalid_client"),
        ({"client_secret": ""}, "BAD_CLIENT_SECRET", "invalid_client"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"),
    ],
)
def test_bad_refreshes_are_told_apart(fields, status, error):
    talk = MockClient({"auth": {"refresh_tokens": ["r"], **CLIENT}})
    good = {"grant_type": "refresh_token", "refresh_token": "r", **CLIENT}
    reply = talk.send("POST", "/oauth/v1/token", form(**(good | fields)), token=None)
    assert reply.status == 400
    assert (reply.json()["status"], reply.json()["error"]) == (status, error)


def test_introspection_new_and_legacy():
    talk = MockClient({"auth": {"tokens": ["t"], "refresh_tokens": ["r"]}})
    introspect = "/oauth/2026-03/token/introspect"
    assert talk.send("POST", introspect, form(token="no", **CLIENT)).json() == {"active": False}
    for fields in ({"refresh_token": "r"}, {"token": "r", "token_type_hint": "refresh_token"}):
        assert talk.send("POST", introspect, form(**fields, **CLIENT)).json()["token_use"] == "refresh_token"
    assert (
        talk.send("POST", introspect, form(access_token="t", **CLIENT)).json()["token_use"] == "access_token"
    )
    assert talk.send("POST", introspect, form(token="t")).status == 400
    assert talk.get("/oauth/v1/access-tokens/t", token=None).json()["token"] == "t"
    assert talk.get("/oauth/v1/access-tokens/no", token=None).status == 404


def test_token_endpoints_use_no_quota():
    talk = MockClient({"auth": {"tokens": ["t"]}})
    talk.get("/oauth/v1/access-tokens/t", token=None)
    assert talk.simulator.stats()["most_in_window"] == 0


@pytest.mark.parametrize("path", ["/crm/v3/owners", "/crm/owners/2026-03", "/crm/owners/2026-09/"])
def test_owners_are_listed_page_by_page_and_archived_ones_apart(path):
    talk, found, query = MockClient(), [], {"limit": "3"}
    while True:
        body = talk.get(path, query=query).json()
        assert len(body["results"]) <= 3
        found += body["results"]
        if "paging" not in body:
            break
        query["after"] = body["paging"]["next"]["after"]
    assert len({owner["id"] for owner in found}) == len(found) == 7
    assert len([o for o in found if (o["firstName"], o["lastName"]) == ("Chris", "Miller")]) == 2
    gone = talk.get(path, query={"archived": "true"}).json()["results"]
    assert {owner["archived"] for owner in gone} == {True}
    assert all("userId" not in owner for owner in gone)
    assert (
        talk.get(path, query={"email": "BOB.stone@example.com"}).json()["results"][0]["lastName"] == "Stone"
    )
    assert [talk.get(path, query={"limit": limit}).status for limit in ("0", "501", "x")] == [400] * 3
    assert talk.get(path, query={"after": "x"}).status == 400


def test_owners_of_a_scenario_stand_in_the_place_of_the_default_ones_and_need_a_scope():
    (owner,) = (
        MockClient({"owners": [{"id": "7", "email": "a@x.com"}]}).get("/crm/v3/owners").json()["results"]
    )
    assert (owner["id"], owner["email"]) == ("7", "a@x.com")
    assert MockClient({"auth": {"scopes": ["oauth"]}}).get("/crm/v3/owners").status == 403


def test_a_user_id_is_no_owner_id():
    talk = MockClient()
    owner = talk.get("/crm/v3/owners").json()["results"][0]
    assert (
        talk.upsert(one("a@x.com", hubspot_owner_id=owner["id"], account_manager=owner["id"])).status == 200
    )
    assert talk.upsert(one("a@x.com", hubspot_owner_id=str(owner["userId"]))).status == 400
    named = {p["name"]: p for p in talk.get(PROPERTIES).json()["results"]}
    for name in ("hubspot_owner_id", "account_manager"):
        assert (named[name]["externalOptions"], named[name]["referencedObjectType"]) == (True, "OWNER")
    assert "referencedObjectType" not in named["tier"]


@pytest.mark.parametrize(
    "path", ["/crm/v3/limits/records", "/crm/limits/2026-03/records", "/crm/limits/2026-09/records"]
)
def test_limits_tell_how_many_records_there_may_be(path):
    talk = MockClient({"account": {"record_limit": 1000}})
    talk.upsert(one("a@x.com"))
    found = {entry["objectTypeId"]: entry for entry in talk.get(path).json()["hubspotDefinedObjectTypes"]}
    assert (found["0-1"]["limit"], found["0-1"]["usage"], found["0-1"]["percentage"]) == (1000, 1, 0.1)
