"""The mock server on 127.0.0.1: in a test's own loop, or alone in a process.

It binds the loopback address only: anyone who reaches it can read what was sent to it.
"""

import asyncio
import gc
import signal
import time
from types import TracebackType
from typing import Self

from aiohttp import web

from uploader.mockserver.http_handlers import build_app
from uploader.mockserver.settings import MockSettings
from uploader.mockserver.simulator import Simulator

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 0.5  # later replies are dropped: a client treats that as a lost connection
# The garbage collector would traverse a million contacts; cyclic garbage here is young.
GC_THRESHOLDS = (10_000, 10, 1_000)


class MockServer:
    """`async with MockServer(settings) as server: server.url`. Port 0 picks a free one."""

    def __init__(self, settings: MockSettings | None = None, *, port: int = 0) -> None:
        self._settings = settings or MockSettings()
        self._wanted_port = port
        self._runner: web.AppRunner | None = None
        self._simulator: Simulator | None = None

    @property
    def simulator(self) -> Simulator:
        assert self._simulator is not None, "the server is not running"
        return self._simulator

    @property
    def port(self) -> int:
        assert self._runner is not None, "the server is not running"
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        now = asyncio.get_running_loop().time()
        self._simulator = Simulator(self._settings, started=now, epoch_seconds=time.time() - now)
        app = build_app(self._simulator)
        # A client that disconnects ends its request; otherwise it would be in flight for the whole delay.
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._wanted_port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def serve(settings: MockSettings, *, port: int) -> None:
    """Run a server until SIGINT or SIGTERM; print one line with the URL when it listens.

    OSError if the port is taken.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    asyncio.run(_serve(settings, port))


async def _serve(settings: MockSettings, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with MockServer(settings, port=port) as server:
        print(f"mock server listening on {server.url}", flush=True)  # noqa: T201 - the one line that is its output
        await stopped.wait()
