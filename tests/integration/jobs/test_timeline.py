"""What the checkpoint keeps of a job's timeline adds up to its tallies, through stops and pauses."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.model.stop import Cause
from uploader.settings.speed import OnLongPause
from uploader.storage.checkpoint import Checkpoint


def kept(job: Job):
    checkpoint = Checkpoint.open(Path(f"{job.source}.checkpoint"), read_only=True)
    try:
        return checkpoint.timeline(), checkpoint.invocations()
    finally:
        checkpoint.close()


def added(intervals, name: str) -> Counter:
    total = Counter()
    for one in intervals:
        total.update(getattr(one, name))
    return total


def test_the_timeline_adds_up_to_the_tallies_through_stops_and_faults(tmp_path):
    faults = [
        {"kind": "status", "status": 503, "rate": 0.1},
        {"kind": "status", "status": 429, "shape": "burst", "requests": [30, 31]},
        {"kind": "reset", "applied": True, "rate": 0.05},
        {"kind": "reject", "keys": ["c7@example.com", "c401@example.com"]},
    ]
    rows = contacts(1_500)
    rows[11]["email"] = "nobody"
    job = Job(
        write_csv(tmp_path / "contacts.csv", rows),
        make_simulator(latency_seconds=0.2, faults=faults),
        batch_records=10,
    )
    for _ in range(3):
        assert job.run_virtual(stop_after=2.5).state == "stopped"
    summary = job.run_virtual()
    assert summary.state == "complete"
    intervals, invocations = kept(job)
    outcomes = {o.value: n for o, n in summary.tallies.outcomes.items() if n}
    assert dict(added(intervals, "outcomes")) == outcomes
    assert set(outcomes) == {"created", "updated", "rejected", "invalid"}
    statuses = added(intervals, "statuses")
    # What each invocation asks before its first row is counted, and is no part of the timeline.
    assert 0 <= summary.tallies.requests - statuses.total() <= 4 * 6
    assert statuses["503"]
    assert statuses["0"]
    assert statuses["429"] == summary.tallies.throttled == 1
    assert added(intervals, "latencies").total() == statuses.total()
    assert sum(one.retries for one in intervals) == summary.tallies.retries
    assert [one.state for one in invocations] == ["stopped"] * 3 + ["complete"]
    assert all(one.began < one.seen for one in invocations)
    assert all(a.seen <= b.began for a, b in pairwise(invocations))


def test_a_pause_is_in_the_timeline_with_its_cause_and_length(tmp_path):
    moved = {"kind": "status", "endpoint": "upsert", "status": 477, "retry_after_seconds": 600, "first": 1}
    job = Job(write_csv(tmp_path / "contacts.csv", contacts(4_000)), make_simulator(faults=[moved]))
    summary = job.run_virtual(on_long_pause=OnLongPause.WAIT)
    assert summary.tallies.pauses == {Cause.MIGRATION.value: 1}
    paused = added(kept(job)[0], "paused")
    assert set(paused) == {Cause.MIGRATION.value}
    assert abs(summary.elapsed_seconds - paused[Cause.MIGRATION.value]) < 30
    assert all(one.per_second for one in kept(job)[0])
