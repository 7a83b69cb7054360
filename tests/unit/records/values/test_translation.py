"""Values are replaced by the user's tables before anything else is made of them, once, for every property."""

import pytest
from hypothesis import given, strategies as st

from support.builders import row
from uploader.hubspot.owner_lookup import Owner, Owners
from uploader.hubspot.requests import sent_properties
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.hubspot.stage_lookup import Pipeline, Pipelines, Stage
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, Unsent
from uploader.records.columns import Rules, resolve_columns
from uploader.records.format_inference import OrderFinder, decide
from uploader.records.mapper import Mapper
from uploader.records.suppressed_rows import SUPPRESSED
from uploader.records.suppression_list import Suppression, read_entries
from uploader.records.values.datetimes import DateOrder
from uploader.records.values.translation import translator

SCHEMA = Schema(
    labels=dict.fromkeys(
        ("email", "note", "born", "vip", "tier", "likes", "owner", "stage", "pipeline", "dealstage"), ""
    ),
    kinds={
        "email": Kind("string"),
        "note": Kind("string"),
        "born": Kind("date"),
        "vip": Kind("bool"),
        "tier": Kind("enumeration"),
        "likes": Kind("enumeration", is_multiple=True),
        "owner": Kind("enumeration"),
        "pipeline": Kind("enumeration"),
        "dealstage": Kind("enumeration"),
    },
    options={
        "tier": (Option("Gold", "gold"), Option("Silver", "silver")),
        "likes": (Option("Hiking", "hiking"), Option("Chess, fast", "chess"), Option("Music", "music")),
    },
    owned=frozenset({"owner"}),
    owners=Owners([Owner("1", "ann@x.com", "Ann", "Lee")]),
    staged=frozenset({"pipeline", "dealstage"}),
    pipelines=Pipelines(
        [
            Pipeline("p1", "Sales", (Stage("s1", "New"), Stage("s2", "Won"))),
            Pipeline("p2", "Partners", (Stage("s3", "New"),)),
        ]
    ),
)


def mapped(columns, tables, *, as_fields=False, **rules):
    """The row with these cells."""
    made = Rules(translations=tables, **rules)
    header = list(columns)
    if as_fields:
        return Mapper(0, made, SCHEMA, None).map(0, [row(dict(columns))])[0]
    return Mapper(0, made, SCHEMA, resolve_columns(header, made, SCHEMA)).map(
        0, [row(list(columns.values()))]
    )[0]


def sent_beside_key(record):
    return {name: text for name, text in sent_properties(record).items() if name != record.id_property}


def sent(columns, tables, **rules):
    one = mapped(columns, tables, **rules)
    assert isinstance(one, Record), one
    return one.key, sent_beside_key(one)


@pytest.mark.parametrize("as_fields", [False, True])
@pytest.mark.parametrize(
    ("column", "cell", "replacement", "written"),
    [
        ("tier", " PROSPECT ", "Gold", "gold"),
        ("tier", "Silver", "gold", "gold"),  # an option itself
        ("vip", "Stammkunde", "yes", "true"),
        ("note", "n/a", "unknown", "unknown"),
        ("born", "long ago", "1900-01-01", "1900-01-01"),
        ("owner", "Annie", "ann@x.com", "1"),
    ],
)
def test_a_cell_is_replaced_before_it_is_converted_by_any_type(column, cell, replacement, written, as_fields):
    tables = {column: {cell.strip().casefold(): replacement}}
    _, properties = sent({"email": "a@x.com", column: cell}, tables, as_fields=as_fields)
    assert properties == {column: written}


def test_stages_and_pipelines_are_replaced_by_their_labels():
    tables = {"dealstage": {"offen": "New"}, "pipeline": {"partner": "Partners"}}
    _, properties = sent({"email": "a@x.com", "pipeline": "Partner", "dealstage": "Offen"}, tables)
    assert properties == {"pipeline": "p2", "dealstage": "s3"}


def test_a_blank_replacement_is_a_blank_cell():
    cells, tables = {"email": "a@x.com", "note": "n/a"}, {"note": {"n/a": ""}}
    assert sent(cells, tables) == ("a@x.com", {})
    assert sent(cells, tables, cleared=frozenset({"note"})) == ("a@x.com", {"note": ""})


def test_the_key_is_replaced_too_and_a_blank_one_leaves_the_next_or_none():
    tables = {"email": {"none": "", "1.2e+05": "a@x.com"}}
    assert sent({"email": "1.2E+05", "note": "x"}, tables)[0] == "a@x.com"
    lost = mapped({"email": "None", "note": "x"}, tables)
    assert isinstance(lost, Unsent)
    assert (lost.outcome, lost.reason) == (Outcome.INVALID, "no email")
    assert sent({"email": "none", "note": "k"}, tables, match=("email", "note")) == ("k", {})


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("wandern;Music", "hiking;music"),
        ("Wandern | Music", "hiking;music"),
        (";wandern", ";hiking"),
        ("wandern;nichts", "hiking"),
        ("nichts;", ""),
        ("alles", "hiking;music"),
        ("a;b", "music"),  # the whole cell goes first
        ("Chess, fast", "chess"),  # the comma is part of an option, whatever `fast` would become
    ],
)
def test_of_several_values_each_is_replaced(cell, written):
    tables = {
        "likes": {"wandern": "hiking", "nichts": "", "alles": "hiking;music", "a;b": "music", "fast": "music"}
    }
    _, properties = sent({"email": "a@x.com", "likes": cell}, tables)
    assert properties == ({"likes": written} if written else {})


@given(
    st.sampled_from(["a", "A", " b", "c", ""]),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("abc")),
)
def test_what_replaces_a_value_is_not_looked_up_again(cell, table):
    rules = Rules(translations={"note": table})
    translate = translator("note", "note", SCHEMA, rules)
    text = cell.strip()
    if translate is None:
        assert table == {}
    elif text:
        assert translate(text) == table.get(text.lower(), text)


def test_columns_are_compared_as_everywhere():
    _, properties = sent({"email": "a@x.com", "note": "x"}, {" note\u200b": {"x": "y"}})
    assert properties == {"note": "y"}


def test_the_order_of_dates_is_inferred_from_what_is_written():
    rules = Rules(translations={"born": {"31.12.1980": "12.31.1980", "?": ""}})
    mapper = Mapper(0, rules, SCHEMA, resolve_columns(["email", "born"], rules, SCHEMA))
    finder = OrderFinder(mapper)
    for cell in ("31.12.1980", "01.02.2000", "?"):
        finder.feed(["a@x.com", cell])
    assert decide([finder], rules).date_orders == {"born": DateOrder.MDY}


@pytest.mark.parametrize("as_fields", [False, True])
@pytest.mark.parametrize("listed", ["a@x.com", "b@x.com"])
def test_a_person_is_suppressed_by_the_address_in_the_file_and_by_the_one_that_replaces_it(listed, as_fields):
    rules = {"suppression": Suppression(read_entries([listed]))}
    one = mapped({"email": "A@x.com"}, {"email": {"a@x.com": "b@x.com"}}, as_fields=as_fields, **rules)
    assert isinstance(one, Unsent)
    assert (one.category, one.key) == (SUPPRESSED, "b@x.com")


def test_a_column_that_suppresses_is_compared_as_the_file_has_it():
    rules = {"suppress_where": {"note": ("x",)}, "mapped": {"note": "note"}}
    one = mapped({"email": "a@x.com", "note": "x"}, {"note": {"x": "y"}}, **rules)
    assert one.category == SUPPRESSED


def test_an_input_of_the_api_is_replaced_too():
    rules = Rules(translations={"email": {"a": "a@x.com"}, "tier": {"top": "gold"}})
    content = {"id": "A", "properties": {"email": "a", "tier": "Top"}}
    (one,) = Mapper(0, rules, SCHEMA, None).map(0, [row(content)])
    assert isinstance(one, Record), one
    assert (one.key, sent_beside_key(one)) == ("a@x.com", {"tier": "gold"})


CELLS = {
    "email": ["a@x.com", "B@x.com ", "boss", "NULL", ""],
    "note": ["x", " X", "n/a", ""],
    "tier": ["gold", "Prospect", "prospect ", "zzz", ""],
    "born": ["2020-01-02", "long ago", ""],
    "owner": ["Ann Lee", "Annie", ""],
    "pipeline": ["Sales", "partner", "p2", ""],
    "dealstage": ["New", "neu", "Won", ""],
}
REPLACEMENTS = ["", "gold", "a@x.com", "NULL", "2020-05-06", "ann@x.com", "Partners", "new", "x"]
ROWS = st.lists(st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}))
TABLES = st.fixed_dictionaries(
    {},
    optional={
        name: st.dictionaries(
            st.sampled_from(sorted({cell.strip().casefold() for cell in cells} - {""})),
            st.sampled_from(REPLACEMENTS),
        )
        for name, cells in CELLS.items()
    },
)


def replaced_by_hand(cells, tables):
    return {name: tables.get(name, {}).get(cell.strip().casefold(), cell) for name, cell in cells.items()}


def told(mapped):
    if isinstance(mapped, Record):
        return mapped.id_property, mapped.key, sent_properties(mapped), mapped.lock_keys
    return mapped.outcome, mapped.key, mapped.faults, mapped.lock_keys


@given(ROWS, TABLES, st.sampled_from([("email",), ("note", "email")]), st.booleans(), st.booleans())
def test_a_source_is_mapped_as_one_in_which_somebody_replaced_the_cells(
    rows, tables, match, clears, as_fields
):
    cleared = frozenset({"tier", "born"} if clears else ())
    found = []
    for translations, contents in ((tables, rows), ({}, [replaced_by_hand(one, tables) for one in rows])):
        rules = Rules(translations=translations, match=match, cleared=cleared)
        columns = None if as_fields else resolve_columns(list(CELLS), rules, SCHEMA)
        given_rows = [row(one if as_fields else [one[name] for name in CELLS]) for one in contents]
        found.append(list(map(told, Mapper(0, rules, SCHEMA, columns).map(0, given_rows))))
    assert found[0] == found[1]
