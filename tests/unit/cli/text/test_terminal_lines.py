"""Lines on a terminal: no word and no command is broken, and colours add nothing that is not said."""

import re

import pytest
from hypothesis import given, strategies as st
from rich.cells import cell_len

from uploader.cli.text.terminal_lines import broken_lines, coloured

_ESCAPES = re.compile(r"\x1b\[\d+m")
_LINES = st.lists(st.text("abc,:;12-日", min_size=1, max_size=30), min_size=1).map(" ".join)


@given(st.integers(0, 6), _LINES, st.integers(10, 90))
def test_no_word_is_broken_and_none_is_lost(indent, text, width):
    lines = broken_lines(" " * indent + text, width)
    assert " ".join(lines).split() == text.split()
    assert all(cell_len(line) <= width or len(line.split()) == 1 for line in lines)


def test_a_command_stays_whole_on_a_line_of_its_own():
    command = "uploader verify contacts.csv.checkpoint --base-url http://127.0.0.1:1234"
    assert broken_lines(f"compare the records with the rows: {command}", 60) == [
        *("compare the records with the rows:", command),
    ]
    assert broken_lines(f"next: review it, then {command}", 40) == ["next: review it, then", command]
    assert broken_lines(f"short: {command}", 200) == [f"short: {command}"]


def test_a_question_keeps_the_blank_behind_it():
    assert broken_lines("Write about 20,000 rows to it? [y/N] ", 20) == [
        *("Write about 20,000", "  rows to it? [y/N] "),
    ]


def test_a_number_stays_beside_its_unit():
    assert broken_lines("batches 80; 1 min 46 s, 7 % of it", 19) == [
        *("batches 80; 1 min", "  46 s, 7 % of it"),
    ]
    assert broken_lines("about 40 rows, 16 s, until", 19) == ["about 40 rows,", "  16 s, until"]


def test_a_width_that_is_not_known_breaks_nothing():
    assert broken_lines("a " * 300, 0) == ["a " * 300]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("    rejected            3", "\x1b[31m    rejected            3\x1b[0m"),
        ("     created          900  (2 replayed)", "\x1b[32m     created          900\x1b[0m  (2 replayed)"),
        (
            "12 rejected, 0 invalid, 1,200 created",
            "\x1b[31m12 rejected\x1b[0m, 0 invalid, \x1b[32m1,200 created\x1b[0m",
        ),
        ("    rejected            0", "    rejected            0"),
        ("PROBLEM: no column", "\x1b[1m\x1b[31mPROBLEM\x1b[0m: no column"),
        ("uploader: it failed", "\x1b[1m\x1b[31muploader\x1b[0m: it failed"),
        ("uploader verify x", "uploader verify x"),
    ],
)
def test_outcomes_and_problems_have_colours(line, wanted):
    assert coloured(line) == wanted


@given(_LINES)
def test_a_colour_changes_no_text(line):
    assert _ESCAPES.sub("", coloured(f"12 rejected {line}")) == f"12 rejected {line}"


@pytest.mark.parametrize("word", ["CAUTION", "OPT-OUTS", "NOT CHECKED"])
def test_what_is_to_be_decided_is_yellow_where_a_line_begins_with_it(word):
    assert coloured(f"  {word}: 61 rows say so") == f"\x1b[1m\x1b[33m  {word}\x1b[0m: 61 rows say so"
    assert coloured(f"a {word.lower()}: x") == f"a {word.lower()}: x"
