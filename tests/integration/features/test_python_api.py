"""The library in virtual time: what a stream gives, when it stops the job, and what a program is refused."""

import asyncio
import gc
import inspect
import logging
import os
import signal
import sqlite3
import threading
import weakref
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

import uploader
from support.jobs import contacts, write_csv
from support.mock_transport import make_simulator
from support.programs import options, seams_to
from support.soaked import some
from support.virtual_loop import run_virtual
from uploader import (
    CheckpointError,
    DeclinedError,
    Outcome,
    Row,
    RowOutcome,
    Rows,
    Settings,
    SettingsError,
    SourceError,
    Uploader,
    upload,
)
from uploader.api.keyword_settings import make_settings
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.storage.checkpoint import Checkpoint
from uploader.system.private_files import Lock

PRODUCTION = {"account_type": "STANDARD"}


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


async def follow(job: Uploader, *sources, earlier: bool = False) -> list[RowOutcome]:
    return [row async for row in job.run(*sources, earlier=earlier)]


def held(simulator) -> list[str]:
    return sorted(contact["properties"]["email"] for contact in simulator.objects(1e9))


def is_free(folder, name: str = "crm") -> bool:
    return not Lock(folder / f"{name}.checkpoint").is_held()


# --- what follows the rows ---


@virtual
async def test_the_records_of_a_program_are_put_into_a_list(tmp_path):
    simulator = make_simulator()
    file = write_csv(tmp_path / "a.csv", contacts(40))
    start = partial(upload, file, **options(tmp_path), seams=seams_to(simulator))
    summary = await start(add_to_list="From the shop")
    assert summary.as_dict()["list"]["added"] == 40
    (found,) = simulator.lists(1e9)
    assert (found["name"], len(found["members"])) == ("From the shop", 40)
    with pytest.raises(SettingsError, match="remove no_results=True"):
        await start(add_to_list="From the shop", no_results=True, checkpoint=tmp_path / "other.checkpoint")


# --- what a stream gives ---


@virtual
async def test_every_row_of_every_source_is_told_once(tmp_path):
    simulator = make_simulator(latency_seconds=0.2)
    file = write_csv(tmp_path / "a.csv", contacts(700))
    rows = [{"email": f"r{i}@example.com"} for i in range(700)] + [{"email": "nobody"}]
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        outcomes = await follow(job, file, Rows(rows, name="crm-export"))
    assert sorted((row.source, row.row) for row in outcomes) == [
        *((str(file), number) for number in range(2, 702)),
        *(("crm-export", number) for number in range(1, 702)),
    ]
    assert {row.outcome for row in outcomes} == {Outcome.CREATED, Outcome.INVALID}
    assert all(row.hubspot_id for row in outcomes if row.outcome is Outcome.CREATED)
    assert (job.summary.state, job.summary.tallies.rows) == ("complete", 1401)
    assert len(held(simulator)) == 1400


@virtual
async def test_rows_of_a_program_are_linked_with_other_records(tmp_path):
    simulator = make_simulator()
    simulator.reset(0.0, objects={"companies": [{"properties": {"external_id": one}} for one in ("A", "B")]})
    rows = [{"email": "a@x.com", "account": "A", "partners": ["B", "gone"]}, {"email": "b@x.com"}]
    columns = {
        "account": "companies.external_id:Primary",
        "partners": {"associate": "companies", "by": "external_id"},
    }
    async with Uploader(**options(tmp_path), associate=columns, seams=seams_to(simulator)) as job:
        outcomes = await follow(job, Rows(rows))
    assert {row.outcome for row in outcomes} == {Outcome.CREATED}
    found = job.summary.follow_ups["links"].as_dict()
    assert (found["read"], found["linked"], found["missing"], job.summary.exit_code) == (3, 2, 1, 1)
    assert sorted(link["labels"] for link in simulator.links(1e9)) == [[], ["Primary"]]
    for wrong in ("companies.external_id", {"account": 7}, {"account": "companies"}):
        with pytest.raises(SettingsError, match="associate="):
            make_settings(("a.csv",), (), {"token": "t", "associate": wrong})


@virtual
async def test_a_failure_says_why_and_a_value_that_was_left_out_is_counted(tmp_path):
    properties = [{"name": "size", "type": "number"}]
    simulator = make_simulator(properties=properties)
    rows = [
        {"email": "a@example.com", "size": "many"},
        {"email": "b@example.com", "size": 3},
        {"email": "c@example.badtld"},
        {"name": "nobody's"},
    ]
    async with Uploader(
        **options(tmp_path), ignore=["name"], on_bad_value="drop", seams=seams_to(simulator)
    ) as job:
        outcomes = {row.row: row for row in await follow(job, rows)}
    assert (outcomes[1].outcome, outcomes[1].values_dropped, outcomes[1].key) == (
        Outcome.CREATED,
        1,
        "a@example.com",
    )
    assert (outcomes[2].outcome, outcomes[2].values_dropped) == (Outcome.CREATED, 0)
    assert (outcomes[3].outcome, bool(outcomes[3].category), bool(outcomes[3].message)) == (
        Outcome.REJECTED,
        True,
        True,
    )
    assert (outcomes[4].outcome, outcomes[4].category, outcomes[4].key) == (Outcome.INVALID, "KEY", "")
    async with Uploader(
        **options(tmp_path), ignore=["name"], on_bad_value="drop", seams=seams_to(simulator)
    ) as job:
        again = {row.row: row for row in await follow(job, rows, earlier=True)}
    assert again == {
        number: replace(row, is_earlier=True, values_dropped=0) for number, row in outcomes.items()
    }


@virtual
async def test_a_job_that_goes_on_tells_only_what_is_new_unless_asked_for_all(tmp_path):
    simulator = make_simulator(latency_seconds=0.5)
    rows = contacts(3_000)
    seams = seams_to(simulator)
    async with Uploader(**options(tmp_path), seams=seams) as job:
        first = []
        async for row in job.run(rows):
            first.append(row)
            if len(first) == 250:
                job.stop()
    assert job.summary.cause is Cause.SIGNAL
    assert job.summary.exit_code == 130
    assert len(first) == job.summary.tallies.settled < 3_000
    async with Uploader(**options(tmp_path), seams=seams) as job:
        second = await follow(job, rows)
    assert sorted(row.row for row in first + second) == list(range(1, 3_001))
    async with Uploader(**options(tmp_path), seams=seams) as job:
        every = await follow(job, rows, earlier=True)
    assert sorted(row.row for row in every) == list(range(1, 3_001))
    assert all(row.is_earlier for row in every)
    assert {row.row: row.hubspot_id for row in every} == {row.row: row.hubspot_id for row in first + second}


@virtual
async def test_a_slow_follower_slows_the_job_down(tmp_path):
    asked = 0

    def rows():
        nonlocal asked
        for asked, row in enumerate(contacts(10_000), 1):  # noqa: B007
            yield row

    simulator = make_simulator(quota="none")
    async with Uploader(**options(tmp_path), max_in_flight=8, seams=seams_to(simulator)) as job:
        stream = job.run(rows())
        await anext(stream)
        await asyncio.sleep(600)
        waiting, reached = job._started.outcome_queue.waiting, asked
        await asyncio.sleep(600)
        assert asked == reached
        # What waits, a queue of slices, and the chunk of rows they are cut from.
        assert reached < 8_000
        assert waiting < 6_000
        rest = [row async for row in stream]
    assert len(rest) == 9_999
    assert job.summary.state == "complete"


@virtual
async def test_a_follower_that_never_waits_lets_others_have_their_turn(tmp_path):
    simulator = make_simulator(quota="none")
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        stream = job.run(contacts(3_000))
        await anext(stream)
        await asyncio.sleep(60)  # all that may wait is there
        other = asyncio.ensure_future(count())
        await asyncio.sleep(0)
        before = turns
        for _ in range(1_500):
            await anext(stream)
        assert turns - before >= 5
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


# --- refs ---


class Message:
    """An object that nothing but the program can know."""


@virtual
async def test_a_ref_comes_back_in_the_outcome_of_its_row_and_goes_nowhere_else(tmp_path):
    simulator = make_simulator(latency_seconds=0.3)
    rows = [{"email": f"c{i % 400}@example.com", "firstname": str(i)} for i in range(1_000)]
    rows[3] = {"email": "nobody"}
    rows[5] = {"email": "c@example.badtld"}
    messages = [Message() for _ in rows]
    given = [Row(row, ref=message) for row, message in zip(rows, messages, strict=True)]
    given[7] = rows[7]  # a plain row among them has none
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        outcomes = await follow(job, given)
        assert job._started._given[0].refs == {}
    expected = dict(enumerate(messages, 1)) | {8: None}
    assert {row.row: row.ref for row in outcomes} == expected
    assert len(outcomes) == 1_000
    assert Counter(row.outcome for row in outcomes if not row.ok) == {Outcome.INVALID: 1, Outcome.REJECTED: 1}


@virtual
async def test_rows_of_several_iterables_keep_their_refs_apart_and_rows_of_a_file_have_none(tmp_path):
    simulator = make_simulator()
    file = write_csv(tmp_path / "a.csv", contacts(300))
    sources = [
        Rows([Row(row, (name, number)) for number, row in enumerate(contacts(300), 1)], name=name)
        for name in ("north", "south")
    ]
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        outcomes = await follow(job, sources[0], file, sources[1])
    assert len(outcomes) == 900
    for row in outcomes:
        assert row.ref == (None if row.source == str(file) else (row.source, row.row))


@virtual
async def test_a_job_that_goes_on_keeps_refs_of_open_rows_only(tmp_path):
    """Their number does not depend on how much was settled before, below the first open row and above it."""
    simulator = make_simulator(latency_seconds=0.5)
    most = 0

    def rows(job: Uploader):
        nonlocal most
        for number, row in enumerate(contacts(12_000), 1):
            yield Row(row, ref=number)
            most = max(most, len(job._started._given[0].refs))

    async with Uploader(**options(tmp_path), max_in_flight=8, seams=seams_to(simulator)) as job:
        first = []
        async for row in job.run(rows(job)):
            first.append(row)
            if row.row > 8_000:
                job.stop()
                job.stop()  # what is in flight is dropped, so that settled rows lie above it
    assert all(row.ref == row.row for row in first)
    most = 0
    async with Uploader(**options(tmp_path), max_in_flight=8, seams=seams_to(simulator)) as job:
        rest = [row async for row in job.run(rows(job), earlier=True)]
        assert job._started._given[0].refs == {}
    assert {row.ref for row in rest if row.is_earlier} == {None}
    assert all(row.ref == row.row for row in rest if not row.is_earlier)
    assert 0 < most < 3_800


@virtual
async def test_refs_that_nobody_takes_are_not_kept(tmp_path):
    alive: list[weakref.ref[Message]] = []

    def rows():
        for row in contacts(2_000):
            message = Message()
            alive.append(weakref.ref(message))
            yield Row(row, message)
            del message
            assert sum(one() is not None for one in alive) <= 1

    summary = await upload(rows(), **options(tmp_path), seams=seams_to(make_simulator()))
    assert summary.ok


# --- ways to leave ---


@virtual
async def test_who_breaks_out_of_the_loop_stops_the_job_in_order(tmp_path):
    simulator = make_simulator(latency_seconds=1.0)
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        async for _ in job.run(contacts(8_000)):
            break
        await asyncio.sleep(5)
        left = len(held(simulator))
        await asyncio.sleep(60)
        assert len(held(simulator)) == left < 8_000, "it goes on although nobody follows"
    assert is_free(tmp_path)
    assert job.summary.tallies.settled == left, "what was in flight was not awaited"
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        await follow(job, contacts(8_000))
    assert (job.summary.state, job.summary.tallies.replayed) == ("complete", 0)


@pytest.mark.parametrize(
    ("way", "cancels"), some(("stream", 1), ("upload", 2), soaked=[("stream", 2), ("upload", 1)])
)
def test_who_is_cancelled_stops_the_job_first(tmp_path, cancels, way):
    """After one signal what is in flight is awaited. After two it is not, and the next invocation knows."""
    simulator = make_simulator(latency_seconds=5.0)
    rows = contacts(5_000)

    async def stream():
        async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
            await follow(job, rows)

    async def cancelled():
        work = stream() if way == "stream" else upload(rows, **options(tmp_path), seams=seams_to(simulator))
        task = asyncio.ensure_future(work)
        await asyncio.sleep(38.4)
        assert task.cancel()
        await asyncio.sleep(0.1)
        assert not task.done()
        if cancels == 2:
            assert task.cancel()
        since = asyncio.get_running_loop().time()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (asyncio.get_running_loop().time() - since < 1.0) is (cancels == 2)
        assert is_free(tmp_path)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        summary = await upload(rows, **options(tmp_path), seams=seams_to(simulator))
        assert (summary.state, len(held(simulator))) == ("complete", 5_000)
        assert bool(summary.tallies.replayed) is (cancels == 2)

    run_virtual(cancelled())


@virtual
async def test_a_wait_that_is_cancelled_takes_no_outcome_with_it(tmp_path):
    simulator = make_simulator(latency_seconds=3.0)
    outcomes = []
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        stream = job.run(contacts(300))
        while True:
            try:
                outcomes.append(await asyncio.wait_for(anext(stream), 0.01))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break
    assert sorted(row.row for row in outcomes) == list(range(1, 301))


@virtual
async def test_an_error_of_an_iterable_reaches_the_program_after_the_last_commit(tmp_path):
    simulator = make_simulator()

    def rows(most: int):
        yield from contacts(most)
        raise LookupError("a@example.com is gone")

    outcomes = []
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        stream = job.run(rows(4_000))
        with pytest.raises(LookupError, match="is gone"):  # noqa: PT012
            while True:
                outcomes.append(await anext(stream))
    assert len(outcomes) == len(held(simulator)) == 4_000
    assert (job.summary.state, job.summary.tallies.open) == ("stopped", 0)
    assert "LookupError after its row 4,000" in job.summary.reason
    assert "example.com" not in job.summary.reason
    summary = await upload(contacts(4_100), **options(tmp_path), seams=seams_to(simulator))
    assert (summary.state, summary.tallies.rows, summary.tallies.requests < 60) == ("complete", 4_100, True)


@virtual
async def test_other_rows_than_the_job_has_read_are_refused(tmp_path):
    simulator = make_simulator(latency_seconds=0.5)
    rows = contacts(9_000)
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        async for row in job.run(rows):
            if row.row > 7_500:
                job.stop()
    start = partial(upload, **options(tmp_path), seams=seams_to(simulator))
    with pytest.raises(CheckpointError, match="belongs to another file"):
        await start(rows[1:])
    summary = await start([*rows[:2_000], {"email": "new@example.com"}, *rows[2_000:]])
    assert summary.cause is Cause.SOURCE
    assert "bytes differ" in summary.reason
    assert "new@example.com" not in held(simulator)
    assert (await upload(rows, **options(tmp_path), seams=seams_to(simulator))).state == "complete"


@pytest.mark.parametrize("change", some("another order", "an end", soaked=["one more", "one less"]))
@virtual
async def test_rows_that_differ_above_the_first_open_one_are_refused_before_any_is_sent(tmp_path, change):
    """As a query without an order gives them: what was settled there would be taken for other rows."""
    simulator = make_simulator(latency_seconds=0.5)
    rows = contacts(5_000)
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        async for row in job.run(rows):
            if row.row > 3_000:
                job.stop()
    with closing(Checkpoint.open(tmp_path / "crm.checkpoint", read_only=True)) as checkpoint:
        progress = checkpoint.state().progress
    assert progress.watermark < 1_000
    assert progress.settled > 2_500
    before = held(simulator)
    others = {
        "one more": [*rows[:2_000], {"email": "new@example.com"}, *rows[2_000:]],
        "one less": [*rows[:2_000], *rows[2_001:]],
        "another order": [*rows[:2_000], rows[2_001], rows[2_000], *rows[2_002:]],
        "an end": rows[:2_000],
    }
    summary = await upload(others[change], **options(tmp_path), seams=seams_to(simulator))
    assert summary.cause is Cause.SOURCE
    assert "give the same data again" in summary.reason.lower()
    assert set(held(simulator)) - set(before) <= {row["email"] for row in rows[:2_000]}
    summary = await upload(rows, **options(tmp_path), seams=seams_to(simulator))
    assert (summary.state, len(held(simulator))) == ("complete", 5_000)


@virtual
async def test_no_rows_are_a_job_without_work(tmp_path):
    summary = await upload([], **options(tmp_path), seams=seams_to(make_simulator()))
    assert (summary.state, summary.tallies.rows, summary.exit_code) == ("complete", 0, 0)


# --- several jobs ---


@virtual
async def test_several_jobs_run_side_by_side_and_only_one_on_a_checkpoint(tmp_path):
    simulator = make_simulator(latency_seconds=0.3, quota="100/10")

    async def one(name: str) -> int:
        rows = [{"email": f"{name}{i}@example.com"} for i in range(1_500)]
        async with Uploader(**options(tmp_path, name), seams=seams_to(simulator)) as job:
            return len(await follow(job, Rows(rows, name=name)))

    running = [asyncio.ensure_future(one(name)) for name in "abc"]
    await asyncio.sleep(2)
    with pytest.raises(CheckpointError, match=r"using .*a\.checkpoint"):
        await one("a")
    assert await asyncio.gather(*running) == [1_500] * 3
    assert len(held(simulator)) == 4_500


@virtual
async def test_an_uploader_runs_one_job_after_another(tmp_path):
    simulator = make_simulator(latency_seconds=1.0)
    file = write_csv(tmp_path / "a.csv", contacts(3_000))
    async with Uploader(token="test-token", seams=seams_to(simulator)) as job:
        stream = job.run(file)
        await anext(stream)
        with pytest.raises(RuntimeError, match="is running a job"):
            await anext(job.run(file))
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        stopped = job.summary
        rest = await follow(job, file)
    assert (stopped.state, job.summary.state) == ("stopped", "complete")
    assert len(rest) == 3_000 - stopped.tallies.settled
    with pytest.raises(RuntimeError, match="async with"):
        job.run(file)
    with pytest.raises(RuntimeError, match="no job has ended"):
        _ = Uploader(token="test-token").summary


@virtual
async def test_settings_that_are_made_already_bring_their_sources(tmp_path):
    simulator = make_simulator()
    file = write_csv(tmp_path / "a.csv", contacts(50))
    settings = Settings(sources=(str(file),), token="test-token", write_results=False)
    async with Uploader(settings, max_failures="5%", seams=seams_to(simulator)) as job:
        assert len(await follow(job)) == 50
        assert job.view().tallies.settled == 50
    assert not list(tmp_path.glob("*.results.csv"))
    async with Uploader(settings, seams=seams_to(simulator)) as job:
        assert await follow(job) == []
        with pytest.raises(SettingsError, match="results file"):
            await follow(job, earlier=True)


@pytest.mark.parametrize("has_digest", [True, False], ids=["digest", "begun by 0.6.2"])
@virtual
async def test_earlier_outcomes_are_not_read_from_a_results_file_that_was_changed(tmp_path, has_digest):
    simulator, rows = make_simulator(), contacts(50)
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        await follow(job, rows)
    if not has_digest:
        with closing(sqlite3.connect(tmp_path / "crm.checkpoint")) as connection, connection:
            connection.execute("DELETE FROM job WHERE name = 'results_digest'")
    (results,) = tmp_path.glob("*.results.csv")
    original = results.read_bytes()
    for changed in (
        original.replace(b"\n", b"\r\n"),
        original[:-1],
        original.replace(b"created", b"creatdd", 1),
    ):
        results.write_bytes(changed)
        async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
            with pytest.raises(CheckpointError, match=r"was changed|1 bytes too short"):
                await follow(job, rows, earlier=True)
    results.unlink()
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        with pytest.raises(CheckpointError, match="is missing"):
            await follow(job, rows, earlier=True)


@virtual
async def test_earlier_outcomes_are_not_told_where_some_are_lost(tmp_path):
    simulator, rows = make_simulator(latency_seconds=0.5), contacts(3_000)
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        async for _ in job.run(rows):
            job.stop()
    (results,) = tmp_path.glob("*.results.csv")
    results.write_bytes(results.read_bytes().replace(b"\n", b"\r\n"))
    async with Uploader(**options(tmp_path), accept_changed_results=True, seams=seams_to(simulator)) as job:
        assert await follow(job, rows)
        assert job.summary.exit_code == 0
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        with pytest.raises(CheckpointError, match=r"started after [\d,]+ rows were settled"):
            await follow(job, rows, earlier=True)


@virtual
async def test_a_loop_that_was_left_may_be_entered_again_at_once(tmp_path):
    simulator = make_simulator(latency_seconds=1.0)
    rows = contacts(3_000)
    async with Uploader(**options(tmp_path), seams=seams_to(simulator)) as job:
        first = []
        async for row in job.run(rows):
            first.append(row.row)
            break
        every = [row.row async for row in job.run(rows, earlier=True)]
    assert sorted(every) == list(range(1, 3_001))
    assert set(first) <= set(every)
    assert job.summary.tallies.replayed == 0


# --- nothing that nobody saw coming ---


@virtual
async def test_a_production_account_is_written_to_only_with_consent(tmp_path):
    simulator = make_simulator(account=PRODUCTION)
    rows, asked = contacts(5), []
    start = partial(upload, rows, **options(tmp_path), seams=seams_to(simulator))

    async def says(answer: bool, account, count) -> bool:
        asked.append((account.portal, count))
        return answer

    with pytest.raises(DeclinedError, match=r"portal='\d+'") as refused:
        await start()
    portal = str(refused.value).partition("portal='")[2].partition("'")[0]
    with pytest.raises(DeclinedError):
        await start(approve=partial(says, False))
    with pytest.raises(SettingsError, match="belongs to account"):
        await start(portal="1")
    assert held(simulator) == []
    assert not list(tmp_path.iterdir())
    assert (await start(approve=lambda account, _: account.kind == "STANDARD")).state == "complete"
    assert asked == [(portal, None)]
    for name, word in (("b", {"yes": True}), ("c", {"portal": int(portal)})):
        summary = await upload(rows, **options(tmp_path, name), seams=seams_to(simulator), **word)
        assert summary.tallies.outcomes[Outcome.UPDATED] == 5


@virtual
async def test_a_canary_of_rows_waits_for_the_next_invocation(tmp_path):
    simulator = make_simulator()
    start = partial(upload, contacts(500), **options(tmp_path), seams=seams_to(simulator))
    with pytest.raises(SettingsError, match="approve_canary=True"):
        await start(canary=20, judge=lambda _: True)
    summary = await start(canary=20)
    assert (summary.cause, summary.exit_code, len(held(simulator))) == (Cause.CANARY, 3, 20)
    summary = await start(approve_canary=True)
    assert (summary.state, len(held(simulator))) == ("complete", 500)


@virtual
async def test_a_canary_of_a_file_is_judged_by_the_program(tmp_path):
    simulator = make_simulator()
    file = write_csv(tmp_path / "a.csv", contacts(500))
    shown = []

    async def judge(review) -> bool:
        shown.append(review.rows)
        return True

    async with Uploader(token="test-token", seams=seams_to(simulator), canary=20, judge=judge) as job:
        outcomes = await follow(job, file)
    assert (shown, sorted(row.row for row in outcomes)) == ([20], list(range(2, 502)))


@virtual
async def test_nothing_of_the_process_is_touched(tmp_path, capfd, monkeypatch):
    before, touched = _process(), []
    for name in ("freeze", "unfreeze", "disable", "enable", "set_threshold", "set_debug"):
        monkeypatch.setattr(gc, name, lambda *_, name=name: touched.append(name))
    await upload(contacts(200), **options(tmp_path), seams=seams_to(make_simulator()))
    assert _process() == before
    assert touched == []  # counts tell nothing: objects frozen before may be gone meanwhile
    assert capfd.readouterr() == ("", "")


def _process() -> list[object]:
    return [
        *(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        gc.get_threshold(),
        logging.getLogger("uploader").handlers[:],
        logging.getLogger().handlers[:],
        os.environ.copy(),
        threading.active_count(),
    ]


# --- settings ---


def test_simple_values_become_settings(tmp_path):
    given = {
        "token": "t",
        "checkpoint": str(tmp_path / "x"),
        "rate": "190/10",
        "share": "80%",
        "max_failures": 5,
        "daily_reserve": "10%",
        "match": "external_id",
        "ignore": ["a"],
        "decimal": ",",
        "date_order": {"born": "DMY"},
        "write": "fill",
        "create_only": ["city"],
        "suppress_where": {"opt_out": ["yes"]},
        "on_long_pause": "wait",
        "portal": 44237313,
    }
    made = make_settings(("a.csv",), (), given)
    assert (str(made.rate), made.share, made.max_failures) == ("190/10", 0.8, FailureLimit(count=5))
    assert (made.match, made.ignored, made.decimals) == (("external_id",), frozenset("a"), {"": ","})
    assert (made.policy, made.policies, made.portal) == ("fill", {"city": "create-only"}, "44237313")
    assert (made.checkpoint, made.suppress_where) == (tmp_path / "x", {"opt_out": ("yes",)})


@pytest.mark.parametrize(
    ("sources", "given", "text"),
    [
        (({"email": "a@example.com"},), {}, "put it into a list"),
        ((["a.csv", "b.csv"],), {}, r"run\(\*paths\)"),
        ((7,), {}, "iterable of mappings"),
        ((b"a.csv",), {}, "iterable of mappings"),
        (([], []), {}, "two sources are named 'rows'"),
        ((Rows([], name="https://x.com/a"),), {}, "is not a name for rows"),
        ((Rows([], name="a*"),), {}, "is not a name for rows"),
        (([],), {"on_duplicate": "first"}, "read only once"),
        ((), {}, "at least one source"),
    ],
)
@virtual
async def test_a_source_that_is_none_is_refused_in_one_line(tmp_path, sources, given, text):
    with pytest.raises(SettingsError, match=text):
        await upload(*sources, **{**options(tmp_path), **given}, seams=seams_to(make_simulator()))
    assert not list(tmp_path.iterdir())


def test_all_public_names_can_be_imported():
    for name in uploader.__all__:
        assert getattr(uploader, name) is not None
    with pytest.raises(AttributeError):
        _ = uploader.nothing_of_that_name


def test_an_error_of_a_source_is_one_of_ours(tmp_path):
    async def missing():
        with pytest.raises(SourceError, match="no such file"):
            await upload(tmp_path / "none.csv", token="test-token", seams=seams_to(make_simulator()))

    run_virtual(missing())
