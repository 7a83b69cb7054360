"""Reasons as they are shown of many rows: what differs from row to row is left out, as a whole."""

import json
import re

import pytest
from hypothesis import given, strategies as st

from uploader.model.redaction import without_identifiers
from uploader.records.column_conversion import shortened
from uploader.report.content import setting_lines, without_values

ID = "d8ae7c57-cf1a-4a02-a20f-7c7ea91803cf"
REASONS = {
    f"HTTP 500 {ID}": "HTTP 500",
    f"HTTP 502 INTERNAL_ERROR {ID}": "HTTP 502 INTERNAL_ERROR",
    "HTTP 500 0123e7c57-cf1a-4a02-a20f-7c7ea918f": "HTTP 500",
    f"HTTP 423: locked ({ID}), try again": "HTTP 423: locked ((id)), try again",
    "HTTP 524 8d2f3a1b2c3d4e5f-FRA": "HTTP 524",
    "HTTP_413 of 2000000 bytes": "HTTP_413 of ... bytes",
    "Contact already exists. Existing ID: 171591000198": "Contact already exists. Existing ID: (id)",
    "score_2024: 5000 was not a valid number": "score_2024: ... was not a valid number",
    "AB12345 and 1,234,567.50 are taken": "... and ... are taken",
    "2024-01-31T10:00:00Z is no date": "... is no date",
    "at 10:23:45.123 it failed": "at ... it failed",
    "https://x.com/1234/a?b=5678 is no picture": "... is no picture",
    "<ann@x.com> is taken": "<...> is taken",
    '\'platinum\' is none of the options: ["gold", "12"]': "... is none of the options: ...",
    "row 12 of 3 facades": "row 12 of 3 facades",
}


@pytest.mark.parametrize(("message", "shown"), REASONS.items())
def test_what_differs_from_row_to_row_is_left_out_as_a_whole(message, shown):
    assert without_values(message) == shown


NAMES = ("Manager's Name", 'The "real" name', "Name of 'boss", "Note")
SECRETS = (
    "Eve Smith",
    "O'Brien",
    'it\'s "so"',
    "a\u200bb secret",
    "'",
    "very long " * 12,
    'secret\'s "so" ' + "very long " * 12,
    "Ann's",
    "back\\slash",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_value_is_shown_whatever_quotes_it_or_its_column_has(name, secret):
    text = secret.strip()
    spelled = json.dumps(text, ensure_ascii=False)
    message = (
        f"{name}: {shortened(text)!r} is not an option of the property; {spelled} was refused; "
        f"{text!r} is not a number"
    )
    shown = without_values(message, [text, "other"])
    assert text not in shown or len(text) < 2
    assert not re.search("Smith|Brien|so|secret|very|slash", shown)
    assert shown.endswith("is not a number")


@given(
    st.integers(400, 599),
    st.uuids(),
    st.sampled_from(["", "INTERNAL_ERROR ", "the server failed: "]),
    st.sampled_from(["", " again", ", again", ". Again"]),
)
def test_rows_that_failed_for_one_reason_have_one_reason(status, identifier, text, more):
    reason = without_values(f"HTTP {status} {text}{identifier}{more}")
    assert reason == without_values(f"HTTP {status} {text}{ID}{more}")
    assert reason.startswith(f"HTTP {status}")
    assert not re.search(r"\.\.\.\w|\w\.\.\.", reason)


def test_a_long_reason_ends_with_a_word():
    words = [f"word{'x' * (length % 7)}" for length in range(80)]
    kept, _, end = without_values(" ".join(words)).rpartition(" ")
    assert end == "..."
    assert kept.split() == words[: len(kept.split())]


@pytest.mark.parametrize("text", ["a" * 100_000, "a:" * 50_000, "1a" * 50_000, "ab1-" * 25_000])
def test_a_long_word_is_not_split(text):
    assert without_identifiers(text) in {text, "(id)"}
    assert len(without_values(text)) <= 250


@pytest.mark.parametrize("text", ["", "deadbeef", "0-1", "v3", "a-b-c", "HTTP 500", "2026-03"])
def test_a_text_without_identifiers_stays_as_it_is(text):
    assert without_identifiers(text) == text


def test_settings_are_shown_without_addresses():
    settings = {"blank_values": {"": ["n/a"], "email": ["jane@corp.com"]}, "set": {"owner": "kim@corp.com"}}
    lines = setting_lines(settings, {"blank_values": "--blank-value"})
    assert lines == [
        ("--blank-value", "all = n/a; email = (an address)"),
        ("set", "owner = (an address)"),
    ]


def test_a_column_that_has_no_blank_words_is_shown_as_such():
    assert setting_lines({"blank_values": {"Notes": []}, "suppress_where": {"Out": []}}, {}) == [
        ("blank_values", "Notes = no word"),
        ("suppress_where", "Out = yes"),
    ]
