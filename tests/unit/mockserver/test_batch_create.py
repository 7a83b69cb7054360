"""batch/create: each input is a new record, even one that is there already or comes twice."""

from support.mock_requests import MockClient

CREATE = "/crm/v3/objects/companies/batch/create"


def new(trace=None, **properties):
    traced = {"objectWriteTraceId": trace} if trace else {}
    return {"properties": properties, "associations": [], **traced}


def create(talk, *inputs, path=CREATE):
    return talk.send("POST", path, {"inputs": list(inputs)})


def held(talk, name="domain", object_type="companies"):
    records = talk.simulator.objects(talk.now, object_type)
    return [one["properties"].get(name) for one in records]


def test_every_input_is_a_new_record():
    talk = MockClient()
    reply = create(talk, new("1", domain="a.com"), new("2", domain="a.com"))
    results = reply.json()["results"]
    assert (reply.status, reply.json()["status"], len(results)) == (201, "COMPLETE", 2)
    assert "new" not in results[0]
    assert results[0]["properties"]["domain"] == "a.com"
    create(talk, new(domain="a.com"))
    assert held(talk) == ["a.com"] * 3


def test_a_record_whose_unique_value_is_taken_is_refused():
    talk = MockClient()
    talk.seed({"properties": {"email": "a@x.com"}})
    path = "/crm/v3/objects/contacts/batch/create"
    reply = create(talk, new("1", email="A@x.com"), new("2", email="b@x.com"), path=path)
    (error,) = reply.json()["errors"]
    assert (reply.status, error["category"], error["context"]["objectWriteTraceId"]) == (
        207,
        "CONFLICT",
        ["1"],
    )
    assert create(talk, new(email="b@x.com"), new(email="c@x.com"), path=path).status == 409
    assert held(talk, "email", "contacts") == ["a@x.com", "b@x.com"]


def test_a_bad_value_refuses_its_record_or_the_batch():
    talk = MockClient()
    assert create(talk, new("1", domain="a.com"), new("2", nonsense="x")).status == 207
    assert create(talk, new(domain="b.com"), new(nonsense="x")).status == 400
    assert create(talk, *[new(domain="x")] * 101).status == 400
    assert create(talk, {"associations": []}).status == 400
    assert held(talk) == ["a.com"]


def test_faults_find_its_inputs_by_what_names_them_and_a_lost_answer_is_written():
    fault = {"kind": "status", "status": 503, "endpoint": "create", "keys": ["b.com"]}
    talk = MockClient({"faults": [{**fault, "applied": True}]})
    assert create(talk, new(domain="a.com")).status == 201
    assert create(talk, new(domain="b.com")).status == 503
    assert held(talk) == ["a.com", "b.com"]
    late = {"kind": "no_op", "endpoint": "create", "applied": False, "late_seconds": 2, "first": 1}
    talk = MockClient({"faults": [late]})
    assert create(talk, new(domain="a.com")).json()["results"] == []
    assert held(talk) == []
    talk.now = 3.0
    assert create(talk, new(domain="b.com")).status == 201
    assert held(talk) == ["a.com", "b.com"]
