"""HTTP: whatever happens on the way becomes a reply that says whether the request may have arrived."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import test_utils, web
from aioresponses import aioresponses
from yarl import URL

from uploader.hubspot import client as hubspot_module
from uploader.hubspot.client import HubSpot
from uploader.hubspot.transport import Call
from uploader.pipeline.reply_verdict import classify_read

BASE = "https://api.example.com"
CALL = Call("POST", "/crm/v3/objects/contacts/batch/upsert", b'{"inputs":[]}')


@pytest.fixture
async def hubspot() -> AsyncIterator[HubSpot]:
    async with HubSpot(BASE + "/", "secret") as session:
        yield session


async def test_a_reply_comes_back_decoded(hubspot):
    with aioresponses() as mocked:
        mocked.post(
            BASE + CALL.path,
            status=207,
            payload={"status": "COMPLETE", "results": [], "numErrors": 2},
            headers={"x-hubspot-ratelimit-max": "190", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"},
        )
        reply = await hubspot.send(CALL)
        (request,) = mocked.requests["POST", URL(BASE + CALL.path)]
    assert (reply.status, reply.batch_status, reply.num_errors) == (207, "COMPLETE", 2)
    assert (reply.quota.limit, reply.quota.interval_seconds) == (190, 10.0)
    assert request.kwargs["allow_redirects"] is False


BROKEN = {
    "refused": (aiohttp.ClientConnectorError(None, OSError(111, "refused")), False),  # type: ignore[arg-type]
    "no connection in time": (aiohttp.ConnectionTimeoutError(), False),
    "no answer in time": (TimeoutError(), True),
    "reset": (aiohttp.ClientOSError(104, "reset"), True),
    "hung up": (aiohttp.ServerDisconnectedError(), True),
    "broken off": (aiohttp.ClientPayloadError(), True),
}


@pytest.mark.parametrize(("error", "maybe_applied"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_connection_error_is_a_reply(hubspot, error, maybe_applied):
    if isinstance(error, aiohttp.ClientConnectorError):
        error._conn_key = type("Key", (), {"host": "h", "port": 1, "ssl": True, "is_ssl": True})()
    with aioresponses() as mocked:
        mocked.post(BASE + CALL.path, exception=error)
        reply = await hubspot.send(CALL)
    assert (reply.status, reply.maybe_applied) == (0, maybe_applied)
    assert reply.message


async def test_a_gigantic_answer_is_refused_in_bounded_memory(hubspot, monkeypatch):
    monkeypatch.setattr(hubspot_module, "MAX_REPLY_BYTES", 1_000)
    with aioresponses() as mocked:
        mocked.post(BASE + CALL.path, body=b"x" * 1_001)
        reply = await hubspot.send(CALL)
    assert (reply.status, reply.readable) == (0, False)


async def _answer_once(answer: bytes) -> tuple[asyncio.Server, str, list[bytes]]:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, f"http://127.0.0.1:{port}", seen


ANN = b"Ann Lee +49 170 1234567 ann@x.com"
FLAWED = {
    "status line": (b'{"a":"%b"}\r\n\r\n' % ANN, 0, "not valid HTTP"),
    "status code": (b"HTTP/1.1 %b\r\n\r\n" % ANN, 0, "status line"),
    "header": (b"HTTP/1.1 200 OK\r\nX-Contact %b\r\n\r\n{}" % ANN, 0, "header"),
    "long header": (b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n{}" % (ANN * 999), 0, "too long"),
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n{}" % ANN, 0, "framing"),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n" % ANN, 0, "framing"),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n%b" % ANN, 0, "broke off"),
    "not gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 33\r\n\r\n%b" % ANN,
        0,
        "decompressed",
    ),
    "cookie": (b"HTTP/1.1 200 OK\r\nSet-Cookie: (%b=1\r\nContent-Length: 2\r\n\r\n[]" % ANN, 200, "JSON"),
    "not JSON": (b"HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n%b" % ANN, 200, "malformed or no JSON"),
    "a text": (b'HTTP/1.1 500 No\r\nContent-Length: 35\r\n\r\n"%b"' % ANN, 500, "JSON of another kind"),
    "a page": (b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n<title>%b" % ANN, 200, "web page"),
    "redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: https://%b\r\nContent-Length: 0\r\n\r\n" % ANN,
        302,
        "redirects are not followed",
    ),
    "correlation id": (
        b"HTTP/1.1 500 No\r\nX-HubSpot-Correlation-Id: %b\r\nContent-Length: 0\r\n\r\n" % ANN,
        500,
        "empty",
    ),
}


@pytest.mark.parametrize(("answer", "status", "flaw"), FLAWED.values(), ids=FLAWED.keys())
async def test_of_an_answer_that_can_not_be_read_its_flaw_is_said_and_nothing_is_quoted(
    answer, status, flaw, caplog
):
    server, url, _ = await _answer_once(answer)
    async with server, HubSpot(url, "secret") as hubspot:
        reply = await hubspot.send(CALL)
    assert (reply.status, reply.readable, reply.maybe_applied) == (status, False, True)
    assert flaw in reply.message
    visible = f"{reply!r} {classify_read(reply).reason} {caplog.text}"
    assert not [part for part in ("Ann", "Lee", "170", "1234567", "ann@") if part in visible]


async def test_a_connection_that_is_closed_says_so():
    server, url, _ = await _answer_once(b"")
    async with server, HubSpot(url, "secret") as hubspot:
        reply = await hubspot.send(CALL)
    assert reply.message == "the connection broke: the server sent no answer"


async def test_the_token_goes_out_as_bearer_and_a_redirect_is_not_followed():
    server, url, seen = await _answer_once(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n"
    )
    async with server, HubSpot(url, "secret") as hubspot:
        reply = await hubspot.send(CALL)
    assert reply.status == 302
    assert b"Authorization: Bearer secret" in seen[0]
    assert len(seen) == 1


async def test_an_error_raised_as_a_request_leaves_prevents_it():
    """And its connection serves the next one."""
    received: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        received.append(request.transport.get_extra_info("peername")[1])
        return web.json_response({"status": "COMPLETE"})

    def stop() -> None:
        raise LookupError

    app = web.Application()
    app.router.add_post(CALL.path, handle)
    async with test_utils.TestServer(app) as server, HubSpot(str(server.make_url("")), "secret") as session:
        for _ in range(2):
            with pytest.raises(LookupError):
                await session.send(CALL, stop)
        assert received == []
        assert [(await session.send(CALL)).status for _ in range(2)] == [200, 200]
    assert len(set(received)) == 1


async def test_half_an_answer_may_have_been_applied():
    server, url, _ = await _answer_once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    async with server, HubSpot(url, "secret") as hubspot:
        reply = await hubspot.send(CALL)
    assert (reply.status, reply.maybe_applied) == (0, True)


async def test_nobody_listening_is_not_applied():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with HubSpot(url, "secret") as hubspot:
        reply = await hubspot.send(CALL)
    assert (reply.status, reply.maybe_applied) == (0, False)
    assert "127.0.0.1" in reply.message


async def test_the_token_shows_in_no_reply_and_no_repr(hubspot):
    with aioresponses() as mocked:
        mocked.post(BASE + CALL.path, exception=aiohttp.ClientOSError(104, "reset"))
        reply = await hubspot.send(CALL)
    assert "secret" not in repr(reply) + repr(hubspot)
