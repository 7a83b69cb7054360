"""Three usual ways of pacing, each a loader of contacts as short as people write them.

Lives here: what competes with the uploader in `quota_use_compared`, one contender a process. Each sends the
file in batches of 100 until its time is over, awaits what is in flight, and prints one line of JSON.

    python -m benchmarks.support.pacing_contenders asynclimiter http://127.0.0.1:8080 file.csv --seconds 60

`asynclimiter`  60 coroutines behind `AsyncLimiter(190, 10)`; a refused batch sleeps 10 seconds and goes again
`official`      hubspot-api-client in 12 threads, with the `Retry` of its README; what it raises is given up
`nine`          9 requests a second by a schedule, everything else as `asynclimiter`

Where more than one way is usual, the kinder one was taken: what goes again passes the limiter again, and the
official client keeps its connections. Sends to the URL given and nowhere else.
"""

import argparse
import asyncio
import csv
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
from aiolimiter import AsyncLimiter
from hubspot import HubSpot
from hubspot.crm.contacts import (
    ApiException,
    BatchApi,
)
from urllib3.util.retry import Retry

from benchmarks.support.official_client import as_inputs
from benchmarks.support.processes import TOKEN

BATCH = 100
PATH = "/crm/v3/objects/contacts/batch/upsert"
WORKERS = 60
#: What a refused batch sleeps: a window, so that there must be room afterwards.
REFUSED_SLEEP_SECONDS = 10.0
#: With 8 the wait for replies alone keeps the pace below 190/10; with 16 still more is refused than with 12.
THREADS = 12
REQUESTS_PER_SECOND = 9
PROPERTIES = {
    "First Name": "firstname",
    "Last Name": "lastname",
    "Phone Number": "phone",
    "Company Name": "company",
    "jobtitle": "jobtitle",
    "City": "city",
    "Country/Region": "country",
    "website": "website",
    "Lead Status": "hs_lead_status",
    "Message": "message",
}

Contact = dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What a contender knows of its own run; `quota_use_compared` compares it with the server's log."""

    sent: int = 0  #: requests
    written: int = 0  #: batches
    refused: int = 0  #: requests answered 429
    lost: int = 0  #: batches given up


def batches(source: Path) -> Iterator[list[Contact]]:
    """Without an end: the file begins again, so that nobody runs out of work."""
    while True:
        with source.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            while batch := [_contact(row, rows.line_num) for row in islice(rows, BATCH)]:
                yield batch


def _contact(row: dict[str, str], line: int) -> Contact:
    cells = {name: row[column].strip() for column, name in PROPERTIES.items()}
    return {
        "id": row["Email"],
        "idProperty": "email",
        "objectWriteTraceId": str(line),
        "properties": {name: cell for name, cell in cells.items() if cell},
    }


class Tasks:
    """Coroutines that share a session and a gate."""

    def __init__(self, gate: AbstractAsyncContextManager[None], source: Path, seconds: float) -> None:
        self._gate = gate
        self._work = batches(source)
        self._end = time.monotonic() + seconds
        self.counts = Counts()

    async def run(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(url, headers=headers) as session, asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._worker(session))

    async def _worker(self, session: aiohttp.ClientSession) -> None:
        while self._left() > 0:
            await self._put(session, next(self._work))

    async def _put(self, session: aiohttp.ClientSession, batch: list[Contact]) -> None:
        while self._left() > 0:
            async with self._gate:
                if self._left() <= 0:
                    return
                status = await self._post(session, batch)
            if status != 429:
                return
            await asyncio.sleep(min(REFUSED_SLEEP_SECONDS, max(0.0, self._left())))

    async def _post(self, session: aiohttp.ClientSession, batch: list[Contact]) -> int:
        self.counts.sent += 1
        async with session.post(PATH, json={"inputs": batch}) as reply:
            await reply.read()
        if reply.status == 429:
            self.counts.refused += 1
        else:
            reply.raise_for_status()
            self.counts.written += 1
        return reply.status

    def _left(self) -> float:
        return self._end - time.monotonic()


class Schedule(AbstractAsyncContextManager[None]):
    """A gate with slots at equal distances. One that was missed is not made up for."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1 / per_second
        self._next = 0.0

    async def __aenter__(self) -> None:
        now = time.monotonic()
        slot = max(now, self._next)
        self._next = slot + self._apart
        await asyncio.sleep(slot - now)

    async def __aexit__(self, *_: object) -> None:
        pass


class Threads:
    """Threads that share one object of the official client."""

    def __init__(self, batch_api: BatchApi, source: Path, seconds: float) -> None:
        self._batch_api = batch_api
        self._work = batches(source)
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self.counts = Counts()

    def run(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(self._worker) for _ in range(THREADS)]:
                done.result()

    def _worker(self) -> None:
        while time.monotonic() < self._end:
            with self._lock:
                batch = next(self._work)
                self.counts.sent += 1
            status = self._post(batch)
            with self._lock:
                self.counts.written += status == 0
                self.counts.lost += status != 0
                self.counts.refused += status == 429

    def _post(self, batch: list[Contact]) -> int:
        """The status of what was raised, 0 for nothing."""
        try:
            self._batch_api.upsert(as_inputs(batch))
        except ApiException as error:
            return int(error.status)
        return 0


def asynclimiter(url: str, source: Path, seconds: float) -> Counts:
    return asyncio.run(_run_tasks(AsyncLimiter(190, 10), url, source, seconds))


def nine(url: str, source: Path, seconds: float) -> Counts:
    return asyncio.run(_run_tasks(Schedule(REQUESTS_PER_SECOND), url, source, seconds))


async def _run_tasks(
    gate: AbstractAsyncContextManager[None], url: str, source: Path, seconds: float
) -> Counts:
    tasks = Tasks(gate, source, seconds)
    await tasks.run(url)
    return tasks.counts


def official(url: str, source: Path, seconds: float) -> Counts:
    # Word for word from the client's README. urllib3 retries no POST unless `allowed_methods` says so.
    retry = Retry(
        total=5,
        status_forcelist=(429,),
    )
    client = HubSpot(access_token=TOKEN, retry=retry, host=url)
    # Kept, as each `.batch_api` has connections of its own.
    threads = Threads(client.crm.contacts.batch_api, source, seconds)
    threads.run()
    return threads.counts


CONTENDERS = {"asynclimiter": asynclimiter, "official": official, "nine": nine}


def main() -> None:
    parser = argparse.ArgumentParser(description="Load contacts in one of the usual ways.")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("url")
    parser.add_argument("source", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    counts = CONTENDERS[options.name](options.url, options.source, options.seconds)
    print(json.dumps(asdict(counts)))


if __name__ == "__main__":
    main()
