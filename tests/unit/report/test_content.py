"""Reasons as they are shown of many rows: what differs from row to row is left out, as a whole."""

import json
import re

import pytest
from hypothesis import given, strategies as st

from uploader.model.outcomes import Outcome
from uploader.model.redaction import without_identifiers
from uploader.model.settled_rows import Tallies
from uploader.model.timeline import Interval
from uploader.records.column_conversion import shortened
from uploader.records.repeated_keys import KeyCount
from uploader.report import content
from uploader.report.content import (
    Grouping,
    elsewhere_text,
    repeated_lines,
    setting_lines,
    throughput_text,
    verdict,
    verified_text,
    without_values,
)

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


def tallies_of(**counts: int) -> Tallies:
    outcomes = {**dict.fromkeys(Outcome, 0), **{Outcome(name): count for name, count in counts.items()}}
    return Tallies(rows=sum(counts.values()), outcomes=outcomes)


def test_the_verdict_is_one_sentence_with_the_shares_of_all_rows():
    assert verdict(tallies_of()) == "No rows were read."
    assert verdict(tallies_of(created=90, updated=5, unchanged=5)) == (
        "Of 100 rows, 100 (100.0 %) are in HubSpot as the file has them."
    )
    assert verdict(tallies_of(created=900, rejected=40, invalid=10, skipped=50)) == (
        "Of 1,000 rows, 900 (90.0 %) are in HubSpot as the file has them; "
        "50 (5.0 %) failed, 50 (5.0 %) were skipped."
    )
    assert verdict(tallies_of(invalid=3)).startswith("Of 3 rows, 0 (0 %) are in HubSpot")
    assert verdict(tallies_of(created=9_999, invalid=1)) == (
        "Of 10,000 rows, 9,999 (> 99.9 %) are in HubSpot as the file has them; 1 (< 0.1 %) failed."
    )
    assert verdict(tallies_of(created=1)).startswith("Of 1 row, 1 (100.0 %) ")


@pytest.mark.parametrize("name", ["values_dropped", "values_spared"])
def test_the_verdict_claims_no_more_than_was_written(name):
    tallies = tallies_of(created=9, invalid=1)
    setattr(tallies, name, 3)
    assert verdict(tallies) == (
        "Of 10 rows, 9 (90.0 %) are in HubSpot, without the values that were left out; 1 (10.0 %) failed."
    )


@pytest.mark.parametrize(
    ("interval", "held_back", "wanted"),
    [
        (Interval(0, 100, statuses={"200": 1_850}, per_second=19.0), 0, "the quota set the pace"),
        (
            Interval(0, 100, statuses={"200": 900}, per_second=19.0, paused={"daily": 5.0, "outage": 40.0}),
            0,
            "for 45.0 % of the time requests were paused (outage)",
        ),
        (Interval(0, 10, statuses={"200": 9}, per_second=19.0), 0, "the job was too short to use the quota"),
        (
            Interval(0, 100, statuses={"200": 900}, per_second=19.0),
            60,
            "rows of the same record were written one after the other",
        ),
        (
            Interval(0, 100, statuses={"200": 900}, per_second=19.0, most_in_flight=8),
            0,
            "at most 8 requests were in flight",
        ),
    ],
)
def test_the_throughput_is_a_share_of_the_quota_with_the_reason(interval, held_back, wanted):
    tallies = tallies_of(created=500)
    tallies.held_back = held_back
    text = throughput_text(interval, tallies)
    assert "of the quota of 19.0" in text
    assert wanted in text


def test_requests_that_the_table_of_answers_lacks_are_counted():
    tallies = tallies_of(created=500)
    tallies.requests = 12
    assert elsewhere_text(Interval(0, 9, statuses={"200": 9}), tallies).startswith(
        "3 of them were sent before"
    )
    assert elsewhere_text(Interval(0, 9, statuses={"200": 12}), tallies) == ""


def test_without_values_keys_of_as_many_rows_are_one_line():
    most = [KeyCount("email", f"k{number}", rows) for number, rows in enumerate((9, 2, 2))]
    assert repeated_lines(most, with_values=False) == [("1 key", 9), ("2 keys", 2)]
    assert repeated_lines(most, with_values=True) == [("k0", 9), ("k1", 2), ("k2", 2)]


def test_nothing_is_said_of_a_throughput_that_is_not_known():
    assert throughput_text(Interval(0, 1), tallies_of(created=1)) == ""


def test_different_values_of_one_reason_are_counted(monkeypatch):
    monkeypatch.setattr(content, "_MOST_MESSAGES", 2)
    grouping = Grouping(with_values=True)
    for value in ("gold", "silver", "gold", "tin"):
        message = f"tier: '{value}' is not an option of this property"
        group = grouping.add("invalid", "OPTION", message, [value], correlation_id="")
    assert [count for _, count in group.most_frequent] == [2, 1]
    assert (group.count, group.distinct) == (4, "more than 2")


def test_what_verify_found_is_a_sentence():
    counts = {"equal": 1_200, "hubspot": 0, "differs": 3, "missing": 0, "not checked": 0}
    result = {"counts": counts, "records": 1_203, "is_sample": True}
    assert verified_text(result, "noon") == (
        "Verified at noon: of 1,203 records (a sample), 1,200 as uploaded, 3 differ."
    )
    assert verified_text({"counts": {}}, "noon") == "Verified at noon: of 0 records, none to compare."
