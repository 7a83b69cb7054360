"""The whole pipeline against the simulator, in virtual time: every row ends right, whatever the replies."""

import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import combined, some
from uploader.hubspot.replies import no_reply
from uploader.model.stop import Cause
from uploader.pipeline.batcher import MAX_BATCH_BYTES
from uploader.records.duplicates import OnDuplicate


def job(tmp_path: Path, rows, *, quota="none", options=None, latency_seconds=0.05, **scenario) -> Job:
    source = write_csv(tmp_path / "contacts.csv", rows)
    simulator = make_simulator(quota=quota, latency_seconds=latency_seconds, **scenario)
    return Job(source, simulator, options or {})


def test_every_row_of_a_clean_file_is_created(tmp_path):
    rows = contacts(1_234)
    run = job(tmp_path, rows)
    summary = run.run_virtual()
    assert summary.exit_code == 0
    assert summary.as_dict()["created"] == 1_234
    run.check(rows, summary)


def test_replies_in_the_documented_form_mean_the_same_as_recorded_ones(tmp_path):
    rows = contacts(300)
    scenario = {
        "rules": {"reply_form": "documented"},
        "faults": [{"kind": "reject", "keys": ["c7@example.com"]}],
    }
    run = job(tmp_path, rows, quota="20/1", options={"skip_unchanged": True}, **scenario)
    summary = run.run_virtual()
    assert (summary.as_dict()["created"], summary.as_dict()["rejected"]) == (299, 1)
    run.check(rows, summary)


@pytest.mark.parametrize("by", ["trace", "key", "nameless"])
def test_a_contact_that_an_answer_lists_twice_confirms_no_other(tmp_path, by):
    """The first answer leaves out a row that was not written, and lists another one twice instead."""
    rows = contacts(30)
    not_written = {"kind": "reject", "keys": ["c7@example.com"], "times": 1}
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(quota="none", faults=[not_written]))
    job.simulator.reset(0.0, [{"properties": {"email": row["email"]}} for row in rows])
    handle, left = job.simulator.handle, [1]

    def list_twice(request, now):
        reply = handle(request, now)
        if not request.path.endswith("/upsert") or not left[0]:
            return reply
        left[0] -= 1
        body = orjson.loads(reply.body)
        (missing,) = [int(one["context"]["objectWriteTraceId"][0]) for one in body.pop("errors")]
        assert missing == 7
        body |= {"numErrors": 0, "results": [*body["results"], body["results"][3]]}
        for result in body["results"]:
            at = result["properties"]["firstname"][1:]
            result.update({"trace": {"objectWriteTraceId": at}}.get(by, {}))
            result["properties"] |= {"key": {"email": f"c{at}@example.com"}}.get(by, {})
        return replace(reply, status=200, body=orjson.dumps(body))

    job.simulator.handle = list_twice
    summary = job.run_virtual()
    assert (left, summary.exit_code, summary.as_dict()["updated"]) == ([0], 0, 30)
    job.check(rows, summary)


def test_repeated_keys_end_as_the_last_row_says(tmp_path):
    rows = [
        {"email": f"C{i % 7}@Example.com" if i % 2 else f" c{i % 7}@example.com", "firstname": f"F{i}"}
        for i in range(300)
    ]
    run = job(tmp_path, rows, options={"on_duplicate": OnDuplicate.IN_ORDER})
    summary = run.run_virtual()
    assert (summary.as_dict()["created"], summary.as_dict()["updated"]) == (7, 293)
    run.check(rows, summary)


def test_a_finished_job_sends_nothing_and_gives_the_same_code(tmp_path):
    rows = contacts(150)
    rows[3]["email"] = "nonsense"
    run = job(tmp_path, rows)
    first = run.run_virtual()
    requests = run.simulator.stats()["requests"]
    second = run.run_virtual()
    assert run.simulator.stats()["requests"] == requests
    assert first.exit_code == second.exit_code == 1
    assert first.as_dict() == second.as_dict()


BAD = "x@example.badtld"


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"multi_status": False},
        {"errors_without_trace_id": True},
        {"group_errors": "trace_ids"},
        {"errors_in_200": True},
    ],
    ids=str,
)
def test_every_poisoned_record_and_no_other_is_rejected(tmp_path, rules):
    rows = contacts(500)
    poisoned = [7, 150, 151, 499]
    for i in poisoned:
        rows[i]["email"] = f"{i}{BAD}"
    run = job(tmp_path, rows, rules=rules)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [letter.row for letter in run.dead_letters()] == [i + 2 for i in poisoned]
    assert {letter.outcome for letter in run.dead_letters()} == {"rejected"}
    assert summary.exit_code == 1


def test_one_poisoned_record_in_a_hundred_costs_at_most_fourteen_more_requests(tmp_path):
    rows = contacts(100)
    rows[42]["email"] = BAD
    run = job(tmp_path, rows, rules={"multi_status": False})
    summary = run.run_virtual()
    assert run.simulator.stats()["upserts"] <= 15
    assert summary.as_dict()["rejected"] == 1


def test_a_conflict_is_retried_once_and_then_refused_alone(tmp_path):
    rows = contacts(100)
    run = job(
        tmp_path,
        rows,
        faults=[{"kind": "status", "status": 409, "shape": "with_id", "keys": ["c5@example.com"]}],
    )
    summary = run.run_virtual()
    run.check(rows, summary)
    (letter,) = run.dead_letters()
    assert (letter.row, letter.category, letter.existing_id != "") == (7, "CONFLICT", True)
    assert run.simulator.stats()["upserts"] <= 16


ANSWERS = {
    "503 now and then": {"kind": "status", "status": 503, "rate": 0.3},
    "503, written all the same": {"kind": "status", "status": 503, "rate": 0.3, "applied": True},
    "524, written all the same": {"kind": "status", "status": 524, "rate": 0.3, "applied": True},
    "reset": {"kind": "reset", "rate": 0.3},
    "reset after the write": {"kind": "reset", "rate": 0.3, "applied": True},
    "half an answer": {"kind": "truncate", "rate": 0.3},
    "HTML for JSON": {"kind": "garble", "shape": "html", "rate": 0.3},
    "no JSON object": {"kind": "garble", "shape": "array", "rate": 0.3},
    "invalid UTF-8": {"kind": "garble", "shape": "invalid_utf8", "rate": 0.3},
    "wrong types": {"kind": "garble", "shape": "wrong_types", "rate": 0.3},
    "an empty 2xx": {"kind": "no_op", "rate": 0.3},
    "results left out": {"kind": "drop_results", "count": 3, "rate": 0.3},
    "423": {"kind": "status", "status": 423, "rate": 0.3},
    "429 of the window": {"kind": "status", "status": 429, "shape": "burst", "rate": 0.1},
    "pending, written at once": {"kind": "batch_status", "status": "PENDING", "applied": True, "rate": 0.3},
    "pending, written later": {"kind": "batch_status", "status": "PENDING", "late_seconds": 3, "rate": 0.3},
    "processing, written at once": {
        "kind": "batch_status",
        "status": "PROCESSING",
        "applied": True,
        "rate": 0.3,
    },
    "cancelled": {"kind": "batch_status", "status": "CANCELED", "results_share": 0, "rate": 0.3},
    "409 of a race": {"kind": "status", "status": 409, "rate": 0.1},
    "500": {"kind": "status", "status": 500, "rate": 0.3},
    "502": {"kind": "status", "status": 502, "rate": 0.3, "applied": True},
    "504": {"kind": "status", "status": 504, "rate": 0.3},
    "521": {"kind": "status", "status": 521, "rate": 0.3},
    "a status nobody knows": {"kind": "status", "status": 599, "rate": 0.3, "shape": "html"},
    "408": {"kind": "status", "status": 408, "rate": 0.3, "applied": True},
    "400 as a proxy's page": {"kind": "status", "status": 400, "rate": 0.3, "shape": "html"},
    "no body at all": {"kind": "garble", "shape": "empty", "rate": 0.3},
    "null": {"kind": "garble", "shape": "null", "rate": 0.3},
    "half of the JSON": {"kind": "garble", "shape": "not_json", "rate": 0.3},
    "slow bodies": {"kind": "drip", "seconds": 20, "rate": 0.3},
    "slow answers": {"kind": "delay", "seconds": 30, "rate": 0.3},
    "a megabyte of answer": {"kind": "garble", "shape": "huge", "rate": 0.3},
}
#: How an account words its refusals; bad records are in each file that they are tried with.
WORDINGS = {
    "errors in a 200": {"errors_in_200": True},
    "a 207 without its errors": {"errors_listed": False},
    "errors without trace id": {"errors_without_trace_id": True},
    "one error naming many by trace id": {"group_errors": "trace_ids"},
    "one error naming many by key": {"group_errors": "ids"},
    "trace ids as bare text": {"trace_id_shape": "string"},
    "trace ids on top": {"trace_id_shape": "top_level"},
    "numErrors of records": {"num_errors": "records", "group_errors": "trace_ids"},
    "numErrors zero": {"num_errors": "zero"},
    "50 KB of options": {"option_text_bytes": 50_000},
    "no partial success": {"multi_status": False},
    "no partial success by e-mail": {"email_refuses_partial": True},
    "results in order, with trace ids": {"results_order": "input", "echo_trace_ids": True},
}


def repeating(count: int) -> list[dict[str, str]]:
    """Every ninth key comes a second time, in other case."""
    again = [{"email": f"C{i}@EXAMPLE.com", "firstname": f"again {i}"} for i in range(0, count, 9)]
    return contacts(count) + again


def check_created(run, summary) -> None:
    created = sum(1 for contact in run.simulator.objects(1e9))
    assert created - summary.as_dict()["created"] <= summary.as_dict()["replayed"]


#: The same to a run as others of them.
ALIKE = {
    *("524, written all the same", "500", "502", "504", "521", "408", "no JSON object", "null"),
    *("processing, written at once", "HTML for JSON"),
}


@pytest.mark.parametrize("answer", some(*(one for one in ANSWERS if one not in ALIKE), soaked=sorted(ALIKE)))
def test_account_and_tallies_are_right_whatever_the_replies(tmp_path, answer):
    rows = repeating(180)
    run = job(tmp_path, rows, faults=[ANSWERS[answer]], options={"max_in_flight": 4})
    run.batch_records = 20
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.state == "complete"
    assert summary.as_dict()["abandoned"] == 0
    check_created(run, summary)


#: The wordings whose retry asks for most: what is not said is found out by halves or by doubt.
ASKED_AGAIN = {"a 207 without its errors", "errors without trace id", "no partial success by e-mail"}


@pytest.mark.parametrize(
    ("wording", "answer"),
    combined(
        WORDINGS,
        ["well", "reset after the write"],
        usual=lambda wording, answer: answer == "well" or wording in ASKED_AGAIN,
    ),
)
def test_refusals_are_understood_however_they_are_worded(tmp_path, wording, answer):
    rules, fault = WORDINGS[wording], ANSWERS.get(answer)
    rows = repeating(180)
    bad = [*range(5, 180, 18), 7, 8]
    for i in bad:
        rows[i] = {"email": f"x{i}@example.badtld", "firstname": "x"}
    run = job(tmp_path, rows, rules=rules, faults=[fault] if fault else [], options={"max_in_flight": 4})
    run.batch_records = 20
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [letter.row for letter in run.dead_letters()] == sorted(i + 2 for i in bad)
    # Of those that an answer says nothing about, nobody knows that they were refused.
    outcome = "rejected" if rules != WORDINGS["a 207 without its errors"] else "abandoned"
    assert summary.as_dict()[outcome] == len(bad)
    check_created(run, summary)


@pytest.mark.parametrize("seed", some(0, 1, soaked=range(2, 12)))
def test_all_faults_mixed_strike_a_third_of_the_requests(tmp_path, seed):
    """Each request meets one of them at most: by odds that come to 30 % together."""
    share = 1 - 0.7 ** (1 / len(ANSWERS))
    rules = list(WORDINGS.values())[seed % len(WORDINGS)]
    faults = [{**fault, "rate": share} for fault in ANSWERS.values()]
    random.Random(seed).shuffle(faults)
    rows = repeating(600)
    rows[234] = {"email": "x@example.badtld", "firstname": "x"}
    run = job(tmp_path, rows, seed=seed, rules=rules, faults=faults, options={"max_in_flight": 4})
    run.batch_records = 20
    summary = run.run_virtual()
    run.check(rows, summary)
    # A refusal that no answer tells may also end as accepted and never confirmed.
    assert (summary.state, summary.tallies.failed + summary.as_dict()["pending"]) == ("complete", 1)
    check_created(run, summary)


def test_a_record_that_only_breaks_the_server_is_abandoned_alone(tmp_path):
    rows = contacts(1_000)
    fault = {"kind": "status", "status": 502, "keys": ["c333@example.com"]}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [(letter.row, letter.outcome) for letter in run.dead_letters()] == [(335, "abandoned")]


def test_a_record_that_breaks_the_server_at_the_very_end_does_not_keep_the_job_from_ending(tmp_path):
    rows = contacts(130)
    fault = {"kind": "status", "status": 502, "keys": ["c129@example.com"]}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [(letter.row, letter.outcome) for letter in run.dead_letters()] == [(131, "abandoned")]


def test_a_record_that_breaks_the_server_at_the_very_beginning_does_not_keep_others_from_passing(tmp_path):
    rows = contacts(1_000)
    fault = {"kind": "status", "status": 502, "keys": ["c0@example.com"]}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [(letter.row, letter.outcome) for letter in run.dead_letters()] == [(2, "abandoned")]
    assert summary.exit_code == 1


def test_records_that_break_the_server_in_the_last_batches_are_abandoned_alone(tmp_path):
    rows = contacts(1_000)
    fault = {"kind": "status", "status": 502, "keys": ["c850@example.com", "c950@example.com"]}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [letter.row for letter in run.dead_letters()] == [852, 952]
    assert summary.state == "complete"


@pytest.mark.parametrize("count", some(1, 10, soaked=[50]))
def test_a_short_outage_of_the_upsert_alone_abandons_no_row(tmp_path, count):
    rows = contacts(count)
    fault = {"kind": "status", "status": 503, "until_seconds": 180}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0


@pytest.mark.soak
def test_an_outage_of_three_minutes_abandons_no_row(tmp_path):
    rows = contacts(2_000)
    fault = {"kind": "status", "status": 503, "endpoint": "any", "from_seconds": 3, "until_seconds": 183}
    run = job(tmp_path, rows, quota="190/10", faults=[fault])
    run.batch_records = 10
    summary = run.run_virtual()
    assert summary.exit_code == 0
    assert summary.as_dict()["retries"] > 0
    run.check(rows, summary)


def test_an_outage_without_end_stops_the_run_with_all_rows_open(tmp_path):
    rows = contacts(100)
    fault = {"kind": "status", "status": 503, "endpoint": "any", "from_seconds": 1}
    run = job(tmp_path, rows, quota="190/10", latency_seconds=0.2, faults=[fault])
    run.batch_records = 10
    summary = run.run_virtual()
    assert (summary.exit_code, summary.cause) == (75, Cause.OUTAGE)
    assert summary.tallies.failed == 0
    run.check(rows, summary)
    run.simulator.change_scenario(make_simulator().scenario)
    summary = run.run_virtual()
    assert summary.exit_code == 0
    run.check(rows, summary)


def test_a_server_that_never_answers_well_is_given_fifteen_seconds(tmp_path):
    fault = {"kind": "status", "status": 503, "endpoint": "any"}
    run = job(tmp_path, contacts(10), faults=[fault])
    summary = run.run_virtual()
    assert (summary.exit_code, summary.cause) == (75, Cause.OUTAGE)
    assert run._clock < 20
    assert not Path(f"{run.source}.checkpoint").exists()


PENDING = {"kind": "batch_status", "status": "PENDING", "applied": True, "results_share": 0.5, "times": 2}
READS = {
    "throttled": {"kind": "status", "status": 429, "shape": "burst", "endpoint": "read", "first": 3},
    "broken": {"kind": "status", "status": 503, "endpoint": "read", "first": 3},
    "locked": {"kind": "status", "status": 423, "endpoint": "read", "first": 2},
}


@pytest.mark.parametrize("fault", READS.values(), ids=READS.keys())
def test_a_read_back_that_is_refused_for_the_moment_is_asked_again(tmp_path, fault):
    rows = contacts(900)
    run = job(tmp_path, rows, faults=[PENDING, fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["pending"]) == (0, 0)


def test_what_may_not_be_read_back_stays_pending_and_is_named_row_by_row(tmp_path):
    rows = contacts(300)
    fault = {"kind": "status", "status": 403, "endpoint": "read"}
    run = job(tmp_path, rows, faults=[{**PENDING, "times": 1}, fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    named = [row for row, outcome in run.outcomes().items() if outcome == "pending"]
    assert (summary.exit_code, len(named)) == (1, summary.as_dict()["pending"])
    assert 0 < len(named) <= 100


def test_a_token_revoked_while_reading_back_leaves_the_rows_open(tmp_path):
    rows = contacts(300)
    fault = {"kind": "status", "status": 401, "endpoint": "read"}
    run = job(tmp_path, rows, faults=[{**PENDING, "times": 1}, fault])
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.TOKEN, 78)
    assert summary.as_dict()["pending"] == 0
    run.simulator.change_scenario(make_simulator().scenario)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0


def test_rows_that_wait_for_an_earlier_one_cost_no_requests_of_their_own(tmp_path):
    """Each answer lets a few of them go: at the end of a file they would leave a handful a batch."""
    rows = [
        {"email": f"c{i if i % 20 else i - 1}@example.com", "firstname": f"F{i}"} for i in range(1, 6_001)
    ]
    job = Job(write_csv(tmp_path / "contacts.csv", rows), make_simulator(latency_seconds=0.3))
    summary = job.run_virtual()
    job.check(rows, summary)
    assert summary.tallies.held_back > 250
    assert summary.tallies.upserts <= 62


class _Failing(MockTransport):
    """The first upserts fail on the way there: refused, or cut off once they had left."""

    def __init__(self, *arguments, maybe_applied, **named) -> None:
        super().__init__(*arguments, **named)
        self.maybe_applied, self.left = maybe_applied, 3

    async def _answer(self, call, loop):
        if call.path.endswith("/upsert") and self.left:
            self.left -= 1
            return no_reply("the way there fails", maybe_applied=self.maybe_applied)
        return await super()._answer(call, loop)


@pytest.mark.parametrize("options", [{}, {"skip_unchanged": True}], ids=["whole batches", "records"])
@pytest.mark.parametrize(("maybe_applied", "replayed"), [(False, 0), (True, 30)])
def test_rows_that_were_never_sent_are_not_counted_as_replayed(tmp_path, maybe_applied, replayed, options):
    """A refused connection carried nothing: that the contacts are there is nobody's doing but others'."""
    rows = contacts(30)
    run = job(tmp_path, rows, options=options)
    run.make_transport = partial(_Failing, maybe_applied=maybe_applied)
    run.simulator.reset(0.0, [{"properties": {"email": row["email"]}} for row in rows])
    summary = run.run_virtual()
    figures = summary.as_dict()
    assert (run.transport.left, figures["updated"], figures["replayed"], summary.exit_code) == (
        0,
        30,
        replayed,
        0,
    )


def test_a_batch_that_weighs_more_than_its_rows_is_halved_before_it_is_sent(tmp_path):
    """A control character is one byte in a CSV file, and six in JSON."""
    rows = contacts(100, lastname="\x01" * 9_000)
    run, weights = job(tmp_path, rows), []
    handle = run.simulator.handle

    def weigh(request, now):
        if request.path.endswith("/upsert"):
            weights.append(len(request.body))
        return handle(request, now)

    run.simulator.handle = weigh
    summary = run.run_virtual()
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 100)
    assert len(weights) == 4
    assert max(weights) < MAX_BATCH_BYTES
