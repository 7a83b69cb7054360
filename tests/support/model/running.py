"""Runs a case against a simulator in virtual time, with its kills and resumes."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.inline_thread import Inline
from support.jobs import Job, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.model.cases import Case, Stop
from support.model.checks import SEEN
from support.model.conflicting_rows import MARK
from support.virtual_loop import run_virtual
from uploader.errors import StorageError
from uploader.jobs.session import Seams
from uploader.jobs.summary import Summary
from uploader.jobs.upload import Run
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.feed import Feed
from uploader.records.duplicates import OnDuplicate
from uploader.records.write_policy import Only, Policy
from uploader.sources.formats import lines_to_rows
from uploader.storage.checkpoint import Checkpoint
from uploader.system.blocking_calls import Background

#: After so many runs that end early (outages) the faults stop, and the job has to complete.
MOST_RUNS = 12


class Killed:
    """Simulates SIGKILL: after `now` is called nothing is written, sent or answered.

    What was committed stays, also the number in the lock file, and requests that were sent reach the server.
    Unlike after a real kill, file handles are closed.
    """

    def __init__(self) -> None:
        self.is_dead = False
        self.in_commit = False  # the results are written, the checkpoint is not

    def check(self) -> None:
        if self.is_dead:
            raise StorageError("killed")


class KillableWriter(Inline):
    """The writer thread of a process that may be killed, run inline."""

    def __init__(self, killed: Killed) -> None:
        self._killed = killed

    async def run(self, call):
        await asyncio.sleep(0)
        if not self._killed.in_commit:
            self._killed.check()
        return call()


class KillableThread(Background):
    """A real writer thread of a process that may be killed: a call goes on without its caller."""

    def __init__(self, killed: Killed, name: str) -> None:
        super().__init__(name)
        self._killed = killed

    async def run(self, call):
        def mortal():
            if not self._killed.in_commit:
                self._killed.check()
            return call()

        return await super().run(mortal)


class KillableTransport(MockTransport):
    def __init__(self, simulator, killed: Killed) -> None:
        super().__init__(simulator)
        self._killed = killed

    async def send(self, call, on_sent=lambda: None):
        if not self._killed.is_dead:
            reply = await super().send(call, on_sent)
            if not self._killed.is_dead:
                return reply
        return await asyncio.get_running_loop().create_future()


class KillableCheckpoint(Checkpoint):
    """A checkpoint whose commit fails if the process is killed in it."""

    killed = Killed()

    def commit(self, *arguments, **named):
        self.killed.check()
        super().commit(*arguments, **named)


def write_source(case: Case, folder: Path) -> Path:
    if not case.ndjson:
        return write_csv(folder / "contacts.csv", case.rows, sorted(case.rows[0]))
    file = folder / "contacts.ndjson"
    # Blanks are left out by every second row only: both are the same.
    rows = [
        {name: cell for name, cell in row.items() if cell.strip() or number % 2}
        for number, row in enumerate(case.rows)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def start(case: Case, folder) -> Job:
    file = write_source(case, folder)
    simulator = make_simulator(
        quota=case.quota, latency_seconds=case.latency_seconds, seed=case.seed, **case.scenario
    )
    people = [
        {"properties": {"email": first, **values}, "additional_emails": more}
        for (first, *more), values in case.seeded
    ]
    simulator.reset(0.0, people)
    options = {
        "match": case.match,
        "max_in_flight": case.max_in_flight,
        "max_failures": FailureLimit(count=10**6),
        "on_duplicate": OnDuplicate.IN_ORDER,
        "policy": Policy(case.writing.policy),
        "policies": {column: Policy(policy) for column, policy in case.writing.policies},
        "only_records": Only(case.writing.only),
        "skip_unchanged": case.writing.skip_unchanged,
        "snapshot": case.writing.snapshot,
    }
    return Job(file, simulator, options)


def run_to_the_end(case: Case, job: Job) -> Summary:
    for stop in case.stops:
        summary = run_virtual(_run(case, job, stop))
        if summary is not None and summary.state == "complete":
            return summary
    for attempt in range(MOST_RUNS):
        if attempt == MOST_RUNS - 3:
            job.simulator.change_scenario(make_simulator(properties=case.scenario["properties"]).scenario)
        summary = run_virtual(_run(case, job, None))
        if summary.state == "complete":
            return summary
    raise AssertionError(f"the job does not end: {summary}")


def written(job: Job) -> list[list[int]]:
    """For each contact, the rows of its last writes, in order."""
    found = []
    for contact in job.simulator.account.records("contacts"):
        values = (json.loads(packed).get(MARK) for _, _, packed in contact.all_writes)
        marks = [int(value) for value in values if value]
        found.append([mark for place, mark in enumerate(marks) if mark not in marks[place + 1 :]])
    return found


def run_process(
    job: Job, stop: Stop | None, *, batch_records: int, has_threads: bool = False, **options: Any
) -> Summary | None:
    """One process over a job; None where it was killed. `options` are settings of this invocation.

    In virtual time, or with real threads on a real clock; the account's own clock goes on in both. A stop
    counts from when rows begin to move.
    """
    seams = {"batch_records": batch_records, "random_number": random.Random(job.seed).random}
    work = _process(job, stop, options, seams=seams, has_threads=has_threads, since_rows=True)
    return asyncio.run(work) if has_threads else run_virtual(work)


async def _run(case: Case, job: Job, stop: Stop | None) -> Summary | None:
    seams = {"batch_records": case.batch_records, "random_number": random.Random(case.seed).random}
    since_rows = stop is not None and stop.since_rows
    with reading(case.slice_rows, case.most_open):
        return await _process(job, stop, {}, seams=seams, since_rows=since_rows)


@contextmanager
def reading(slice_rows: int, most_open: int) -> Iterator[None]:
    """Read so few rows at once that earlier ones are settled before later ones are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_to_rows, "SLICE_ROWS", slice_rows)
        patch.setattr(Feed, "is_full", property(lambda feed: feed.batcher.open_records >= most_open))
        yield


class _ShiftedTransport(KillableTransport):
    """A transport whose simulator's clock is ahead of the loop's."""

    def __init__(self, simulator, killed: Killed, clock: Callable[[], float]) -> None:
        super().__init__(simulator, killed)
        self._clock = clock

    async def _answer(self, call, loop):
        return await super()._answer(call, SimpleNamespace(time=self._clock))


async def _process(
    job: Job,
    stop: Stop | None,
    options: Mapping[str, Any],
    *,
    seams: Mapping[str, Any],
    has_threads: bool = False,
    since_rows: bool = False,
) -> Summary | None:
    loop = asyncio.get_running_loop()
    began = getattr(job, "_clock", 0.0)
    if has_threads:
        shift = loop.time() - began
    else:
        loop._jumping.now, shift = began, 0.0

    def clock() -> float:
        return loop.time() - shift

    killed = KillableCheckpoint.killed = Killed()
    transport = _ShiftedTransport(job.simulator, killed, clock)
    offload = (
        (lambda name: KillableThread(killed, name)) if has_threads else (lambda _: KillableWriter(killed))
    )
    run = Run(
        job.settings(**options),
        Seams(
            transport=lambda _: transport,
            offload=offload,
            wall_clock=lambda: datetime.fromtimestamp(job.simulator.wall(clock()), UTC),
            **seams,
        ),
    )

    def strike() -> None:
        if stop.kind.startswith("kill"):
            killed.in_commit = stop.kind == "kill in a commit"
            killed.is_dead = True
            run.stop(9)
        run.stop(2)
        if stop.kind == "two signals":
            run.stop(2)

    async def wait_and_strike() -> None:
        if since_rows:
            await run.started.wait()
        await asyncio.sleep(stop.after_seconds)
        strike()

    striker = None if stop is None else asyncio.ensure_future(wait_and_strike())
    try:
        return await run.run()
    except StorageError:
        assert killed.is_dead
        return None
    finally:
        has_written = any(path.endswith("/batch/upsert") for path in transport.paths)
        SEEN["killed while writing"] += killed.is_dead and has_written
        if striker is not None:
            striker.cancel()
        job._clock = clock()
