"""batch/update: as the upsert, by id too, but that nothing is created."""

import pytest

from support.mock_requests import MockClient, one

UPDATE = "/crm/v3/objects/contacts/batch/update"


def filled(document=None):
    talk = MockClient(document)
    talk.seed(*({"properties": {"email": f"{name}@x.com", "city": "Ulm"}} for name in "abc"))
    ids = {held["properties"]["email"][0]: held["id"] for held in talk.simulator.objects(0.0)}
    return talk, ids


def update(talk, *inputs, path=UPDATE):
    return talk.send("POST", path, {"inputs": list(inputs)})


def test_records_are_updated_by_id_and_by_unique_value():
    talk, ids = filled()
    reply = update(talk, one(ids["a"], None, city="Bonn"), one("B@x.com", city=""))
    assert reply.status == 200
    results = {result["id"]: result for result in reply.json()["results"]}
    assert results.keys() == {ids["a"], ids["b"]}
    assert results[ids["a"]]["properties"]["city"] == "Bonn"
    assert "new" not in results[ids["a"]]
    assert {key: held["city"] for key, held in talk.stored.items()} == {
        "a@x.com": "Bonn",
        "b@x.com": "",
        "c@x.com": "Ulm",
    }


@pytest.mark.parametrize(("version", "status"), [("v3", 207), ("2026-09", 200)])
def test_what_is_not_there_is_listed_and_not_created(version, status):
    talk, ids = filled()
    talk.simulator.change_records(0.0, [], [ids["a"]])
    path = UPDATE if version == "v3" else f"/crm/objects/{version}/contacts/batch/update"
    sent = [one(ids["a"], None, city="Bonn"), one(ids["b"], None, city="Bonn"), one("1", None, city="Bonn")]
    reply = update(talk, *sent, path=path)
    body = reply.json()
    assert (reply.status, len(body["results"]), body["numErrors"]) == (status, 1, 1)
    (error,) = body["errors"]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": [ids["a"], "1"]})
    assert {key: held["city"] for key, held in talk.stored.items()} == {"b@x.com": "Bonn", "c@x.com": "Ulm"}


def test_refused_values_stand_beside_misses_where_trace_ids_ask_for_them():
    talk, ids = filled()
    reply = update(
        talk,
        one(ids["a"], None, "t1", nonsense="x"),
        one("1", None, "t2", city="Bonn"),
        one(ids["b"], None, "t3", city="Bonn"),
    )
    errors = reply.json()["errors"]
    assert [error["category"] for error in errors] == ["VALIDATION_ERROR", "OBJECT_NOT_FOUND"]
    assert errors[0]["context"]["objectWriteTraceId"] == ["t1"]
    assert talk.stored["b@x.com"]["city"] == "Bonn"


def test_one_bad_value_refuses_all_where_there_are_no_trace_ids():
    talk, ids = filled()
    assert update(talk, one(ids["a"], None, nonsense="x"), one(ids["b"], None, city="Bonn")).status == 400
    assert talk.stored["b@x.com"]["city"] == "Ulm"


def test_too_many_and_repeated_inputs_are_refused():
    talk, ids = filled()
    assert update(talk, *[one(str(n), None, city="x") for n in range(101)]).status == 400
    repeated = update(talk, one(ids["a"], None, city="x"), one(ids["a"], None, city="y"))
    assert "Duplicate IDs" in repeated.json()["message"]


def test_faults_strike_it_by_its_own_name_and_a_lost_answer_is_written():
    talk, ids = filled(
        {"faults": [{"kind": "status", "status": 503, "endpoint": "update", "applied": True, "first": 1}]}
    )
    assert update(talk, one(ids["a"], None, city="Bonn")).status == 503
    assert talk.stored["a@x.com"]["city"] == "Bonn"
    assert talk.upsert(one("a@x.com", city="Ulm")).status == 200
    held = {"faults": [{"kind": "no_op", "endpoint": "update", "applied": False, "first": 1}]}
    talk, ids = filled(held)
    assert update(talk, one(ids["a"], None, city="Bonn")).json()["results"] == []
    assert talk.stored["a@x.com"]["city"] == "Ulm"


def test_a_token_without_the_scope_may_not():
    talk, ids = filled({"auth": {"scopes": ["crm.objects.contacts.read"]}})
    assert update(talk, one(ids["a"], None, city="Bonn")).status == 403
