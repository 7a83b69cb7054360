"""What it costs to read records before they are written: requests and time, with and without.

The same file goes into the same account: half of the contacts are there, and a third of those hold already
what the file says. Each way starts from a fresh account; a preview, which writes nothing, is one of them.

    python -m benchmarks.reads_before_writes --rows 20000                    # at 190 requests in 10 s
    python -m benchmarks.reads_before_writes --rows 100000 --quota none      # as fast as both processes go
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.make_records import COLUMNS, make, record
from benchmarks.support.processes import (
    Failed,
    Server,
    Table,
    aligned,
    environment,
    forget,
    last_words,
    workplace,
)

#: Name -> command and options.
WAYS: dict[str, tuple[str, ...]] = {
    "upload": ("upload",),
    "upload --fill city": ("upload", "--fill", "city"),
    "upload --snapshot": ("upload", "--snapshot"),
    "upload --skip-unchanged": ("upload", "--skip-unchanged"),
    "preview": ("preview",),
}
#: Asked before the first row; counted apart, since they do not depend on the size of the file.
_UPSERT, _READ = "/batch/upsert", "/batch/read"


@dataclass(frozen=True, slots=True)
class Cost:
    """One way through the file."""

    reads: int
    upserts: int
    others: int
    seconds: float  #: from before the process was made to its end
    cpu_seconds: float
    summary: dict[str, Any]


def seed(server: Server, rows: int) -> None:
    """Every second contact of the file; one in three of these as the file has it, the others with another
    name and no city.
    """
    people = []
    for number in range(0, rows, 2):
        cells = dict(zip(COLUMNS, record(number), strict=True))
        if number % 3:
            cells |= {"firstname": "Before"}
            del cells["city"]
        people.append({"properties": cells})
    body = json.dumps({"contacts": people}).encode()
    with urllib.request.urlopen(f"{server.url}/_mock/reset", data=body, timeout=600) as reply:
        reply.read()


def run(source: Path, url: str, words: Sequence[str], folder: Path) -> Cost:
    command, *options = words
    log = folder / "client.log"
    with log.open("ab") as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "uploader", command, str(source), "--base-url", url, "--json", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(TMPDIR=str(folder)),
        )
        assert process.stdout is not None
        out = process.stdout.read()
        _, ended, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode:
        raise Failed(f"{' '.join(words)} ended with {process.returncode}: {last_words(log)}")
    return Cost(0, 0, 0, seconds, usage.ru_utime + usage.ru_stime, json.loads(out))


def measure(source: Path, rows: int, words: Sequence[str], quota: str, folder: Path) -> Cost:
    forget(source)
    with Server(["--quota", quota], folder / "server.log") as server:
        seed(server, rows)
        cost = run(source, server.url, words, folder)
        paths = [one.path for one in server.log()]
    reads, upserts = (sum(path.endswith(end) for path in paths) for end in (_READ, _UPSERT))
    others = len(paths) - reads - upserts
    return Cost(reads, upserts, others, cost.seconds, cost.cpu_seconds, cost.summary)


def judge(costs: dict[str, Cost], rows: int, table: Table) -> None:
    """What has to hold on any machine; times are shown only."""
    batches = -(-rows // 100)
    plain, ahead = costs["upload"], costs["preview"]
    table.demand("requests per 100 rows, upload", f"{plain.upserts / batches:.2f}", met=plain.reads == 0)
    most = 1.02 * batches + 1
    for name, cost in costs.items():
        if name != "upload":
            table.demand(f"reads per 100 rows, {name}", f"{cost.reads / batches:.2f}", met=cost.reads <= most)
    table.demand("upserts of a preview", ahead.upserts, met=ahead.upserts == 0)
    same = all(ahead.summary[o] == plain.summary[o] for o in ("created", "updated", "invalid", "rejected"))
    table.demand("the preview's figures are the upload's", same, met=same)


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs to read before writing.")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--quota", default="190/10", help="such as 190/10, or none")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    options = parser.parse_args()
    costs: dict[str, Cost] = {}
    with workplace(options.keep) as folder:
        source = folder / "records.csv"
        make(source, options.rows)
        for name, words in WAYS.items():
            # A server without a quota names none: without a rate the uploader would go at its careful start.
            rate = ("--rate", "100000/1") if options.quota == "none" else ()
            costs[name] = measure(source, options.rows, (*words, *rate), options.quota, folder)
            print(f"{name}: {costs[name].seconds:.1f} s", file=sys.stderr, flush=True)
    lines = [["", "reads", "upserts", "others", "requests per 100 rows", "s", "CPU us/row"]]
    for name, cost in costs.items():
        per_batch = 100 * (cost.reads + cost.upserts) / options.rows
        us = 1e6 * cost.cpu_seconds / options.rows
        lines.append(
            [
                name,
                *(f"{count:,}" for count in (cost.reads, cost.upserts, cost.others)),
                *(f"{per_batch:.2f}", f"{cost.seconds:.1f}", f"{us:.0f}"),
            ]
        )
    print(aligned(lines))
    table = Table(f"{options.rows:,} rows, half of them there, quota {options.quota}")
    judge(costs, options.rows, table)
    print(table)
    return 1 if table.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"reading: {failure}")
