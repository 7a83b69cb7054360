"""What stops a run early, resumable: systemic faults, signals, full disks; and what goes on afterwards."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import some
from support.undo_runs import state, undo
from support.virtual_loop import run_virtual
from uploader.cli.commands.status import read_summary
from uploader.cli.text.summary import summary_text
from uploader.errors import CheckpointError, DeclinedError, SettingsError, SourceError, StorageError
from uploader.jobs.summary import advice
from uploader.model.outcomes import Outcome
from uploader.model.records import Slice
from uploader.model.stop import Cause
from uploader.pipeline.failure_limits import FailureLimit
from uploader.pipeline.producer import Producer
from uploader.records.write_policy import Only
from uploader.settings.speed import OnLongPause
from uploader.storage import checkpoint as checkpoint_module
from uploader.storage.checkpoint_tables.progress_and_tallies import State
from uploader.system import sqlite
from uploader.system.private_files import Lock


def job(
    tmp_path: Path,
    rows,
    *,
    quota="190/10",
    options=None,
    latency_seconds=0.1,
    batch_records=100,
    **scenario,
) -> Job:
    simulator = make_simulator(quota=quota, latency_seconds=latency_seconds, **scenario)
    source = write_csv(tmp_path / "contacts.csv", rows)
    return Job(source, simulator, options or {}, batch_records=batch_records)


#: Its end is named by the account.
DAY_OF_AN_HOUR = {"account": {"day_seconds": 3_600}}


def mend(run: Job, **scenario) -> None:
    run.simulator.change_scenario(make_simulator(**scenario).scenario)


def test_an_interrupted_run_settles_what_is_in_flight_and_sends_nothing_twice(tmp_path):
    rows = contacts(3_000)
    run = job(tmp_path, rows, latency_seconds=1.0)
    summary = run.run_virtual(stop_after=4.2)
    assert (summary.state, summary.exit_code) == ("stopped", 130)
    assert 0 < summary.tallies.settled < 3_000
    received = run.simulator.stats()["records_received"]
    assert received == summary.tallies.settled
    for one in (summary, read_summary(Path(f"{run.source}.checkpoint"))):
        assert "(read ahead; none of these was sent)" in summary_text(one)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, run.simulator.stats()["records_received"]) == (0, 3_000)
    assert summary.as_dict()["replayed"] == 0


def test_a_job_that_ends_while_its_state_is_read_is_not_called_killed(tmp_path, monkeypatch):
    run = job(tmp_path, contacts(3_000), latency_seconds=1.0)
    assert run.run_virtual(stop_after=4.2).state == "stopped"

    def ends(_: Lock) -> bool:
        monkeypatch.undo()
        return run.run_virtual().state != "complete"

    monkeypatch.setattr(Lock, "is_held", ends)
    assert read_summary(Path(f"{run.source}.checkpoint")).state == "complete"


def test_a_second_signal_stops_at_once_and_the_job_can_still_be_finished(tmp_path):
    rows = contacts(3_000)
    run = job(tmp_path, rows, latency_seconds=5.0)
    summary = run.run_virtual(stop_after=13.0, again_after=13.1)
    assert summary.exit_code == 130
    assert summary.tallies.settled == 0
    assert "a few may have been sent" in summary_text(summary)
    assert run._clock < 13.5
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0


@pytest.mark.parametrize(
    ("options", "refused"),
    some(
        *(({}, [0]), ({"snapshot": True}, []), ({"only_records": Only.NEW}, [0])),
        soaked=[({}, []), ({"snapshot": True}, [0]), ({"only_records": Only.NEW}, [])],
    ),
)
def test_what_had_left_when_a_second_signal_came_may_have_arrived(tmp_path, options, refused):
    """The next run knows what it finds for its own."""
    rows = contacts(90)
    for place in refused:
        rows[place]["email"] = "c0@example.badtld"
    # All but the first batch are answered late; where a record was refused, its batch is sent once more.
    late = {"kind": "delay", "seconds": 60.0, "requests": [2, 1_000]}
    run = job(tmp_path, rows, faults=[late], options=options, batch_records=10)
    summary = run.run_virtual(stop_after=20.0, again_after=20.1)
    assert summary.exit_code == 130
    arrived = len(run.held()) - summary.tallies.confirmed
    assert arrived > 0
    mend(run)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.tallies.replayed, summary.tallies.outcomes[Outcome.SKIPPED]) == (arrived, 0)


def test_replies_in_flight_are_awaited_for_a_limited_time(tmp_path):
    run = job(tmp_path, contacts(500), latency_seconds=60.0, options={"drain_timeout_seconds": 3.0})
    summary = run.run_virtual(stop_after=130.0)
    assert summary.tallies.settled == 0
    assert run._clock < 134


SYSTEMIC = {
    "token revoked": (
        {"kind": "status", "status": 401, "endpoint": "any", "from_seconds": 4},
        Cause.TOKEN,
        78,
    ),
    "scope taken away": ({"kind": "status", "status": 403, "from_seconds": 4}, Cause.SCOPE, 78),
    "wrong path": ({"kind": "status", "status": 404, "from_seconds": 4}, Cause.ADDRESS, 78),
    "redirected": ({"kind": "redirect", "from_seconds": 4}, Cause.ADDRESS, 78),
    "day used up": ({"kind": "status", "status": 429, "shape": "daily", "from_seconds": 4}, Cause.DAILY, 75),
    "migration": (
        {"kind": "status", "status": 477, "from_seconds": 4, "retry_after_seconds": 60},
        Cause.MIGRATION,
        75,
    ),
    "from the first": ({"kind": "status", "status": 403}, Cause.SCOPE, 2),
}


@pytest.mark.parametrize(("fault", "cause", "code"), SYSTEMIC.values(), ids=SYSTEMIC.keys())
def test_a_systemic_fault_stops_early_and_the_rows_that_showed_it_stay_open(tmp_path, fault, cause, code):
    rows = contacts(1_200)
    run = job(tmp_path, rows, batch_records=10, faults=[fault])
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (cause, code)
    assert summary.tallies.failed == 0
    run.check(rows, summary)
    mend(run)
    summary = run.run_virtual()
    assert summary.exit_code == 0
    run.check(rows, summary)


def test_an_unknown_column_is_named_before_the_first_write(tmp_path):
    rows = contacts(50, nosuchthing="x")
    run = job(tmp_path, rows)
    with pytest.raises(SettingsError, match="nosuchthing"):
        run.run_virtual()
    assert run.simulator.stats()["upserts"] == 0
    summary = run.run_virtual(ignored=frozenset({"nosuchthing"}))
    assert summary.exit_code == 0


def test_an_unknown_column_is_systemic_where_the_properties_may_not_be_read(tmp_path):
    rows = contacts(5_000, nosuchthing="x")
    fault = {"kind": "status", "status": 403, "endpoint": "properties"}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.PROPERTY, 2)
    assert "nosuchthing" in summary.reason
    assert run.simulator.stats()["requests"] <= 4
    summary = run.run_virtual(ignored=frozenset({"nosuchthing"}))
    assert summary.exit_code == 0
    run.check([{k: v for k, v in row.items() if k != "nosuchthing"} for row in rows], summary)


def test_too_many_failures_stop_the_run(tmp_path):
    rows = contacts(5_000)
    for row in rows[::3]:
        row["email"] = f"x{row['email']}.badtld"
    run = job(tmp_path, rows)
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.FAILURES, 78)
    assert summary.tallies.failed < 1_667
    summary = run.run_virtual(max_failures=FailureLimit(share=0.5))
    run.check(rows, summary)
    assert (summary.exit_code, summary.tallies.failed) == (1, 1_667)


def test_with_wait_a_used_up_day_is_waited_for(tmp_path):
    rows = contacts(500)
    run = job(tmp_path, rows, batch_records=10)
    run.simulator = make_simulator(daily_quota=30, latency_seconds=0.1, **DAY_OF_AN_HOUR)
    summary = run.run_virtual(on_long_pause=OnLongPause.WAIT)
    assert summary.exit_code == 0
    assert run._clock > 3_600
    run.check(rows, summary)


def test_with_wait_a_477_is_waited_for(tmp_path):
    rows = contacts(5_000)
    fault = {
        "kind": "status",
        "status": 477,
        "from_seconds": 1,
        "until_seconds": 600,
        "retry_after_seconds": 300,
    }
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual(on_long_pause=OnLongPause.WAIT)
    assert (summary.exit_code, summary.tallies.failed) == (0, 0)
    assert run._clock < 1_300
    run.check(rows, summary)


def test_a_full_disk_stops_the_run_and_leaves_uncommitted_rows_open(tmp_path, monkeypatch):
    rows = contacts(5_000)
    for row in rows[::2]:
        row["email"] = f"n{row['email']}.badtld"  # dead letters make the checkpoint grow
    run = job(tmp_path, rows, quota="none", options={"max_failures": FailureLimit(share=1.0)})
    connect = sqlite.connect

    def small(path: Path, mode: sqlite.Mode, **options) -> sqlite3.Connection:
        connection = connect(path, mode, **options)
        connection.execute("PRAGMA max_page_count = 45")
        return connection

    monkeypatch.setattr(sqlite, "connect", small)
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.STORAGE, 78)
    assert "full" in summary.reason
    monkeypatch.setattr(sqlite, "connect", connect)
    summary = run.run_virtual()
    assert summary.exit_code == 1
    run.check(rows, summary)
    assert len(run.held()) - summary.as_dict()["created"] <= summary.as_dict()["replayed"]


def test_a_checkpoint_of_another_account_is_refused(tmp_path):
    run = job(tmp_path, contacts(3_000))
    run.run_virtual(stop_after=1.5)
    mend(run, account={"portal_id": 7})
    with pytest.raises(CheckpointError, match="account 7"):
        run.run_virtual()


NOT_TOLD = [{"kind": "status", "status": 403, "endpoint": "account"}]


def test_a_token_that_may_not_ask_for_its_account_is_asked_itself(tmp_path):
    run = job(tmp_path, contacts(3_000))
    run.run_virtual(stop_after=1.5)
    mend(run, account={"portal_id": 7}, faults=NOT_TOLD)
    with pytest.raises(CheckpointError, match="account 7"):
        run.run_virtual()
    mend(run, faults=NOT_TOLD)
    assert run.run_virtual().exit_code == 0


def test_a_token_without_an_account_needs_a_confirmation(tmp_path):
    run = job(tmp_path, contacts(3_000))
    run.run_virtual(stop_after=1.5)
    mend(run, faults=[*NOT_TOLD, {"kind": "status", "status": 404, "endpoint": "token"}])
    with pytest.raises(CheckpointError, match="confirm that it is the right one"):
        run.run_virtual()
    assert run.run_virtual(accept_changed_settings=True).exit_code == 0


UNTOLD = {"faults": [*NOT_TOLD, {"kind": "status", "status": 403, "endpoint": "token"}]}
OTHER = {"account": {"portal_id": 7}}


def changes(run: Job) -> list[str]:
    with closing(sqlite3.connect(f"{run.source}.checkpoint")) as connection:
        return [what for (what,) in connection.execute("SELECT what FROM changes")]


@pytest.mark.parametrize("vanishes", [False, True])
def test_rows_sent_into_an_unknown_account_are_followed_by_none_into_a_known_one(
    tmp_path, monkeypatch, vanishes
):
    """Killed before its first commit, the job's lock alone tells that anything has left."""
    rows = contacts(1_000)
    run = job(tmp_path, rows, options={"snapshot": True}, batch_records=25, **UNTOLD)
    if vanishes:
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_module.Checkpoint, "commit", checkpoint_module.Checkpoint.commit)
            run_virtual(_run_and_vanish(run, 1.5))
        run._clock = 1.6
    else:
        run.run_virtual(stop_after=1.5)
    arrived = len(run.held())
    assert arrived
    mend(run, **OTHER)
    with pytest.raises(CheckpointError, match="--portal 7"):
        run.run_virtual()
    with pytest.raises(SettingsError, match="--portal 8"):
        run.run_virtual(portal="8")
    with pytest.raises(CheckpointError, match="--portal 7"):
        run.run_virtual(accept_changed_settings=True)
    assert (len(run.held()), changes(run)) == (arrived, [])
    summary = run.run_virtual(portal="7")
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert [what for what in changes(run) if "7 (--portal)" in what]
    assert undo(run)[0].exit_code == 0  # the snapshot knows whose it is, too
    assert not state(run)


def test_an_account_told_later_is_taken_over_where_nothing_was_sent(tmp_path):
    rows = contacts(3_000)
    faults = [*UNTOLD["faults"], {"kind": "status", "status": 403, "endpoint": "read"}]
    run = job(tmp_path, rows, options={"skip_unchanged": True}, faults=faults)
    assert run.run_virtual().cause is Cause.SCOPE
    mend(run, **OTHER)
    run.run_virtual(stop_after=1.5)
    mend(run)
    with pytest.raises(CheckpointError, match="belongs to account 7"):
        run.run_virtual()


def test_of_two_tokens_that_can_not_tell_the_user_answers_for_each(tmp_path):
    """Their accounts cannot be compared: the user is asked every time."""
    run = job(tmp_path, contacts(3_000), **UNTOLD)
    run.run_virtual(stop_after=1.5)
    asked = []

    async def refuse(account, _):
        asked.append(account.portal)
        return False

    with pytest.raises(DeclinedError):
        run.run_virtual(approve=refuse)
    assert asked == [""]
    assert run.run_virtual().exit_code == 0


def test_changed_settings_are_refused_once_a_row_is_confirmed_and_taken_if_said(tmp_path):
    run = job(tmp_path, contacts(3_000))
    run.run_virtual(stop_after=1.5)
    with pytest.raises(CheckpointError, match="firstname"):
        run.run_virtual(mapped={"firstname": "lastname"})
    summary = run.run_virtual(mapped={"firstname": "lastname"}, accept_changed_settings=True)
    assert summary.exit_code == 0


async def _run_and_vanish(run: Job, after: float) -> None:
    """As a kill would: no drain, no commit."""
    asyncio.get_running_loop()._jumping.now = getattr(run, "_clock", 0.0)
    task = asyncio.ensure_future(run.run())
    await asyncio.sleep(after)
    checkpoint_module.Checkpoint.commit = lambda *_: None  # type: ignore[method-assign]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("after", some(0.25, 4.0, 14.7, soaked=[1.33, 10.1]))
def test_a_run_that_vanishes_is_continued_without_a_429(tmp_path, monkeypatch, after):
    rows = contacts(2_500) + [
        {"email": f"C{i}@EXAMPLE.com", "firstname": "again"} for i in range(0, 2_500, 5)
    ]
    run = job(tmp_path, rows, latency_seconds=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module.Checkpoint, "commit", checkpoint_module.Checkpoint.commit)
        run_virtual(_run_and_vanish(run, after))
    run._clock = after + 0.01
    summary = run.run_virtual()
    assert summary.exit_code == 0
    assert run.simulator.stats()["throttled"] == 0
    run.check(rows, summary)


LOOKS = {"never": {}, "before": {"skip_unchanged": True}, "for new ones": {"only_records": Only.NEW}}


@pytest.mark.parametrize(
    ("looks", "end"),
    some(
        *(("never", "a signal"), ("before", "another file"), ("for new ones", "nothing")),
        soaked=[
            *(("never", "another file"), ("never", "nothing"), ("before", "a signal")),
            *(("before", "nothing"), ("for new ones", "a signal"), ("for new ones", "another file")),
        ],
    ),
)
def test_a_run_that_ends_before_it_has_looked_back_forgets_nothing(tmp_path, monkeypatch, looks, end):
    options = LOOKS[looks]
    """Rows have arrived and no answer has come back, the process is killed, and so the next one knows
    what it finds in the account for its own: also where one between them came to none of these rows.
    """
    rows = contacts(900)
    run = job(tmp_path, rows, options=options, faults=[{"kind": "reset", "applied": True, "rate": 1.0}])
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module.Checkpoint, "commit", checkpoint_module.Checkpoint.commit)
        run_virtual(_run_and_vanish(run, 12.0))
    arrived = len(run.held())
    assert arrived
    mend(run)
    run._clock = 12.5
    if end == "a signal":
        assert run.run_virtual(on_start=lambda one: one.stop(2)).cause is Cause.SIGNAL
    elif end == "another file":
        with monkeypatch.context() as patch:
            patch.setattr(Producer, "_slices", _broken_slices)
            assert run.run_virtual().cause is Cause.SOURCE
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.tallies.replayed) == (0, arrived)
    assert summary.tallies.outcomes[Outcome.UPDATED] == arrived


@pytest.mark.parametrize("options", [{}, {"skip_unchanged": True}])
def test_after_a_bug_between_a_request_and_its_answer_it_may_have_arrived(tmp_path, monkeypatch, options):
    rows = contacts(300)
    run = job(tmp_path, rows, options=options)
    send = MockTransport.send

    async def send_and_break(transport, call, on_sent=lambda: None):
        reply = await send(transport, call, on_sent)
        if call.path.endswith("/batch/upsert"):
            raise ZeroDivisionError
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(MockTransport, "send", send_and_break)
        with pytest.raises(ZeroDivisionError):
            run.run_virtual()
    arrived = len(run.held())
    assert arrived
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.exit_code, summary.tallies.replayed) == (0, arrived)


def _broken_slices(_: Producer) -> Iterator[Slice]:
    raise SourceError("this is another file")
    yield


def test_a_long_pause_is_no_outage_whatever_a_straggler_was_answered(tmp_path):
    rows = contacts(500)
    faults = [{"kind": "status", "status": 503, "requests": [29, 40]}]
    run = job(tmp_path, rows, batch_records=10, faults=faults, **DAY_OF_AN_HOUR)
    run.simulator.settings = make_simulator(daily_quota=33).settings
    summary = run.run_virtual(on_long_pause=OnLongPause.WAIT)
    assert summary.exit_code == 0
    assert run._clock > 3_600


def test_a_clock_that_is_ahead_costs_minutes_and_not_a_day(tmp_path):
    rows = contacts(500)
    run = job(tmp_path, rows, batch_records=10)
    run.simulator = make_simulator(daily_quota=30, latency_seconds=0.1, **DAY_OF_AN_HOUR)
    run.clock_ahead_seconds = 120.0
    summary = run.run_virtual(on_long_pause=OnLongPause.WAIT)
    assert summary.exit_code == 0
    assert 3_600 < run._clock < 3_600 + 900


def test_the_longest_duration_ends_a_run_whose_machine_sleeps_through_it(tmp_path):
    run = job(tmp_path, contacts(6_000), batch_records=10)
    started = []

    def start(_):
        loop = asyncio.get_running_loop()
        started.append(loop.time())
        loop.call_later(5.0, run.sleep_machine, 8 * 3_600)

    summary = run.run_virtual(on_start=start, max_duration_seconds=3_600)
    assert (summary.cause, summary.exit_code) == (Cause.DURATION, 75)
    assert run._clock - started[0] < 8


def test_the_log_of_an_older_job_is_not_replayed_into_a_new_one(tmp_path):
    rows = contacts(2_000)
    run = job(tmp_path, rows, options={"write_results": False})
    checkpoint = Path(f"{run.source}.checkpoint")
    old = checkpoint_module.Checkpoint.create(checkpoint, checkpoint_module.Identity((), {}, results=False))
    old.commit(State(state="complete", reason="of an older job"), ())
    stale = Path(f"{checkpoint}-wal").read_bytes()
    old.close()
    checkpoint.unlink()
    Path(f"{checkpoint}-wal").write_bytes(stale)
    summary = run.run_virtual()
    assert (summary.exit_code, len(run.held())) == (0, 2_000)


def test_what_a_failed_commit_did_not_store_is_stored_by_the_next(tmp_path, monkeypatch):
    rows = contacts(3_000)
    for row in rows[::50]:
        row["email"] = f"n{row['email']}.badtld"
    run = job(tmp_path, rows)
    commit = checkpoint_module.Checkpoint.commit
    failures = iter([True])

    def failing_once(self, state, settlements, *others, **named):
        if len(settlements) > 5 and next(failures, False):
            raise StorageError("no space left")
        commit(self, state, settlements, *others, **named)

    monkeypatch.setattr(checkpoint_module.Checkpoint, "commit", failing_once)
    summary = run.run_virtual()
    assert summary.cause is Cause.STORAGE
    run.check(rows, summary)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert len(run.dead_letters()) == summary.as_dict()["rejected"] == 60


def test_what_is_said_of_the_failed_rows_of_a_job_whose_settings_are_corrected_is_true(tmp_path):
    """Those rows are not tried again with the other settings; a restart sends all of them."""
    rows = [*contacts(600, tier="platinum"), *({**one, "email": f"x{one['email']}"} for one in contacts(600))]
    rows = [rows[n // 2 + n % 2 * 600] for n in range(1_200)]
    run = job(tmp_path, rows, quota="none")
    stopped = run.run_virtual()
    failed = stopped.tallies.failed
    assert (stopped.exit_code, failed > 0, stopped.tallies.confirmed > 0) == (78, True, True)
    assert "this job does not try them again" in advice(stopped.cause)
    corrected = {"translations": {"tier": {"platinum": "gold"}}, "max_failures": FailureLimit(share=0.9)}
    with pytest.raises(CheckpointError, match=f"{failed:,} failed rows are not tried again by this job"):
        run.run_virtual(**corrected)
    ended = run.run_virtual(**corrected, accept_changed_settings=True)
    assert (ended.tallies.failed, ended.tallies.rows) == (failed, 1_200)
    again = run.run_virtual(**corrected, restart=True)
    assert (again.tallies.failed, again.tallies.confirmed) == (0, 1_200)
