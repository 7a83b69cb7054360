"""associations/{from}/{to}/batch/read: what people and other apps have associated with a record."""

import pytest
from hubspot.crm.associations import v4

from support.mock_requests import ARCHIVE, MockClient
from uploader.mockserver.faults.scenario import Scenario

PATHS = {
    "v4": "/crm/v4/associations/{}/{}/batch/read",
    "2026-03": "/crm/associations/2026-03/{}/{}/batch/read",
    "2026-09": "/crm/associations/2026-09/{}/{}/batch/read",
}


def filled(document=None):
    talk = MockClient(document)
    talk.seed(*({"properties": {"email": f"{name}@x.com"}} for name in "abc"))
    return talk, {held["properties"]["email"][0]: held["id"] for held in talk.simulator.objects(0.0)}


def associate(talk, *links, object_type="contacts"):
    talk.simulator.change_records(0.0, [], [], object_type, links)


def read(talk, *ids, to="notes", of="contacts", version="v4", after=None):
    inputs = [{"id": one, **({"after": after} if after else {})} for one in ids]
    return talk.send("POST", PATHS[version].format(of, to), {"inputs": inputs})


@pytest.mark.parametrize("version", PATHS)
def test_associated_ids_are_listed_and_a_record_without_any_is_an_error(version):
    talk, ids = filled()
    associate(talk, {"email": "A@x.com", "to": "notes", "ids": [7, "8"]})
    reply = read(talk, ids["a"], ids["b"], version=version)
    body = reply.json()
    assert (reply.status, body["status"], body["numErrors"]) == (207, "COMPLETE", 1)
    (result,) = body["results"]
    assert result["from"] == {"id": ids["a"]}
    assert [to["toObjectId"] for to in result["to"]] == [7, 8]
    assert result["to"][0]["associationTypes"][0]["typeId"] == 201
    (error,) = body["errors"]
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["message"] == f"No note is associated with contact {ids['b']}."
    assert error["context"]["fromObjectId"] == [ids["b"]]
    assert read(talk, ids["a"], version=version).status == 200


def test_types_are_named_by_name_or_id_and_do_not_mix():
    talk, ids = filled()
    associate(talk, {"id": ids["a"], "to": "0-48", "ids": [7]}, {"id": ids["a"], "to": "deals", "ids": [9]})
    for to, held in (("calls", [7]), ("0-3", [9]), ("deals", [9])):
        (result,) = read(talk, ids["a"], to=to, of="0-1").json()["results"]
        assert [one["toObjectId"] for one in result["to"]] == held
    assert read(talk, ids["a"], to="tickets").json()["results"] == []
    unknown = read(talk, ids["a"], to="butterflies")
    assert (unknown.status, unknown.json()["message"]) == (
        400,
        "Unable to infer object type from: butterflies",
    )
    with pytest.raises(ValueError, match="butterflies"):
        associate(talk, {"id": ids["a"], "to": "butterflies", "ids": [7]})


def test_records_of_every_type_have_associations():
    talk = MockClient()
    talk.simulator.reset(0.0, objects={"companies": [{"properties": {"external_id": "E1"}}]})
    (company,) = talk.simulator.objects(0.0, "companies")
    associate(talk, {"external_id": "E1", "to": "tickets", "ids": [5]}, object_type="companies")
    (result,) = read(talk, company["id"], of="companies", to="tickets").json()["results"]
    assert result["to"][0]["toObjectId"] == 5


def test_a_long_list_comes_in_pages():
    talk, ids = filled()
    associate(talk, {"email": "a@x.com", "to": "emails", "ids": range(1, 701)})
    (first,) = read(talk, ids["a"], to="emails").json()["results"]
    (rest,) = read(talk, ids["a"], to="emails", after=first["paging"]["next"]["after"]).json()["results"]
    assert (len(first["to"]), len(rest["to"]), "paging" in rest) == (500, 200, False)


def test_a_thousand_ids_a_request():
    talk, _ = filled()
    assert read(talk, *[str(one) for one in range(1_000)]).status == 207
    refused = read(talk, *[str(one) for one in range(1_001)])
    assert (refused.status, "supported in a batch is 1000" in refused.json()["message"]) == (400, True)


def test_an_archived_record_has_none():
    talk, ids = filled()
    associate(talk, {"email": "a@x.com", "to": "notes", "ids": [7]})
    talk.send("POST", ARCHIVE, {"inputs": [{"id": ids["a"]}]})
    assert read(talk, ids["a"]).json()["results"] == []


@pytest.mark.parametrize(
    ("to", "scopes", "missing"),
    [
        ("tickets", ["crm.objects.contacts.read"], ["tickets"]),
        ("deals", ["crm.objects.contacts.read"], ["crm.objects.deals.read"]),
        ("deals", ["tickets"], ["crm.objects.contacts.read", "crm.objects.deals.read"]),
        ("notes", ["tickets"], ["crm.objects.contacts.read"]),
        ("notes", ["crm.objects.contacts.read"], []),
    ],
)
def test_reading_takes_the_scopes_of_both_types(to, scopes, missing):
    talk, ids = filled({"auth": {"scopes": scopes}})
    reply = read(talk, ids["a"], to=to)
    if missing:
        assert (reply.status, reply.json()["category"]) == (403, "MISSING_SCOPES")
        required = reply.json()["errors"][0]["context"]["requiredGranularScopes"]
        assert required == missing
    else:
        assert reply.status == 207


def test_faults_strike_it_by_its_own_name():
    talk, ids = filled(
        {"faults": [{"kind": "status", "status": 503, "endpoint": "associations", "first": 1}]}
    )
    assert [read(talk, ids["a"]).status for _ in range(2)] == [503, 207]


def test_a_record_whose_read_is_rejected_is_named_by_an_error_of_its_own():
    reject = {"kind": "reject", "endpoint": "associations", "category": "INTERNAL_ERROR", "message": "x"}
    talk, ids = filled()
    associate(
        talk, {"email": "a@x.com", "to": "notes", "ids": [7]}, {"email": "b@x.com", "to": "notes", "ids": [8]}
    )
    talk.simulator.change_scenario(Scenario.parse({"faults": [{**reject, "keys": [ids["a"]], "times": 1}]}))
    body = read(talk, ids["a"], ids["b"]).json()
    assert [one["from"]["id"] for one in body["results"]] == [ids["b"]]
    (error,) = body["errors"]
    assert (error["category"], error["context"]) == ("INTERNAL_ERROR", {"fromObjectId": [ids["a"]]})
    assert len(read(talk, ids["a"], ids["b"]).json()["results"]) == 2


def test_the_official_client_reads_them(hubspot_mock):
    mock = hubspot_mock()
    mock.reset([{"properties": {"email": f"{name}@x.com"}} for name in "ab"])
    mock.change_records(associate=[{"email": "a@x.com", "to": "deals", "ids": [7]}])
    ids = [one["id"] for one in mock.contacts()]
    configuration = v4.Configuration(host=mock.url)
    configuration.access_token = "any"
    batches = v4.BatchApi(v4.ApiClient(configuration))
    asked = v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": one} for one in ids])
    answered = batches.get_page("contacts", "deals", asked)
    (result,) = answered.results
    assert (result._from.id, str(result.to[0].to_object_id)) == (ids[0], "7")
    assert [error.context["fromObjectId"] for error in answered.errors] == [[ids[1]]]
