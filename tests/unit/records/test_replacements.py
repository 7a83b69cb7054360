"""A replacement that the property cannot take is known before any row is read."""

from dataclasses import replace

import pytest

from uploader.hubspot.owner_lookup import Owner, Owners
from uploader.hubspot.schema import Kind, Option, Schema
from uploader.hubspot.stage_lookup import Pipeline, Pipelines, Stage
from uploader.records.columns import Rules
from uploader.records.replacements import unfit_replacements

NAMES = ("email", "note", "born", "seen", "score", "vip", "tier", "likes", "owner", "pipeline", "dealstage")
TYPES = {"born": "date", "seen": "datetime", "score": "number", "vip": "bool"}
SCHEMA = Schema(
    labels=dict.fromkeys(NAMES, ""),
    kinds={name: Kind(TYPES.get(name, "string")) for name in NAMES}
    | {"tier": Kind("enumeration"), "likes": Kind("enumeration", is_multiple=True)},
    options={
        "tier": (Option("Marketing Qualified", "mql"), Option("Gold", "gold")),
        "likes": (Option("Hiking", "hiking"), Option("Music", "music")),
    },
    owned=frozenset({"owner"}),
    owners=Owners([Owner("1", "ann@x.com", "Ann", "Lee")]),
    staged=frozenset({"pipeline", "dealstage"}),
    pipelines=Pipelines(
        [Pipeline("p1", "A", (Stage("s1", "New"),)), Pipeline("p2", "B", (Stage("s2", "New"),))]
    ),
)


def reasons(column, replacement, schema=SCHEMA, **rules):
    rules = Rules(translations={column: {"x": replacement}}, **rules)
    return [unfit.reason for unfit in unfit_replacements(rules, schema)]


@pytest.mark.parametrize(
    ("column", "replacement"),
    [
        *(("tier", "gold"), ("tier", "GOLD"), ("tier", ""), ("likes", "hiking;Music"), ("vip", "ja")),
        *(("owner", "ann@x.com"), ("owner", "Lee, Ann"), ("pipeline", "a"), ("note", "anything")),
        ("dealstage", "New"),  # of both pipelines: the row says which
        *(("born", "01/02/2024"), ("born", "45657"), ("seen", "2024-01-02"), ("score", "1,234")),
        *(("email", "a@x.com"), ("nowhere", "anything")),
    ],
)
def test_what_the_property_may_take_is_fit(column, replacement):
    assert reasons(column, replacement) == []


@pytest.mark.parametrize(
    ("column", "replacement", "says"),
    [
        ("tier", "golden", "tier: 'golden' is not an option of the property; did you mean 'gold'?"),
        ("tier", "zzz", "allowed: 'mql', 'gold'"),
        ("likes", "hiking;running", "holds 'running', which is not an option of the property"),
        ("vip", "maybe", "is neither true nor false"),
        ("owner", "Bob", "is not the name of an owner"),
        ("pipeline", "C", "is not a pipeline of the account"),
        ("dealstage", "Old", "is not a stage of any pipeline"),
        ("born", "soon", "born: 'soon'"),
        ("score", "many", "score: 'many'"),
        ("email", "nobody", "is not an e-mail address"),
        ("note", "a\0b", "holds a NUL byte"),
    ],
)
def test_what_it_cannot_take_is_told_with_what_it_can(column, replacement, says):
    (reason,) = reasons(column, replacement)
    assert says in reason


def test_a_stage_is_looked_for_in_the_pipeline_of_all_rows_if_there_is_one():
    pipelines = [Pipeline("p1", "A", (Stage("s1", "New"),)), Pipeline("p2", "B", (Stage("s2", "Old"),))]
    schema = replace(SCHEMA, pipelines=Pipelines(pipelines))
    assert reasons("dealstage", "Old", schema) == []
    assert reasons("dealstage", "Old", schema, constants={"pipeline": "b"}) == []
    (reason,) = reasons("dealstage", "Old", schema, constants={"pipeline": "A"})
    assert "is not a stage of the pipeline 'A'" in reason


def test_columns_are_looked_up_as_everywhere():
    assert len(reasons("My tier", "zzz", mapped={"My tier": "tier"})) == 1
    assert reasons("My tier", "zzz", mapped={"My tier": "tier"}, ignored=frozenset({"My tier"})) == []
    assert reasons("tier", "zzz", schema=None) == []
