"""What replies say of links: which are confirmed, which error is whose, which types there are."""

import orjson
from multidict import CIMultiDict

from uploader.hubspot.associations import (
    LinkError,
    Pair,
    association_types,
    encode_links,
    is_primary,
    link_errors,
    linked_pairs,
)
from uploader.hubspot.reply_decoding import decode
from uploader.hubspot.requests import ALL_PROPERTIES, paths
from uploader.model.associations import AssociationType


def _reply(code, **body):
    return decode(code, CIMultiDict(), orjson.dumps(body))


def _error(category="VALIDATION_ERROR", **context):
    return {"status": "error", "category": category, "message": "not valid", "context": context}


def test_a_batch_names_both_ends_and_the_type():
    body = encode_links([(Pair("1", "2"), AssociationType("USER_DEFINED", 36, "Chef"))])
    assert orjson.loads(body) == {
        "inputs": [
            {
                "from": {"id": "1"},
                "to": {"id": "2"},
                "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": 36}],
            }
        ]
    }


def test_confirmed_pairs_are_found_whether_ids_are_numbers_or_texts():
    results = [{"fromObjectId": 1, "toObjectId": 2}, {"fromObjectId": "3", "toObjectId": "4"}, None]
    assert linked_pairs(_reply(200, results=results)) == {Pair("1", "2"), Pair("3", "4")}
    assert linked_pairs(_reply(200, results="nonsense")) == frozenset()


def test_an_error_names_the_links_of_several_inputs():
    one = _error(fromObjectId=["1", "3"], toObjectId=["2", "4"])
    (error,) = link_errors(_reply(207, errors=[one], results=[]))
    assert error.pairs == {Pair("1", "2"), Pair("3", "4")}


def test_ends_that_do_not_match_name_no_link():
    (error,) = link_errors(_reply(207, errors=[_error(fromObjectId=["1", "3"], toObjectId=["2"])]))
    assert error == LinkError("VALIDATION_ERROR", "not valid")


def test_a_refusal_names_the_records_that_do_not_exist():
    context = _error(objectId=["2"], objectType=["COMPANY"], INVALID_OBJECT_IDS=["COMPANY=2 is not valid"])
    (error,) = link_errors(_reply(400, **context))
    assert error.absent == (("2", "COMPANY"),)
    assert error.message == "not valid: COMPANY=2 is not valid"


def test_a_type_that_the_account_lacks_is_told_from_a_bad_record():
    (error,) = link_errors(_reply(400, **_error(INVALID_ASSOCIATION_TYPE_ID=["USER_DEFINED=7 is not valid"])))
    assert error.lacks_type


def test_an_error_that_may_pass_is_told_from_a_refusal():
    (first, second) = link_errors(_reply(207, errors=[_error("INTERNAL_ERROR"), _error()]))
    assert (first.is_transient, second.is_transient) == (True, False)


def test_junk_is_no_error_of_a_link():
    assert link_errors(_reply(207, errors=[{"context": 5}, "text"])) == [LinkError("", "")]


def test_types_are_listed_with_labels():
    results = [
        {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
        {"typeId": 279, "label": None},
    ]
    first, second = association_types(_reply(200, results=results))
    assert first == AssociationType("HUBSPOT_DEFINED", 1, "Primary")
    assert second == AssociationType("", 279, "")
    assert is_primary(first)
    assert not is_primary(AssociationType("USER_DEFINED", 1, "Primary"))


def test_a_read_tells_other_records_their_types_and_the_next_page():
    entry = {
        "from": {"id": "1"},
        "to": [{"toObjectId": 5, "associationTypes": [{"category": "A", "typeId": 2, "label": None}]}],
        "paging": {"next": {"after": "5"}},
    }
    reply = decode(200, CIMultiDict(), orjson.dumps({"results": [entry]}), shown=ALL_PROPERTIES)
    (result,) = reply.results
    (other,) = result.associated
    assert (result.id, other.id, result.after) == ("1", "5", "5")
    assert [(one.category, one.type_id, one.label) for one in other.types] == [("A", 2, None)]


def test_paths_of_labels_are_the_same_in_all_versions():
    assert paths("2026-03", "contacts").association_labels == "/crm/associations/v4/contacts/{to}/labels"
    assert paths("2026-03", "contacts").associate == "/crm/associations/2026-03/contacts/{to}/batch/create"
