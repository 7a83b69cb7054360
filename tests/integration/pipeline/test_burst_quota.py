"""The quota: never exceeded, never left unused, and shared. In virtual time: an hour costs seconds."""

import asyncio

import pytest

from support.mock_transport import MockTransport, make_simulator
from support.paced_clients import ASK, eager, steady, together, used
from support.soaked import some
from support.virtual_loop import run_virtual
from uploader.model.settled_rows import Tallies
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.sender import Sender

# --- alone ---


@pytest.mark.parametrize(
    ("jitter", "latency"),
    some(
        *((0.0, 0.02), (0.0, 3.0), (0.04, 0.3)),
        soaked=[
            *((0.0, 0.05), (0.0, 0.3), (0.0, 1.0)),
            *((0.04, 0.02), (0.04, 0.05), (0.04, 1.0), (0.04, 3.0)),
        ],
    ),
)
def test_the_quota_is_used_and_never_exceeded(latency, jitter):
    simulator, trips = together(lambda simulator: eager(simulator, 60), latency=latency, jitter=jitter)
    assert simulator.stats()["most_in_window"] <= 190
    assert simulator.stats()["throttled"] == 0 if jitter == 0 else simulator.stats()["throttled"] <= 2
    assert used(trips, "190/10", 10, 60) >= (0.99 if jitter == 0 else 0.98)


@pytest.mark.parametrize(
    ("jitter", "latency"), some((0.02, 0.3), soaked=[(0.0, 0.3), (0.0, 3.0), (0.02, 3.0)])
)
def test_the_quota_is_used_where_remaining_is_computed_at_the_answer(latency, jitter):
    simulator, trips = together(
        lambda simulator: eager(simulator, 60), latency=latency, jitter=jitter, remaining_at="answer"
    )
    assert simulator.stats()["throttled"] == 0
    assert used(trips, "190/10", 10, 60) >= 0.99


@pytest.mark.parametrize(
    ("jitter", "quota"),
    some((0.04, "110/10"), soaked=[(0.0, "110/10"), (0.0, "250/10"), (0.04, "250/10")]),
)
def test_two_minutes_of_it(quota, jitter):
    _keep_to(quota, jitter, 120)


@pytest.mark.soak
@pytest.mark.parametrize("quota", ["100/10", "110/10", "190/10", "250/10"])
@pytest.mark.parametrize("jitter", [0.0, 0.04])
def test_an_hour_of_it(quota, jitter):
    _keep_to(quota, jitter, 3_600)


def _keep_to(quota, jitter, seconds):
    simulator, trips = together(lambda simulator: eager(simulator, seconds), quota=quota, jitter=jitter)
    accepted = used(trips, quota, 10, seconds)
    assert simulator.stats()["throttled"] <= (0 if jitter == 0 else 0.001 * simulator.stats()["requests"])
    assert accepted >= (0.99 if jitter == 0 else 0.98)


def test_ten_seconds_of_latency_change_nothing_but_the_number_in_flight():
    simulator, trips = together(lambda simulator: eager(simulator, 100, workers=400), latency=10.0)
    assert simulator.stats()["throttled"] == 0
    assert used(trips, "190/10", 25, 100) >= 0.99  # the first goes alone
    assert simulator.stats()["most_in_flight"] > 190


def test_a_stall_of_the_process_breaks_no_window_and_saves_nothing_up():
    simulator, trips = together(lambda simulator: eager(simulator, 90, workers=60, stall=40.0))
    assert simulator.stats()["throttled"] == 0
    assert simulator.stats()["most_in_window"] <= 190
    assert used(trips, "190/10", 60, 90) >= 0.99


@pytest.mark.parametrize("connect", some(0.5, soaked=[0.15, 0.25]))
def test_new_connections_break_no_window(connect):
    """The first requests arrive late, by a handshake; those a window later find a connection and do not."""
    simulator, trips = together(lambda simulator: eager(simulator, 60, workers=60, connect=connect))
    assert simulator.stats()["throttled"] == 0
    assert used(trips, "190/10", 10, 60) >= 0.97


def test_a_way_that_jitters_more_than_the_margin_is_learned_from_a_few_refusals():
    _, trips = together(lambda simulator: eager(simulator, 180), jitter=0.2)
    assert trips[0].refused() <= 8
    assert trips[0].refused(since=60) <= 4
    assert used(trips, "190/10", 60, 180) >= 0.97


@pytest.mark.parametrize(("headers_on_429", "refused"), [(True, 1), (False, 7)])
def test_a_quota_that_changes_is_followed(headers_on_429, refused):
    simulator, trips = together(
        lambda simulator: eager(simulator, 180),
        changes=((60, 100), (120, 250)),
        headers_on_429=headers_on_429,
    )
    assert simulator.stats()["throttled"] <= refused
    assert used(trips, "190/10", 10, 60) >= 0.98
    assert used(trips, "100/10", 80, 120) >= 0.98
    assert used(trips, "250/10", 140, 180) >= 0.98


def test_only_a_share_is_used_where_it_was_asked_for():
    simulator, trips = together(lambda simulator: eager(simulator, 60, share=0.8))
    assert simulator.stats()["most_in_window"] <= 152
    assert used(trips, "190/10", 10, 60) == pytest.approx(0.8, abs=0.01)


# --- with others on the same token ---


@pytest.mark.parametrize(
    ("latency", "start"),
    some(
        (1.0, 13),
        soaked=[
            *((0.05, 0), (0.05, 13), (0.05, 30), (0.3, 0), (0.3, 13), (0.3, 30)),
            *((1.0, 0), (1.0, 30), (3.0, 0), (3.0, 13), (3.0, 30)),
        ],
    ),
)
def test_two_uploaders_share_the_window(latency, start):
    _, trips = together(
        lambda simulator: eager(simulator, 240),
        lambda simulator: eager(simulator, 240, start=start),
        latency=latency,
        jitter=0.02,
        seed=start,
    )
    accepted = [log.accepted(120, 240) for log in trips]
    refused = sum(log.refused(120, 240) for log in trips)
    assert used(trips, "190/10", 120, 240) >= 0.97
    assert refused * 200 <= sum(accepted)
    assert 0.35 <= accepted[0] / sum(accepted) <= 0.65


@pytest.mark.parametrize(
    ("in_bursts", "start"), some((True, 0), soaked=[(False, 0), (False, 100), (True, 60)])
)
def test_a_steady_client_is_not_starved_and_what_it_leaves_is_used(in_bursts, start):
    _, trips = together(
        lambda simulator: eager(simulator, 240),
        lambda simulator: steady(simulator, 240, in_bursts=in_bursts, start=start),
        jitter=0.02,
    )
    ours, theirs = trips
    assert theirs.accepted(120, 240) >= 0.95 * 600
    assert ours.refused(120, 240) * 200 <= ours.accepted(120, 240)
    assert ours.accepted(120, 240) >= 0.93 * 14 * 120


#: `Remaining` is computed at one of the two ends of the exchange.
@pytest.mark.parametrize(
    ("latency", "remaining_at"),
    some((3.0, "answer"), soaked=[(0.3, "answer"), (0.3, "arrival"), (3.0, "arrival")]),
)
def test_beside_a_steady_client_nothing_is_refused_and_hardly_a_slot_is_left(latency, remaining_at):
    simulator, trips = together(
        lambda simulator: eager(simulator, 240, workers=200, start=10),
        lambda simulator: steady(simulator, 240),
        latency=latency,
        remaining_at=remaining_at,
    )
    assert simulator.stats()["throttled"] == 0
    assert used(trips, "190/10", 140, 240) >= 0.99


@pytest.mark.soak  # of the same kind as the tests before; it takes minutes to come to the balance
@pytest.mark.parametrize("latency", [0.3, 3.0])
@pytest.mark.parametrize("remaining_at", ["arrival", "answer"])
def test_two_uploaders_in_balance_leave_hardly_a_slot(latency, remaining_at):
    _, trips = together(
        *(
            lambda simulator, start=start: eager(simulator, 400, workers=200, start=start)
            for start in (0, 13)
        ),
        latency=latency,
        remaining_at=remaining_at,
    )
    assert used(trips, "190/10", 300, 400) >= 0.99
    assert sum(log.refused(120) for log in trips) == 0
    assert 0.4 <= trips[0].accepted(300, 400) / sum(log.accepted(300, 400) for log in trips) <= 0.6


def test_when_the_others_have_gone_their_part_is_used():
    _, trips = together(lambda simulator: eager(simulator, 240), lambda simulator: steady(simulator, 120))
    assert used(trips[:1], "190/10", 135, 240) >= 0.985


# --- a new process ---


async def _arrive_at_a_used_window(used_up: int) -> object:
    simulator = make_simulator(quota="190/10")
    before = MockTransport(simulator)
    for _ in range(used_up):
        await before.send(ASK)
    await asyncio.sleep(1)
    sender = _sender(MockTransport(simulator))
    await asyncio.gather(*(sender.send(ASK) for _ in range(400)))
    return simulator


def _sender(transport) -> Sender:
    clocks = Clocks(asyncio.get_running_loop().time)
    return Sender(transport, SendLog(), InFlightCap(60, 60), Tallies(), clocks)


@pytest.mark.parametrize("used_up", [0, 1, 95, 188, 189])
def test_what_a_predecessor_sent_is_taken_into_account(used_up):
    simulator = run_virtual(_arrive_at_a_used_window(used_up))
    assert simulator.stats()["throttled"] == 0


def test_a_process_that_follows_another_takes_over_what_leaves_the_window():
    """As after a kill: the predecessor's requests leave one by one, and ours take their places."""
    simulator, trips = together(
        lambda simulator: eager(simulator, 40, workers=10),
        lambda simulator: eager(simulator, 80, start=41.5),
        jitter=0.01,
        latency=0.2,
    )
    assert simulator.stats()["throttled"] == 0
    assert trips[1].accepted(41.5, 51.5) >= 150
    assert used(trips[1:], "190/10", 52, 80) >= 0.97


async def _without_headers() -> object:
    simulator = make_simulator(quota="100/10", rules={"rate_headers": False})
    transport = MockTransport(simulator)
    sender = _sender(transport)
    await asyncio.gather(*(sender.send(ASK) for _ in range(300)))
    return simulator, transport.sent_at


def test_without_headers_a_window_is_waited_out_and_the_careful_quota_kept():
    simulator, sent_at = run_virtual(_without_headers())
    assert simulator.stats()["throttled"] == 0
    assert sent_at[1] - sent_at[0] >= 10
