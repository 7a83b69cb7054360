"""What `uploader check` costs, and that it finds exactly what was planted:
`python -m benchmarks.check_command`.

The file has eleven columns a row, among them dates, options, numbers and owners as other systems spell them.
Planted, far apart: 3 repeated keys, 12 addresses that are none, 5 rows without a key, 12 bad dates, 7 unknown
options, 2 unknown owners, and a column that HubSpot calculates. A second, smaller file has a column whose
dates fit both orders. The command runs in a process of its own against the mock server.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import environment

_COLUMNS = (
    "email,firstname,lastname,company,city,phone,tier,renewal_date,numemployees,hubspot_owner_id,num_notes"
)
_OWNERS = ("ann.lee@example.com", "Bob Stone", "c.miller@example.com", "Gone, Dora", "")
_BAD_DATES = ("31.02.2025", "2025-13-01", "soon", "00.00.0000")


@dataclass(frozen=True)
class Planted:
    """Indices of rows; of repeats with the first of the key."""

    repeats: dict[int, int]
    #: By category and column, as `check` reports them.
    faults: dict[tuple[str, str], list[int]]

    @property
    def invalid(self) -> list[int]:
        return sorted(index for indices in self.faults.values() for index in indices)


def planted(rows: int) -> Planted:
    def spread(first: int, count: int) -> list[int]:
        return [first + number * (rows // (count + 1)) for number in range(count)]

    faults = {
        ("EMAIL", "email"): spread(11, 12),
        ("KEY", "email"): spread(23, 5),
        ("DATE", "renewal_date"): spread(37, 12),
        ("OPTION", "tier"): spread(41, 7),
        ("OWNER", "hubspot_owner_id"): spread(53, 2),
    }
    return Planted({rows - 2: 1, rows // 2: 5, rows - 7: rows // 3}, faults)


def lines(rows: int) -> Iterator[str]:
    plants = planted(rows)
    keys = {index: f" C{first}@Example.COM" for index, first in plants.repeats.items()}
    keys |= {index: f"nobody{index}" for index in plants.faults["EMAIL", "email"]}
    keys |= dict.fromkeys(plants.faults["KEY", "email"], "")
    days = {i: _BAD_DATES[i % 4] for i in plants.faults["DATE", "renewal_date"]}
    tiers = dict.fromkeys(plants.faults["OPTION", "tier"], "platinum")
    owners = dict.fromkeys(plants.faults["OWNER", "hubspot_owner_id"], "nobody@example.com")
    yield _COLUMNS + "\n"
    for n in range(rows):
        key = keys.get(n, f"c{n}@example.com")
        tier = tiers.get(n, ("gold", "Silver", "BRONZE", "")[n % 4])
        day = days.get(n, f"{n % 28 + 1:02}.{n % 12 + 1:02}.20{n % 25 + 10}")
        owner = owners.get(n, _OWNERS[n % 5])
        owner = f'"{owner}"' if "," in owner else owner
        person = f"{key},First{n % 997},Last{n},Company {n % 5000},Berlin,+4930{n:08}"
        yield f"{person},{tier},{day},{n % 4000},{owner},\n"


def undecided(rows: int) -> Iterator[str]:
    yield "email,renewal_date\n"
    for n in range(rows):
        yield f"c{n}@example.com,{n % 12 + 1:02}/{n // 7 % 12 + 1:02}/20{n % 25 + 10}\n"


def check(source: Path, url: str) -> tuple[int, Any, float, int]:
    """Exit code, report, seconds, and peak memory in KB of the process alone."""
    began = time.monotonic()
    arguments = [
        sys.executable,
        "-m",
        "uploader",
        "check",
        str(source),
        "--json",
        "--examples",
        "50",
        "--base-url",
        url,
    ]
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, json.loads(out), time.monotonic() - began, usage.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        source, open_orders = Path(folder, "contacts.csv"), Path(folder, "open.csv")
        for path, text in ((source, lines(rows)), (open_orders, undecided(min(rows, 1_000_000)))):
            with path.open("w", encoding="utf-8") as file:
                file.writelines(text)
        server = subprocess.Popen(
            [sys.executable, "-m", "uploader", "mock-server"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            code, report, seconds, peak = check(source, url)
            stopped = check(open_orders, url)
        finally:
            server.terminate()
            server.wait()
    good = compare(rows, code, report, stopped)
    print(f"{rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f}/s), peak memory {peak / 1024:.0f} MB")
    sys.exit(not good)


def compare(rows: int, code: int, report: Any, stopped: tuple[int, Any, float, int]) -> bool:
    plants = planted(rows)
    found = {
        (fault["category"], fault["column"]): sorted(e["row"] - 2 for e in fault["examples"])
        for fault in report["faults"]
    }
    wanted = {
        "exit code": (code, 2),
        "problems": ([p for p in report["problems"] if "num_notes" not in p], []),
        "a read-only property": (len(report["problems"]), 1),
        "rows": (report["rows"], rows),
        "bad rows": (report["invalid"], len(plants.invalid)),
        "kinds of faults": (sorted(found), sorted(plants.faults)),
        **{
            f"{category}, by row": (found.get((category, column)), indices)
            for (category, column), indices in plants.faults.items()
        },
        "without a key": (report["no_key"], len(plants.faults["KEY", "email"])),
        "repeats": ({r["row"] - 2: r["first_row"] - 2 for r in report["repeats"]}, plants.repeats),
        "open orders stop it": (stopped[0], 2),
        "and it asks": (['--date-order "renewal_date=' in p for p in stopped[1]["problems"]], [True]),
    }
    for what, (is_, should) in wanted.items():
        print(f"{what:>20}: {'as planted' if is_ == should else f'{is_} INSTEAD OF {should}'}")
    return all(is_ == should for is_, should in wanted.values())


if __name__ == "__main__":
    main()
