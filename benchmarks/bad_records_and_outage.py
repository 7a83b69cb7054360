"""What bad records and a server that is down do to their neighbours: nothing, at a known price in requests.

Lives here: files with poisoned rows in known places, sent with and without trace-id support on the server,
and an outage in the middle of a run. The expected prices are what halving predicts.

    python -m benchmarks.bad_records_and_outage
    python -m benchmarks.bad_records_and_outage --outage-seconds 180 --only outage

Demands: the rejected rows are the poisoned ones and no others; a batch never costs more than the halving of
one with so many bad records can; after an outage no row is abandoned and the counts are right.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.support import oracle
from benchmarks.support.make_contacts import POISON, make
from benchmarks.support.processes import Client, Failed, Server, Table, forget, workplace

BATCH = 100
LATENCY_SECONDS = 0.02
#: Poisoned share -> requests per batch that halving needs on average (the manual, performance).
HALVING = {0.001: 2.3, 0.005: 7.2, 0.01: 13.0}
#: How far an average over some hundred batches may stray from that.
TOLERANCE = 0.25
#: Of one bad record in a batch of 100: so many requests more at most.
MOST_EXTRA = 2 * math.ceil(math.log2(BATCH))
WHOLE_SCENARIO = "[rules]\nmulti_status = false\n"
OUTAGE_SCENARIO = """
[[faults]]
kind = "status"
status = 503
endpoint = "any"
from_seconds = {start}
until_seconds = {end}
"""


def main() -> int:
    options = parse()
    tables = []
    with workplace(options.keep) as folder:
        if options.only in (None, "poison"):
            for multi_status in (True, False):
                tables.append(one_per_batch(folder, options, multi_status=multi_status))
                tables += [random_share(folder, options, p, multi_status=multi_status) for p in HALVING]
        if options.only in (None, "outage"):
            tables.append(outage(folder, options))
    for table in tables:
        print(table)
    return 1 if any(table.failures for table in tables) else 0


def one_per_batch(folder: Path, options: argparse.Namespace, *, multi_status: bool) -> Table:
    source = folder / "poisoned.csv"
    make(source, options.rows, options.seed, clean=True, poison_every=BATCH)
    table = Table(f"one poisoned record in each batch of {BATCH}, {_support(multi_status)}")
    extra = _run(source, table, multi_status=multi_status) - 1
    limit = 0 if multi_status else MOST_EXTRA
    table.demand("extra requests per batch, at most", f"{extra:.2f}, {limit}", met=extra <= limit)
    return table


def random_share(folder: Path, options: argparse.Namespace, share: float, *, multi_status: bool) -> Table:
    source = folder / "poisoned.csv"
    make(source, options.rows, options.seed, clean=True, poison_share=share)
    table = Table(f"{share:.1%} poisoned at random, {_support(multi_status)}")
    found = _run(source, table, multi_status=multi_status)
    wanted = 1.0 if multi_status else HALVING[share]
    met = found <= wanted * (1 if multi_status else 1 + TOLERANCE)
    table.demand("requests per batch, expected", f"{found:.2f}, {wanted:g}", met=met)
    return table


def _support(multi_status: bool) -> str:
    return "trace ids supported" if multi_status else "trace ids not supported"


def _run(source: Path, table: Table, *, multi_status: bool) -> float:
    """Upload it and judge the outcomes; the requests per batch come back."""
    scenario = source.parent / "rules.toml"
    scenario.write_text("" if multi_status else WHOLE_SCENARIO, encoding="utf-8")
    arguments = ["--quota", "none", "--latency", str(LATENCY_SECONDS), "--scenario", str(scenario)]
    forget(source)
    with Server(arguments, source.parent / "server.log") as server:
        client = Client(source, server.url, ["--rate", "5000/1"], source.parent)
        code = client.wait()
        upserts = server.stats()["upserts"]
        _judge(source, server, client, table, code)
    rows = sum(1 for _ in _rows(source))
    batches = math.ceil(rows / BATCH)
    table.add("batches, upsert requests", f"{batches:,}, {upserts:,}")
    return float(upserts / batches)


def _judge(source: Path, server: Server, client: Client, table: Table, code: int) -> None:
    summary, results = client.summary(), Path(f"{source}.results.csv")
    _, differences = oracle.compare(source, server.contacts_url(), summary, results, killed=False)
    poisoned, rejected = poisoned_keys(source), rejected_keys(results)
    table.demand("exit code", code, met=code == (1 if poisoned else 0))
    table.add("rows, poisoned rows", f"{summary['rows']:,}, {len(poisoned):,}")
    table.demand("rejected, and not poisoned", len(rejected - poisoned), met=rejected <= poisoned)
    table.demand("poisoned, and not rejected", len(poisoned - rejected), met=poisoned <= rejected)
    table.demand("differences from the oracle", differences.count, met=differences.count == 0)
    table.add("uploader peak memory, MB", f"{client.peak_kilobytes / 1024:.1f}")
    if differences.count:
        print(differences)


def outage(folder: Path, options: argparse.Namespace) -> Table:
    """503 to everything, from some seconds into the run."""
    source, scenario = folder / "outage.csv", folder / "outage.toml"
    start, end = options.outage_after, options.outage_after + options.outage_seconds
    scenario.write_text(OUTAGE_SCENARIO.format(start=start, end=end), encoding="utf-8")
    # At 19 batches a second: as much again after the outage as before it.
    make(source, int(2 * start * 19 * BATCH), options.seed)
    forget(source)
    table = Table(f"503 to everything for {options.outage_seconds:g} s, {start:g} s into the run")
    with Server(["--quota", "190/10", "--scenario", str(scenario)], folder / "server.log") as server:
        client = Client(source, server.url, [], folder)
        code = client.wait()
        stats, summary = server.stats(), client.summary()
        # Of a 503 nothing is applied, so nothing may be called replayed.
        expected, differences = oracle.compare(
            source, server.contacts_url(), summary, Path(f"{source}.results.csv"), killed=False
        )
    table.demand("exit code", code, met=code == 1)
    table.demand("rows", summary["rows"], met=summary["rows"] == expected.rows)
    table.demand("abandoned", summary["abandoned"], met=summary["abandoned"] == 0)
    table.demand("differences from the oracle", differences.count, met=differences.count == 0)
    table.add("answered", str(stats["by_status"]))
    table.add("requests sent again, as the summary has it", summary["retries"])
    table.add("replayed", summary["replayed"])
    table.demand("answered 429", stats["throttled"], met=stats["throttled"] == 0)
    table.add("seconds", f"{summary['elapsed_seconds']:.1f}")
    table.add(
        "of these after the outage", f"{stats['last_request_at'] - stats['first_request_at'] - end:.1f}"
    )
    if differences.count:
        print(differences)
    return table


def poisoned_keys(source: Path) -> set[str]:
    return {row[0] for row in _rows(source) if row[0].startswith(POISON)}


def rejected_keys(results: Path) -> set[str]:
    with results.open(encoding="utf-8", newline="") as stream:
        return {line["key"] for line in csv.DictReader(stream) if line["outcome"] == "rejected"}


def _rows(source: Path) -> Iterable[list[str]]:
    with source.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        next(reader)
        yield from reader


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what bad records and an outage do.")
    parser.add_argument("--rows", type=int, default=30_000, help="of each file with poisoned rows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("poison", "outage"))
    parser.add_argument("--outage-seconds", type=float, default=180.0)
    parser.add_argument("--outage-after", type=float, default=15.0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"poison: {failure}")
