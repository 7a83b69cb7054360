"""Drafts of values parse as they are, without their comments, and once their # are removed."""

import csv
import re
import tomllib
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.check.mapping_draft import Draft, Drafted
from uploader.check.value_draft import owner_map_rows, owner_map_toml, value_tables, with_value_tables
from uploader.errors import SettingsError
from uploader.hubspot.schema import Option
from uploader.option_files.owner_map import read_owner_map
from uploader.records.mapping_file import parse_mapping

LEAD, MQL = Option("Lead", "lead"), Option("Marketing Qualified Lead", "mql")


def column(name, *values, others=0):
    listed = [BadValue(text, cells, near) for text, cells, near in values]
    return BadColumn(name, "lifecyclestage", 99, listed, others, is_complete=True, options=(LEAD, MQL))


STAGE = column("Stage", ("Leads", 1_200, LEAD), ("Prospect", 1, None), others=3)


def without_comments(text):
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


def uncommented(text):
    """As sed would do it."""
    return re.sub(r'^# (?=".*" = ")', "", text, flags=re.MULTILINE)


def test_a_near_option_is_proposed_in_a_comment_with_its_count_and_nothing_acts():
    text = value_tables([STAGE])
    assert (
        '\n[values."Stage"]\n# "Leads" = "lead"  # 1,200 cells; Lead?\n# "Prospect" = "OPTION"  # 1 cell\n'
        in text
    )
    assert '# lifecyclestage takes: "lead" (Lead), "mql" (Marketing Qualified Lead)' in text
    assert "3 rarer values" in text
    for one in (text, without_comments(text)):
        assert parse_mapping(one).values.replacements == {}
    assert parse_mapping(uncommented(text)).values.replacements == {
        "Stage": {"leads": "lead", "prospect": "OPTION"}
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(TEXTS, st.lists(st.tuples(TEXTS, TEXTS)))), TEXTS)
def test_any_values_are_drafted_as_a_file_that_parses(columns, name):
    values = [
        BadColumn(
            f"{number} {title}",
            name,
            1,
            [BadValue(f"{at} {text}", 1, Option(label, label)) for at, (text, label) in enumerate(found)],
            0,
            is_complete=True,
            options=(Option(name, name),),
        )
        for number, (title, found) in enumerate(columns)
    ]
    drafted = Draft("", (Drafted(name, "email", is_sure=True),), tuple(values)).toml()
    assert set(tomllib.loads(drafted).get("values", {})) == {one.column for one in values}
    tomllib.loads(re.sub("^#.*$", "", drafted, flags=re.MULTILINE))
    shown = tomllib.loads(re.sub(r'^# (?="\d+ )', "", drafted, flags=re.MULTILINE))
    for one in values:
        assert shown["values"][one.column] == {value.text: value.near.value for value in one.values}
    assert tomllib.loads(with_value_tables(drafted, values)) == tomllib.loads(drafted)


MAPPING = """# mine
[columns]
"Stage" = "lifecyclestage"  # by hand

[values.Stage]
"Foo" = "lead"
# "Prospect" = "OPTION"

[values."Other"]
# "Leads" = "x"
"""


def test_values_are_added_to_the_mapping_file_that_is_used_and_to_its_tables():
    text = with_value_tables(MAPPING, [STAGE, column("Tier", ("Golden", 2, None))])
    assert text.startswith(MAPPING.partition('# "Prospect"')[0])
    assert text.count('"Prospect"') == 1
    parsed = parse_mapping(uncommented(text)).values.replacements
    assert parsed["Stage"] == {"foo": "lead", "leads": "lead", "prospect": "OPTION"}
    assert (parsed["Tier"], parsed["Other"]) == ({"golden": "OPTION"}, {"leads": "x"})
    assert parse_mapping(text).values.replacements == {"Stage": {"foo": "lead"}}


@pytest.mark.parametrize(
    "mapping", ["values = {}\n", "[columns]\n", "", 'values = { "Stage" = { "a" = "b" } }\n']
)
def test_whatever_form_a_mapping_file_has_what_is_added_to_it_parses(mapping):
    text = with_value_tables(mapping, [STAGE])
    assert parse_mapping(text).values.replacements == parse_mapping(mapping).values.replacements
    assert '"Leads" = "lead"' in text


def test_undecided_columns_are_added_to_the_mapping_file_that_is_used():
    drafted = Draft(
        "", (Drafted("E-mail", "email", is_sure=True), Drafted("Zzz"), Drafted("Stage", "x")), (STAGE,)
    )
    text = drafted.added_to(MAPPING, {"E-mail", "Zzz", "Stage"})
    parsed = parse_mapping(text)
    assert parsed.mapped == {"Stage": "lifecyclestage", "E-mail": "email"}
    assert '\n# "Zzz" = "PROPERTY"\n# "Zzz" = { ignore = true }\n' in text
    assert parse_mapping(drafted.added_to("", {"E-mail"})).mapped == {}


OWNERS = {
    "hubspot_owner_id": Counter({"Bob Stone": 2, "Lee, Ann": 1_500}),
    "other": Counter({"Bob Stone": 1}),
}


def test_a_drafted_owner_map_is_refused_until_it_is_filled_in(tmp_path):
    rows = owner_map_rows(OWNERS)
    assert rows[1:] == [("Lee, Ann", "OWNER", "1500"), ("Bob Stone", "OWNER", "3")]
    path = tmp_path / "owners.csv"
    for chosen in (rows, rows[1:2], rows[1:]):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(chosen)
        with pytest.raises(SettingsError, match="needs an e-mail address or id"):
            read_owner_map(path)
    filled = path.read_text().replace(",OWNER,1500", ",ann@x.com,1500").replace(",OWNER,3", ",,3")
    path.write_text(filled)
    assert read_owner_map(path) == {"Lee, Ann": "ann@x.com", "Bob Stone": ""}


def test_a_drafted_owner_map_in_toml_says_nothing_until_a_line_is_used(tmp_path):
    path, text = tmp_path / "owners.toml", owner_map_toml(OWNERS)
    path.write_text(text)
    assert read_owner_map(path) == {}
    assert '# "Lee, Ann" = "OWNER"  # 1,500 rows\n# "Bob Stone" = "OWNER"  # 3 rows\n' in text
    path.write_text(uncommented(text))
    with pytest.raises(SettingsError, match="needs an e-mail address or id"):
        read_owner_map(path)
