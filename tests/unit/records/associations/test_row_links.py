"""Which links the rows of a slice ask for."""

import pytest
from hypothesis import given, strategies as st

from support.builders import row
from uploader.model.associations import LinkColumn, LinkValue, RowLinks
from uploader.model.records import OWN_ID, Record
from uploader.model.rows import PartlyReadable
from uploader.records.columns import Rules, resolve_columns
from uploader.records.mapper import Mapper

_HEADER = ("email", "AccountId", "Deals", "firstname")
_LINKS = (
    LinkColumn("AccountId", "companies", "sf_id"),
    LinkColumn("Deals", "deals", OWN_ID, separator=";"),
)


def links(*contents, associations=_LINKS, header=_HEADER, **rules):
    """The values of each row that has links, by its index."""
    rules = Rules(associations=associations, **rules)
    columns = None if header is None else resolve_columns(header, rules, None)
    mapper = Mapper(0, rules, None, columns)
    rows = [row(content) for content in contents]
    records = [one for one in mapper.map(7, rows) if isinstance(one, Record)]
    found = mapper.links(7, rows, records)
    assert [one.position for one in found] == sorted({one.position for one in found})
    return {one.position - 7: list(one.values) for one in found}


def cells(account="", deals="", email="a@x.com", firstname="Ann"):
    return [email, account, deals, firstname]


def test_cells_are_the_links_of_their_row_and_are_not_written():
    mapper = Mapper(
        0, Rules(associations=_LINKS), None, resolve_columns(_HEADER, Rules(associations=_LINKS), None)
    )
    rows = [row(cells(" A1 ", "1; 2;;"), number=9)]
    records = mapper.map(7, rows)
    assert mapper.links(7, rows, records) == [
        RowLinks(
            7, 0, 9, "email", "a@x.com", (LinkValue(0, 0, "A1"), LinkValue(1, 0, "1"), LinkValue(1, 1, "2"))
        )
    ]
    assert mapper.columns.names == {0: "email", 3: "firstname"}


def test_a_column_may_be_a_property_and_links():
    rules = Rules(associations=_LINKS, mapped={"AccountId": "account"})
    assert resolve_columns(_HEADER, rules, None).names == {0: "email", 1: "account", 3: "firstname"}


def test_a_link_column_is_read_beside_those_of_only():
    assert links(cells("A1"), only=frozenset({"email"})) == {0: [LinkValue(0, 0, "A1")]}


@pytest.mark.parametrize("nothing", ["", "  ", "NULL", "n/a", "nan", "-", '=""'])
def test_blanks_and_words_for_them_are_no_links(nothing):
    blank_values = {"": ("-",)}
    raw = f"a@x.com,{nothing},1;{nothing},Ann".encode()
    rules = Rules(associations=_LINKS, blank_values=blank_values)
    mapper = Mapper(0, rules, None, resolve_columns(_HEADER, rules, None))
    rows = [row(cells(nothing, f"1;{nothing}" if nothing != '=""' else "1"), raw=raw)]
    assert [one.values for one in mapper.links(0, rows, mapper.map(0, rows))] == [(LinkValue(1, 0, "1"),)]


def test_rows_that_are_not_sent_have_no_links():
    assert links(cells("A1", email=""), cells("A2"), cells("A3", email="none")) == {
        1: [LinkValue(0, 0, "A2")]
    }


def test_replacements_apply_to_each_value():
    found = links(
        cells("acme", "one;2;gone"),
        translations={"AccountId": {"acme": "A1"}, "Deals": {"one": "1", "gone": ""}},
    )
    assert found == {0: [LinkValue(0, 0, "A1"), LinkValue(1, 0, "1"), LinkValue(1, 1, "2")]}


def test_a_value_that_cannot_be_looked_up_keeps_its_place_with_the_reason():
    partly = PartlyReadable("bad", cells=cells(), reasons={1: "is an error of Excel"})
    found = links(cells("1.23E+15", "7.0;x;8"), partly, cells("a\ud800"))
    assert [(one.value, bool(one.fault)) for one in found[0]] == [
        ("1.23E+15", True), ("7", False), ("x", True), ("8", False)
    ]  # fmt: skip
    assert found[1] == [LinkValue(0, 0, "", "is an error of Excel")]
    assert found[2][0].fault
    assert found[2][0].value.encode()


def test_ids_of_other_properties_keep_their_spelling():
    assert links(cells("007.0"))[0] == [LinkValue(0, 0, "007.0")]


def test_two_kinds_of_links_of_a_column_are_both_read():
    twice = (_LINKS[0], LinkColumn("AccountId", "companies", "sf_id", "Primary"))
    assert links(cells("A1"), associations=twice) == {0: [LinkValue(0, 0, "A1"), LinkValue(1, 0, "A1")]}


# --- rows that name their fields ---


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"AccountId": "A1"}, [(0, "A1")]),
        ({"AccountId": 17, "Deals": [1, "2", ""]}, [(0, "17"), (1, "1"), (1, "2")]),
        ({"Account\u200bId": " A1 "}, [(0, "A1")]),
        ({"AccountId": None, "Deals": []}, []),
        ({"Deals": "1;2"}, [(1, "1"), (1, "2")]),
    ],
)
def test_fields_of_json_are_links(fields, values):
    found = links({"email": "a@x.com", **fields}, header=None)
    assert [(one.column, one.value) for one in found.get(0, [])] == values


def test_a_field_that_holds_an_object_is_a_link_that_names_nothing():
    found = links({"email": "a@x.com", "AccountId": {"id": 1}, "Deals": [[1]]}, header=None)
    assert [(one.column, one.value, bool(one.fault)) for one in found[0]] == [(0, "", True), (1, "", True)]


def test_a_row_in_the_form_of_an_api_input_has_its_links_beside_or_among_its_properties():
    beside = {"id": "a@x.com", "idProperty": "email", "properties": {}, "AccountId": "A1"}
    among = {"id": "b@x.com", "idProperty": "email", "properties": {"AccountId": "A2"}}
    assert links(beside, among, header=None) == {0: [LinkValue(0, 0, "A1")], 1: [LinkValue(0, 0, "A2")]}


_CELL = st.sampled_from(["", " ", "A1", "A2;A3", "7", "7.0;8", "NULL", "1E+12", ";", "x"])


@given(st.lists(st.tuples(_CELL, _CELL, st.booleans()), max_size=8), st.booleans())
def test_a_row_has_the_same_links_alone_and_among_others(given_rows, as_fields):
    rows = [cells(a, b, email="p@x.com" if valid else "") for a, b, valid in given_rows]
    contents = [dict(zip(_HEADER, one, strict=True)) for one in rows] if as_fields else rows
    header = None if as_fields else _HEADER
    together = links(*contents, header=header)
    for place, content in enumerate(contents):
        assert together.get(place) == links(content, header=header).get(0)


_PARTS = st.lists(st.sampled_from(["", " ", "1", " 22 ", "NULL", "none", "-", "A"]), max_size=5)


@given(_PARTS, st.sampled_from([";", ", ", "|"]), st.booleans())
def test_the_values_of_a_cell_are_its_parts_without_blanks(parts, separator, as_list):
    column = LinkColumn("AccountId", "companies", "sf_id", separator=separator)
    words = {"blank_values": {"": ("-",)}}
    wanted = [part.strip() for part in parts if part.strip() and part.strip() not in {"NULL", "none", "-"}]
    if as_list:
        found = links({"email": "a@x.com", "AccountId": parts}, associations=(column,), header=None, **words)
    else:
        found = links(cells(separator.join(parts)), associations=(column,), **words)
    assert found.get(0, []) == [LinkValue(0, at, value) for at, value in enumerate(wanted)]


def test_without_link_columns_rows_are_not_read_for_links(monkeypatch):
    rules = Rules()
    mapper = Mapper(0, rules, None, resolve_columns(("email",), rules, None))
    monkeypatch.setattr(mapper, "read", None)
    assert mapper.links(0, [row(["a@x.com"])], []) == []
