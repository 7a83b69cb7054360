"""what is on by default: what an upsert takes and answers."""

import json

import pytest

from support.mock_requests import ARCHIVE, UPSERT, MockClient, many, one, traced

DATED_03 = "/crm/objects/2026-03/contacts/batch/upsert"
DATED_09 = "/crm/objects/2026-09/0-1/batch/upsert"


@pytest.mark.parametrize("path", [UPSERT, "/crm/v3/objects/0-1/batch/upsert", DATED_03, DATED_09])
def test_every_version_creates_and_then_updates(path):
    talk = MockClient()
    for new in (True, False):
        reply = talk.upsert(one("A@X.com", phone="1"), path=path)
        body = reply.json()
        assert (reply.status, body["status"], body["results"][0]["new"]) == (200, "COMPLETE", new)
        assert "errors" not in body
        assert "requestedAt" not in body
    assert talk.stored == {"a@x.com": {"phone": "1", "email": "a@x.com"}}


def test_a_created_result_carries_the_system_keys_and_the_lower_cased_email():
    result = MockClient().upsert(one("A@X.com", firstname="Ann")).json()["results"][0]
    properties = result["properties"]
    assert properties["email"] == "a@x.com"
    assert properties["lifecyclestage"] == "lead"
    assert properties["hs_object_id"] == result["id"]
    assert len(properties) > 25
    assert all(isinstance(value, str) for value in properties.values())
    assert 900 < len(json.dumps(result)) < 1500
    assert "objectWriteTraceId" not in result


def test_an_updated_result_lacks_the_email_unless_it_was_sent():
    talk = MockClient()
    talk.upsert(one("a@x.com"))
    assert "email" not in talk.upsert(one("a@x.com", phone="2")).json()["results"][0]["properties"]
    sent = talk.upsert(one("a@x.com", email="A@x.com")).json()["results"][0]
    assert sent["properties"]["email"] == "a@x.com"


def test_results_are_shuffled_and_the_seed_fixes_how():
    def order(seed):
        results = MockClient(seed=seed).upsert(*many(20)).json()["results"]
        return [result["properties"]["email"] for result in results]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(f"c{n}@x.com" for n in range(20))


def test_more_than_a_hundred_inputs_are_refused():
    talk = MockClient()
    reply = talk.upsert(*many(101))
    assert reply.status == 400
    assert "maximum number of inputs supported in a batch is 100" in reply.json()["message"]
    assert talk.stored == {}
    assert talk.upsert(*many(100)).status == 200


def test_duplicate_ids_are_refused_whatever_their_case_and_trace_ids():
    talk = MockClient()
    reply = talk.upsert(*traced("A@x.com", "b@x.com", " a@X.com"))
    assert reply.status == 400
    assert reply.json()["context"] == {"ids": ["a@x.com"]}
    assert talk.stored == {}


def test_raw_duplicate_check_lets_case_variants_pass_and_they_conflict():
    talk = MockClient({"rules": {"duplicate_ids": "raw"}})
    body = talk.upsert(*traced("A@x.com", "a@x.com")).json()
    assert [error["category"] for error in body["errors"]] == ["CONFLICT"]
    assert len(body["results"]) == 1


@pytest.mark.parametrize("name", ["firstname", "hs_object_id", "nonsense"])
def test_a_property_that_is_not_unique_is_no_key(name):
    reply = MockClient().upsert(one("v", id_property=name, trace="1"))
    assert reply.status == 400
    assert reply.json()["message"] == f"Unable to perform update/upsert by non-unique 0-1 property {name}"


@pytest.mark.parametrize(
    "body",
    [
        b"{not json",
        b"[]",
        b'{"inputs": {}}',
        b'{"inputs": [7]}',
        b'{"inputs": [{"id": 7, "properties": {}}]}',
        b'{"inputs": [{"id": "a", "properties": []}]}',
        b'{"inputs": [{"id": "a", "properties": {"phone": ["1"]}}]}',
        b"\xff",
    ],
)
def test_a_body_that_cannot_be_read_is_a_400_without_category(body):
    reply = MockClient().send("POST", UPSERT, body)
    assert reply.status == 400
    assert reply.json()["message"].startswith("Invalid input JSON on line ")
    assert "category" not in reply.json()


@pytest.mark.parametrize("missing", ["id", "properties"])
def test_a_missing_field_is_named(missing):
    whole = one("a@x.com")
    del whole[missing]
    reply = MockClient().upsert(whole)
    assert (reply.status, reply.json()["message"]) == (400, f"Some required fields were not set: [{missing}]")


@pytest.mark.parametrize("body", [{}, [], {"contacts": []}, {"inputs": []}, {"inputs": None}])
def test_a_body_without_inputs_is_complete_and_writes_nothing(body):
    reply = MockClient().send("POST", UPSERT, body)
    if body == []:
        assert reply.status == 400
    else:
        assert (reply.status, reply.json()["status"], reply.json()["results"]) == (200, "COMPLETE", [])


def test_without_trace_ids_one_bad_record_refuses_the_batch():
    talk = MockClient()
    reply = talk.upsert(one("a@x.com"), one("b@x.badtld"), one("c@x.com", nonsense="1"))
    body = reply.json()
    assert (reply.status, body["category"]) == (400, "VALIDATION_ERROR")
    assert [error["code"] for error in body["errors"]] == ["INVALID_EMAIL", "PROPERTY_DOESNT_EXIST"]
    assert talk.stored == {}


def test_a_whole_batch_400_names_few_distinct_problems():
    wrong = {f"p{n}": "1" for n in range(6)}
    body = MockClient().upsert(one("a@x.com", **wrong), one("b@x.com", **wrong)).json()
    assert len(body["errors"]) == 3
    assert len(embedded(body["message"])) == 4


def test_with_trace_ids_the_good_are_written_and_the_bad_are_named():
    talk = MockClient()
    reply = talk.upsert(*traced("a@x.com", "b@x.badtld"), one("c@x.com", trace="x", nonsense="1"))
    body = reply.json()
    assert (reply.status, body["status"], body["numErrors"]) == (207, "COMPLETE", 2)
    assert [error["context"] for error in body["errors"]] == [
        {"objectWriteTraceId": ["t1"]},
        {"objectWriteTraceId": ["x"]},
    ]
    assert {error["status"] for error in body["errors"]} == {"error"}
    assert list(talk.stored) == ["a@x.com"]


def test_all_inputs_can_fail_in_a_207():
    reply = MockClient().upsert(*traced("a@x.badtld", "nonsense"))
    assert (reply.status, reply.json()["results"], reply.json()["numErrors"]) == (207, [], 2)


@pytest.mark.parametrize(("rule", "status"), [("batch", 400), ("record", 207)], ids=["as none", "as all"])
def test_trace_ids_on_some_inputs_only(rule, status):
    talk = MockClient({"rules": {"mixed_trace_ids": rule}})
    reply = talk.upsert(one("a@x.com", trace="1"), one("b@x.badtld"))
    assert reply.status == status
    assert list(talk.stored) == (["a@x.com"] if status == 207 else [])


def test_repeated_trace_ids_grant_nothing():
    assert MockClient().upsert(one("a@x.com", trace="1"), one("b@x.badtld", trace="1")).status == 400


def test_2026_09_puts_the_errors_in_a_200():
    reply = MockClient().upsert(*traced("a@x.com", "b@x.badtld"), path=DATED_09)
    assert (reply.status, reply.json()["numErrors"], len(reply.json()["results"])) == (200, 1, 1)


def test_a_secondary_email_finds_the_same_contact():
    talk = MockClient()
    talk.seed({"properties": {"email": "main@x.com"}, "additional_emails": ["Other@x.com"]})
    assert talk.upsert(one("OTHER@x.com", phone="1")).json()["results"][0]["new"] is False
    assert talk.stored == {"main@x.com": {"email": "main@x.com", "phone": "1"}}


def test_email_sent_with_a_secondary_key_swaps_the_primary():
    talk = MockClient()
    talk.seed({"properties": {"email": "main@x.com"}, "additional_emails": ["other@x.com"]})
    talk.upsert(one("other@x.com", email="other@x.com"))
    (contact,) = talk.simulator.objects(0)
    assert contact["properties"]["email"] == "other@x.com"
    assert contact["additional_emails"] == ("main@x.com",)
    assert talk.read("main@x.com").json()["results"][0]["properties"]["email"] == "other@x.com"


def test_two_addresses_of_one_contact_in_one_batch_conflict():
    talk = MockClient()
    talk.seed({"properties": {"email": "main@x.com"}, "additional_emails": ["other@x.com"]})
    body = talk.upsert(*traced("main@x.com", "other@x.com", phone="1")).json()
    assert len(body["results"]) == 1
    assert body["errors"][0]["category"] == "CONFLICT"


def owned_elsewhere(document=None):
    talk = MockClient(document)
    talk.seed({"properties": {"email": "taken@x.com"}, "additional_emails": ["also@x.com"]})
    return talk, next(iter(talk.simulator.objects(0)))["id"]


@pytest.mark.parametrize("email", ["taken@x.com", "ALSO@x.com"])
def test_an_email_owned_by_another_contact_is_a_409_without_trace_ids(email):
    talk, existing = owned_elsewhere()
    reply = talk.upsert(
        one("k1", id_property="external_id"), one("k2", id_property="external_id", email=email)
    )
    assert (reply.status, reply.json()["category"]) == (409, "CONFLICT")
    assert reply.json()["message"] == f"Contact already exists. Existing ID: {existing}"
    assert len(talk.stored) == 1


def test_and_a_207_naming_the_existing_contact_with_them():
    talk, existing = owned_elsewhere()
    body = talk.upsert(
        one("k1", id_property="external_id", trace="1"),
        one("k2", id_property="external_id", trace="2", email="taken@x.com"),
    ).json()
    assert body["errors"][0]["context"] == {"existingId": [existing], "objectWriteTraceId": ["2"]}
    assert len(body["results"]) == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("without_id", "Contact already exists"), ("identity", "Contact already exists")],
)
def test_409_even_with_trace_ids_in_every_recorded_shape(shape, expected):
    talk, _ = owned_elsewhere({"rules": {"conflict": "batch", "conflict_body": shape}})
    reply = talk.upsert(one("k2", id_property="external_id", trace="2", email="taken@x.com"))
    assert (reply.status, reply.json()["message"]) == (409, expected)


def test_empty_clears_null_changes_nothing_and_omitted_stays():
    talk = MockClient()
    talk.upsert(one("a@x.com", phone="1", city="Bonn", zip="5"))
    talk.upsert(one("a@x.com", phone="", city=None))
    assert talk.stored["a@x.com"] == {"email": "a@x.com", "phone": "", "city": "Bonn", "zip": "5"}


def test_the_lifecycle_goes_forward_only_and_says_nothing():
    talk = MockClient()

    def put(stage):
        reply = talk.upsert(one("a@x.com", lifecyclestage=stage))
        return reply.status, reply.json()["results"][0]["properties"]["lifecyclestage"]

    assert put("customer") == (200, "customer")
    assert put("lead") == (200, "customer")
    assert put("") == (200, "")
    assert put("lead") == (200, "lead")


def test_a_leading_semicolon_appends_choices():
    talk = MockClient()
    for value in ("chess;music", ";music;hiking"):
        assert talk.upsert(one("a@x.com", interests=value)).status == 200
    assert talk.stored["a@x.com"]["interests"] == "chess;music;hiking"


def embedded(message):
    prefix, _, details = message.partition(": ")
    assert prefix == "Property values were not valid"
    return json.loads(details)


@pytest.mark.parametrize(
    ("name", "value", "code", "text"),
    [
        ("nonsense", "1", "PROPERTY_DOESNT_EXIST", 'Property "nonsense" does not exist'),
        ("createdate", "1", "READ_ONLY_VALUE", '"createdate" is a read only property'),
        ("hs_email_domain", "x", "READ_ONLY_VALUE", '"hs_email_domain" is a calculated property'),
        ("email", "x@y.badtld", "INVALID_EMAIL", "Email address x@y.badtld is invalid"),
        ("email", "plain", "INVALID_EMAIL", "Email address plain is invalid"),
        (
            "tier",
            "Gold",
            "INVALID_OPTION",
            'Gold was not one of the allowed options: [label: "Gold" value: "gold"',
        ),
        ("interests", "chess;golf", "INVALID_OPTION", "golf was not one of the allowed options"),
        ("vip", "yes", "INVALID_OPTION", "yes was not one of the allowed options"),
        ("hubspot_owner_id", "me@x.com", "INVALID_OPTION", "me@x.com was not one"),
        ("score", "1,000", "INVALID_LONG", "1,000 was not a valid long."),
        ("score", "ten", "INVALID_LONG", "ten was not a valid long."),
        ("renewal_date", "1641038400000", "INVALID_DATE", "1641038400000 is at 12:0:0.0 UTC, not midnight!"),
        ("renewal_date", "01/02/2026", "INVALID_DATE", "01/02/2026"),
        ("last_seen", "2026-01-02T03:04:05", "INVALID_DATE", "2026-01-02T03:04:05"),
        ("firstname", "x" * 65_537, "PROPERTY_VALUE_TOO_LONG", "65536"),
    ],
)
def test_values_are_checked_and_the_message_embeds_the_code(name, value, code, text):
    reply = MockClient().upsert(one("a@x.com", trace="1", **{name: value}))
    assert reply.status == 207
    (detail,) = embedded(reply.json()["errors"][0]["message"])
    assert (detail["error"], detail["name"], detail["isValid"]) == (code, name, False)
    assert text in detail["message"]


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("tier", "gold", "gold"),
        ("vip", "True", "true"),
        ("score", "-1.5", "-1.5"),
        ("score", 7, "7"),
        ("vip", True, "true"),
        ("renewal_date", "2026-02-28", "2026-02-28"),
        ("renewal_date", "1640995200000", "2022-01-01"),
        ("last_seen", "2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05.000Z"),
        ("last_seen", "1767323045", "1970-01-21T10:55:23.045Z"),
        ("hubspot_owner_id", "12345", "12345"),
        ("firstname", "x" * 65_536, "x" * 65_536),
    ],
)
def test_good_values_are_stored_in_their_canonical_form(name, value, stored):
    talk = MockClient()
    assert talk.upsert(one("a@x.com", **{name: value})).status == 200
    assert talk.stored["a@x.com"][name] == stored


def test_2026_09_refuses_epoch_seconds():
    assert MockClient().upsert(one("a@x.com", last_seen="1767323045"), path=DATED_09).status == 400


def test_without_id_property_the_id_is_a_record_id():
    talk = MockClient()
    talk.upsert(one("a@x.com"))
    (contact,) = talk.simulator.objects(0)
    known, unknown = (
        {"id": i, "properties": {"phone": "1"}, "objectWriteTraceId": i} for i in (contact["id"], "9")
    )
    body = talk.upsert(known, unknown).json()
    assert [error["category"] for error in body["errors"]] == ["OBJECT_NOT_FOUND"]
    assert talk.stored["a@x.com"]["phone"] == "1"


def test_an_archived_contact_is_created_anew():
    talk = MockClient()
    old = talk.upsert(one("a@x.com", phone="1")).json()["results"][0]["id"]
    assert talk.send("POST", ARCHIVE, {"inputs": [{"id": old}]}).status == 204
    again = talk.upsert(one("a@x.com")).json()["results"][0]
    assert again["new"] is True
    assert again["id"] != old
    assert talk.stored == {"a@x.com": {"email": "a@x.com"}}


def test_a_changed_email_frees_the_old_one():
    talk = MockClient()
    talk.upsert(one("k", id_property="external_id", email="old@x.com"))
    talk.upsert(one("k", id_property="external_id", email="new@x.com"))
    assert talk.upsert(one("old@x.com")).json()["results"][0]["new"] is True
    assert talk.upsert(one("NEW@x.com")).json()["results"][0]["new"] is False
