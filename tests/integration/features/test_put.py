"""Rows that are put one by one, in virtual time: who gets which outcome, when rows leave, how a job ends."""

import asyncio
import inspect
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from support.jobs import contacts
from support.mock_transport import make_simulator
from support.programs import options, seams_to
from support.virtual_loop import run_virtual
from uploader import (
    CheckpointError,
    DeclinedError,
    JobState,
    Outcome,
    Row,
    RowOutcome,
    SettingsError,
    StoppedError,
    Uploader,
    UploaderError,
    upload,
)
from uploader.jobs import outcome_stream
from uploader.model.stop import Cause
from uploader.pipeline.feed import LINGER_SECONDS
from uploader.sources import put_rows
from uploader.storage.checkpoint import Checkpoint


def virtual(test):
    """A test without sockets and threads; no task outlives it."""

    def run(*arguments, **fixtures):
        async def checked():
            await test(*arguments, **fixtures)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run_virtual(checked())

    run.__signature__ = inspect.signature(test)
    run.__name__ = test.__name__
    return run


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, which is empty after every job."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


def held(simulator) -> dict[str, str]:
    return {
        one["properties"]["email"]: one["properties"].get("firstname", "") for one in simulator.objects(1e9)
    }


def job_to(simulator, **more) -> Uploader:
    return Uploader(**{"token": "test-token", "seams": seams_to(simulator), **more})


# --- outcomes ---


@virtual
async def test_every_row_that_is_put_gets_one_outcome_with_its_ref():
    simulator = make_simulator(latency_seconds=0.3)
    rows = [{"email": f"c{number % 700}@example.com", "firstname": str(number)} for number in range(2_000)]
    rows[10], rows[20] = {"email": "nobody"}, {"email": "b@example.badtld"}
    outcomes: list[RowOutcome] = []
    async with job_to(simulator, on_outcome=outcomes.append) as job:
        for number, row in enumerate(rows):
            await job.put(row, ref=number)
        summary = await job.finish()
    assert sorted(one.ref for one in outcomes) == list(range(2_000))
    assert {one.ref: one.outcome for one in outcomes if not one.ok} == {
        10: Outcome.INVALID,
        20: Outcome.REJECTED,
    }
    assert (summary, summary.rows, summary.failed, summary.state) == (
        job.summary,
        2_000,
        2,
        JobState.COMPLETE,
    )
    good = [row for row in rows if "firstname" in row]
    assert held(simulator) == {row["email"]: row["firstname"] for row in good}


@virtual
async def test_a_row_may_bring_its_ref_and_a_coroutine_function_gets_outcomes_one_at_a_time():
    running, most, refs = 0, 0, []

    async def acknowledge(outcome: RowOutcome) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        refs.append(outcome.ref)

    async with job_to(make_simulator(), on_outcome=acknowledge) as job:
        await job.put(Row({"email": "a@example.com"}, ref="own"))
        await job.put(Row({"email": "b@example.com"}, ref="own"), ref="given")
        await job.put({"email": "c@example.com"})
    assert (refs, most) == (["own", "given", None], 1)


@virtual
async def test_tasks_that_put_at_the_same_time_share_batches():
    simulator = make_simulator(latency_seconds=0.2)
    outcomes: list[RowOutcome] = []

    async def webhook(number: int) -> None:
        await asyncio.sleep(number * 0.001)
        await job.put({"email": f"c{number}@example.com"}, ref=number)

    async with job_to(simulator, on_outcome=outcomes.append) as job:
        await asyncio.gather(*map(webhook, range(500)))
    assert sorted(one.ref for one in outcomes) == list(range(500))
    assert job.summary.tallies.upserts <= 8


@virtual
async def test_an_outcome_is_given_after_its_commit(tmp_path):
    """So what was acknowledged is never undone. A job with a checkpoint leaves failed rows and results."""
    path = tmp_path / "queue.checkpoint"
    settled: list[int] = []

    def note(outcome: RowOutcome) -> None:
        settled.append(outcome.row)
        checkpoint = Checkpoint.open(path, read_only=True)
        assert checkpoint.state().tallies.settled >= len(settled)
        checkpoint.close()

    async with job_to(make_simulator(latency_seconds=0.2), checkpoint=path, on_outcome=note) as job:
        for row in [{"email": "nobody"}, *contacts(450)]:
            await job.put(row)
    assert len(settled) == 451
    assert len((tmp_path / "queue.checkpoint.results.csv").read_text().splitlines()) == 452


# --- when rows leave ---


@virtual
async def test_a_single_row_leaves_at_once_and_a_trickle_in_about_a_second():
    simulator = make_simulator(latency_seconds=0.1)
    loop = asyncio.get_running_loop()
    waited: list[float] = []

    def note(outcome: RowOutcome) -> None:
        waited.append(loop.time() - outcome.ref)

    async with job_to(simulator, on_outcome=note) as job:
        for row in contacts(60):
            await job.put(row, ref=loop.time())
            await asyncio.sleep(0.4)
        await asyncio.sleep(300)
        assert len(waited) == 60
        await job.put({"email": "late@example.com"}, ref=loop.time())
        await asyncio.sleep(10)
        assert len(waited) == 61
    # Its own request, the longest wait for others, a commit; the first one also waits for the preflight.
    assert max(waited[3:]) < LINGER_SECONDS + 1.0
    assert max(waited) < 10


@pytest.mark.parametrize("rows", [1, 199, 200, 450])
@virtual
async def test_no_row_waits_for_one_that_does_not_come(rows):
    outcomes: list[RowOutcome] = []
    async with job_to(make_simulator(), on_outcome=outcomes.append) as job:
        for round_ in range(1, 4):
            for number in range(rows):
                await job.put({"email": f"c{number}@example.com"})
            await asyncio.sleep(60)
            assert len(outcomes) == round_ * rows


@virtual
async def test_put_waits_while_the_job_has_enough_to_do():
    """So a slow account, or a slow callback, slows the program down, and memory does not grow."""
    may_go, taken = asyncio.Event(), 0

    async def acknowledge(_: RowOutcome) -> None:
        await may_go.wait()

    async def put(job: Uploader) -> None:
        nonlocal taken
        for row in contacts(10_000):
            await job.put(row)
            taken += 1

    async with job_to(make_simulator(quota="none"), max_in_flight=4, on_outcome=acknowledge) as job:
        putting = asyncio.ensure_future(put(job))
        await asyncio.sleep(600)
        before = taken
        await asyncio.sleep(600)
        assert before == taken < 8_000
        may_go.set()
        await putting
    assert job.summary.rows == 10_000


@virtual
async def test_long_rows_and_rows_of_any_kind_may_be_put():
    simulator = make_simulator(properties=[{"name": "notes", "type": "string"}])
    outcomes: list[RowOutcome] = []
    async with job_to(simulator, ignore=["blob"], on_outcome=outcomes.append) as job:
        await job.put({"email": "a@example.com", "blob": "x" * 900_000}, ref=1)
        await job.put({"email": "b@example.com", "blob": "x" * 2_000_000}, ref=2)
        await job.put(["no mapping"], ref=3)  # type: ignore[arg-type]
        await job.put({"email": "c@example.com"}, ref=4)
    found = {one.ref: one.outcome for one in outcomes}
    assert found == {1: "created", 2: "invalid", 3: "invalid", 4: "created"}


# --- how it ends ---


@virtual
async def test_finish_without_rows_is_a_job_without_work_and_no_call_is_no_job():
    simulator = make_simulator()
    async with job_to(simulator) as job:
        summary = await job.finish()
        assert await job.finish() is summary
    assert (summary.ok, summary.rows) == (True, 0)
    async with job_to(simulator, on_outcome=print):
        pass


@virtual
async def test_no_row_is_taken_before_and_after():
    job = job_to(make_simulator())
    with pytest.raises(RuntimeError, match="async with"):
        await job.put({"email": "a@example.com"})
    async with job:
        await job.put({"email": "a@example.com"})
        await job.finish()
        for _ in range(3):
            with pytest.raises(RuntimeError, match="the job is finished"):
                await job.put({"email": "b@example.com"})
    with pytest.raises(RuntimeError, match="the job is finished"):
        await job.put({"email": "b@example.com"})
    assert job.summary.rows == 1


@virtual
async def test_a_job_that_cannot_start_says_so_to_whoever_puts_or_waits():
    simulator = make_simulator(account={"account_type": "STANDARD"})
    refused = []

    async def put(job: Uploader, number: int) -> None:
        try:
            while True:
                await job.put({"email": f"c{number}@example.com"})
        except DeclinedError as error:
            refused.append(str(error))

    with pytest.raises(DeclinedError, match="portal="):  # noqa: PT012
        async with job_to(simulator, on_outcome=print) as job:
            await asyncio.gather(*(put(job, number) for number in range(50)))
            assert len(refused) == 50
    assert held(simulator) == {}


@pytest.mark.parametrize("is_full", [False, True])
@virtual
async def test_a_job_that_stops_says_so_to_whoever_puts(is_full):
    """Also to those who wait for room, as where the token is refused while the job runs."""
    simulator = make_simulator(latency_seconds=0.5, quota="none")
    outcomes: list[RowOutcome] = []
    taken, is_under_way = [], asyncio.Event()

    def note(outcome: RowOutcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) > 500:
            is_under_way.set()

    async def put(job: Uploader, number: int) -> None:
        for row in range(10**6):
            await job.put({"email": f"c{number}-{row}@example.com"}, ref=(number, row))
            taken.append((number, row))
            if not is_full:
                await asyncio.sleep(0.01)

    async with job_to(simulator, max_in_flight=2, on_outcome=note) as job:
        tasks = [asyncio.ensure_future(put(job, number)) for number in range(20)]
        await is_under_way.wait()
        job._started.run.ending.end(Cause.TOKEN, "401")
        for task in tasks:
            with pytest.raises(StoppedError, match="token refused: 401"):
                await task
        summary = await job.finish()
    assert (summary.state, summary.cause) == (JobState.STOPPED, Cause.TOKEN)
    assert {one.ref for one in outcomes} <= set(taken)
    assert len({one.ref for one in outcomes}) == len(outcomes) == summary.tallies.settled > 0
    with pytest.raises(StoppedError):
        await job.put({"email": "x@example.com"})


@pytest.mark.parametrize("is_async", [False, True])
@virtual
async def test_an_error_of_the_callback_drains_the_job_and_is_raised(is_async):
    simulator = make_simulator(latency_seconds=1.0)
    outcomes: list[RowOutcome] = []

    def fail(outcome: RowOutcome) -> None:
        if len(outcomes) == 150:
            raise LookupError("no such message")
        outcomes.append(outcome)

    async def fail_later(outcome: RowOutcome) -> None:
        await asyncio.sleep(0)
        fail(outcome)

    with pytest.raises(LookupError, match="no such message"):  # noqa: PT012
        async with job_to(simulator, max_in_flight=4, on_outcome=fail_later if is_async else fail) as job:
            for row in contacts(20_000):
                await job.put(row)
    assert len(outcomes) == 150
    assert job.summary.tallies.settled == len(held(simulator)) < 20_000, "what was in flight was not awaited"
    with pytest.raises(LookupError):
        await job.put({"email": "x@example.com"})


@virtual
async def test_an_error_of_the_callback_is_raised_at_the_end_if_no_row_is_put_after_it(monkeypatch):
    monkeypatch.setattr(outcome_stream, "MOST_WAITING", 20)  # the other outcomes stay where they are

    def fail(_: RowOutcome) -> None:
        raise LookupError

    with pytest.raises(LookupError):  # noqa: PT012
        async with job_to(make_simulator(latency_seconds=0.2), max_in_flight=2, on_outcome=fail) as job:
            for row in contacts(1_000):
                await job.put(row)
    assert job.summary.state is JobState.STOPPED
    async with job_to(make_simulator(), on_outcome=fail) as job:
        await job.put({"email": "a@example.com"})
        with pytest.raises(LookupError):
            await job.finish()
        with pytest.raises(LookupError):
            await job.finish()
        job._put_job._error = None  # the program has dealt with it


@virtual
async def test_a_callback_cannot_wait_for_itself():
    refused = []

    async def again(outcome: RowOutcome) -> None:
        for wait in (partial(job.put, {"email": "b@example.com"}), job.finish):
            with pytest.raises(RuntimeError, match="cannot await"):
                await wait()
        refused.append(outcome.ref)

    async with job_to(make_simulator(), on_outcome=again) as job:
        await job.put({"email": "a@example.com"}, ref=7)
    assert refused == [7]


@virtual
async def test_a_put_that_is_cancelled_has_put_nothing(monkeypatch):
    monkeypatch.setattr(put_rows, "AHEAD_BYTES", 100)
    simulator = make_simulator(latency_seconds=1.0, quota="none")
    outcomes: list[RowOutcome] = []
    async with job_to(simulator, max_in_flight=1, on_outcome=outcomes.append) as job:
        taken, cancelled = set(), set()
        for number in range(4_000):
            try:
                async with asyncio.timeout(0.01):
                    await job.put({"email": f"c{number}@example.com"}, ref=number)
            except TimeoutError:
                cancelled.add(number)
            else:
                taken.add(number)
    assert cancelled
    assert {one.ref for one in outcomes} == taken
    assert len(outcomes) == len(taken) == len(held(simulator))


@pytest.mark.parametrize("way", ["raise", "cancel", "stop"])
@virtual
async def test_leaving_early_drains_the_job_and_delivers_what_is_settled(way):
    simulator = make_simulator(latency_seconds=2.0)
    outcomes: list[RowOutcome] = []

    async def work() -> None:
        nonlocal job
        async with job_to(simulator, max_in_flight=4, on_outcome=outcomes.append) as job:
            for number, row in enumerate(contacts(10_000)):
                await job.put(row, ref=number)
                if len(outcomes) > 500:
                    if way == "raise":
                        raise LookupError
                    if way == "stop":
                        job.stop()
                        return
                    asyncio.current_task().cancel()
                    await asyncio.sleep(0)

    job: Uploader
    task = asyncio.ensure_future(work())
    await asyncio.wait({task})
    assert task.cancelled() is (way == "cancel")
    if way == "raise":
        assert isinstance(task.exception(), LookupError)
    assert len(outcomes) == job.summary.tallies.settled == len(held(simulator)) < 10_000
    assert Counter(one.ref for one in outcomes).most_common(1)[0][1] == 1


@pytest.mark.parametrize("cancels", [1, 2])
@virtual
async def test_a_callback_that_never_returns_is_waited_for_until_the_second_cancellation(cancels):
    simulator = make_simulator()
    has_begun = asyncio.Event()

    async def hang(_: RowOutcome) -> None:
        has_begun.set()
        await asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with job_to(simulator, on_outcome=hang) as job:
            for row in contacts(300):
                await job.put(row)

    task = asyncio.ensure_future(work())
    await has_begun.wait()
    for _ in range(cancels):
        await asyncio.sleep(1_000)
        assert not task.done()
        task.cancel()
    await asyncio.wait({task}, timeout=1_000)
    assert task.done() is (cancels == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(held(simulator)) == 300


# --- a job that keeps no files ---


@virtual
async def test_rows_without_a_checkpoint_are_uploaded_and_nothing_is_left_on_the_disk(tmp_path, temporary):
    simulator = make_simulator()
    seen = []

    def rows():
        yield from contacts(700)
        seen.extend(path.stat().st_mode & 0o777 for path in temporary.iterdir())

    summary = await upload(rows(), token="test-token", checkpoint=None, seams=seams_to(simulator))
    assert (summary.ok, summary.created, len(held(simulator))) == (True, 700, 700)
    assert seen == [0o700]
    async with job_to(simulator, checkpoint=None) as job:
        outcomes = [row async for row in job.run(contacts(30))]
    assert {one.outcome for one in outcomes} == {Outcome.UPDATED}
    assert list(tmp_path.iterdir()) == [temporary]


@virtual
async def test_rows_are_kept_nowhere_only_if_the_program_says_so(tmp_path):
    simulator = make_simulator()
    for given in ({}, {"settings": {"rate": "100/10"}}):
        with pytest.raises(SettingsError, match=r"need a checkpoint.*checkpoint=None"):
            async with job_to(simulator, **given) as job:
                await anext(job.run(contacts(1)))
    assert held(simulator) == {}


@virtual
async def test_the_checkpoint_of_a_file_is_beside_it_where_none_is_given(tmp_path, temporary):
    from support.jobs import write_csv  # noqa: PLC0415

    file = write_csv(tmp_path / "a.csv", contacts(10))
    await upload(file, token="test-token", checkpoint=None, seams=seams_to(make_simulator()))
    assert (tmp_path / "a.csv.checkpoint").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"snapshot": True}, "snapshot"),
        ({"results": "r.csv"}, "results"),
        ({"checkpoint_dir": "."}, "checkpoint_dir"),
        ({"restart": True}, "restart"),
        ({"add_to_list": "Leads"}, "add_to_list"),
        ({"opt_outs": "list"}, "opt_outs='list'"),
        ({"canary": 5}, "canary"),
        ({"approve_canary": True}, "approve_canary"),
    ],
)
@virtual
async def test_what_needs_files_is_refused_where_none_stay(given, name):
    simulator = make_simulator()
    with pytest.raises(SettingsError, match=f"^{name} needs files that stay") as refused:
        await upload(contacts(3), token="test-token", checkpoint=None, seams=seams_to(simulator), **given)
    assert "\n" not in str(refused.value)
    with pytest.raises(SettingsError, match=f"^{name} needs"):
        async with job_to(simulator, **given) as job:
            await job.put({"email": "a@example.com"})
    assert held(simulator) == {}


@virtual
async def test_earlier_outcomes_need_files():
    with pytest.raises(SettingsError, match=r"^earlier needs files"):
        async with job_to(make_simulator(), checkpoint=None) as job:
            await anext(job.run(contacts(3), earlier=True))


@virtual
async def test_rows_that_are_put_never_resume_a_job(tmp_path):
    """A finished or killed job at the same path would take rows for its own, and send none of them."""
    simulator = make_simulator()

    async def put(**more) -> None:
        async with job_to(simulator, **options(tmp_path), **more) as job:
            await job.put({"email": "a@example.com"})

    await put()
    with pytest.raises(CheckpointError, match="restart=True"):
        await put()
    await put(restart=True)
    assert len(held(simulator)) == 1


@virtual
async def test_an_uploader_is_either_put_into_or_runs_jobs(tmp_path):
    async with job_to(make_simulator(), **options(tmp_path)) as job:
        stream = job.run(contacts(3_000))
        await anext(stream)
        with pytest.raises(RuntimeError, match="is running a job"):
            await job.put({"email": "a@example.com"})
        await stream.aclose()
    async with job_to(make_simulator(), on_outcome=print) as job:
        with pytest.raises(RuntimeError, match="on_outcome is for put"):
            job.run(contacts(3))
    with pytest.raises(SettingsError, match="judge needs a job that can be resumed"):
        async with job_to(make_simulator(), judge=lambda _: True) as job:
            await job.put({"email": "a@example.com"})


def test_an_error_of_put_is_one_of_ours():
    assert issubclass(StoppedError, UploaderError)
