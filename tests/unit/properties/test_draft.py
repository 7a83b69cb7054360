"""Definitions drafted for columns without a property."""

import re

import pytest
from hypothesis import example, given, strategies as st

from uploader.errors import SettingsError
from uploader.properties import column_profile
from uploader.properties.column_profile import ColumnProfile
from uploader.properties.definitions_file import is_valid_name, parse_definitions
from uploader.properties.draft import MissingProperty, default_group, draft_text, name_for


def missing(column, *values, **more):
    profile = ColumnProfile(column)
    for value in values:
        profile.add(value)
    return MissingProperty(profile, **more)


#: The beginnings of the lines that make an enumeration.
OF_OPTIONS = ("# type = ", "# field_type = ", "# options = ")


def drafted(*columns, passed_over=(), names=("city",), labels=("City",)):
    return draft_text(
        columns,
        passed_over,
        object_type="contacts",
        group="contactinformation",
        names=names,
        labels=labels,
        where="Drafted.",
    )


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Shoe Size", "shoe_size"),
        ("  Größe / cm  ", "grosse_cm"),
        ("Prénom usuel", "prenom_usuel"),
        ("2nd phone", "custom_2nd_phone"),
        ("HS Score", "custom_hs_score"),
        ("hubspot_id", "custom_hubspot_id"),
        ("日本", "custom_property"),
        ("City", "city_2"),
        ("x" * 200, "x" * 100),
    ],
)
def test_names_are_made_of_the_columns_as_hubspot_takes_them(column, name):
    assert name_for(column, {"city"}) == name


@given(st.text(max_size=120), st.sets(st.sampled_from(["a", "a_2", "custom_property", "custom_property_2"])))
@example("\U0001d54a", set())  # a capital letter of mathematics
def test_every_name_is_valid_and_free(column, taken):
    name = name_for(column, taken)
    assert is_valid_name(name)
    assert name not in taken


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=30), st.lists(st.text(max_size=30), max_size=4)), max_size=6
    )
)
def test_every_draft_can_be_read_and_created(columns):
    named = {column: values for column, values in columns if column.strip()}
    text = drafted(*(missing(column, "x", *values) for column, values in named.items()))
    if not named:
        with pytest.raises(SettingsError):
            parse_definitions(text)
        return
    definitions = parse_definitions(text).definitions
    assert [one.label for one in definitions] == [
        f"{c} ({d.name})" if c == "City" else c for c, d in zip(named, definitions, strict=True)
    ]
    assert "city" not in {one.name for one in definitions}


def test_a_definition_has_the_type_and_comments_the_counts_and_remarks():
    text = drafted(missing("Shoe Size", "42", "NULL", "42", "41", ""), passed_over=["Column 'X' gets none."])
    [one] = parse_definitions(text).definitions
    assert (one.name, one.label, one.type, one.field_type, one.group) == (
        "shoe_size",
        "Shoe Size",
        "number",
        "number",
        "contactinformation",
    )
    assert '# Column "Shoe Size": 4 of 5 rows, 3 different values: "42" (2), "NULL" (1), "41" (1)' in text
    assert "# CAUTION: words for nothing" in text
    assert "# Column 'X' gets none." in text


@pytest.mark.parametrize(
    ("column", "values", "is_unique"),
    [
        ("Contact ID", ["1", "2", "3"], True),
        ("ContactId", ["1", "2", "NULL", "", "NULL"], True),
        ("Contact ID (18)", ["1", "2", "2"], False),
        ("Contact ID", ["003aB", "003ab"], False),
        ("Contact ID", ["1"], False),
        ("Name", ["1", "2", "3"], False),
    ],
)
def test_ids_that_do_not_repeat_are_texts_with_unique_values(column, values, is_unique):
    text = drafted(missing(column, *values))
    (one,) = parse_definitions(text).definitions
    assert one.is_unique == is_unique
    assert one.type == "string" or not is_unique


def test_whether_ids_repeat_is_known_of_so_many_and_memory_is_limited(monkeypatch):
    monkeypatch.setattr(column_profile, "MOST_IDS", 3)
    one = missing("Contact ID", "1", "2", "3", *"4" * 9).profile
    assert one.is_unique
    assert len(one._ids) == 3
    assert not missing("Contact ID", "1", "2", "2", "3").profile.is_unique


def test_options_are_only_proposed_and_work_without_their_signs():
    text = drafted(missing("Source", *["Web", "Fair"] * 10))
    assert parse_definitions(text).definitions[0].type == "string"
    lines = text.replace('type = "string"\nfield_type = "text"\n', "", 1).splitlines()
    chosen = (line.removeprefix("# ") if line.startswith(OF_OPTIONS) else line for line in lines)
    [one] = parse_definitions("\n".join(chosen)).definitions
    assert (one.type, one.field_type) == ("enumeration", "select")
    assert [option.value for option in one.options] == ["Fair", "Web"]


def test_a_doubtful_or_blank_column_is_commented_out():
    text = drafted(missing("Account Name", "x", doubt="may be the property company"), missing("Blank", ""))
    assert "# Is it needed? may be the property company" in text
    with pytest.raises(SettingsError, match="remove the #"):
        parse_definitions(text)
    lines = (line for line in text.splitlines() if re.match(r"# (?:[a-z_]+ = |\[)", line))
    shown = "\n".join(line.removeprefix("# ") for line in lines)
    assert [one.name for one in parse_definitions(shown).definitions] == ["account_name", "blank"]


def test_a_name_that_the_mapping_gives_is_taken_if_it_is_valid_and_free():
    text = drafted(
        missing("A", "x", wanted="foo"), missing("B", "x", wanted="city"), missing("C", "x", wanted="No!")
    )
    assert [one.name for one in parse_definitions(text).definitions] == ["foo", "b", "c"]


@pytest.mark.parametrize(
    ("object_type", "groups", "group"),
    [
        ("contacts", ["a", "contactinformation", "a"], "contactinformation"),
        ("0-2", ["companyinformation"], "companyinformation"),
        ("p_cars", ["car_facts", "car_facts", "other"], "car_facts"),
        ("deals", ["x", "x"], "x"),
        ("tickets", [], "ticketinformation"),
    ],
)
def test_the_group_is_the_usual_one_or_that_of_most_properties(object_type, groups, group):
    assert default_group(object_type, groups) == group
