"""HTTP to HubSpot: one request out, one `Reply` back, without retries.

A failed request becomes a `Reply` of status 0 that says whether the request may have arrived. The caller
decides what to do, so it gets a value and no exception.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import http_exceptions
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from uploader.hubspot import tls
from uploader.hubspot.proxy import Network
from uploader.hubspot.replies import Reply, no_reply
from uploader.hubspot.reply_decoding import decode, holds_too_much
from uploader.hubspot.transport import Call, nothing

#: HubSpot's edge gives up after 100 s (524). Waiting longer than that ensures that HubSpot no longer works on
#: a request when its records are sent again.
_TOTAL_SECONDS = 120.0
_CONNECT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 60.0
#: An answer for 100 new contacts is about 100 KB; with 50 KB messages in each, 5 MB.
MAX_REPLY_BYTES = 32 * 1024 * 1024
#: The limit for all replies that are read at the same time. Small ones are always read.
_MAX_HELD_BYTES, _SMALL_BYTES = 96 * 1024 * 1024, 256 * 1024


#: `on_sent` of the request that the current task sends.
_ON_SENT: ContextVar[Callable[[], None]] = ContextVar("on_sent", default=nothing)


class _NotifyingConnector(aiohttp.TCPConnector):
    """Calls `on_sent` when a request has its connection.

    aiohttp's traces could do this too, but would add a tenth to the CPU cost of a request.
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
    """A session with one host. Only that host gets the token: redirects are not followed."""

    def __init__(self, base_url: str, token: str, network: Network | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._network = network or Network()
        self._held_bytes = 0
        self._session = aiohttp.ClientSession(
            # No limit: the run has its own cap on requests in flight, and nothing may wait between
            # permit and send.
            connector=_NotifyingConnector(
                limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=tls.context_of(self._network)
            ),
            # Not trust_env: that would also send the host's credentials from ~/.netrc.
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
        self, call: Call, on_sent: Callable[[], None] = nothing
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
                    return no_reply("the answer is larger than any of HubSpot's", maybe_applied=True)
                return decode(response.status, response.headers, body, call.shown)
        except tls.Fault as error:
            return tls.reply_for(error, self._network)
        except aiohttp.ClientConnectorError as error:
            return no_reply(f"cannot reach {error.host}: {_reason(error.os_error)}", maybe_applied=False)
        except aiohttp.ConnectionTimeoutError:
            return no_reply(f"no connection within {_CONNECT_SECONDS:g} s", maybe_applied=False)
        except asyncio.TimeoutError:  # noqa: UP041  # aiohttp's own time-outs derive from it
            return no_reply(f"no answer within {_TOTAL_SECONDS:g} s", maybe_applied=True)
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            return no_reply(_flaw(error), maybe_applied=True)
        except (aiohttp.ClientError, OSError) as error:
            return no_reply(f"the connection broke: {_kind(error)}", maybe_applied=True)

    async def _read_bounded(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The body, decompressed; None if it, or all bodies being read together, exceed their limit."""
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


# --- the reason of a broken reply. aiohttp's own texts quote the bytes that it received ---


def _flaw(error: aiohttp.ClientError) -> str:
    """Why a reply can't be read as HTTP."""
    causes = list(_causes(error))
    for kind, text in _FLAWS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return text
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    return "the answer is not valid HTTP: malformed header or framing"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


_FLAWS = {
    http_exceptions.ContentEncodingError: "the answer cannot be decompressed",
    http_exceptions.LineTooLong: "the answer is not valid HTTP: a header line is too long",
    http_exceptions.BadStatusLine: "the answer is not valid HTTP: malformed status line",
}


def _kind(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server sent no answer"
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return os.strerror(number) if number in errno.errorcode and number else type(error).__name__
