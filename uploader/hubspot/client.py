"""HTTP to HubSpot: one request out, one `Reply` back. No waiting, no retrying, no judging here.

Whatever goes wrong on the way becomes a `Reply` of status 0 that says whether the request may have
arrived: the caller only decides, so it gets a value and no exception.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from aiohttp import http_exceptions
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from uploader.hubspot import tls
from uploader.hubspot.proxy import Network
from uploader.hubspot.reply_decoding import decode, holds_too_much
from uploader.hubspot.wire import Reply, no_reply

#: HubSpot's edge gives up on its own side after 100 s (524). Waiting longer than that means that no
#: request is still being worked on when its records are sent again.
_TOTAL_SECONDS = 120.0
_CONNECT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 60.0
#: An answer for 100 new contacts is about 100 KB; with 50 KB messages in each, 5 MB.
MAX_REPLY_BYTES = 32 * 1024 * 1024
#: Of all answers that are being read at once. Small ones are always read.
_MAX_HELD_BYTES, _SMALL_BYTES = 96 * 1024 * 1024, 256 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One request to be sent."""

    method: str
    path: str
    body: bytes | None = None
    is_form: bool = False  #: the body is a form that says by itself who asks: no token goes with it
    shown: str | None = None  #: of a batch: what is read of its results' properties, as `decode` has it


def _nothing() -> None:
    """What to do when a request has left, for those who do not ask."""


class Transport(Protocol):
    """The seam: production speaks HTTP, tests answer from memory.

    `on_sent` is called when the request goes onto the wire, which a new connection may delay. What it raises
    keeps the request from leaving, and is raised.
    """

    async def send(self, call: Call, on_sent: Callable[[], None] = _nothing) -> Reply: ...

    def use(self, token: str) -> None:
        """Send what leaves from now on by this token."""

    async def close(self) -> None: ...


#: Of the request that the running task is sending.
_ON_SENT: ContextVar[Callable[[], None]] = ContextVar("on_sent", default=_nothing)


class _TellingConnector(aiohttp.TCPConnector):
    """Tells when a request has its connection, and so leaves. aiohttp's traces would tell the same, for a
    tenth of the CPU that a request costs.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            _ON_SENT.get()()
        except BaseException:
            connection.release()  # nothing was sent
            raise
        return connection


class HubSpot:
    """A session with one host. The token goes to that host alone: redirects are not followed."""

    def __init__(self, base_url: str, token: str, network: Network | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._network = network or Network()
        self._held_bytes = 0
        self._session = aiohttp.ClientSession(
            # The cap on requests in flight is the run's own; waiting for a connection here would come
            # between permit and send.
            connector=_TellingConnector(
                limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=tls.context_of(self._network)
            ),
            # Not trust_env: that would also send what ~/.netrc holds for the host.
            proxy=self._network.proxy or None,
            timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "uploader", "Accept": "application/json"},
        )
        self._headers: dict[str, str] = {}
        self._headers_of_body: dict[str, str] = {}
        self.use(token)

    def use(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        self._headers_of_body = {**self._headers, "Content-Type": "application/json"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def send(  # noqa: PLR0911  # a table of what can go wrong
        self, call: Call, on_sent: Callable[[], None] = _nothing
    ) -> Reply:
        headers = self._headers if call.body is None else self._headers_of_body
        if call.is_form:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _ON_SENT.set(on_sent)
        try:
            async with self._session.request(
                call.method,
                self._base_url + call.path,
                data=call.body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                body = await self._read_bounded(response)
                if body is None or holds_too_much(body):
                    return no_reply("an answer larger than HubSpot's ever are", maybe_applied=True)
                return decode(response.status, response.headers, body, call.shown)
        except tls.Fault as error:
            return tls.reply_for(error, self._network)
        except aiohttp.ClientConnectorError as error:
            return no_reply(f"can't reach {error.host}: {_reason(error.os_error)}", maybe_applied=False)
        except aiohttp.ConnectionTimeoutError:
            return no_reply(f"no connection within {_CONNECT_SECONDS:g} s", maybe_applied=False)
        except asyncio.TimeoutError:  # noqa: UP041  # aiohttp's own time-outs derive from it
            return no_reply(f"no answer within {_TOTAL_SECONDS:g} s", maybe_applied=True)
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            return no_reply(_flaw(error), maybe_applied=True)
        except (aiohttp.ClientError, OSError) as error:
            return no_reply(f"the connection broke: {_kind(error)}", maybe_applied=True)

    async def _read_bounded(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The body, decompressed; None when it is larger than any answer has reason to be, or when with the
        others that are being read there would be too much.
        """
        parts, size = [], 0
        try:
            async for part in response.content.iter_any():
                size += len(part)
                self._held_bytes += len(part)
                is_one_too_many = self._held_bytes > _MAX_HELD_BYTES and size > _SMALL_BYTES
                if size > MAX_REPLY_BYTES or is_one_too_many:
                    response.close()
                    return None
                parts.append(part)
        finally:
            self._held_bytes -= size
        return b"".join(parts)


def _reason(error: OSError) -> str:
    """Why there is no connection: nothing was received yet that could be quoted."""
    return error.strerror or type(error).__name__


# --- what broke an answer, by kind: the library's own words quote the bytes that it received ---


def _flaw(error: aiohttp.ClientError) -> str:
    """What is wrong with an answer that can't be read as HTTP."""
    causes = list(_causes(error))
    for kind, text in _FLAWS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return text
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    return "an answer that is no HTTP: a header or its framing is malformed"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


_FLAWS = {
    http_exceptions.ContentEncodingError: "an answer that can't be decompressed",
    http_exceptions.LineTooLong: "an answer that is no HTTP: a line of its head is too long",
    http_exceptions.BadStatusLine: "an answer that is no HTTP: its status line is malformed",
}


def _kind(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed it without an answer"
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return os.strerror(number) if number in errno.errorcode and number else type(error).__name__
