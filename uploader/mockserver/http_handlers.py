"""The mock server over HTTP: thin aiohttp handlers around `simulator` and `control`."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from uploader.mockserver.control import NDJSON_TYPE, PREFIX, control
from uploader.mockserver.request_and_reply import Delivery, Reply, Request
from uploader.mockserver.simulator import Simulator

MAX_BODY_BYTES = 64 * 1024 * 1024  # HubSpot's own limit is unknown
LINES_PER_CHUNK = 1000
DRIPS = 20


def build_app(simulator: Simulator) -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = Request(
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        clock = asyncio.get_running_loop().time
        if asked.path.startswith(PREFIX):
            reply = control(simulator, asked, clock())
            if isinstance(reply, Reply):
                return _whole(reply)
            with suppress(ConnectionError):  # the client has gone
                return await _stream(request, reply)
            return web.Response()
        if seconds := simulator.arrival_delay_seconds():
            await asyncio.sleep(seconds)
        reply = simulator.handle(asked, clock())
        try:
            if reply.delay_seconds:
                await asyncio.sleep(reply.delay_seconds)
            with suppress(ConnectionError):  # the client has gone
                return await _carry_out(request, simulator.complete_headers(reply, clock()))
            return web.Response()
        finally:
            simulator.ended()

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def _carry_out(request: web.Request, reply: Reply) -> web.StreamResponse:
    match reply.delivery:
        case Delivery.SEND:
            response: web.StreamResponse = _whole(reply)
            # Sent here, not by aiohttp after the return, so that it counts as in flight until then.
            await response.prepare(request)
            await response.write_eof()
            return response
        case Delivery.RESET:
            _break(request)
            return web.Response()
        case Delivery.TRUNCATE:
            response = await _begin(request, reply)
            await response.write(reply.body[: reply.sent_bytes])
            _break(request, after_sending=True)
            return response
        case Delivery.DRIP:
            return await _drip(request, reply)


def _whole(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=CIMultiDict(reply.headers), body=reply.body)


async def _begin(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=CIMultiDict(reply.headers))
    response.content_length = len(reply.body)
    await response.prepare(request)
    return response


async def _drip(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = await _begin(request, reply)
    step = max(1, -(-len(reply.body) // DRIPS))
    for start in range(0, len(reply.body), step):
        await response.write(reply.body[start : start + step])
        await asyncio.sleep(reply.drip_seconds / DRIPS)
    await response.write_eof()
    return response


def _break(request: web.Request, *, after_sending: bool = False) -> None:
    transport = request.transport
    if transport is None:  # the client has disconnected
        return
    if after_sending:
        transport.close()  # what was written is still flushed
    else:
        transport.abort()


async def _stream(request: web.Request, lines: Iterator[dict[str, Any]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": NDJSON_TYPE})
    await response.prepare(request)
    chunk: list[bytes] = []
    for line in lines:
        chunk.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        if len(chunk) == LINES_PER_CHUNK:
            await response.write(b"".join(chunk))
            chunk.clear()
    await response.write(b"".join(chunk))
    await response.write_eof()
    return response
