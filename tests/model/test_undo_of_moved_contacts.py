"""Undo of a job whose contacts people have renamed, deleted, created anew and merged; both are killed.

What was there before the job is never archived; what undo ends with 0 is as it was; all else is listed.
"""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.model.cases import COMMON, Stop
from support.model.running import MOST_RUNS, KillableCheckpoint, _run
from support.undo_runs import State, UndoOutcome, state, undo
from support.virtual_loop import run_virtual
from uploader.jobs import opening
from uploader.mockserver.bodies.error_bodies import iso
from uploader.undo.run import Report
from uploader.undo.undo_file import Kept

SEEN: Counter[str] = Counter()
KEYS = tuple(f"c{n}@example.com" for n in range(8))
OURS = {"type": "INTEGRATION", "id": "1512050"}
PEOPLE = {"type": "CRM_UI", "id": "userId:7"}


@dataclass(frozen=True)
class Deed:
    """What somebody does between run and undo, or while the run goes on."""

    what: str  #: rename, delete, create anew, merge, or take over: a merge that keeps the winner's id
    key: str
    other: str  #: the contact it is merged with
    by_our_app: bool


@dataclass(frozen=True)
class Case:
    held: list[str]
    is_held_ours: bool
    rows: list[tuple[str, str]]
    deeds: list[Deed]
    faults: list[dict[str, object]]
    run_kills: list[float]
    undo_kills: list[float]
    is_run_finished: bool
    batch_records: int
    seed: int = 0
    slice_rows: int = 500
    most_open: int = 30_000


_DEEDS = st.builds(
    Deed,
    st.sampled_from(["rename", "delete", "create anew", "merge", "take over"]),
    st.sampled_from(KEYS),
    st.sampled_from(KEYS),
    st.booleans(),
)
_FAULTS = st.sampled_from(
    [
        {"kind": "reset", "applied": True, "rate": 0.2, "endpoint": "upsert"},
        {"kind": "reset", "applied": False, "rate": 0.2, "endpoint": "upsert"},
        {"kind": "status", "status": 503, "applied": True, "rate": 0.2, "endpoint": "upsert"},
        {"kind": "drop_results", "count": 1, "rate": 0.2, "endpoint": "read"},
    ]
)
CASES = st.builds(
    Case,
    held=st.lists(st.sampled_from(KEYS), unique=True, max_size=4),
    is_held_ours=st.booleans(),
    rows=st.lists(
        st.tuples(st.sampled_from(KEYS), st.sampled_from(["Bonn", "Kiel"])), min_size=3, max_size=14
    ),
    deeds=st.lists(_DEEDS, min_size=1, max_size=6),
    faults=st.lists(_FAULTS, max_size=1),
    run_kills=st.lists(st.floats(0.05, 6.0), max_size=1),
    undo_kills=st.lists(st.floats(1.0, 12.0), max_size=2),
    is_run_finished=st.booleans(),
    batch_records=st.integers(1, 4),
)


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)


def _start(case: Case, folder: Path) -> Job:
    simulator = make_simulator(quota="none", latency_seconds=0.3, faults=case.faults)
    source = OURS if case.is_held_ours else PEOPLE
    held = [
        {"properties": {"email": key, "city": "Ulm", "phone": "1"}, "source": source} for key in case.held
    ]
    simulator.reset(0.0, held)
    rows = [{"email": key, "city": city} for key, city in case.rows]
    job = Job(write_csv(folder / "contacts.csv", rows), simulator, {"snapshot": True, "max_in_flight": 2})
    job._clock = 30 * 86_400.0
    return job


def _upload(case: Case, job: Job) -> None:
    for after in case.run_kills:
        summary = run_virtual(_run(case, job, Stop(after, "kill")))
        if summary is not None and summary.state == "complete":
            return
    for _ in range(MOST_RUNS if case.is_run_finished or not case.run_kills else 0):
        if run_virtual(_run(case, job, None)).state == "complete":
            return


def _do(deed: Deed, job: Job) -> set[str]:
    """The ids of contacts that are other people's matter from now on, old and new."""
    records = job.simulator.account._store("contacts").records
    first, second = (records.owner("email", key) for key in (deed.key, deed.other))
    source = OURS if deed.by_our_app else PEOPLE
    at = job.simulator.wall(job._clock)
    if first is None or (deed.what in {"merge", "take over"} and second in {None, first}):
        return set()
    SEEN[deed.what] += 1
    one = str(first.id)
    match deed.what:
        case "rename":
            values = {"email": f"new.{deed.key}"}
            job.simulator.change_records(
                job._clock, [{"id": one, "properties": values, "source": source}], ()
            )
        case "delete":
            job.simulator.change_records(job._clock, (), [{"id": one}])
        case "create anew":
            job.simulator.change_records(job._clock, (), [{"id": one}])
            values = {"email": deed.key, "city": "Bonn"}
            before = set(state(job))
            seeded = {"contacts": [{"properties": values, "source": source}]}
            job.simulator.account.seed(seeded, iso(at))
            return {one, *(set(state(job)) - before)}
        case "merge":
            return {one, str(second.id), job.simulator.merge(job._clock, {"id": one}, {"id": str(second.id)})}
        case "take over":
            records.archive(first, iso(at))
            second.additional_emails = (*second.additional_emails, deed.key)
            records._owners["email"][deed.key] = second
    return {one}


def _undo(case: Case, job: Job) -> tuple[Report, list[Kept]]:
    for after in case.undo_kills:
        report, kept = undo(job, kill_after=after, max_in_flight=1)
        if report is not None and report.end is None:
            return report, kept
    report, kept = undo(job)
    assert report.end is None
    return report, kept


def _check(states: list[State], theirs: set[str], report: Report, kept: list[Kept]) -> None:
    """The account before, once others had been there, and at the end."""
    before, then, after = states
    assert after.keys() <= then.keys(), "undo has created a contact"
    gone = then.keys() - after.keys()
    assert not gone & before.keys(), "a contact that was there before the job is archived"
    assert not gone & theirs, "a contact that others have touched is archived"
    left = after.keys() - before.keys()
    listed = {one.hubspot_id for one in kept}
    failed = {one.hubspot_id for one in kept if one.outcome is UndoOutcome.FAILED}
    for one in after:
        expected = before.get(one, then[one])
        if after[one] != expected:
            is_listed = one in listed or one in theirs
            assert is_listed, (one, before.get(one), then[one], after[one])
    if report.exit_code == 0:
        assert {one: after[one]["city"] for one in before if one in after} == {
            one: before[one]["city"] for one in before if one in after
        }
        assert left <= theirs | failed
    assert bool(kept) == (report.exit_code == 1)
    assert sum(report.counts.values()) == report.keys
    for outcome, count in report.counts.items():
        SEEN[outcome.value] += count


@pytest.mark.draws
def test_what_people_do_to_contacts_is_never_undone_and_never_hidden(request):
    @settings(max_examples=max(1, request.config.getoption("--cases") // 2), **COMMON)
    @given(CASES)
    def model(case):
        with tempfile.TemporaryDirectory(prefix="uploader-moved-") as folder:
            job = _start(case, Path(folder))
            before = state(job)
            _upload(case, job)
            if not Path(f"{job.source}.checkpoint.snapshot").exists():
                return
            job.simulator.change_scenario(make_simulator().scenario)
            theirs: set[str] = set()
            written = state(job)
            for deed in case.deeds:
                job._clock += 3_600.0
                theirs |= _do(deed, job)
            job._clock += 3_600.0
            then = state(job)
            report, kept = _undo(case, job)
            _check([before, then, state(job)], theirs, report, kept)
            lost = (written.keys() - before.keys()) - then.keys()
            assert not lost or report.exit_code == 1, "a created contact that is gone is hidden"

    model()
    enough = request.config.getoption("--cases") >= 60
    deeds = {"rename", "delete", "create anew", "merge", "take over"}
    outcomes = {
        outcome.value
        for outcome in (UndoOutcome.ARCHIVED, UndoOutcome.RESTORED, UndoOutcome.KEPT, UndoOutcome.GONE)
    }
    assert not enough or all(SEEN[name] for name in deeds | outcomes), SEEN
