"""As if sequential, and books that are right: any file, any server, killed at any moment, in virtual time."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from support.model import planted_bugs
from support.model.cases import COMMON, cases
from support.model.checks import check, check_snapshot, ending
from support.model.running import MortalCheckpoint, run_to_the_end, start
from uploader.jobs import opening


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", MortalCheckpoint)


def run_case(case) -> None:
    with tempfile.TemporaryDirectory(prefix="uploader-model-") as folder:
        job = start(case, Path(folder))
        summary = run_to_the_end(case, job)
        end = ending(job.source, summary.as_dict(), list(job.hub.objects(1e9)))
        check(case, end)
        if case.writing.snapshot and case.id_property == "email":
            check_snapshot(case, job.source, end)


@pytest.mark.soak
def test_any_job_ends_as_if_its_rows_had_been_applied_one_by_one(request):
    @settings(max_examples=request.config.getoption("--cases"), **COMMON)
    @given(cases())
    def model(case):
        run_case(case)

    model()


@pytest.mark.parametrize("bug", planted_bugs.BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug):
    """Without shrinking: it is enough that some case shows it, in the account or the books."""
    phases = {"phases": [Phase.generate], "report_multiple_bugs": False, "derandomize": True}

    @settings(max_examples=1_000, **phases, **COMMON)
    @given(cases(most_stops=1))
    def model(case):
        run_case(case)

    with bug(), pytest.raises(AssertionError):
        model()
