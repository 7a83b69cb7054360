"""A record that breaks every request it is in, when nothing else is left to compare it with: how it ends.

It is given up after a minute where writes are seen to pass, by a write that changes nothing if by no other.
An outage is not its fault: then it is tried for longer, and reads that pass are no evidence.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import some
from support.undo_runs import counts, state, undo
from support.virtual_loop import run_virtual
from uploader.hubspot.replies import Reply, Result
from uploader.hubspot.requests import paths
from uploader.model.stop import Cause, StopRun
from uploader.pipeline import feed as feed_module
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.retry import RECORD_ATTEMPTS
from uploader.pipeline.requests.write_outage_probe import WriteProbe
from uploader.preview.simulated_sender import SimulatedSender
from uploader.records.duplicates import OnDuplicate

from support.builders import record  # isort: skip


@dataclass
class Sent:
    """Every request with inputs that left."""

    seen: list[tuple[float, str, list[dict[str, Any]]]] = field(default_factory=list)

    def changing_nothing(self) -> list[tuple[float, dict[str, Any]]]:
        """Writes without properties, each alone in its request."""
        found = []
        for at, path, inputs in self.seen:
            if path.endswith(("/upsert", "/update")) and any(not one["properties"] for one in inputs):
                (only,) = inputs
                found.append((at, only))
        return found

    def last_attempt(self, key: str) -> float:
        return max(
            at
            for at, path, inputs in self.seen
            if path.endswith(("/upsert", "/update")) and key in [one["id"] for one in inputs]
        )


@pytest.fixture
def sent(monkeypatch) -> Sent:
    sent, send = Sent(), MockTransport.send

    def noted(transport, call, *others):
        inputs = orjson.loads(call.body).get("inputs", []) if call.body and not call.is_form else []
        sent.seen.append((asyncio.get_running_loop().time(), call.path, inputs))
        return send(transport, call, *others)

    monkeypatch.setattr(MockTransport, "send", noted)
    return sent


def job(tmp_path, rows, *faults, options=None, batch_records=100) -> Job:
    simulator = make_simulator(latency_seconds=0.2, faults=list(faults))
    return Job(
        write_csv(tmp_path / "contacts.csv", rows), simulator, options or {}, batch_records=batch_records
    )


def breaks(*keys: str, **more: object) -> dict[str, object]:
    return {"kind": "status", "status": 500, "keys": list(keys), **more}


def abandoned(run: Job) -> list[int]:
    return [letter.row for letter in run.dead_letters() if letter.outcome == "abandoned"]


READ_FIRST = {"skip_unchanged": True, "snapshot": True}


@pytest.mark.parametrize(
    ("place", "options"),
    some(
        *((0, READ_FIRST), (299, {})),
        soaked=[(0, {}), (171, {}), (171, READ_FIRST), (299, READ_FIRST)],
    ),
)
def test_it_is_given_up_after_a_minute(tmp_path, sent, place, options):
    rows = contacts(300)
    run = job(tmp_path, rows, breaks(f"c{place}@example.com"), options=options, batch_records=10)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (abandoned(run), summary.tallies.confirmed) == ([place + 2], 299)
    assert 60 < sent.last_attempt(f"c{place}@example.com") < 90


def test_a_probe_changes_nothing_and_counts_only_as_a_request(tmp_path, sent):
    rows = contacts(300)
    run = job(tmp_path, rows, breaks("c299@example.com"), batch_records=10)
    summary = run.run_virtual()
    ((at, only),) = sent.changing_nothing()
    assert at > 60
    assert only["id"] != "c299@example.com"
    assert len(run.held()) == 299
    upserts = [inputs for _, path, inputs in sent.seen if path.endswith("/upsert")]
    assert summary.tallies.upserts == len(upserts) - 1
    assert summary.tallies.sent == sum(map(len, upserts)) - 1
    assert summary.tallies.requests == run.simulator.stats()["requests"]


def test_in_a_canary_it_keeps_no_other_row_from_being_sent(tmp_path):
    async def approve(_):
        return True

    rows = contacts(600)
    run = job(tmp_path, rows, breaks("c4@example.com"))
    summary = run.run_virtual(canary=10, judge=approve)
    run.check(rows, summary)
    assert (summary.state, abandoned(run)) == ("complete", [6])


def test_rows_that_wait_for_it_do_not_keep_it_from_ending(tmp_path):
    rows = contacts(300)
    rows[7]["firstname"] = "bad"
    rows += [{"email": "c7@example.com", "firstname": f"again {n}"} for n in range(150)]
    run = job(tmp_path, rows, {"kind": "status", "status": 500, "match": {"firstname": "bad"}})
    summary = run.run_virtual(on_duplicate=OnDuplicate.IN_ORDER)
    run.check(rows, summary)
    assert (summary.state, abandoned(run)) == ("complete", [9])


def test_where_as_much_waits_for_it_as_may_be_open_it_still_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(feed_module, "MAX_OPEN_BYTES", 100_000)
    rows = contacts(20)
    rows[7]["firstname"] = "bad"
    rows += [{"email": "c7@example.com", "firstname": f"again {n}"} for n in range(200)]
    run = job(tmp_path, rows, {"kind": "status", "status": 500, "match": {"firstname": "bad"}})
    summary = run.run_virtual(on_duplicate=OnDuplicate.IN_ORDER)
    run.check(rows, summary)
    assert (summary.state, abandoned(run)) == ("complete", [9])


# --- an outage is not the record's fault ---


def test_an_outage_of_writes_at_the_end_of_a_job_is_waited_out(tmp_path, sent):
    rows = contacts(300)
    outage = {"kind": "status", "status": 503, "requests": [30, 100_000], "until_seconds": 200}
    run = job(tmp_path, rows, outage, batch_records=10)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.tallies.failed) == (0, 0)
    # Many wait for the same answer.
    assert 1 <= len(sent.changing_nothing()) <= 20


@pytest.mark.parametrize("place", [0, 299])
def test_an_outage_in_which_it_was_the_last_is_waited_out_before_it_is_judged(tmp_path, sent, place):
    """Also where a write has passed since its first failure: it fails now."""
    rows = contacts(300)
    outage = {"kind": "status", "status": 503, "from_seconds": 20, "until_seconds": 200}
    run = job(tmp_path, rows, breaks(f"c{place}@example.com"), outage, batch_records=10)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert abandoned(run) == [place + 2]
    assert sent.last_attempt(f"c{place}@example.com") > 200


def test_where_no_write_was_ever_seen_to_pass_it_is_tried_for_longer(tmp_path, sent):
    run = job(tmp_path, contacts(1), breaks("c0@example.com"))
    assert run.run_virtual().exit_code == 1
    assert sent.last_attempt("c0@example.com") > 300
    assert not sent.changing_nothing()


@pytest.mark.parametrize("keys", [["c1@example.com"], ["c0@example.com"]], ids=["the latter", "the former"])
def test_another_refused_record_proves_that_the_server_works(tmp_path, sent, keys):
    """Of two, the one is sent alone before the other: only what succeeded since its first failure counts."""
    rows = contacts(2)
    refused = {
        "kind": "reject",
        "keys": ["c0@example.com" if keys == ["c1@example.com"] else "c1@example.com"],
    }
    run = job(tmp_path, rows, breaks(*keys), refused)
    summary = run.run_virtual()
    assert (summary.as_dict()["abandoned"], summary.as_dict()["rejected"]) == (1, 1)
    assert not sent.changing_nothing()
    assert (sent.last_attempt(*keys) < 90) == (keys == ["c0@example.com"])


def test_a_half_is_given_the_time_that_its_whole_had(tmp_path):
    """Nothing is answered for so long that the whole has had its time. Then reads are, and soon writes."""
    down = {"kind": "status", "status": 503, "endpoint": "any", "from_seconds": 0.9, "until_seconds": 330}
    writes_down = {"kind": "status", "status": 503, "until_seconds": 380}
    rows = contacts(2)
    run = job(tmp_path, rows, down, writes_down)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0


def test_reads_that_pass_are_no_attempts_of_what_is_written(tmp_path):
    """One row is to be written; all others are read, batch after batch, and there is nothing to do."""
    rows = contacts(500)
    outage = {"kind": "status", "status": 503, "until_seconds": 250}
    simulator = make_simulator(quota="10/10", latency_seconds=0.2, faults=[outage])
    simulator.reset(0.0, [{"properties": row} for row in rows[1:]])
    run = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, batch_records=5)
    summary = run.run_virtual(skip_unchanged=True)
    run.check(rows, summary)
    assert (summary.as_dict()["created"], summary.as_dict()["unchanged"]) == (1, 499)


def test_a_record_given_up_is_no_outage_while_nothing_is_sent(tmp_path):
    """Its failures are the last that the run sees: a person takes a quarter of an hour to approve."""

    async def approve(_):
        await asyncio.sleep(900)
        return True

    rows = contacts(600)
    run = job(tmp_path, rows, breaks("c4@example.com"))
    summary = run.run_virtual(canary=10, judge=approve)
    run.check(rows, summary)
    assert (summary.state, abandoned(run)) == ("complete", [6])


def test_rows_given_up_in_an_outage_of_writes_do_not_hide_it(tmp_path):
    """Each waits for the one before it and is given up in its turn, though no write has passed."""
    rows = [{"email": "c0@example.com", "firstname": f"F{n}"} for n in range(10)]
    run = job(tmp_path, rows, {"kind": "status", "status": 500})
    summary = run.run_virtual(stop_after=3_000.0)
    assert summary.cause is Cause.OUTAGE
    assert run._clock < 700  # --outage is 600 s


@pytest.mark.parametrize("options", some({"skip_unchanged": True}, soaked=[{}]))
def test_only_writes_count_as_others_that_passed(tmp_path, sent, options):
    """Reads pass as well: of contacts before they are written, and of what was only accepted."""
    accepted = [f"c{n}@example.com" for n in range(10)]
    pending = {"kind": "batch_status", "status": "PENDING", "results_share": 0, "keys": accepted}
    faults = [breaks("c100@example.com"), pending]
    simulator = make_simulator(latency_seconds=0.2, quota="20/10", faults=faults)
    run = Job(write_csv(tmp_path / "contacts.csv", contacts(300)), simulator, options, batch_records=1)
    run.run_virtual()
    assert abandoned(run) == [102]
    upserts = [inputs for _, path, inputs in sent.seen if path.endswith("/upsert")]
    attempts = [one["id"] for inputs in upserts for one in inputs].count("c100@example.com")
    # Where contacts are read first, only reads pass between two attempts, and so one does not count.
    assert attempts == RECORD_ATTEMPTS + bool(options)


@pytest.mark.parametrize("count", some(120, soaked=[600]))
def test_an_outage_of_writes_alone_stops_a_job_that_reads_first(tmp_path, count):
    """What is read anew while nothing can be written does not keep it going for ever."""
    run = job(tmp_path, contacts(count), {"kind": "status", "status": 500}, options={"skip_unchanged": True})
    summary = run.run_virtual(stop_after=3_000.0)
    assert (summary.cause, summary.tallies.settled) == (Cause.OUTAGE, 0)
    assert run._clock < 700  # --outage is 600 s


def test_rows_that_need_no_writing_are_no_outage_while_one_row_can_not_be_written(tmp_path):
    rows = contacts(800)
    simulator = make_simulator(quota="1/10", latency_seconds=0.2, faults=[breaks("c0@example.com")])
    simulator.reset(0.0, [{"properties": row} for row in rows[1:]])
    run = Job(write_csv(tmp_path / "contacts.csv", rows), simulator, batch_records=10)
    summary = run.run_virtual(skip_unchanged=True)
    run.check(rows, summary)
    assert run._clock > 800
    assert (summary.state, summary.as_dict()["unchanged"], abandoned(run)) == ("complete", 799, [2])


# --- what is asked by is there, and no row's ---


def test_a_record_that_was_deleted_meanwhile_is_not_created_anew(tmp_path, sent):
    rows = contacts(2)
    run = job(tmp_path, rows, breaks("c1@example.com"))
    deleted = []

    def delete(running):
        now = asyncio.get_running_loop().time()
        if not deleted and now > 20:
            deleted.append(now)
            run.simulator.change_records(now, (), ["c0@example.com"])

    summary = run.run_virtual(on_tick=delete)
    assert deleted
    assert abandoned(run) == [3]
    assert (state(run), summary.state) == ({}, "complete")
    assert not sent.changing_nothing()


def test_a_token_that_may_not_read_asks_by_nothing_and_the_run_goes_on(tmp_path, sent):
    run = job(
        tmp_path,
        contacts(20),
        breaks("c19@example.com"),
        {"kind": "status", "status": 403, "endpoint": "read"},
    )
    summary = run.run_virtual()
    assert (summary.state, abandoned(run)) == ("complete", [21])
    assert not sent.changing_nothing()


class _Asked:
    """A sender to which every question is answered: `there` are the keys that HubSpot has."""

    only_reads = False

    def __init__(self, *there: str, takes_writes: bool = True) -> None:
        self.read: list[str] = []
        self.written: list[str] = []
        self._there = there
        self._takes_writes = takes_writes

    async def send(self, call, *, note_in_flight, **_):
        note_in_flight(True)
        ((one),) = orjson.loads(call.body)["inputs"]
        is_read = call.path.endswith("/read")
        (self.read if is_read else self.written).append(one["id"])
        if not is_read and not self._takes_writes:
            return Reply(503, readable=True)
        found = Result("7", new=False, trace_id=one.get("objectWriteTraceId", ""), properties={})
        results = (found,) if one["id"] in self._there else ()
        return Reply(200, readable=True, batch_status="COMPLETE", results=results)

    def succeeded(self, *, is_write):
        pass

    def failed(self, *_, is_write):
        assert is_write
        assert not self._takes_writes


def write_probe(clock=lambda: 0.0, open_values=()) -> WriteProbe:
    """That has seen a@x.com confirmed, then b@x.com."""
    made = WriteProbe(paths("v3", "contacts"), clock, lambda v: v in open_values)
    made.note(record(1, "a@x.com"))
    made.note(record(2, "b@x.com"))
    return made


def passes(asked: WriteProbe, sender: _Asked, **more) -> bool | None:
    async def ask():
        return await asked.writes_pass(Attempts(sender, lambda _: None, **more))

    return run_virtual(ask())


@pytest.mark.parametrize(
    ("there", "open_values", "asked_by"),
    [
        (["a@x.com", "b@x.com"], [], "b@x.com"),
        (["a@x.com", "b@x.com"], ["email=b@x.com"], "a@x.com"),
        (["a@x.com"], [], "a@x.com"),
        (["a@x.com", "b@x.com"], ["email=a@x.com", "email=b@x.com"], None),
        ([], [], None),
    ],
)
def test_it_is_asked_by_the_last_record_that_is_there_and_no_open_rows(there, open_values, asked_by):
    sender = _Asked(*there)
    assert passes(write_probe(open_values=open_values), sender) is (True if asked_by else None)
    assert sender.written == ([asked_by] if asked_by else [])


def test_two_that_ask_at_once_by_a_deleted_record_both_get_an_answer():
    class Waiting(_Asked):
        async def send(self, call, **more):
            await asyncio.sleep(1.0)
            return await super().send(call, **more)

    made = write_probe()

    async def both():
        attempts = Attempts(Waiting(), lambda _: None)
        return await asyncio.gather(*(made.writes_pass(attempts) for _ in range(2)))

    assert run_virtual(both()) == [None, None]


def test_many_that_wait_for_the_end_of_an_outage_ask_for_it_together():
    sender, now = _Asked("a@x.com", "b@x.com", takes_writes=False), [100.0]
    made = write_probe(clock=lambda: now[0])
    assert [passes(made, sender), passes(made, sender)] == [False, False]
    assert sender.written == ["b@x.com"]
    now[0] += 10.0
    assert passes(made, sender) is False
    assert sender.written == ["b@x.com", "b@x.com"]


def test_a_run_that_is_stopped_while_it_asks_writes_nothing_more():
    """The first of the two requests is on its way when Ctrl-C comes."""
    sender = _Asked("a@x.com", "b@x.com")
    with pytest.raises(StopRun):
        passes(write_probe(), sender, is_wanted=lambda: not sender.read)
    assert (sender.read, sender.written) == (["b@x.com"], [])


def test_no_write_leaves_after_a_stop(tmp_path, sent):
    """Not even one without properties: the stop comes while its contact is read."""
    run = job(tmp_path, contacts(150), breaks("c60@example.com"))
    run.simulator.settings = replace(run.simulator.settings, latency_seconds=1.0)
    stopped = []

    class Stopped(MockTransport):
        async def send(self, call, *others):
            now = asyncio.get_running_loop().time()
            if now > 60 and call.path.endswith("/read") and b"c60@" not in call.body and not stopped:
                stopped.append(now)
                running[0].stop(2)
            return await super().send(call, *others)

    running = []
    run.make_transport = Stopped
    summary = run.run_virtual(on_start=running.append)
    assert (summary.cause, len(stopped)) == (Cause.SIGNAL, 1)
    assert not [path for at, path, _ in sent.seen if at > stopped[0] and path.endswith("/upsert")]


def test_a_preview_sends_no_write_to_probe_for_an_outage():
    sender = _Asked("a@x.com", "b@x.com")
    sender.only_reads = SimulatedSender.only_reads
    assert passes(write_probe(), sender) is None
    assert sender.read == sender.written == []


# --- undo ---


def restored(tmp_path, sent, count, *faults):
    """What undo makes of a job that has changed so many contacts."""
    rows = contacts(count, city="Bonn")
    run = Job(
        write_csv(tmp_path / "contacts.csv", rows), make_simulator(latency_seconds=0.2), {"snapshot": True}
    )
    run.simulator.reset(0.0, [{"properties": {**row, "city": "Ulm"}} for row in rows])
    before = state(run)
    run.run_virtual()
    run.simulator.change_scenario(
        make_simulator(faults=[{**fault, "endpoint": "update"} for fault in faults]).scenario
    )
    sent.seen.clear()
    began = run._clock
    report, _ = undo(run)
    differing = [one for one, held in before.items() if state(run)[one] != held]
    return report, differing, began


def test_undo_gives_a_lone_record_up_after_a_minute(tmp_path, sent):
    hub_id = _id_of_place(tmp_path, 150)
    report, differing, began = restored(tmp_path, sent, 200, breaks(hub_id))
    assert (counts(report), differing) == ({"restored": 199, "failed": 1}, [hub_id])
    assert 60 < sent.last_attempt(hub_id) - began < 90
    assert len(sent.changing_nothing()) == 1


def test_undo_waits_an_outage_of_updates_out(tmp_path, sent):
    report, differing, began = restored(
        tmp_path, sent, 60, {"kind": "status", "status": 503, "until_seconds": 240}
    )
    assert (counts(report), differing) == ({"restored": 60}, [])
    assert began < 240


def _id_of_place(tmp_path, place):
    """The id of the contact at that place, which every simulator with the same settings gives it."""
    simulator = make_simulator(latency_seconds=0.2)
    simulator.reset(0.0, [{"properties": row} for row in contacts(200)])
    return next(
        one["id"] for one in simulator.objects(1e9) if one["properties"]["email"] == f"c{place}@example.com"
    )
