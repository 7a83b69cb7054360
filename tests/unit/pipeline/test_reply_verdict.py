"""What a reply means for each record of a batch."""

from collections import Counter

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from support.builders import batch, error, error_at, headers, key_of, record, reply, written
from uploader.hubspot.replies import no_reply
from uploader.model.outcomes import Outcome
from uploader.model.records import OWN_ID
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action, Verdict, classify, classify_read, reconcile
from uploader.pipeline.response_matching import BulkMatch, match_in_bulk

SIZE = 6
COLUMNS = frozenset({"email", "firstname", "shoe_size"})

# --- any reply whatever ---

_TRACES = st.none() | st.integers(-1, SIZE + 2).map(str) | st.sampled_from(["", "x"])
_KEYS = st.none() | st.integers(0, SIZE + 2).map(key_of) | st.sampled_from(["", " PERSON1@Example.com "])
_CODES = st.sampled_from(["PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "INVALID_EMAIL"])


@st.composite
def _results(draw):
    result = {"id": str(draw(st.integers(1, 9))), "new": draw(st.booleans()), "properties": {}}
    if trace := draw(_TRACES):
        result["objectWriteTraceId"] = trace
    if key := draw(_KEYS):
        result["properties"] = {"email": key}
    return result


@st.composite
def _errors(draw):
    category = draw(st.sampled_from(["VALIDATION_ERROR", "CONFLICT", "INTERNAL_ERROR", "RATE_LIMITS", ""]))
    context = {
        "objectWriteTraceId": [trace for trace in draw(st.lists(_TRACES, max_size=3)) if trace],
        "ids": [key for key in draw(st.lists(_KEYS, max_size=2)) if key],
    }
    entry = error("refused", category=category, **context)
    if draw(st.booleans()):
        name = draw(st.sampled_from(["shoe_size", "nickname"]))
        entry["errors"] = [{"code": draw(_CODES), "context": {"propertyName": [name]}}]
    return entry


_RESULTS = st.lists(
    _results() | st.sampled_from([{}, None, "junk", {"id": None, "new": "yes"}]), max_size=SIZE + 2
)
_ERRORS = st.lists(_errors() | st.sampled_from([{}, None, "junk"]), max_size=4)
_STATUSES = st.sampled_from(["COMPLETE", "PENDING", "PROCESSING", "CANCELED", "error", "", "?"])
_REPLIES = st.builds(
    lambda status, results, errors, batch_status: reply(
        status, results=results, errors=errors, batch_status=batch_status
    ),
    st.sampled_from([200, 200, 201, 207, 207, 400, 401, 403, 404, 409, 413, 422, 423, 429, 477, 500, 524]),
    _RESULTS,
    _ERRORS,
    _STATUSES,
) | st.builds(lambda status, raw: reply(status, raw=raw), st.integers(100, 999), st.binary(max_size=9))


@st.composite
def _mostly_honest_replies(draw):
    """Each record is answered, refused or passed over; now and then something does not fit."""
    results, errors = [], []
    for position in range(SIZE):
        kind = draw(
            st.sampled_from(["trace", "key", "nameless", "nameless", "refused", "anonymous", "silent"])
        )
        if kind == "refused":
            errors.append(error_at(position))
        elif kind == "anonymous":
            errors.append(error())
        elif kind != "silent":
            results.append(written(position, by=kind, new=draw(st.booleans())))
    results += draw(st.lists(_results(), max_size=1))
    return reply(207, results=draw(st.permutations(results)), errors=errors)


def groups(verdict: Verdict) -> list[list[int]]:
    return [
        [entry.record.position for entry in verdict.confirmed],
        [entry.record.position for entry in verdict.refused],
        [entry.position for entry in verdict.pending],
        [entry.position for entry in verdict.unresolved],
    ]


@given(_REPLIES | _mostly_honest_replies(), st.integers(1, SIZE), st.sampled_from([COLUMNS, frozenset()]))
def test_the_four_groups_split_the_records_whatever_the_reply(answer, size, columns):
    records = batch(size)
    counted = Counter(position for group in groups(classify(records, answer, columns)) for position in group)
    assert counted == Counter(range(size))


@given(_REPLIES | _mostly_honest_replies(), st.integers(1, SIZE))
def test_a_verdict_settles_all_or_says_what_to_do_with_the_rest(answer, size):
    verdict = classify(batch(size), answer, COLUMNS)
    assert bool(verdict.unresolved) == (verdict.action is not Action.SETTLE)
    assert (verdict.cause is not None) == (verdict.action in {Action.STOP, Action.PAUSE})


@given(_REPLIES | _mostly_honest_replies(), st.integers(1, SIZE))
def test_what_is_left_open_stays_in_source_order(answer, size):
    left = groups(classify(batch(size), answer, COLUMNS))[3]
    assert left == sorted(left)


def _named(result, records):
    """The positions that a result names by its own fields; None where it names none."""
    positions = {record.position for record in records}
    if result.trace_id:
        return {int(result.trace_id)} & positions if result.trace_id.isdigit() else set()
    key = result.properties.get("email")
    by_key = {r.position for r in records if isinstance(key, str) and r.key == key.strip().lower()}
    return by_key or None


@given(_mostly_honest_replies() | _REPLIES, st.integers(1, SIZE))
def test_nothing_is_confirmed_that_the_reply_does_not_account_for(answer, size):
    """By its own name, or by elimination: as many results as records that nobody named, and every
    record either written or refused.
    """
    records = batch(size)
    verdict = classify(records, answer)
    named_by = [_named(result, records) for result in answer.results]
    named = set().union(*(positions for positions in named_by if positions))
    blamed = {
        int(trace)
        for entry in answer.errors
        for trace in entry.trace_ids
        if trace.isdigit() and int(trace) < size
    }
    by_elimination = [e.record.position for e in verdict.confirmed if e.record.position not in named]
    if not by_elimination:
        return
    assert all(position not in blamed for position in by_elimination)
    assert len(answer.results) + len(blamed) <= size
    spare = [result for result, names in zip(answer.results, named_by, strict=True) if not names]
    assert len(by_elimination) <= len(spare)


@st.composite
def _contradictory_replies(draw):
    """Each record is answered; some entries are there twice, perhaps with a part of another one."""
    by = draw(st.sampled_from(["trace", "key", "nameless"]))
    is_new = draw(st.booleans())
    results = [written(position, by=by, new=is_new) for position in range(SIZE)]
    left_out = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(0, 3))):
        twice = dict(draw(st.sampled_from(results)))
        other = draw(st.sampled_from(results))
        for part in draw(st.lists(st.sampled_from(["id", "properties", "objectWriteTraceId"]), max_size=2)):
            twice |= {part: other[part]} if part in other else {}
        results.append(twice)
    return reply(200, results=draw(st.permutations(results))[left_out:])


@given(_contradictory_replies(), st.integers(1, SIZE))
def test_repeated_or_contradictory_results_confirm_nothing(answer, size):
    records = batch(size)
    verdict = classify(records, answer)
    assert Counter(position for group in groups(verdict) for position in group) == Counter(range(size))
    ids = Counter(result.id for result in answer.results)
    naming = {
        record.position: [one for one in answer.results if record.position in (_named(one, records) or ())]
        for record in records
    }
    is_sound = max(ids.values(), default=0) < 2 and all(len(named) < 2 for named in naming.values())
    for entry in verdict.confirmed:
        named = naming[entry.record.position]
        if not named:
            assert is_sound, "by elimination, of an answer that contradicts itself"
            continue
        (one,) = named
        assert (ids[one.id], entry.hubspot_id, entry.outcome is Outcome.CREATED) == (1, one.id, one.new)
        shown = {key_of(position) for position in range(size)} & {one.properties.get("email")}
        assert shown <= {entry.record.key}


# --- a 2xx, record by record ---


@pytest.mark.parametrize("by", ["trace", "key", "nameless"])
@pytest.mark.parametrize("status", [200, 201, 207])
def test_a_complete_answer_confirms_every_record_in_whatever_order_it_comes(status, by):
    records = batch(4)
    results = [written(position, by=by, new=True) for position in (2, 0, 3, 1)]
    verdict = classify(records, reply(status, results=results))
    assert groups(verdict) == [[0, 1, 2, 3], [], [], []]
    assert verdict.action is Action.SETTLE
    assert all(entry.outcome is Outcome.CREATED for entry in verdict.confirmed)


def test_created_and_updated_are_told_apart_by_name_and_never_by_place():
    results = [written(position, by="key", new=position == 2) for position in (3, 2, 1, 0)]
    verdict = classify(batch(4), reply(200, results=results))
    assert {entry.record.position: entry.outcome is Outcome.CREATED for entry in verdict.confirmed} == {
        0: False,
        1: False,
        2: True,
        3: False,
    }
    assert {entry.record.position: entry.hubspot_id for entry in verdict.confirmed}[3] == "1003"


@pytest.mark.parametrize("in_doubt", [False, True])
def test_an_update_of_a_record_in_doubt_may_replay_an_earlier_attempt(in_doubt):
    sent = [record(0), record(1)]
    for one in sent:
        one.in_doubt = in_doubt
    results = [written(0, by="key", new=True), written(1, by="key", new=False)]
    assert [one.replayed for one in classify(sent, reply(200, results=results)).confirmed] == [
        False,
        in_doubt,
    ]


def test_a_key_comes_back_in_lower_case_and_is_the_same_key():
    sent = record(0, "Ann@Example.COM")
    verdict = classify([sent], reply(200, results=[written(0, by="key", key="ann@example.com")]))
    assert groups(verdict)[0] == [0]


def test_updates_by_email_come_back_without_keys_and_equal_counts_confirm_them():
    results = [written(0, by="key", new=True), *(written(p, by="nameless", new=False) for p in (2, 1))]
    verdict = classify(batch(3), reply(200, results=results))
    assert groups(verdict)[0] == [0, 1, 2]


def test_an_id_is_known_only_where_the_answer_names_it_or_one_candidate_is_left():
    results = [written(0, by="key"), *(written(p, by="nameless") for p in (1, 2))]
    verdict = classify(batch(3), reply(200, results=results))
    assert {e.record.position: e.hubspot_id for e in verdict.confirmed} == {0: "1000", 1: "", 2: ""}
    verdict = classify(batch(2), reply(200, results=results[:2]))
    assert {e.record.position: e.hubspot_id for e in verdict.confirmed} == {0: "1000", 1: "1001"}


def test_counts_confirm_nothing_beside_an_error_without_a_record():
    """Which of the two was refused, and which of the results is too many?"""
    results = [written(position, by="nameless") for position in (0, 1)]
    verdict = classify(batch(2), reply(207, results=results, errors=[error()]))
    assert groups(verdict) == [[], [], [], [0, 1]]


def test_which_of_two_unnamed_records_was_created_is_not_guessed():
    results = [written(0, by="nameless", new=True), written(1, by="nameless", new=False)]
    assert groups(classify(batch(2), reply(200, results=results))) == [[], [], [], [0, 1]]


def test_absent_from_errors_is_not_success():
    answer = reply(207, results=[written(0)], errors=[error_at(1)])
    verdict = classify(batch(3), answer)
    assert groups(verdict) == [[0], [1], [], [2]]
    assert verdict.action is Action.RETRY


def test_a_reply_to_a_no_op_confirms_nothing():
    verdict = classify(batch(3), reply(200, results=[]))
    assert groups(verdict) == [[], [], [], [0, 1, 2]]
    assert verdict.action is Action.RETRY


def test_more_results_than_records_confirm_nothing():
    results = [written(p, by="nameless") for p in range(3)]
    assert groups(classify(batch(2), reply(200, results=results)))[0] == []


def test_a_207_with_all_records_refused_or_none_is_taken_as_it_is():
    refused = classify(batch(2), reply(207, results=[], errors=[error_at(0), error_at(1)]))
    assert groups(refused) == [[], [0, 1], [], []]
    assert refused.action is Action.SETTLE
    passed = classify(batch(2), reply(207, results=[written(0), written(1)], errors=[]))
    assert groups(passed) == [[0, 1], [], [], []]


def test_one_error_object_can_refuse_many_records():
    answer = reply(207, results=[written(1)], errors=[error(objectWriteTraceId=["0", "2"])])
    assert groups(classify(batch(3), answer)) == [[1], [0, 2], [], []]


def test_an_error_that_names_keys_refuses_those_records():
    answer = reply(207, results=[written(1)], errors=[error(ids=[key_of(0), "PERSON2@example.com "])])
    assert groups(classify(batch(3), answer)) == [[1], [0, 2], [], []]


def test_a_record_named_as_written_and_as_refused_is_asked_again():
    verdict = classify(batch(2), reply(207, results=[written(0), written(1)], errors=[error_at(0)]))
    assert groups(verdict) == [[1], [], [], [0]]


def test_contradictory_counts_confirm_nothing():
    """Three answers and a refusal for three records: one of the answers is not what it seems."""
    results = [written(0, by="key"), written(2, by="key"), written(1, by="nameless")]
    verdict = classify(batch(3), reply(207, results=results, errors=[error_at(0)]))
    assert groups(verdict) == [[2], [], [], [0, 1]]


@pytest.mark.parametrize(("trace_id", "confirmed"), [("0", []), ("999", [0])])
def test_a_result_with_a_foreign_trace_id_confirms_nothing_by_elimination(trace_id, confirmed):
    """A trace id is the sender's own word: the second answer for record 0 is not record 1's."""
    stray = {**written(1, by="nameless"), "objectWriteTraceId": trace_id}
    verdict = classify(batch(2), reply(200, results=[written(0), stray]))
    assert groups(verdict) == [confirmed, [], [], [n for n in (0, 1) if n not in confirmed]]


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("by", ["trace", "key", "nameless"])
def test_a_contact_that_is_listed_twice_confirms_no_record(by, new):
    """It may be one record's and the other's missing, or that of two addresses: each alone tells."""
    first, second = (written(at, by=by, hubspot_id="7", new=new) for at in (0, 1 if by == "trace" else 0))
    verdict = classify(batch(3), reply(200, results=[first, second, written(2, by=by)]))
    assert groups(verdict)[0] == ([2] if by != "nameless" else [])
    assert (verdict.action, verdict.reason) == (Action.SPLIT, "the answer contradicts itself")


def test_a_record_in_doubt_is_not_refused_by_its_own_error_nor_by_one_without_a_record():
    twice = [written(0, hubspot_id="7"), written(1, hubspot_id="7")]
    verdict = classify(batch(2), reply(207, results=twice, errors=[error_at(0)]))
    assert groups(verdict) == [[], [], [], [0, 1]]
    results = [written(0), written(1), written(1, hubspot_id="7")]
    verdict = classify(batch(3), reply(207, results=results, errors=[error_at(2), error()]))
    assert groups(verdict) == [[0], [2], [], [1]]


def test_a_record_alone_whose_contact_is_listed_twice_is_a_retry():
    verdict = classify(batch(1), reply(200, results=[written(0), written(0)]))
    assert (groups(verdict), verdict.action) == ([[], [], [], [0]], Action.RETRY)


def test_a_contact_matched_by_a_secondary_address_answers_with_its_primary_one():
    for by in ("trace", "key", "nameless"):
        result = written(0, by=by, hubspot_id="7", new=False)
        result["properties"] = {"email": "primary@example.com"}
        assert groups(classify(batch(1), reply(200, results=[result])))[0] == [0]


def test_a_trace_id_beside_the_key_of_another_record_confirms_neither():
    mixed = {**written(0), "properties": {"email": key_of(1)}}
    verdict = classify(batch(3), reply(200, results=[mixed, written(2), written(1, by="nameless")]))
    assert groups(verdict) == [[2], [], [], [0, 1]]
    assert verdict.action is Action.SPLIT


@pytest.mark.parametrize(
    ("key", "shown", "is_confirmed"),
    [
        ("E7", "E7", True),
        ("E7", "e7", True),
        ("E7", "E8", False),
        ("1.10", "1.1", True),  # a number in HubSpot's spelling
        ("7", "8", False),
        ("E7", None, True),
    ],
)
def test_a_trace_id_beside_another_key_confirms_nothing_where_a_contact_has_one_key(key, shown, is_confirmed):
    records = [record(0, key, id_property="external_id"), record(1, "other", id_property="external_id")]
    result = {**written(0), "properties": {} if shown is None else {"external_id": shown}}
    verdict = classify(records, reply(200, results=[result, written(1)]))
    assert groups(verdict)[0] == ([0, 1] if is_confirmed else [1])


def test_an_error_whose_trace_id_and_key_are_of_two_records_refuses_neither():
    answer = reply(207, results=[written(2)], errors=[error_at(0, ids=[key_of(1)])])
    assert groups(classify(batch(3), answer)) == [[2], [], [], [0, 1]]


def test_an_error_without_a_record_splits_the_open_records():
    verdict = classify(batch(3), reply(207, results=[written(0)], errors=[error("bad address")]))
    assert groups(verdict) == [[0], [], [], [1, 2]]
    assert verdict.action is Action.SPLIT
    assert verdict.reason == "bad address"


def test_the_only_open_record_gets_the_only_error_without_a_record():
    verdict = classify(batch(2), reply(207, results=[written(0)], errors=[error("bad", existingId=["77"])]))
    assert groups(verdict) == [[0], [1], [], []]
    assert verdict.refused[0].refusal.existing_id == "77"


def test_an_error_that_names_another_record_refuses_nothing_by_elimination():
    answer = reply(207, results=[written(0)], errors=[error(objectWriteTraceId=["999"])])
    assert groups(classify(batch(2), answer))[1] == []


def test_a_refusal_keeps_category_message_correlation_and_existing_id():
    body = {
        "status": "COMPLETE",
        "correlationId": "c-1",
        "results": [],
        "errors": [
            error_at(0, "Contact already exists. Existing ID: 171", category="CONFLICT", existingId=["171"])
        ],
    }
    (refused,) = classify(batch(1), reply(207, body=body)).refused
    refusal = refused.refusal
    assert (refusal.category, refusal.correlation_id, refusal.existing_id) == ("CONFLICT", "c-1", "171")
    assert refusal.message == "Contact already exists. Existing ID: 171"


def test_a_message_that_lists_all_options_is_kept_short():
    answer = reply(207, results=[], errors=[error_at(0, "o" * 50_000)])
    message = classify(batch(1), answer).refused[0].refusal.message
    assert len(message) < 2_100
    assert "50,000 characters" in message


def test_open_records_of_all_kinds_go_on_in_source_order():
    results = [written(1), written(3)]
    errors = [error_at(3), error_at(2, category="TIMEOUT")]
    verdict = classify(batch(5), reply(207, results=results, errors=errors))
    assert groups(verdict) == [[1], [], [], [0, 2, 3, 4]]


@pytest.mark.parametrize("category", ["RATE_LIMITS", "INTERNAL_ERROR", "TIMEOUT", "LOCKED"])
def test_a_record_refused_for_the_moment_is_sent_again(category):
    answer = reply(207, results=[written(0)], errors=[error_at(1, category=category)])
    verdict = classify(batch(2), answer)
    assert groups(verdict) == [[0], [], [], [1]]
    assert verdict.action is Action.RETRY


def test_a_record_alone_refused_for_the_moment_without_a_name_is_a_retry():
    """SPLIT would have nothing to split, and would not count as an attempt."""
    verdict = classify(batch(1), reply(207, results=[], errors=[error(category="INTERNAL_ERROR")]))
    assert verdict.unresolved
    assert verdict.action is Action.RETRY


# --- accepted, not yet done ---


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING"])
def test_what_is_accepted_and_not_answered_is_pending(status):
    answer = reply(200, results=[written(0)], errors=[error_at(1)], batch_status=status)
    verdict = classify(batch(3), answer)
    assert groups(verdict) == [[0], [1], [2], []]
    assert verdict.action is Action.SETTLE


@pytest.mark.parametrize("status", ["CANCELED", "CANCELLED", "error", "?"])
def test_counts_confirm_nothing_in_an_incomplete_batch(status):
    """As many results as records, but what was cancelled may have been written in part."""
    results = [written(position, by="nameless", new=False) for position in range(3)]
    verdict = classify(batch(3), reply(200, results=results, batch_status=status))
    assert groups(verdict) == [[], [], [], [0, 1, 2]]


@pytest.mark.parametrize("status", ["CANCELED", "CANCELLED", "error", "?"])
def test_what_was_not_accepted_is_never_pending(status):
    """`pending` means accepted (PENDING, PROCESSING). A cancelled batch has to be sent again."""
    verdict = classify(batch(3), reply(200, results=[written(0)], batch_status=status))
    assert groups(verdict) == [[0], [], [], [1, 2]]


# --- systemic faults ---

_NO_COLUMN = (
    'Property values were not valid: [{"isValid":false,"message":"...","error":"PROPERTY_DOESNT_EXIST",'
    '"name":"shoe_size"}]'
)


def test_a_column_that_is_no_property_stops_the_run_and_its_rows_stay_open():
    answer = reply(207, results=[written(0)], errors=[error_at(1, _NO_COLUMN), error_at(2, "bad address")])
    verdict = classify(batch(3), answer, COLUMNS)
    assert (verdict.action, verdict.cause) == (Action.STOP, Cause.PROPERTY)
    assert groups(verdict) == [[0], [2], [], [1]]


def test_the_complaint_about_a_column_is_not_forgotten_over_a_nameless_error():
    errors = [error_at(0, _NO_COLUMN), error("something else")]
    verdict = classify(batch(2), reply(207, results=[], errors=errors), COLUMNS)
    assert (verdict.action, verdict.cause) == (Action.STOP, Cause.PROPERTY)


def test_a_property_that_only_one_row_names_is_that_rows_own_fault():
    answer = reply(207, results=[written(0)], errors=[error_at(1, _NO_COLUMN)])
    verdict = classify(batch(2), answer, frozenset())
    assert groups(verdict) == [[0], [1], [], []]
    assert verdict.action is Action.SETTLE


def test_a_value_that_happens_to_say_non_unique_stops_no_run():
    body = {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": 'Property values were not valid: [{"isValid":false,"message":"non-unique was not one of '
        'the allowed options","error":"INVALID_OPTION","name":"firstname"}]',
    }
    verdict = classify(batch(2), reply(400, body=body), COLUMNS)
    assert verdict.action is Action.SPLIT


# --- every status, row by row ---


def _said(message, category=None, **more):
    body = {"status": "error", "message": message, "correlationId": "c"}
    return {**body, **({"category": category} if category else {}), **more}


_INVALID = "VALIDATION_ERROR"
_NOT_VALID = "Property values were not valid: "
_TABLE = {
    "429 of the day": (
        429,
        {
            "status": "error",
            "message": "You have reached your daily limit.",
            "errorType": "RATE_LIMIT",
            "policyName": "DAILY",
            "requestId": "3d3e35b7",
        },
        (Action.STOP, Cause.DAILY),
    ),
    "429 of the day, by its message": (
        429,
        _said("You have reached your daily limit.", errorType="RATE_LIMIT"),
        (Action.STOP, Cause.DAILY),
    ),
    "429 of the window": (
        429,
        {
            "status": "error",
            "message": "You have reached your ten_secondly_rolling limit.",
            "errorType": "RATE_LIMIT",
            "policyName": "TEN_SECONDLY_ROLLING",
            "groupName": "publicapi:private_app-api-calls-ten-secondly:1512050:26892217",
        },
        (Action.PAUSE, Cause.BURST),
    ),
    "429 of a second": (
        429,
        _said("You have reached your secondly limit.", policyName="SECONDLY"),
        (Action.PAUSE, Cause.BURST),
    ),
    "429 of an edge": (429, None, (Action.PAUSE, Cause.BURST)),
    "400 of 101 inputs": (
        400,
        _said("The maximum number of inputs supported in a batch is 100.", _INVALID),
        (Action.SPLIT, None),
    ),
    "400 of duplicate ids": (
        400,
        _said(
            "Duplicate IDs found in batch input: [123456]. IDs must be unique",
            _INVALID,
            context={"ids": ["123456"]},
        ),
        (Action.SPLIT, None),
    ),
    "400 of a non-unique id property": (
        400,
        _said("Unable to perform update/upsert by non-unique 0-1 property firstname", _INVALID),
        (Action.STOP, Cause.ID_PROPERTY),
    ),
    "400 of a non-unique id property, with its portal": (
        400,
        _said(
            "Unable to perform update/upsert by non-unique 0-1 property firstname in portal ID 21939747",
            _INVALID,
        ),
        (Action.STOP, Cause.ID_PROPERTY),
    ),
    "400 of an unknown property that is a column": (
        400,
        _said(
            _NOT_VALID + '[{"isValid":false,"message":"Property \\"shoe_size\\" does not exist"}]',
            _INVALID,
            errors=[
                {
                    "message": 'Property "shoe_size" does not exist',
                    "code": "PROPERTY_DOESNT_EXIST",
                    "context": {"propertyName": ["shoe_size"]},
                }
            ],
        ),
        (Action.STOP, Cause.PROPERTY),
    ),
    "400 of an unknown property that one row names": (
        400,
        _said(
            "x",
            _INVALID,
            errors=[{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["nickname"]}}],
        ),
        (Action.SPLIT, None),
    ),
    "400 of an invalid address": (
        400,
        _said(
            _NOT_VALID + '[{"isValid":false,"message":"Email address x@y.badtld is invalid",'
            '"error":"INVALID_EMAIL","name":"email"}]',
            _INVALID,
        ),
        (Action.SPLIT, None),
    ),
    "400 of a bad option": (
        400,
        _said(
            _NOT_VALID + '[{"isValid":false,"message":"blue was not one of the allowed options: [label: '
            '\\"Red\\" value: \\"red\\" ]","error":"INVALID_OPTION","name":"shoe_size"}]',
            _INVALID,
        ),
        (Action.SPLIT, None),
    ),
    "400 of a bad date": (
        400,
        _said(
            _NOT_VALID + '[{"isValid":false,"message":"1641038400000 is at 12:0:0.0 UTC, not midnight!",'
            '"error":"INVALID_DATE","name":"shoe_size"}]',
            _INVALID,
        ),
        (Action.SPLIT, None),
    ),
    "400 of a bad number": (
        400,
        _said(
            _NOT_VALID + '[{"isValid":false,"message":"x was not a valid long.",'
            '"error":"INVALID_LONG","name":"shoe_size"}]',
            _INVALID,
        ),
        (Action.SPLIT, None),
    ),
    "400 of a read-only column": (
        400,
        _said(
            _NOT_VALID + '[{"isValid":false,"message":"\\"shoe_size\\" is a calculated property; its value '
            'cannot be set.","error":"READ_ONLY_VALUE","name":"shoe_size"}]',
            _INVALID,
        ),
        (Action.STOP, Cause.PROPERTY),
    ),
    "400 of broken JSON": (
        400,
        _said("Invalid input JSON on line 3, column 9: Cannot deserialize value of type ..."),
        (Action.SPLIT, None),
    ),
    "400 of a proxy": (400, None, (Action.RETRY, None)),
    "401 of an expired token": (
        401,
        _said("The OAuth token used to make this call expired 75 second(s) ago.", "EXPIRED_AUTHENTICATION"),
        (Action.STOP, Cause.TOKEN),
    ),
    "401 of no token": (
        401,
        _said("Authentication credentials not found.", "INVALID_AUTHENTICATION"),
        (Action.STOP, Cause.TOKEN),
    ),
    "403": (
        403,
        _said("This app hasn't been granted all required scopes to make this call.", "MISSING_SCOPES"),
        (Action.STOP, Cause.SCOPE),
    ),
    "404 of a path": (404, _said("resource not found"), (Action.STOP, Cause.ADDRESS)),
    "404 of an object type": (
        404,
        _said("Unable to infer object type from: butterflies"),
        (Action.STOP, Cause.ADDRESS),
    ),
    "405": (405, None, (Action.STOP, Cause.ADDRESS)),
    "409": (
        409,
        _said("Contact already exists. Existing ID: 12345", "CONFLICT"),
        (Action.SPLIT, None),
    ),
    "409 of the second family": (
        409,
        _said("Contact already exists", "OBJECT_ALREADY_EXISTS", error="CONTACT_EXISTS"),
        (Action.SPLIT, None),
    ),
    "413 of an edge": (413, None, (Action.SPLIT, None)),
    "415": (415, None, (Action.STOP, Cause.ADDRESS)),
    "422": (422, _said("unprocessable", _INVALID), (Action.SPLIT, None)),
    "423": (423, _said("locked"), (Action.PAUSE, Cause.LOCKED)),
    "423 of an edge": (423, None, (Action.PAUSE, Cause.LOCKED)),
    "477": (477, None, (Action.STOP, Cause.MIGRATION)),
    "500": (500, _said("internal error"), (Action.RETRY, None)),
    "501": (501, None, (Action.STOP, Cause.ADDRESS)),
    **{
        str(status): (status, None, (Action.RETRY, None))
        for status in (408, 502, 503, 504, 521, 522, 523, 524, 525, 526)
    },
    "200 of an edge": (200, None, (Action.RETRY, None)),
    "204": (204, None, (Action.RETRY, None)),
    "301": (301, None, (Action.STOP, Cause.ADDRESS)),
    "a status nobody knows": (499, None, (Action.STOP, Cause.ADDRESS)),
}


@pytest.mark.parametrize(("status", "body", "expected"), _TABLE.values(), ids=_TABLE)
@pytest.mark.parametrize("size", [1, 3])
def test_each_documented_answer_gets_its_own_treatment(status, body, expected, size):
    answer = reply(status, raw=b"<html>") if body is None else reply(status, body=body)
    verdict = classify(batch(size), answer, COLUMNS)
    assert (verdict.action, verdict.cause) == expected
    assert groups(verdict) == [[], [], [], list(range(size))]
    assert str(status) in verdict.reason


def test_no_answer_at_all_is_tried_again():
    verdict = classify(batch(2), no_reply("the connection broke", maybe_applied=True))
    assert (verdict.action, verdict.reason) == (Action.RETRY, "the connection broke")


@pytest.mark.parametrize(
    ("status", "body", "head", "seconds"),
    [
        (423, {}, {}, 2.0),
        (423, {}, {"retry_after": 9}, 9.0),
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, None),
        (429, {"policyName": "SECONDLY"}, {}, 1.0),
        (429, {"message": "You have reached your ten_secondly_rolling limit."}, {}, None),
        (429, {"message": "You have reached your secondly limit."}, {}, 1.0),
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {"retry_after": 4}, 4.0),
        (429, {"policyName": "DAILY"}, {"retry_after": 3_600}, 3_600.0),
        (477, {}, {"retry_after": 86_400}, 86_400.0),
        (477, {}, {}, None),
    ],
)
def test_a_pause_lasts_as_long_as_the_server_says(status, body, head, seconds):
    assert classify(batch(1), reply(status, body=body, head=headers(**head))).pause_seconds == seconds


def test_only_a_409_is_a_conflict():
    assert classify(batch(1), reply(409, body=_said("Contact already exists", "CONFLICT"))).conflict
    assert not classify(batch(1), reply(400, body=_said("bad", _INVALID))).conflict


@pytest.mark.parametrize(
    ("status", "body", "category"),
    [(400, _said("bad", _INVALID), _INVALID), (409, _said("Contact already exists"), "HTTP_409")],
)
def test_a_split_carries_what_a_record_alone_would_be_refused_with(status, body, category):
    refusal = classify(batch(1), reply(status, body=body)).refusal
    assert refusal is not None
    assert (refusal.category, refusal.correlation_id) == (category, "c")


@pytest.mark.parametrize(
    ("results", "errors", "action"),
    [
        ([], [error(category="INTERNAL_ERROR", ids=["a"])], Action.RETRY),
        ([], [error(category="RATE_LIMITS")], Action.RETRY),
        ([], [error(category="TIMEOUT"), error(category="OBJECT_NOT_FOUND", ids=["b"])], Action.SETTLE),
        ([written(0)], [error(category="INTERNAL_ERROR", ids=["a"])], Action.SETTLE),
        ([], [error(category="OBJECT_NOT_FOUND", ids=["a"])], Action.SETTLE),
        ([], [], Action.SETTLE),
    ],
)
def test_a_read_that_is_answered_with_passing_errors_alone_is_not_answered(results, errors, action):
    assert classify_read(reply(207, results=results, errors=errors)).action is action


# --- what is settled in bulk ---


@st.composite
def _nearly_plain_replies(draw):
    """Most records are answered plainly, in any order; a few entries are bent, doubled or left out."""
    by, is_new = draw(st.sampled_from(["trace", "key"])), draw(st.booleans())
    results = [written(position, by=by, new=is_new) for position in range(SIZE)]
    if draw(st.booleans()):
        for result, position in zip(results, range(SIZE), strict=True):
            result |= {"objectWriteTraceId": str(position), "properties": {"email": key_of(position)}}
    for _ in range(draw(st.integers(0, 2))):
        bent = draw(st.sampled_from(results))
        bent |= draw(_results())
        if part := draw(st.sampled_from(["", "id", "properties", "objectWriteTraceId"])):
            bent.pop(part, None)
    results += draw(st.lists(_results() | st.sampled_from(results), max_size=2))
    errors = draw(st.lists(_errors() | st.integers(0, SIZE + 1).map(error_at), max_size=2))
    left_out = draw(st.integers(0, 2))
    return reply(
        207,
        results=draw(st.permutations(results))[left_out:],
        errors=errors,
        batch_status=draw(st.sampled_from(["COMPLETE", "COMPLETE", "", "PENDING", "CANCELED"])),
        shown=draw(st.sampled_from(["email", None])),
    )


@settings(max_examples=5 * settings.default.max_examples)
@given(
    _nearly_plain_replies() | _contradictory_replies() | _mostly_honest_replies(),
    st.integers(1, SIZE),
    st.sampled_from([COLUMNS, frozenset()]),
)
def test_settling_in_bulk_equals_settling_one_by_one(answer, size, columns):
    records = batch(size)
    at_once = classify(records, answer, columns)
    one_by_one = reconcile(records, answer, columns, BulkMatch((), (), records, answer.results))
    for name in Verdict.__struct_fields__:
        here, there = getattr(at_once, name), getattr(one_by_one, name)
        assert (list(here) if isinstance(there, list | tuple) else here) == (
            list(there) if isinstance(there, list | tuple) else there
        )


@pytest.mark.parametrize("by", ["trace", "key"])
@pytest.mark.parametrize("refused", [(), (3,)])
def test_all_that_is_plainly_answered_is_settled_in_bulk(by, refused):
    answered = [position for position in range(SIZE) if position not in refused]
    results = [written(position, by=by) for position in reversed(answered)]
    answer = reply(207, results=results, errors=[error_at(position) for position in refused], shown="email")
    plain = match_in_bulk(batch(SIZE), answer.results, answer.errors)
    assert [record.position for record in plain.records] == answered
    assert [result.id for result in plain.results] == [str(1_000 + position) for position in answered]
    assert [record.position for record in plain.other_records] == list(refused)
    assert list(plain.other_results) == []


@pytest.mark.parametrize("by", ["trace", "key"])
@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"id": "1001"}, [1, 2]),
        ({"id": ""}, [2]),
        ({"properties": {"email": key_of(4)}}, [2, 4]),
    ],
    ids=["one contact twice", "no id", "another record's key"],
)
def test_only_what_an_answer_contradicts_is_judged_one_by_one(by, change, left):
    results = [written(position, by=by) | (change if position == 2 else {}) for position in range(SIZE)]
    answer = reply(200, results=results, shown="email")
    plain = match_in_bulk(batch(SIZE), answer.results, answer.errors)
    assert [record.position for record in plain.other_records] == left
    assert len(plain.other_results) == len(left)


@pytest.mark.parametrize("by", ["trace", "key"])
@pytest.mark.parametrize(
    ("more", "errors"),
    [([{"id": "7"}], []), ([], [error_at(2)])],
    ids=["a second result", "an error, too"],
)
def test_a_record_that_something_else_names_is_judged_one_by_one(by, more, errors):
    results = [written(position, by=by) for position in range(SIZE)]
    results += [results[2] | change for change in more]
    answer = reply(207, results=results, errors=errors, shown="email")
    plain = match_in_bulk(batch(SIZE), answer.results, answer.errors)
    assert [record.position for record in plain.other_records] == [2]


@pytest.mark.parametrize("by", ["trace", "key"])
@pytest.mark.parametrize("shown", ["email", None])
def test_each_record_gets_the_id_of_its_own_result_in_whatever_order_they_come(by, shown):
    results = [written(position, by=by, new=position % 2 == 0) for position in (2, 0, 3, 1)]
    verdict = classify(batch(4), reply(200, results=results, shown=shown))
    confirmed = [
        (one.record.position, one.hubspot_id, one.outcome is Outcome.CREATED) for one in verdict.confirmed
    ]
    assert confirmed == [(0, "1000", True), (1, "1001", False), (2, "1002", True), (3, "1003", False)]


def test_an_id_that_names_no_row_is_that_of_the_contact_that_was_read_for_it():
    records = batch(4)
    for one, read in zip(records, ("1000", "1001", "1001", ""), strict=True):
        one.contact_id = read
    found = classify(records, reply(200, results=[written(p, by="nameless", new=False) for p in range(4)]))
    assert [one.hubspot_id for one in found.confirmed] == ["1000", "", "", ""]
    assert sorted(found.nameless_ids) == ["1001", "1002", "1003"]


@pytest.mark.parametrize("by", ["trace", "key"])
@pytest.mark.parametrize("shown", ["email", None])
def test_an_answer_that_is_no_text_confirms_nothing(by, shown):
    raw = orjson.dumps({"status": "COMPLETE", "results": [written(position, by=by) for position in range(4)]})
    assert groups(classify(batch(4), reply(200, raw=raw, shown=shown)))[0] == [0, 1, 2, 3]
    broken = raw.replace(b'"archived"', b'"\xff"', 1)
    verdict = classify(batch(4), reply(200, raw=broken, shown=shown))
    assert (verdict.action, groups(verdict)) == (Action.RETRY, [[], [], [], [0, 1, 2, 3]])


# --- by HubSpot's own id ---


def by_id(*keys):
    return [record(position, key, id_property=OWN_ID) for position, key in enumerate(keys)]


def test_a_merged_record_is_confirmed_although_another_id_answers():
    """By trace id, or where the counts leave no doubt."""
    named = reply(200, results=[{"id": "9", "objectWriteTraceId": "0"}, {"id": "2"}], shown=OWN_ID)
    counted = reply(200, results=[{"id": "2"}, {"id": "9"}], shown=OWN_ID)
    traced = reply(
        200,
        results=[written(1, hubspot_id="9", new=False), written(0, hubspot_id="1", new=False)],
        shown=OWN_ID,
    )
    for answer, wanted in ((counted, {0: "9", 1: "2"}), (traced, {0: "1", 1: "9"})):
        found = classify(by_id("1", "2"), answer)
        assert {one.record.position: one.hubspot_id for one in found.confirmed} == wanted
    assert {one.record.position for one in classify(by_id("1", "2"), named).confirmed} >= {0}


def test_a_404_that_says_so_means_an_absent_record_and_any_other_one_a_wrong_address():
    gone = reply(404, body={"status": "error", "category": "OBJECT_NOT_FOUND", "message": "gone"})
    found = classify(by_id("1", "2"), gone)
    assert (found.action, found.refusal.category) == (Action.SPLIT, "OBJECT_NOT_FOUND")
    assert classify(batch(2), gone).action is Action.STOP
    assert classify(by_id("1", "2"), reply(404, body={"message": "no such path"})).action is Action.STOP
    assert classify(by_id("1"), reply(404, raw=b"<html>")).action is Action.STOP
