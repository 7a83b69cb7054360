"""How long a start takes: until the first request, until the first batch, fresh and near the end of a file.

Lives here: jobs that are interrupted as soon as their first batch has come, and the demands on their seconds.
They count from the moment before the process is made. The server names its quota here, as HubSpot does: where
none is named, the first batch waits for a window, and that wait would hide what is asked.
"""

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.support.make_records import make
from benchmarks.support.processes import Client, EchoServer, Failed, Table, environment, forget, wait_for

MOST_FRESH_SECONDS, MOST_RESUMED_SECONDS, MOST_HELP_SECONDS = 0.4, 0.6, 0.25
LARGE = 10_000_000
RESUMED_AT = 0.9
HELPS = 9
#: So slow that a job does not end before it is interrupted; the first batches leave at once all the same.
SLOW_RATE, APPROACH_RATE = "100/1", "1500/1"


@dataclass(frozen=True, slots=True)
class Start:
    first_request_seconds: float
    first_upsert_seconds: float


@dataclass(slots=True)
class Starts:
    rows: int
    fresh: list[Start] = field(default_factory=list)
    resumed: list[Start] = field(default_factory=list)
    help_seconds: list[float] = field(default_factory=list)


def measure(folder: Path, rows: int, times: int) -> Starts:
    starts = Starts(rows, help_seconds=[_help() for _ in range(HELPS)])
    source = folder / "started.ndjson"
    make(source, rows)
    with EchoServer(["--rate-headers"], folder / "server.log") as server:
        print(f"{times} fresh starts", file=sys.stderr)
        for _ in range(times):
            forget(source)
            starts.fresh.append(_start(source, server))
        print(f"to {RESUMED_AT:.0%} of {rows:,} records, and {times} starts from there", file=sys.stderr)
        forget(source)
        server.forget()
        client = Client(source, server.url, ["--rate", APPROACH_RATE], folder)
        _interrupt(client, server, int(RESUMED_AT * rows))
        starts.resumed = [_start(source, server) for _ in range(times)]
    forget(source)
    source.unlink()
    return starts


def _start(source: Path, server: EchoServer) -> Start:
    server.forget()
    began = time.monotonic()
    client = Client(source, server.url, ["--rate", SLOW_RATE], source.parent)
    _interrupt(client, server, 1)
    load = server.load()
    return Start(load.first_request_at - began, load.first_upsert_at - began)


def _interrupt(client: Client, server: EchoServer, records: int) -> None:
    """Once so many have come."""
    wait_for(client, lambda: server.load().records >= records, f"{records:,} records")
    if client.running():
        client.send(signal.SIGINT)
    code = client.wait(60)
    if code != 128 + signal.SIGINT:
        raise Failed(f"the uploader ended with {code} before it could be interrupted at {records:,} records")


def _help() -> float:
    script = Path(sys.executable).with_name("uploader")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "uploader"]
    began = time.monotonic()
    subprocess.run([*command, "--help"], stdout=subprocess.DEVNULL, timeout=60, check=True, env=environment())
    return time.monotonic() - began


# --- what is printed ---


def judge(starts: Starts, table: Table) -> None:
    _judge("fresh", starts.fresh, MOST_FRESH_SECONDS, table)
    where = f"resumed at {RESUMED_AT:.0%} of {starts.rows:,} records"
    _judge(where, starts.resumed, MOST_RESUMED_SECONDS, table)
    if starts.rows < LARGE:
        table.add(f"4. resumed at {RESUMED_AT:.0%} of {LARGE:,} records", "not tried, --large does")
    seconds = statistics.median(starts.help_seconds)
    name = f"4. `uploader --help`, seconds (at most {MOST_HELP_SECONDS:g})"
    table.demand(name, f"{seconds:.3f}", met=seconds <= MOST_HELP_SECONDS)


def _judge(how: str, starts: Sequence[Start], limit: float, table: Table) -> None:
    seconds = statistics.median(start.first_request_seconds for start in starts)
    name = f"4. {how}: seconds to the first request (at most {limit:g})"
    table.demand(name, f"{seconds:.3f}", met=seconds <= limit)
    seconds = statistics.median(start.first_upsert_seconds for start in starts)
    table.add(f"4. {how}: seconds to the first batch", f"{seconds:.3f}")
