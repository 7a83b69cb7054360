"""Random jobs to be undone: rows, ends of runs, what others do in between, and what goes wrong."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from support.model.cases import Stop
from uploader.records.write_policy import Policy

KEYS = tuple(f"c{n}@example.com" for n in range(6))
VALUES = {
    "firstname": ("A", "B", ""),
    "city": ("Ulm", "Bonn", ""),
    "lifecyclestage": ("lead", "opportunity", "customer", "subscriber", ""),
}


@dataclass(frozen=True)
class Others:
    """Changes by others while no run is active; contacts are named by their address."""

    edited: dict[str, tuple[str, str]] = field(default_factory=dict)  #: the source, and the property they set
    created: tuple[str, ...] = ()  #: by another job of the same app
    deleted: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()  #: they associate a note with it

    def __bool__(self) -> bool:
        return bool(self.edited or self.created or self.deleted or self.noted)


@dataclass(frozen=True)
class Pause:
    """How a run ends, what others do then, and what the user changes before the next run."""

    stop: Stop
    others: Others = Others()
    changed: dict[str, Any] = field(default_factory=dict)  #: settings, from then on


@dataclass(frozen=True)
class Case:
    held: dict[str, dict[str, str]]
    rows: list[dict[str, str]]
    cleared: bool
    policy: str
    faults: list[dict[str, object]]
    pauses: list[Pause]
    max_failures: int  #: of every run but the last
    is_run_finished: bool
    has_threads: bool  #: the runs write in real threads, on a real clock
    undo_kills: list[float]
    others: Others  #: after the last run
    quota: str  #: where it is short, contacts are read long before they are written; "none" costs a window
    batch_records: int
    latency_seconds: float
    seed: int

    @property
    def is_disturbed(self) -> bool:
        """Whether others wrote, or settings changed, during the job."""
        return any(pause.others or pause.changed for pause in self.pauses)


def _one(*, with_blanks: bool) -> st.SearchStrategy[dict[str, str]]:
    kept = {name: st.sampled_from([v for v in values if v or with_blanks]) for name, values in VALUES.items()}
    return st.fixed_dictionaries({}, optional=kept)


_FAULTS = st.sampled_from(
    [
        {"kind": "reset", "applied": True, "rate": 0.15},
        {"kind": "reset", "applied": False, "rate": 0.15},
        {"kind": "status", "status": 503, "applied": True, "rate": 0.15},
        {"kind": "status", "status": 423, "rate": 0.1},
        {"kind": "status", "status": 429, "rate": 0.1},
        {"kind": "drop_results", "count": 1, "rate": 0.1},
    ]
)
_ENDPOINTS = st.sampled_from(["upsert", "update", "archive", "read", "associations"])
_REJECTS = st.sampled_from([{"kind": "reject", "keys": list(KEYS[:2])}, {"kind": "reject", "share": 0.7}])
_EDITS = st.tuples(
    st.sampled_from(["CRM_UI", "AUTOMATION_PLATFORM", "IMPORT", "FORM"]), st.sampled_from(["city", "phone"])
)
#: A read with a transient error for some of its inputs.
_READ_ERRORS = st.sampled_from(
    [
        {"kind": "reject", "endpoint": "read", "category": "INTERNAL_ERROR", "rate": 0.3, "share": 0.5},
        {"kind": "reject", "endpoint": "read", "category": "RATE_LIMITS", "rate": 0.3, "share": 0.7},
    ]
)
_KEY = st.sampled_from(KEYS)
_SOME_KEYS = st.lists(_KEY, max_size=3, unique=True).map(tuple)
_NOBODY = st.just(Others())
_OTHERS = st.builds(
    Others,
    edited=st.dictionaries(_KEY, _EDITS, max_size=4),
    created=st.lists(_KEY, max_size=6, unique=True).map(tuple),
    deleted=st.lists(_KEY, max_size=1).map(tuple),
    noted=_SOME_KEYS,
)
#: The last two cannot be used for a column that blank cells clear.
_CHANGED: list[dict[str, Any]] = [
    {},
    {},
    {"snapshot": False},
    {"snapshot": True},
    {"ignored": frozenset({"city"})},
    {"ignored": frozenset()},
]


@st.composite
def _pauses(draw: st.DrawFn, *, fewest: int, has_threads: bool, can_ignore: bool) -> list[Pause]:
    kinds = st.sampled_from(["kill", "kill", "kill in a commit", "signal", "two signals"])
    after = st.floats(0.0, 0.1) if has_threads else st.one_of(st.floats(0.0, 3.0), st.floats(0.0, 10.0))
    is_quiet = draw(st.integers(0, 2)) == 0
    others = _NOBODY if is_quiet else st.one_of(_NOBODY, _OTHERS)
    changed = st.just({}) if is_quiet else st.sampled_from(_CHANGED[: None if can_ignore else 4])
    pause = st.builds(Pause, st.builds(Stop, after, kinds), others, changed)
    return draw(st.lists(pause, min_size=fewest, max_size=3))


@st.composite
def cases(draw: st.DrawFn, *, has_threads: bool | None = None) -> Case:
    """Cases of undo; by default one in ten with real threads."""
    if has_threads is None:
        has_threads = draw(st.integers(0, 9)) == 9
    is_run_finished, cleared = draw(st.booleans()), draw(st.booleans())
    faults = [
        {**fault, "endpoint": endpoint}
        for fault, endpoint in draw(st.lists(st.tuples(_FAULTS, _ENDPOINTS), max_size=3))
    ]
    faults += draw(st.lists(_READ_ERRORS, max_size=1))
    rejects = [draw(_REJECTS)] if draw(st.booleans()) else []
    lines = st.tuples(_KEY, st.booleans(), _one(with_blanks=True))
    return Case(
        held=draw(st.dictionaries(_KEY, _one(with_blanks=False), min_size=1, max_size=4)),
        rows=[
            {"email": key.upper() if loud else key, **row}
            for key, loud, row in draw(st.lists(lines, min_size=8, max_size=40))
        ],
        cleared=cleared,
        policy=draw(st.sampled_from([policy.value for policy in Policy])),
        faults=rejects + ([] if has_threads else faults),  # real backoffs would take real time
        pauses=draw(_pauses(fewest=not is_run_finished, has_threads=has_threads, can_ignore=not cleared)),
        max_failures=draw(st.sampled_from([10**6, 1, 3])),
        is_run_finished=is_run_finished,
        has_threads=has_threads,
        undo_kills=draw(st.lists(st.floats(1.0, 12.0), max_size=4)),
        others=Others(
            draw(st.dictionaries(_KEY, _EDITS, max_size=4)),
            deleted=draw(_SOME_KEYS),
            noted=draw(_SOME_KEYS),
        ),
        quota="100000/10" if has_threads else draw(st.sampled_from(["none", "4/2", "8/4"])),
        batch_records=draw(st.integers(1, 5)),
        latency_seconds=0.004 if has_threads else draw(st.sampled_from([0.3, 1.0, 0.0])),
        seed=draw(st.integers(0, 2**16)),
    )


@st.composite
def cases_killed_after_reading(draw: st.DrawFn) -> Case:
    """Killed while rows that were read wait for the quota. Then others write to their contacts."""
    lines = st.tuples(_KEY, _one(with_blanks=False))
    others = Others(edited=dict.fromkeys(KEYS[:3], ("CRM_UI", "city")), created=KEYS)
    return replace(
        draw(cases(has_threads=False)),
        rows=[{"email": key, **row} for key, row in draw(st.lists(lines, min_size=8, max_size=16))],
        cleared=False,
        policy="overwrite",
        faults=[],
        pauses=[Pause(Stop(draw(st.floats(0.0, 3.0)), "kill"), others)],
        max_failures=10**6,
        is_run_finished=True,
        undo_kills=[],
        others=Others(),
        quota=draw(st.sampled_from(["4/2", "8/4"])),
        batch_records=draw(st.integers(1, 3)),
        latency_seconds=draw(st.sampled_from([0.3, 1.0])),
    )
