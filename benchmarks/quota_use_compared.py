"""What people's usual ways of pacing make of the quota, beside ours: how much they use, what is refused.

Lives here: the uploader and the three of `pacing_contenders`, one after the other over the same file, each on
a mock server of its own with a rolling window; the table, and what goes into the chart.

    python -m benchmarks.quota_use_compared
    python -m benchmarks.quota_use_compared --quick --markdown

Demands, of ours alone: at least 98 % of the quota used, at most 1 request in 1,000 refused. Every figure is
read off the server's log. Rates count from the end of the first window to the end of the time.
"""

import argparse
import importlib.util
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.make_contacts import make
from benchmarks.support.processes import (
    Client,
    Failed,
    Seen,
    Server,
    Table,
    aligned,
    forget,
    wait_for,
    workplace,
)
from benchmarks.support.quota_figures import Quota, each_second, most_sent, parse_quota, share_used
from benchmarks.support.requests_chart import Panel, draw

QUOTA = "190/10"  # what the contenders are made for
LEAST_SHARE = 0.98
MOST_REFUSED_PER_1000 = 1.0
BATCH = 100
MIGRATION_CONTACTS = 1_000_000
SECONDS, QUICK_SECONDS = 120.0, 30.0
CHART = Path(__file__).parent / "charts" / "pacing.svg"
HEADINGS = (
    "pacing",
    "quota used",
    "refused",
    "per 1,000",
    "most sent in a window",
    "contacts/s",
    "1,000,000 written in",
    "batches lost",
)

OURS = "uploader"
#: Name in `pacing_contenders` -> what people call it.
TITLES = {
    "asynclimiter": "AsyncLimiter(190, 10)",
    "official": "hubspot-api-client with Retry",
    "nine": "9 requests a second",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's time, as the server saw it, and what it gave up by its own word."""

    title: str
    log: Sequence[Seen]
    seconds: float
    quota: Quota
    lost: int  #: batches

    @property
    def share(self) -> float:
        return self._share_used()[0]

    @property
    def refused(self) -> int:
        return sum(seen.was_refused for seen in self.log)

    @property
    def refused_per_1000(self) -> float:
        return 1000 * self.refused / len(self.log)

    @property
    def contacts_per_second(self) -> float:
        begin, end = self.log[0].at + self.quota.window_seconds, self._end
        written = sum(seen.inputs for seen in self.log if seen.was_answered and begin < seen.at <= end)
        return written / self._share_used()[2]

    @property
    def lost_share(self) -> float:
        """Of the batches that were tried."""
        written = sum(seen.was_answered for seen in self.log)
        return self.lost / (written + self.lost)

    @property
    def _end(self) -> float:
        return self.log[0].at + self.seconds

    def _share_used(self) -> tuple[float, int, float]:
        return share_used(self.log, self.quota, self._end)


def main() -> int:
    options = parse()
    for module in ("hubspot", *(["matplotlib"] if options.chart else [])):
        if importlib.util.find_spec(module) is None:
            raise Failed(f"{module} is missing: install the extra `bench`")
    runs = run_all(options)
    print(as_markdown(runs) if options.markdown else as_text(runs))
    for run in runs:
        if run.lost:
            print(f"\n{_what_is_lost(run)}")
    demands = judge(runs[0])
    print(demands)
    if options.chart:
        draw(options.chart, [_panel(run) for run in runs], parse_quota(QUOTA))
    return 1 if demands.failures else 0


# --- the runs ---


def run_all(options: argparse.Namespace) -> list[Run]:
    quota = parse_quota(QUOTA)
    with workplace(options.keep) as folder:
        source = folder / "contacts.csv"
        # More than the quota lets through. Clean: a bad row is another question than the pace.
        rows = int((options.seconds / quota.window_seconds + 3) * quota.requests * BATCH)
        make(source, rows, options.seed, clean=True)
        runs = [_run(OURS, source, options, quota, _run_ours)]
        for name, title in TITLES.items():
            runs.append(_run(title, source, options, quota, _contender(name)))
    return runs


def _run(
    title: str,
    source: Path,
    options: argparse.Namespace,
    quota: Quota,
    load: Callable[[Path, Server, float], int],
) -> Run:
    forget(source)
    print(f"{title}: {options.seconds:g} s", file=sys.stderr)
    arguments = ["--quota", QUOTA, "--latency", str(options.latency)]
    with Server(arguments, source.parent / "server.log") as server:
        lost = load(source, server, options.seconds)
        server.wait_until_quiet()
        log = server.log()
        if len(log) != server.stats()["requests"]:
            raise Failed("the server's log has forgotten its beginning; try fewer --seconds")
    return Run(title, log, options.seconds, quota, lost)


def _run_ours(source: Path, server: Server, seconds: float) -> int:
    """Batches lost."""
    client = Client(source, server.url, [], source.parent)
    _go_on(client, lambda: server.stats()["requests"] > 0)
    end = time.monotonic() + seconds
    _go_on(client, lambda: time.monotonic() >= end)
    client.send(signal.SIGINT)
    code = client.wait(60)
    if code != 128 + signal.SIGINT:
        raise Failed(f"the uploader ended with {code}, expected 130; see {source.parent}")
    summary = client.summary()
    rows: int = summary["rejected"] + summary["abandoned"]
    return math.ceil(rows / BATCH)


def _go_on(client: Client, is_due: Callable[[], bool]) -> None:
    if not wait_for(client, is_due, "the uploader"):
        raise Failed("the uploader ended before its time")


def _contender(name: str) -> Callable[[Path, Server, float], int]:
    def load(source: Path, server: Server, seconds: float) -> int:
        counts = _counts_of(name, source, server.url, seconds)
        refused = server.stats()["throttled"]
        if counts["refused"] != refused:
            raise Failed(f"{name} counts {counts['refused']} refused requests, the server {refused}")
        return int(counts["lost"])

    return load


def _counts_of(name: str, source: Path, url: str, seconds: float) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.support.pacing_contenders",
        name,
        url,
        str(source),
        "--seconds",
    ]
    try:
        done = subprocess.run(
            [*command, str(seconds)], capture_output=True, text=True, timeout=seconds + 60, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{name} did not end in time") from None
    if done.returncode:
        raise Failed(f"{name} ended with {done.returncode}: {done.stderr[-600:]}")
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


# --- what is printed and drawn ---


def judge(ours: Run) -> Table:
    table = Table(f"{OURS}, {ours.seconds:g} s")
    table.demand("share of the quota used", f"{ours.share:.2%}", met=ours.share >= LEAST_SHARE)
    per_1000 = ours.refused_per_1000
    table.demand("refused per 1,000 requests", f"{per_1000:.2f}", met=per_1000 <= MOST_REFUSED_PER_1000)
    return table


def as_text(runs: Sequence[Run]) -> str:
    return aligned([HEADINGS, *map(_cells, runs)])


def as_markdown(runs: Sequence[Run]) -> str:
    rule = ("---", *("---:" for _ in HEADINGS[1:]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADINGS, rule, *map(_cells, runs)))


def _cells(run: Run) -> tuple[str, ...]:
    lost = f"{run.lost:,} ({run.lost_share:.0%})" if run.lost else "0"
    return (
        run.title,
        f"{run.share:.1%}",
        f"{run.refused:,}",
        f"{run.refused_per_1000:.1f}",
        f"{most_sent(run.log, run.quota.window_seconds):,}",
        f"{run.contacts_per_second:,.0f}",
        _duration(MIGRATION_CONTACTS / run.contacts_per_second),
        lost,
    )


def _what_is_lost(run: Run) -> str:
    through = MIGRATION_CONTACTS / (run.contacts_per_second / (1 - run.lost_share))
    missing = MIGRATION_CONTACTS * run.lost_share
    return (
        f"{run.title}: through a file of {MIGRATION_CONTACTS:,} in {_duration(through)}, "
        f"some {missing:,.0f} contacts of it never written"
    )


def _panel(run: Run) -> Panel:
    lost = " and lost" if run.lost else ""
    title = f"{run.refused:,} refused{lost}, {run.share:.1%} of the quota used"
    return Panel(run.title, title, list(each_second(run.log, math.ceil(run.seconds))))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare usual ways of pacing with ours.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each of the four")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS:g} s each")
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    charts = parser.add_mutually_exclusive_group()
    charts.add_argument("--chart", type=Path, metavar="SVG", help="there; --quick draws nowhere else")
    charts.add_argument("--no-chart", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    options = parser.parse_args()
    if options.quick:
        options.seconds = QUICK_SECONDS
    elif options.chart is None and not options.no_chart:
        options.chart = CHART
    return options


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"comparison: {failure}")
