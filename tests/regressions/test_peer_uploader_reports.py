"""The traps that other uploaders fell into, in the order of the list "Traps seen in peers".

A number in a docstring is an item's place in that list; an item that names several traps has several tests.
All eleven concern an uploader through batch upsert: none is left out. The claims to phrase carefully, which
follow the list, are about the README's words and not about what can go wrong.
"""

import asyncio
import csv
import logging
from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from support.intercepted_requests import existing, job, record_upserts, upserts
from support.jobs import contacts, write_csv
from support.processes import TOKEN, kill, run as run_command, start, wait_until
from uploader.cli.commands.status import read_summary
from uploader.hubspot.client import HubSpot
from uploader.hubspot.transport import Call
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import Quota, SendLog
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.sender import Sender
from uploader.settings.speed import OnLongPause

# --- 1 and 2: pacing ---


def test_the_first_window_is_not_doubled(tmp_path):
    """Trap 1: `AsyncLimiter(100, 10)` alone lets a full bucket and its refill into the first window."""
    run = job(tmp_path, contacts(6_000), quota="20/10")
    assert run.run_virtual().exit_code == 0
    stats = run.simulator.stats()
    assert (stats["throttled"], stats["most_in_window"]) == (0, 20)
    assert run._clock < 40


def test_a_fixed_window_does_not_misalign_with_the_rolling_one():
    """Trap 1: what left at the end of one count of ten seconds still counts in the next (nodejs#416)."""
    log = SendLog(Quota(100, 10.0), margin_seconds=0.0)
    for _ in range(100):
        log.note(9.9)
    assert log.wait_seconds(10.1) == pytest.approx(9.8)


def test_retries_count_against_the_limiter(tmp_path):
    """Trap 2: drt's PATCH after a 409 passed its limiter by."""
    rows = contacts(3_000)
    run = job(tmp_path, rows, quota="20/10", faults=[{"kind": "status", "status": 503, "rate": 0.4}])
    summary = run.run_virtual()
    run.check(rows, summary)
    stats = run.simulator.stats()
    assert summary.tallies.retries > 5
    assert (stats["throttled"], stats["most_in_window"]) == (0, 20)
    assert summary.tallies.requests == stats["requests"]


async def _hangs_up_on_the_second(seen):
    """A server that answers one request, and drops the connection on the next."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    for name, value in (("Max", 100), ("Remaining", 99), ("Interval-Milliseconds", 10_000)):
        answer += b"X-HubSpot-RateLimit-%b: %d\r\n" % (name.encode(), value)

    async def serve(reader, writer):
        with suppress(asyncio.IncompleteReadError):
            while True:
                seen.append(await reader.readuntil(b"\r\n\r\n"))
                if len(seen) == 2:
                    break
                writer.write(answer + b"\r\n{}")
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize("call", [Call("POST", "/x", b""), Call("GET", "/x")], ids=["POST", "GET"])
async def test_no_library_retries_behind_the_limiter(call):
    """Trap 2: what an SDK sends again by itself, no limiter has counted."""
    seen: list[bytes] = []
    server = await _hangs_up_on_the_second(seen)
    port = server.sockets[0].getsockname()[1]
    clocks = Clocks(asyncio.get_running_loop().time)
    async with server, HubSpot(f"http://127.0.0.1:{port}", "secret") as hubspot:
        sender = Sender(hubspot, SendLog(), InFlightCap(9, 9), Tallies(), clocks)
        for _ in range(2):
            await sender.send(call)
    assert sender.tallies.requests == len(seen)


# --- 3 to 5: what an answer means, row by row ---


@pytest.mark.parametrize("shape", ["burst", "html", "empty"])
def test_a_429_never_splits_a_batch(tmp_path, shape):
    """Trap 3: hotglue sends a throttled batch again as a hundred single requests."""
    rows = contacts(1_000)
    fault = {"kind": "status", "status": 429, "shape": shape, "rate": 0.5}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.tallies.throttled > 3
    assert {seen.inputs for seen in upserts(run)} == {100}


def test_not_in_errors_is_not_success(tmp_path):
    """Trap 4: Rudder counts as delivered what `errors` does not name. Here a 207 names nobody."""
    rows = contacts(300)
    rows[5]["email"] = "c5@example.badtld"
    fault = {"kind": "rules", "rules": {"errors_listed": False}, "first": 1}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert upserts(run)[0].status == "207"
    assert run.outcomes()[7] == "rejected"


def test_a_207_is_not_ok(tmp_path):
    """Trap 4: Airbyte takes a 207 for a 200, and `numErrors` need not say otherwise."""
    rows = contacts(300)
    for place in (5, 250):
        rows[place]["email"] += ".badtld"
    run = job(tmp_path, rows, rules={"num_errors": "zero"})
    summary = run.run_virtual()
    run.check(rows, summary)
    assert [(letter.row, letter.category) for letter in run.dead_letters()] == [
        (7, "VALIDATION_ERROR"),
        (252, "VALIDATION_ERROR"),
    ]
    assert summary.exit_code == 1


def test_what_no_result_matches_is_not_dropped(tmp_path):
    """Trap 4: Segment filters the rows out that it finds no result for."""
    rows = contacts(500)
    run = job(tmp_path, rows, faults=[{"kind": "drop_results", "count": 3, "first": 4}])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert run.outcomes().keys() == set(range(2, 502))
    assert summary.tallies.replayed == 12


def test_a_partly_failed_batch_is_not_acknowledged_with_a_warning(tmp_path):
    """Trap 4: Redpanda's Salesforce sink acks it. Here the refused rows, and only those, go again."""
    rows = contacts(300)
    keys = [rows[place]["email"] for place in (5, 6, 250)]
    fault = {"kind": "reject", "category": "INTERNAL_ERROR", "keys": keys, "times": 2}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["created"]) == (0, 300)
    assert run.simulator.stats()["records_received"] == 303


@pytest.mark.parametrize("echo", [False, True], ids=["results without trace ids", "with"])
def test_results_are_not_matched_by_their_order(tmp_path, echo):
    """Trap 5: amp-labs takes the n-th result for the n-th record that was not refused."""
    rows = contacts(200)
    there = [existing(row["email"]) for row in rows[::2]]
    run = job(tmp_path, rows, there=there, rules={"echo_trace_ids": echo})
    run.check(rows, run.run_virtual())
    assert run.outcomes() == {number + 2: ("created" if number % 2 else "updated") for number in range(200)}
    ids = {contact["properties"]["email"]: contact["id"] for contact in run.simulator.objects(1e9)}
    with Path(f"{run.source}.results.csv").open(encoding="utf-8", newline="") as file:
        named = {line["key"]: line["hubspot_id"] for line in csv.DictReader(file) if line["hubspot_id"]}
    assert len(named) == (200 if echo else 100)
    assert named.items() <= ids.items()


def test_an_address_that_comes_back_in_lower_case_is_the_same(tmp_path):
    """Trap 5: Segment compares addresses as they are spelled, and `Ann@X.com` comes back as `ann@x.com`."""
    rows = [{"email": f"C{number}@Example.COM", "firstname": "F"} for number in range(100)]
    run = job(tmp_path, rows, there=[existing(row["email"]) for row in rows[:50]])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.as_dict()["created"], summary.as_dict()["updated"]) == (50, 50)
    assert len(upserts(run)) == 1


def test_a_contact_found_by_a_secondary_address_answers_by_another_name(tmp_path):
    """Trap 5: reading it back by the old address gives its primary one."""
    fault = {"kind": "batch_status", "status": "PENDING", "results_share": 0, "applied": True, "times": 1}
    rows = [{"email": "Ann.Old@x.com", "city": "Ulm"}]
    run = job(tmp_path, rows, there=[existing("ann@x.com", "ann.old@x.com")], faults=[fault])
    summary = run.run_virtual()
    assert (summary.as_dict()["updated"], summary.as_dict()["pending"]) == (1, 0)
    assert run.held()["ann@x.com"]["city"] == "Ulm"


def test_results_without_trace_ids_confirm_all_the_same(tmp_path):
    """Trap 5: an update by e-mail comes back with neither trace id nor address, and is not sent twice."""
    rows = contacts(250)
    run = job(tmp_path, rows, there=[existing(row["email"]) for row in rows])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.as_dict()["updated"], summary.tallies.replayed) == (250, 0)
    assert len(upserts(run)) == 3


# --- 6 to 8: trying again, and going on after a kill ---


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_permanent_4xx_is_not_retried_for_hours(tmp_path, status):
    """Trap 6: meilisearch-importer goes on sending what was refused for good."""
    rows = contacts(100)
    run = job(tmp_path, rows, faults=[{"kind": "status", "status": status, "keys": ["c5@example.com"]}])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert run.outcomes()[7] == "rejected"
    assert len(upserts(run)) <= 16
    assert run._clock < 60


def test_a_423_is_retried_though_it_is_a_4xx(tmp_path):
    """Trap 6: Vector, NiFi and the official SDKs take a lock of two seconds for a refusal."""
    rows = contacts(500)
    run = job(tmp_path, rows, faults=[{"kind": "status", "status": 423, "first": 2}])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.tallies.failed) == (0, 0)
    locked = upserts(run)[:3]
    assert all(after.at - before.at >= 2 for before, after in pairwise(locked))


def test_a_477_is_waited_out_or_leaves_all_rows_open(tmp_path):
    """Trap 6: an account that is moving is no fault of any row."""
    rows = contacts(500)
    fault = {"kind": "status", "status": 477, "retry_after_seconds": 300, "times": 2}
    run = job(tmp_path, rows, faults=[fault])
    stopped = run.run_virtual()
    assert (stopped.exit_code, stopped.cause, stopped.tallies.settled) == (75, Cause.MIGRATION, 0)
    summary = run.run_virtual(on_long_pause=OnLongPause.WAIT)
    run.check(rows, summary)
    assert summary.exit_code == 0
    _, moving, moved, *_ = upserts(run)
    assert moving.status == "477"
    assert 300 <= moved.at - moving.at < 310


def test_the_checkpoint_is_not_only_written_at_an_orderly_exit(tmp_path, hubspot_mock):
    """Trap 7: dsbulk writes its checkpoint at the end; a SIGKILL leaves none."""
    write_csv(tmp_path / "contacts.csv", contacts(1_500))
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.1)
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--max-in-flight", "1", "--json")
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: mock.stats()["records_received"] >= 800, process)
    kill(process)
    sent = mock.stats()["records_received"]
    settled = read_summary(tmp_path / "contacts.csv.checkpoint").tallies.settled
    assert 0 < settled <= sent
    assert run_command(*command, cwd=tmp_path).code == 0
    # What left the killed process may arrive later: at most the one request in flight.
    assert mock.stats()["records_received"] - 1_500 <= sent - settled + 100


def test_resuming_does_not_skip_as_many_rows_as_were_settled(tmp_path):
    """Trap 7: with several in flight the settled rows are not the first ones (ravel#1713, elasticdump)."""
    rows = contacts(3_000)
    fault = {"kind": "delay", "seconds": 60, "keys": ["c150@example.com"], "times": 1}
    run = job(tmp_path, rows, faults=[fault])
    stopped = run.run_virtual(stop_after=4, again_after=6)
    assert (stopped.tallies.settled, stopped.tallies.open) == (2_900, 100)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert run.simulator.stats()["records_received"] == 3_100


def test_transient_failures_do_not_count_as_failed_rows(tmp_path):
    """Trap 8: dsbulk's one counter of errors ends a load for a few time-outs."""
    rows = contacts(1_000)
    fault = {"kind": "status", "status": 504, "rate": 0.4}
    run = job(tmp_path, rows, faults=[fault], options={"max_failures": FailureLimit(count=0)})
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.tallies.failed) == (0, 0)
    assert summary.tallies.retries > 3


def test_transient_and_permanent_failures_are_told_apart(tmp_path):
    """Trap 8: in dsbulk's file of bad rows time-outs and malformed rows lie mixed (dsbulk#443)."""
    rows = contacts(600)
    rows[30]["email"] = "c30@example.badtld"
    fault = {"kind": "status", "status": 502, "keys": ["c150@example.com"]}
    run = job(tmp_path, rows, faults=[fault])
    run.check(rows, run.run_virtual())
    letters = [(letter.row, letter.outcome) for letter in run.dead_letters()]
    assert letters == [(32, "rejected"), (152, "abandoned")]


# --- 9: what reaches logs and messages ---

_TELLING = {
    "refused without a name": {"rules": {"errors_without_trace_id": True}},
    "refused as a whole": {"rules": {"multi_status": False}},
    "conflicts": {"faults": [{"kind": "status", "status": 409, "shape": "identity", "rate": 0.3}]},
    "outages": {"faults": [{"kind": "status", "status": 503, "rate": 0.3}, {"kind": "reset", "rate": 0.2}]},
}


@pytest.mark.parametrize("scenario", _TELLING.values(), ids=_TELLING.keys())
def test_no_body_no_token_and_no_address_is_logged(tmp_path, caplog, scenario):
    """Trap 9: hotglue and esbulk log payloads at their usual level, the SDKs when debugging."""
    caplog.set_level(logging.DEBUG)
    rows = contacts(500, lastname="Kowalczyk")
    for row in rows[::70]:
        row["email"] += ".badtld"
    job(tmp_path, rows, **scenario).run_virtual()
    assert "rows 2-" in caplog.text
    for secret in ("test-token", "@", "example", "Kowalczyk", "inputs"):
        assert secret not in caplog.text


def test_the_most_talkative_process_says_no_token_and_no_address(tmp_path, hubspot_mock):
    """Trap 9: hubspot-api-python with `debug=True` prints the Authorization header."""
    rows = contacts(300, lastname="Kowalczyk")
    rows[7]["email"] = "c7@example.badtld"
    write_csv(tmp_path / "contacts.csv", rows)
    faults = [{"kind": "status", "status": 503, "first": 1}]
    mock = hubspot_mock(quota="100000/10", scenario={"rules": {"multi_status": False}, "faults": faults})
    ended = run_command("upload", "contacts.csv", "--base-url", mock.url, "--verbose", cwd=tmp_path)
    assert ended.code == 1
    assert "HTTP 400" in ended.err
    for secret in (TOKEN, "Bearer", "@", "Kowalczyk"):
        assert secret not in ended.out + ended.err


@pytest.mark.parametrize("granted", [True, False], ids=["refused by name", "refused as a whole"])
def test_the_reason_of_a_stop_names_the_column_and_no_address(tmp_path, granted):
    """Trap 9: HubSpot's message about a column also quotes the addresses that it finds bad."""
    rows = contacts(50, nosuchthing="x")
    rows[0]["email"], rows[-1]["email"] = "ann@example.badtld", "ann@example.invalid"
    scopes = ["oauth", "crm.objects.contacts.write"]  # not to look at the properties beforehand
    run = job(tmp_path, rows, rules={"multi_status": granted}, auth={"scopes": scopes})
    summary = run.run_virtual()
    assert summary.cause is Cause.PROPERTY
    assert "nosuchthing" in summary.reason
    assert "ann@" not in summary.reason


# --- 10 and 11: one contact, several sendings ---


def test_two_batches_in_flight_never_share_a_key(tmp_path):
    """Trap 10: last-wins inside one batch is not enough; two batches with one key race for it."""
    rows = [
        {"email": f"{'cC'[number // 300 % 2]}{number % 300}@example.com", "firstname": f"F{number}"}
        for number in range(1_500)
    ]
    run = job(tmp_path, rows, latency_seconds=1.0)
    received = record_upserts(run)
    run.check(rows, run.run_virtual())
    spans = defaultdict(list)
    for upsert in received:
        for one in upsert.body["inputs"]:
            spans[one["id"].lower()].append((upsert.at, upsert.answered_at))
    assert len(spans) == 300
    for times in spans.values():
        assert all(after >= answered for (_, answered), (after, _) in pairwise(sorted(times)))


def test_what_was_written_before_a_time_out_is_called_replayed(tmp_path):
    """Trap 11: the second sending says `new: false`, so that `created` alone would drift."""
    rows = contacts(500)
    fault = {"kind": "status", "status": 524, "applied": True, "requests": [2, 3]}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    counts = summary.as_dict()
    assert (counts["created"], counts["updated"], counts["replayed"]) == (300, 200, 200)
