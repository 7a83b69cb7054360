"""When a running job commits: soon after anything that a commit keeps has changed, and never else."""

import asyncio
from copy import deepcopy
from dataclasses import fields
from pathlib import Path

import pytest

from support.builders import record, reply, slice_of
from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import combined
from support.virtual_loop import run_virtual
from uploader.hubspot.transport import Call
from uploader.model.keys_of_one_contact import IdentityConflict
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Settlement, Tallies
from uploader.model.stop import Cause
from uploader.model.timeline import Timeline
from uploader.pipeline.collector import COMMIT_SECONDS, Collector
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.sender import Sender
from uploader.settings.speed import OnLongPause
from uploader.storage.checkpoint import Checkpoint, Identity
from uploader.storage.keys_of_one_contact_file import KeysOfOneContactFile


def job(tmp_path, rows, *, simulator=None, **scenario) -> Job:
    source = write_csv(tmp_path / "contacts.csv", rows)
    return Job(
        source,
        simulator or make_simulator(latency_seconds=0.3, **scenario),
        {"on_long_pause": OnLongPause.WAIT},
    )


def test_a_long_pause_makes_no_state_to_commit(tmp_path, monkeypatch):
    run = job(
        tmp_path,
        contacts(5_000),
        simulator=make_simulator(daily_quota=30, latency_seconds=0.1, account={"day_seconds": 1_800}),
    )
    looks = []
    take = Collector._state

    def taken(self, *values, **named):
        looks.append(asyncio.get_running_loop().time())
        return take(self, *values, **named)

    monkeypatch.setattr(Collector, "_state", taken)
    summary = run.run_virtual()
    assert summary.exit_code == 0
    assert run._clock > 1_800
    assert [at for at in looks if at < 60]
    assert not [at for at in looks if 60 < at < 1_800]


ASK = Call("GET", "/account-info/v3/details")
#: What a commit keeps, and how it changes: the collector's side, and the sender's.
CHANGES = {
    "rows are read": lambda collector, _: collector.read(slice_of(3, 1)),
    "a row is settled": lambda collector, _: collector.settle([Settlement(record(0), Outcome.CREATED)]),
    "a batch leaves": lambda collector, _: collector.sent(0, 1),
    "a batch is answered": lambda collector, _: collector.count_reply(reply(200), retried=False),
    "rows wait for others": lambda collector, _: collector.count_waiting(1),
    "aliases are found": lambda collector, _: collector.list_identity_conflicts(
        [IdentityConflict("7", 0, 0, 2, "a@x.com")]
    ),
    "a pause begins": lambda _, sender: sender.pause(Cause.DAILY, 3_600.0, 0.0),
    "a question leaves": lambda _, sender: asyncio.ensure_future(sender.send(ASK)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_committed_at_once_and_only_then(tmp_path, change):
    async def work():
        checkpoint = Checkpoint.create(tmp_path / "checkpoint", Identity((), {}, results=False))
        collector = Collector(
            checkpoint,
            None,
            KeysOfOneContactFile(tmp_path / "checkpoint"),
            Inline(),
            asyncio.get_running_loop().time,
            limit=FailureLimit(share=1.0),
            in_doubt_below=0,
            note_sent=lambda _: None,
            timeline=Timeline((), 0.0),
        )
        sender = Sender(
            MockTransport(make_simulator(latency_seconds=7.0)),
            SendLog(None),
            InFlightCap(1, 1),
            collector.tallies,
            Clocks(asyncio.get_running_loop().time),
        )
        sender.count_into(collector.tallies, collector.note_change, Timeline((), 0.0))
        commits = []
        commit = checkpoint.commit
        checkpoint.commit = lambda *values, **named: (commits.append(values[0]), commit(*values, **named))
        committing = asyncio.ensure_future(collector.commit_regularly())
        collector.read(slice_of(0, 3))
        await asyncio.sleep(60)
        assert len(commits) == 1
        change(collector, sender)
        await asyncio.sleep(2 * COMMIT_SECONDS)
        assert len(commits) == 2
        assert checkpoint.state().tallies == collector.tallies
        committing.cancel()
        checkpoint.close()

    run_virtual(work())


#: What has to be counted while no row is settled, and while no batch is answered.
STRETCHES = {
    "reads at the end": [
        {"kind": "status", "status": 502, "keys": ["c259@example.com"]},
        {"kind": "status", "status": 429, "endpoint": "read", "every": 2},
    ],
    "an account that moves": [
        {"kind": "status", "status": 477, "requests": [2, 2], "retry_after_seconds": 20}
    ],
    "throttled batches": [{"kind": "status", "status": 429, "shape": "burst", "every": 3}],
    "answers that hang": [{"kind": "delay", "seconds": 40.0, "every": 2}],
    "an outage": [
        {"kind": "status", "status": 503, "endpoint": "any", "from_seconds": 1, "until_seconds": 60}
    ],
}


@pytest.mark.parametrize(
    ("stretch", "options"),
    combined(
        STRETCHES,
        [{}, {"skip_unchanged": True}],
        usual=lambda stretch, options: bool(options) == (stretch in {"reads at the end", "an outage"}),
    ),
)
def test_half_a_second_later_all_that_is_counted_is_durable(tmp_path, stretch, options):
    rows = [*contacts(259), {"email": "C7@example.com", "firstname": "again"}, *contacts(260)[259:]]
    run = job(tmp_path, rows, faults=STRETCHES[stretch])
    before, late = Tallies(), []

    def compare(running):
        nonlocal before
        checkpoint = Checkpoint.open(Path(f"{run.source}.checkpoint"), read_only=True)
        durable = _counts(checkpoint.state().tallies)
        checkpoint.close()
        late.extend(name for name, count in _counts(before).items() if durable.get(name, 0) < count)
        before = deepcopy(running.pipeline.collector.tallies)

    summary = run.run_virtual(on_tick=compare, **options)
    assert (summary.state, late) == ("complete", [])
    assert before.settled


def _counts(tallies: Tallies) -> dict[str, int]:
    counts = {}
    for one in fields(tallies):
        value = getattr(tallies, one.name)
        if isinstance(value, dict):
            counts |= {f"{one.name} {name}": count for name, count in value.items()}
        else:
            counts[one.name] = value
    return counts
