"""Random jobs: files with many repeated keys, accounts, faults of the server, and interruptions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, strategies as st

from support.model import conflicting_rows

COMMON: dict[str, Any] = {"suppress_health_check": list(HealthCheck)}
#: Addresses that are one person's in some cases; the file uses any of them.
NAMES = [f"p{number}@x.com" for number in range(6)]
#: Further unique properties.
PROPERTIES = [{"name": "external_id", "unique": True}, {"name": "old_id", "unique": True}]
BLANK = st.sampled_from(["", "", " "])


@dataclass(frozen=True)
class Stop:
    after_seconds: float
    kind: str  #: kill, kill in a commit, signal
    since_rows: bool = False  #: counted from the start of the pipeline


@dataclass(frozen=True)
class Writing:
    """The write policy of a case; the default reads nothing first."""

    policy: str = "overwrite"
    policies: tuple[tuple[str, str], ...] = ()  #: of single columns
    only: str = ""
    skip_unchanged: bool = False
    snapshot: bool = False

    def of(self, column: str) -> str:
        return dict(self.policies).get(column, self.policy)


@dataclass(frozen=True)
class Case:
    match: tuple[str, ...]
    ndjson: bool
    rows: list[dict[str, str]]
    seeded: list[tuple[list[str], dict[str, str]]]  #: addresses, values
    scenario: dict[str, Any]
    stops: list[Stop]
    batch_records: int
    max_in_flight: int
    latency_seconds: float
    quota: str
    seed: int
    writing: Writing = Writing()
    kind: str = "any"  #: what is more frequent than by chance: one of `CASE_KINDS`
    #: Rows read at once, and the limit of open rows: only open rows can conflict.
    slice_rows: int = 500
    most_open: int = 30_000

    @property
    def id_property(self) -> str:
        return self.match[0]

    @property
    def may_refuse(self) -> bool:
        """Whether the scenario refuses valid rows."""
        return any(
            fault["kind"] == "reject" or fault.get("status") in {400, 409, 413, 422}
            for fault in self.scenario["faults"]
        )


@st.composite
def rows(draw, id_property: str, most: int) -> list[dict[str, str]]:
    cell = st.sampled_from(["", "A", "B", "C", " D "])
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    made = []
    for _ in range(draw(st.integers(1, most))):
        row = {"firstname": draw(cell), "city": draw(cell)}
        address = draw(conflicting_rows.spelled(draw(st.sampled_from(names))))
        odd = draw(st.integers(0, 19))
        if id_property == "email":
            row["email"] = {0: "", 1: "nobody", 2: f"{address.strip()}.badtld"}.get(odd, address)
        else:
            row["external_id"] = draw(conflicting_rows.spelled(f"k{draw(st.integers(1, 4))}")) if odd else " "
            row["email"] = {1: "bad@y.badtld", 2: "nobody"}.get(odd, address if odd < 10 else draw(BLANK))
        made.append(row)
    return made


@st.composite
def rows_by_either_key(draw, most: int) -> list[dict[str, str]]:
    """Four people, each with an id and an address of their own; rows have both, either or (seldom) none."""
    cell = st.sampled_from(["", "A", "B", "C", " D "])
    made = []
    for _ in range(draw(st.integers(1, most))):
        person = draw(st.integers(1, 4))
        external_id, address = (
            draw(conflicting_rows.spelled(f"k{person}")),
            draw(conflicting_rows.spelled(NAMES[person])),
        )
        shape = draw(st.integers(0, 29))
        if shape == 0:
            external_id, address = " ", ""
        elif shape in {1, 2}:
            address = "nobody" if shape == 1 else "bad@y.badtld"
        elif shape == 3:  # somebody else's, or nobody's yet
            address = draw(st.sampled_from([*NAMES, "new@x.com"]))
        elif shape % 3:
            external_id, address = ("", address) if shape % 3 == 1 else (external_id, "")
        made.append(
            {"external_id": external_id, "email": address, "firstname": draw(cell), "city": draw(cell)}
        )
    return made


@st.composite
def seeded(draw, id_property: str) -> list[tuple[list[str], dict[str, str]]]:
    """Contacts that exist before; some have several of the file's addresses."""
    names = draw(st.permutations(NAMES))
    people, start = [], 0
    for _ in range(draw(st.integers(0, 3))):
        count = draw(st.integers(1, 2)) if id_property == "email" else 1
        values = draw(st.sampled_from([{}, {"firstname": "A"}, {"firstname": "A", "city": "B"}]))
        people.append((list(names[start : start + count]), values))
        start += count
    return [person for person in people if person[0]]


RULES = {
    "multi_status": st.booleans(),
    "conflict": st.sampled_from(["record", "batch"]),
    "conflict_body": st.sampled_from(["with_id", "without_id", "identity"]),
    "results_order": st.sampled_from(["shuffled", "input"]),
    "echo_trace_ids": st.booleans(),
    "errors_in_200": st.booleans(),
    "errors_listed": st.booleans(),
    "errors_without_trace_id": st.booleans(),
    "group_errors": st.sampled_from(["none", "trace_ids", "ids"]),
    "trace_id_shape": st.sampled_from(["list", "string", "top_level"]),
    "num_errors": st.sampled_from(["objects", "records", "zero"]),
}

_APPLIED = st.booleans()
KINDS = {
    "reset": {"applied": _APPLIED},
    "truncate": {"applied": _APPLIED},
    "no_op": {"applied": _APPLIED},
    "drop_results": {"applied": _APPLIED, "count": st.integers(1, 3)},
    "delay": {"seconds": st.sampled_from([0.0, 1.0, 7.0])},
    "garble": {
        "shape": st.sampled_from(
            ["not_json", "invalid_utf8", "array", "null", "wrong_types", "html", "empty"]
        ),
        "applied": _APPLIED,
    },
    "status": {
        "status": st.sampled_from([409, 423, 429, 500, 502, 503, 504, 521, 524]),
        "applied": _APPLIED,
    },
    "reject": {"share": st.sampled_from([0.2, 0.5]), "category": st.sampled_from(["VALIDATION_ERROR", "X"])},
}
#: An answer without a result is worked on later, at once, or never.
ACCEPTED = {
    "status": st.sampled_from(["PENDING", "PROCESSING", "CANCELED", "CANCELLED"]),
    "results_share": st.sampled_from([0, 0.5]),
}


@st.composite
def fault(draw) -> dict[str, Any]:
    when = draw(
        st.sampled_from([{"rate": 0.1}, {"rate": 0.3}, {"first": 1}, {"first": 3}, {"requests": [2, 5]}])
    )
    if draw(st.integers(0, 5)) == 0:
        kind = {"kind": "batch_status", **{name: draw(value) for name, value in ACCEPTED.items()}}
        late = draw(st.sampled_from([{}, {"applied": True}, {"late_seconds": 2}, {"late_seconds": 9}]))
        # What was cancelled and is applied late all the same cannot be distinguished from what was not.
        return {**kind, **when, **(late if kind["status"][0] == "P" or "late_seconds" not in late else {})}
    name = draw(st.sampled_from(sorted(KINDS)))
    details = {key: draw(value) for key, value in KINDS[name].items()}
    if details.get("status") in {409, 423, 429}:
        details["applied"] = False
    return {"kind": name, **details, **({} if name == "reject" else when)}


_POLICIES = st.sampled_from(["overwrite", "fill", "create-only"])
WRITING = st.one_of(
    st.just(Writing()),
    st.builds(
        Writing,
        policy=_POLICIES,
        policies=st.lists(
            st.tuples(st.sampled_from(["firstname", "city"]), _POLICIES), max_size=2, unique_by=lambda p: p[0]
        ).map(tuple),
        only=st.sampled_from(["", "", "existing", "new"]),
        skip_unchanged=st.booleans(),
        snapshot=st.booleans(),
    ),
)


#: What is wrong with requests, in the kinds that are about order: definite answers are late, lost, or false.
_WHEN = st.sampled_from(
    [{"rate": 0.15}, {"rate": 0.4}, {"every": 3}, {"every": 4}, {"first": 2}, {"requests": [2, 6]}]
)
_HARD = {
    "unavailable": st.just({"kind": "status", "status": 503}),
    "lost": st.sampled_from(
        [
            {"kind": "reset", "applied": True},
            {"kind": "status", "status": 502, "applied": True},
            {"kind": "truncate", "applied": True},
            {"kind": "drop_results", "count": 2, "applied": True},
        ]
    ),
    "canceled": st.just({"kind": "batch_status", "status": "CANCELED", "applied": True, "results_share": 0}),
    "canceled in part": st.just({"kind": "batch_status", "status": "CANCELED", "results_share": 0.5}),
    "accepted": st.sampled_from(
        [
            {"kind": "batch_status", "status": "PENDING", "applied": True, "results_share": 0},
            {"kind": "batch_status", "status": "PROCESSING", "applied": True, "results_share": 0.5},
        ]
    ),
    "slow": st.just({"kind": "delay", "seconds": 3.0}),
    "refused": st.just({"kind": "reject", "share": 0.2}),
}


#: Whole batches, over and over: a record alone has them twice, and is refused.
_CONFLICTS = st.sampled_from(
    [
        {"kind": "status", "status": 409, **when}
        for when in ({"rate": 0.4}, {"every": 2}, {"requests": [2, 6]})
    ]
)


@st.composite
def hard_faults(draw) -> list[dict[str, Any]]:
    """Several at once; one that refuses rows which are well leaves less to be checked, so it is rarer."""
    names = [*sorted(_HARD.keys() - {"refused"})] * 2 + ["refused"]
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    return [{**draw(_HARD[name]), **({} if name == "refused" else draw(_WHEN))} for name in chosen]


@st.composite
def doubtful_conflicts(draw) -> list[dict[str, Any]]:
    """What was written, and not answered, is called a conflict when it is sent again."""
    hidden = draw(st.one_of(_HARD["lost"], _HARD["canceled"]))
    return [{**hidden, **draw(_WHEN)}, draw(_CONFLICTS)]


#: How a case is made more of something than chance gives it, and by what its rows are matched.
CASE_KINDS: dict[str, Callable[[int], st.SearchStrategy[conflicting_rows.Rows]]] = {
    "any": lambda most: st.sampled_from(MATCHES).flatmap(
        lambda match: st.builds(conflicting_rows.Rows, st.just(match), rows_by(match, most), seeded(match[0]))
    ),
    "links": conflicting_rows.links,
    "freed values": conflicting_rows.freed_values,
    "hot keys": conflicting_rows.hot_keys,
    "doubtful conflicts": lambda most: st.one_of(
        conflicting_rows.links(most), conflicting_rows.freed_values(most), conflicting_rows.hot_keys(most)
    ),
}


@st.composite
def cases(draw, most_rows: int = 40, most_stops: int = 3, kind: str = "any") -> Case:
    made = draw(CASE_KINDS[kind](most_rows))
    is_any = kind == "any"
    rules = {name: draw(value) for name, value in RULES.items() if draw(st.integers(0, 3)) == 0}
    after = st.floats(0.05, 12) if is_any else st.floats(0.0, 4)
    stop = st.builds(
        Stop, after, st.sampled_from(["kill", "kill in a commit", "signal"]), st.just(not is_any)
    )
    wrong = {"any": st.lists(fault(), max_size=3), "doubtful conflicts": doubtful_conflicts()}
    faults = draw(wrong.get(kind, hard_faults()))
    stops = draw(st.lists(stop, max_size=most_stops))
    if stops:
        # A write that comes after its answer was lost with the process: no client can know.
        faults = [{k: v for k, v in one.items() if k != "late_seconds"} for one in faults]
    return Case(
        match=made.match,
        ndjson=draw(st.booleans()),
        rows=made.rows,
        seeded=made.seeded,
        scenario={
            "rules": rules,
            "faults": faults,
            "properties": PROPERTIES,
        },
        stops=stops,
        batch_records=draw(st.sampled_from([1, 2, 3, 5, 100])),
        max_in_flight=draw(st.integers(1, 8)),
        latency_seconds=draw(st.sampled_from([0.0, 0.05, 0.5, 2.0])),
        quota=draw(st.sampled_from(["190/10", "20/1", "none"])),
        seed=draw(st.integers(0, 10_000)),
        writing=draw(WRITING if is_any else st.one_of(st.just(Writing()), st.just(Writing()), WRITING)),
        kind=kind,
        slice_rows=500 if is_any else draw(st.sampled_from([1, 2, 4, 500])),
        most_open=30_000 if is_any else draw(st.sampled_from([1, 2, 4, 8, 30_000])),
    )


@st.composite
def cases_of_two_people(draw) -> Case:
    """Rows by either key, of which many name the key of the one and the address of the other."""
    row = st.fixed_dictionaries(
        {
            "external_id": st.sampled_from(["k1", "k2"]),
            "email": st.sampled_from(["", *NAMES[:2]]),
            "firstname": st.just(""),
            "city": st.sampled_from("AB"),
        }
    )
    case = draw(cases(most_rows=1, most_stops=0))
    return replace(
        case,
        match=("external_id", "email"),
        rows=draw(st.lists(row, min_size=4, max_size=12)),
        writing=Writing(),
        seeded=[],
        batch_records=draw(st.integers(1, 3)),
        max_in_flight=draw(st.integers(1, 2)),
        scenario={**case.scenario, "rules": {}, "faults": []},
    )


@st.composite
def cases_of_lost_creations(draw) -> Case:
    """Only contacts that are not there are written, and the process is killed before it is answered."""
    stop = st.builds(Stop, st.floats(0.1, 3), st.just("kill"), st.just(True))
    return replace(
        draw(cases(most_rows=12, most_stops=0)),
        writing=Writing(only="new"),
        stops=draw(st.lists(stop, min_size=1, max_size=2)),
        batch_records=draw(st.integers(1, 3)),
        latency_seconds=0.5,
    )


@st.composite
def cases_of_one_contact(draw, *, is_killed: bool = False) -> Case:
    """A row that holds both keys, then rows by one of them; requests that are made again, few rows open."""
    stop = st.builds(Stop, st.floats(1, 4), st.just("kill"), st.just(True))
    rows = conflicting_rows.rows_by_either_key if is_killed else conflicting_rows.rows_by_one_key
    case = draw(cases(most_rows=1, most_stops=0))
    return replace(
        case,
        match=("external_id", "email"),
        rows=draw(rows(24)),
        seeded=[],
        writing=Writing(),
        stops=draw(st.lists(stop, min_size=1, max_size=2)) if is_killed else [],
        scenario={
            "rules": {},
            "faults": [{"kind": "status", "status": 503, "rate": 0.3}],
            "properties": PROPERTIES,
        },
        batch_records=1,
        max_in_flight=4,
        latency_seconds=0.5,
        slice_rows=1,
        most_open=draw(st.integers(2, 4)),
    )


@st.composite
def cases_of_moved_addresses(draw) -> Case:
    """Contacts that take each other's addresses, by either key, and kills soon after rows are written."""
    stop = st.builds(Stop, st.floats(0.0, 0.5), st.sampled_from(["kill", "kill in a commit"]), st.just(True))
    made = draw(conflicting_rows.freed_values(12).filter(lambda made: "email" not in made.match[:1]))
    case = draw(cases(most_rows=1, most_stops=0))
    return replace(
        case,
        match=made.match,
        rows=made.rows,
        seeded=[],
        writing=Writing(),
        stops=draw(st.lists(stop, min_size=1, max_size=3)),
        scenario={"rules": {}, "faults": [], "properties": PROPERTIES},
        batch_records=draw(st.integers(1, 3)),
        max_in_flight=4,
        latency_seconds=0.02,
        quota="190/10",
    )


MATCHES = [("email",), ("email",), ("external_id",), ("external_id", "email")]


def rows_by(match: tuple[str, ...], most: int) -> st.SearchStrategy[list[dict[str, str]]]:
    return rows(match[0], most) if len(match) == 1 else rows_by_either_key(most)


#: Of the rules and faults, those that cost a real run no more than a second or two: what an answer leaves out
#: for good is given up only after half a minute.
_QUICK_RULES = {name: value for name, value in RULES.items() if name != "errors_listed"}
_QUICK = {"reset", "truncate", "no_op", "drop_results", "garble", "reject"}


@st.composite
def quick_fault(draw) -> dict[str, Any]:
    name = draw(st.sampled_from([*sorted(_QUICK), "status"]))
    details = {key: draw(value) for key, value in KINDS[name].items()}
    if name == "status":
        details["status"] = draw(st.sampled_from([500, 502, 524]))
    return {
        "kind": name,
        **details,
        **({} if name == "reject" else {"rate": draw(st.sampled_from([0.05, 0.15]))}),
    }


@st.composite
def quick_cases(draw) -> Case:
    """For real processes: files of several full batches, faults that end soon; stops count requests."""
    match = draw(st.sampled_from(MATCHES))
    some = draw(rows_by(match, 40))
    rows = []
    for number in range(draw(st.integers(150, 900))):
        filler = {**some[0], "email": f"f{number}@x.com", "firstname": f"F{number}"}
        if match[0] != "email":
            filler["external_id"] = f"f{number}"
        rows.append(some[number // 7 % len(some)] if number % 7 == 0 else filler)
    rules = {name: draw(value) for name, value in _QUICK_RULES.items() if draw(st.integers(0, 3)) == 0}
    stop = st.builds(Stop, st.integers(3, 30).map(float), st.sampled_from(["kill", "kill", "signal"]))
    return Case(
        match=match,
        ndjson=draw(st.booleans()),
        rows=rows,
        seeded=draw(seeded(match[0])),
        scenario={
            "rules": rules,
            "faults": draw(st.lists(quick_fault(), max_size=2)),
            "properties": PROPERTIES,
        },
        stops=draw(st.lists(stop, min_size=1, max_size=3)),
        batch_records=100,
        max_in_flight=draw(st.integers(1, 16)),
        latency_seconds=draw(st.sampled_from([0.0, 0.02, 0.1])),
        quota="100000/10",
        seed=draw(st.integers(0, 10_000)),
    )
