"""What a canary's review tells of rows, for any history HubSpot may answer."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given, strategies as st

from support.builders import record
from uploader.canary.assessment import Change, review, with_link
from uploader.hubspot.replies import Result, Version
from uploader.model.canary import CanaryRow
from uploader.model.outcomes import Outcome

BEGAN = 1_000_000.0
APP, FLOW, PERSON = (
    ("INTEGRATION", "1512050"),
    ("AUTOMATION_PLATFORM", "enrollmentId:7"),
    ("CRM_UI", "userId:9"),
)


def version(value, at, source=APP):
    when = "" if at is None else datetime.fromtimestamp(BEGAN + at, UTC).isoformat()
    return Version(value, when, *source)


def held(hubspot_id="1", history=None, **properties):
    return Result(hubspot_id, False, "", properties, history=history or {})


def sent(position=0, outcome=Outcome.CREATED, reason="", **properties):
    return CanaryRow(record(position, f"c{position}@x.com", properties=properties), outcome, reason)


def seen(history, city="Bonn"):
    """The review of one row that sent `city = Bonn`."""
    return review([sent(city="Bonn")], {0: held(city=city, history=history)}, {}, BEGAN)


def test_a_workflow_at_the_very_same_moment_is_somebody_else():
    found = seen({"city": (version("Bonn", 1),), "hs_lead_status": (version("OPEN", 1, FLOW),)})
    assert list(found.changes) == [Change("hs_lead_status", "AUTOMATION_PLATFORM")]
    assert (found.changed, found.as_sent) == (1, 0)


def test_a_change_that_was_changed_back_is_reported():
    found = seen({"city": (version("Bonn", 9, PERSON), version("Ulm", 8, FLOW), version("Bonn", 1))})
    assert {change.source for change in found.changes} == {"CRM_UI", "AUTOMATION_PLATFORM"}


def test_changes_before_the_canary_are_not_reported():
    found = seen(
        {"city": (version("Bonn", 1), version("Ulm", -9_000, PERSON)), "x": (version("1", -5, FLOW),)}
    )
    assert (found.changes, found.as_sent) == ({}, 1)


def test_a_value_that_is_another_and_no_history_says_why_is_different():
    found = seen({}, city="Ulm")
    assert (found.different, found.changed, list(found.differences)) == (1, 0, ["city"])


def test_a_clock_that_is_hours_off_changes_nothing():
    for hours in (-5, 5):
        at = hours * 3_600.0
        found = seen(
            {"city": (version("Bonn", at),), "x": (version("1", at + 2, FLOW), version("0", at - 2, FLOW))}
        )
        assert (found.changed, len(found.changes)) == (1, 1)


def test_our_own_second_write_is_nobody_s_change():
    rows = [sent(0, city="Ulm"), sent(1, city="Bonn")]
    there = held("1", city="Bonn", history={"city": (version("Bonn", 2), version("Ulm", 1))})
    found = review(rows, {0: there, 1: there}, {}, BEGAN)
    assert (found.contacts, found.as_sent) == (1, 1)


def test_a_link_is_made_where_the_answer_has_none_and_all_parts_are_known():
    assert with_link(held("5"), "app.hubspot.com", "44", "0-1").url == (
        "https://app.hubspot.com/contacts/44/record/0-1/5"
    )
    assert with_link(held("5"), "app.hubspot.com", "44", "").url == ""
    assert with_link(Result("5", False, "", {}, url="https://x"), "a", "b", "c").url == "https://x"


SOURCES = st.sampled_from([APP, FLOW, PERSON, ("", "")])
VERSIONS = st.lists(
    st.builds(version, st.sampled_from(["Bonn", "Ulm", ""]), st.none() | st.floats(-1e6, 1e6), SOURCES),
    max_size=4,
).map(tuple)
HELD = st.builds(
    lambda number, city, history: held(number, city=city, history=history),
    st.sampled_from(["1", "2", "3", ""]),
    st.sampled_from(["Bonn", "Ulm", None]),
    st.dictionaries(st.sampled_from(["city", "hs_lead_status"]), VERSIONS),
)
OUTCOMES = st.sampled_from(
    [Outcome.CREATED, Outcome.UPDATED, Outcome.REJECTED, Outcome.PENDING, Outcome.ABANDONED]
)


@given(st.lists(st.tuples(OUTCOMES, st.none() | HELD, st.booleans()), max_size=8))
def test_every_row_is_told_of_once_whatever_is_answered(answers):
    rows = [sent(at, outcome, "no", city="Bonn") for at, (outcome, _, _) in enumerate(answers)]
    found = {at: there for at, (_, there, is_read) in enumerate(answers) if is_read}
    result = review(rows, found, {}, BEGAN)
    confirmed = [at for at, row in enumerate(rows) if row.outcome in {Outcome.CREATED, Outcome.UPDATED}]
    assert result.rows == len(rows)
    assert sum(place.count for place in result.failed.values()) == len(rows) - len(confirmed)
    named = {there.id if (there := found.get(at)) and there.id else -at - 1 for at in confirmed}
    assert result.contacts == len(named)
    assert result.is_clean == (result.as_sent + result.adjusted == len(named) and len(confirmed) == len(rows))
    assert all(place.count for place in result.changes.values())


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.ABANDONED, Outcome.PENDING])
def test_a_reason_is_told_without_addresses(outcome):
    result = review([sent(0, outcome, "ann@x.com is taken")], {}, {}, BEGAN)
    assert list(result.failed) == [(outcome, "(an address) is taken")]


def test_rows_that_failed_for_one_reason_are_told_together():
    rows = [sent(at, Outcome.ABANDONED, f"HTTP 500 {uuid4()}") for at in range(3)]
    (((outcome, reason), place),) = review(rows, {}, {}, BEGAN).failed.items()
    assert (outcome, reason, place.count) == (Outcome.ABANDONED, "HTTP 500", 3)
