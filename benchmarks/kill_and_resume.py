"""The whole migration, killed or interrupted on the way as often as asked, and every figure checked.

Lives here: when the uploader is struck, what a strike may cost (invariant 4), and that the end is right all
the same. What "right" is stands in `oracle`.

    python -m benchmarks.kill_and_resume --rows 1000000 --kills 30 --seed 1 --compare
    python -m benchmarks.kill_and_resume --rows 1000000 --sigint

Kills are spread over the run by the number of records that have reached the server, at random moments within
each part; one in ten comes while the uploader is still starting. `--compare` also runs the file undisturbed.
"""

import argparse
import shlex
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.support import oracle
from benchmarks.support.make_contacts import make
from benchmarks.support.processes import (
    Client,
    Failed,
    Seen,
    Server,
    Table,
    forget,
    settled_by_server,
    status,
    wait_for,
    workplace,
)

#: Seconds of work that may be settled and not yet committed.
COMMIT_SECONDS = 0.5
BATCH = 100
#: What a signal may take that does not wait for replies.
AT_ONCE_SECONDS = 3.0
STARTING_SECONDS = 1.5  # from the start of a process to its first batch, about


@dataclass(slots=True)
class Kill:
    """When to strike."""

    records: int  #: once so many different records have reached the server
    then_seconds: float
    start_seconds: float | None  #: or so long after the start of the process, whatever it does


@dataclass(slots=True)
class Strike:
    """What one kill cost."""

    lost: int  #: records answered and not committed: they are sent again
    bound: int  #: what invariant 4 allows
    reach_seconds: float  #: how far back before the kill the first of them arrived
    rows: int  #: settled by then

    def __str__(self) -> str:
        back = f"the first of them {self.reach_seconds:.2f} s before"
        return f"{self.rows:,} rows settled, {self.lost:,} lost ({self.bound:,} allowed), {back}"


@dataclass(slots=True)
class Run:
    """One job, over all its processes."""

    strikes: list[Strike] = field(default_factory=list)
    peak_kilobytes: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    processes: int = 0
    code: int = -1
    summary: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    log: list[Seen] = field(default_factory=list)
    differences: oracle.Differences = field(default_factory=oracle.Differences)

    @property
    def lost(self) -> int:
        return sum(strike.lost for strike in self.strikes)

    @property
    def answered(self) -> int:
        return answered(self.log)

    def add(self, client: Client) -> None:
        self.processes += 1
        self.peak_kilobytes = max(self.peak_kilobytes, client.peak_kilobytes)
        self.cpu_seconds += client.cpu_seconds


class Job:
    """One file, one server: processes are started on it until it is done."""

    def __init__(self, source: Path, server: Server, options: argparse.Namespace) -> None:
        self.source = source
        self.server = server
        self.run = Run()
        self._arguments = ["--rate", options.rate, *shlex.split(options.upload_args)]
        self._began = time.monotonic()

    def start(self) -> Client:
        return Client(self.source, self.server.url, self._arguments, self.source.parent)

    def arrived(self) -> int:
        """Different records that have reached the server, as far as is known."""
        return self.server.received() - self.run.lost

    def kill(self, kill: Kill) -> bool:
        """Start, strike at the moment, and see what it cost; False where the job was done before."""
        client = self.start()
        if not self._await(client, kill):
            self.finish(client)
            return False
        # In flight as the client counts it, queued in sockets, can't be seen here: the most counts.
        in_flight = self.server.stats()["most_in_flight"]
        client.send(signal.SIGKILL)
        client.wait(60)
        self.run.add(client)
        self.server.wait_until_quiet()
        self._assess(in_flight)
        return True

    def _await(self, client: Client, kill: Kill) -> bool:
        if kill.start_seconds is not None:
            due = client.started + kill.start_seconds
            return wait_for(client, lambda: time.monotonic() >= due, "the time to kill")
        before = self.server.received()
        if not wait_for(
            client,
            lambda: self.server.received() > before and self.arrived() >= kill.records,
            f"{kill.records:,} records",
        ):
            return False
        due = time.monotonic() + kill.then_seconds
        return wait_for(client, lambda: time.monotonic() >= due, "the time to kill")

    def _assess(self, in_flight: int) -> None:
        """What was answered and is not committed; invariant 4 limits it."""
        run, log = self.run, self.server.log()
        tallies = self.tallies()
        lost = answered(log) - run.lost - settled_by_server(tallies)
        upserts = [seen for seen in log if seen.is_upsert]
        last = upserts[-1].at if upserts else 0.0
        recent = sum(seen.inputs for seen in upserts if seen.at >= last - COMMIT_SECONDS)
        strike = Strike(
            lost, recent + in_flight * BATCH, reach(upserts, lost), tallies["rows"] - tallies["open"]
        )
        run.strikes.append(strike)

    def tallies(self) -> dict[str, Any]:
        """The last commit. Its sums have to add up, whenever the kill came."""
        if not Path(f"{self.source}.checkpoint").exists():
            return dict.fromkeys(("rows", *oracle.PARTS), 0)
        tallies = status(self.source)
        oracle.check_sums(tallies, self.run.differences)
        return tallies

    def finish(self, client: Client) -> Run:
        run = self.run
        run.code = client.wait()
        run.add(client)
        run.wall_seconds = time.monotonic() - self._began
        run.summary = client.summary()
        run.stats = self.server.stats()
        run.log = self.server.log()
        return run

    def run_again(self) -> tuple[int, int]:
        """Of a finished job: the exit code, and how many requests that took."""
        before = self.server.stats()["requests"]
        client = self.start()
        code = client.wait(60)
        return code, self.server.stats()["requests"] - before


def answered(log: Sequence[Seen]) -> int:
    return sum(seen.inputs for seen in log if seen.was_answered)


def reach(upserts: Sequence[Seen], lost: int) -> float:
    """How long before the last arrival the first of the last `lost` records arrived."""
    for seen in reversed(upserts):
        if lost <= 0:
            break
        lost -= seen.inputs if seen.was_answered else 0
        if lost <= 0:
            return upserts[-1].at - seen.at
    return 0.0


def plan(kills: int, sendable: int, seed: int) -> list[Kill]:
    random = Random(f"kills {seed}")
    part = sendable / max(1, kills)
    planned = []
    for number in range(kills):
        records = int((number + random.random() * 0.95) * part)
        then, start = random.random() * 0.3, random.random() * STARTING_SECONDS
        planned.append(Kill(records, then, start if number % 10 == 9 else None))
    return planned


# --- the trials ---


def undisturbed(source: Path, options: argparse.Namespace) -> Run:
    forget(source)
    with start_server(options, source.parent) as server:
        job = Job(source, server, options)
        run = job.finish(job.start())
        judge(job, killed=bool(options.scenario))
    return run


def killed(source: Path, options: argparse.Namespace, kills: Sequence[Kill]) -> tuple[Run, tuple[int, int]]:
    forget(source)
    with start_server(options, source.parent) as server:
        job = Job(source, server, options)
        for number, kill in enumerate(kills, start=1):
            if not job.kill(kill):
                break
            print(f"  kill {number}: {job.run.strikes[-1]}", flush=True)
        else:
            job.finish(job.start())
        judge(job, killed=True)
        again = job.run_again()
    return job.run, again


def interrupted(
    source: Path, options: argparse.Namespace, sendable: int, *, twice: bool
) -> tuple[Run, Table]:
    """SIGINT three times on the way, the server slow to answer at the second; `twice`: each sent twice."""
    table = Table(f"SIGINT{', and again at once' if twice else ''}")
    forget(source)
    with start_server(options, source.parent) as server:
        job = Job(source, server, options)
        for share, slow_seconds in ((0.2, 0.0), (0.45, 4.0), (0.7, 0.0)):
            _interrupt(job, int(share * sendable), slow_seconds, table, twice=twice)
        job.finish(job.start())
        judge(job, killed=twice)
    return job.run, table


def _interrupt(job: Job, records: int, slow_seconds: float, table: Table, *, twice: bool) -> None:
    client, server = job.start(), job.server
    before = server.received()
    if not wait_for(
        client, lambda: server.received() > before and job.arrived() >= records, f"{records:,} records"
    ):
        raise Failed(f"the uploader ended before {records:,} records; see {job.source.parent}")
    if slow_seconds:
        server.misbehave({"kind": "delay", "seconds": slow_seconds})
        time.sleep(slow_seconds / 4)  # so that slow requests are in flight
    in_flight = server.stats()["in_flight"]
    asked = time.monotonic()
    client.send(signal.SIGINT)
    if twice:
        time.sleep(0.05)
        client.send(signal.SIGINT)
    code = client.wait(60)
    took = time.monotonic() - asked
    job.run.add(client)
    server.wait_until_quiet()
    if slow_seconds:
        server.misbehave()
    tallies = job.tallies()
    lost = answered(server.log()) - job.run.lost - settled_by_server(tallies)
    name = f"at {records:,} records{f', replies take {slow_seconds:g} s' if slow_seconds else ''}"
    limit = AT_ONCE_SECONDS if twice or not slow_seconds else slow_seconds + AT_ONCE_SECONDS
    table.demand(f"{name}: exit code", code, met=code == 130)
    table.demand(f"{name}: seconds to stop", f"{took:.2f}", met=took < limit)
    table.demand(
        f"{name}: rows open", tallies["open"], met=tallies["state"] == "stopped" and tallies["open"] > 0
    )
    allowed = (in_flight + 1) * BATCH if twice else 0
    table.demand(f"{name}: records to be sent again", lost, met=0 <= lost <= allowed)
    job.run.strikes.append(Strike(lost, 0, 0.0, tallies["rows"] - tallies["open"]))


def start_server(options: argparse.Namespace, folder: Path) -> Server:
    arguments = shlex.split(options.server_args)
    if options.scenario:
        arguments += ["--scenario", str(options.scenario)]
    return Server(["--seed", str(options.seed), *arguments], folder / "server.log")


def judge(job: Job, *, killed: bool) -> None:
    """Compare everything with the oracle, while the server still holds the contacts."""
    results = Path(f"{job.source}.results.csv")
    _, differences = oracle.compare(
        job.source, job.server.contacts_url(), job.run.summary, results, killed=killed
    )
    differences.shown = job.run.differences.shown + differences.shown
    differences.count += job.run.differences.count
    job.run.differences = differences


# --- what is printed ---


def report(run: Run, expected: oracle.Expected, title: str) -> Table:
    table, summary = Table(title), run.summary
    names = ("rows", *oracle.PARTS, "replayed", "requests", "retries", "throttled")
    table.add("summary", ", ".join(f"{summary[name]:,} {name}" for name in names if summary[name]))
    table.add("wall seconds", f"{run.wall_seconds:.1f}")
    table.add("rows a second", f"{expected.rows / run.wall_seconds:,.0f}")
    table.add("uploader CPU seconds", f"{run.cpu_seconds:.1f}")
    table.add("uploader peak memory, MB", f"{run.peak_kilobytes / 1024:.1f}")
    table.add("requests at the server", f"{run.stats['requests']:,} ({run.stats['by_status']})")
    table.add("requests that carried records, per 100 of those", f"{requests_per_batch(run, expected):.2f}")
    table.add("most requests in flight", run.stats["most_in_flight"])
    table.add("rows that had to be sent", expected.sendable)
    table.add("records received", run.stats["records_received"])
    table.add("of these, in requests answered 5xx, 4xx or not at all", received_in_vain(run))
    wanted = 1 if expected.rows > expected.confirmed else 0
    table.demand("exit code", run.code, met=run.code == wanted)
    table.demand("differences from the oracle", run.differences.count, met=run.differences.count == 0)
    return table


def requests_per_batch(run: Run, expected: oracle.Expected) -> float:
    """1 where every row leaves once, in full batches."""
    return sum(seen.is_upsert for seen in run.log) * BATCH / expected.sendable


def received_in_vain(run: Run) -> int:
    return sum(seen.inputs for seen in run.log if seen.is_upsert and not seen.was_answered)


def report_kills(
    table: Table, run: Run, expected: oracle.Expected, again: tuple[int, int], *, strict: bool
) -> None:
    strikes = run.strikes
    resent = run.answered - expected.sendable
    table.add("kills", len(strikes))
    if strikes:
        costs = [strike.lost for strike in strikes]
        reaches = [strike.reach_seconds for strike in strikes]
        over = sum(strike.lost > strike.bound for strike in strikes)
        records = f"{statistics.median(costs):,.0f} / {max(costs):,}"
        seconds = f"{statistics.median(reaches):.2f} / {max(reaches):.2f}"
        table.add("records lost by a kill, median / most", records)
        table.add("seconds since their arrival, median / most", seconds)
        table.demand("kills that cost more than invariant 4 allows", over, met=over == 0)
        table.demand("kills with fewer than no records lost", sum(c < 0 for c in costs), met=min(costs) >= 0)
    met = resent == run.lost or not strict
    short = expected.count(oracle.Expectation.FIRST) - run.summary["created"]
    table.add("created short by, called replayed", f"{short:,}, {run.summary['replayed']:,}")
    table.demand("records sent more than once = lost by kills", f"{resent:,} = {run.lost:,}", met=met)
    table.demand("run again: exit code, requests", again, met=again == (run.code, 0))


def compare_runs(table: Table, one: Run, other: Run) -> None:
    def figures(run: Run) -> tuple[int, ...]:
        summary = run.summary
        return (summary["created"] + summary["updated"], summary["rejected"], summary["invalid"])

    same = figures(one) == figures(other)
    table.demand("created + updated, rejected, invalid as undisturbed", figures(one), met=same)


def main() -> int:
    options = parse()
    tables: list[Table] = []
    runs: list[Run] = []
    with workplace(options.keep) as folder:
        source = folder / "contacts.csv"
        make(source, options.rows, options.seed)
        expected = oracle.expect(source)
        expected.contacts.clear()
        if options.sigint:
            for twice in (False, True):
                run, table = interrupted(source, options, expected.sendable, twice=twice)
                received, wanted = run.stats["records_received"], expected.sendable + run.lost
                table.demand("records received, needed", (received, wanted), met=received == wanted)
                tables += [table, report(run, expected, "... and the whole run")]
                runs.append(run)
        else:
            plain = undisturbed(source, options) if options.compare or not options.kills else None
            if plain:
                tables.append(report(plain, expected, f"{options.rows:,} rows, undisturbed"))
                runs.append(plain)
            if options.kills:
                kills = plan(options.kills, expected.sendable, options.seed)
                run, again = killed(source, options, kills)
                title = f"{options.rows:,} rows, killed {len(run.strikes)} times"
                tables.append(report(run, expected, title))
                report_kills(tables[-1], run, expected, again, strict=not options.scenario)
                runs.append(run)
                if plain:
                    compare_runs(tables[-1], run, plain)
    for run in runs:
        if run.differences.count:
            print(run.differences)
    for table in tables:
        print(table)
    return 1 if any(table.failures for table in tables) else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a migration, kill it on the way, check all figures.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--sigint", action="store_true", help="interrupt instead of killing")
    parser.add_argument("--compare", action="store_true", help="run the file undisturbed, too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", default="5000/1", help="of the uploader; more than it can reach")
    parser.add_argument("--upload-args", default="", metavar="ARGS", help="further options of the uploader")
    parser.add_argument("--server-args", default="--quota none --latency 0.02", metavar="ARGS")
    parser.add_argument("--scenario", type=Path, help="what the server does wrong")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"migration: {failure}")
