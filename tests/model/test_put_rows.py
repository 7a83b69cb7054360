"""Rows that several tasks put: each has one outcome with its own ref, and the account is as if they came one
after the other.

The first model uses the oracle of the other model tests. The second one kills the process again and again,
while a queue delivers again what was not acknowledged.
"""

import asyncio
import random
import tempfile
from collections import Counter, deque
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from support.inline_thread import Inline
from support.mock_transport import MockTransport, make_simulator
from support.model.cases import COMMON, Case, cases
from support.model.checks import check, ending
from support.model.running import KillableCheckpoint, KillableTransport, KillableWriter, Killed, start
from support.virtual_loop import run_virtual
from uploader import RowOutcome, StoppedError, StorageError, Uploader
from uploader.jobs import opening, outcome_stream
from uploader.jobs.session import Seams
from uploader.mockserver.simulator import Simulator
from uploader.sources import put_rows

#: What a task does before each row: waits so many seconds, or a call of `put` that it cancels.
PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.9, 1.5, 30.0, "cancelled"])


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """So that tasks have to wait for room, and the job for the callback."""
    monkeypatch.setattr(put_rows, "AHEAD_BYTES", 150)
    monkeypatch.setattr(outcome_stream, "MOST_WAITING", 7)
    monkeypatch.setattr(opening, "Checkpoint", KillableCheckpoint)


def seams_of(simulator: Simulator, seed: int, transport: MockTransport, offload, batch_records: int) -> Seams:
    loop = asyncio.get_running_loop()
    return Seams(
        transport=lambda _: transport,
        offload=lambda _: offload,
        random_number=random.Random(seed).random,
        wall_clock=lambda: datetime.fromtimestamp(simulator.wall(loop.time()), UTC),
        batch_records=batch_records,
    )


async def put_all(case: Case, job: Uploader, tasks: int, pauses: list[float | str]) -> None:
    """Put the rows by so many tasks, each of which keeps the order of its own."""

    async def put(mine: int) -> None:
        for number in range(mine, len(case.rows), tasks):
            pause = pauses[number % len(pauses)]
            if isinstance(pause, str):
                with suppress(TimeoutError):
                    async with asyncio.timeout(0):
                        await asyncio.sleep(0)
                        await job.put({"email": "cancelled@x.com"}, ref="cancelled")
            else:
                await asyncio.sleep(pause)
            row = {name: cell for name, cell in case.rows[number].items() if cell.strip() or number % 2}
            await job.put(row, ref=number)

    await asyncio.gather(*map(put, range(tasks)))


@pytest.mark.draws
def test_rows_of_several_tasks_are_put_as_if_one_after_the_other(request):
    @settings(max_examples=request.config.getoption("--cases") // 4, **COMMON)
    @given(cases(most_stops=0), st.integers(1, 4), st.lists(PAUSES, min_size=1, max_size=7), PAUSES)
    def model(case: Case, tasks: int, pauses: list[float | str], delay: float | str) -> None:
        outcomes: list[RowOutcome] = []
        case = replace(case, ndjson=True)

        async def follow(outcome: RowOutcome) -> None:
            await asyncio.sleep(delay if isinstance(delay, float) else 0)
            outcomes.append(outcome)

        async def run(folder: Path):
            begun = start(case, folder)
            simulator, source = begun.simulator, begun.source
            uploader = Uploader(
                begun.settings(),
                checkpoint=f"{source}.checkpoint",
                results=f"{source}.results.csv",
                on_outcome=follow,
                seams=seams_of(simulator, case.seed, MockTransport(simulator), Inline(), case.batch_records),
            )
            with suppress(StoppedError):
                async with uploader as job:
                    await put_all(case, job, tasks, pauses)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return uploader.summary, list(simulator.objects(1e9)), source

        with tempfile.TemporaryDirectory(prefix="uploader-put-") as folder:
            summary, held, source = run_virtual(run(Path(folder)))
            assert len(outcomes) == summary.tallies.settled
            refs = {one.row: one.ref for one in outcomes}
            assert max(Counter(refs.values()).values(), default=1) == 1
            assert "cancelled" not in refs.values()
            for first in range(tasks):
                mine = [refs[row] for row in sorted(refs) if refs[row] % tasks == first]
                assert mine == sorted(mine)
            if summary.state == "complete":
                assert sorted(refs.values()) == list(range(len(case.rows)))
                put = replace(case, rows=[case.rows[refs[row]] for row in sorted(refs)])
                end = ending(source, summary.as_dict(), held)
                check(put, end)
                assert {one.row + 1: [one.outcome.value] for one in outcomes} == end.outcomes

    model()


MESSAGES = st.lists(st.integers(0, 6), min_size=1, max_size=60)
KILLS = st.lists(st.tuples(st.floats(0.2, 12), st.booleans()), max_size=4)


@pytest.mark.draws
def test_what_is_acknowledged_is_written_and_all_is_acknowledged_however_often_the_process_is_killed(request):
    @settings(max_examples=request.config.getoption("--cases") // 4, **COMMON)
    @given(MESSAGES, KILLS, st.sampled_from([0.0, 0.05, 0.5]), st.integers(1, 4), st.booleans())
    def model(keys, kills, latency, in_flight, keeps_files) -> None:
        simulator = make_simulator(latency_seconds=latency)
        unacknowledged = {
            number: {"email": f"k{key}@x.com", "firstname": f"F{number}"} for number, key in enumerate(keys)
        }
        clock = 0.0

        async def process(path: Path | None, kill: tuple[float, bool] | None) -> bool:
            nonlocal clock
            loop = asyncio.get_running_loop()
            loop._jumping.now = clock
            killed = KillableCheckpoint.killed = Killed()

            last: dict[str, int] = {}  # acknowledged by this process, by key

            def acknowledge(outcome: RowOutcome) -> None:
                assert not killed.is_dead
                row = unacknowledged.pop(outcome.ref)
                assert last.get(outcome.key, -1) < outcome.ref
                last[outcome.key] = outcome.ref
                assert outcome.ok
                (contact,) = (
                    one["properties"]
                    for one in simulator.objects(1e9)
                    if one["properties"]["email"] == row["email"]
                )
                written = contact["firstname"]
                assert int(written[1:]) >= outcome.ref

            def strike() -> None:
                killed.is_dead, killed.in_commit = True, kill[1]
                uploader.stop()
                uploader.stop()

            uploader = Uploader(
                token="test-token",
                checkpoint=path,
                restart=path is not None,
                max_in_flight=in_flight,
                on_outcome=acknowledge,
                seams=seams_of(simulator, 0, KillableTransport(simulator, killed), KillableWriter(killed), 5),
            )
            if kill is not None:
                loop.call_later(kill[0], strike)
            try:
                async with uploader as job:
                    waiting = deque(unacknowledged.items())
                    while waiting:
                        number, row = waiting.popleft()
                        await job.put(row, ref=number)
            except (StorageError, StoppedError):
                assert killed.is_dead
            finally:
                clock = loop.time()
            return killed.is_dead

        with tempfile.TemporaryDirectory(prefix="uploader-put-") as folder:
            path = Path(folder) / "queue.checkpoint" if keeps_files else None
            for kill in [*kills, None]:
                run_virtual(process(path, kill))
        assert not unacknowledged
        held = {one["properties"]["email"]: one["properties"]["firstname"] for one in simulator.objects(1e9)}
        assert held == {f"k{key}@x.com": f"F{number}" for number, key in enumerate(keys)}

    model()
