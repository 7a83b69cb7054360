"""`undo` takes out of a list exactly what the job has put there, and deletes a list that the job made."""

import random

import pytest

from support.follow_ups.list_runs import NAME, listing, members, names, undo_list
from support.jobs import contacts
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, run_process
from support.soaked import some
from uploader.errors import CheckpointError, DeclinedError
from uploader.lists import membership_task
from uploader.storage.list_file import ListFile


def test_a_list_that_the_job_made_is_emptied_and_deleted(tmp_path):
    job = listing(tmp_path, contacts(250), contacts(100))
    job.run_virtual()
    report = undo_list(job)
    assert (report.removed, report.left, report.is_gone, report.exit_code) == (250, 0, True, 0)
    assert names(job) == []
    again = undo_list(job)
    assert (again.removed, again.is_gone, again.exit_code) == (250, True, 0)


def test_members_that_others_have_put_there_stay(tmp_path):
    held = contacts(60)
    job = listing(tmp_path, contacts(80), held, lists=[{"name": NAME, "members": held[40:]}])
    job.run_virtual()
    report = undo_list(job)
    assert (report.removed, report.is_gone) == (60, False)
    assert sorted(members(job)) == sorted(row["email"] for row in held[40:])
    assert names(job) == [NAME]


def test_a_list_that_the_job_made_stays_while_it_has_other_members(tmp_path):
    job = listing(tmp_path, contacts(30), [{"email": "ann@x.com"}])
    job.run_virtual()
    (one,) = job.simulator.account.lists
    one.add([int(next(job.simulator.objects(1e9))["id"])], "2026-01-01T00:00:00Z")
    report = undo_list(job)
    assert (report.removed, report.is_gone, report.exit_code) == (30, False, 0)
    assert report.why_kept == "it has members that the job has not put there"
    assert members(job) == ["ann@x.com"]


@pytest.mark.parametrize("is_there", [True, False])
def test_records_whose_request_got_no_answer_are_taken_out_too(tmp_path, is_there):
    """The process was killed while the request was under way, and never resumed."""
    held = contacts(60)
    lists = [{"name": NAME, "members": held[40:]}] if is_there else []
    faults = [{"kind": "reset", "applied": True, "endpoint": "memberships", "requests": [1, 999]}]
    job = listing(tmp_path, contacts(80), held, lists=lists, faults=faults)
    job.run_virtual(stop_after=30)
    assert len(members(job)) == 80
    job.simulator.change_scenario(make_simulator().scenario)
    report = undo_list(job)
    assert (report.removed, report.left) == (60 if is_there else 80, 0)
    assert names(job) == ([NAME] if is_there else [])
    if is_there:
        assert sorted(members(job)) == sorted(row["email"] for row in held[40:])


def test_a_list_whose_making_got_no_answer_is_deleted(tmp_path):
    faults = [{"kind": "reset", "applied": True, "endpoint": "change_lists"}]
    job = listing(tmp_path, contacts(30), faults=faults)
    job.run_virtual(stop_after=30)
    assert names(job) == [NAME]
    job.simulator.change_scenario(make_simulator().scenario)
    assert undo_list(job).is_gone
    assert names(job) == []


def test_a_record_that_was_taken_out_is_put_there_by_a_later_row(tmp_path):
    rows = contacts(1)
    job = listing(tmp_path, [*rows, *rows], lists=[{"name": NAME}])
    job.run_virtual(limit=1)
    assert undo_list(job).removed == 1
    assert members(job) == []
    job.run_virtual()
    assert members(job) == [rows[0]["email"]]
    assert undo_list(job).removed == 1
    assert members(job) == []


def test_a_dry_run_writes_nothing_and_tells_how_many(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual()
    report = undo_list(job, dry=True)
    assert (report.left, report.removed, report.is_made) == (30, 0, True)
    assert len(members(job)) == 30


def test_declined_nothing_is_undone(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual()

    async def no(account, report) -> bool:
        assert (account.portal, report.left) == ("44237313", 30)
        return False

    with pytest.raises(DeclinedError):
        undo_list(job, approve=no)
    assert len(members(job)) == 30


def test_a_list_that_is_gone_or_active_is_told(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual()
    (one,) = job.simulator.account.lists
    one.processing_type = "DYNAMIC"
    report = undo_list(job)
    assert (report.left, report.exit_code) == (30, 1)
    assert "is active" in report.why_kept
    one.deleted_at = "2026-01-01"
    report = undo_list(job)
    assert (report.left, report.is_gone, report.exit_code) == (0, True, 0)


def test_a_token_of_another_account_is_refused(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual()
    job.simulator.change_scenario(make_simulator(account={"portal_id": 99}).scenario)
    with pytest.raises(CheckpointError, match="belongs to account 44237313, this token to account 99"):
        undo_list(job)


def test_the_list_of_a_job_that_was_started_over_is_undone_by_its_number(tmp_path):
    job = listing(tmp_path, contacts(30))
    job.run_virtual()
    job.run_virtual(restart=True)
    assert job.run_virtual().as_dict()["list"]["already"] == 30
    assert undo_list(job).removed == 0
    report = undo_list(job, number=".1")
    assert (report.removed, report.is_gone) == (30, True)


@pytest.mark.parametrize("seed", some(0, 1, soaked=[2]))
def test_kills_of_job_and_undo_leave_the_list_as_it_was(tmp_path, monkeypatch, seed):
    monkeypatch.setattr("uploader.jobs.opening.Checkpoint", KillableCheckpoint)
    monkeypatch.setattr(membership_task, "MOST_MEMBERS", 30)
    dice, held = random.Random(seed), contacts(100)
    lists = [{"name": NAME, "members": held[:40]}] if seed else []
    faults = [
        {"kind": "reset", "applied": True, "rate": 0.2, "endpoint": endpoint}
        for endpoint in ("memberships", "change_lists")
    ]
    job = listing(
        tmp_path, contacts(200), held, lists=lists, faults=faults, latency_seconds=0.2, quota="190/10"
    )
    for _ in range(dice.randint(3, 12) + 20 * seed):
        run_process(job, Stop(dice.uniform(0, 2.0), "kill"), batch_records=20)
    assert ListFile(job.settings().checkpoint_path).path.exists()
    job._clock += 5.0
    for _ in range(30):
        report = undo_list(job, kill_after=dice.uniform(0.5, 3.0))
        if report is not None and report.end is None:
            break
    else:
        report = undo_list(job)
    assert report.left == 0
    assert names(job) == ([NAME] if seed else [])
    assert not seed or sorted(members(job)) == sorted(row["email"] for row in held[:40])
