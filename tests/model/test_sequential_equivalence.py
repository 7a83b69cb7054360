"""As if sequential, and counts that are right: any file, any server, killed at any moment, in virtual time.

Cases are drawn by kinds (`cases.CASE_KINDS`), `--cases` of each. 2,000 of each, other ones for every seed:

    pytest tests/model/test_sequential_equivalence.py -k any_job -n 5 \\
        --cases 2000 --hypothesis-profile=random --hypothesis-seed=1
"""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from support.model import planted_bugs
from support.model.cases import (
    CASE_KINDS,
    COMMON,
    cases,
    cases_of_lost_creations,
    cases_of_moved_addresses,
    cases_of_one_contact,
    cases_of_two_people,
)
from support.model.checks import SEEN, check, check_snapshot, ending
from support.model.running import KillableCheckpoint, run_to_the_end, start, written
from uploader.jobs import opening


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)


def run_case(case) -> None:
    with tempfile.TemporaryDirectory(prefix="uploader-model-") as folder:
        job = start(case, Path(folder))
        summary = run_to_the_end(case, job)
        end = ending(job.source, summary.as_dict(), list(job.simulator.objects(1e9)), written(job))
        check(case, end)
        if case.writing.snapshot and case.id_property == "email":
            check_snapshot(case, job.source, end)


#: What each kind of cases is for, and how often it comes up in one of them at the least.
OFTEN = {
    "any": {"replayed": 0.2},
    "links": {"rows that only links order": 1.0},
    "freed values": {"freed values taken": 1.0, "refused for another contact's value": 1.0},
    "hot keys": {"files with a hot key": 0.5, "refused for another contact's value": 1.0},
    "doubtful conflicts": {},
}
HARD = {"killed while writing": 0.1, "replayed": 1.0}


@pytest.mark.draws
@pytest.mark.parametrize("kind", CASE_KINDS)
def test_any_job_ends_as_if_its_rows_had_been_applied_one_by_one(kind, request):
    @settings(max_examples=request.config.getoption("--cases"), **COMMON)
    @given(cases(kind=kind))
    def model(case):
        run_case(case)

    before = Counter(SEEN)
    model()
    seen = Counter(SEEN) - before
    often = {**OFTEN[kind], **({} if kind == "any" else HARD)}
    count = seen[f"cases of {kind}"]
    assert count >= request.config.getoption("--cases") // 2
    assert {what: seen[what] for what, share in often.items() if seen[what] < share * count} == {}, seen


#: Where any cases would show a bug too seldom: cases of the kind that it is about.
_OF_ITS_KIND = {
    planted_bugs.close_the_key_alone: cases_of_two_people(),
    planted_bugs.forget_what_left: cases_of_lost_creations(),
    planted_bugs.forget_a_tail: cases(kind="freed values"),
    planted_bugs.drop_a_value: cases_of_one_contact(),
    planted_bugs.open_a_key_before_the_commit: cases_of_moved_addresses(),
    planted_bugs.lose_links_at_resume: cases_of_one_contact(is_killed=True),
}


@pytest.mark.soak
@pytest.mark.parametrize("bug", planted_bugs.BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug):
    _find(bug, _OF_ITS_KIND.get(bug, cases(most_stops=1)))


#: What finds these bugs, too, and takes longer.
_LESS_OF_ITS_KIND = {
    planted_bugs.close_the_key_alone: cases(most_stops=1),
    planted_bugs.forget_what_left: cases(most_stops=1),
    planted_bugs.drop_a_value: cases(kind="hot keys"),
    planted_bugs.lose_links_at_resume: cases(kind="links"),
}


@pytest.mark.soak
@pytest.mark.parametrize("bug", _LESS_OF_ITS_KIND, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found_among_other_cases(bug):
    _find(bug, _LESS_OF_ITS_KIND[bug])


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


def _find(bug, strategy):
    """Without shrinking: it is enough that some case shows it, in the account or the counts.

    The same cases every time.
    """
    phases = {"phases": [Phase.generate], "report_multiple_bugs": False, "derandomize": True}

    @settings(max_examples=1_000, **phases, **COMMON)
    @given(strategy)
    def model(case):
        run_case(case)

    with bug(), pytest.raises(AssertionError):
        model()
