"""Undo takes back what a job did, whatever the server does, both killed at any moment, in virtual time."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import COMMON, Stop
from hub_transport import make_hub
from hypothesis import given, settings, strategies as st
from jobs import Job, write_csv
from running import MOST_RUNS, MortalCheckpoint, _run
from undoing import State, state, undo
from virtual_loop import run_virtual

from uploader.core.overwriting import Policy
from uploader.core.undoing import Fate
from uploader.edges.undoing import Kept
from uploader.run import opening
from uploader.run.undoing import Report
from uploader.settings import FailureLimit

SEEN: Counter[str] = Counter()
KEYS = tuple(f"c{n}@example.com" for n in range(6))
_VALUES = {
    "firstname": ("A", "B", ""),
    "city": ("Ulm", "Bonn", ""),
    "lifecyclestage": ("lead", "opportunity", "customer", "subscriber", ""),
}


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", MortalCheckpoint)


@dataclass(frozen=True)
class Case:
    held: dict[str, dict[str, str]]
    rows: list[dict[str, str]]
    cleared: bool
    policy: str
    faults: list[dict[str, object]]
    run_kills: list[float]
    is_run_finished: bool
    undo_kills: list[float]
    touched: dict[str, tuple[str, str]]  #: by key: the source, and the property that somebody else sets
    associated: list[str]  #: keys with which somebody associates a note
    deleted: list[str]
    batch_records: int
    latency_seconds: float
    seed: int


def _one(*, with_blanks: bool):
    kept = {
        name: st.sampled_from([v for v in values if v or with_blanks]) for name, values in _VALUES.items()
    }
    return st.fixed_dictionaries({}, optional=kept)


_FAULTS = st.sampled_from(
    [
        {"kind": "reset", "applied": True, "rate": 0.15},
        {"kind": "reset", "applied": False, "rate": 0.15},
        {"kind": "status", "status": 503, "applied": True, "rate": 0.15},
        {"kind": "status", "status": 423, "rate": 0.1},
        {"kind": "status", "status": 429, "rate": 0.1},
        {"kind": "drop_results", "count": 1, "rate": 0.1},
        # Errors that pass by themselves, of some or of all: they say nothing of what is there.
        {"kind": "reject", "category": "INTERNAL_ERROR", "rate": 0.15},
        {"kind": "reject", "category": "RATE_LIMITS", "share": 0.4, "rate": 0.4},
    ]
)
_MOMENTS = st.lists(st.floats(0.05, 6.0), max_size=3)
_TOUCHES = st.tuples(
    st.sampled_from(["CRM_UI", "AUTOMATION_PLATFORM", "IMPORT", "FORM"]), st.sampled_from(["city", "phone"])
)


@st.composite
def cases(draw):
    endpoints = st.sampled_from(["upsert", "update", "archive", "read", "associations"])
    return Case(
        held=draw(st.dictionaries(st.sampled_from(KEYS), _one(with_blanks=False), min_size=2, max_size=6)),
        rows=[
            {"email": key.upper() if loud else key, **row}
            for key, loud, row in draw(
                st.lists(
                    st.tuples(st.sampled_from(KEYS), st.booleans(), _one(with_blanks=True)),
                    min_size=6,
                    max_size=30,
                )
            )
        ],
        cleared=draw(st.booleans()),
        policy=draw(st.sampled_from([policy.value for policy in Policy])),
        faults=[
            {**fault, "endpoint": endpoint}
            for fault, endpoint in draw(st.lists(st.tuples(_FAULTS, endpoints), max_size=3))
        ],
        run_kills=draw(_MOMENTS),
        is_run_finished=draw(st.booleans()),
        undo_kills=draw(st.lists(st.floats(1.0, 12.0), max_size=4)),
        touched=draw(st.dictionaries(st.sampled_from(KEYS), _TOUCHES, max_size=4)),
        associated=draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True)),
        deleted=draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True)),
        batch_records=draw(st.integers(1, 5)),
        latency_seconds=draw(st.sampled_from([0.3, 1.0, 0.0])),
        seed=draw(st.integers(0, 2**16)),
    )


def _start(case: Case, folder: Path) -> Job:
    columns = ["email", *_VALUES]
    hub = make_hub(quota="none", latency_seconds=case.latency_seconds, seed=case.seed, faults=case.faults)
    hub.reset(0.0, [{"properties": {"email": key, **values}} for key, values in case.held.items()])
    options = {
        "snapshot": True,
        "policy": Policy(case.policy),
        "cleared": frozenset(_VALUES if case.cleared else ()),
        "max_failures": FailureLimit(count=10**6),
        "max_in_flight": 4,
    }
    return Job(write_csv(folder / "contacts.csv", case.rows, columns), hub, options, seed=case.seed)


def _upload(case: Case, job: Job) -> None:
    for after in case.run_kills:
        summary = run_virtual(_run(case, job, Stop(after, "kill")))
        if summary is not None and summary.state == "complete":
            return
    for attempt in range(MOST_RUNS if case.is_run_finished else 0):
        if attempt == MOST_RUNS - 3:
            job.hub.change_scenario(make_hub().scenario)
        if run_virtual(_run(case, job, None)).state == "complete":
            return


def _meddle(case: Case, job: Job) -> tuple[dict[str, str], set[str]]:
    """What others did: the property they set, by id; and with whom they have associated a note."""
    job._clock += 120.0
    ids = {held["email"]: one for one, held in state(job).items()}
    gone = [key for key in case.deleted if key in ids]
    touched = {key: one for key, one in case.touched.items() if key in ids and key not in gone}
    update = [
        {"email": key, "properties": {name: "theirs"}, "source": {"type": source, "id": "7"}}
        for key, (source, name) in touched.items()
    ]
    associated = [key for key in case.associated if key in ids and key not in gone]
    links = [{"email": key, "to": "notes", "ids": [1]} for key in associated]
    job.hub.meddle(job._clock, update, gone, "contacts", links)
    return {ids[key]: name for key, (_, name) in touched.items()}, {ids[key] for key in associated}


def _undo(case: Case, job: Job):
    for after in case.undo_kills:
        report, kept = undo(job, kill_after=after, max_in_flight=2)
        if report is not None and report.end is None:
            return report, kept
        SEEN["undo killed"] += report is None
    for attempt in range(MOST_RUNS):
        if attempt == MOST_RUNS - 3:
            job.hub.change_scenario(make_hub().scenario)
        report, kept = undo(job)
        if report.end is None:
            return report, kept
    raise AssertionError(f"the undo does not end: {report}")


def _less(held: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in held.items() if text}


def _check(
    case: Case,
    states: list[State],
    others: tuple[dict[str, str], set[str]],
    report: Report,
    kept: list[Kept],
) -> None:
    """The account before, once it was written, once others had been there, and at the end."""
    touched, associated = others
    before, written, then, after = states
    failed = {one.hubspot_id for one in kept if one.fate is Fate.FAILED}
    assert not failed or case.faults
    told = {one.hubspot_id for one in kept}
    created = then.keys() - before.keys()
    assert after.keys() <= then.keys(), "undo has created a contact"
    for one in before.keys() & then.keys() - failed:
        theirs = {touched[one]: then[one].get(touched[one], "")} if one in touched else {}
        assert after[one] == _less({**before[one], **theirs}), one
        if theirs and written[one].get("city", "") != before[one].get("city", "") and "city" in theirs:
            assert one in told, one
    worked_with = touched.keys() | associated
    for one in created - failed:
        assert (after.get(one) == then[one]) == (one in worked_with), one
        assert (one in told) == (one in worked_with)
    SEEN["kept for a note"] += len((created & associated) - touched.keys())
    restored = [one for one in before.keys() & then.keys() if before[one] != then[one] and one not in touched]
    if not failed:
        assert report.counts[Fate.ARCHIVED] == len(created - worked_with)
        plain = sum(1 for one in restored)
        # A contact of which others changed what the job did not write may be among the restored, too.
        mixed = sum(
            one in before and written.get(one, {}).get(name) == before[one].get(name)
            for one, name in touched.items()
        )
        assert plain <= report.counts[Fate.RESTORED] <= plain + mixed
    assert sum(report.counts.values()) == report.keys
    for fate, count in report.counts.items():
        SEEN[fate.value] += count


@pytest.mark.soak
def test_the_account_is_as_before_but_for_what_others_have_touched(request):
    @settings(max_examples=request.config.getoption("--cases"), **COMMON)
    @given(cases())
    def model(case):
        with tempfile.TemporaryDirectory(prefix="uploader-undo-") as folder:
            job = _start(case, Path(folder))
            before = state(job)
            _upload(case, job)
            if not Path(f"{job.source}.checkpoint.snapshot").exists():
                return
            written = state(job)
            others = _meddle(case, job)
            then = state(job)
            report, kept = _undo(case, job)
            _check(case, [before, written, then, state(job)], others, report, kept)

    model()
    # Cases that show nothing prove nothing; a handful may.
    enough = request.config.getoption("--cases") >= 100
    assert not enough or all(SEEN[fate.value] for fate in Fate if fate not in {Fate.FAILED, Fate.ALIAS}), SEEN
    assert not enough or (SEEN["undo killed"] and SEEN["kept for a note"])
