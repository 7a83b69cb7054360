"""Problems with columns in few words."""

import re
import tomllib
from itertools import combinations

import pytest

from uploader.check.briefs import column_briefs, doubtful_brief, reading_briefs
from uploader.check.report import Column
from uploader.hubspot.schema import Schema
from uploader.model.column_names import quoted
from uploader.records.columns import MappingError, Rules, refuse_undecided
from uploader.records.mapping_file import parse_mapping
from uploader.records.repeated_keys import KeyCount

COLUMNS = ("Email Opt Out", "UNSUB_TIME", "GDPR", "DNC", "OPT_IN")


@pytest.mark.parametrize("opt_outs", ["", "list"])
def test_each_problem_about_opt_outs_has_a_short_text(opt_outs):
    """Also where columns of several kinds are undecided: those are several problems."""
    rules = Rules(opt_outs=opt_outs)
    for some in (mix for size in range(1, 6) for mix in combinations(COLUMNS, size)):
        undecided = [column for column in some if rules.is_undecided(column)]
        columns = [Column(0, column, "", is_undecided=column in undecided) for column in some]
        texts = ()
        try:
            refuse_undecided(undecided)
        except MappingError as error:
            texts = error.texts
        assert list(column_briefs(columns, rules, None, "")) == list(texts), some


def test_a_way_that_does_not_decide_is_not_named():
    (about_privacy,) = column_briefs([Column(0, "GDPR", "", is_undecided=True)], Rules(), None, "").values()
    assert "may tell" in about_privacy
    assert "--opt-outs" not in about_privacy
    (opt_out,) = column_briefs(
        [Column(0, "Email Opt Out", "", is_undecided=True)], Rules(), None, ""
    ).values()
    assert "--opt-outs list" in opt_out


@pytest.mark.parametrize("column", COLUMNS)
def test_with_a_project_file_the_ways_are_lines_of_it(column):
    columns = [Column(0, column, "", is_undecided=True)]
    (brief,) = column_briefs(columns, Rules(), None, "contacts.toml").values()
    assert "--" not in brief
    assert "contacts.toml" in brief
    (entry,) = re.findall(rf'"{column}" = {{.*?}}', brief)
    file = parse_mapping(f"[columns]\n{entry}\n")
    rules = Rules(suppress_where=file.suppress_where)
    assert not rules.is_undecided(column)
    assert ('opt_outs = "list"' in brief) == (column not in {"GDPR", "DNC"})


def test_with_a_project_file_all_addresses_of_nobody_are_blanked_by_one_line():
    keys = [KeyCount("email", "none@none.com", 81), KeyCount("email", "test@test.com", 8)]
    brief = doubtful_brief(keys, ["E-mail"], "contacts.toml")
    (entry,) = re.findall(r'"E-mail" = {.*?}', brief)
    file = parse_mapping(f"[columns]\n{entry}\n")
    assert file.blank_values == {"E-mail": ("none@none.com", "test@test.com")}
    assert file.mapped == {"E-mail": "email"}
    assert 'on_duplicate = "in-order"' in brief


def test_columns_that_are_no_properties_are_counted_by_name():
    """Marks in the table are also those of columns of opt-outs."""
    names = ("Cats", "Dogs", "Email Opt Out")
    columns = [Column(0, name, "", is_undecided=True) for name in names]
    texts = list(column_briefs(columns, Rules(), Schema(labels={"email": "Email"}), "").values())
    assert any(text.startswith("2 columns are no properties ('Cats', 'Dogs'): ") for text in texts), texts


@pytest.mark.parametrize("column", ["Renewal", "Renewal ($)", "Jo's"])
@pytest.mark.parametrize(
    ("option", "value", "detail"),
    [
        ("--timezone", "NAME", {"timezone": "NAME"}),
        ("--date-order", "DMY", {"date_order": "DMY"}),
        ("--decimal", ",", {"decimal": ","}),
    ],
)
def test_with_a_project_file_a_column_that_can_be_read_in_two_ways_has_an_entry_of_it(
    column, option, value, detail
):
    text = f"{column}: row 2 is open; choose with {option} {quoted(f'{column}={value}')} or =MDY"
    assert reading_briefs({column: text}, {column: "renewal"}, "") == {}
    brief = reading_briefs({column: text}, {column: "renewal"}, "contacts.toml")[text]
    assert "--" not in brief
    assert brief.endswith(' or "MDY", in contacts.toml')
    entry = brief[brief.index("choose with ") + len("choose with ") : brief.index(' or "MDY"')]
    assert tomllib.loads(entry) == {column: {"property": "renewal"} | detail}
