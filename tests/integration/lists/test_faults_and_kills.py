"""`--add-to-list` through faults and kills: every record is in the list, and it is known who put it there."""

import random
from functools import partial

import pytest

from support.follow_ups.killed_commits import Kill, run_with_kill
from support.follow_ups.list_runs import NAME, listing, members, requests
from support.jobs import contacts
from support.links.runs import PLAIN, account, make_job
from support.mock_transport import make_simulator
from support.model.cases import Stop
from support.model.running import KillableCheckpoint, run_process
from support.soaked import combined, some
from uploader.lists import membership_task
from uploader.model.stop import Cause
from uploader.storage.list_file import ListFile

#: The members that the list has before the job, of the first contacts of the file.
_BEFORE = 40


def _said_of(job) -> tuple[set[str], bool]:
    """The addresses of the records that the job has put into the list, and whether it made it, as it says."""
    file = ListFile(job.settings().checkpoint_path)
    file.open(read_only=True)
    ids = {str(one) for (one,) in file._all("SELECT id FROM members WHERE state = 'added'")}
    is_made = bool(file.about["made"])
    left = file._all("SELECT count(*) FROM members WHERE state IN ('open', 'sent', 'doubt')")
    file.close()
    assert left == [(0,)]
    return {one["properties"]["email"] for one in job.simulator.objects(1e9) if one["id"] in ids}, is_made


def _job(tmp_path, rows, *, is_there: bool, **scenario):
    held = contacts(100)
    lists = [{"name": NAME, "members": held[:_BEFORE]}] if is_there else []
    return listing(tmp_path, rows, held, lists=lists, **scenario)


def _check(job, rows, *, is_there: bool) -> None:
    wanted = {row["email"] for row in rows}
    assert sorted(members(job)) == sorted(wanted)
    before = {one["email"] for one in contacts(_BEFORE)} if is_there else set()
    assert _said_of(job) == (wanted - before, not is_there)
    made = [one for one in job.simulator.lists(1e9) if one["name"] == NAME]
    assert len(made) == 1


_ENDPOINTS = ("memberships", "change_lists", "lists", "read")
_FAULTS = {
    "throttled": [{"kind": "status", "status": 429, "times": 2}],
    "edge": [{"kind": "status", "status": 502, "times": 2}],
    "lost": [{"kind": "reset", "applied": True, "times": 2}],
    "truncated": [{"kind": "truncate", "applied": True, "times": 1}],
    "late": [{"kind": "reset", "applied": False, "late_seconds": 3, "times": 1}],
    "empty": [{"kind": "garble", "times": 2}],
}


@pytest.mark.parametrize(
    ("kind", "is_there"),
    combined(
        _FAULTS,
        [True, False],
        usual=lambda kind, is_there: is_there == (kind in {"throttled", "truncated", "empty"}),
    ),
)
def test_faults_of_all_requests_change_nothing(tmp_path, kind, is_there):
    rows = contacts(150)
    faults = [{**one, "endpoint": endpoint} for one in _FAULTS[kind] for endpoint in _ENDPOINTS]
    job = _job(tmp_path, rows, is_there=is_there, faults=faults)
    summary = job.run_virtual()
    assert summary.exit_code == 0, summary.reason
    _check(job, rows, is_there=is_there)


def test_an_answer_that_is_lost_is_attributed_by_the_time_of_the_membership(tmp_path):
    """Half of the records were members before, the others came there by the request without an answer."""
    rows = contacts(80)
    faults = [{"kind": "reset", "applied": True, "times": 1, "endpoint": "memberships"}]
    job = _job(tmp_path, rows, is_there=True, faults=faults)
    summary = job.run_virtual()
    found = summary.as_dict()["list"]
    assert (found["added"], found["already"]) == (40, 40)
    assert requests(job)["memberships/add"] == 2


def test_an_outage_leaves_the_list_open_and_the_same_command_ends_it(tmp_path):
    rows = contacts(150)
    job = _job(
        tmp_path,
        rows,
        is_there=True,
        faults=[{"kind": "status", "status": 503, "endpoint": "memberships"}],
    )
    summary = job.run_virtual()
    assert (summary.cause, summary.exit_code, summary.tallies.open) == (Cause.OUTAGE, 75, 0)
    assert summary.as_dict()["list"]["open"] == 150
    job.simulator.change_scenario(make_simulator().scenario)
    assert job.run_virtual().exit_code == 0
    _check(job, rows, is_there=True)


def test_a_signal_stops_while_records_are_sent_and_the_same_command_ends_it(tmp_path):
    rows = contacts(150)
    faults = [{"kind": "delay", "seconds": 30, "endpoint": "memberships"}]
    job = _job(tmp_path, rows, is_there=True, faults=faults)
    summary = job.run_virtual(stop_after=25)
    assert (summary.cause, summary.exit_code) == (Cause.SIGNAL, 130)
    assert summary.tallies.open == 0
    assert job.run_virtual().exit_code == 0
    _check(job, rows, is_there=True)


def test_links_come_first_and_a_list_that_stops_leaves_them_as_they_are(tmp_path):
    rows = [{"email": f"c{n}@x.com", "account": f"A{n % 3}"} for n in range(30)]
    fault = {"kind": "status", "status": 503, "endpoint": "memberships"}
    simulator = account(["A0", "A1"], faults=[fault])
    job = make_job(tmp_path / "contacts.csv", rows, simulator, [PLAIN], add_to_list=NAME)
    stopped = job.run_virtual()
    assert (stopped.cause, stopped.exit_code) == (Cause.OUTAGE, 75)
    left = {name: bool(one.open) for name, one in stopped.follow_ups.items()}
    assert left == {"links": False, "list": True}
    simulator.change_scenario(account(()).scenario)
    ended = job.run_virtual()
    assert (ended.state, ended.exit_code) == ("complete", 1)  # for the links to A2, which is not there
    assert len(members(job)) == 30
    assert ended.as_dict()["links"] == stopped.as_dict()["links"]
    assert requests(job)["batch/create"] == 0


def test_a_signal_waits_for_the_requests_in_flight(tmp_path):
    rows = contacts(150)
    faults = [{"kind": "delay", "seconds": 15, "endpoint": "memberships"}]
    job = _job(tmp_path, rows, is_there=True, faults=faults)
    summary = job.run_virtual(stop_after=20)
    assert (summary.exit_code, summary.as_dict()["list"]["added"]) == (130, 110)
    assert job.run_virtual().exit_code == 0
    _check(job, rows, is_there=True)


@pytest.mark.parametrize("seed", some(0, 1, soaked=[2, 3]))
def test_kills_at_any_moment_lose_nothing_and_attribute_nothing_wrongly(tmp_path, monkeypatch, seed):
    monkeypatch.setattr("uploader.jobs.opening.Checkpoint", KillableCheckpoint)
    monkeypatch.setattr(membership_task, "MOST_MEMBERS", 30)
    dice, rows, is_there = random.Random(seed), contacts(200), seed % 2 == 0
    faults = [
        {"kind": "reset", "applied": True, "rate": 0.2, "endpoint": endpoint}
        for endpoint in ("memberships", "change_lists", "upsert")
    ]
    job = _job(tmp_path, rows, is_there=is_there, faults=faults, latency_seconds=0.2, quota="190/10")
    job.seed = seed
    for _ in range(40):
        stop = Stop(dice.uniform(0, 2.0), dice.choice(["kill", "kill", "signal"]))
        summary = run_process(job, stop, batch_records=20)
        if summary is not None and summary.state == "complete":
            break
    summary = run_process(job, None, batch_records=20)
    assert (summary.state, summary.exit_code) == ("complete", 0)
    _check(job, rows, is_there=is_there)


@pytest.mark.parametrize("side", some("by turns", soaked=["before the commit", "after the commit"]))
@pytest.mark.parametrize(
    "is_there", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["there", "made"]
)
@pytest.mark.parametrize(
    "steps",
    [[{}], pytest.param([{"limit": 45}, {}], marks=pytest.mark.soak)],
    ids=["at once", "in two parts"],
)
def test_a_kill_at_any_commit_attributes_nothing_wrongly(tmp_path, monkeypatch, is_there, side, steps):
    monkeypatch.setattr(membership_task, "MOST_MEMBERS", 30)
    rows = contacts(60)

    def make(name):
        (tmp_path / name).mkdir()
        job = _job(tmp_path / name, rows, is_there=is_there)
        job.batch_records = 30
        return job

    without = Kill()
    run_with_kill(partial(make, "none"), without, steps)
    for at in range(without.commits):
        is_before = at % 2 == 0 if side == "by turns" else side == "before the commit"
        job, summary = run_with_kill(partial(make, str(at)), Kill(at, is_before=is_before), steps)
        assert (at, summary.state) == (at, "complete")
        _check(job, rows, is_there=is_there)
