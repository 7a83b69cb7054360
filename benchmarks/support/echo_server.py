"""A server that answers as HubSpot would and does as little as it can for it: so a client's cost shows.

Lives here: HTTP/1.1 on a bare `asyncio.Protocol`, answers filled into ready-made pieces, and what was seen of
the load. It checks nothing, keeps no contact and has no quota: all that is the mock server's business.

    python -m benchmarks.support.echo_server --port 8080

`batch/upsert` answers 200 COMPLETE with one result an input, about 35 KB for a hundred; the keys are found by
a pattern, not by reading the JSON. Inputs whose key begins with `bad` are refused in a 207, by trace id.
With `--known` every result is `new: false`, as of records that exist already.
`GET /_echo/stats` returns what came since `POST /_echo/reset`. With `--rate-headers` it names a quota nobody
reaches; without, a client can't know what is left of its window. It ends by itself after `--seconds`.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import orjson

from benchmarks.support.make_records import BAD
from benchmarks.support.make_shapes import COLUMNS

LIMIT = 100  #: inputs in a batch
LONGEST_SECONDS = 14_400.0
_PORTAL = 44237313
_MOMENT = "2025-06-01T08:00:00.000Z"

# --- what is answered ---

# In a result `%b` stands for the key; the running id is put in the mark's place, batch by batch.
_MARK = "~"
_SYSTEM = {"createdate": _MOMENT, "lastmodifieddate": _MOMENT}
_FIRST_ID = 100_000_000
_ENDS = b'],"startedAt":"%b","completedAt":"%b"' % (_MOMENT.encode(), _MOMENT.encode())
_RATE_HEADERS = (
    b"X-HubSpot-RateLimit-Max: 100000\r\nX-HubSpot-RateLimit-Remaining: 99999\r\n"
    b"X-HubSpot-RateLimit-Interval-Milliseconds: 1000\r\n"
)
_REASONS = {200: b"OK", 207: b"Multi-Status", 400: b"Bad Request", 404: b"Not Found", 411: b"Length Required"}
_NOT_FOUND = orjson.dumps({"status": "error", "message": "resource not found"})
_TOO_MANY = orjson.dumps({"status": "error", "category": "VALIDATION_ERROR", "message": "too many inputs"})
_NO_LENGTH = orjson.dumps({"status": "error", "message": "a body needs its Content-Length"})
_ACCOUNT = orjson.dumps(
    {
        "portalId": _PORTAL,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "US/Eastern",
        "utcOffsetMilliseconds": -18_000_000,
    }
)


def _result(place: int, *, is_new: bool) -> bytes:
    object_id = f"{_MARK}{place:02d}"
    return orjson.dumps(
        {
            "id": object_id,
            "properties": {"email": "%b", "hs_object_id": object_id, **_SYSTEM},
            "createdAt": _MOMENT,
            "updatedAt": _MOMENT,
            "archived": False,
            "new": is_new,
            "url": f"https://app.hubspot.com/contacts/{_PORTAL}/record/0-1/{object_id}",
        }
    )


@lru_cache(LIMIT + 1)
def _results(count: int, *, is_new: bool) -> bytes:
    return b",".join(_result(place, is_new=is_new) for place in range(count))


def _property(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name,
        "type": "string",
        "fieldType": "text",
        "hasUniqueValue": False,
        "calculated": False,
        "modificationMetadata": {"readOnlyValue": False},
    }


_PROPERTIES = orjson.dumps({"results": [_property(name) for name in COLUMNS]})
_KEY = re.compile(rb'"id": ?"([^"]*)"')
_BAD_KEY = b"\0" + BAD.encode()


class Answers:
    """Upserts answered so far give the ids; nothing else is remembered."""

    def __init__(self, *, are_known: bool) -> None:
        self._batches = _FIRST_ID
        self._are_new = not are_known

    def upsert(self, body: bytes) -> tuple[int, bytes, int]:
        """The status, the answer, and how many inputs there were."""
        keys = _KEY.findall(body)
        if len(keys) > LIMIT:
            return 400, _TOO_MANY, len(keys)
        if _BAD_KEY in b"\0".join([b"", *keys]):
            return self._refuse_bad(body)
        return 200, self._written(keys) + b"}", len(keys)

    def _refuse_bad(self, body: bytes) -> tuple[int, bytes, int]:
        inputs = orjson.loads(body)["inputs"]
        keys = [one["id"].encode() for one in inputs if not one["id"].startswith(BAD)]
        errors = [_refusal(one) for one in inputs if one["id"].startswith(BAD)]
        errors_part = b',"errors":%b,"numErrors":%d}' % (orjson.dumps(errors), len(errors))
        return 207, self._written(keys) + errors_part, len(inputs)

    def _written(self, keys: Sequence[bytes]) -> bytes:
        self._batches += 1
        results = _results(len(keys), is_new=self._are_new)
        results = results.replace(_MARK.encode(), b"%d" % self._batches) % tuple(keys)
        return b'{"status":"COMPLETE","results":[' + results + _ENDS


def _refusal(one: dict[str, Any]) -> dict[str, Any]:
    text = f"Email address {one['id']} is invalid"
    detail = {"isValid": False, "message": text, "error": "INVALID_EMAIL", "name": "email"}
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": "Property values were not valid: " + json.dumps([detail]),
        "context": {"objectWriteTraceId": [one["objectWriteTraceId"]]},
    }


# --- what was seen ---


@dataclass(slots=True)
class Stats:
    """Since the last reset. Moments are `time.monotonic()`'s, which all processes of a machine share."""

    first_request_at: float = 0.0
    first_upsert_at: float = 0.0
    last_upsert_at: float = 0.0  #: when the last one was answered
    requests: int = 0
    upserts: int = 0
    records: int = 0
    bytes_received: int = 0  #: bodies of upserts
    bytes_answered: int = 0


class Echo:
    """What all connections share."""

    def __init__(self, *, rate_headers: bool, are_known: bool) -> None:
        self.stats = Stats()
        self._cpu_before = 0.0  # not read upsert by upsert: that alone takes a tenth of one
        self._answers = Answers(are_known=are_known)
        self._headers = _RATE_HEADERS if rate_headers else b""

    def answer(self, head: bytes, body: bytes) -> bytes:
        method, target = head.split(b" ", 2)[:2]
        if target.startswith(b"/_echo/"):
            return self._control(target)
        stats = self.stats
        if not stats.requests:
            stats.first_request_at = time.monotonic()
        stats.requests += 1
        if method == b"POST" and target.endswith(b"/batch/upsert"):
            return self._upsert(body)
        if b"/account-info/" in target and target.endswith(b"/details"):
            return self._reply(200, _ACCOUNT)
        if b"/properties/" in target:
            return self._reply(200, _PROPERTIES)
        return self._reply(404, _NOT_FOUND)

    def refuse(self) -> bytes:
        return self._reply(411, _NO_LENGTH)

    def _upsert(self, body: bytes) -> bytes:
        stats = self.stats
        if not stats.upserts:
            stats.first_upsert_at = time.monotonic()
        status, answer, count = self._answers.upsert(body)
        stats.upserts += 1
        stats.records += count
        stats.bytes_received += len(body)
        stats.bytes_answered += len(answer)
        stats.last_upsert_at = time.monotonic()
        return self._reply(status, answer)

    def _control(self, target: bytes) -> bytes:
        if target == b"/_echo/reset":
            self.stats, self._cpu_before = Stats(), time.process_time()
        elif target != b"/_echo/stats":
            return self._reply(404, _NOT_FOUND)
        cpu_seconds = time.process_time() - self._cpu_before
        return self._reply(200, orjson.dumps({**asdict(self.stats), "cpu_seconds": cpu_seconds}))

    def _reply(self, status: int, body: bytes) -> bytes:
        return b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
            status,
            _REASONS[status],
            self._headers,
            len(body),
            body,
        )


# --- the connection ---

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Cuts what comes into requests, however it comes, and answers them in turn."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._parts: list[bytes] = []  # of a body that is still under way, so that nothing is copied twice
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._missing > len(data):
            self._parts.append(data)
            self._missing -= len(data)
            return
        self._buffer = b"".join([*self._parts, data]) if self._parts else self._buffer + data
        self._parts, self._missing = [], 0
        while self._answer_one():
            pass

    def _answer_one(self) -> bool:
        """Whether there was a whole request in the buffer."""
        buffer, transport = self._buffer, self._transport
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or transport is None or transport.is_closing():
            return False
        head = buffer[:end]
        found = _LENGTH.search(head)
        if found is None and _CHUNKED.search(head):
            transport.write(self._echo.refuse())
            transport.close()
            return False
        start = end + 4
        after = start + (int(found[1]) if found else 0)
        if len(buffer) < after:
            self._parts, self._missing = [buffer], after - len(buffer)
            return False
        transport.write(self._echo.answer(head, buffer[start:after]))
        self._buffer = buffer[after:]
        return bool(self._buffer)


async def serve(options: argparse.Namespace) -> None:
    echo = Echo(rate_headers=options.rate_headers, are_known=options.known)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Connection(echo), "127.0.0.1", options.port, backlog=512)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), options.seconds)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer upserts at the least possible cost.")
    parser.add_argument("--port", type=int, default=0, help="0 picks one")
    parser.add_argument("--rate-headers", action="store_true")
    parser.add_argument("--known", action="store_true", help="call every record an existing one")
    parser.add_argument("--seconds", type=float, default=LONGEST_SECONDS, help="then it ends by itself")
    options = parser.parse_args()
    # Nothing here makes cycles while requests pass.
    gc.disable()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
