"""Decisions are written into the text of a file, and all other lines stay."""

import tomllib

import pytest
from hypothesis import given, strategies as st

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.check.mapping_draft import Draft, Drafted
from uploader.check.mapping_edits import (
    UneditableError,
    decisions,
    with_blank_word,
    with_column,
    with_replacement,
    with_setting,
)
from uploader.hubspot.schema import Option
from uploader.records.mapping_file import parse_mapping

FILE = """\
# my own words
source = ["a.csv"]  # and these
# blank_values = ["n/a", "-"]  # cells that hold one of these words are blank

# What the columns mean.
[columns]
City = "city"  # of the office

# no property with a similar name
# "Tier" = "PROPERTY"
# "Tier" = { ignore = true }
'Birth date' = { property = "date_of_birth", blank = "clear" }

# Values that the properties do not take.
[values."Lead \\"Status\\""]
# "Leads" = "lead"  # 1,200 cells; Lead?
# "Prospect" = "OPTION"  # 1 cell
"""


def changed(text, edited):
    """The lines that an edit has removed, and those it has added."""
    before, after = text.splitlines(), edited.splitlines()
    return [line for line in before if line not in after], [line for line in after if line not in before]


@pytest.mark.parametrize(
    ("edited", "removed", "added"),
    [
        (with_column(FILE, "Tier", {"property": "tier"}), ['# "Tier" = "PROPERTY"'], ['"Tier" = "tier"']),
        (
            with_column(FILE, "Tier", {"ignore": True}),
            ['# "Tier" = { ignore = true }'],
            ['"Tier" = { ignore = true }'],
        ),
        (
            with_column(FILE, "Birth  date", {"property": "born"}),
            ['\'Birth date\' = { property = "date_of_birth", blank = "clear" }'],
            ['"Birth date" = { blank = "clear", property = "born" }'],
        ),
        (
            with_blank_word(FILE, "n/a", ["City"]),
            ['City = "city"  # of the office'],
            ['"City" = { property = "city", blank_values = ["n/a"] }  # of the office'],
        ),
        (
            with_blank_word(FILE, "n/a", []),
            ['# blank_values = ["n/a", "-"]  # cells that hold one of these words are blank'],
            ['blank_values = ["n/a"]  # cells that hold one of these words are blank'],
        ),
        (with_column(FILE, "New", {"property": "x"}), [], ['"New" = "x"']),
        (with_setting(FILE, "on_duplicate", "in-order"), [], ['on_duplicate = "in-order"']),
        (
            with_replacement(FILE, 'Lead "Status"', "Leads", "lead"),
            ['# "Leads" = "lead"  # 1,200 cells; Lead?'],
            ['"Leads" = "lead"  # 1,200 cells; Lead?'],
        ),
        (with_replacement(FILE, 'Lead "Status"', "Leads", ""), [], ['"Leads" = ""']),
        (
            with_replacement(FILE, 'Lead "Status"', "Prospect", "x"),
            ['# "Prospect" = "OPTION"  # 1 cell'],
            ['"Prospect" = "x"  # 1 cell'],
        ),
    ],
)
def test_a_decision_changes_its_own_line_and_no_other(edited, removed, added):
    assert changed(FILE, edited) == (removed, added)


def test_another_choice_than_the_proposed_one_stands_above_it():
    lines = with_replacement(FILE, 'Lead "Status"', "Leads", "other").splitlines()
    at = lines.index('"Leads" = "other"')
    assert lines[at + 1].startswith('# "Leads" = "lead"')


def test_a_line_is_added_where_its_table_ends_and_not_where_the_next_one_is_explained():
    lines = with_column(FILE, "New", {"property": "x"}).splitlines()
    assert lines[lines.index('"New" = "x"') - 1].startswith("'Birth date'")
    lines = with_setting(FILE, "on_duplicate", "in-order").splitlines()
    assert lines.index('on_duplicate = "in-order"') < lines.index("# What the columns mean.")


def test_a_decision_replaces_a_former_one():
    text = with_column(with_column(FILE, "Tier", {"property": "tier"}), "Tier", {"ignore": True})
    assert decisions(text).ignored == {"Tier"}
    assert "Tier" not in decisions(text).mapped
    text = with_blank_word(with_blank_word(text, "-", ["Tier"]), "?", ["Tier"])
    assert (decisions(text).ignored, decisions(text).blank_values) == ({"Tier"}, {"Tier": ("-", "?")})


@pytest.mark.parametrize(
    "text",
    [
        '[columns.Tier]\nproperty = "a"\n',
        'columns = { Tier = "a" }\n',
        '[columns]\nTier.property = "a"\nTier.blank = "clear"\n',
        '[columns]\nTier = { property = "a", blank_values = [\n"x"] }\n',
    ],
)
def test_a_layout_that_is_not_understood_is_left_alone_and_the_line_is_said(text):
    with pytest.raises(UneditableError, match=r'below \[columns\]: "Tier" = \{.* ignore = true'):
        with_column(text, "Tier", {"ignore": True, "blank": "skip"})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(TEXTS, TEXTS, TEXTS)
def test_any_texts_are_written_into_a_draft_as_they_are(column, value, option):
    bad = BadColumn(
        column, "p", 1, [BadValue(value, 1, None)], 0, is_complete=True, options=(Option("L", option),)
    )
    text = Draft("", (Drafted(column, why=column, samples=(value,)),), (bad,)).toml()
    text = with_replacement(with_column(text, column, {"property": option}), column, value, option)
    found = tomllib.loads(text)
    assert found["values"][column] == {value: option}
    assert found["columns"] == {column: option}


def test_the_keys_of_a_project_file_are_no_decisions():
    file = decisions('source = ["a.csv"]\nvalues = "v.csv"\ntimezone = "UTC"\n[columns]\na = "b"\n')
    assert file.mapped == {"a": "b"}
    assert decisions(FILE).mapped == parse_mapping(FILE.replace("source", "# source")).mapped
