"""The mock server's logic as a `Transport`: the real pipeline without sockets.

It simulates the connection in virtual time, which the mock server leaves to aiohttp.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qsl

from multidict import CIMultiDict

from support.schema_check import USER_AGENT
from uploader.hubspot.replies import Reply, no_reply
from uploader.hubspot.reply_decoding import decode
from uploader.hubspot.transport import Call
from uploader.mockserver.faults.scenario import Scenario
from uploader.mockserver.quota import parse_quota
from uploader.mockserver.request_and_reply import Delivery, Request
from uploader.mockserver.settings import MockSettings
from uploader.mockserver.simulator import Simulator


class MockTransport:
    """Replies from a `Simulator`, after its latency, by the running loop's clock."""

    def __init__(
        self,
        simulator: Simulator,
        token: str = "test-token",
        connect_seconds: float = 0.0,
        *,
        ahead_seconds: float = 0.0,
    ) -> None:
        """`connect_seconds`: to open a connection. `ahead_seconds`: of the simulator's clock
        before the loop's.
        """
        self.simulator = simulator
        self.ahead_seconds = ahead_seconds
        self.sent_at: list[float] = []
        self.paths: list[str] = []
        self._token = token
        self._connect_seconds = connect_seconds
        self._idle = 0

    def use(self, token: str) -> None:
        self._token = token

    async def send(self, call: Call, on_sent: Callable[[], None] = lambda: None) -> Reply:
        loop = asyncio.get_running_loop()
        self.sent_at.append(loop.time())
        self.paths.append(call.path)
        if self._idle:
            self._idle -= 1
        else:
            await asyncio.sleep(self._connect_seconds)
        on_sent()
        if seconds := self.simulator.arrival_delay_seconds():
            await asyncio.sleep(seconds)
        try:
            return await self._answer(call, loop)
        finally:
            self._idle += 1

    async def _answer(self, call: Call, loop: asyncio.AbstractEventLoop) -> Reply:
        path, _, query = call.path.partition("?")
        kind = "application/x-www-form-urlencoded" if call.is_form else "application/json"
        headers = {"user-agent": USER_AGENT, "content-type": kind}
        if not call.is_form:
            headers["authorization"] = f"Bearer {self._token}"
        request = Request(
            method=call.method,
            path=path,
            query=dict(parse_qsl(query)),
            headers=headers,
            body=call.body or b"",
        )
        reply = self.simulator.handle(request, loop.time() + self.ahead_seconds)
        try:
            await asyncio.sleep(reply.delay_seconds)
            reply = self.simulator.complete_headers(reply, loop.time() + self.ahead_seconds)
            await asyncio.sleep(reply.drip_seconds)
        finally:
            self.simulator.ended()
        if reply.delivery is Delivery.RESET:
            return no_reply("the connection broke: reset", maybe_applied=True)
        if reply.delivery is Delivery.TRUNCATE:
            return no_reply("the answer broke off", maybe_applied=True)
        return decode(reply.status, CIMultiDict(reply.headers), reply.body, call.shown)

    async def close(self) -> None:
        return


def make_simulator(
    *,
    quota: str = "190/10",
    latency_seconds: float = 0.0,
    seed: int = 0,
    daily_quota: int = 1_000_000,
    **scenario: object,
) -> Simulator:
    """A simulator whose clock starts with the loop's; `scenario` as in a scenario file."""
    settings = MockSettings(
        quota=parse_quota(quota),
        latency_seconds=latency_seconds,
        daily_quota=daily_quota,
        scenario=Scenario.parse(scenario),
        seed=seed,
    )
    return Simulator(settings)
