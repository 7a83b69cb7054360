"""What people would run in the uploader's place, and the ceiling: each sends the same records, one a process.

Lives here: the contenders of `cost_per_record`, as short as people write them. None keeps a checkpoint, waits
for a quota or can go on after a kill; none writes anything but what its library does by itself.

    python -m benchmarks.support.cost_contenders plain http://127.0.0.1:8080 records.ndjson --rows 400000

`plain`     aiohttp and orjson: a queue and 16 workers; `csv.DictReader` where the file is a CSV
`httpx`     the same loop on httpx
`official`  hubspot-api-client in 8 threads that share one object of it
`dlt`       a custom destination of dlt in batches of 100, all else as it comes
`ceiling`   16 workers of aiohttp that post one ready-made body; the answers are read and dropped

Only what a contender needs is imported, and when it is chosen: its start is part of its cost. The exit code
is 0 where every record was written or refused, by the answers. Sends to the URL given and nowhere else.
"""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

BATCH = 100
WORKERS = 16
QUEUED_BATCHES = 64
#: One more thread is no faster: they wait for the interpreter, not for replies.
THREADS = 8
PATH = "/crm/v3/objects/contacts/batch/upsert"
TOKEN = "pat-na1-benchmark"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}

Row = dict[str, Any]
Post = Callable[[bytes], Awaitable[bytes]]


def rows_of(source: Path) -> Iterator[Row]:
    if source.suffix == ".csv":
        import csv  # noqa: PLC0415

        with source.open(encoding="utf-8", newline="") as text:
            yield from csv.DictReader(text)
    else:
        import orjson  # noqa: PLC0415

        with source.open("rb") as lines:
            yield from map(orjson.loads, lines)


def batches(source: Path, rows: int) -> Iterator[list[Row]]:
    numbered = enumerate(islice(rows_of(source), rows))
    while batch := [_input(number, row) for number, row in islice(numbered, BATCH)]:
        yield batch


def _input(number: int, row: Row) -> Row:
    return {"idProperty": "email", "id": row["email"], "objectWriteTraceId": str(number), "properties": row}


# --- loops of coroutines ---


def plain(url: str, source: Path, rows: int) -> int:
    return _run(lambda: _with_aiohttp(url, lambda post: _pump(post, batches(source, rows))))


def httpx(url: str, source: Path, rows: int) -> int:
    return _run(lambda: _with_httpx(url, lambda post: _pump(post, batches(source, rows))))


def ceiling(url: str, source: Path, rows: int) -> int:
    return _run(lambda: _with_aiohttp(url, lambda post: _repeat(post, source, rows)))


def _run(load: Callable[[], Awaitable[int]]) -> int:
    import asyncio  # noqa: PLC0415

    async def main() -> int:
        return await load()

    return asyncio.run(main())


async def _with_aiohttp(url: str, load: Callable[[Post], Awaitable[int]]) -> int:
    import aiohttp  # noqa: PLC0415

    async def post(body: bytes) -> bytes:
        async with session.post(url + PATH, data=body, headers=HEADERS) as reply:
            return await reply.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WORKERS)) as session:
        return await load(post)


async def _with_httpx(url: str, load: Callable[[Post], Awaitable[int]]) -> int:
    import httpx as library  # noqa: PLC0415

    async def post(body: bytes) -> bytes:
        return (await client.post(url + PATH, content=body, headers=HEADERS)).content

    limits = library.Limits(max_connections=WORKERS, max_keepalive_connections=WORKERS)
    async with library.AsyncClient(limits=limits, timeout=60.0, trust_env=False) as client:
        return await load(post)


async def _pump(post: Post, work: Iterator[list[Row]]) -> int:
    """Records that the answers count, refused ones included."""
    import asyncio  # noqa: PLC0415

    import orjson  # noqa: PLC0415

    queue: asyncio.Queue[list[Row] | None] = asyncio.Queue(QUEUED_BATCHES)

    async def produce() -> int:
        for batch in work:
            await queue.put(batch)
        for _ in range(WORKERS):
            await queue.put(None)
        return 0

    async def consume() -> int:
        written = 0
        while (batch := await queue.get()) is not None:
            answer = orjson.loads(await post(orjson.dumps({"inputs": batch})))
            written += len(answer["results"]) + answer.get("numErrors", 0)
        return written

    return sum(await asyncio.gather(produce(), *(consume() for _ in range(WORKERS))))


async def _repeat(post: Post, source: Path, rows: int) -> int:
    import asyncio  # noqa: PLC0415

    import orjson  # noqa: PLC0415

    body = orjson.dumps({"inputs": next(batches(source, BATCH))})
    turns = iter(range(rows // BATCH))

    async def consume() -> int:
        written = 0
        for _ in turns:
            await post(body)
            written += BATCH
        return written

    return sum(await asyncio.gather(*(consume() for _ in range(WORKERS))))


# --- libraries that do it all ---


def official(url: str, source: Path, rows: int) -> int:
    import threading  # noqa: PLC0415
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    from hubspot import HubSpot  # noqa: PLC0415

    from benchmarks.support.official_client import as_inputs  # noqa: PLC0415

    api = HubSpot(access_token=TOKEN, host=url).crm.contacts.batch_api
    work, lock = batches(source, rows), threading.Lock()

    def next_batch() -> list[Row] | None:
        with lock:
            return next(work, None)

    def consume(_: int) -> int:
        written = 0
        while (batch := next_batch()) is not None:
            written += len(api.upsert(as_inputs(batch)).results)
        return written

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(consume, range(THREADS)))


def dlt(url: str, source: Path, rows: int) -> int:
    """Its state goes beside the source, nothing is left in the user's home, and it sends no telemetry."""
    os.environ["DLT_DATA_DIR"] = str(source.parent / "dlt")
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt as library  # noqa: PLC0415
    import requests  # noqa: PLC0415

    written = 0
    session = requests.Session()
    session.trust_env = False

    @library.destination(batch_size=BATCH, name="hubspot", naming_convention="direct")
    def contacts(items: Any, _: Any, /) -> None:
        nonlocal written
        inputs = [_input(number, row) for number, row in enumerate(items)]
        reply = session.post(url + PATH, json={"inputs": inputs}, headers=HEADERS, timeout=60)
        reply.raise_for_status()
        written += len(reply.json()["results"])

    pipeline = library.pipeline(f"contacts_{os.getpid()}", destination=contacts)
    pipeline.run(islice(rows_of(source), rows), table_name="contacts")
    return written


LOOPS = {"plain": plain, "httpx": httpx, "official": official, "dlt": dlt, "ceiling": ceiling}


def main() -> int:
    parser = argparse.ArgumentParser(description="Send records as people would without the uploader.")
    parser.add_argument("name", choices=LOOPS)
    parser.add_argument("url")
    parser.add_argument("source", type=Path)
    parser.add_argument("--rows", type=int, required=True, help="so many of the file")
    options = parser.parse_args()
    written = LOOPS[options.name](options.url, options.source, options.rows)
    if written != options.rows:
        print(f"{written:,} of {options.rows:,} records written", file=sys.stderr)
    return 0 if written == options.rows else 1


if __name__ == "__main__":
    sys.exit(main())
