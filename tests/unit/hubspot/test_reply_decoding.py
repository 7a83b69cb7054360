"""What is read off an answer, whatever it holds."""

import json

import orjson
import pytest
from hypothesis import given, settings, strategies as st
from multidict import CIMultiDict

from support.builders import headers, reply
from uploader.hubspot.error_objects import PropertyFault
from uploader.hubspot.replies import Result, whole_error
from uploader.hubspot.reply_decoding import decode
from uploader.hubspot.requests import ALL_PROPERTIES

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
_FIELDS = [
    "status",
    "results",
    "errors",
    "numErrors",
    "category",
    "errorType",
    "message",
    "context",
    "policyName",
    "correlationId",
    "id",
    "new",
    "properties",
    "objectWriteTraceId",
    "ids",
    "existingId",
    "propertyName",
    "code",
]
#: Bodies that use HubSpot's own names with values of any kind, at any depth.
_LOOKALIKES = st.recursive(
    _JSON, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(_FIELDS), inner), max_leaves=25
)
_HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining"])
    | st.sampled_from(["X-HubSpot-RateLimit-Interval-Milliseconds", "x-hubspot-correlation-id"]),
    st.text() | st.sampled_from(["nan", "inf", "-1", "1e999", "0", "²", "٣", "9" * 400]),
)


# --- what comes back ---


@given(st.integers(-1, 999), _HEADERS, st.binary() | _LOOKALIKES.map(orjson.dumps))
def test_decode_raises_nothing_whatever_the_server_says(status, head, body):
    decoded = decode(status, CIMultiDict(head), body)
    assert decoded.status == status
    if 300 <= status < 400:
        assert "redirects are not followed" in decoded.message
    else:
        assert whole_error(decoded).message == decoded.message
    assert decoded.retry_after_seconds is None or 0 <= decoded.retry_after_seconds <= 7 * 86_400


@given(st.text(alphabet='[]{}",:0123456789.eE-\\ nul', max_size=60))
def test_decode_raises_nothing_whatever_stands_inside_a_message(junk):
    message = f"Property values were not valid: {junk}"
    assert decode(400, {}, orjson.dumps({"message": message})).message == message


def test_decode_raises_nothing_over_a_message_nested_without_end():
    message = "Property values were not valid: " + "[" * 200_000
    assert decode(400, {}, orjson.dumps({"message": message})).faults == ()


#: A batch's answer as it is documented, with now and then a field that is missing, or of another type.
_VERSIONS = st.fixed_dictionaries(
    {}, optional={"value": st.text(), "timestamp": st.text(), "sourceType": st.text() | st.none()}
)
_WRITTEN = st.fixed_dictionaries(
    {"id": st.text() | st.sampled_from([17, None, ""])},
    optional={
        "new": st.booleans() | st.none(),
        "objectWriteTraceId": st.text() | st.just(7),
        "properties": st.dictionaries(st.sampled_from(["email", "phone", "z"]), st.text() | st.none()),
        "updatedAt": st.text() | st.just(0),
        "createdAt": st.text(),
        "url": st.text() | st.none(),
        "archived": st.booleans(),
        "propertiesWithHistory": st.dictionaries(st.sampled_from(["phone"]), st.lists(_VERSIONS)),
        "from": st.fixed_dictionaries({"id": st.text()}),
        "to": st.lists(st.fixed_dictionaries({"toObjectId": st.integers(0, 9)})),
    },
    # In a read of associations, which is always decoded field by field, `from` has the id.
).filter(lambda one: one["id"] != "" or "from" not in one)
_ANSWERS = st.fixed_dictionaries(
    {"results": st.lists(_WRITTEN, max_size=4) | st.none()},
    optional={
        "status": st.sampled_from(["COMPLETE", "pending", "", None, 7]),
        "errors": st.lists(_LOOKALIKES, max_size=2) | st.none(),
        "numErrors": st.integers(-1, 10**30) | st.booleans(),
        "startedAt": st.text(),
        "requestedAt": st.text() | st.none(),
        "correlationId": st.text(),
        "message": st.text(),
        "category": st.text(),
        "policyName": st.text() | st.just(1.5),
        "links": _JSON,
    },
)


def _read_off(decoded, shown):
    """All that is read of a reply, in a form in which two ways of reading can be compared."""
    results = []
    for one in decoded.results:
        shown_properties = {
            name: value for name, value in one.properties.items() if shown in {name, ALL_PROPERTIES}
        }
        results.append([getattr(one, name) for name in Result.__struct_fields__ if name != "properties"])
        results[-1].append(shown_properties)
    shown_properties = {
        name: getattr(decoded, name)
        for name in decoded.__slots__
        if name not in {"results", "body", "errors"}
    }
    return shown_properties, results, [(error.category, error.message, error.ids) for error in decoded.errors]


@settings(max_examples=2 * settings.default.max_examples)
@given(_ANSWERS | _LOOKALIKES, st.sampled_from(["email", ALL_PROPERTIES]))
def test_a_batchs_answer_is_read_at_once_as_it_is_field_by_field(body, shown):
    raw = json.dumps(body).encode()
    assert _read_off(decode(200, {}, raw, shown), shown) == _read_off(decode(200, {}, raw), shown)


#: As HubSpot was seen to answer.
_PARTIAL = {
    "completedAt": "2025-11-04T20:29:54.897Z",
    "status": "COMPLETE",
    "startedAt": "2025-11-04T20:29:54.816Z",
    "results": [
        {
            "id": "171596044870",
            "properties": {"email": "Zoë@x.com", "num_notes": "0", "hs_email_domain": None},
            "createdAt": "2025-11-04T20:29:54.897Z",
            "updatedAt": "2025-11-04T20:29:54.897Z",
            "archived": False,
            "new": True,
            "url": "https://app.hubspot.com/contacts/1/record/0-1/171596044870",
        }
    ],
    "errors": [
        {
            "status": "error",
            "category": "CONFLICT",
            "message": "Contact already exists. Existing ID: 171591000198",
            "context": {"objectWriteTraceId": ["0"], "existingId": ["171591000198"]},
        }
    ],
    "numErrors": 1,
}


@pytest.mark.parametrize(
    ("shown", "properties"),
    [("email", {"email": "Zoë@x.com"}), (ALL_PROPERTIES, _PARTIAL["results"][0]["properties"])],
)
def test_a_documented_answer_is_read_at_once(shown, properties):
    decoded = decode(207, {}, orjson.dumps(_PARTIAL), shown)
    assert decoded.body is None, "it was decoded a second time"
    (result,) = decoded.results
    assert (result.id, result.new, result.properties) == ("171596044870", True, properties)
    assert [(error.trace_ids, error.existing_id) for error in decoded.errors] == [(("0",), "171591000198")]
    assert (decoded.batch_status, decoded.num_errors) == ("COMPLETE", 1)


@pytest.mark.parametrize("shown", ['na"me', "na\\me", "na\x07me", "", "é", "ключ", ALL_PROPERTIES])
def test_a_property_of_any_name_is_read(shown):
    name = "any" if shown == ALL_PROPERTIES else shown
    body = {"results": [{"id": "1", "properties": {"z": "1", name: "v"}}]}
    for raw in (json.dumps(body), json.dumps(body, ensure_ascii=False)):
        assert decode(200, {}, raw.encode(), shown).results[0].properties[name] == "v"


@pytest.mark.parametrize("shown", ["email", ALL_PROPERTIES, None])
def test_of_a_name_that_stands_twice_in_an_object_the_last_one_holds(shown):
    body = (
        b'{"results":[{"id":"0"}],"status":"PENDING","status":"COMPLETE",'
        b'"results":[{"id":"1","new":false,"properties":{"email":"x"},"id":"2","new":true,'
        b'"properties":{"email":"a","\\u0065mail":"b"}}]}'
    )
    decoded = decode(200, {}, body, shown)
    assert decoded.batch_status == "COMPLETE"
    assert [(one.id, one.new, one.properties) for one in decoded.results] == [("2", True, {"email": "b"})]


@pytest.mark.parametrize("shown", ["email", ALL_PROPERTIES, None])
@pytest.mark.parametrize(
    "where",
    [
        b'{"results":[{"id":"1","properties":{"email":"a@x.com","x":"%b"}}]}',
        b'{"results":[{"id":"1","url":"%b"}]}',
        b'{"results":[{"id":"1","%b":7}]}',
        b'{"results":[{"id":"1"}],"x":{"y":["%b"]}}',
        b'{"results":[{"id":"1"}],"errors":[{"message":"%b"}]}',
    ],
)
@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\\ud800", b"\x01", b"\\q"])
def test_an_answer_that_is_no_text_anywhere_is_unreadable(where, bad, shown):
    decoded = decode(200, {}, where % bad, shown)
    assert (decoded.readable, decoded.results) == (False, ())
    assert decode(200, {}, where % "ë".encode(), shown).readable


@pytest.mark.parametrize("shown", ["email", ALL_PROPERTIES, None])
def test_an_answer_nested_without_end_is_unreadable(shown):
    depth = 200_000  # how much less can be read depends on the version of Python
    body = b'{"results":[],"x":%b%b}' % (b"[" * depth, b"]" * depth)
    assert not decode(200, {}, body, shown).readable


@pytest.mark.parametrize("count", [-1, 0, True, 1.5, "3", None, [3], 2**64 - 1])
def test_an_invalid_number_of_errors_counts_as_zero_and_fits_the_checkpoint(count):
    # The checkpoint holds 64-bit integers; a larger one would break every later commit.
    assert 0 <= reply(200, body={"numErrors": count}).num_errors < 2**53


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b"null", b'"text"', b'{"cut":', b"\xff"])
def test_a_body_that_is_no_object_is_unreadable(body):
    decoded = decode(502, {}, body)
    assert not decoded.readable
    assert "JSON object" in decoded.message


def test_errors_are_read_off_any_2xx():
    decoded = reply(200, results=[], errors=[{"message": "no", "context": {"objectWriteTraceId": ["7"]}}])
    assert [error.trace_ids for error in decoded.errors] == [("7",)]
    assert decoded.num_errors == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"context": {"objectWriteTraceId": ["7"]}},
        {"context": {"objectWriteTraceId": "7"}},
        {"context": {"objectWriteTraceId": [7]}},
        {"objectWriteTraceId": "7"},
    ],
)
def test_a_trace_id_is_found_wherever_servers_put_it(entry):
    assert reply(207, errors=[entry]).errors[0].trace_ids == ("7",)


def test_a_result_keeps_id_novelty_trace_and_properties():
    result = {"id": 17, "new": True, "objectWriteTraceId": "3", "properties": {"email": "a@x.com"}}
    (found,) = reply(200, results=[result]).results
    assert (found.id, found.new, found.trace_id, found.properties) == ("17", True, "3", {"email": "a@x.com"})


def test_a_correlation_id_is_taken_from_the_body_else_from_the_header():
    head = headers(correlation_id="from-header")
    assert decode(400, head, b'{"correlationId":"from-body"}').correlation_id == "from-body"
    assert decode(400, head, b"{}").correlation_id == "from-header"
    assert decode(502, head, b"<html>").correlation_id == "from-header"


def test_what_is_logged_of_an_answer_are_codes_and_no_other_text():
    """A server that is out of order may put anything anywhere."""
    person = "Ann Lee <ann@x.com>"
    shown_properties = {"status": person, "category": person, "errorType": person, "correlationId": person}
    for status in (200, 400, 500):
        answer = decode(status, headers(correlation_id=person), orjson.dumps(shown_properties))
        fields = (answer.batch_status, answer.category, answer.correlation_id)
        assert fields == ("UNKNOWN" if status == 200 else "", "", "")


def test_the_embedded_list_of_a_message_gives_codes_and_names():
    message = (
        'Property values were not valid: [{"isValid":false,"message":"Property \\"missing\\" does not exist",'
        '"error":"PROPERTY_DOESNT_EXIST","name":"missing","localizedErrorMessage":"...","portalId":891936587}]'
    )
    assert reply(400, body={"message": message}).faults == (
        PropertyFault("PROPERTY_DOESNT_EXIST", "missing"),
    )
    error = reply(207, errors=[{"message": message}]).errors[0]
    assert error.faults == (PropertyFault("PROPERTY_DOESNT_EXIST", "missing"),)


def test_nested_errors_give_codes_and_names():
    nested = [
        {"message": "", "code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["x", "y"]}},
        {"message": "", "code": "READ_ONLY_VALUE", "context": {"propertyName": "z"}},
    ]
    decoded = reply(400, body={"message": "bad", "errors": nested})
    assert decoded.faults == (
        PropertyFault("PROPERTY_DOESNT_EXIST", "x"),
        PropertyFault("PROPERTY_DOESNT_EXIST", "y"),
        PropertyFault("READ_ONLY_VALUE", "z"),
    )
    assert whole_error(decoded).faults == decoded.faults


def test_a_fault_said_in_words_alone_is_understood():
    decoded = reply(400, body={"message": 'Property "shoe_size" does not exist'})
    assert decoded.faults == (PropertyFault("PROPERTY_DOESNT_EXIST", "shoe_size"),)


def test_the_id_of_an_existing_contact_comes_from_the_context_else_from_the_message():
    message = "Contact already exists. Existing ID: 12345"
    assert reply(207, errors=[{"message": message}]).errors[0].existing_id == "12345"
    named = {"message": message, "context": {"existingId": ["678"]}}
    assert reply(207, errors=[named]).errors[0].existing_id == "678"


def test_rate_headers_are_read_without_regard_to_case():
    head = headers(limit=190, remaining=12, interval_ms=10_000, daily=625_000, daily_remaining=9)
    for spelled in (head, CIMultiDict({name.lower(): value for name, value in head.items()})):
        quota = decode(200, spelled, b"{}").quota
        assert (quota.limit, quota.remaining, quota.interval_seconds) == (190, 12, 10.0)
        assert (quota.daily, quota.daily_remaining) == (625_000, 9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("86400", 86_400.0), ("-1", None), ("soon", None), ("nan", None), ("1e9", None)],
)
def test_retry_after_is_understood_in_seconds_and_within_reason(text, seconds):
    assert decode(477, headers(retry_after=text), b"{}").retry_after_seconds == seconds


NOON = "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("date", "until", "seconds"),
    [
        (NOON, "Thu, 01 Jan 2026 12:30:00 GMT", 1_800.0),
        (NOON, "Thu, 01 Jan 2026 11:30:00 GMT", 0.0),
        (NOON, "Thu, 01 Jan 2027 12:30:00 GMT", None),
        ("", "Thu, 01 Jan 2026 12:30:00 GMT", None),
        (NOON, "Thu, 01 Jan 2026", None),
    ],
)
def test_retry_after_may_be_a_date_by_the_clock_of_the_reply(date, until, seconds):
    assert decode(477, headers(retry_after=until, date=date), b"{}").retry_after_seconds == seconds


@pytest.mark.parametrize("text", ["", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 2026 12:00:00"])
def test_an_implausible_date_header_is_ignored(text):
    assert decode(200, headers(date=text), b"{}").date is None


def test_a_reply_tells_when_it_was_sent():
    assert decode(200, headers(date=NOON), b"{}").date == decode(502, headers(date=NOON), b"<").date
    assert decode(200, headers(date=NOON), b"{}").date == 1_767_268_800
