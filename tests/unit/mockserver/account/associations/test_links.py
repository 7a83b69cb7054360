"""Linking records and ending links: types, primary companies, limits, refusals and faults."""

import pytest
from hubspot.crm.associations import v4

from support.mock_requests import ARCHIVE, MockClient
from uploader.mockserver.faults.scenario import Scenario

BATCH = "/crm/v4/associations/{}/{}/batch/"
DATED = "/crm/associations/{}/{}/{}/batch/"
UNLABELLED, PRIMARY = ("HUBSPOT_DEFINED", 279), ("HUBSPOT_DEFINED", 1)
TYPES = ("contacts", "companies", "deals", "tickets", "p_cars")


def filled(document=None, count=3):
    """A client, and the ids of some records of each type: `ids["deals"][0]`."""
    talk = MockClient(document)
    of = {name: [{"properties": {"external_id": f"{name}{n}"}} for n in range(count)] for name in TYPES}
    contacts = [{"properties": {"email": f"c{n}@x.com"}} for n in range(count)]
    talk.simulator.reset(0.0, contacts, {name: of[name] for name in TYPES[1:]})
    return talk, {name: [one["id"] for one in talk.simulator.objects(0.0, name)] for name in TYPES}


def pair(here, there, *types):
    made = {"from": {"id": here}, "to": {"id": there}}
    specs = [{"associationCategory": category, "associationTypeId": id_} for category, id_ in types]
    return {**made, "types": specs} if types else made


def link(talk, *inputs, of="contacts", to="companies", verb="create", **rest):
    return talk.send("POST", BATCH.format(of, to) + verb, {"inputs": list(inputs)}, **rest)


def default(talk, *inputs, **rest):
    return link(talk, *inputs, verb="associate/default", **rest)


def held(talk, record_id, of="contacts", to="companies"):
    """The ids of associated records with the type ids of each link."""
    body = link(talk, {"id": record_id}, of=of, to=to, verb="read").json()
    return {
        str(one["toObjectId"]): {type_["typeId"] for type_ in one["associationTypes"]}
        for result in body["results"]
        for one in result["to"]
    }


def test_a_link_is_seen_from_both_ends():
    talk, ids = filled()
    reply = default(talk, pair(ids["contacts"][0], ids["deals"][0]), to="deals")
    assert (reply.status, reply.json()["status"]) == (200, "COMPLETE")
    specs = {
        one["from"]["id"]: one["associationSpec"]["associationTypeId"] for one in reply.json()["results"]
    }
    assert specs == {ids["contacts"][0]: 4, ids["deals"][0]: 3}
    assert held(talk, ids["contacts"][0], to="deals") == {ids["deals"][0]: {4}}
    assert held(talk, ids["deals"][0], of="deals", to="contacts") == {ids["contacts"][0]: {3}}


@pytest.mark.parametrize(("of", "unlabelled", "primary"), [
    ("contacts", 279, 1), ("deals", 341, 5), ("tickets", 339, 26),
])  # fmt: skip
def test_the_first_company_becomes_the_primary_one(of, unlabelled, primary):
    talk, ids = filled()
    first, second, _ = ids["companies"]
    default(talk, pair(ids[of][0], first), pair(ids[of][0], second), of=of)
    assert held(talk, ids[of][0], of=of) == {first: {unlabelled, primary}, second: {unlabelled}}


def test_a_record_has_one_primary_company_whichever_end_names_it():
    talk, ids = filled()
    contact, (first, second, third) = ids["contacts"][0], ids["companies"]
    default(talk, pair(contact, first))
    link(talk, pair(contact, second, PRIMARY))
    assert held(talk, contact) == {first: {279}, second: {279, 1}}
    link(talk, pair(third, contact, ("HUBSPOT_DEFINED", 2)), of="companies", to="contacts")
    assert held(talk, contact) == {first: {279}, second: {279}, third: {279, 1}}
    assert held(talk, third, of="companies", to="contacts") == {contact: {280, 2}}


def test_linking_what_is_linked_changes_nothing_and_is_no_error():
    talk, ids = filled()
    one = pair(ids["contacts"][0], ids["companies"][0])
    default(talk, one)
    before = list(talk.simulator.links(0.0))
    again = default(talk, one, one)
    assert (again.status, "errors" in again.json()) == (200, False)
    assert list(talk.simulator.links(0.0)) == before


def test_a_labelled_link_names_all_labels_of_the_pair_and_is_unlabelled_too():
    talk, ids = filled({"association_labels": [{"label": "Billing"}]})
    (billing,) = [
        (one["category"], one["typeId"])
        for one in talk.get("/crm/associations/v4/contacts/companies/labels").json()["results"]
        if one["label"] == "Billing"
    ]
    reply = link(talk, pair(ids["contacts"][0], ids["companies"][0], billing))
    assert reply.status == 201
    (result,) = reply.json()["results"]
    assert set(result["labels"]) == {"Primary", "Billing"}
    assert (result["fromObjectTypeId"], result["toObjectTypeId"]) == ("0-1", "0-2")
    assert held(talk, ids["contacts"][0]) == {ids["companies"][0]: {279, 1, billing[1]}}


@pytest.mark.parametrize(("statuses", "expected"), [
    ("documented", {"create": (201, 207), "associate/default": (200, 200)}),
    ("reported", {"create": (200, 207), "associate/default": (200, 207)}),
])  # fmt: skip
def test_the_status_is_as_documented_or_as_reported(statuses, expected):
    talk, ids = filled({"rules": {"link_statuses": statuses}})
    for verb, wanted in expected.items():
        types = [UNLABELLED] if verb == "create" else []
        good, bad = (pair(ids["contacts"][0], one, *types) for one in (ids["companies"][0], "99"))
        assert (link(talk, good, verb=verb).status, link(talk, good, bad, verb=verb).status) == wanted


def test_each_link_that_is_refused_is_named_and_the_others_are_made():
    talk, ids = filled()
    contact, company = ids["contacts"][0], ids["companies"][0]
    talk.send("POST", ARCHIVE, {"inputs": [{"id": ids["contacts"][1]}]})
    reply = link(
        talk,
        pair(contact, company, UNLABELLED),
        pair(ids["contacts"][1], company, UNLABELLED),
        pair(contact, "99", UNLABELLED),
        pair(contact, company, ("USER_DEFINED", 279)),
    )
    body = reply.json()
    assert (reply.status, len(body["results"]), body["numErrors"]) == (207, 1, 3)
    contexts = [one["context"] for one in body["errors"]]
    assert [one.get("INVALID_OBJECT_IDS") for one in contexts] == [
        [f"CONTACT={ids['contacts'][1]} is not valid"], ["COMPANY=99 is not valid"], None,
    ]  # fmt: skip
    assert contexts[2]["INVALID_ASSOCIATION_TYPE_ID"] == [
        "USER_DEFINED=279 is not a valid association definition id"
    ]
    assert [(one["fromObjectId"], one["toObjectId"]) for one in contexts] == [
        ([ids["contacts"][1]], [company]), ([contact], ["99"]), ([contact], [company]),
    ]  # fmt: skip
    assert held(talk, contact) == {company: {279, 1}}


def test_one_refused_link_may_refuse_the_batch():
    talk, ids = filled({"rules": {"link_errors": "batch"}})
    contact, company = ids["contacts"][0], ids["companies"][0]
    reply = default(talk, pair(contact, company), pair(contact, "99"))
    assert (reply.status, reply.json()["context"]["objectId"]) == (400, ["99"])
    assert held(talk, contact) == {}


def test_a_link_beyond_a_limit_is_refused_within_a_batch_too():
    limits = [{"most": 2}, {"object_type": "companies", "to": "contacts", "most": 1}]
    talk, ids = filled({"association_limits": limits})
    contact, (a, b, c) = ids["contacts"][0], ids["companies"]
    body = default(talk, pair(contact, a), pair(contact, b), pair(contact, c), pair(contact, a)).json()
    assert [one["context"]["toObjectId"] for one in body["errors"]] == [[c]]
    assert held(talk, contact).keys() == {a, b}
    other = default(talk, pair(ids["contacts"][1], a)).json()
    assert "ASSOCIATION_LIMIT_EXCEEDED" in other["errors"][0]["context"]
    (listed,) = talk.get("/crm/associations/v4/definitions/configurations/contacts/companies").json()[
        "results"
    ]
    assert (listed["typeId"], listed["userEnforcedMaxToObjectIds"]) == (279, 2)


def test_a_batch_takes_as_many_inputs_as_the_account_does():
    talk, ids = filled({"rules": {"most_links": 2}})
    one = pair(ids["contacts"][0], ids["companies"][0], UNLABELLED)
    for verb, given in (
        ("create", one), ("associate/default", one), ("labels/archive", one),
        ("archive", {"from": one["from"], "to": [one["to"]]}),
    ):  # fmt: skip
        assert link(talk, given, given, verb=verb).status < 300
        refused = link(talk, given, given, given, verb=verb)
        assert (refused.status, "in a batch is 2." in refused.json()["message"]) == (400, True)


def test_custom_objects_have_no_default_type():
    talk, ids = filled()
    refused = default(talk, pair(ids["contacts"][0], ids["p_cars"][0]), to="p_cars")
    assert (refused.status, "no default association type" in refused.json()["message"]) == (400, True)
    (known,) = talk.get("/crm/associations/v4/contacts/p_cars/labels").json()["results"]
    assert (known["category"], known["label"]) == ("USER_DEFINED", None)
    made = pair(ids["contacts"][0], ids["p_cars"][0], (known["category"], known["typeId"]))
    assert link(talk, made, to="p_cars").status == 201
    assert talk.get("/crm/associations/v4/deals/p_cars/labels").json()["results"] == []


@pytest.mark.parametrize("item", [
    {}, {"from": {"id": "1"}}, {"from": {}, "to": {"id": "1"}, "types": []}, pair("1", "2"), [],
    {"from": {"id": 1}, "to": {"id": "2"}, "types": []}, {**pair("1", "2"), "types": [{}]},
    {**pair("1", "2"), "types": {}}, {**pair("1", "2"), "types": []}, pair("1", "2", ("USER_DEFINED", "7")),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(item):
    talk, _ = filled()
    assert link(talk, item).status == 400
    assert link(talk, item, verb="labels/archive").status == 400


def test_archiving_a_pair_ends_all_of_its_links():
    talk, ids = filled()
    contact, (first, second, _) = ids["contacts"][0], ids["companies"]
    default(talk, pair(contact, first), pair(contact, second))
    reply = link(talk, {"from": {"id": contact}, "to": [{"id": first}, {"id": "99"}]}, verb="archive")
    assert (reply.status, reply.body) == (204, b"")
    assert held(talk, contact) == {second: {279}}
    assert held(talk, first, of="companies", to="contacts") == {}


def test_archiving_labels_ends_those_and_the_unlabelled_one_ends_them_all():
    talk, ids = filled()
    contact, company = ids["contacts"][0], ids["companies"][0]
    default(talk, pair(contact, company))
    assert link(talk, pair(contact, company, PRIMARY), verb="labels/archive").status == 204
    assert held(talk, contact) == {company: {279}}
    link(talk, pair(contact, company, PRIMARY))
    link(
        talk,
        pair(company, contact, ("HUBSPOT_DEFINED", 280)),
        of="companies",
        to="contacts",
        verb="labels/archive",
    )
    assert held(talk, contact) == {}
    unknown = link(talk, pair(contact, company, ("USER_DEFINED", 9)), verb="labels/archive")
    assert (unknown.status, unknown.json()["context"]["associationSpec"]) == (400, ["USER_DEFINED=9"])


def test_the_dated_paths_answer_archiving_with_a_batch():
    talk, ids = filled()
    contact, company = ids["contacts"][0], ids["companies"][0]
    path = DATED.format("2026-03", "0-1", "0-2")
    talk.send("POST", path + "associate/default", {"inputs": [pair(contact, company)]})
    assert held(talk, contact) == {company: {279, 1}}
    ended = {"from": {"id": contact}, "to": [{"id": company}]}
    reply = talk.send("POST", path + "archive", {"inputs": [ended]})
    assert (reply.status, reply.json()["results"]) == (200, [])
    assert held(talk, contact) == {}


def test_an_archived_record_loses_its_links_and_a_merged_one_has_those_of_both():
    talk, ids = filled()
    (a, b, c), (first, second, _) = ids["contacts"], ids["companies"]
    default(talk, pair(a, first), pair(b, second), pair(c, first))
    default(talk, pair(a, b), to="contacts")
    merged = talk.simulator.merge(0.0, {"id": a}, {"id": b})
    assert held(talk, merged).keys() == {first, second}
    assert held(talk, a) == held(talk, merged)
    assert held(talk, merged, to="contacts") == {}
    talk.send("POST", ARCHIVE, {"inputs": [{"id": c}]})
    assert held(talk, first, of="companies", to="contacts").keys() == {merged}


@pytest.mark.parametrize("verb", ["create", "associate/default"])
@pytest.mark.parametrize(("fault", "linked"), [
    ({"kind": "status", "status": 503}, 0), ({"kind": "status", "status": 502, "applied": True}, 3),
    ({"kind": "reset", "applied": True}, 3), ({"kind": "reset"}, 0), ({"kind": "no_op"}, 0),
    ({"kind": "truncate"}, 3), ({"kind": "drop_results"}, 3), ({"kind": "batch_status"}, 1),
    ({"kind": "reset", "late_seconds": 1}, 0),
])  # fmt: skip
def test_faults_decide_whether_links_are_made(fault, linked, verb):
    talk, ids = filled({"faults": [{"endpoint": "associate", "first": 1, **fault}]})
    types = [UNLABELLED] if verb == "create" else []
    inputs = [pair(contact, ids["companies"][0], *types) for contact in ids["contacts"]]
    link(talk, *inputs, verb=verb)
    assert len(list(talk.simulator.links(0.0))) == linked
    if "late_seconds" in fault:
        assert len(list(talk.simulator.links(2.0))) == 3
    assert link(talk, *inputs, verb=verb).status < 300
    assert len(list(talk.simulator.links(0.0))) == 3


@pytest.mark.parametrize(("applied", "left"), [(True, 0), (False, 1)])
def test_faults_decide_whether_links_end(applied, left):
    fault = {"kind": "status", "status": 502, "endpoint": "dissociate", "applied": applied}
    talk, ids = filled({"faults": [fault]})
    contact, company = ids["contacts"][0], ids["companies"][0]
    default(talk, pair(contact, company))
    assert link(talk, {"from": {"id": contact}, "to": [{"id": company}]}, verb="archive").status == 502
    assert len(list(talk.simulator.links(0.0))) == left


def test_links_are_rejected_by_their_ends():
    talk, ids = filled()
    (a, b, _), (first, second, _) = ids["contacts"], ids["companies"]
    reject = {"kind": "reject", "endpoint": "associate", "category": "LOCKED"}
    faults = [{**reject, "keys": [f"{a}-{first}"]}, {**reject, "match": {"to": second}}]
    talk.simulator.change_scenario(Scenario.parse({"faults": faults}))
    body = default(talk, pair(a, first), pair(b, first), pair(b, second)).json()
    assert {one["category"] for one in body["errors"]} == {"LOCKED"}
    refused = [(one["context"]["fromObjectId"], one["context"]["toObjectId"]) for one in body["errors"]]
    assert refused == [([a], [first]), ([b], [second])]
    assert held(talk, b).keys() == {first}


def test_linking_takes_the_write_scopes_of_both_types():
    talk, ids = filled({"auth": {"scopes": ["crm.objects.contacts.write", "crm.objects.deals.write"]}})
    contact, company, deal = (ids[name][0] for name in ("contacts", "companies", "deals"))
    assert default(talk, pair(contact, deal), to="deals").status == 200
    reply = default(talk, pair(contact, company))
    assert reply.status == 403
    required = reply.json()["errors"][0]["context"]["requiredGranularScopes"]
    assert required == ["crm.objects.companies.write"]


def test_the_log_counts_the_links_of_a_request():
    talk, ids = filled()
    default(talk, *(pair(contact, ids["companies"][0]) for contact in ids["contacts"]))
    assert [seen.inputs for seen in talk.simulator.statistics.log] == [3]


def test_seeds_and_other_users_link_records_and_all_links_are_dumped(hubspot_mock):
    mock = hubspot_mock()
    company = {"type": "companies", "external_id": "E1"}
    linked = {"from": {"type": "contacts", "email": "a@x.com"}, "to": company}
    objects = {"companies": [{"properties": {"external_id": "E1"}}]}
    mock.reset([{"properties": {"email": f"{name}@x.com"}} for name in "ab"], objects, [linked])
    contacts = [one["id"] for one in mock.contacts()]
    (seeded,) = mock.links()
    assert seeded["from"] == {"type": "companies", "id": mock.objects("companies")[0]["id"]}
    assert (seeded["to"]["id"], seeded["labels"]) == (contacts[0], ["Primary"])
    other = {"from": {"type": "contacts", "email": "b@x.com"}, "to": company, "label": "Primary"}
    mock.change_links([other, {"from": company, "to": {"type": "notes", "id": "7"}}], [linked])
    assert sorted(one["to"]["id"] for one in mock.links()) == sorted([contacts[1], "7"])
    for wrong in (
        {"from": company}, {**linked, "label": "Nobody"}, {**linked, "to": {"type": "butterflies"}},
        {**linked, "to": {"type": "companies", "external_id": "E9"}},
    ):  # fmt: skip
        with pytest.raises(OSError, match="400"):
            mock.change_links([wrong])


def test_the_official_client_links_and_unlinks(hubspot_mock):
    mock = hubspot_mock()
    mock.reset([{"properties": {"email": "a@x.com"}}], {"companies": [{"properties": {"external_id": "E1"}}]})
    contact, company = ({"id": mock.objects(name)[0]["id"]} for name in ("contacts", "companies"))
    configuration = v4.Configuration(host=mock.url)
    configuration.access_token = "any"
    batches = v4.BatchApi(v4.ApiClient(configuration))
    asked = v4.BatchInputPublicDefaultAssociationMultiPost(inputs=[{"from": contact, "to": company}])
    made = batches.create_default("contacts", "companies", asked)
    assert {one.association_spec.association_type_id for one in made.results} == {279, 280}
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
    inputs = [{"from": contact, "to": company, "types": [spec]}]
    labelled = v4.BatchInputPublicAssociationMultiPost(inputs=inputs)
    (result,) = batches.create("contacts", "companies", labelled).results
    assert (str(result.to_object_id), result.labels) == (company["id"], ["Primary"])
    inputs.append({"from": contact, "to": {"id": "99"}, "types": [spec]})
    answered = batches.create("contacts", "companies", labelled)
    assert (len(answered.results), answered.errors[0].context["toObjectId"]) == (1, ["99"])
    del inputs[1]
    batches.archive_labels("contacts", "companies", labelled)
    assert mock.links()[0]["labels"] == []
    pairs = v4.BatchInputPublicAssociationMultiArchive(inputs=[{"from": contact, "to": [company]}])
    batches.archive("contacts", "companies", pairs)
    assert mock.links() == []


@pytest.mark.parametrize(("rules", "contexts", "count"), [
    ({}, [{"98"}, {"99"}], 2), ({"num_errors": "zero"}, [{"98"}, {"99"}], 0),
    ({"group_errors": "ids"}, [{"98", "99"}], 1),
    ({"group_errors": "ids", "num_errors": "records"}, [{"98", "99"}], 2),
    ({"errors_without_trace_id": True}, [set(), set()], 2), ({"errors_listed": False}, [], None),
])  # fmt: skip
def test_errors_have_each_shape_that_those_of_records_have(rules, contexts, count):
    talk, ids = filled({"rules": rules})
    contact = ids["contacts"][0]
    body = default(talk, *(pair(contact, one) for one in ("98", "99", ids["companies"][0]))).json()
    assert [set(one["context"].get("toObjectId", ())) for one in body.get("errors", [])] == contexts
    assert (body.get("numErrors"), len(body["results"])) == (count, 2)


def test_a_link_costs_less_time_than_a_record():
    waits = []
    for count in (1, 100):
        talk = MockClient(latency_seconds=1.0)
        talk.seed({"properties": {"email": "a@x.com"}})
        (contact,) = talk.simulator.objects(0.0)
        asked = [pair(contact["id"], "7")] * count
        waits.append(default(talk, *asked, to="notes").delay_seconds)
    one, hundred = waits
    assert one < hundred < one + 0.1
