"""Pauses that all share: one for all who are answered so, nobody sends meanwhile, and it is named."""

from itertools import pairwise

import orjson
import pytest

from support.jobs import Job, contacts, write_csv
from support.mock_transport import make_simulator
from uploader.cli.progress import Pace, line
from uploader.model.stop import Cause
from uploader.settings.speed import OnLongPause


def job(tmp_path, rows, *, batch_records=10, **scenario) -> Job:
    """In batches of ten it is 190 rows a second at the quota."""
    simulator = make_simulator(latency_seconds=0.3, **scenario)
    return Job(write_csv(tmp_path / "contacts.csv", rows), simulator, batch_records=batch_records)


def gaps(run: Job) -> list[tuple[float, float]]:
    """Between requests, those longer than a second: when, and for how long."""
    times = [seen.at for seen in run.simulator.statistics.log]
    return [(a, b - a) for a, b in pairwise(times) if b - a > 1]


def test_a_migration_is_one_pause_of_the_length_it_asks_for(tmp_path):
    rows = contacts(2_000)
    fault = {"kind": "status", "status": 477, "retry_after_seconds": 5, "from_seconds": 4, "until_seconds": 5}
    run = job(tmp_path, rows, faults=[fault])
    shown = set()
    summary = run.run_virtual(
        on_long_pause=OnLongPause.WAIT, on_tick=lambda one: shown.add(one.session.sender.pausing)
    )
    run.check(rows, summary)
    assert (summary.exit_code, summary.as_dict()["pauses"]) == (0, {"account is being migrated": 1})
    ((_, seconds),) = gaps(run)
    assert 4.6 <= seconds <= 6
    assert shown == {None, Cause.MIGRATION}


def test_a_storm_of_423_is_one_pause_at_a_time_and_fewer_in_flight(tmp_path):
    rows = contacts(2_000)
    fault = {"kind": "status", "status": 423, "from_seconds": 4, "until_seconds": 9}
    run = job(tmp_path, rows, faults=[fault])
    caps = []
    summary = run.run_virtual(on_tick=lambda one: caps.append(one.session.sender.cap.limit))
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert summary.as_dict()["pauses"]["locked by HubSpot"] <= 3
    assert all(1.9 <= seconds <= 2.8 for _, seconds in gaps(run))
    assert len(gaps(run)) == summary.as_dict()["pauses"]["locked by HubSpot"]
    assert min(caps[10:]) < max(caps) / 2
    assert summary.as_dict()["abandoned"] == 0


def test_failures_now_and_then_on_a_slow_line_cost_little(tmp_path):
    rows = contacts(6_000)
    run = job(tmp_path, rows)
    run.simulator = make_simulator(
        latency_seconds=3.0, faults=[{"kind": "status", "status": 502, "rate": 0.01}]
    )
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert run._clock < 75  # 31 s at the quota, a start and an end on that line, and what fails again


def test_a_429_of_the_window_is_one_short_pause_and_then_straight_back_to_pace(tmp_path):
    rows = contacts(4_000)
    fault = {"kind": "status", "status": 429, "shape": "burst", "requests": [100, 100]}
    run = job(tmp_path, rows, faults=[fault])
    summary = run.run_virtual()
    run.check(rows, summary)
    assert summary.as_dict()["pauses"] == {"burst quota used up": 1}
    assert not gaps(run)


def test_one_slow_batch_does_not_hold_the_rest(tmp_path):
    rows = contacts(2_000)
    fault = {"kind": "delay", "seconds": 90, "requests": [50, 50]}
    run = job(tmp_path, rows, faults=[fault])
    done = []
    summary = run.run_virtual(
        on_tick=lambda one: done.append((one.session.clocks.loop(), one.view().tallies.settled))
    )
    run.check(rows, summary)
    assert next(at for at, settled in done if settled >= 1_990) < 14


def test_a_server_that_answers_ever_later_is_given_less(tmp_path):
    """Ten a second is all it can do; the quota would allow nineteen."""
    rows = contacts(6_000)
    run = job(tmp_path, rows)
    queue = {"free_at": 0.0}
    handle = run.simulator.handle

    def one_by_one(request, now):
        reply = handle(request, now)
        queue["free_at"] = max(queue["free_at"], now) + 0.1
        return type(reply)(
            **{
                name: getattr(reply, name)
                for name in ("status", "headers", "body", "delivery", "sent_bytes", "drip_seconds")
            },
            delay_seconds=queue["free_at"] - now + 0.2,
        )

    run.simulator.handle = one_by_one
    in_flight = []
    summary = run.run_virtual(on_tick=lambda one: in_flight.append(one.session.sender.in_flight))
    run.check(rows, summary)
    assert summary.exit_code == 0
    assert sum(in_flight[-20:]) / 20 < 100
    assert run._clock < 75  # and what it can do is used


@pytest.mark.soak
@pytest.mark.parametrize("latency", [0.05, pytest.param(0.3, marks=pytest.mark.soak), 1.0])
def test_the_time_left_is_right_to_a_tenth_after_the_first_tenth(tmp_path, latency):
    # Of one length, so that their number is estimated well.
    rows = [{"email": f"c{number:05}@example.com", "firstname": "F"} for number in range(40_000)]
    run = job(tmp_path, rows, batch_records=100)  # forecasts count on full batches
    run.simulator = make_simulator(latency_seconds=latency, quota="100/10")
    pace, forecasts = Pace(), []

    def look(one) -> None:
        view = one.view()
        pace.add(one.session.clocks.loop(), view)
        forecasts.append((one.session.clocks.loop(), pace.seconds_left(view)))
        assert line(view, pace)

    run.run_virtual(on_tick=look)
    begin, end = forecasts[0][0], run._clock
    judged = [(at, left) for at, left in forecasts if at >= begin + (end - begin) / 10 and end - at > 2]
    assert len(judged) > 50
    # The last replies of all come late by what the slowest of them takes.
    tail = 0.5 + 4 * latency
    assert not [(at, left, end) for at, left in judged if abs(left - (end - at)) > 0.1 * (end - at) + tail]


def test_the_time_left_includes_a_pause_that_is_to_come(tmp_path):
    rows = contacts(15_000)
    run = job(tmp_path, rows, batch_records=100, account={"day_seconds": 60})
    run.simulator = make_simulator(daily_quota=100, latency_seconds=0.3, account={"day_seconds": 60})
    pace, forecasts = Pace(), []

    def look(one) -> None:
        view = one.view()
        pace.add(one.session.clocks.loop(), view)
        forecasts.append((one.session.clocks.loop(), pace.seconds_left(view)))

    run.run_virtual(on_tick=look, on_long_pause=OnLongPause.WAIT)
    end = run._clock
    judged = [(at, left) for at, left in forecasts if at >= 5 and end - at > 2]
    wrong = [(at, left, end - at) for at, left in judged if abs(left - (end - at)) > 0.15 * (end - at) + 3]
    assert not wrong


def test_the_summary_of_a_run_that_paused_is_json(tmp_path):
    fault = {"kind": "status", "status": 429, "shape": "burst", "requests": [2, 2]}
    summary = job(tmp_path, contacts(100), faults=[fault]).run_virtual()
    assert orjson.loads(orjson.dumps(summary.as_dict()))["pauses"] == {"burst quota used up": 1}


def test_without_headers_a_429_does_not_invent_others_for_good(tmp_path):
    fault = {"kind": "status", "status": 429, "shape": "burst", "requests": [20, 20]}
    run = job(tmp_path, contacts(3_000), rules={"rate_headers": False}, faults=[fault])
    assert run.run_virtual().exit_code == 0
    assert run._clock < 60


def test_a_first_batch_that_is_halved_delays_no_other(tmp_path):
    rows = [
        {**row, "email": f"{row['email']}.badtld"} if i < 10 else row for i, row in enumerate(contacts(3_000))
    ]
    run = job(tmp_path, rows, rules={"multi_status": False})
    run.run_virtual()
    assert sum(seen.at < 30 for seen in run.simulator.statistics.log) > 200
