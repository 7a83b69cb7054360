"""A program that follows its job row by row: whatever it does and whenever it dies, what
it receives is true.

What it saw is never undone, no row is reported twice, and the last stream, which begins with what earlier
invocations settled, holds every row once. The account and the counts are compared with the
same oracle as in the other model tests.
"""

import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from support.mock_transport import make_simulator
from support.model.cases import COMMON, Case, Stop, cases
from support.model.checks import check, ending
from support.model.running import (
    MOST_RUNS,
    KillableCheckpoint,
    KillableTransport,
    KillableWriter,
    Killed,
    start,
)
from support.virtual_loop import run_virtual
from uploader import Outcome, Rows, Settings, StorageError, Uploader
from uploader.jobs import opening, outcome_stream
from uploader.jobs.session import Seams
from uploader.mockserver.simulator import Simulator


@pytest.fixture(autouse=True)
def _mortal(monkeypatch):
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)
    monkeypatch.setattr(outcome_stream, "MOST_WAITING", 7)


@dataclass(frozen=True)
class Leaving:
    """How an invocation ends before its end: after so many rows seen, rows handed over, or seconds."""

    kind: str
    after: int


KINDS = ["break", "raise in the loop", "aclose", "stop", "raise in the rows", "cancel", "cancel twice"]
LEAVINGS = st.lists(st.builds(Leaving, st.sampled_from(KINDS), st.integers(0, 30)), max_size=3)


class OursError(Exception):
    pass


class Program:
    """What outlives a process: the simulator's clock, and all outcomes seen."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = replace(case, ndjson=True)
        self.job = start(self.case, folder)
        self.simulator: Simulator = self.job.simulator
        self.source = self.job.source
        self.rows = [
            {name: cell for name, cell in row.items() if cell.strip() or number % 2}
            for number, row in enumerate(case.rows)
        ]
        self.clock = 0.0
        self.seen: list[tuple[int, Outcome]] = []

    def invoke(self, stop: Stop | None = None, leaving: Leaving | None = None, *, earlier: bool = False):
        """The summary, or None where there is none; what the stream gave is in `seen`."""
        return run_virtual(self._invoke(stop, leaving, earlier))

    async def _invoke(self, stop, leaving, earlier):
        loop = asyncio.get_running_loop()
        loop._jumping.now = self.clock
        killed = KillableCheckpoint.killed = Killed()
        transport = KillableTransport(self.simulator, killed)
        seams = Seams(
            transport=lambda _: transport,
            offload=lambda _: KillableWriter(killed),
            random_number=random.Random(self.case.seed).random,
            wall_clock=lambda: datetime.fromtimestamp(self.simulator.wall(loop.time()), UTC),
            batch_records=self.case.batch_records,
        )
        options = {name: value for name, value in self.job.options.items() if name != "sources"}
        uploader = Uploader(
            Settings(sources=(str(self.source),), token="test-token", **options),
            checkpoint=f"{self.source}.checkpoint",
            results=f"{self.source}.results.csv",
            seams=seams,
        )
        task = asyncio.ensure_future(self._follow(uploader, leaving, earlier))

        def strike() -> None:
            killed.in_commit = stop.kind == "kill in a commit"
            killed.is_dead = stop.kind != "signal"
            uploader.stop()
            if killed.is_dead:
                uploader.stop()

        if stop is not None:
            loop.call_later(stop.after_seconds, strike)
        if leaving and leaving.kind.startswith("cancel"):
            loop.call_later(leaving.after / 20, task.cancel)
            if leaving.kind == "cancel twice":
                loop.call_later(leaving.after / 20 + 0.01, task.cancel)
        try:
            return await task
        except StorageError:
            assert killed.is_dead
        except (OursError, asyncio.CancelledError):
            assert leaving is not None
        finally:
            self.clock = loop.time()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    async def _follow(self, uploader: Uploader, leaving: Leaving | None, earlier: bool):
        kind, after = (leaving.kind, leaving.after) if leaving else ("", 0)
        count = 0
        async with uploader as job:
            stream = job.run(Rows(self._given(kind, after), name="crm"), earlier=earlier)
            async for row in stream:
                assert row.source == "crm"
                if not row.is_earlier or earlier:
                    self.seen.append((row.row, row.outcome))
                count += 1
                if count <= after:
                    continue
                if kind == "break":
                    break
                if kind == "raise in the loop":
                    raise OursError
                if kind == "aclose":
                    await stream.aclose()
                if kind == "stop":
                    job.stop()
            del stream
        return job.summary

    def _given(self, kind: str, after: int):
        for number, row in enumerate(self.rows):
            if kind == "raise in the rows" and number == after:
                raise OursError
            yield dict(row)


def run_to_the_end(program: Program, leavings: list[Leaving]):
    for stop, leaving in [(stop, None) for stop in program.case.stops] + [(None, one) for one in leavings]:
        program.invoke(stop, leaving)
    for attempt in range(MOST_RUNS):
        if attempt == MOST_RUNS - 3:
            program.simulator.change_scenario(
                make_simulator(properties=program.case.scenario["properties"]).scenario
            )
        summary = program.invoke()
        if summary is not None and summary.state == "complete":
            return summary
    raise AssertionError(f"the job does not end: {summary}")


@pytest.mark.draws
def test_what_a_program_sees_of_its_job_is_true_whatever_happens(request):
    @settings(max_examples=request.config.getoption("--cases") // 4, **COMMON)
    @given(cases(most_stops=2), LEAVINGS)
    def model(case, leavings):
        with tempfile.TemporaryDirectory(prefix="uploader-followed-") as folder:
            program = Program(case, Path(folder))
            summary = run_to_the_end(program, leavings)
            end = ending(program.source, summary.as_dict(), list(program.simulator.objects(1e9)))
            check(program.case, end)
            outcomes = {number - 1: outcomes[0] for number, outcomes in end.outcomes.items()}
            assert max(Counter(row for row, _ in program.seen).values(), default=0) <= 1, "reported twice"
            assert all(outcomes[row] == outcome for row, outcome in program.seen), "what was seen was undone"
            program.seen.clear()
            requests = summary.tallies.requests
            again = program.invoke(earlier=True)
            assert again.tallies.requests == requests
            assert dict(program.seen) == outcomes
            assert len(program.seen) == len(outcomes)

    model()
