"""What a reply means for the links of a batch: by ids, never by position."""

import orjson
import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from uploader.associations.link_verdict import Ends, Link, classify_links
from uploader.hubspot.associations import Pair
from uploader.hubspot.reply_decoding import decode
from uploader.model.associations import AssociationType, LinkOutcome
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action

_TYPE = AssociationType("HUBSPOT_DEFINED", 279, "")
_ENDS = Ends("contacts", "companies")


def _link(number):
    return Link(number, Pair(str(number), str(1_000 + number)), _TYPE)


_LINKS = [_link(number) for number in range(3)]


def _result(link):
    return {"fromObjectId": link.pair.from_id, "toObjectId": link.pair.to_id, "labels": []}


def _error(*links, category="VALIDATION_ERROR", message="not valid", **context):
    ends = {
        "fromObjectId": [one.pair.from_id for one in links],
        "toObjectId": [one.pair.to_id for one in links],
    }
    return {"category": category, "message": message, "context": {**context, **(ends if links else {})}}


def _classify(code, links=_LINKS, **body):
    return classify_links(links, decode(code, CIMultiDict(), orjson.dumps(body)), _ENDS)


def test_named_links_are_confirmed_in_any_order():
    found = _classify(200, results=[_result(one) for one in reversed(_LINKS)])
    assert (list(found.linked), found.open, found.verdict.action) == (_LINKS, (), Action.SETTLE)


def test_a_link_that_the_reply_does_not_name_is_sent_again():
    found = _classify(201, results=[_result(_LINKS[1])])
    assert found.verdict.action is Action.RETRY
    assert (found.linked, found.open) == ([_LINKS[1]], [_LINKS[0], _LINKS[2]])


def test_an_error_of_a_207_refuses_the_links_that_it_names():
    found = _classify(207, results=[_result(_LINKS[0])], errors=[_error(_LINKS[1], _LINKS[2])])
    assert [one.link for one in found.refused] == [_LINKS[1], _LINKS[2]]
    assert {one.outcome for one in found.refused} == {LinkOutcome.REJECTED}
    assert found.open == ()


def test_an_error_that_may_pass_leaves_its_link_open():
    found = _classify(
        207,
        results=[_result(one) for one in _LINKS[:2]],
        errors=[_error(_LINKS[2], category="INTERNAL_ERROR")],
    )
    assert (found.verdict.action, found.open) == (Action.RETRY, [_LINKS[2]])


def test_a_record_that_does_not_exist_makes_its_links_missing():
    absent = {"objectId": [_LINKS[1].pair.to_id], "objectType": ["COMPANY"]}
    found = _classify(207, results=[_result(_LINKS[0]), _result(_LINKS[2])], errors=[_error(**absent)])
    (refused,) = found.refused
    assert (refused.link, refused.outcome) == (_LINKS[1], LinkOutcome.MISSING)
    assert refused.why == "HubSpot has no company with the id 1001"


def test_the_id_of_a_company_is_not_taken_for_that_of_a_contact():
    links = [Link(0, Pair("5", "7"), _TYPE), Link(1, Pair("7", "5"), _TYPE)]
    absent = {"objectId": ["5"], "objectType": ["COMPANY"]}
    found = _classify(400, links, **_error(**absent))
    assert [one.link for one in found.refused] == [links[1]]
    assert (found.verdict.action, found.open) == (Action.SPLIT, [links[0]])


def test_a_row_whose_record_was_deleted_is_told():
    absent = {"objectId": ["1"], "objectType": ["CONTACT"]}
    (refused,) = _classify(400, [_LINKS[1]], **_error(**absent)).refused
    assert (refused.outcome, refused.why) == (
        LinkOutcome.MISSING,
        "the contact of this row does not exist any more",
    )


def test_a_whole_refusal_that_names_no_link_is_halved():
    found = _classify(400, message="no", category="VALIDATION_ERROR")
    assert (found.verdict.action, found.open, found.refused) == (Action.SPLIT, _LINKS, ())
    assert found.verdict.refusal is not None


def test_a_link_that_is_refused_alone_is_rejected_with_the_reason():
    (refused,) = _classify(400, _LINKS[:1], message="no", category="VALIDATION_ERROR").refused
    assert (refused.outcome, refused.why) == (LinkOutcome.REJECTED, "no")


def test_an_error_without_ids_is_found_by_halving():
    found = _classify(207, results=[_result(_LINKS[0])], errors=[_error()])
    assert (found.verdict.action, found.open) == (Action.SPLIT, _LINKS[1:])
    alone = _classify(207, _LINKS[:1], results=[], errors=[_error()])
    assert [one.link for one in alone.refused] == _LINKS[:1]


def test_errors_that_are_counted_but_not_listed_are_found_by_halving():
    found = _classify(207, results=[_result(_LINKS[0])], numErrors=2)
    assert found.verdict.action is Action.SPLIT
    alone = _classify(207, _LINKS[:1], results=[], numErrors=1)
    assert [one.link for one in alone.refused] == _LINKS[:1]


def test_a_link_both_confirmed_and_refused_is_in_doubt():
    found = _classify(207, results=[_result(one) for one in _LINKS], errors=[_error(_LINKS[1])])
    assert (found.open, found.refused) == ([_LINKS[1]], [])


@pytest.mark.parametrize("code", [400, 207])
def test_a_type_that_the_account_lacks_stops_the_run(code):
    error = _error(_LINKS[0], INVALID_ASSOCIATION_TYPE_ID=["USER_DEFINED=7 is not valid"])
    body = error if code == 400 else {"errors": [error], "results": []}
    found = _classify(code, **body)
    assert (found.verdict.action, found.verdict.cause, found.open) == (Action.STOP, Cause.LABEL, _LINKS)


@pytest.mark.parametrize(
    "message",
    [
        "The maximum number of inputs supported in a batch is 2. Please reduce the number of items",
        "Batch size exceeds limit of 2",
        "inputs: at most 2 items are allowed",
    ],
)
def test_the_limit_of_links_that_a_refusal_names_is_learned(message):
    found = _classify(400, message=message, category="VALIDATION_ERROR")
    assert (found.most, found.verdict.action, found.open) == (2, Action.SPLIT, _LINKS)


@pytest.mark.parametrize(
    "error",
    [
        _error(message="the limit of 2 companies is reached"),
        _error(_LINKS[0], message="the batch has a contact with the maximum of 2 companies"),
    ],
)
def test_the_limit_of_links_of_a_record_is_not_that_of_a_request(error):
    assert _classify(400, **error).most is None


@pytest.mark.parametrize(
    ("code", "action", "cause"),
    [
        (500, Action.RETRY, None),
        (429, Action.PAUSE, Cause.BURST),
        (403, Action.STOP, Cause.SCOPE),
        (404, Action.STOP, Cause.ADDRESS),
    ],
)
def test_what_no_link_is_at_fault_for_leaves_all_open(code, action, cause):
    found = _classify(code, message="no")
    assert (found.verdict.action, found.verdict.cause, found.open) == (action, cause, _LINKS)


def test_a_web_page_says_nothing_of_the_links():
    found = classify_links(_LINKS, decode(400, CIMultiDict(), b"<html>"), _ENDS)
    assert (found.verdict.action, found.open) == (Action.RETRY, _LINKS)


_ids = st.sampled_from(["0", "1", "2", "1000", "1001", "1002", "", "x"])
_contexts = st.dictionaries(
    st.sampled_from(["fromObjectId", "toObjectId", "objectId", "objectType", "X"]), st.lists(_ids, max_size=4)
)
_errors = st.fixed_dictionaries(
    {"category": st.sampled_from(["", "INTERNAL_ERROR", "VALIDATION_ERROR"]), "context": _contexts}
)
_bodies = st.fixed_dictionaries(
    {},
    optional={
        "results": st.lists(st.fixed_dictionaries({"fromObjectId": _ids, "toObjectId": _ids}), max_size=5),
        "errors": st.lists(_errors, max_size=4),
        "numErrors": st.integers(0, 5),
        "message": st.text(max_size=30),
        "context": _contexts,
    },
)


@given(st.sampled_from([200, 201, 207, 400, 404, 409, 413, 429, 500]), _bodies, st.integers(1, 3))
def test_every_link_lands_in_one_group_whatever_the_reply(code, body, count):
    links = _LINKS[:count]
    found = _classify(code, links, **body)
    groups = [*found.linked, *(one.link for one in found.refused), *found.open]
    assert sorted(groups) == sorted(links)
    named = [(one["fromObjectId"], one["toObjectId"]) for one in body.get("results", ())]
    assert not found.linked or (code < 300 and all(one.pair in named for one in found.linked))
    if found.open:
        assert found.verdict.action is not Action.SETTLE


def test_a_refusal_that_may_pass_is_no_refusal_of_a_link():
    found = _classify(400, _LINKS[:1], message="busy", category="INTERNAL_ERROR")
    assert (found.verdict.action, found.open, found.refused) == (Action.RETRY, _LINKS[:1], ())
