"""Created properties are recorded and archived exactly, whatever the server does and whenever it is killed.

The oracle: after the last run the account has what it had before and all that the file defines; after undo it
has what it had before and what records have a value of.
"""

import tempfile
from pathlib import Path

from hypothesis import given, settings, strategies as st

from support.property_runs import Case, toml

HELD = ("city", "score")
NAMES = [f"p{n}" for n in range(120)]
FAULTS = st.one_of(
    st.builds(
        lambda endpoint, status, applied, first: {
            "kind": "status",
            "endpoint": endpoint,
            "status": status,
            "applied": applied,
            "requests": [first, first],
        },
        st.sampled_from(["create_properties", "archive_properties", "search", "properties"]),
        st.sampled_from([423, 500, 502, 504]),
        st.booleans(),
        st.integers(1, 4),
    ),
    st.builds(
        lambda endpoint, applied, first: {
            "kind": "reset",
            "endpoint": endpoint,
            "applied": applied,
            "requests": [first, first],
        },
        st.sampled_from(["create_properties", "archive_properties"]),
        st.booleans(),
        st.integers(1, 4),
    ),
)
KILLS = st.lists(st.floats(0.1, 12.0), max_size=4)


@settings(max_examples=20)
@given(
    names=st.lists(st.sampled_from([*NAMES, *HELD]), min_size=1, max_size=120, unique=True),
    faults=st.lists(FAULTS, max_size=4),
    kills=st.tuples(KILLS, KILLS),
    used=st.sets(st.sampled_from(NAMES), max_size=5),
    multi_status=st.booleans(),
)
def test_all_is_created_once_and_undo_archives_exactly_that(names, faults, kills, used, multi_status):
    with tempfile.TemporaryDirectory() as folder:
        rules = {"multi_status": multi_status}
        case = Case(Path(folder), toml(*names), latency_seconds=1.0, faults=faults, rules=rules)
        before = case.names()
        for seconds in kills[0]:
            case.create(kill_after=seconds)
        report = case.create()
        assert report.end is None
        made = set(names) - before
        assert case.names() == before | made
        # One that an earlier request made is refused in a batch with others: it is ours all the same.
        assert (set(report.created), set(report.existing)) == (made, set(names) & before)
        if not made:
            return
        assert {name for name, state in case.states().items() if state == "created"} == made
        kept = used & made
        person = {"properties": {"email": "a@x.com", **dict.fromkeys(kept, "1")}}
        case.simulator.account.seed({"contacts": [person]}, "2026-01-01T00:00:00.000Z")
        for seconds in kills[1]:
            case.remove(kill_after=seconds)
        report = case.remove()
        assert report.end is None
        assert set(report.kept) == kept
        assert case.names() == before | kept
