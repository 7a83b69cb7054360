"""The bodies of requests, and their paths."""

import orjson
from hypothesis import given, strategies as st

from support.builders import batch, record
from uploader.hubspot.requests import (
    VERSIONS,
    encode_batch,
    encode_read,
    paths,
    sent_properties,
    write_request,
)
from uploader.model.records import OWN_ID


@given(
    st.integers(0, 10**9),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(st.characters(codec="utf-8"))),
)
def test_an_input_carries_exactly_what_it_was_given(position, key, properties):
    assert orjson.loads(encode_batch([record(position, key, properties=properties)]))["inputs"] == [
        {"idProperty": "email", "id": key, "objectWriteTraceId": str(position), "properties": properties}
    ]


def test_a_batch_is_its_records_in_order():
    records = batch(3)
    sent = orjson.loads(encode_batch(records))
    assert [entry["objectWriteTraceId"] for entry in sent["inputs"]] == ["0", "1", "2"]
    assert list(sent) == ["inputs"]


def test_a_read_names_its_id_property_once_for_all_inputs():
    assert orjson.loads(encode_read("email", ["a@x.com", "b@x.com"], ["email", "phone"])) == {
        "idProperty": "email",
        "properties": ["email", "phone"],
        "propertiesWithHistory": [],
        "inputs": [{"id": "a@x.com"}, {"id": "b@x.com"}],
    }


def test_what_a_record_asks_to_store_is_told_by_name():
    assert sent_properties(record(1, properties={"phone": "+49 1"})) == {"phone": "+49 1"}


def test_versions_after_v3_are_dates_in_the_path():
    assert paths("v3", "contacts").upsert == "/crm/v3/objects/contacts/batch/upsert"
    assert paths("v3", "contacts").read == "/crm/v3/objects/contacts/batch/read"
    assert paths("v3", "contacts").properties == "/crm/v3/properties/contacts"
    assert paths("2026-03", "contacts").upsert == "/crm/objects/2026-03/contacts/batch/upsert"
    assert paths("2026-09", "0-1").read == "/crm/objects/2026-09/0-1/batch/read"
    assert all(paths(version, "contacts").account.startswith("/account-info/") for version in VERSIONS)


def test_records_by_hubspots_own_id_are_updated_and_read_by_it():
    v3 = paths("v3", "deals")
    path, body = write_request(v3, [record(3, "51", id_property=OWN_ID, properties={"city": "Ulm"})])
    assert path == "/crm/v3/objects/deals/batch/update"
    sent = [{"id": "51", "objectWriteTraceId": "3", "properties": {"city": "Ulm"}}]
    assert orjson.loads(body) == {"inputs": sent}
    assert "idProperty" not in orjson.loads(encode_read(OWN_ID, ["51"], ["city"]))
    assert write_request(v3, [record(3)])[0] == v3.upsert
