"""A job with links, killed at each of its commits: the end is as without the kill.

By turns just before a commit and just after it; with `-m soak` both at each.

The file of links is committed before the checkpoint, which counts its rows. Both orders of the two, the start
of the pass over links and its end are among the places.
"""

from functools import partial

import pytest

from support.follow_ups.killed_commits import Kill, run_with_kill
from support.jobs import Job
from support.links.runs import PLAIN, PRIMARY, account, check_links, labels, make_job
from support.soaked import some

_COMPANIES = ["A", "B", "C"]
#: Links that two rows ask for, rows that are refused once and for good, an end that is not there.
_ROWS = [
    {"email": "a@x.com", "account": "A", "main": ""},
    {"email": "once@x.com", "account": "A", "main": "B"},
    {"email": "never@x.com", "account": "B", "main": ""},
    {"email": "a@x.com", "account": "A", "main": "B"},
    {"email": "once@x.com", "account": "A", "main": "B"},
    {"email": "late@x.com", "account": "B", "main": "gone"},
]
_FAULTS = [
    {"kind": "reject", "keys": ["never@x.com"]},
    *({"kind": "reject", "keys": [one], "times": 1} for one in ("once@x.com", "late@x.com")),
]


def _job(folder) -> Job:
    folder.mkdir()
    simulator = account(_COMPANIES, ["a@x.com"], [("a@x.com", "C", "")], faults=_FAULTS)
    job = make_job(folder / "a.csv", _ROWS, simulator, [PLAIN, PRIMARY])
    job.batch_records = 4
    return job


#: The settings of each invocation.
_AT_ONCE, _IN_TWO_PARTS = [{}], [{"limit": 2}, {}]
_CREATING = [{"create_missing": frozenset({"companies"})}]


@pytest.mark.parametrize("side", some("by turns", soaked=["before the commit", "after the commit"]))
@pytest.mark.parametrize(
    "steps",
    [_AT_ONCE, *(pytest.param(one, marks=pytest.mark.soak) for one in (_IN_TWO_PARTS, _CREATING))],
    ids=["at once", "in two parts", "creating companies"],
)
def test_every_link_has_its_outcome_at_whatever_commit_the_process_is_killed(tmp_path, steps, side):
    before = labels(_job(tmp_path / "before").simulator)
    there = [*_COMPANIES, *(["gone"] if steps == _CREATING else [])]
    without = Kill()
    run_with_kill(lambda: _job(tmp_path / "none"), without, steps)
    assert without.commits > 10
    for at in range(without.commits):
        kill = Kill(at, is_before=at % 2 == 0 if side == "by turns" else side == "before the commit")
        job, summary = run_with_kill(partial(_job, tmp_path / str(at)), kill, steps)
        assert (at, summary.state) == (at, "complete")
        try:
            check_links(job, _ROWS, summary, before, there)
        except AssertionError as error:
            raise AssertionError(f"killed at commit {at}: {error}") from error
