"""A slice of rows is mapped at once, and each of them as if it were alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.requests import encode_batch, sent_properties
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.model.records import Record
from uploader.model.rows import Row, Unreadable
from uploader.records.columns import SUPERSEDED, MappingError, Rules, resolve_columns
from uploader.records.mapper import Mapper

SCHEMA = Schema(
    labels={
        "email": "Email",
        "external_id": "External",
        "note": "Note",
        "tier": "Tier",
        "score": "Score",
        "born": "Born",
        "flag": "Flag",
        'q"x': "Quote",
        "calc": "Calculated",
    },
    read_only=frozenset({"calc"}),
    unique=frozenset({"external_id"}),
    kinds={
        "email": Kind("string"),
        "external_id": Kind("string"),
        "note": Kind("string"),
        "tier": Kind("enumeration"),
        "score": Kind("number"),
        "born": Kind("date"),
        "flag": Kind("bool"),
    },
    options={"tier": (Option("Gold", "gold"), Option("Silver", "silver"))},
)
TEXTS = {
    "email": ["a@x.com", "B@x.com", " b@x.com ", "nope", "", "a@x", "ü@x.com"],
    "external_id": ["", "k1", "K1", "k2", " "],
    "note": ["", "hello", "x" * 70_000, "a\0b", " ", "ünï", "half \ud800"],
    "tier": ["", "gold", "Gold", "platinum"],
    "score": ["", "1", "1.5", "many"],
    "born": ["", "2024-01-02", "03/04/2024", "soon"],
    "flag": ["", "yes", "no", "perhaps"],
    'q"x': ["", "v"],
}
RULES = st.builds(
    Rules,
    match=st.sampled_from([("email",), ("external_id",), ("external_id", "email"), ("score",)]),
    cleared=st.sampled_from([frozenset(), frozenset({"note", "tier"}), frozenset({"Note", "flag", "score"})]),
    drop_bad_values=st.booleans(),
    include_superseded=st.booleans(),
    constants=st.sampled_from([{}, {}, {"flag": "yes"}]),
    ignored=st.sampled_from([frozenset(), frozenset({"Note"})]),
    suppress_where=st.sampled_from([{}, {}, {"note": ("hello",)}]),
    object_type=st.sampled_from(["contacts", "contacts", "companies"]),
)


@st.composite
def _cells(draw):
    header = draw(st.lists(st.sampled_from(list(TEXTS)), min_size=2, unique=True))
    columns = [st.sampled_from(TEXTS[name]) for name in header]
    if draw(st.booleans()):
        header.append(f"column {len(header) + 1}")
        columns.append(st.sampled_from(["", "", " ", "stray"]))
    if draw(st.booleans()):
        header.append(SUPERSEDED)
        columns.append(st.sampled_from(["", "", "9"]))
    row = st.tuples(*columns).map(list)
    return header, draw(
        st.lists(st.one_of(row, row, row, st.just(Unreadable("torn"))), min_size=1, max_size=9)
    )


_ODD = st.sampled_from([None, True, False, [1], {"a": 1}, Unreadable("holds NaN"), "", "7"])
_PLAIN_FIELDS = st.fixed_dictionaries(
    {"email": st.sampled_from(TEXTS["email"])},
    optional={name: st.sampled_from(texts) | _ODD for name, texts in TEXTS.items() if name != "email"},
)
_OTHER_FIELDS = st.dictionaries(
    st.sampled_from(
        ["Note", "Tier", "Email", "Score", "calc", "nobody", "uploader_row", "properties", SUPERSEDED]
    ),
    st.sampled_from(["gold", "1", "a@x.com"]) | _ODD,
    max_size=2,
)
_FIELDS = st.builds(lambda *parts: parts[0] | parts[1], _PLAIN_FIELDS, st.just({}) | _OTHER_FIELDS)
_INPUTS = st.fixed_dictionaries(
    {"id": st.sampled_from([*TEXTS["email"], "k1", None]), "properties": _FIELDS},
    optional={
        "idProperty": st.sampled_from(["email", "external_id", "note", ""]),
        "stray": st.just(1),
        "objectWriteTraceId": st.just("1"),
    },
)


def _told(mapped):
    """Without the order of what has none."""
    if isinstance(mapped, Record):
        return {
            "position": mapped.position,
            "row": mapped.row,
            "key": [mapped.id_property, mapped.key],
            "values": [mapped.lock_keys[0], *sorted(mapped.lock_keys[1:])],
            "sent": sent_properties(mapped),
            "dropped": [list(fault[:3]) for fault in mapped.dropped],
        }
    return {
        "position": mapped.position,
        "row": mapped.row,
        "key": [mapped.key, *mapped.lock_keys[:1]],
        "values": sorted(mapped.lock_keys),
        "outcome": mapped.outcome.value,
        "faults": [list(fault[:3]) for fault in mapped.faults],
    }


def _check(rules, columns, contents, schema=SCHEMA):
    rows = [Row(number, b"raw %d" % number, content) for number, content in enumerate(contents, 2)]
    together = Mapper(0, rules, schema, columns).map(10, rows)
    alone = [Mapper(0, rules, schema, columns).map(10 + at, [row])[0] for at, row in enumerate(rows)]
    assert list(map(_told, together)) == list(map(_told, alone))
    assert [one.raw for one in together] == [row.raw for row in rows]
    records = [one for one in together if isinstance(one, Record)]
    sent = json.loads(encode_batch(records))["inputs"]
    assert sent == [
        {
            "idProperty": record.id_property,
            "id": record.key,
            "objectWriteTraceId": str(record.position),
            "properties": sent_properties(record),
        }
        for record in records
    ]


@given(_cells(), RULES, st.sampled_from([SCHEMA, None]))
def test_rows_of_cells_are_mapped_together_as_alone(case, rules, schema):
    header, contents = case
    rules = replace(rules, constants=rules.constants if schema else {})
    try:
        columns = resolve_columns(header, rules, schema)
    except MappingError:
        return
    _check(rules, columns, contents, schema)


@given(st.lists(_FIELDS | _FIELDS | _INPUTS | st.just(Unreadable("torn")), min_size=1, max_size=9), RULES)
def test_rows_that_name_their_fields_are_mapped_together_as_alone(contents, rules):
    _check(rules, None, contents)


@pytest.mark.parametrize("name", ['na"me', "na\\me", "na\x07me", "naïve", "id", "self"])
def test_a_property_may_have_any_name(name):
    rows = [Row(number, b"", {"email": f"c{number}@x.com", name: "x"}) for number in range(3)]
    mapped = Mapper(0, Rules(), None, None).map(0, rows)
    assert [sent_properties(one) for one in mapped] == [{name: "x"}] * 3


def test_rows_with_ever_other_fields_are_not_learned_without_end():
    mapper = Mapper(0, Rules(), None, None)
    rows = [
        Row(number, b"", {"email": f"c{number}@x.com", **{f"f{number}.{j}": "x" for j in range(40)}})
        for number in range(50)
    ]
    assert [len(sent_properties(one)) for one in mapper.map(0, rows)] == [40] * 50
    many = Row(1, b"", {name: "x" for row in rows[:8] for name in row.content} | {"email": "a@x.com"})
    assert 321 <= len(mapper.map(0, [many])[0].properties.__struct_fields__) <= 1_000


def test_a_row_of_many_fields_makes_those_behind_it_no_wider():
    mapper = Mapper(0, Rules(), None, None)
    few = [{"email": "a@x.com", "firstname": "A"}, {"email": "b@x.com", "phone": "1"}, {"email": "c@x.com"}]
    wide = {"email": "w@x.com", **{f"f{number}": "x" for number in range(500)}}
    mapper.map(0, [Row(1, b"", wide)])
    for _ in range(3):
        mapped = mapper.map(1, [Row(number, b"", dict(one)) for number, one in enumerate(few)])
        assert [sent_properties(one) for one in mapped] == [{"firstname": "A"}, {"phone": "1"}, {}]
    assert len(mapped[0].properties.__struct_fields__) == 3


def _facts():
    """Rules, header, rows, and what became of these when they were mapped one by one, without slices."""
    lines = Path(__file__).with_name("mapped_rows.ndjson").read_text(encoding="utf-8").splitlines()
    return list(map(json.loads, lines))


@pytest.mark.parametrize("fact", _facts())
def test_rows_are_mapped_as_by_earlier_versions(fact):
    known = {
        name: frozenset(value) if name in {"cleared", "ignored"} else value
        for name, value in fact["rules"].items()
    }
    rules = Rules(**known | {"match": tuple(known["match"])})
    columns = resolve_columns(fact["header"], rules, SCHEMA) if fact["header"] else None
    rows = [Row(number, b"raw", content) for number, content in enumerate(fact["rows"], 2)]
    mapped = Mapper(0, rules, SCHEMA, columns).map(10, rows)
    assert list(map(_told, mapped)) == fact["mapped"]
