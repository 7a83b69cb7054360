"""Signed in by OAuth with tokens of 20 seconds, through 423s, lost answers and SIGKILLs: nothing is lost.

Lives here: one long run whose refresh token is replaced by each refresh, and what server and files must show.

    python -m benchmarks.oauth_sign_in
    python -m benchmarks.oauth_sign_in --seconds 60 --kills 2
"""

import argparse
import json
import random
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.support import oracle
from benchmarks.support.make_contacts import make
from benchmarks.support.processes import Client, Failed, Server, Table, wait_for, workplace

LIFE_SECONDS, RENEWED_AFTER = 20, 0.75
SECRETS = {
    "client_id": "benchmark-app",
    "client_secret": "benchmark-client-secret",
    "refresh_token": "first-refresh",
}
#: What no file, no line and no command may hold.
UNTOLD = (b"benchmark-client-secret", b"first-refresh", b"mock-refresh-", b"mock-access-")
SCENARIO = f"""
[auth]
client_id = "benchmark-app"
client_secret = "benchmark-client-secret"
refresh_tokens = ["first-refresh"]
tokens = []
token_lifetime_seconds = {LIFE_SECONDS}
rotates_refresh_tokens = true

[[faults]]
kind = "status"
status = 423
rate = 0.02

[[faults]]
kind = "reset"
applied = true
rate = 0.01

[[faults]]
kind = "status"
status = 503
endpoint = "token"
rate = 0.1
"""


def main() -> int:
    options = parse()
    with workplace(options.keep) as folder:
        table = run(folder, options)
    print(table)
    return 1 if table.failures else 0


def run(folder: Path, options: argparse.Namespace) -> Table:
    source, app, scenario = folder / "contacts.csv", folder / "app.json", folder / "scenario.toml"
    make(source, options.seconds * 1_000, 7)
    app.write_text(json.dumps(SECRETS))
    app.chmod(0o600)
    scenario.write_text(SCENARIO)
    arguments = ["--quota", "100/10", "--scenario", str(scenario), "--latency", "0.2"]
    leaks: set[str] = set()
    with Server(arguments, folder / "server.log") as server:
        began = time.monotonic()
        rolls = random.Random(options.seed)
        for number in range(options.kills):
            client = upload(source, server, app, folder)
            due = began + options.seconds * (number + rolls.uniform(0.3, 0.9)) / (options.kills + 1)
            if wait_for(client, lambda due=due: time.monotonic() >= due, "the moment of a kill"):
                leaks |= seen_in_commands(client)
                client.send(signal.SIGKILL)
            client.wait()
        client = upload(source, server, app, folder)
        code = client.wait()
        seconds = time.monotonic() - began
        stats, summary = server.stats(), client.summary()
        _, differences = oracle.compare(
            source, server.contacts_url(), summary, Path(f"{source}.results.csv"), killed=True
        )
    leaks |= seen_in_files(folder, app)
    return report(stats, summary, differences, code=code, seconds=seconds, kills=options.kills, leaks=leaks)


def upload(source: Path, server: Server, app: Path, folder: Path) -> Client:
    return Client(source, server.url, ["--oauth-file", str(app), "--yes", "-v"], folder)


def seen_in_commands(client: Client) -> set[str]:
    line = Path(f"/proc/{client.pid}/cmdline").read_bytes()
    return {"a command line" for secret in UNTOLD if secret in line}


def seen_in_files(folder: Path, app: Path) -> set[str]:
    found = set()
    for path in folder.rglob("*"):
        # The app's own file is where they belong; the scenario and the server's log are the server's.
        if path.is_file() and path not in {app, folder / "scenario.toml", folder / "server.log"}:
            held = path.read_bytes()
            found |= {path.name for secret in UNTOLD if secret in held}
    return found


def report(stats, summary, differences, *, code, seconds, kills, leaks) -> Table:  # type: ignore[no-untyped-def]
    table = Table(f"OAuth, tokens of {LIFE_SECONDS} s, {seconds:.0f} s, {kills} kills")
    confirmed = summary["created"] + summary["updated"]
    figures = f"{summary['rows']:,}, {confirmed:,}"
    table.demand("rows, of them created or updated", figures, met=code in {0, 1})
    table.demand("differences from the oracle", differences.count, met=not differences.count)
    for text in differences.shown[:5]:
        table.add("", text)
    statuses = stats["by_status"]
    table.add("answers", json.dumps(statuses))
    table.demand("401s", statuses.get("401", 0), met=not statuses.get("401"))
    at = stats["token_refreshes"]
    due = LIFE_SECONDS * RENEWED_AFTER
    early = sum(later - earlier < due - 0.5 for earlier, later in pairwise(at))
    table.demand("access tokens issued", len(at), met=len(at) <= seconds / due + 1 + kills)
    table.demand("of them ahead of their time (each new process begins with one)", early, met=early <= kills)
    table.demand("where a secret was found", ", ".join(sorted(leaks)) or "nowhere", met=not leaks)
    return table


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sign in by OAuth, through faults and kills.")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(f"sign_in: {error}")
