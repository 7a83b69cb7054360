"""The whole way on a live portal: look, try a hundred, run, verify, take it back; killed on the way.

    python -m benchmarks.check_to_undo --rows 100000 --kills 10

Makes a file and an account that holds six contacts of ten in it, on the mock server as a production account,
in which a workflow sets one value of every fiftieth contact that is upserted. Demands: `preview` says what
the run then does; the canary names the workflow; `verify` finds what it changed, nothing else; after `undo`
the account is as before, but for what the workflow touched, which is listed. The last part runs the same file
again with --restart --skip-unchanged: reads only.
"""

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.support.processes import Failed, Server, Table, environment, workplace

WORKFLOW, PROPERTY, ROUTED = "Lead routing", "city", "Routed"
SCENARIO = f"""
[account]
account_type = "STANDARD"
[[others]]
who = "workflow"
name = "{WORKFLOW}"
property = "{PROPERTY}"
value = "{ROUTED}"
keys = [{{}}]
"""
_NAMES = ("email", "firstname", "lastname", PROPERTY)


class Workplace:
    """Commands of one user in one folder."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "uploader", *words, "--base-url", self.server.url]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def run(self, *words: str) -> tuple[int, dict[str, Any], str]:
        """The exit code, what `--json` printed, and the messages."""
        process = self.start(*words, "--json")
        out, messages = process.communicate(timeout=3_600)
        return process.returncode, json.loads(out) if out.strip() else {}, messages

    def run_killed(self, kills: int, requests: int, *words: str) -> tuple[int, dict[str, Any], int]:
        """The same, killed so many times; `requests` is about what all of it takes. How often it was, too."""
        struck, rng = 0, random.Random(kills)
        for _ in range(kills):
            process = self.start(*words)
            until = self.server.stats()["requests"] + max(
                8, round(requests / (kills + 1) * rng.uniform(0.5, 1.2))
            )
            while process.poll() is None and self.server.stats()["requests"] < until:
                time.sleep(0.01)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                struck += 1
            process.communicate()
            self.server.wait_until_quiet()
        code, summary, _ = self.run(*words)
        return code, summary, struck

    def contacts(self) -> dict[str, dict[str, str]]:
        """What the account holds, by id, less what is archived and what is blank."""
        with urllib.request.urlopen(self.server.contacts_url(), timeout=60) as reply:
            lines = [json.loads(line) for line in reply]
        return {
            one["id"]: {name: text for name, text in one["properties"].items() if text}
            for one in lines
            if not one["archived"]
        }

    def seed(self, contacts: list[dict[str, Any]]) -> None:
        body = json.dumps({"contacts": contacts}).encode()
        request = urllib.request.Request(f"{self.server.url}/_mock/reset", body, method="POST")
        urllib.request.urlopen(request, timeout=60).close()


def make(path: Path, rows: int) -> list[dict[str, Any]]:
    """The file; the contacts that are there before come back."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_NAMES)
        lines.writerows(
            (f"c{i}@example.com", f"First {i}", f"Last {i}", f"City {i % 90}") for i in range(rows)
        )
    return [{"properties": _before(i)} for i in range(rows) if i % 10 < 6]


def _followed(rows: int) -> frozenset[str]:
    """Keys of the contacts in which the workflow sets a value."""
    return frozenset(f"c{i}@example.com" for i in range(7, rows, 50))


def _before(number: int) -> dict[str, str]:
    """A third of them are as the file has them, the others hold something else, or nothing."""
    kind = number % 3
    if kind == 0:
        values = (f"First {number}", f"Last {number}", f"City {number % 90}")
    else:
        values = ("Old", "", "Oldtown") if kind == 1 else ("", "Older", "")
    named = dict(zip(_NAMES[1:], values, strict=True))
    return {"email": f"c{number}@example.com", **{name: text for name, text in named.items() if text}}


def go(workplace: Workplace, options: argparse.Namespace, table: Table) -> None:
    source = "contacts.csv"
    seeded = make(workplace.folder / source, options.rows)
    workplace.seed(seeded)
    before = workplace.contacts()
    table.add("rows; contacts there before", f"{options.rows:,}; {len(before):,}")
    fast = ("--rate", options.rate)
    code, _, messages = workplace.run("check", source, *fast)
    table.demand("check: exit code (1: something deserves attention)", code, met=code in {0, 1})
    code, seen, messages = workplace.run("preview", source, *fast)
    table.demand("preview: exit code", code, met=code == 0)
    table.demand("the account after preview is as before", "yes", met=workplace.contacts() == before)
    upload = ("upload", source, "--snapshot", "--portal", options.portal, *fast)
    code, _, messages = workplace.run(*upload, "--portal", "1")
    table.demand(
        "another --portal: exit code, requests that wrote",
        code,
        met=code == 2 and workplace.contacts() == before,
    )
    code, _, messages = workplace.run(*upload, "--canary-wait", "1")
    named = WORKFLOW in messages and PROPERTY in messages
    table.demand("canary: exit code", code, met=code == 3)
    table.demand("canary: the workflow is named", "yes" if named else messages[-300:], met=named)
    code, _, _ = workplace.run(*upload, "--canary-wait", "1")
    table.demand("the same again without approval: exit code", code, met=code == 3)
    batches = -(-options.rows // 100)
    began = time.monotonic()
    code, done, struck = workplace.run_killed(options.kills, 2 * batches, *upload, "--approve-canary")
    table.add("run: seconds; killed", f"{time.monotonic() - began:.1f}; {struck}")
    table.demand("run: exit code", code, met=code == 0)
    foreseen = {name: seen.get(name) for name in ("created", "updated", "unchanged", "invalid", "skipped")}
    written = {name: done[name] for name in foreseen}
    replayed = done["replayed"]
    written["created"], written["updated"] = _without_replays(foreseen, written, replayed)
    table.demand(f"preview = run ({replayed:,} replayed)", str(written), met=written == foreseen)
    held = workplace.contacts()
    touched = {one for one, properties in held.items() if properties.get(PROPERTY) == ROUTED}
    code, found, _ = workplace.run("verify", f"{source}.checkpoint", *fast)
    table.demand(
        "verify: differs; the workflow changed",
        f"{found['differs']:,}; {len(touched):,}",
        met=found["differs"] == len(touched) and found["missing"] == 0,
    )
    began = time.monotonic()
    undo = ("undo", f"{source}.checkpoint", "--yes", *fast)
    code, undone, struck = workplace.run_killed(options.kills, 3 * batches, *undo)
    table.add("undo: seconds; killed", f"{time.monotonic() - began:.1f}; {struck}")
    table.add(
        "undo", str({name: undone[name] for name in ("archived", "restored", "as_before", "kept", "failed")})
    )
    after = workplace.contacts()
    differ = {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)}
    # A row that is sent again after a kill replaces the workflow's value: touched, though it no longer shows.
    keys = _followed(options.rows)
    followed = {one for one, properties in held.items() if properties["email"] in keys}
    table.demand("contacts that are not as before", len(differ), met=differ <= followed)
    with (workplace.folder / f"{source}.kept.csv").open(encoding="utf-8", newline="") as file:
        listed = {line["hubspot_id"] for line in csv.DictReader(file)}
    table.demand("of these, listed", len(differ & listed), met=differ <= listed)


def _without_replays(foreseen: dict[str, Any], written: dict[str, int], replayed: int) -> tuple[int, int]:
    """What was created by a sending whose answer was lost counts as updated, and as replayed."""
    moved = min(replayed, max(0, (foreseen["created"] or 0) - written["created"]))
    return written["created"] + moved, written["updated"] - moved


def go_again(workplace: Workplace, options: argparse.Namespace, table: Table) -> None:
    """The same file twice into an account in which nobody meddles."""
    source = "contacts.csv"
    make(workplace.folder / source, options.rows)
    upload = ("upload", source, "--yes", "--rate", options.rate)
    code, _, _ = workplace.run(*upload)
    before, log = workplace.contacts(), len(workplace.server.log())
    code, done, _ = workplace.run(*upload, "--restart", "--skip-unchanged")
    wrote = sum(seen.is_upsert for seen in workplace.server.log()[log:])
    table.demand(
        "again with --skip-unchanged: exit code, unchanged, upserts",
        f"{code}, {done['unchanged']:,}, {wrote}",
        met=(code, done["unchanged"], wrote) == (0, options.rows, 0) and workplace.contacts() == before,
    )


def main() -> int:
    options = parse()
    table = Table("the whole way")
    with workplace(options.keep) as folder:
        scenario = folder / "scenario.toml"
        keys = ", ".join(f'"{key}"' for key in sorted(_followed(options.rows)))
        scenario.write_text(SCENARIO.format(keys), encoding="utf-8")
        quota = ["--quota", "100000/1", "--latency", str(options.latency)]
        for name, part, more in (
            ("live", go, ["--scenario", str(scenario)]),
            ("again", go_again, []),
        ):
            place = folder / name
            place.mkdir(exist_ok=True)
            try:
                with Server([*quota, *more], folder / "server.log") as server:
                    part(Workplace(place, server), options, table)
            except Failed as error:
                table.demand(name, error, met=False)
    print(table)
    return int(table.failures > 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="See it, try it, run it, take it back.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10, help="In the run, and as many in the undo.")
    parser.add_argument("--rate", default="100/1")
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--portal", default="44237313", help="The mock account's own.")
    parser.add_argument("--keep", type=Path, help="Leave the files here.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
