"""Undo takes back what a job did, whatever the server and others do, both killed at any moment."""

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from support.model import planted_bugs
from support.model.cases import COMMON, Stop
from support.model.running import MOST_RUNS, KillableCheckpoint, run_process
from support.model.undo_cases import VALUES, Case, Others, cases, cases_killed_after_reading
from support.undo_runs import State, state, undo
from uploader.jobs import opening
from uploader.mockserver.request_and_reply import Request
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.records.duplicates import OnDuplicate
from uploader.records.write_policy import Policy
from uploader.storage.rows_without_snapshot import list_rows_without_snapshot
from uploader.undo.plan import UndoOutcome
from uploader.undo.run import Report
from uploader.undo.undo_file import Kept

SEEN: Counter[str] = Counter()
_NEVER = 10**6


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)


# --- the job, and what others do ---


@dataclass(frozen=True)
class Step:
    """The account on both sides of a run of the job, or of what others did."""

    is_job: bool
    before: State
    after: State
    noted: frozenset[str] = frozenset()  #: ids of contacts that somebody associated a note with


def _start(case: Case, folder: Path) -> Job:
    simulator = make_simulator(
        quota=case.quota, latency_seconds=case.latency_seconds, seed=case.seed, faults=case.faults
    )
    simulator.reset(0.0, [{"properties": {"email": key, **values}} for key, values in case.held.items()])
    options = {
        "snapshot": True,
        "policy": Policy(case.policy),
        "cleared": frozenset(VALUES if case.cleared else ()),
        "max_in_flight": 4,
        "on_duplicate": OnDuplicate.IN_ORDER,
    }
    return Job(
        write_csv(folder / "contacts.csv", case.rows, ["email", *VALUES]), simulator, options, seed=case.seed
    )


def _upload(case: Case, job: Job) -> list[Step]:
    """Run after run, each ended as the case says, and what others do in between."""
    steps: list[Step] = []
    changed: dict[str, object] = {}
    for pause in case.pauses:
        limit = FailureLimit(count=case.max_failures)
        if _run(case, job, steps, pause.stop, max_failures=limit, **changed):
            return steps
        _meddle(job, steps, pause.others)
        if pause.changed:
            changed = {**changed, **pause.changed, "accept_changed_settings": True}
    for attempt in range(MOST_RUNS if case.is_run_finished else 0):
        if attempt == MOST_RUNS - 3:
            job.simulator.change_scenario(make_simulator().scenario)
        limit = FailureLimit(count=_NEVER if attempt else case.max_failures)
        if _run(case, job, steps, None, max_failures=limit, **changed):
            break
    return steps


def _run(case: Case, job: Job, steps: list[Step], stop: Stop | None, **options: object) -> bool:
    """One process; whether the job is complete."""
    before = state(job)
    summary = run_process(
        job, stop, has_threads=case.has_threads, batch_records=case.batch_records, **options
    )
    if summary is not None and summary.cause is Cause.FAILURES:
        SEEN["stopped by --max-failures"] += 1
    job._clock += 5.0  # what had left may still arrive
    steps.append(Step(is_job=True, before=before, after=state(job)))
    return summary is not None and summary.state == "complete"


def _meddle(job: Job, steps: list[Step], others: Others) -> None:
    """Hours later: all that concerns contacts as they are then."""
    job._clock += 3600.0
    before = state(job)
    ids = {held["email"]: one for one, held in before.items()}
    gone = [key for key in others.deleted if key in ids]
    update = [
        {"email": key, "properties": {name: "theirs"}, "source": {"type": source, "id": "7"}}
        for key, (source, name) in others.edited.items()
        if key in ids and key not in gone
    ]
    noted = [key for key in others.noted if key in ids and key not in gone]
    links = [{"email": key, "to": "notes", "ids": [1]} for key in noted]
    job.simulator.change_records(job._clock, update, gone, "contacts", links)
    fresh = [key for key in others.created if key not in ids]
    if fresh:
        inputs = [
            {"idProperty": "email", "id": key, "properties": {"firstname": "From B", "phone": "123"}}
            for key in fresh
        ]
        scenario, simulator = job.simulator.scenario, job.simulator
        simulator.change_scenario(make_simulator().scenario)  # their requests meet no faults
        request = Request(
            method="POST",
            path="/crm/v3/objects/contacts/batch/upsert",
            headers={"authorization": "Bearer test-token", "content-type": "application/json"},
            body=json.dumps({"inputs": inputs}).encode(),
        )
        simulator.handle(request, job._clock)
        simulator.change_scenario(scenario)
        SEEN["created by others"] += len(fresh)
    job._clock += 3600.0
    if others:
        with_note = frozenset(ids[key] for key in noted)
        steps.append(Step(is_job=False, before=before, after=state(job), noted=with_note))


def _undo(case: Case, job: Job) -> tuple[Report, list[Kept]]:
    for after in case.undo_kills:
        report, kept = undo(job, kill_after=after, max_in_flight=2)
        if report is not None and report.end is None:
            return report, kept
        SEEN["undo killed"] += report is None
    for attempt in range(MOST_RUNS):
        if attempt == MOST_RUNS - 3:
            job.simulator.change_scenario(make_simulator().scenario)
        report, kept = undo(job)
        if report.end is None:
            return report, kept
    raise AssertionError(f"the undo does not end: {report}")


# --- the oracle ---


@dataclass(frozen=True)
class Life:
    """One contact through all steps; each value is what it held of one property, "" for nothing."""

    steps: Sequence[Step]
    hubspot_id: str

    def is_created_by_job(self) -> bool:
        return any(
            step.is_job and self.hubspot_id not in step.before and self.hubspot_id in step.after
            for step in self.steps
        )

    def is_touched_by_others(self) -> bool:
        return any(
            not step.is_job and step.before.get(self.hubspot_id) != step.after.get(self.hubspot_id)
            for step in self.steps
        )

    def has_note(self) -> bool:
        return any(self.hubspot_id in step.noted for step in self.steps)

    def values_before(self, name: str) -> list[str] | None:
        """What the job has replaced, in order, if its write is the latest change; else None."""
        changes = [
            (step.is_job, step.before.get(self.hubspot_id, {}).get(name, ""))
            for step in self.steps
            if self._value(step.before, name) != self._value(step.after, name)
        ]
        if not changes or not changes[-1][0]:
            return None
        return [former for is_job, former in changes if is_job]

    def value_at_first(self, name: str) -> str:
        return self._value(self.steps[0].before, name)

    def _value(self, at: State, name: str) -> str:
        return at.get(self.hubspot_id, {}).get(name, "")


@dataclass(frozen=True)
class Undone:
    """An undo, and the account before and after it."""

    then: State
    after: State
    report: Report
    listed: set[str]  #: contacts by id or address
    failed: set[str]  #: by id


def _check(case: Case, steps: list[Step], undone: Undone) -> None:
    then, after, report = undone.then, undone.after, undone.report
    assert sum(report.counts.values()) == report.keys
    assert after.keys() <= then.keys(), "undo has created a contact"
    assert not undone.failed or case.faults
    differs = False
    for one, now in then.items():
        life, is_listed = Life(steps, one), bool({one, now.get("email", "")} & undone.listed)
        # Rows that were under way when the snapshot was switched off are counted, and can't be named.
        is_said = is_listed or bool(report.unkept.unsure)
        has_gaps = not report.unkept.is_empty
        sent = [
            (name, text)
            for row in case.rows
            if row["email"] == now.get("email")
            for name, text in row.items()
        ]
        remains = _check_contact(life, now, after.get(one), sent, is_listed=is_said, has_gaps=has_gaps)
        differs |= bool(remains)
        is_theirs = life.is_touched_by_others() or (remains == WHOLE and life.has_note())
        SEEN["kept for a note"] += remains == WHOLE and not life.is_touched_by_others()
        if not case.is_disturbed and one not in undone.failed:
            assert not remains or (remains == WHOLE and is_theirs), (one, remains)
            assert not is_listed or is_theirs, (one, "listed for nothing")
    assert not differs or report.exit_code, "it says that all is as before"
    for outcome, count in report.counts.items():
        SEEN[outcome.value] += count


#: What remains of a contact that the job created, and undo has left as it is.
WHOLE = "the whole contact"


def _check_contact(
    life: Life,
    now: dict[str, str],
    left: dict[str, str] | None,
    sent: Collection[tuple[str, str]],
    *,
    is_listed: bool,
    has_gaps: bool,
) -> str:
    """What of it is still the job's: a property, `WHOLE`, or "" for nothing.

    `has_gaps`: rows were written without a snapshot. One that such a row created was there before the rows
    that the snapshot knows, so what these have replaced goes back.
    """
    existed = life.hubspot_id in life.steps[0].before
    is_created, is_touched = life.is_created_by_job(), life.is_touched_by_others()
    if left is None:
        assert is_created, "a contact that the job did not create was archived"
        assert not existed, "a contact that was there before the job was archived"
        assert not is_touched, "a contact was archived that others had written to"
        assert not life.has_note(), "a contact was archived that somebody had worked with"
        return ""
    if is_created:
        written = [name for name in {*now, *left} if left.get(name, "") != now.get(name, "")]
        if has_gaps:
            written = [n for n in written if left.get(n, "") not in (life.values_before(n) or ())]
        assert not written, "a created contact was written to"
        assert is_listed, "a contact that the job created is still there, and not listed"
        return WHOLE
    remains = ""
    for name in sorted({*now, *left}):
        formers, held = life.values_before(name), left.get(name, "")
        if formers is not None and (name, first := life.value_at_first(name)) in sent:
            formers = [*formers, first]  # a first write of what was there already changes nothing
        if formers is None:
            assert held == now.get(name, ""), (name, "not the job's, and changed by undo")
        elif held not in formers:
            assert held == now.get(name, ""), (name, held, formers)
            assert is_listed, (name, "still the job's, and not listed")
            remains = name
    return remains


def _listed(job: Job, report: Report, kept: list[Kept]) -> set[str]:
    """By id or address: what the undo lists, with the rows that were written while no snapshot was kept."""
    unkept = list(list_rows_without_snapshot(Path(f"{job.source}.checkpoint"), report.unkept))
    assert sum(row.outcome in {"created", "updated"} for row in unkept) == report.unkept.written
    SEEN["without a snapshot"] += len(unkept)
    return {one.hubspot_id for one in kept} | {one.key.lower() for one in [*kept, *unkept]}


@pytest.mark.draws
def test_the_account_is_as_before_but_for_what_others_have_touched(request):
    @settings(max_examples=request.config.getoption("--cases"), **COMMON)
    @given(cases())
    def model(case):
        run_case(case)

    model()
    # Cases that show nothing prove nothing; a handful may.
    enough = request.config.getoption("--cases") >= 60
    assert not enough or all(
        SEEN[outcome.value]
        for outcome in UndoOutcome
        if outcome not in {UndoOutcome.FAILED, UndoOutcome.ALIAS}
    ), SEEN
    assert not enough or (SEEN["undo killed"] and SEEN["kept for a note"])
    assert not enough or (SEEN["stopped by --max-failures"] and SEEN["created by others"])


#: Where any cases would show a bug too seldom: cases of the kind that it is about.
_OF_ITS_KIND = {planted_bugs.trust_every_reading: cases_killed_after_reading()}


@pytest.mark.soak
@pytest.mark.parametrize("bug", planted_bugs.UNDO_BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_of_undo_is_found(bug):
    _find(bug, _OF_ITS_KIND.get(bug, cases(has_threads=False)), 300)


@pytest.mark.soak
@pytest.mark.draws
@pytest.mark.parametrize("bug", _OF_ITS_KIND, ids=lambda bug: bug.__name__)
def test_cases_of_its_kind_pass_where_the_bug_is_not_planted(bug, request):
    @settings(
        max_examples=max(1, request.config.getoption("--cases") // 4), phases=[Phase.generate], **COMMON
    )
    @given(_OF_ITS_KIND[bug])
    def model(case):
        run_case(case)

    model()


def _find(bug, strategy, most):
    """Without shrinking: it is enough that some case shows it. The same cases every time."""
    phases = {"phases": [Phase.generate], "report_multiple_bugs": False, "derandomize": True}

    @settings(max_examples=most, **phases, **COMMON)
    @given(strategy)
    def model(case):
        run_case(case)

    with bug(), pytest.raises(AssertionError):
        model()


def run_case(case: Case) -> None:
    with tempfile.TemporaryDirectory(prefix="uploader-undo-") as folder:
        job = _start(case, Path(folder))
        steps = _upload(case, job)
        if not Path(f"{job.source}.checkpoint.snapshot").exists():
            return
        _meddle(job, steps, case.others)
        then = state(job)
        report, kept = _undo(case, job)
        failed = {one.hubspot_id for one in kept if one.outcome is UndoOutcome.FAILED}
        _check(case, steps, Undone(then, state(job), report, _listed(job, report, kept), failed))
