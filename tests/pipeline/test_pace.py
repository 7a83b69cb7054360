"""The quota: never exceeded, never left unused. In virtual time, so an hour costs seconds."""

import asyncio
import random

import pytest
from hub_transport import HubTransport, make_hub
from virtual_loop import run_virtual

from uploader.core.model import Tallies
from uploader.core.pacing import InFlightCap, SendLog
from uploader.edges.hubspot import Call
from uploader.run.sender import Sender
from uploader.run.session import JITTER_MARGIN_SECONDS

_ASK = Call("GET", "/account-info/v3/details")


async def _send_for(
    seconds: float,
    quota: str,
    *,
    workers: int,
    latency: float,
    stall: float = 0.0,
    jitter: float = 0.0,
    connect: float = 0.0,
):
    """`workers` send as fast as they may; the double's own count and log of it come back."""
    loop = asyncio.get_running_loop()
    hub = make_hub(quota=quota, latency_seconds=latency)
    transport = HubTransport(hub, connect_seconds=connect)
    if jitter:
        roll = random.Random(1)
        send = transport.send

        async def late(call: Call, on_sent):
            on_sent()
            await asyncio.sleep(jitter * roll.random())
            return await send(call)

        transport.send = late
    sender = Sender(
        transport, SendLog(None, JITTER_MARGIN_SECONDS), InFlightCap(workers, workers), Tallies(), loop.time
    )

    async def work() -> None:
        while loop.time() < seconds:
            await sender.send(_ASK)

    tasks = [asyncio.ensure_future(work()) for _ in range(workers)]
    if stall:
        # As a source that hangs on the loop: everybody waits with what they have.
        await asyncio.sleep(seconds / 2)
        loop._jumping.now += stall
    await asyncio.gather(*tasks)
    return hub


def _used(hub, quota: str, seconds: float) -> float:
    requests, window = (float(part) for part in quota.split("/"))
    after_first = [
        seen for seen in hub.statistics.log if window <= seen.at < seconds and seen.status == "200"
    ]
    return len(after_first) / (requests / window * (seconds - window))


@pytest.mark.parametrize(
    ("quota", "latency"),
    [("100/10", 0.3), ("110/10", 0.3), ("190/10", 0.05), ("190/10", 0.3), ("190/10", 3.0), ("250/10", 0.3)],
)
def test_the_quota_is_used_and_never_exceeded(quota, latency):
    hub = run_virtual(_send_for(120, quota, workers=100, latency=latency))
    assert hub.stats()["throttled"] == 0
    assert hub.stats()["most_in_window"] <= int(quota.split("/")[0])
    assert _used(hub, quota, 120) >= 0.98


def test_jitter_on_the_way_breaks_no_window():
    hub = run_virtual(_send_for(120, "190/10", workers=60, latency=0.3, jitter=0.08))
    assert hub.stats()["throttled"] == 0
    assert _used(hub, "190/10", 120) >= 0.98


def test_permits_are_not_saved_up_by_workers_that_wait():
    hub = run_virtual(_send_for(60, "190/10", workers=60, latency=0.3, stall=10.0))
    assert hub.stats()["throttled"] == 0
    assert hub.stats()["most_in_window"] <= 190


async def _arrive_at_a_used_window(used: int) -> object:
    hub = make_hub(quota="190/10")
    before = HubTransport(hub)
    for _ in range(used):
        await before.send(_ASK)
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    sender = Sender(
        HubTransport(hub), SendLog(None, JITTER_MARGIN_SECONDS), InFlightCap(60, 60), Tallies(), loop.time
    )
    await asyncio.gather(*(sender.send(_ASK) for _ in range(400)))
    return hub


@pytest.mark.parametrize("used", [0, 1, 95, 188, 189])
def test_what_a_predecessor_sent_is_taken_into_account(used):
    hub = run_virtual(_arrive_at_a_used_window(used))
    assert hub.stats()["throttled"] == 0


async def _without_headers() -> object:
    loop = asyncio.get_running_loop()
    hub = make_hub(quota="100/10", rules={"rate_headers": False})
    transport = HubTransport(hub)
    sender = Sender(
        transport, SendLog(None, JITTER_MARGIN_SECONDS), InFlightCap(60, 60), Tallies(), loop.time
    )
    await asyncio.gather(*(sender.send(_ASK) for _ in range(300)))
    return hub, transport.sent_at


def test_without_headers_a_window_is_waited_out_and_the_careful_quota_kept():
    hub, sent_at = run_virtual(_without_headers())
    assert hub.stats()["throttled"] == 0
    assert sent_at[1] - sent_at[0] >= 10


async def _quota_changes() -> object:
    hub = make_hub(quota="190/10")
    loop = asyncio.get_running_loop()
    sender = Sender(
        HubTransport(hub), SendLog(None, JITTER_MARGIN_SECONDS), InFlightCap(60, 60), Tallies(), loop.time
    )
    loop.call_later(15, hub.change_quota, type(hub.quota)(250, 10.0))

    async def work() -> None:
        while loop.time() < 60:
            await sender.send(_ASK)

    await asyncio.gather(*(work() for _ in range(40)))
    return hub


def test_a_larger_quota_is_learned_from_the_headers():
    hub = run_virtual(_quota_changes())
    assert hub.stats()["throttled"] == 0
    last = [seen for seen in hub.statistics.log if 50 <= seen.at < 60]
    assert len(last) >= 0.97 * 250


@pytest.mark.parametrize("connect", [0.15, 0.25, 0.5])
def test_new_connections_break_no_window(connect):
    """The first requests arrive late, by a handshake; those a window later find a connection and do not."""
    hub = run_virtual(_send_for(60, "190/10", workers=60, latency=0.3, connect=connect))
    assert hub.stats()["throttled"] == 0
    assert _used(hub, "190/10", 60) >= 0.97
