"""What is associated with a created record keeps it, and so does what can't be read."""

import orjson
import pytest
from hypothesis import given, strategies as st

from uploader.hubspot.replies import Reply, no_reply
from uploader.hubspot.reply_decoding import decode
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action, classify_optional_read
from uploader.undo import associated_records
from uploader.undo.associated_records import (
    TYPES,
    Associations,
    Type,
    counts,
    keep_touched,
    refusal,
    types_for,
)
from uploader.undo.plan import Plan, UndoOutcome

NOTES, DEALS, TICKETS = (one for one in TYPES if one.name in {"notes", "deals", "tickets"})
SOME = (NOTES, DEALS, TICKETS)
ARCHIVED = Plan(1, "7", UndoOutcome.ARCHIVED, archive=True)


def answer(status: int, **body: object) -> Reply:
    return decode(status, {}, orjson.dumps(body))


def result(one: str, *to: object) -> dict[str, object]:
    return {"from": {"id": one}, "to": [{"toObjectId": other, "associationTypes": []} for other in to]}


def none_of(*ids: str, category: str = "OBJECT_NOT_FOUND") -> dict[str, object]:
    """As recorded, but that it names several."""
    return {
        "status": "error",
        "category": category,
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No note is associated with contact {ids[0]}.",
        "context": {"fromObjectId": list(ids), "fromObjectType": ["contact"], "toObjectType": ["note"]},
    }


# --- what an answer says ---


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (answer(200, results=[result("7", 1, 2), result("8", "5")]), {"7": 2, "8": 1}),
        (answer(207, results=[result("7", 1)], errors=[none_of("8", "9")]), {"7": 1, "8": 0, "9": 0}),
        (answer(200, results=[result("7", 1, 1)]), {"7": 1}),  # one object by two labels
        (answer(200, results=[result("7")]), {"7": 0}),
        (answer(207, results=[result("7", 1)], errors=[none_of("7")]), {"7": 1}),  # it contradicts itself
        (answer(200, results=[]), {}),  # silence is not an answer
        (answer(207, results=[], errors=[none_of("7", category="INTERNAL_ERROR")]), {}),
        (answer(207, results=[], errors=[none_of("7", category="")]), {}),
        (answer(200, results=[result("99", 1)]), {}),  # of a record that nobody has asked about
        (answer(200, results={"0": "x"}, errors="none"), {}),
        (answer(200, results=[{"from": "7", "to": 3}, 5]), {}),
        (answer(200, results=[{"from": {"id": "7"}, "to": 3}, {"from": {"id": "8"}}]), {}),
        (answer(200, results=[result("7", 1, 2), result("7")]), {"7": 2}),  # listed twice
        (answer(503, message="down"), {}),
        (no_reply("reset", maybe_applied=True), {}),
        (answer(400, message="Unable to infer object type from: letters"), {"7": 0, "8": 0, "9": 0}),
    ],
)
def test_counts_are_those_of_the_answer_and_silence_says_nothing(reply, found):
    known, unknown = counts(["7", "8", "9"], reply)
    assert known == found
    assert unknown.keys() == {"7", "8", "9"} - found.keys()


def test_an_error_that_does_not_say_absent_is_the_reason():
    reply = answer(207, results=[], errors=[none_of("7", category="INTERNAL_ERROR")])
    assert counts(["7", "8"], reply)[1] == {"7": "INTERNAL_ERROR", "8": ""}


def lacking(*scopes: str, key: str = "requiredGranularScopes", is_nested: bool = True) -> Reply:
    context = {key: list(scopes)}
    where = {"errors": [{"message": "x", "context": context}]} if is_nested else {"context": context}
    return answer(403, category="MISSING_SCOPES", message="This app hasn't been granted ...", **where)


@pytest.mark.parametrize(
    ("wanted", "reply", "why"),
    [
        (NOTES, answer(200, results=[]), ""),
        (NOTES, no_reply("reset", maybe_applied=True), ""),
        (NOTES, answer(400, message="Unable to infer object type from: notes"), ""),
        (TICKETS, lacking("tickets"), "the token lacks the scope tickets"),
        (TICKETS, lacking("crm.objects.tickets.read"), "the token lacks the scope crm.objects.tickets.read"),
        (DEALS, lacking("a", "crm.objects.deals.read"), "the token lacks the scope crm.objects.deals.read"),
        (DEALS, lacking("a", "b", "c", "d"), "the token lacks the scope a or b or c"),
        (DEALS, lacking("x", is_nested=False), "the token lacks the scope x"),
        (DEALS, lacking("x", key="requiredScopes"), "the token lacks the scope x"),
        (NOTES, lacking(), "the token lacks the scope crm.objects.contacts.read"),
        (NOTES, answer(403, message="no"), "HubSpot refuses to show them (HTTP 403)"),
        (NOTES, answer(400, message="c@x.com"), "HubSpot refuses to show them (HTTP 400)"),
        (NOTES, answer(404), "HubSpot refuses to show them (HTTP 404)"),
    ],
)
def test_a_refusal_names_the_scope_that_is_missing(wanted, reply, why):
    assert refusal(wanted, reply) == why


@pytest.mark.parametrize(
    ("status", "action", "cause"),
    [
        (200, Action.SETTLE, None),
        (207, Action.SETTLE, None),
        (400, Action.SETTLE, None),
        (403, Action.SETTLE, None),
        (404, Action.SETTLE, None),
        (401, Action.STOP, Cause.TOKEN),
        (423, Action.PAUSE, Cause.LOCKED),
        (429, Action.PAUSE, Cause.BURST),
        (477, Action.STOP, Cause.MIGRATION),
        (500, Action.RETRY, None),
        (503, Action.RETRY, None),
    ],
)
def test_only_a_refusal_of_the_type_ends_no_run(status, action, cause):
    verdict = classify_optional_read(answer(status, message="x"))
    assert (verdict.action, verdict.cause) == (action, cause)


# --- what follows ---


def known(held: dict[str, int | None], refused: dict[str, str] | None = None) -> Associations:
    """Of the record 7: by type how many, None where no answer says it."""
    by_type = {name: {} if count is None else {"7": count} for name, count in held.items()}
    return Associations(SOME, by_type, {"deals": {"7": "INTERNAL_ERROR"}}, refused or {})


LACKS = "the token lacks the scope tickets"


@pytest.mark.parametrize(
    ("associations", "why"),
    [
        (known({"notes": 0, "deals": 0, "tickets": 0}), ""),
        (known({"notes": 1, "deals": 0, "tickets": 0}), "1 note is associated with it"),
        (known({"notes": 2, "deals": 0, "tickets": 0}), "2 notes are associated with it"),
        (known({"notes": 2, "deals": 1, "tickets": 0}), "2 notes and 1 deal are associated with it"),
        (
            known({"notes": 2, "deals": 1, "tickets": 1_500}),
            "2 notes, 1 deal and 1,500 tickets are associated with it",
        ),
        (
            known({"notes": 0, "deals": 0}, {"tickets": LACKS}),
            f"it is unknown whether tickets are associated with it: {LACKS}",
        ),
        (
            known({"notes": 1, "deals": 0}, {"tickets": LACKS}),
            f"1 note is associated with it; it is unknown whether tickets are associated with it: {LACKS}",
        ),
        (
            known({"notes": 0}, {"deals": "no", "tickets": "no"}),
            "it is unknown whether deals or tickets are associated with it: no",
        ),
        (
            known({"notes": None, "deals": 0, "tickets": 0}),
            "it is unknown whether notes are associated with it: HubSpot did not list them",
        ),
        (
            known({"notes": 0, "deals": None, "tickets": 0}),
            "it is unknown whether deals are associated with it: HubSpot did not list them (INTERNAL_ERROR)",
        ),
    ],
)
def test_a_created_record_is_kept_for_what_is_associated_or_not_known(associations, why):
    made = keep_touched(ARCHIVED, associations)
    if not why:
        assert made == ARCHIVED
    else:
        assert (made.outcome, made.archive, made.writes) == (UndoOutcome.KEPT, False, False)
        assert [(one.property, one.why) for one in made.findings] == [("", why)]


@pytest.mark.parametrize("outcome", [UndoOutcome.RESTORED, UndoOutcome.KEPT, UndoOutcome.AS_BEFORE])
def test_associations_decide_only_on_what_is_to_be_archived(outcome):
    """A record that was there before goes back value by value, whatever is associated with it."""
    plan = Plan(1, "7", outcome, restore={"city": "Ulm"} if outcome is UndoOutcome.RESTORED else {})
    assert keep_touched(plan, known({"notes": 5})) == plan


@given(st.dictionaries(st.sampled_from([one.name for one in SOME]), st.integers(0, 3)))
def test_only_a_record_with_nothing_of_any_type_is_archived(held):
    made = keep_touched(ARCHIVED, known(held))
    assert made.archive == (held == {one.name: 0 for one in SOME})


@pytest.mark.parametrize(
    ("object_type", "left_out"),
    [
        ("contacts", set()),
        ("0-1", set()),
        ("companies", set()),
        ("p_cars", set()),
        ("2-123456", set()),
        ("deals", {"deals"}),
        ("0-3", {"deals"}),
        ("tickets", {"tickets"}),
        ("notes", {"notes"}),
    ],
)
def test_all_types_but_the_record_s_own_are_looked_for(object_type, left_out):
    found = types_for(object_type)
    assert all(isinstance(one, Type) for one in found)
    assert {one.name for one in TYPES} - {one.name for one in found} == left_out
    assert "companies" not in {one.name for one in found}


@pytest.mark.parametrize(
    ("count", "workers", "at_once"),
    [(0, 32, 100), (3_000, 32, 100), (6_400, 32, 200), (10**6, 32, 500), (300, 1, 300), (10**6, 1, 500)],
)
def test_large_jobs_ask_about_many_records_at_once(count, workers, at_once):
    assert associated_records.records_at_once(count, workers) == at_once
