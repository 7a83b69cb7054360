"""What sends requests, whatever it is: `client` with HTTP, tests from memory.

It imports nothing of HTTP: to load aiohttp takes a fifth of a second, and commands that only read files or
print their help need no connection.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from uploader.hubspot.replies import Reply


class Call(msgspec.Struct, frozen=True):
    """One request to be sent."""

    method: str
    path: str
    body: bytes | None = None
    is_form: bool = False  #: the body is a form with its own credentials: no token is sent
    shown: str | None = None  #: which property of a batch's results to read, as in `decode`
    is_search: bool = False  #: it counts to the limit of searches, too


def nothing() -> None:
    """The default of `on_sent`."""


class Transport(Protocol):
    """Sends requests. The real one uses HTTP; tests reply from memory.

    `on_sent` is called just before the request is sent, once it has a connection. An exception in it stops
    the request and is raised.
    """

    async def send(self, call: Call, on_sent: Callable[[], None] = nothing) -> Reply: ...

    def use(self, token: str) -> None:
        """Send later requests with this token."""

    async def close(self) -> None: ...
