"""`check`, `preview`, `verify`, `undo` and `failures` as a program calls them, in virtual time."""

import asyncio
import inspect
from functools import partial

import pytest

import uploader
from support.jobs import contacts, write_csv
from support.mock_transport import make_simulator
from support.programs import seams_to
from support.soaked import some
from support.virtual_loop import run_virtual
from uploader import (
    CheckpointError,
    DeclinedError,
    Outcome,
    Rows,
    SettingsError,
    UndoOutcome,
    Verdict,
    check,
    failures,
    failures_sync,
    preview,
    undo,
    upload,
    upload_sync,
    verify,
)
from uploader.check.run import Check
from uploader.undo.run import Undo

PRODUCTION = {"account_type": "STANDARD"}


def virtual(test):
    def run(*arguments, **fixtures):
        run_virtual(test(*arguments, **fixtures))

    run.__signature__ = inspect.signature(test)
    run.__name__ = test.__name__
    return run


def held(simulator) -> list[str]:
    there = (one for one in simulator.objects(1e9) if not one["archived"])
    return sorted(contact["properties"]["email"] for contact in there)


@virtual
async def test_a_job_is_checked_previewed_uploaded_verified_and_undone(tmp_path, capfd):
    simulator = make_simulator()
    file = write_csv(tmp_path / "a.csv", [*contacts(30), {"email": "nobody", "firstname": "N"}])
    same = {"token": "t", "seams": seams_to(simulator)}

    checked = await check(file, **same)
    assert (checked.ok, checked.exit_code, checked.rows, checked.invalid) == (False, 1, 31, 1)
    assert (checked.problems, checked.reason) == ([], "")

    previewed = await preview(file, rows=2, canary=5, **same)
    assert (previewed.rows, previewed.exit_code) == (31, 1)
    assert (previewed.outcomes[Outcome.CREATED], previewed.outcomes[Outcome.INVALID]) == (30, 1)
    assert len(previewed.as_dict()["row_details"]) == 2
    assert held(simulator) == []

    await upload(file, snapshot=True, **same)
    job = tmp_path / "a.csv.checkpoint"
    verified = await verify(job, **same)
    assert (verified.ok, verified.records, verified.counts[Verdict.EQUAL]) == (True, 30, 30)
    assert (verified.output, verified.undone) == (None, None)

    planned = await undo(job, dry_run=True, **same)
    assert (planned.is_dry, planned.counts[UndoOutcome.ARCHIVED], len(held(simulator))) == (True, 30, 30)
    undone = await undo(job, **same)
    assert (undone.ok, undone.counts[UndoOutcome.ARCHIVED], held(simulator)) == (True, 30, [])

    again = await verify(job, **same)
    assert (again.exit_code, again.counts[Verdict.MISSING], again.undone["archived"]) == (1, 30, 30)
    assert again.output == tmp_path / "a.csv.differences.csv"
    assert len(again.output.read_text().splitlines()) == 31
    assert (await check(file, **same)).found.is_undone
    assert capfd.readouterr() == ("", "")


@virtual
async def test_failed_rows_are_values_with_the_cells_of_the_file(tmp_path):
    rows = [
        {"email": "nobody", "city": "Ulm"},
        {"email": "a@example.com", "city": "Bonn"},
        {"email": "b@x.badtld"},
    ]
    file = write_csv(tmp_path / "a.csv", rows)
    await upload(file, token="t", max_failures=5, seams=seams_to(make_simulator()))
    job = tmp_path / "a.csv.checkpoint"
    found = list(failures_sync(job))
    assert [(row.row, row.outcome, row.is_transient) for row in found] == [
        (2, Outcome.INVALID, False),
        (4, Outcome.REJECTED, False),
    ]
    first = found[0]
    assert (first.source, first.cells, bool(first.message)) == (str(file), rows[0], True)
    assert first.as_dict() == {**first.as_dict(), **rows[0], "uploader_row": 2, "uploader_outcome": "invalid"}
    assert list(failures_sync(job, kind="transient")) == []
    with pytest.raises(SettingsError, match="kind= takes one of all, transient, permanent, not 'some'"):
        list(failures_sync(job, kind="some"))
    with pytest.raises(CheckpointError):
        list(failures_sync(tmp_path / "none.checkpoint"))


async def test_failed_rows_are_read_in_a_thread_whenever_a_program_leaves(tmp_path):
    file = write_csv(tmp_path / "a.csv", [{"email": f"nobody {number}"} for number in range(1_200)])
    await asyncio.to_thread(run_virtual, _upload_all_failing(file))
    job = tmp_path / "a.csv.checkpoint"
    assert [row.row async for row in failures(job)] == list(range(2, 1_202))
    rows = failures(job)
    assert (await anext(rows)).row == 2
    await rows.aclose()


async def _upload_all_failing(file):
    await upload(file, token="t", max_failures="100%", seams=seams_to(make_simulator()))


# --- consent ---


@virtual
async def test_a_production_account_is_undone_only_with_consent(tmp_path):
    simulator = make_simulator(account=PRODUCTION)
    same = {"token": "t", "seams": seams_to(simulator)}
    file = write_csv(tmp_path / "a.csv", contacts(3))
    await upload(file, snapshot=True, add_to_list="L", yes=True, **same)
    portal = 44237313
    job, asked = tmp_path / "a.csv.checkpoint", []

    with pytest.raises(DeclinedError, match=rf"portal='{portal}' .*\(or yes=True\)"):
        await undo(job, **same)
    with pytest.raises(DeclinedError):
        await undo(job, approve=lambda account, count: asked.append((account.portal, count)), **same)
    with pytest.raises(SettingsError, match="portal=1: this token belongs to account"):
        await undo(job, portal=1, **same)
    assert (asked, len(held(simulator))) == ([(str(portal), 3)], 3)
    planned = await undo(job, dry_run=True, **same)
    assert planned.exit_code == 0

    async def approve(account, count):
        asked.append((account.portal, count))
        return True

    done = await undo(job, approve=approve, **same)
    assert (done.ok, held(simulator)) == (True, [])
    assert done.as_dict()["list"]["removed"] == 3
    assert asked[1:] == [(str(portal), 3), (str(portal), 3)]  # the list, then the records


@virtual
async def test_a_portal_or_yes_is_consent_to_an_undo(tmp_path):
    for number, consent in enumerate(({"yes": True}, {"portal": "found"})):
        simulator = make_simulator(account=PRODUCTION)
        same = {"token": "t", "seams": seams_to(simulator)}
        file = write_csv(tmp_path / f"{number}.csv", contacts(3))
        await upload(file, snapshot=True, yes=True, **same)
        if "portal" in consent:
            consent["portal"] = 44237313
        assert (await undo(f"{file}.checkpoint", **consent, **same)).ok
        assert held(simulator) == []


# --- what is refused, and how it ends ---


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (partial(check, [{"email": "a@x.com"}]), r"check\(\) reads its sources several times"),
        (partial(preview, Rows([])), r"preview\(\) reads its sources several times"),
        (partial(check, "a.csv", sample=0), "sample= takes a whole number, 1 or more"),
        (partial(preview, "a.csv", token="t", rows=-1), "rows= takes a whole number, 0 or more"),
        (partial(preview, "a.csv"), "no access token: set token="),
        (partial(check, "a.csv", mapped={}), "it is called map now"),
        (partial(verify, "a.checkpoint", token="t", map={}), "there is no option 'map'"),
        (partial(verify, "a.checkpoint", token="t", rate="quick"), 'rate="quick"'),
        (partial(undo, "a.checkpoint", token="t", share="0%"), 'share="0%"'),
    ],
)
@virtual
async def test_a_call_that_cannot_be_is_refused_in_a_line_that_names_the_keyword(tmp_path, call, text):
    with pytest.raises(SettingsError, match=text) as refused:
        await call(seams=seams_to(make_simulator()))
    assert "\n" not in str(refused.value)


@virtual
async def test_a_job_that_is_none_is_refused(tmp_path):
    same = {"token": "t", "seams": seams_to(make_simulator())}
    file = write_csv(tmp_path / "a.csv", contacts(3))
    await upload(file, **same)
    for call, text in (
        (partial(verify, tmp_path / "none"), "none"),
        (partial(undo, f"{file}.checkpoint"), r"run with snapshot=True"),
    ):
        with pytest.raises(CheckpointError, match=text):
            await call(**same)


@virtual
async def test_an_undo_without_a_snapshot_refuses_what_is_for_records(tmp_path):
    same = {"token": "t", "seams": seams_to(make_simulator())}
    file = write_csv(tmp_path / "a.csv", contacts(3))
    await upload(file, add_to_list="L", **same)
    with pytest.raises(
        SettingsError, match="archive_touched=True is for the undo of an upload with snapshot"
    ):
        await undo(f"{file}.checkpoint", archive_touched=True, **same)


@pytest.mark.parametrize(
    ("call", "after_seconds"),
    some(
        *((check, 2), (preview, 13), (verify, 2), (undo, 13)),
        soaked=[(check, 13), (preview, 2), (verify, 13), (undo, 2)],
    ),
)
@virtual
async def test_who_is_cancelled_leaves_no_task_and_may_call_again(tmp_path, call, after_seconds):
    simulator = make_simulator(latency_seconds=5.0)
    same = {"token": "t", "seams": seams_to(simulator)}
    file = write_csv(tmp_path / "a.csv", contacts(250))
    await upload(file, snapshot=True, **same)
    named = file if call in {check, preview} else tmp_path / "a.csv.checkpoint"
    tasks = asyncio.all_tasks()
    task = asyncio.ensure_future(call(named, **same))
    await asyncio.sleep(after_seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == tasks
    assert (await call(named, **same)).exit_code in {0, 1}


async def test_the_functions_without_a_loop_refuse_one_that_runs(tmp_path):
    with pytest.raises(RuntimeError, match=r"upload_sync\(\) cannot .*use `await upload\(\.\.\.\)` there"):
        upload_sync(tmp_path / "a.csv", token="t")
    with pytest.raises(RuntimeError, match=r"use `await check\(\.\.\.\)` there"):
        uploader.check_sync(tmp_path / "a.csv", token="t")


def test_packages_do_not_hide_the_functions_of_their_names():
    assert {Check.__module__, Undo.__module__} == {"uploader.check.run", "uploader.undo.run"}
    for name in ("check", "preview", "undo", "verify"):
        assert inspect.iscoroutinefunction(getattr(uploader, name))
