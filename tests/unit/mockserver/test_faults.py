"""the fault switches: and what each does to the contacts."""

import gzip
import json

import orjson
import pytest
from hypothesis import given, strategies as st

from support.mock_requests import MockClient, fault, many, one, traced
from uploader.mockserver.faults.latency import latency_seconds
from uploader.mockserver.request_and_reply import Delivery

ALL_OK = ["a@x.com", "b@x.com", "c@x.com", "d@x.com"]


# Statuses


@pytest.mark.parametrize("status", [500, 423, 418, 799])
def test_an_ordered_status_is_json_and_writes_nothing(status):
    talk = MockClient(fault("status", status=status))
    reply = talk.upsert(one("a@x.com"))
    assert (reply.status, reply.json()["status"]) == (status, "error")
    assert "category" not in reply.json()
    assert talk.stored == {}


@pytest.mark.parametrize("status", [502, 503, 504, 521, 522, 523, 524, 525, 526])
def test_the_edge_answers_in_html_and_without_hubspots_headers(status):
    reply = MockClient(fault("status", status=status)).upsert(one("a@x.com"))
    assert reply.status == status
    assert reply.body.startswith(b"<!DOCTYPE html>")
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "x-hubspot-correlation-id" not in reply.headers


@pytest.mark.parametrize(
    ("keys", "path", "value"),
    [
        ({"status": 401}, ("category",), "EXPIRED_AUTHENTICATION"),
        ({"status": 401, "shape": "garbage"}, ("context", "expire time", 0), "1970-01-01T00:00:00Z"),
        ({"status": 401, "shape": "missing"}, ("category",), "INVALID_AUTHENTICATION"),
        (
            {"status": 403},
            ("errors", 0, "context", "requiredGranularScopes", 0),
            "crm.objects.contacts.write",
        ),
        (
            {"status": 403, "shape": "context"},
            ("context", "requiredGranularScopes", 0),
            "crm.objects.contacts.write",
        ),
        ({"status": 409}, ("message",), "Contact already exists. Existing ID: 171591000198"),
        ({"status": 409, "shape": "without_id"}, ("message",), "Contact already exists"),
        ({"status": 409, "shape": "identity"}, ("error",), "CONTACT_EXISTS"),
        ({"status": 429}, ("policyName",), "TEN_SECONDLY_ROLLING"),
        ({"status": 429, "shape": "daily"}, ("policyName",), "DAILY"),
        ({"status": 500}, ("message",), "internal error"),
        ({"status": 503, "shape": "json", "message": "later"}, ("message",), "later"),
        ({"status": 400}, ("category",), "VALIDATION_ERROR"),
    ],
)
def test_ordered_statuses_have_their_recorded_bodies(keys, path, value):
    reply = MockClient(fault("status", **keys)).upsert(one("a@x.com"))
    found = reply.json()
    for step in path:
        found = found[step]
    assert (reply.status, found) == (keys["status"], value)


def test_477_says_when_and_others_only_when_told():
    assert MockClient(fault("status", status=477)).upsert(one("a")).headers["Retry-After"] == "3600"
    reply = MockClient(fault("status", status=429, retry_after_seconds=9)).upsert(one("a"))
    assert reply.headers["Retry-After"] == "9"
    assert "Retry-After" not in MockClient(fault("status", status=423)).upsert(one("a")).headers


def test_an_empty_error_body():
    assert MockClient(fault("status", status=503, shape="empty")).upsert(one("a@x.com")).body == b""


# Whether the write happens


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("status", {"status": 502}),
        ("status", {"status": 524}),
        ("reset", {}),
        ("no_op", {}),
        ("redirect", {}),
    ],
)
def test_commit_then_fail_and_fail_before_the_commit(kind, keys):
    for applied in (False, True):
        talk = MockClient(fault(kind, applied=applied, **keys))
        talk.upsert(one("a@x.com"))
        assert bool(talk.stored) is applied


def test_a_late_write_happens_when_its_time_has_come():
    talk = MockClient(fault("status", status=504, late_seconds=3.0))
    talk.upsert(one("a@x.com"))
    talk.now = 2.9
    assert talk.stored == {}
    talk.now = 3.0
    assert list(talk.stored) == ["a@x.com"]
    assert next(talk.simulator.objects(3.0))["created_at"] == "2026-01-01T00:00:03.000Z"


def test_a_late_write_comes_after_a_resend_and_updates():
    talk = MockClient(fault("reset", late_seconds=3.0, times=1))
    talk.upsert(one("a@x.com", phone="1"))
    talk.now = 1.0
    assert talk.upsert(one("a@x.com", phone="2")).json()["results"][0]["new"] is True
    talk.now = 5.0
    assert talk.stored["a@x.com"]["phone"] == "1"


# The connection


def test_truncate_reset_and_drip_are_plans_for_the_transport():
    cut = MockClient(fault("truncate", keep_share=0.25)).upsert(one("a@x.com"))
    assert (cut.delivery, cut.sent_bytes) == (Delivery.TRUNCATE, len(cut.body) // 4)
    drip = MockClient(fault("drip", seconds=9)).upsert(one("a@x.com"))
    assert (drip.delivery, drip.drip_seconds, drip.json()["status"]) == (Delivery.DRIP, 9.0, "COMPLETE")
    assert MockClient(fault("reset")).upsert(one("a@x.com")).delivery is Delivery.RESET


def test_a_delay_overrides_the_latency():
    assert (
        MockClient(fault("delay", seconds=100), latency_seconds=1.0).upsert(one("a")).delay_seconds == 100.0
    )


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 100))
def test_latency_grows_with_the_records_and_zero_is_none(random_number, records):
    assert latency_seconds(0.0, records, random_number) == 0.0
    assert 0.8 <= latency_seconds(1.0, records, random_number) <= 0.8 * 20 + records / 200
    assert latency_seconds(1.0, records, random_number) <= latency_seconds(1.0, records + 1, random_number)


def test_latency_is_seeded_and_completed_at_agrees():
    def delays(seed):
        talk = MockClient(latency_seconds=0.15, seed=seed)
        return [talk.upsert(*many(2)).delay_seconds for _ in range(5)]

    assert delays(1) == delays(1) != delays(2)
    reply = MockClient(fault("delay", seconds=0.25)).upsert(one("a@x.com"))
    assert reply.json()["completedAt"] == "2026-01-01T00:00:00.250Z"


# Healthy-looking answers that are not


def test_a_no_op_is_complete_and_empty():
    reply = MockClient(fault("no_op")).upsert(*many(3))
    assert (reply.status, reply.json()["status"], reply.json()["results"]) == (200, "COMPLETE", [])


def test_fewer_results_than_were_written():
    talk = MockClient(fault("drop_results", count=3))
    assert len(talk.upsert(*many(5)).json()["results"]) == 2
    assert len(talk.stored) == 5


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "CANCELED"])
@pytest.mark.parametrize(
    ("applied", "late", "at_once", "at_last"), [(True, None, 4, 4), (False, None, 1, 1), (False, 5.0, 1, 4)]
)
def test_batch_status_with_partial_results(status, applied, late, at_once, at_last):
    keys = {"late_seconds": late} if late else {}
    talk = MockClient(fault("batch_status", status=status, results_share=0.25, applied=applied, **keys))
    body = talk.upsert(*traced(*ALL_OK)).json()
    assert (body["status"], len(body["results"])) == (status, 1)
    assert len(talk.stored) == at_once
    talk.now = 6.0
    assert len(talk.stored) == at_last


@pytest.mark.parametrize(
    ("shape", "begins"),
    [
        ("array", b"[{"),
        ("null", b"null"),
        ("wrong_types", b'{"status":7'),
        ("html", b"<!DOCTYPE"),
        ("empty", b""),
    ],
)
def test_bodies_that_are_not_what_they_should_be(shape, begins):
    reply = MockClient(fault("garble", shape=shape)).upsert(one("a@x.com"))
    assert reply.status == 200
    assert reply.body.startswith(begins)
    assert reply.body or shape == "empty"


def test_bodies_that_cannot_be_read():
    with pytest.raises(orjson.JSONDecodeError):
        MockClient(fault("garble", shape="not_json")).upsert(one("a@x.com")).json()
    with pytest.raises(UnicodeDecodeError):
        MockClient(fault("garble", shape="invalid_utf8")).upsert(one("a@x.com")).body.decode()


def test_a_gigantic_body_is_still_json():
    reply = MockClient(fault("garble", shape="huge", bytes=3_000_000)).upsert(one("a@x.com"))
    assert len(reply.body) == 3_000_000
    assert reply.json()["status"] == "COMPLETE"


def test_a_wrong_content_type():
    reply = MockClient(fault("garble", content_type="text/plain")).upsert(one("a@x.com"))
    assert reply.headers["Content-Type"] == "text/plain"
    assert reply.json()["status"] == "COMPLETE"


def test_a_redirect_points_elsewhere():
    reply = MockClient(fault("redirect", location="https://elsewhere.example/")).upsert(one("a@x.com"))
    assert (reply.status, reply.headers["Location"]) == (302, "https://elsewhere.example/")


# Rules that bend the envelope


def bent(**rules):
    return MockClient({"rules": rules}).upsert(*traced("a@x.com", "b@x.badtld", "c@x.badtld"))


def test_echoed_trace_ids_and_kept_order():
    results = (
        MockClient({"rules": {"echo_trace_ids": True, "results_order": "input"}})
        .upsert(*many(30))
        .json()["results"]
    )
    assert [result["objectWriteTraceId"] for result in results] == [str(n) for n in range(30)]


def test_errors_can_come_with_status_200():
    reply = bent(errors_in_200=True)
    assert (reply.status, reply.json()["numErrors"]) == (200, 2)


def test_a_207_that_says_nothing_of_its_failures():
    reply = bent(errors_listed=False)
    assert (reply.status, len(reply.json()["results"])) == (207, 1)
    assert "errors" not in reply.json()


def test_errors_without_trace_id():
    assert [error["context"] for error in bent(errors_without_trace_id=True).json()["errors"]] == [{}, {}]


@pytest.mark.parametrize(
    ("group", "context"),
    [("trace_ids", {"objectWriteTraceId": ["t1", "t2"]}), ("ids", {"ids": ["b@x.badtld", "c@x.badtld"]})],
)
def test_one_error_names_many_records_and_counts_once(group, context):
    body = bent(group_errors=group).json()
    assert ([error["context"] for error in body["errors"]], body["numErrors"]) == ([context], 1)


def test_a_trace_id_as_a_string_and_at_the_top():
    assert bent(trace_id_shape="string").json()["errors"][0]["context"] == {"objectWriteTraceId": "t1"}
    assert bent(trace_id_shape="top_level").json()["errors"][0]["objectWriteTraceId"] == "t1"


def test_num_errors_can_disagree():
    assert bent(num_errors="zero").json()["numErrors"] == 0
    assert bent(num_errors="records", group_errors="trace_ids").json()["numErrors"] == 2


@pytest.mark.parametrize("rule", [{"multi_status": False}, {"email_refuses_partial": True}])
def test_partial_success_can_be_refused_altogether(rule):
    assert bent(**rule).status == 400


def test_email_refuses_partial_concerns_email_keys_only():
    talk = MockClient({"rules": {"email_refuses_partial": True}})
    inputs = [
        one(f"k{n}", id_property="external_id", trace=str(n), score=score) for n, score in enumerate("1x")
    ]
    assert talk.upsert(*inputs).status == 207


def test_option_text_of_fifty_kilobytes():
    talk = MockClient({"rules": {"option_text_bytes": 50_000}})
    assert len(talk.upsert(one("a@x.com", trace="1", tier="x")).json()["errors"][0]["message"]) > 50_000


def test_gzip_only_for_those_who_accept_it():
    talk = MockClient({"rules": {"gzip": True}})
    reply = talk.upsert(one("a@x.com"), headers={"accept-encoding": "gzip, deflate"})
    assert reply.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(reply.body))["status"] == "COMPLETE"
    assert talk.upsert(one("a@x.com")).json()["status"] == "COMPLETE"


def test_rules_can_be_bent_for_some_requests_only():
    talk = MockClient(fault("rules", rules={"echo_trace_ids": True}, requests=[2, 2]))
    echoed = ["objectWriteTraceId" in talk.upsert(*many(1)).json()["results"][0] for _ in range(3)]
    assert echoed == [False, True, False]


# Records


def test_a_poison_record_dooms_every_request_that_carries_it():
    talk = MockClient(fault("status", status=503, keys=["B@x.com"]))
    assert talk.upsert(*traced(*ALL_OK)).status == 503
    assert talk.upsert(*traced("b@x.com")).status == 503
    assert talk.upsert(*traced("a@x.com", "c@x.com")).status == 200


def test_a_poison_record_can_be_chosen_by_what_it_holds():
    talk = MockClient(fault("status", status=409, match={"tier": "gold"}))
    assert talk.upsert(one("a@x.com", tier="silver")).status == 200
    assert talk.upsert(one("a@x.com", tier="gold"), one("b@x.com")).status == 409


def test_rejected_records_are_named_and_the_others_written():
    talk = MockClient(
        fault("reject", keys=["b@x.com", "c@x.com"], category="CONFLICT", message="no", existing_id="7")
    )
    body = talk.upsert(*traced(*ALL_OK)).json()
    assert [error["context"]["objectWriteTraceId"] for error in body["errors"]] == [["t1"], ["t2"]]
    assert body["errors"][0]["context"]["existingId"] == ["7"]
    assert sorted(talk.stored) == ["a@x.com", "d@x.com"]


@pytest.mark.parametrize(
    ("category", "status"), [("CONFLICT", 409), ("OBJECT_ALREADY_EXISTS", 409), ("FORBIDDEN_RECORD", 400)]
)
def test_without_trace_ids_a_rejected_record_refuses_the_batch(category, status):
    talk = MockClient(fault("reject", keys=["a@x.com"], category=category))
    assert talk.upsert(one("a@x.com"), one("b@x.com")).status == status
    assert talk.stored == {}


def test_a_rejection_with_a_code_reads_as_an_invalid_value():
    talk = MockClient(fault("reject", code="REGEX", property="phone", message="x" * 50_000))
    message = talk.upsert(*traced("a@x.com")).json()["errors"][0]["message"]
    assert json.loads(message.partition(": ")[2])[0]["error"] == "REGEX"
    assert talk.upsert(one("a@x.com")).json()["errors"][0]["code"] == "REGEX"


def test_a_share_of_the_records_is_always_the_same():
    talk = MockClient(fault("reject", share=0.3))
    keys = [f"c{n}@x.com" for n in range(100)]

    def refused(inputs):
        errors = talk.upsert(*inputs).json().get("errors", [])
        return {key for error in errors for key in error["context"]["objectWriteTraceId"]}

    together = refused([one(key, trace=key) for key in keys])
    assert 15 <= len(together) <= 45
    assert together == {key for key in keys if refused([one(key.upper(), trace=key)])}


# Which requests


def strikes(document, count=12, seed=0, step=0.0):
    talk = MockClient(document, seed=seed)
    struck = []
    for number in range(1, count + 1):
        if talk.upsert(one("a@x.com")).status != 200:
            struck.append(number)
        talk.now += step
    return struck


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, list(range(1, 13))),
        ({"every": 5}, [5, 10]),
        ({"first": 3}, [1, 2, 3]),
        ({"requests": [4, 6]}, [4, 5, 6]),
        ({"times": 2}, [1, 2]),
        ({"every": 3, "times": 2}, [3, 6]),
        ({"rate": 0.0}, []),
        ({"rate": 1.0}, list(range(1, 13))),
        ({"from_seconds": 4, "until_seconds": 6.5}, [5, 6, 7]),
        ({"endpoint": "read"}, []),
        ({"endpoint": "any", "first": 1}, [1]),
    ],
)
def test_a_fault_strikes_the_requests_that_its_triggers_name(keys, expected):
    assert strikes(fault("status", status=500, **keys), step=1.0) == expected


def test_a_rate_is_fixed_by_the_seed():
    document = fault("status", status=500, rate=0.3)
    assert strikes(document, 200) == strikes(document, 200) != strikes(document, 200, seed=1)
    assert 40 <= len(strikes(document, 200)) <= 80


def test_time_counts_from_the_first_request():
    talk = MockClient(fault("status", status=500, until_seconds=1))
    talk.now = 100.0
    assert talk.upsert(one("a@x.com")).status == 500
    talk.now = 101.0
    assert talk.upsert(one("a@x.com")).status == 200


def test_of_several_faults_the_first_mishap_wins_and_the_rest_add_up():
    document = {
        "faults": [
            {"kind": "delay", "seconds": 7},
            {"kind": "status", "status": 500},
            {"kind": "status", "status": 503},
        ]
    }
    reply = MockClient(document).upsert(one("a@x.com"))
    assert (reply.status, reply.delay_seconds) == (500, 7.0)


@pytest.mark.parametrize(
    ("endpoint", "method", "path"),
    [
        ("properties", "GET", "/crm/v3/properties/contacts"),
        ("account", "GET", "/account-info/v3/details"),
        ("usage", "GET", "/account-info/v3/api-usage/daily/private-apps"),
        ("read", "POST", "/crm/v3/objects/contacts/batch/read"),
        ("archive", "POST", "/crm/v3/objects/contacts/batch/archive"),
        ("token", "POST", "/oauth/v1/token"),
    ],
)
def test_every_endpoint_can_fail(endpoint, method, path):
    talk = MockClient(fault("status", status=429, endpoint=endpoint, first=1))
    assert [talk.send(method, path, {}).status == 429 for _ in range(2)] == [True, False]


def test_an_archive_that_fails_before_the_commit_archives_nothing():
    talk = MockClient(fault("reset", endpoint="archive", first=1))
    contact_id = talk.upsert(one("a@x.com")).json()["results"][0]["id"]
    for left in (1, 0):
        talk.send("POST", "/crm/v3/objects/contacts/batch/archive", {"inputs": [{"id": contact_id}]})
        assert len(talk.stored) == left


def test_read_answers_can_lack_results_too():
    talk = MockClient(fault("drop_results", endpoint="read"))
    talk.upsert(*many(2))
    reply = talk.read("c0@x.com", "c1@x.com")
    assert (reply.status, len(reply.json()["results"])) == (200, 1)


def test_a_read_names_rejected_records_beside_those_that_are_not_there():
    talk = MockClient(
        fault("reject", endpoint="read", keys=["A@x.com"], category="INTERNAL_ERROR", message="no")
    )
    talk.seed({"properties": {"email": "a@x.com"}}, {"properties": {"email": "b@x.com"}})
    reply = talk.read("a@x.com", "b@x.com", "c@x.com", properties=["email"])
    body = reply.json()
    assert (reply.status, [one["properties"]["email"] for one in body["results"]]) == (207, ["b@x.com"])
    named = {one["category"]: one["context"]["ids"] for one in body["errors"]}
    assert named == {"OBJECT_NOT_FOUND": ["c@x.com"], "INTERNAL_ERROR": ["a@x.com"]}
