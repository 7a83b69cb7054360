"""The account's day: its end is foreseen, waited for or stopped at, and some of it is left to others."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from support.jobs import Job, contacts, write_csv
from support.mock_transport import MockTransport, make_simulator
from support.soaked import some
from support.virtual_loop import run_virtual
from uploader.cli.commands.upload import _forecast
from uploader.errors import SettingsError
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import paths
from uploader.model.stop import Cause
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.pipeline.requests.attempts import Attempts
from uploader.pipeline.requests.contact_reader import Reader
from uploader.settings.speed import OnLongPause, parse_reserve

WAIT = {"on_long_pause": OnLongPause.WAIT}
SHORT_DAY = {"account": {"day_seconds": 60}}


def job(tmp_path, rows, daily_quota, *, batch_records=10, **scenario) -> Job:
    simulator = make_simulator(daily_quota=daily_quota, latency_seconds=0.1, **scenario)
    return Job(write_csv(tmp_path / "contacts.csv", rows), simulator, batch_records=batch_records)


def test_a_spent_day_is_waited_out_and_the_forecast_named_the_pause(tmp_path):
    rows = contacts(15_000)
    run = job(tmp_path, rows, daily_quota=100, batch_records=100, **SHORT_DAY)
    shown = []
    summary = run.run_virtual(on_start=lambda one: shown.extend(_forecast(one, None)), **WAIT)
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["pauses"]) == (0, {"daily quota used up": 1})
    assert 60 < run._clock < 80
    assert run.simulator.stats()["throttled"] == 0
    assert re.match(r"about 1[5-7],\d{3} rows left: about 1[5-7]\d requests", shown[0])
    assert "of 100 requests" in shown[1]
    assert "used up after about 9" in shown[2]
    assert "it will wait until 19:01 (US/Eastern)" in shown[3]


def test_with_stop_a_used_up_day_stops_and_the_same_command_resumes(tmp_path):
    rows = contacts(3_000)
    run = job(tmp_path, rows, daily_quota=200, **SHORT_DAY)
    summary = run.run_virtual()
    run.check(rows, summary)
    assert (summary.cause, summary.exit_code) == (Cause.DAILY, 75)
    assert "next day begins at 19:01 (US/Eastern)" in summary.reason
    run._clock = 61.0
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert run.simulator.stats()["throttled"] == 0


def test_a_reserve_is_left_to_other_apps(tmp_path):
    rows = contacts(3_000)
    run = job(tmp_path, rows, daily_quota=200, **SHORT_DAY)
    summary = run.run_virtual(daily_reserve=Reserve(share=0.2))
    assert (summary.cause, summary.exit_code) == (Cause.DAILY, 75)
    assert "reserved for other apps" in summary.reason
    assert 155 <= run.simulator.stats()["requests"] <= 160


def test_a_reserve_that_leaves_nothing_is_refused_before_the_first_write(tmp_path):
    run = job(tmp_path, contacts(300), daily_quota=200, **SHORT_DAY)
    with pytest.raises(SettingsError, match="200 requests"):
        run.run_virtual(daily_reserve=Reserve(count=200))
    assert not any(seen.inputs for seen in run.simulator.statistics.log)
    with pytest.raises(SettingsError, match="leaves no requests"):
        parse_reserve("100%")


@pytest.mark.parametrize("request_number", [196, pytest.param(198, marks=pytest.mark.soak)])
def test_a_migration_over_the_end_of_a_day_leaves_a_new_day_behind_it(tmp_path, request_number):
    rows = contacts(3_000)
    fault = {"kind": "status", "status": 477, "retry_after_seconds": 90, "requests": [request_number] * 2}
    run = job(tmp_path, rows, daily_quota=200, faults=[fault], **SHORT_DAY)
    summary = run.run_virtual(**WAIT)
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert run._clock < 165
    assert len(run.simulator.statistics.log) < 320


def test_without_daily_headers_a_refusal_shows_that_the_day_is_used_up(tmp_path):
    rows = contacts(3_000)
    run = job(tmp_path, rows, daily_quota=200, rules={"daily_headers": False})
    summary = run.run_virtual()
    assert (summary.cause, summary.exit_code) == (Cause.DAILY, 75)
    assert run.simulator.stats()["throttled"] <= 3


def test_several_days_in_a_row(tmp_path):
    rows = contacts(3_000)
    run = job(tmp_path, rows, daily_quota=100, **SHORT_DAY)
    summary = run.run_virtual(**WAIT)
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert summary.as_dict()["pauses"]["daily quota used up"] >= 3
    assert run._clock < 400


class _Late:
    """A sender whose every permit takes a day."""

    stalled_seconds = 0.0
    write_successes = 0

    def __init__(self, *replies: Reply) -> None:
        self.failures: list[float] = []
        self._replies = list(replies)

    async def send(self, call, *, note_in_flight, **_):
        await asyncio.sleep(86_400)
        note_in_flight(True)
        return self._replies.pop(0)

    def failed(self, reason, left_at, **_):
        self.failures.append(left_at)

    def succeeded(self, **_):
        pass


def test_a_question_that_fails_has_left_after_the_day_that_it_waited_for():
    """Else one bad answer behind a long pause would pass for an outage as long as that."""
    sender = _Late(Reply(503), Reply(200, readable=True))

    async def ask() -> Reply:
        attempts = Attempts(sender, lambda _: None, sleep=lambda _: asyncio.sleep(0))
        reader = Reader(attempts, paths("v3", "contacts").read)
        return await reader.read(["a@x.com"], lambda _: b"")

    assert run_virtual(ask()).ok
    assert sender.failures == pytest.approx([86_400])


async def _suspended(run: Job):
    """A laptop that sleeps while the run waits: its own clock stands still, the wall clock goes on."""
    loop = asyncio.get_running_loop()
    loop.call_later(600, setattr, run, "clock_ahead_seconds", 6 * 3_600)
    return await run.run(**WAIT)


def test_a_suspended_machine_wakes_right(tmp_path):
    """At seven in the evening of the account's zone; five hours are to be waited, four and more are slept."""
    rows = contacts(500)
    run = job(tmp_path, rows, daily_quota=30)
    wall = run.simulator.wall
    run.simulator.wall = lambda now: wall(now) + run.clock_ahead_seconds
    clock = run_virtual(_timed(_suspended(run)))
    assert 600 < clock < 800


async def _timed(work) -> float:
    summary = await work
    assert summary.exit_code == 0
    return asyncio.get_running_loop().time()


class _Undated(MockTransport):
    """A proxy in between leaves the date out."""

    async def _answer(self, call, loop):
        return replace(await super()._answer(call, loop), date=None)


HALF_AN_HOUR = {"account": {"day_seconds": 1_800}}


@pytest.mark.parametrize(
    "ahead",
    some(30_000, -3_600, soaked=[0, 600, 1_200, 3_600, -1_200, -30_000]),
)
def test_a_machine_s_clock_that_is_wrong_costs_nothing(tmp_path, ahead):
    """The replies tell HubSpot's time."""
    run = job(tmp_path, contacts(500), daily_quota=30, **HALF_AN_HOUR)
    run.clock_ahead_seconds = ahead
    summary = run.run_virtual(**WAIT)
    assert (summary.exit_code, run.simulator.stats()["throttled"]) == (0, 0)
    assert 1_800 < run._clock < 1_830


@pytest.mark.parametrize("ahead", some(3_600, soaked=[1_200, -1_200, -3_600]))
def test_where_no_reply_is_dated_a_wrong_clock_costs_an_hour_and_no_day(tmp_path, ahead):
    run = job(tmp_path, contacts(500), daily_quota=30, **HALF_AN_HOUR)
    run.clock_ahead_seconds, run.make_transport = ahead, _Undated
    summary = run.run_virtual(**WAIT)
    assert summary.exit_code == 0
    assert run.simulator.stats()["throttled"] < 30
    assert 1_800 < run._clock <= 1_800 + 3_600 + 60


def test_a_wrong_clock_costs_at_most_an_hour_where_the_end_of_the_day_is_unknown(tmp_path):
    faults = [{"kind": "status", "status": 403, "endpoint": "usage"}]
    run = job(tmp_path, contacts(500), daily_quota=30, faults=faults, **HALF_AN_HOUR)
    run.clock_ahead_seconds, run.make_transport = 3_600, _Undated
    assert run.run_virtual(**WAIT).exit_code == 0
    assert 1_800 < run._clock <= 1_800 + 3_600 + 60


def test_a_clock_that_is_set_while_a_day_is_waited_for_costs_two_requests(tmp_path):
    run = job(tmp_path, contacts(500), daily_quota=30, **HALF_AN_HOUR)

    def set_clock(_):
        asyncio.get_running_loop().call_later(600, setattr, run, "clock_ahead_seconds", 6 * 3_600)

    summary = run.run_virtual(on_start=set_clock, **WAIT)
    assert summary.exit_code == 0
    assert run.simulator.stats()["throttled"] <= 2
    assert 1_800 < run._clock < 1_860


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=3)])
def test_the_reset_is_the_one_that_the_usage_endpoint_names(tmp_path, ahead):
    run = job(tmp_path, contacts(300), daily_quota=1_000)
    run.clock_ahead_seconds = ahead.total_seconds()
    seen = []
    run.run_virtual(on_start=lambda one: seen.append(one.session.day.ends_at))
    assert seen == [datetime(2026, 1, 1, 5, tzinfo=UTC)]


async def _slept_through(run: Job):
    loop = asyncio.get_running_loop()
    loop.call_later(600, setattr, run, "clock_ahead_seconds", 6 * 3_600)
    return await run.run(**WAIT)


def test_after_a_sleep_the_pauses_that_follow_hold(tmp_path):
    """By the machine's own clock the day's pause would last for hours yet."""
    fault = {"kind": "status", "status": 423, "from_seconds": 612, "until_seconds": 622}
    run = job(tmp_path, contacts(3_000), daily_quota=200, faults=[fault])
    wall = run.simulator.wall
    run.simulator.wall = lambda now: wall(now) + run.clock_ahead_seconds
    summary = run_virtual(_slept_through(run))
    assert "locked by HubSpot" in summary.as_dict()["pauses"]
    assert sum(612 < seen.at < 622 for seen in run.simulator.statistics.log) < 60


@pytest.mark.parametrize("latency", some(9.0, soaked=[0.1, 2.0]))
def test_the_last_requests_of_a_day_are_used(tmp_path, latency):
    run = job(tmp_path, contacts(3_000), daily_quota=310)
    run.simulator = make_simulator(daily_quota=310, latency_seconds=latency)
    assert run.run_virtual().exit_code == 0


def test_a_reserve_holds_where_the_end_of_the_day_is_unknown(tmp_path):
    """Every hour it is asked again, by one request."""
    refused = [{"kind": "status", "status": 403, "endpoint": name} for name in ("account", "usage", "token")]
    run = job(tmp_path, contacts(6_000), daily_quota=500, faults=refused)
    summary = run.run_virtual(stop_after=2 * 3_600 + 60, daily_reserve=Reserve(count=200), **WAIT)
    assert summary.state == "stopped"
    assert run.simulator.stats()["by_status"]["200"] <= 315


def test_a_usage_endpoint_that_fails_keeps_no_job_from_starting(tmp_path):
    fault = {"kind": "status", "status": 500, "endpoint": "usage"}
    run = job(tmp_path, contacts(300), daily_quota=1_000, faults=[fault])
    assert run.run_virtual().exit_code == 0


def test_a_pause_before_the_start_is_counted(tmp_path):
    run = job(tmp_path, contacts(300), 100, account={"day_seconds": 600, "daily_used": 100})
    summary = run.run_virtual(**WAIT)
    assert (summary.exit_code, sum(summary.as_dict()["pauses"].values())) == (0, 1)
