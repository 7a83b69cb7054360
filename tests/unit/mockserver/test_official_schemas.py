"""The mock server's replies and HubSpot's official schemas. `conftest` checks all that the tests exchange."""

from dataclasses import replace
from urllib.parse import urlencode

import orjson
import pytest

from support.mock_requests import ARCHIVE, READ, UPSERT, MockClient, one
from support.schema_check import USER_AGENT, SchemaCheck, Violation
from uploader.mockserver.account.behaviour_switches import Rules
from uploader.mockserver.account.store import FIRST_ID
from uploader.mockserver.quota import Quota
from uploader.mockserver.request_and_reply import Request

CREATE = "/crm/v3/objects/contacts/batch/create"
NEW = {"properties": {"email": "new@x.com"}, "associations": [], "objectWriteTraceId": "1"}
BAD_NEW = NEW | {"properties": {"nonsense": "x"}, "objectWriteTraceId": "2"}
UPDATE = "/crm/v3/objects/contacts/batch/update"
ASSOCIATIONS = "/crm/v4/associations/contacts/notes/batch/read"
LINKS = "/crm/v4/associations/contacts/contacts/batch"
LABELS = "/crm/associations/v4/contacts/contacts/labels"
SEEDED = {"id": str(FIRST_ID)}
UNLABELLED = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 449}]
LINK = {"from": SEEDED, "to": SEEDED, "types": UNLABELLED}
NOT_THERE = {"from": SEEDED, "to": {"id": "99"}, "types": UNLABELLED}
LISTS = "/crm/v3/lists"
FAIR = {"name": "Fair", "objectTypeId": "0-1", "processingType": "MANUAL"}
BAD = one("a@x.com", num_children="many") | {"objectWriteTraceId": "1"}
GOOD = one("b@x.com") | {"objectWriteTraceId": "2"}
TWICE = [one("a@x.com"), one("a@x.com")]
PROPERTIES = "/crm/v3/properties/contacts"
NICKNAME = {
    "name": "nickname", "label": "Nickname", "type": "string", "fieldType": "text",
    "groupName": "contactinformation",
}  # fmt: skip
DOCUMENTED = Rules(reply_form="documented")


def inputs(*items):
    return orjson.dumps({"inputs": list(items)})


def form(**fields):
    return urlencode(fields).encode()


REFRESH = {"client_id": "c", "client_secret": "s", "grant_type": "refresh_token", "refresh_token": "r"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
#: The request, and the status of its reply.
EXCHANGES = {
    "upsert": (("POST", UPSERT, inputs(GOOD)), 200),
    "partial failure": (("POST", UPSERT, inputs(GOOD, BAD)), 207),
    "partial failure, 2026-09": (("POST", "/crm/objects/2026-09/0-1/batch/upsert", inputs(GOOD, BAD)), 200),
    "refused upsert": (("POST", UPSERT, inputs(*TWICE)), 400),
    "upsert without JSON": (("POST", UPSERT, b"{"), 400),
    "update": (("POST", UPDATE, inputs({"id": "99", "properties": {"city": "Bonn"}})), 207),
    "create": (("POST", CREATE, inputs(NEW)), 201),
    "partly refused create": (("POST", CREATE, inputs(NEW, BAD_NEW)), 207),
    "read": (("POST", READ, orjson.dumps({
        "idProperty": "email", "properties": ["phone"], "propertiesWithHistory": [],
        "inputs": [{"id": "seeded@x.com"}, {"id": "nobody@x.com"}],
    })), 207),
    "archive": (("POST", ARCHIVE, inputs({"id": "99"})), 204),
    "associations": (("POST", ASSOCIATIONS, inputs({"id": "99"})), 207),
    "links": (("POST", f"{LINKS}/create", inputs(LINK)), 201),
    "refused links": (("POST", f"{LINKS}/create", inputs(LINK, NOT_THERE)), 207),
    "links, unreadable": (("POST", f"{LINKS}/create", inputs({})), 400),
    "default links": (("POST", f"{LINKS}/associate/default", inputs(LINK)), 200),
    "refused default links": (("POST", f"{LINKS}/associate/default", inputs(LINK, NOT_THERE)), 200),
    "links archived": (("POST", f"{LINKS}/archive", inputs({"from": SEEDED, "to": [SEEDED]})), 204),
    "labels ended": (("POST", f"{LINKS}/labels/archive", inputs(LINK)), 204),
    "labels": (("GET", LABELS, b""), 200),
    "label created": (("POST", LABELS, orjson.dumps({"name": "boss", "label": "Manager"})), 200),
    "label archived": (("DELETE", f"{LABELS}/7", b""), 204),
    "association limits": (("GET", "/crm/associations/v4/definitions/configurations/0-1/0-2", b""), 200),
    "list created": (("POST", LISTS, orjson.dumps(FAIR)), 200),
    "list of a taken name": (("POST", LISTS, orjson.dumps(FAIR | {"name": "VIP"})), 400),
    "list": (("GET", f"{LISTS}/1", b""), 200),
    "list by name": (("GET", f"{LISTS}/object-type-id/0-1/name/VIP", b""), 200),
    "unknown list": (("GET", f"{LISTS}/2", b""), 404),
    "lists": (("POST", f"{LISTS}/search", b'{"additionalProperties": [], "offset": 0}'), 200),
    "list deleted": (("DELETE", f"{LISTS}/1", b""), 204),
    "members": (("GET", f"{LISTS}/1/memberships", b""), 200),
    "members added": (("PUT", f"{LISTS}/1/memberships/add", orjson.dumps([str(FIRST_ID), "99"])), 200),
    "members removed": (("PUT", f"{LISTS}/1/memberships/remove", orjson.dumps([str(FIRST_ID)])), 200),
    "members changed": (("PUT", f"{LISTS}/1/memberships/add-and-remove", orjson.dumps(
        {"recordIdsToAdd": [], "recordIdsToRemove": [str(FIRST_ID)]}
    )), 200),
    "properties": (("GET", "/crm/v3/properties/contacts", b""), 200),
    "properties created": (("POST", f"{PROPERTIES}/batch/create", inputs(NICKNAME)), 201),
    "properties that exist": (
        ("POST", f"{PROPERTIES}/batch/create", inputs(NICKNAME, NICKNAME | {"name": "city"})), 207
    ),
    "property created": (("POST", PROPERTIES, orjson.dumps(NICKNAME)), 201),
    "property that exists": (("POST", PROPERTIES, orjson.dumps(NICKNAME | {"name": "city"})), 409),
    "properties archived": (("POST", f"{PROPERTIES}/batch/archive", inputs({"name": "tier"})), 204),
    "property archived": (("DELETE", f"{PROPERTIES}/tier", b""), 204),
    "search": (("POST", "/crm/v3/objects/contacts/search", orjson.dumps({
        "filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}]}],
        "limit": 1, "after": "0", "properties": [], "sorts": [],
    })), 200),
    "validations": (("GET", "/crm/v3/property-validations/0-1", b""), 200),
    "owners": (("GET", "/crm/v3/owners", b""), 200),
    "account": (("GET", "/account-info/v3/details", b""), 200),
    "usage": (("GET", "/account-info/v3/api-usage/daily/private-apps", b""), 200),
    "limits": (("GET", "/crm/v3/limits/records", b""), 200),
    "unknown object type": (("GET", "/crm/v3/properties/butterflies", b""), 400),
    "refresh": (("POST", "/oauth/v1/token", form(**REFRESH)), 200),
    "refresh, v3": (("POST", "/oauth/v3/token", form(**REFRESH)), 200),
    "refused refresh": (("POST", "/oauth/v1/token", form(client_id="c")), 400),
    "introspection": (
        ("POST", "/oauth/v3/token/introspect", form(client_id="c", client_secret="s", token="t")), 200
    ),
    "old introspection": (("GET", "/oauth/v1/access-tokens/t", b""), 200),
}  # fmt: skip


def exchange(method, path, body, rules=DOCUMENTED, **settings):
    client = MockClient({"rules": {"reply_form": rules.reply_form}}, **settings)
    seeded = {"properties": {"email": "seeded@x.com"}}
    client.simulator.reset(0.0, [seeded], lists=[{"name": "VIP", "members": [{"email": "seeded@x.com"}]}])
    headers = FORM if "oauth" in path else {"content-type": "application/json"}
    request = Request(method=method, path=path, body=body, headers={"authorization": "Bearer t", **headers})
    return request, client.simulator.handle(request, 0.0)


@pytest.mark.parametrize("name", EXCHANGES)
def test_documented_replies_are_as_the_schemas_say(name):
    sent, status = EXCHANGES[name]
    request, reply = exchange(*sent)
    check = SchemaCheck()
    assert reply.status == status
    assert check.check(request, reply, DOCUMENTED) == []
    assert check.checked == 1


@pytest.mark.parametrize("name", EXCHANGES)
def test_recorded_replies_differ_from_them_in_known_ways(name):
    request, reply = exchange(*EXCHANGES[name][0], rules=Rules())
    assert SchemaCheck().check(request, reply, Rules()) == []


def test_a_refusal_for_the_quota_is_documented_too():
    request, reply = exchange("POST", UPSERT, inputs(GOOD), quota=Quota(0, 10.0))
    assert reply.status == 429
    assert SchemaCheck().check(request, reply, DOCUMENTED) == []


def test_what_lacks_a_field_or_has_a_wrong_one_is_found():
    request, reply = exchange("POST", UPSERT, inputs(GOOD))
    body = orjson.loads(reply.body)
    (result,) = body["results"]
    lacking = {name: value for name, value in result.items() if name != "id"}
    for wrong, place in (
        (body | {"status": "DONE"}, "status"),
        (body | {"startedAt": "yesterday"}, "startedAt"),
        (body | {"results": [lacking]}, "results/*"),
        (body | {"results": [result | {"new": "yes"}]}, "results/*/new"),
    ):
        found = SchemaCheck().check(request, replace(reply, body=orjson.dumps(wrong)), Rules())
        assert [one.place for one in found] == [place]


def test_requests_of_the_client_are_checked_too_and_nothing_excuses_them():
    _, reply = exchange("POST", UPSERT, inputs(GOOD))
    body = inputs({"id": 7, "properties": {}})
    request = Request(method="POST", path=UPSERT, body=body, headers={**FORM, "user-agent": USER_AGENT})
    (found,) = SchemaCheck().check(request, reply, Rules())
    assert "mimetype" in found.reason
    request = replace(request, headers={"content-type": "application/json", "user-agent": USER_AGENT})
    (found,) = SchemaCheck().check(request, reply, Rules())
    assert (found.status, found.place) == (0, "inputs/*/id")
    assert not Violation(UPSERT, 0, "errors/*", "'links' is a required property").is_allowed(Rules())


def test_what_has_a_form_that_was_seen_is_not_validated_again():
    request, reply = exchange("POST", UPSERT, inputs(GOOD))
    check = SchemaCheck()
    wrong = replace(reply, body=orjson.dumps(orjson.loads(reply.body) | {"status": "DONE"}))
    assert len(check.check(request, wrong, Rules())) == 1
    assert check.check(request, wrong, Rules()) == []
