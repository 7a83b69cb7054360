"""The association types between two object types, and labels that clients define."""

import pytest
from hubspot.crm.associations.v4 import schema

from support.mock_requests import MockClient

LABELS = "/crm/associations/v4/{}/{}/labels"


def labels(talk, of="contacts", to="companies"):
    found = talk.get(LABELS.format(of, to)).json()["results"]
    return {(one["category"], one["typeId"]): one["label"] for one in found}


def define(talk, of="contacts", to="companies", **document):
    return talk.send("POST", LABELS.format(of, to), {"name": "billing", "label": "Billing", **document})


@pytest.mark.parametrize(("of", "to", "known"), [
    ("contacts", "companies", {279: None, 1: "Primary"}), ("0-2", "0-1", {280: None, 2: "Primary"}),
    ("companies", "companies", {450: None, 13: "Child Company", 14: "Parent Company"}),
    ("deals", "contacts", {3: None}), ("tickets", "companies", {339: None, 26: "Primary"}),
    ("contacts", "notes", {201: None}), ("contacts", "postal_mail", {454: None}),
])  # fmt: skip
def test_hubspot_s_own_types_are_listed(of, to, known):
    assert labels(MockClient(), of, to) == {("HUBSPOT_DEFINED", one): label for one, label in known.items()}


def test_the_older_path_lists_them_too():
    talk = MockClient()
    older = talk.get("/crm/v4/associations/contacts/companies/labels").json()
    assert older == talk.get(LABELS.format("contacts", "companies")).json()


def test_a_label_has_a_type_in_each_direction():
    talk = MockClient()
    reply = define(talk, inverseLabel="Billed by")
    assert reply.status == 200
    here, there = reply.json()["results"]
    assert (here["label"], there["label"]) == ("Billing", "Billed by")
    assert labels(talk)["USER_DEFINED", here["typeId"]] == "Billing"
    assert labels(talk, "companies", "contacts")["USER_DEFINED", there["typeId"]] == "Billed by"


def test_a_label_between_records_of_one_type_has_one_type_unless_it_has_an_inverse():
    talk = MockClient()
    assert len(define(talk, to="contacts").json()["results"]) == 1
    paired = define(talk, to="contacts", name="boss", label="Manager", inverseLabel="Employee").json()
    assert {one["label"] for one in paired["results"]} == {"Manager", "Employee"}
    assert set(labels(talk, "contacts", "contacts").values()) == {None, "Billing", "Manager", "Employee"}


@pytest.mark.parametrize("document", [
    {"name": "other"}, {"label": "Other"}, {"name": None}, {"label": 7, "name": "x"},
    {"name": "y", "label": "Y", "inverseLabel": 7},
])  # fmt: skip
def test_a_label_that_exists_or_cannot_be_read_is_refused(document):
    talk = MockClient()
    define(talk)
    assert define(talk, **document).status == 400
    assert len(labels(talk)) == 3


def test_a_pair_has_fifty_labels_at_most():
    talk = MockClient()
    assert {define(talk, name=f"n{n}", label=f"L{n}").status for n in range(50)} == {200}
    assert define(talk, name="one_more", label="One more").status == 400


def test_a_label_goes_with_its_links():
    talk = MockClient()
    (here, there) = define(talk).json()["results"]
    talk.simulator.reset(0.0, [{"properties": {"email": "a@x.com"}}])
    here, there = define(talk).json()["results"]
    talk.simulator.change_links([
        {"from": {"type": "contacts", "email": "a@x.com"}, "to": {"type": "notes", "id": "7"}},
    ])  # fmt: skip
    talk.simulator.account.associations.associate(
        talk.simulator.account._stores["contacts"], {"email": "a@x.com", "to": "companies", "ids": [9]}
    )
    assert talk.send("DELETE", f"{LABELS.format('contacts', 'companies')}/{here['typeId']}").status == 204
    assert ("USER_DEFINED", here["typeId"]) not in labels(talk)
    assert ("USER_DEFINED", there["typeId"]) not in labels(talk, "companies", "contacts")
    assert len(list(talk.simulator.links(0.0))) == 2


def test_labels_of_the_scenario_outlive_a_reset_and_those_of_clients_do_not():
    talk = MockClient({"association_labels": [{"label": "Decision maker", "inverse": "Decided by"}]})
    define(talk)
    talk.simulator.change_scenario(talk.simulator.scenario)
    assert set(labels(talk).values()) == {None, "Primary", "Decision maker", "Billing"}
    talk.seed()
    assert set(labels(talk).values()) == {None, "Primary", "Decision maker"}
    assert "Decided by" in labels(talk, "companies", "contacts").values()


@pytest.mark.parametrize(("table", "rows"), [
    ("association_labels", [{"label": "x", "to": "butterflies"}]),
    ("association_limits", [{"most": 1, "object_type": "butterflies"}]),
])  # fmt: skip
def test_senseless_tables_are_refused(table, rows):
    with pytest.raises(ValueError, match="butterflies"):
        MockClient({table: rows})


def test_faults_strike_labels_by_their_own_names():
    change = {"kind": "reset", "endpoint": "change_association_labels", "times": 2, "applied": True}
    read = {"kind": "status", "status": 503, "endpoint": "association_labels", "first": 1}
    talk = MockClient({"faults": [change, read]})
    assert define(talk).is_faulty
    assert talk.get(LABELS.format("contacts", "companies")).status == 503
    assert "Billing" in labels(talk).values()


def test_the_official_client_defines_lists_and_archives_labels(hubspot_mock):
    mock = hubspot_mock(scenario={"association_limits": [{"most": 5}]})
    configuration = schema.Configuration(host=mock.url)
    configuration.access_token = "any"
    api = schema.DefinitionsApi(schema.ApiClient(configuration))
    asked = schema.PublicAssociationDefinitionCreateRequest(name="billing", label="Billing")
    made = api.create("contacts", "companies", asked).results
    assert [one.label for one in made] == ["Billing", "Billing"]
    assert made[0].type_id in {one.type_id for one in api.get_all("contacts", "companies").results}
    api.remove("contacts", "companies", made[0].type_id)
    assert len(api.get_all("contacts", "companies").results) == 2
    limits = schema.DefinitionConfigurationsApi(schema.ApiClient(configuration))
    (limit,) = limits.get_all_between_two_object_types("contacts", "companies").results
    assert (limit.type_id, limit.user_enforced_max_to_object_ids) == (279, 5)
