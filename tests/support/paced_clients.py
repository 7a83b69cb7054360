"""Clients that share a token and its rolling window, in virtual time; their accepted requests."""

import asyncio
from dataclasses import dataclass

from support.mock_transport import MockTransport, make_simulator
from support.virtual_loop import run_virtual
from uploader.hubspot.transport import Call
from uploader.model.settled_rows import Tallies
from uploader.pipeline.rate.in_flight_cap import InFlightCap
from uploader.pipeline.rate.limiter import SendLog
from uploader.pipeline.rate.trusted_clock import Clocks
from uploader.pipeline.reply_verdict import Action, classify_read
from uploader.pipeline.sender import Sender

ASK = Call("GET", "/account-info/v3/details")


@dataclass
class ClientLog:
    """One client's requests: when they were sent, and how they were answered."""

    answers: list[tuple[float, int]]

    def accepted(self, since: float, until: float) -> int:
        return sum(status == 200 and since <= at < until for at, status in self.answers)

    def refused(self, since: float = 0.0, until: float = float("inf")) -> int:
        return sum(status == 429 and since <= at < until for at, status in self.answers)


class Recording(MockTransport):
    def __init__(self, simulator, **options) -> None:
        super().__init__(simulator, **options)
        self.log = ClientLog([])

    async def send(self, call, on_sent=lambda: None):
        at = asyncio.get_running_loop().time()
        reply = await super().send(call, on_sent)
        self.log.answers.append((at, reply.status))
        return reply


async def eager(simulator, until, *, workers=120, start=0.0, share=1.0, connect=0.0, stall=None) -> ClientLog:
    """A client as fast as our pacing allows. `stall`: when its process hangs for ten seconds."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start)
    transport = Recording(simulator, connect_seconds=connect)
    cap = InFlightCap(workers, workers)
    sender = Sender(transport, SendLog(share=share), cap, Tallies(), Clocks(loop.time))

    async def work() -> None:
        left = 0.0

        def note(out: bool) -> None:
            nonlocal left
            left = loop.time() if out else left

        while loop.time() < until:
            reply = await sender.send(ASK, note_in_flight=note)
            verdict = classify_read(reply)
            if verdict.action is Action.PAUSE:
                sender.pause_for(verdict, left)

    if stall is not None:
        loop.call_at(stall, lambda: setattr(loop._jumping, "now", loop._jumping.now + 10.0))
    await asyncio.gather(*(work() for _ in range(workers)))
    return transport.log


async def steady(simulator, until, *, requests=50, window=10.0, in_bursts=False, start=0.0) -> ClientLog:
    """A client with a fixed pace."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start)
    transport, sending = Recording(simulator), []
    while loop.time() < until:
        count, pause = (requests, window) if in_bursts else (1, window / requests)
        sending += [asyncio.ensure_future(transport.send(ASK)) for _ in range(count)]
        await asyncio.sleep(pause)
    await asyncio.gather(*sending)
    return transport.log


def together(*clients, quota="190/10", latency=0.3, jitter=0.0, changes=(), seed=0, **rules):
    """Run clients on one token; the simulator and a log for each. `changes`: quotas by start time."""

    async def go():
        rules["arrival_jitter_seconds"] = jitter
        simulator = make_simulator(quota=quota, latency_seconds=latency, seed=seed, rules=rules)
        loop = asyncio.get_running_loop()
        for at, requests in changes:
            loop.call_at(
                at, simulator.change_quota, type(simulator.quota)(requests, simulator.quota.window_seconds)
            )
        return simulator, await asyncio.gather(*(client(simulator) for client in clients))

    return run_virtual(go())


def used(trips, quota: str, since: float, until: float) -> float:
    requests, window = (float(part) for part in quota.split("/"))
    accepted = sum(log.accepted(since, until) for log in trips)
    return accepted / (requests / window * (until - since))
