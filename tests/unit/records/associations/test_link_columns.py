"""Link columns as the user gives them."""

import pytest
from hypothesis import given, strategies as st

from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.records.associations.link_columns import (
    as_details,
    association_text,
    check_associations,
    link_column,
    normal,
    parse_association,
    read_association,
)
from uploader.records.columns import MappingError
from uploader.records.mapping_file import parse_mapping
from uploader.settings import Settings

_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("AccountId=companies.sf_account_id", LinkColumn("AccountId", "companies", "sf_account_id")),
        (" Account Id = companies.id", LinkColumn("Account Id", "companies", "id")),
        ("A=deals.deal_no:Decision: maker", LinkColumn("A", "deals", "deal_no", "Decision: maker")),
        ("a=b.c=2-123.no", LinkColumn("a=b.c", "2-123", "no")),
        ("A=p_cars.vin:x=y", LinkColumn("A", "p_cars", "vin", "x=y")),
        ("A=deals.no@../d.csv.results.csv", LinkColumn("A", "deals", "no", results="../d.csv.results.csv")),
        ("A=deals.no@d@e.csv:Big: deal", LinkColumn("A", "deals", "no", "Big: deal", results="d@e.csv")),
    ],
)
def test_an_option_names_column_objects_property_and_label(text, column):
    assert parse_association(text) == column


@pytest.mark.parametrize(
    "text", ["", "A", "A=companies", "=companies.id", "A=companies.id:", "A=.id", "A=deals.no@"]
)
def test_an_option_that_lacks_a_part_is_refused_with_an_example(text):
    with pytest.raises(MappingError, match="AccountId=companies"):
        parse_association(text)


@given(_TEXTS, _NAMES, _NAMES, _TEXTS | st.just(""), _TEXTS | st.just(""))
def test_an_option_is_read_back_as_it_was(column, objects, by, label, results):
    one = normal(LinkColumn(column, objects, by, label.strip(), results=results.strip()))
    text = association_text(one)
    if text is not None:
        assert normal(parse_association(text)) == one
    # Only what the syntax itself stands for keeps a column from being written as an option.
    assert text is not None or {"=", ".", ":", "@"} & {*column, *label, *results} or not one.column


@given(st.tuples(_NAMES, _NAMES, _NAMES), _TEXTS | st.just(""), st.sampled_from(["", ";"]), st.booleans())
def test_a_table_is_read_back_as_it_was(names, label, separator, unique_names):
    one = normal(LinkColumn("A", names[0], names[1], label, separator, unique_names, names[2]))
    assert normal(link_column("A", as_details(one))) == one


def test_a_mapping_file_describes_link_columns():
    file = parse_mapping(
        """
        [columns]
        "Account ID" = { associate = "companies", by = "sf_id", label = "Primary", property = "account" }
        Deals = { associate = "deals", by = "id", separator = ";" }
        Name = { associate = "companies", by = "name", unique_names = true }
        """
    )
    assert file.mapped == {"Account ID": "account"}
    assert file.associations == [
        LinkColumn("Account ID", "companies", "sf_id", "Primary"),
        LinkColumn("Deals", "deals", "id", separator=";"),
        LinkColumn("Name", "companies", "name", unique_names=True),
    ]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ('associate = "companies"', "line 2: 'A': associate needs by"),
        ('by = "id"', "line 2: 'A': by is of links to other records; add associate"),
        ('associate = "companies", by = "id", ignore = true', "both associate and ignore"),
        ('associate = "companies", by = "id", separator = ""', "separator must be a text"),
        ('associate = "companies", by = "name", unique_names = "yes"', "must be true or false"),
    ],
)
def test_a_mapping_file_with_half_a_link_column_is_refused_by_line(entries, reason):
    with pytest.raises(MappingError, match=reason):
        parse_mapping(f"[columns]\nA = {{ {entries} }}\n")


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (LinkColumn("A", "company", "id"), "use companies"),
        (LinkColumn("A", "com panies", "id"), "not a valid HubSpot name of an object type"),
        (LinkColumn("A", "companies", "sf.id"), "not a valid HubSpot name of a property"),
        (LinkColumn("A", "companies", "name"), "unique_names = true"),
        (LinkColumn("A", "companies", "id", unique_names=True), "for by = 'name' alone"),
        (LinkColumn("Note", "companies", "id"), "both links records and is ignored"),
    ],
)
def test_settings_that_can_never_work_are_refused(column, reason):
    with pytest.raises(SettingsError, match=reason):
        Settings(sources=("a.csv",), token="t", associations=(column,), ignored=frozenset({"Note"}))


def test_a_column_may_have_links_of_several_kinds_but_none_twice():
    one = LinkColumn("A", "companies", "id", "Primary")
    check_associations([one, LinkColumn("A", "companies", "id"), LinkColumn("A", "deals", "id")], ())
    with pytest.raises(MappingError, match="to be linked to companies twice with the label 'Primary'"):
        check_associations([one, LinkColumn("A", "companies", "sf_id", "Primary")], ())


def test_labels_are_created_only_where_a_link_has_one():
    with pytest.raises(SettingsError, match="--create-labels: no link has a label"):
        Settings(sources=("a.csv",), token="t", create_labels=True)


def test_a_program_gives_texts_or_tables():
    assert read_association("A", "companies.sf_id:Primary") == LinkColumn(
        "A", "companies", "sf_id", "Primary"
    )
    table = {"associate": "deals", "by": "id", "separator": ";"}
    assert read_association("A", table) == LinkColumn("A", "deals", "id", separator=";")
    for given_, reason in (
        (7, "takes"),
        ({"by": "id"}, "takes"),
        ({**table, "lable": "x"}, "unknown key 'lable'"),
        ({**table, "separator": 1}, "separator must be a text"),
        ({"associate": "deals"}, "needs by"),
    ):
        with pytest.raises(MappingError, match=reason):
            read_association("A", given_)
