"""A transport that sends only requests that write nothing.

The list of permitted requests is here. RuntimeError for any other: it is a bug, and it must not be sent.
"""

from collections.abc import Callable

from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import Paths
from uploader.hubspot.transport import Call, Transport


def _nothing() -> None:
    """The default callback when a request is sent: nothing."""


class ReadOnly:
    """Passes on every GET, and every POST that only reads."""

    def __init__(self, transport: Transport, paths: Paths) -> None:
        self._transport = transport
        self._questions = frozenset(
            {paths.read, paths.search, paths.token_info, paths.refresh, f"{paths.refresh}/introspect"}
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
