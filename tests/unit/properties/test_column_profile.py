"""The type of property that holds all values of a column."""

import pytest
from hypothesis import given, strategies as st

from uploader.properties import column_profile
from uploader.properties.column_profile import ColumnProfile
from uploader.records.values.convert import text_fault
from uploader.records.values.datetimes import as_date
from uploader.records.values.numbers import as_number


def profile(*values, column="Column"):
    made = ColumnProfile(column)
    for value in values:
        made.add(value)
    return made


def inferred(*values, column="Column"):
    found = profile(*values, column=column).inference()
    return found.type, found.field_type


@pytest.mark.parametrize(
    ("values", "type_", "field_type"),
    [
        (("12", "3.5", "-4"), "number", "number"),
        (("1,234.5", "$ 7", ""), "number", "number"),
        (("1,234", "1.234"), "number", "number"),
        (("12", "n.a."), "string", "text"),
        (("01234", "12345"), "string", "text"),
        (("12345678901234567",), "string", "text"),
        (("50%",), "string", "text"),
        (("2024-01-31", "2024-02-01"), "date", "date"),
        (("31/01/2024", "02/02/2024"), "date", "date"),
        (("01/02/2024",), "date", "date"),
        (("5. März 2025",), "date", "date"),
        (("20240131",), "date", "date"),
        (("2024-02-31",), "string", "text"),
        (("44197", "44198"), "number", "number"),
        (("2024-01-31 10:00", "2024-02-01"), "datetime", "date"),
        (("2024-01-31T10:00:00Z",), "datetime", "date"),
        (("yes", "No", ""), "bool", "booleancheckbox"),
        (("1", "0"), "bool", "booleancheckbox"),
        (("1", "1"), "number", "number"),
        (("ja",), "bool", "booleancheckbox"),
        (("+49 30 123456", "+1 (555) 0100"), "string", "phonenumber"),
        (("one\ntwo", "three"), "string", "textarea"),
        (("x" * 300,), "string", "textarea"),
        (("Ann", "Bob"), "string", "text"),
        (("", ""), "string", "text"),
    ],
)
def test_the_type_is_that_of_every_value(values, type_, field_type):
    assert inferred(*values) == (type_, field_type)


def test_national_phone_numbers_need_a_column_that_says_so():
    assert inferred("030 123456", column="Phone 2") == ("string", "phonenumber")
    assert inferred("030 123456", column="Code") == ("string", "text")


@pytest.mark.parametrize("place", [0, 50, 5_000, 9_999])
def test_one_value_of_another_type_among_thousands_is_seen_and_told(place):
    values = [str(n) for n in range(10_000)]
    values[place] = "n.a."
    found = profile(*values).inference()
    assert found.type == "string"
    [remark] = [text for text in found.remarks if "numbers" in text]
    assert remark.startswith("9,999 of 10,000 values are numbers, others are not, such as 'n.a.'")


def test_words_for_nothing_are_no_values_and_are_told():
    found = profile("12", "NULL", "NULL", "3").inference()
    assert found.type == "number"
    assert found.remarks == ("words for nothing are sent unless --blank-value names them: 'NULL' (2)",)
    assert profile("NULL").inference().type == "string"


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("When", ("01/02/2024",), "--date-order"),
        ("When", ("2024-01-01 10:00",), "--timezone"),
        ("Start date", ("44197", "44198"), "if these numbers are dates"),
        ("Code", ("00123", "x"), "leading zeros"),
        ("Empty", ("", ""), "every cell is blank"),
        ("Text", ("x" * 70_000,), "65,536"),
    ],
)
def test_what_has_to_be_decided_is_remarked(column, values, words):
    assert any(words in remark for remark in profile(*values, column=column).inference().remarks)


def test_few_repeated_texts_are_proposed_as_options():
    found = profile(*["Web"] * 20, *["Fair"] * 5, "").inference()
    assert (found.type, found.options, found.is_multiple) == ("string", ("Fair", "Web"), False)
    found = profile(*["a;b"] * 10, *["b; c"] * 10).inference()
    assert (found.options, found.is_multiple) == (("a", "b", "c"), True)
    for values in (["Web", "Fair"], ["Web"] * 20, [f"v{n}" for n in range(40)] * 9, ["Web", "web"] * 20):
        assert profile(*values).inference().options == ()


def test_counts_are_those_of_the_whole_column():
    made = profile("a", "", "b", "a")
    assert (made.rows, made.filled, made.are_all_distinct) == (4, 3, True)
    assert made.distinct.most_common(1) == [("a", 2)]


def test_memory_is_limited_for_any_number_of_different_values():
    made = profile(*(f"{n} {'x' * (n % 300)}" for n in range(5_000)))
    assert not made.are_all_distinct
    assert len(made.distinct) <= column_profile._MOST_DISTINCT
    assert max(map(len, made.distinct)) <= column_profile._LONGEST_KEPT
    assert (made.filled, made.longest) == (5_000, 304)


@given(
    st.lists(st.sampled_from(["1", "2.5", "1,234", "x", "2024-01-01", "yes", "0", "NULL", "007", "3;4", ""]))
)
def test_every_value_can_be_written_to_a_property_of_the_inferred_type(values):
    found = profile(*values).inference()
    held = [text for text in values if text and text != "NULL"]
    for text in held:
        if found.type == "number":
            assert any(isinstance(as_number(text, mark), str) for mark in (None, ".", ","))
        elif found.type == "date":
            assert isinstance(as_date(text, None, None), str)
        elif found.type == "string":
            assert text_fault(text) is None
