"""The library over real sockets, threads and loops: nothing is left open, whenever a program stops."""

import asyncio
import gc
import itertools
import threading
import time
import warnings

import pytest
import uvloop

from support.jobs import contacts
from support.programs import options
from support.soaked import combined
from uploader import Rows, Uploader, upload
from uploader.jobs.session import exact_clock
from uploader.mockserver.simulator import Simulator
from uploader.system.private_files import Lock

LOOPS = {"plain": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def run_strictly(work, loop: str = "plain") -> None:
    """On such a loop; a task, session or generator that is left behind is an error."""
    with warnings.catch_warnings(), asyncio.Runner(loop_factory=LOOPS[loop], debug=True) as runner:
        warnings.simplefilter("error")
        complaints = []
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(work)
        gc.collect()
        runner.run(asyncio.sleep(0))
        assert complaints == []
    unclosed = [one for one in gc.get_objects() if type(one).__name__ == "ClientSession" and not one.closed]
    assert unclosed == []


async def awaited(count: int):
    for number, row in enumerate(contacts(count)):
        if number % 100 == 0:
            await asyncio.sleep(0)
        yield row


@pytest.mark.parametrize("loop", LOOPS)
def test_an_async_iterable_becomes_contacts(tmp_path, hubspot_mock, loop):
    hubspot = hubspot_mock(quota="1000/10")

    async def work() -> None:
        settings = options(tmp_path, base_url=hubspot.url)
        async with Uploader(**settings) as job:
            outcomes = [row async for row in job.run(Rows(awaited(3_000), name="crm"))]
        assert sorted(row.row for row in outcomes) == list(range(1, 3_001))
        assert job.summary.state == "complete"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_strictly(work(), loop)
    assert len(hubspot.contacts()) == 3_000


ENDS = {"cancel": asyncio.CancelledError, "raise": LookupError, "timeout": TimeoutError}


async def leave(job: Uploader, rows, way: str) -> None:
    async with job, asyncio.timeout(None) as limit:
        count = 0
        async for _ in job.run(rows):
            count += 1
            if count < 300:
                continue
            if way == "break":
                break
            if way == "raise":
                raise LookupError
            if way == "cancel":
                asyncio.current_task().cancel()
            else:
                limit.reschedule(0)
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("way", "is_async"),
    combined(
        ["break", *ENDS], [False, True], usual=lambda way, is_async: is_async == (way in {"break", "raise"})
    ),
)
def test_leaving_the_loop_leaves_nothing_open_and_the_job_can_be_resumed(
    tmp_path, hubspot_mock, way, is_async
):
    hubspot = hubspot_mock(latency_seconds=0.05, quota="1000/10")
    loop = "uvloop" if is_async is (way in {"break", "timeout"}) else "plain"
    settings = options(tmp_path, base_url=hubspot.url)
    threads, closed = threading.active_count(), threading.Event()

    def plain():
        try:
            yield from contacts(20_000)
        finally:
            closed.set()

    async def asked():
        try:
            async for row in awaited(20_000):
                yield row
        finally:
            closed.set()

    async def work() -> None:
        rows = asked() if is_async else plain()
        task = asyncio.ensure_future(leave(Uploader(**settings), rows, way))
        await asyncio.wait({task})
        if way in ENDS:
            with pytest.raises(ENDS[way]):
                await task
        else:
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert closed.wait(10)
        assert not Lock(tmp_path / "crm.checkpoint").is_held()

    async def go_on() -> None:
        async with Uploader(**settings) as job:
            async for _ in job.run(contacts(20_000), earlier=True):
                break
        tallies = job.summary.tallies
        assert (tallies.rows == tallies.settled + tallies.open, tallies.replayed) == (True, 0)

    run_strictly(work(), loop)
    written = len(hubspot.contacts())
    assert 0 < written < 20_000
    run_strictly(go_on(), loop)
    while threading.active_count() > threads + 1:  # the mock server's; a reader may be on its last call
        threading.Event().wait(0.01)


def test_a_plain_iterable_that_blocks_stops_neither_the_loop_nor_the_end(tmp_path, hubspot_mock, monkeypatch):
    hubspot = hubspot_mock()
    may_go, written, gone = threading.Event(), threading.Event(), threading.Event()
    handle, upserts = Simulator.handle, itertools.count(1)

    def counted(self, request, now):
        reply = handle(self, request, now)
        if request.path.endswith("/upsert") and next(upserts) == 10:
            written.set()
        return reply

    monkeypatch.setattr(Simulator, "handle", counted)

    def rows():
        yield from contacts(5_000)
        may_go.wait(60)
        gone.set()

    async def work() -> None:
        task = asyncio.ensure_future(upload(rows(), **options(tmp_path, base_url=hubspot.url)))
        assert await asyncio.to_thread(written.wait, 60)
        assert len(hubspot.contacts()) >= 1_000
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not gone.is_set()

    try:
        run_strictly(work())
    finally:
        may_go.set()


@pytest.mark.parametrize("loop", LOOPS)
def test_sends_are_logged_by_a_clock_that_never_stands_still(loop):
    async def work() -> None:
        clock = exact_clock()
        before, since = clock(), time.monotonic()
        while time.monotonic() - since < 0.02:
            pass
        assert 0.02 <= clock() - before < 10
        assert abs(clock() - asyncio.get_running_loop().time()) < 10

    run_strictly(work(), loop)
