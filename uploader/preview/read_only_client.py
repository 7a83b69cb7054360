"""A transport through which nothing is written, whatever those behind it ask for.

Lives here: the one list of what may leave. RuntimeError for anything else: it is a bug, and it must not pass.
"""

from collections.abc import Callable

from uploader.hubspot.client import Call, Transport
from uploader.hubspot.wire import Paths, Reply


def _nothing() -> None:
    """What to do when a request has left, for those who do not ask."""


class ReadOnly:
    """Passes on what reads: every GET, and the questions that HubSpot takes as a POST."""

    def __init__(self, transport: Transport, paths: Paths) -> None:
        self._transport = transport
        self._questions = frozenset(
            {paths.read, paths.token_info, paths.refresh, f"{paths.refresh}/introspect"}
        )

    async def send(self, call: Call, on_sent: Callable[[], None] = _nothing) -> Reply:
        is_question = call.method == "POST" and call.path in self._questions
        if not is_question and (call.method != "GET" or call.body is not None):
            raise RuntimeError(f"a job that only reads was about to send {call.method} {call.path}")
        return await self._transport.send(call, on_sent)

    def use(self, token: str) -> None:
        self._transport.use(token)

    async def close(self) -> None:
        await self._transport.close()
