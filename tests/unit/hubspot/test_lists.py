"""Replies about lists, decoded whatever they hold."""

import orjson
from hypothesis import given, strategies as st

from uploader.hubspot import lists
from uploader.hubspot.requests import paths

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    ["list", "lists", "hasMore", "recordsIdsAdded", "recordIdsMissing", "results", "paging", "listId"]
)
_BODIES = st.none() | st.dictionaries(_FIELDS | st.text(max_size=5), _JSON, max_size=4)


@given(_BODIES)
def test_no_body_makes_decoding_fail(body):
    lists.decode_list(body)
    found, has_more = lists.decode_found(body)
    assert isinstance(has_more, bool)
    assert all(one.id for one in found)
    lists.decode_change(body)
    lists.decode_page(body)


def test_a_change_is_read_in_both_spellings_and_a_body_without_it_says_nothing():
    old = lists.decode_change({"recordsIdsAdded": ["1"], "recordIdsRemoved": [], "recordIdsMissing": ["2"]})
    new = lists.decode_change({"recordIdsAdded": ["1"], "recordIdsRemoved": [], "recordIdsMissing": ["2"]})
    assert old == new == lists.Change(frozenset("1"), frozenset(), frozenset("2"))
    assert lists.decode_change({"status": "COMPLETE"}) is None
    assert lists.decode_change(None) is None


def test_names_are_quoted_and_ids_are_texts():
    known = paths("v3", "contacts")
    call = lists.find_by_name(known, "0-1", "Came in 50/50 €?")
    assert call.path == "/crm/v3/lists/object-type-id/0-1/name/Came%20in%2050%2F50%20%E2%82%AC%3F"
    call = lists.change_members(paths("2026-03", "contacts"), "7", [1, 22], add=True)
    assert (call.method, call.path) == ("PUT", "/crm/lists/2026-03/7/memberships/add")
    assert orjson.loads(call.body) == ["1", "22"]
