"""The same oracle with the real command in real processes, over sockets, killed by SIGKILL."""

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings

from support.model.cases import COMMON, Case, quick_cases
from support.model.checks import check, ending
from support.model.running import write_source
from support.processes import Ended, end, kill, run, start
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.pytest_plugin import RunningMock
from uploader.mockserver.quota import parse_quota
from uploader.mockserver.settings import MockSettings

MOST_RUNS = 8


def name(case: Case) -> str:
    return "contacts.ndjson" if case.ndjson else "contacts.csv"


def command(case: Case, mock: RunningMock) -> list[str]:
    return [
        *("upload", name(case), "--base-url", mock.url, "--match", ",".join(case.match)),
        *(
            "--max-in-flight",
            str(case.max_in_flight),
            "--rate",
            "1000/1",
            "--max-failures",
            "1000000",
            "--on-duplicate",
            "in-order",
            "--json",
        ),
    ]


def interrupt(case: Case, folder: Path, mock: RunningMock, requests: float, kind: str) -> Ended:
    """Start it, and strike once the server has seen so many more requests, unless it ends before."""
    target = mock.stats()["requests"] + requests
    process = start(*command(case, mock), cwd=folder)
    while process.poll() is None and mock.stats()["requests"] < target:
        time.sleep(0.005)
    if process.poll() is not None:
        return end(process)
    return kill(process, signal.SIGINT if kind == "signal" else signal.SIGKILL)


def run_case(case: Case, folder: Path, mock: RunningMock) -> None:
    write_source(case, folder)
    mock.reset(
        [
            {"properties": {"email": first, **values}, "additional_emails": more}
            for (first, *more), values in case.seeded
        ]
    )
    for stop in case.stops:
        interrupt(case, folder, mock, stop.after_seconds, stop.kind)
    for _ in range(MOST_RUNS):
        ended = run(*command(case, mock), cwd=folder)
        if ended.code in {0, 1}:
            break
    assert ended.code in {0, 1}, ended
    check(case, ending(folder / name(case), ended.summary, mock.contacts()))


@contextmanager
def serving(case: Case) -> Iterator[RunningMock]:
    scenario = Scenario.parse(case.scenario)
    quota = parse_quota(case.quota)
    mock = RunningMock(
        MockSettings(quota=quota, latency_seconds=case.latency_seconds, scenario=scenario, seed=case.seed)
    )
    try:
        yield mock
    finally:
        mock.stop()


@pytest.mark.draws
def test_any_job_killed_by_sigkill_ends_as_if_its_rows_had_been_applied_one_by_one(request):
    @settings(max_examples=request.config.getoption("--socket-cases"), **COMMON)
    @given(quick_cases())
    def model(case):
        with tempfile.TemporaryDirectory(prefix="uploader-model-") as folder, serving(case) as mock:
            run_case(case, Path(folder), mock)

    model()
