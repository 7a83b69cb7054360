"""All of the quota and none of the 429s, trial by trial, in real processes over real sockets.

Lives here: what disturbs the pace (latency, jitter, a quota that changes, others on the token, a day that
ends, pauses), and what the server's log must show then.

    python -m benchmarks.quota_use_disturbed
    python -m benchmarks.quota_use_disturbed --only latency --seconds 60 --at-once 2
    python -m benchmarks.quota_use_disturbed --only "two, latency 3"

Trials that only wait run side by side, each with a server of its own. "Used" is accepted requests after the
first window / (quota x time).
"""

import argparse
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

from benchmarks.support import oracle
from benchmarks.support.make_contacts import make
from benchmarks.support.processes import (
    TOKEN,
    Client,
    Failed,
    Seen,
    Server,
    Table,
    status,
    wait_for,
    workplace,
)
from benchmarks.support.quota_figures import Quota, share_used

PRO = Quota(190, 10.0)
BATCH = 100
DAY_SECONDS = 45

Trial = Callable[[Path, argparse.Namespace], Table]


def main() -> int:
    options = parse()
    trials = {name: trial for name, trial in TRIALS.items() if name.startswith(options.only)}
    with workplace(options.keep) as folder, ThreadPoolExecutor(options.at_once) as pool:
        tables = list(pool.map(lambda one: _tried(*one, folder, options), trials.items()))
    for table in tables:
        print(table)
    return 1 if any(table.failures for table in tables) else 0


def _tried(name: str, trial: Trial, folder: Path, options: argparse.Namespace) -> Table:
    place = folder / name.replace(" ", "-").replace(",", "")
    place.mkdir(exist_ok=True)
    table = trial(place, options)
    print(f"done: {name}", file=sys.stderr, flush=True)
    return table


# --- alone ---


def latency(seconds: float, jitter: float, moment: str) -> Trial:
    """Two minutes at one latency, with and without jitter on the way. `moment`: see `_rules`."""

    def trial(folder: Path, options: argparse.Namespace) -> Table:
        with serving(folder, seconds, _rules(moment, jitter)) as server:
            client = start(folder, server, options.seconds)
            let_run(client, client.started + options.seconds)
            interrupt(client)
            log = settled_log(server)
        table = Table(
            f"190/10, latency {seconds:g} s, jitter {jitter * 1000:g} ms, Remaining at the {moment}, "
            f"{options.seconds:g} s"
        )
        share, _, _ = share_used(log, PRO)
        refused = sum(seen.was_refused for seen in log)
        table.demand("used", f"{share:.2%}", met=share >= (0.98 if jitter else 0.99))
        limit = len(log) / 1_000 if jitter else 0
        table.demand("refused", f"{refused} of {len(log):,}", met=refused <= limit)
        return table

    return trial


def changes(folder: Path, options: argparse.Namespace) -> Table:
    """The quota changes in the middle: 190, then 100, then 250."""
    part = max(40.0, options.seconds / 2)
    with serving(folder, 0.3) as server:
        client = start(folder, server, part * 3, per_second=25)
        steps = []
        for text in ("100/10", "250/10", ""):
            let_run(client, time.monotonic() + part)
            steps.append(settled_at(server))
            if text:
                server.change_quota(text)
        interrupt(client)
        log = settled_log(server)
    table = Table(f"the quota changes, 190 -> 100 -> 250, {part:g} s each")
    refused = sum(seen.was_refused for seen in log)
    table.demand("refused", refused, met=refused <= 5)
    for requests, (begin, end) in zip((100, 250), pairwise(steps), strict=True):
        share = used(log, Quota(requests, 10.0), begin + 20, end)
        table.demand(f"used of {requests}/10 after two windows", f"{share:.2%}", met=share >= 0.98)
    return table


# --- with others ---


def two(seconds: float, moment: str) -> Trial:
    """Two uploaders on one token. The longer an answer takes, the longer they take to come to terms."""

    def trial(folder: Path, options: argparse.Namespace) -> Table:
        measured = options.seconds
        before = measured * (1 if seconds < 1 else 3)
        with serving(folder, seconds, _rules(moment)) as server:
            places = [folder / name for name in ("one", "other")]
            clients = []
            for place in places:
                place.mkdir(exist_ok=True)
                clients.append(start(place, server, before + measured))
            let_run(clients[0], clients[0].started + before)
            begin, early = settled_at(server), [sent(place) for place in places]
            let_run(clients[0], clients[0].started + before + measured)
            end, late = settled_at(server), [sent(place) for place in places]
            for client in clients:
                interrupt(client)
            log = settled_log(server)
        table = Table(
            f"two on one token, latency {seconds:g} s, Remaining at the {moment}, "
            f"the last {measured:g} s of {before + measured:g}"
        )
        share = used(log, PRO, begin, end)
        table.demand("used together", f"{share:.2%}", met=share >= 0.99)
        refused = [seen.at for seen in log if seen.was_refused]
        count = sum(begin < at <= end for at in refused)
        table.demand("refused", f"{count}; {len(refused) - count} before", met=count == 0)
        parts = [after - already for already, after in zip(early, late, strict=True)]
        ours = parts[0] / max(1, sum(parts))
        table.demand("share of each", f"{ours:.1%}, {1 - ours:.1%}", met=0.35 <= ours <= 0.65)
        return table

    return trial


def foreign(seconds: float, moment: str) -> Trial:
    """A client with a pace of its own, 50 requests in 10 seconds, which yields to nobody."""

    def trial(folder: Path, options: argparse.Namespace) -> Table:
        half = options.seconds
        with serving(folder, seconds, _rules(moment)) as server:
            client = start(folder, server, half * 2)
            over = Event()
            other = Thread(target=_steadily, args=(server.url, 0.2, over), daemon=True)
            other.start()
            let_run(client, client.started + half)
            begin = settled_at(server)
            let_run(client, client.started + 2 * half)
            end = settled_at(server)
            over.set()
            interrupt(client)
            other.join(30)
            log = settled_log(server)
        table = Table(
            f"beside a client of 50/10, latency {seconds:g} s, Remaining at the {moment}, "
            f"the second {half:g} s of {2 * half:g}"
        )
        share = used(log, PRO, begin, end)
        table.demand("used together", f"{share:.2%}", met=share >= 0.99)
        for whose, is_upsert in (("of its requests refused", False), ("of ours refused", True)):
            requests = [s for s in log if s.is_upsert == is_upsert and begin < s.at <= end]
            count = sum(seen.was_refused for seen in requests)
            table.demand(whose, f"{count} of {len(requests):,}", met=count == 0)
        return table

    return trial


def _steadily(url: str, every_seconds: float, over: Event) -> None:
    """On a schedule, not after the reply: a slow one holds nothing up."""
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        due += every_seconds
        Thread(target=_ask, args=(url,), daemon=True).start()


def _ask(url: str) -> None:
    asked = urllib.request.Request(
        f"{url}/account-info/v3/details", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    try:
        urllib.request.urlopen(asked, timeout=60).read()
    except urllib.error.HTTPError as error:
        error.close()


# --- pauses ---


def day(folder: Path, options: argparse.Namespace) -> Table:
    """A daily limit in the middle: waited out by one, stopped at by the other."""
    del options
    table = Table(f"a daily limit of 600 requests, in days of {DAY_SECONDS} s, for 1,000 requests")
    for how in ("wait", "stop"):
        place = folder / how
        place.mkdir(exist_ok=True)
        with serving(
            place, 0.1, account=f"day_seconds = {DAY_SECONDS}", arguments=("--daily-quota", "600")
        ) as server:
            make(place / "contacts.csv", 100_000, 1)
            time.sleep(DAY_SECONDS - time.time() % DAY_SECONDS + 1)  # early in a day: its quota will be spent
            client = start(place, server, 0, rows=0, arguments=("--on-long-pause", how))
            code = client.wait(300)
            if how == "stop":
                table.demand("stop: exit code", code, met=code == 75)
                while code == 75:
                    time.sleep(5)
                    client = start(place, server, 0, rows=0, arguments=("--on-long-pause", how))
                    code = client.wait(300)
            log_text = (place / "client.log").read_text(encoding="utf-8")
            named = [line for line in log_text.splitlines() if "used up after" in line or "until" in line]
            _, differences = oracle.compare(
                place / "contacts.csv",
                server.contacts_url(),
                client.summary(),
                place / "contacts.csv.results.csv",
                killed=False,
            )
        table.demand(f"{how}: exit code at the end", code, met=code == 1)
        table.demand(f"{how}: differences from the oracle", differences.count, met=differences.count == 0)
        table.demand(f"{how}: the forecast named it", " ".join(named[:2]) or "no", met=bool(named))
        table.add(f"{how}: answered 429", client.summary()["throttled"])
    return table


def pauses(folder: Path, options: argparse.Namespace) -> Table:
    """A 477 that asks for five seconds, and a storm of 423."""
    del options
    table = Table("shared pauses")
    for name, fault in PAUSES.items():
        place = folder / name
        place.mkdir(exist_ok=True)
        with serving(place, 0.3, faults=fault) as server:
            client = start(place, server, 0, rows=40_000, arguments=("--on-long-pause", "wait"))
            code = client.wait(300)
            summary = client.summary()
            gaps = [b.at - a.at for a, b in pairwise(server.log()) if b.at - a.at > 1.5]
            _, differences = oracle.compare(
                place / "contacts.csv",
                server.contacts_url(),
                summary,
                place / "contacts.csv.results.csv",
                killed=False,
            )
        table.demand(f"{name}: differences from the oracle", differences.count, met=differences.count == 0)
        table.demand(f"{name}: exit code", code, met=code == 1)
        pauses_told = sum(summary["pauses"].values())
        table.demand(
            f"{name}: pauses reported, gaps in the log",
            f"{pauses_told}, {len(gaps)} ({', '.join(f'{gap:.1f} s' for gap in gaps)})",
            met=pauses_told == len(gaps) and pauses_told >= 1,
        )
    return table


PAUSES = {
    "477": 'kind = "status"\nstatus = 477\nretry_after_seconds = 5\nfrom_seconds = 5\nuntil_seconds = 6',
    "423": 'kind = "status"\nstatus = 423\nfrom_seconds = 5\nuntil_seconds = 6',
}


# --- what the trials have in common ---


def serving(
    folder: Path,
    latency_seconds: float,
    rules: str = "",
    *,
    account: str = "",
    faults: str = "",
    arguments: Sequence[str] = (),
) -> Server:
    scenario = folder / "scenario.toml"
    parts = [("[rules]", rules), ("[account]", account), ("[[faults]]", faults)]
    scenario.write_text("\n".join(f"{head}\n{body}" for head, body in parts if body), encoding="utf-8")
    given = ["--quota", "190/10", "--latency", str(latency_seconds), "--scenario", str(scenario), *arguments]
    return Server(given, folder / "server.log")


def start(
    folder: Path,
    server: Server,
    seconds: float,
    *,
    per_second: float = 19.0,
    rows: int | None = None,
    arguments: Sequence[str] = (),
) -> Client:
    """On a file that lasts for longer than `seconds`, or of so many `rows` (0: the one that is there)."""
    source = folder / "contacts.csv"
    if rows != 0:
        make(source, rows or int((seconds + 40) * per_second * BATCH), 1)
    return Client(source, server.url, arguments, folder)


def let_run(client: Client, until: float) -> None:
    if not wait_for(client, lambda: time.monotonic() >= until, "the run"):
        raise Failed("the uploader ended before its time")


def interrupt(client: Client) -> None:
    client.send(signal.SIGINT)
    code = client.wait(60)
    if code != 128 + signal.SIGINT:
        raise Failed(f"the uploader ended with {code}, expected 130")


def settled_log(server: Server) -> list[Seen]:
    server.wait_until_quiet()
    return server.log()


def settled_at(server: Server) -> float:
    """Now, by the clock of the server's log."""
    return server.log()[-1].at


def sent(folder: Path) -> int:
    settled: int = status(folder / "contacts.csv")["rows"] - status(folder / "contacts.csv")["open"]
    return settled


def used(log: Sequence[Seen], quota: Quota, begin: float, end: float) -> float:
    counted = sum(begin < seen.at <= end and not seen.was_refused for seen in log)
    return counted / (quota.per_second * (end - begin))


def _rules(moment: str, jitter: float = 0.0) -> str:
    """The mock server's. `moment`: when it computes `Remaining`, at the arrival or at the answer."""
    return f'arrival_jitter_seconds = {jitter}\nremaining_at = "{moment}"'


def _grid() -> Iterator[tuple[str, Trial]]:
    for moment, many in (("arrival", (0.05, 0.3, 1.0, 3.0)), ("answer", (0.3, 3.0))):
        for jitter in (0.0, 0.04):
            for seconds in many:
                yield f"latency {seconds:g}, jitter {jitter:g}, {moment}", latency(seconds, jitter, moment)
    for moment in ("arrival", "answer"):
        for seconds in (0.3, 3.0):
            yield f"two, latency {seconds:g}, {moment}", two(seconds, moment)
            yield f"foreign, latency {seconds:g}, {moment}", foreign(seconds, moment)


TRIALS: dict[str, Trial] = {
    **dict(_grid()),
    "changes": changes,
    "day": day,
    "pauses": pauses,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how the quota is used, whatever disturbs it.")
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="of a trial, or of what is measured of one"
    )
    parser.add_argument("--only", default="", help=f"those that begin so: {'; '.join(TRIALS)}")
    parser.add_argument("--at-once", type=int, default=3, help="trials side by side")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"window: {failure}")
