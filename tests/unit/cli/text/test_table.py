"""A table fits its width, and no word is broken."""

import pytest
from hypothesis import given, strategies as st
from rich.cells import cell_len

from uploader.cli.text.folding import wrapped
from uploader.cli.text.table import number_table, table_lines

HEADER = ("name", "label")
WORDS = st.text("abcdefg_ü日", min_size=1, max_size=8)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


def test_what_fits_is_left_as_it_is():
    assert table_lines(HEADER, [("city", "City of a person"), ("zip", "")], 80) == [
        "name  label",
        "----  ----------------",
        "city  City of a person",
        "zip",
    ]


def test_cells_are_wrapped_between_words_and_long_names_stand_on_lines_of_their_own():
    rows = [("hs_content_membership_notes", "Notes of a membership"), ("city", "City")]
    assert table_lines(HEADER, rows, 24) == [
        "name         label",
        "-----------  -----------",
        "hs_content_membership_notes",
        "             Notes of a",
        "             membership",
        "city         City",
    ]


def test_columns_without_a_text_are_left_out():
    assert table_lines(("name", "label", "notes"), [("city", "", "x"), ("zip", "", "")], 80) == [
        "name  notes",
        "----  -----",
        "city  x",
        "zip",
    ]


def test_wide_characters_take_two_columns():
    lines = table_lines(HEADER, [("a", "日本 語の"), ("b", "x")], 12)
    assert lines[2:] == ["a     日本", "      語の", "b     x"]


@given(st.lists(st.tuples(WORDS, CELLS, CELLS), max_size=5), st.integers(60, 120))
def test_lines_fit_and_hold_every_word_in_order(rows, width):
    lines = table_lines(("name", "label", "notes"), rows, width)
    assert all(cell_len(line) <= width for line in lines)
    words = sorted(word for row in rows for cell in row for word in cell.split())
    assert sorted(word for line in lines[2:] for word in line.split()) == words


@pytest.mark.parametrize("width", [10, 40])
def test_a_text_is_wrapped_without_breaking_words(width):
    lines = wrapped("marketing-contact extraordinarily_long_value: two words", width, "  ", "  ")
    assert all(line.startswith("  ") for line in lines)
    assert " ".join(lines).split() == ["marketing-contact", "extraordinarily_long_value:", "two", "words"]


@given(st.lists(st.tuples(WORDS, *[st.text("ab日", max_size=60)] * 3), min_size=1), st.integers(48, 120))
def test_a_word_is_broken_where_the_columns_would_not_fit_otherwise(rows, width):
    lines = table_lines(("name", "cell", "sent", "HubSpot now"), rows, width)
    assert all(cell_len(line) <= width for line in lines)


def test_numbers_are_aligned_below_their_heads():
    rows = [("jobtitle", "15,671", "0"), ("名前", "1", "23")]
    assert number_table(("values", "set", "overwritten"), rows) == [
        "values       set  overwritten",
        "jobtitle  15,671            0",
        "名前           1           23",
    ]
