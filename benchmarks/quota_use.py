"""Whether the quota is kept to and used up, against a mock server that counts every window exactly.

Lives here: two runs of a minute, one of them killed and resumed half-way, and what the server's log says.

    python -m benchmarks.quota_use
    python -m benchmarks.quota_use --quota 100/10 --latency 1 --seconds 60

Demands: no 429 in either run; of the first, at least 98 % of the quota used, measured as requests accepted
after the first window / (quota x time). What a kill costs is printed, not judged.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from benchmarks.support.make_contacts import make
from benchmarks.support.processes import Client, Failed, Server, Table, forget, wait_for, workplace
from benchmarks.support.quota_figures import Quota, longest_pause, parse_quota, share_used

LEAST_SHARE = 0.98
BATCH = 100


def main() -> int:
    options = parse()
    quota = parse_quota(options.quota)
    tables = []
    with workplace(options.keep) as folder:
        source = folder / "contacts.csv"
        # More than the quota lets through: the run is stopped, not finished.
        rows = int((options.seconds / quota.window_seconds + 3) * quota.requests * BATCH)
        make(source, rows, options.seed)
        for is_killed in (False, True):
            forget(source)
            with Server(
                ["--quota", options.quota, "--latency", str(options.latency)], folder / "server.log"
            ) as server:
                run(source, server, options, is_killed=is_killed)
                tables.append(report(server, options, quota, is_killed=is_killed))
    for table in tables:
        print(table)
    return 1 if any(table.failures for table in tables) else 0


def run(source: Path, server: Server, options: argparse.Namespace, *, is_killed: bool) -> None:
    arguments = ["--rate", options.rate] if options.rate else []
    client = Client(source, server.url, arguments, source.parent)
    began = time.monotonic()
    if is_killed:
        _let_run(client, began + options.seconds / 2)
        client.send(signal.SIGKILL)
        client.wait(60)
        client = Client(source, server.url, arguments, source.parent)
    _let_run(client, began + options.seconds)
    client.send(signal.SIGINT)
    code = client.wait(60)
    if code != 128 + signal.SIGINT:
        raise Failed(f"the uploader ended with {code}, expected 130; see {source.parent}")


def _let_run(client: Client, until: float) -> None:
    if not wait_for(client, lambda: time.monotonic() >= until, "the run"):
        raise Failed("the uploader ended before its time")


def report(server: Server, options: argparse.Namespace, quota: Quota, *, is_killed: bool) -> Table:
    server.wait_until_quiet()
    stats, log = server.stats(), server.log()
    share, counted, seconds = share_used(log, quota)
    throttled = sum(seen.was_refused for seen in log)
    how = "killed and resumed half-way" if is_killed else "undisturbed"
    table = Table(f"{options.seconds:g} s at {options.quota}, latency {options.latency:g} s, {how}")
    table.add("requests at the server", f"{stats['requests']:,} ({stats['by_status']})")
    table.demand("answered 429", throttled, met=throttled == 0)
    table.demand(
        "most accepted in any window", stats["most_in_window"], met=stats["most_in_window"] <= quota.requests
    )
    table.add("most in flight", stats["most_in_flight"])
    table.add("accepted after the first window", f"{counted:,} in {seconds:.1f} s")
    if is_killed:
        table.add("share of the quota used", f"{share:.2%}")
        table.add("longest pause between two requests, seconds", f"{longest_pause(log):.2f}")
    else:
        table.demand("share of the quota used", f"{share:.2%}", met=share >= LEAST_SHARE)
    return table


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how the quota is kept to and used up.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the two runs")
    parser.add_argument("--quota", default="190/10")
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--rate", help="of the uploader; left out, it learns the quota by itself")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"pacing: {failure}")
