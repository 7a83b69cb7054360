"""Any sequence of upserts leaves the account as a plain dict would be, and no odd request breaks it."""

from hypothesis import given, strategies as st

from support.mock_requests import READ, UPSERT, MockClient, fault, one

KEYS = st.sampled_from(["a@x.com", "A@x.com", " b@x.com", "c@x.com", "d@x.com"])
VALUES = st.dictionaries(
    st.sampled_from(["firstname", "city", "phone"]), st.none() | st.text(max_size=5), max_size=3
)
BATCHES = st.lists(
    st.dictionaries(KEYS.map(lambda key: key.strip().lower()), VALUES, min_size=1, max_size=4), max_size=8
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["inputs", "id", "idProperty", "properties", "email"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(BATCHES)
def test_upserts_in_sequence_equal_a_dict(batches):
    talk, model = MockClient(), {}
    for batch in batches:
        body = talk.upsert(*(one(key, **values) for key, values in batch.items())).json()
        assert len(body["results"]) == len(batch)
        assert sum(result["new"] for result in body["results"]) == len(batch.keys() - model.keys())
        for key, values in batch.items():
            written = {name: value for name, value in values.items() if value is not None}
            model[key] = {**model.get(key, {}), **written, "email": key}
    assert talk.stored == model
    assert talk.simulator.stats()["records_written"] == sum(map(len, batches))


@given(BATCHES)
def test_sending_every_batch_twice_changes_nothing_but_the_count_of_writes(batches):
    once, twice = MockClient(), MockClient(fault("reset", applied=True, every=2))
    for batch in batches:
        inputs = [one(key, **values) for key, values in batch.items()]
        once.upsert(*inputs)
        twice.upsert(*inputs)
        twice.upsert(*inputs)
    assert once.stored == twice.stored


@given(JSON, st.sampled_from([UPSERT, READ]))
def test_any_json_gets_an_answer_of_the_documented_form(document, path):
    reply = MockClient().send("POST", path, document)
    assert reply.status in (200, 207, 400, 409)
    assert reply.json()["status"] in ("COMPLETE", "error")


@given(st.lists(st.tuples(KEYS, st.sampled_from(["u1", "U1", "u2"]), st.booleans()), max_size=6))
def test_results_and_errors_account_for_every_traced_input(wanted):
    talk = MockClient()
    for place, (key, unique, by_email) in enumerate(wanted):
        given_by_email = one(key, trace="1", external_id=unique)
        given_by_id = one(unique, id_property="external_id", trace="1", email=key)
        fine = one(f"{place}@y.com", trace="2")
        body = talk.upsert(given_by_email if by_email else given_by_id, fine).json()
        assert len(body["results"]) + len(body.get("errors", [])) == 2
    emails = [contact["properties"]["email"] for contact in talk.simulator.objects(0)]
    uniques = [u.lower() for c in talk.simulator.objects(0) if (u := c["properties"].get("external_id"))]
    assert len(set(emails)) == len(emails)
    assert len(set(uniques)) == len(uniques)
