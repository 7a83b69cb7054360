"""Jobs that run one after the other share connections, clocks and the log of sends."""

import asyncio
import random

import pytest

from support.inline_thread import Inline
from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.virtual_loop import run_virtual
from uploader.jobs.session import Connection, Seams
from uploader.jobs.upload import Run


def two_jobs(
    tmp_path, simulator, *, shared: bool, rows: int = 300, pause_seconds: float = 0.0
) -> tuple[list[Run], MockTransport]:
    """Upload two files, one after the other, ten records a request. No `async with` closes what is shared."""
    jobs = [Job(write_csv(tmp_path / f"{n}.csv", contacts(rows, city=n)), simulator) for n in ("a", "b")]
    transport = MockTransport(simulator)
    seams = Seams(
        transport=lambda _: transport,
        offload=lambda _: Inline(),
        random_number=random.Random(1).random,
        batch_records=10,
    )
    runs: list[Run] = []

    async def run() -> None:
        connection = Connection(jobs[0].settings(), seams) if shared else None
        for job in jobs:
            runs.append(Run(job.settings(), seams, connection=connection))
            summary = await runs[-1].run()
            assert summary.state == "complete"
            await asyncio.sleep(pause_seconds)

    run_virtual(run())
    return runs, transport


def first_upsert_after(simulator, count: int) -> float:
    """Seconds from the reply to one upsert to the next one's arrival."""
    at = [one.at for one in simulator.statistics.log if one.path.endswith("/upsert")]
    return at[count] - at[count - 1]


@pytest.mark.parametrize(("shared", "waits"), [(True, False), (False, True)])
def test_a_second_job_waits_for_no_window_where_the_quota_is_not_told(tmp_path, shared, waits):
    simulator = make_simulator(quota="100/10", latency_seconds=0.1, rules={"rate_headers": False})
    two_jobs(tmp_path, simulator, shared=shared)
    assert (first_upsert_after(simulator, 30) > 5) is waits
    assert simulator.stats()["throttled"] == 0


@pytest.mark.parametrize("latency", [0.05, 0.4])
def test_two_jobs_exceed_no_window_together(tmp_path, latency):
    simulator = make_simulator(quota="20/10", latency_seconds=latency)
    two_jobs(tmp_path, simulator, shared=True)
    assert simulator.stats()["most_in_window"] <= 20
    assert simulator.stats()["throttled"] == 0


def test_each_job_counts_its_own_requests(tmp_path):
    simulator = make_simulator(quota="100/10", latency_seconds=0.1)
    runs, _ = two_jobs(tmp_path, simulator, shared=True)
    assert runs[1].session.sender.tallies.requests == 30  # account and properties are known
    assert simulator.stats()["requests"] == 2 * 30 + 3


def test_what_the_account_said_long_ago_is_asked_again(tmp_path):
    simulator = make_simulator(quota="100/10", latency_seconds=0.1)
    two_jobs(tmp_path, simulator, shared=True, pause_seconds=3_601.0)
    paths = [one.path for one in simulator.statistics.log if one.method == "GET"]
    assert sum(path.startswith("/crm/v3/properties") for path in paths) == 2


def test_a_failure_of_a_former_job_is_no_outage_of_the_next_one(tmp_path):
    """A request that could be done without failed, and the next job begins long after."""
    simulator = make_simulator(quota="100/10", latency_seconds=0.1)
    source = write_csv(tmp_path / "a.csv", contacts(50))
    transport = MockTransport(simulator)
    seams = Seams(transport=lambda _: transport, offload=lambda _: Inline())

    async def run() -> None:
        job = Job(source, simulator)
        connection = Connection(job.settings(), seams)
        connection.sender.failed("HTTP 502", asyncio.get_running_loop().time())
        await asyncio.sleep(3_600)
        assert (await Run(job.settings(), seams, connection=connection).run()).state == "complete"

    run_virtual(run())
