"""What rows that share a key cost those that do not: `none@none.com` beside real addresses.

Such rows are written one after the other; each has the number of another system in a second unique column,
as the others have. The same file goes up without them, they go up alone, and all
together; then a file of five keys, as it is and with `--on-duplicate last`.

    python -m benchmarks.rows_of_one_value
    python -m benchmarks.rows_of_one_value --rows 300000 --placeholders 1500 --quota 190/10
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import (
    Failed,
    Seen,
    Server,
    Table,
    environment,
    forget,
    last_words,
    workplace,
)

PLACEHOLDER = "none@none.com"
KEYS = 5
#: Time that the others may take beside them, of what they take alone; and all, of both parts one by one.
_OTHERS, _ALL = 1.1, 1.05


@dataclass(frozen=True, slots=True)
class Run:
    """One file sent into an empty account."""

    upserts: Sequence[Seen]
    peak_mb: float
    summary: dict[str, Any]

    @property
    def seconds(self) -> float:
        """From the first batch to the last."""
        return self.upserts[-1].at - self.upserts[0].at

    @property
    def seconds_of_batches(self) -> float:
        """The same, up to the last one of several rows."""
        return max(one.at for one in self.upserts if one.inputs > 1) - self.upserts[0].at


def write(path: Path, rows: Iterator[str], header: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def rows_of(rows: int, placeholders: int, *, others: bool, chain: bool) -> Iterator[str]:
    """Every so many have the same address."""
    every = rows // placeholders
    for number in range(rows):
        shares = number % every == 0
        if chain if shares else others:
            yield f"e{number},{PLACEHOLDER if shares else f'c{number}@example.com'},First {number}"


def send(source: Path, options: argparse.Namespace, folder: Path, rule: str = "in-order") -> Run:
    forget(source)
    arguments = ["--quota", options.quota, "--latency", str(options.latency)]
    with Server(arguments, folder / "server.log") as server:
        log = folder / "client.log"
        command = [
            "upload",
            str(source),
            "--base-url",
            server.url,
            "--json",
            "--max-failures",
            "100%",
            "--on-duplicate",
            rule,
        ]
        with log.open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "uploader", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(TMPDIR=str(folder)),
            )
            assert process.stdout is not None
            out = process.stdout.read()
            _, ended, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(ended)
        if process.returncode:
            raise Failed(f"upload {source.name} ended with {process.returncode}: {last_words(log)}")
        upserts = [one for one in server.log() if one.is_upsert]
    run = Run(upserts, usage.ru_maxrss / 1024, json.loads(out))
    print(f"{source.name} --on-duplicate {rule}: {run.seconds:.1f} s", file=sys.stderr, flush=True)
    return run


def measure(options: argparse.Namespace, folder: Path, table: Table) -> None:
    header = "external_id,email,firstname"

    def made(name: str, *, others: bool, chain: bool) -> Path:
        rows = rows_of(options.rows, options.placeholders, others=others, chain=chain)
        return write(folder / name, rows, header)

    alone = send(made("others.csv", others=True, chain=False), options, folder)
    chain = send(made("chain.csv", others=False, chain=True), options, folder)
    both = send(made("both.csv", others=True, chain=True), options, folder)
    table.add("the others alone, s", f"{alone.seconds:.1f}")
    table.add(f"rows of {PLACEHOLDER} alone, s", f"{chain.seconds:.1f}")
    slower = both.seconds_of_batches / alone.seconds
    table.demand(
        "the others beside them, s",
        f"{both.seconds_of_batches:.1f} ({slower:.2f} times)",
        met=slower <= _OTHERS,
    )
    most = _ALL * (both.seconds_of_batches + chain.seconds)
    table.demand("all together, s", f"{both.seconds:.1f}", met=both.seconds <= most)
    table.demand("peak memory, MB", f"{both.peak_mb:.0f}", met=both.peak_mb < 100)
    table.demand("rows with an outcome", both.summary["rows"], met=both.summary["open"] == 0)


def measure_keys(options: argparse.Namespace, folder: Path, table: Table) -> None:
    rows = (f"k{number % KEYS}@example.com,First {number}" for number in range(options.key_rows))
    source = write(folder / "keys.csv", rows, "email,firstname")
    each = send(source, options, folder)
    table.add(f"{options.key_rows:,} rows of {KEYS} keys, s", f"{each.seconds:.1f}")
    table.add("requests", len(each.upserts))
    last = send(source, options, folder, "last")
    table.demand("requests with --on-duplicate last", len(last.upserts), met=len(last.upserts) == 1)


def main() -> int:
    parser = argparse.ArgumentParser(description="What rows of one value cost the others.")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--placeholders", type=int, default=200)
    parser.add_argument("--key-rows", type=int, default=1_000, help="in the file of few keys")
    parser.add_argument("--quota", default="1000/10", help="such as 190/10")
    parser.add_argument("--latency", type=float, default=0.15, metavar="SECONDS")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    options = parser.parse_args()
    table = Table(f"{options.rows:,} rows, {options.placeholders:,} of one value, quota {options.quota}")
    with workplace(options.keep) as folder:
        measure(options, folder, table)
        measure_keys(options, folder, table)
    print(table)
    return 1 if table.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"rows of one value: {failure}")
