"""Whether what HubSpot holds is what a record asked for."""

import pytest
from hypothesis import given, strategies as st

from support.builders import record
from uploader.hubspot.error_objects import error_of
from uploader.hubspot.replies import Result, Version
from uploader.hubspot.schema import Kind
from uploader.model.records import OWN_ID
from uploader.pipeline.read_matching import (
    Answer,
    answers_for,
    confirmed_by,
    confirmed_by_history,
    wanted_properties,
)


def held(hubspot_id="7", **properties):
    return Result(hubspot_id, new=False, trace_id="", properties=properties)


def test_a_read_asks_for_what_was_sent_the_key_and_further_addresses():
    records = [record(0, properties={"phone": "1"}), record(1, properties={"city": "Ulm"})]
    assert wanted_properties(records) == ["city", "email", "hs_additional_emails", "phone"]


def test_a_contact_that_holds_all_that_was_sent_confirms_the_record():
    sent = record(0, "ann@x.com", properties={"phone": "1", "city": "Ulm"})
    there = held(email="ann@x.com", phone="1", city="Ulm", lastname="Kept")
    assert confirmed_by(sent, [held("1", email="bob@x.com"), there]) is there


@pytest.mark.parametrize("city", ["Bonn", "", None, 7, "ulm", "Ulm "])
def test_one_value_that_differs_confirms_nothing(city):
    sent = record(0, "ann@x.com", properties={"phone": "1", "city": "Ulm"})
    assert confirmed_by(sent, [held(email="ann@x.com", phone="1", city=city)]) is None
    assert confirmed_by(sent, [held(email="ann@x.com", phone="1")]) is None
    assert confirmed_by(sent, []) is None


def test_another_contact_with_the_same_values_confirms_nothing():
    sent = record(0, "ann@x.com", properties={"city": "Ulm"})
    assert confirmed_by(sent, [held(email="bob@x.com", city="Ulm"), held(city="Ulm")]) is None


def test_a_key_is_compared_without_regard_to_case():
    sent = record(0, "Ann@X.com", properties={"city": "Ulm"})
    assert confirmed_by(sent, [held(email="ann@x.com", city="Ulm")])


def test_a_contact_is_found_by_a_secondary_address():
    sent = record(0, "ann@old.com", properties={"city": "Ulm"})
    there = held(email="ann@new.com", hs_additional_emails="a@b.com;ANN@old.com", city="Ulm")
    assert confirmed_by(sent, [there]) is there


def test_a_record_is_found_by_its_own_id_and_by_those_of_records_merged_into_it():
    sent = [record(n, key, id_property=OWN_ID, properties={"city": "Ulm"}) for n, key in enumerate("57")]
    there = held("7", hs_merged_object_ids="5;6", hs_object_id="7", city="Ulm")
    assert [confirmed_by(one, [there]) for one in sent] == [there, there]
    gone = error_of({"category": "OBJECT_NOT_FOUND", "context": {"ids": ["8"]}})
    answers = answers_for(OWN_ID, ["5", "7", "8"], [there], [gone])
    assert [one.answer for one in answers] == [Answer.HELD, Answer.HELD, Answer.ABSENT]
    assert {"hs_merged_object_ids", OWN_ID} <= set(wanted_properties(sent))


def test_further_addresses_are_no_keys_where_the_key_is_another_property():
    sent = record(0, "ann@old.com", id_property="external_id", properties={"city": "Ulm"})
    assert confirmed_by(sent, [held(hs_additional_emails="ann@old.com", city="Ulm")]) is None


def test_an_address_sent_as_a_value_comes_back_in_lower_case():
    sent = record(0, "17", id_property="external_id", properties={"email": "Ann@X.com"})
    assert confirmed_by(sent, [held(external_id="17", email="ann@x.com")], kinds={"email": Kind("string")})


@pytest.mark.parametrize(
    ("wanted", "there"), [("1.10", "1.1"), ("1.0", "1"), ("1", "1.00"), ("-2.50", "-2.5")]
)
def test_a_number_comes_back_in_its_short_spelling(wanted, there):
    sent, found = record(0, "a@x.com", properties={"n": wanted}), [held(email="a@x.com", n=there)]
    assert confirmed_by(sent, found, kinds={"n": Kind("number")})
    assert confirmed_by(sent, found, kinds={"n": Kind("string")}) is None
    assert confirmed_by(sent, found) is None


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("01234", "1234"),  # a postcode
        ("+49123", "49123"),  # a telephone number
        ("0049123", "49123"),
        ("1e5", "100000"),  # an article
        ("1_000", "1000"),
        ("12", "\uff11\uff12"),
        ("NaN", "nan"),
        ("Infinity", "inf"),
    ],
)
def test_texts_that_are_equal_only_as_numbers_are_not_the_same_value(wanted, there):
    """Otherwise a write that was lost counts as confirmed, and the old value stays."""
    sent = record(0, "a@x.com", properties={"zip": wanted})
    assert confirmed_by(sent, [held(email="a@x.com", zip=there)]) is None


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=4) | st.integers().map(str)),
    st.dictionaries(
        st.sampled_from(["email", "a", "b", "c", "hs_additional_emails"]),
        st.none()
        | st.integers()
        | st.text(max_size=4)
        | st.just("p@x.com")
        | st.sampled_from(["sNaN", "1e9"]),
    ),
)
def test_judging_raises_nothing_and_confirms_only_with_every_property_there(wanted, there):
    sent = record(0, "p@x.com", properties=wanted)
    found = confirmed_by(sent, [held(**there)])
    if found:
        assert all(isinstance(there.get(name), str) or not text for name, text in wanted.items())
    assert confirmed_by(sent, [held(**{**wanted, "email": "p@x.com"})])


@pytest.mark.parametrize(
    ("updated", "confirms"),
    [
        ("2026-01-01T00:00:05.249Z", False),
        ("2026-01-01T00:00:05.250Z", True),
        ("2026-01-01T00:00:06Z", True),
        ("2026-01-01T01:00:00+01:00", False),
        ("", True),
        ("yesterday", True),
    ],
)
def test_what_was_not_touched_since_confirms_nothing(updated, confirms):
    """A missing time is no evidence against it."""
    sent = record(0, "ann@x.com", properties={"city": "Ulm"})
    there = Result(
        "7", new=False, trace_id="", properties={"email": "ann@x.com", "city": "Ulm"}, updated=updated
    )
    accepted_at = 1_767_225_605.25  # 2026-01-01T00:00:05.250Z
    assert (confirmed_by(sent, [there], accepted_at) is there) is confirms


@pytest.mark.parametrize(
    ("app", "at", "confirms"),
    [
        ("7", "2026-01-01T00:00:05Z", True),
        ("7", "2025-12-31T23:59:59Z", False),
        ("9", "2026-01-01T00:00:05Z", False),
        ("", "2026-01-01T00:00:05Z", False),
    ],
)
def test_history_confirms_only_what_our_app_wrote_since(app, at, confirms):
    """An app that is not known may be any."""
    history = {"phone": (Version("+4930123456", at, "INTEGRATION", "7"),)}
    there = Result("1", new=False, trace_id="", properties={}, history=history)
    assert confirmed_by_history(["phone"], there, 1_767_225_600.0, app) is confirms


# --- which contacts there are ---


def error(category, *ids, sub_category=""):
    return error_of({"category": category, "subCategory": sub_category, "context": {"ids": list(ids)}})


@pytest.mark.parametrize(
    ("results", "errors", "answer", "why"),
    [
        ([held(email="ann@x.com")], [], Answer.HELD, ""),
        ([held(email="new@x.com", hs_additional_emails="b@x.com;ANN@x.com")], [], Answer.HELD, ""),
        ([], [error("OBJECT_NOT_FOUND", "ann@x.com")], Answer.ABSENT, ""),
        ([], [error("object_not_found", " Ann@X.com")], Answer.ABSENT, ""),
        ([], [error("", "ann@x.com", sub_category="crm.OBJECT_NOT_FOUND")], Answer.ABSENT, ""),
        ([], [error("INTERNAL_ERROR", "ann@x.com")], Answer.AGAIN, "INTERNAL_ERROR"),
        ([], [error("Rate_Limits", "ann@x.com")], Answer.AGAIN, "RATE_LIMITS"),
        ([], [error("VALIDATION_ERROR", "ann@x.com")], Answer.UNKNOWN, "VALIDATION_ERROR"),
        ([], [error("", "ann@x.com")], Answer.UNKNOWN, "an error of unknown category"),
        ([], [error("ann@x.com", "ann@x.com")], Answer.UNKNOWN, "an error of unknown category"),
        ([], [error("OBJECT_NOT_FOUND", "bob@x.com")], Answer.AGAIN, ""),
        ([], [error("OBJECT_NOT_FOUND")], Answer.AGAIN, ""),
        ([], [], Answer.AGAIN, ""),
        (
            [],
            [error("OBJECT_NOT_FOUND", "ann@x.com"), error("TIMEOUT", "ann@x.com")],
            Answer.AGAIN,
            "TIMEOUT",
        ),
        (
            [held(email="ann@x.com")],
            [error("OBJECT_NOT_FOUND", "ann@x.com")],
            Answer.AGAIN,
            "the answer contradicts itself",
        ),
        ([held("1", email="ann@x.com"), held("2", email="ann@x.com")], [], Answer.AGAIN, None),
        ([held(email="ann@x.com", city="A"), held(email="ann@x.com", city="B")], [], Answer.AGAIN, None),
        ([held("1", email="ann@x.com"), held("1", email="ann@x.com")], [], Answer.HELD, ""),
        ([held("", email="ann@x.com")], [], Answer.AGAIN, ""),
    ],
)
def test_only_object_not_found_says_that_there_is_no_such_contact(results, errors, answer, why):
    (one,) = answers_for("email", ["Ann@x.com"], results, errors)
    assert one.answer is answer
    assert why is None or one.why == why
    assert (one.held is not None) == (answer is Answer.HELD)


def test_a_contact_whose_primary_address_it_is_comes_before_one_that_has_it_as_a_further_one():
    further = held("1", email="new@x.com", hs_additional_emails="ann@x.com")
    primary = held("2", email="ann@x.com")
    for results in ([further, primary], [primary, further]):
        assert answers_for("email", ["ann@x.com"], results, [])[0].held is primary


def test_by_hubspots_own_ids_a_contact_is_found_by_its_id_alone():
    results = [held("7", email="8"), held("9")]
    found = answers_for("", ["7", "8", "9"], results, [error("OBJECT_NOT_FOUND", "8")])
    assert [one.answer for one in found] == [Answer.HELD, Answer.ABSENT, Answer.HELD]


_KEYS = ["a@x.com", "b@x.com", "c@x.com"]
_CATEGORIES = ["OBJECT_NOT_FOUND", "INTERNAL_ERROR", "VALIDATION_ERROR", ""]
_some_errors = st.lists(
    st.builds(
        lambda category, ids: error(category, *ids),
        st.sampled_from(_CATEGORIES),
        st.lists(st.sampled_from(_KEYS)),
    )
)
_some_results = st.lists(
    st.builds(lambda one, key: held(one, email=key), st.sampled_from("12"), st.sampled_from(_KEYS))
)


@given(_some_results, _some_errors)
def test_every_key_has_one_answer_and_it_rests_on_what_names_the_key(results, errors):
    answers = answers_for("email", _KEYS, results, errors)
    for key, one in zip(_KEYS, answers, strict=True):
        naming = [found for found in errors if key in found.ids]
        assert (one.answer is Answer.ABSENT) == (
            bool(naming)
            and all(found.is_not_found for found in naming)
            and all(found.properties["email"] != key for found in results)
        )
        if one.answer is Answer.HELD:
            assert one.held.properties["email"] == key
            assert not naming
