"""What `uploader check` costs, and that it finds exactly what was planted: `python -m benchmarks.checking`.

The file has ten columns a row and, far apart: 3 repeated keys, 12 addresses that are none, 5 rows without a
key, and a column that HubSpot calculates. The command runs in a process of its own against the mock server.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_COLUMNS = "email,firstname,lastname,company,city,phone,tier,renewal_date,numemployees,num_notes"


def planted(rows: int) -> tuple[dict[int, int], list[int], list[int]]:
    """Indices: of repeats (with the first of the key), of bad addresses, of rows without a key."""
    repeats = {rows - 2: 1, rows // 2: 5, rows - 7: rows // 3}
    bad = [11 + number * (rows // 13) for number in range(12)]
    keyless = [23 + number * (rows // 7) for number in range(5)]
    return repeats, bad, keyless


def lines(rows: int) -> Iterator[str]:
    repeats, bad, keyless = planted(rows)
    odd = {index: f" C{first}@Example.COM" for index, first in repeats.items()}
    odd |= {index: f"nobody{index}" for index in bad} | dict.fromkeys(keyless, "")
    yield _COLUMNS + "\n"
    for n in range(rows):
        key = odd.get(n, f"c{n}@example.com")
        tier = ("gold", "silver", "bronze", "")[n % 4]
        day = f"20{n % 25 + 10}-{n % 12 + 1:02}-{n % 28 + 1:02}"
        yield f"{key},First{n % 997},Last{n},Company {n % 5000},Berlin,+4930{n:08},{tier},{day},{n % 4000},\n"


def check(source: Path, url: str) -> tuple[int, dict[str, object], float, int]:
    """Exit code, report, seconds, and peak memory in KB of the process alone."""
    began = time.monotonic()
    environment = {**os.environ, "HUBSPOT_ACCESS_TOKEN": "pat-na1-benchmark"}
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
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, json.loads(out), time.monotonic() - began, usage.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    repeats, bad, keyless = planted(rows)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "contacts.csv")
        with source.open("w", encoding="utf-8") as file:
            file.writelines(lines(rows))
        server = subprocess.Popen(
            [sys.executable, "-m", "uploader", "mock-server"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            code, report, seconds, peak = check(source, server.stdout.readline().split()[-1])
        finally:
            server.terminate()
            server.wait()
    found = sorted(e["row"] for fault in report["faults"] for e in fault["examples"])  # type: ignore[attr-defined]
    told = {r["row"] - 2: r["first_row"] - 2 for r in report["repeats"]}  # type: ignore[attr-defined]
    wanted = {
        "exit code": (code, 2),
        "problems": (len(report["problems"]), 1),  # type: ignore[arg-type]
        "rows": (report["rows"], rows),
        "bad rows": (report["invalid"], len(bad) + len(keyless)),
        "their numbers": (found, sorted(index + 2 for index in (*bad, *keyless))),
        "without a key": (report["no_key"], len(keyless)),
        "repeats": (told, repeats),
    }
    for what, (is_, should) in wanted.items():
        print(f"{what:>14}: {'as planted' if is_ == should else f'{is_} INSTEAD OF {should}'}")
    print(f"{rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f}/s), peak memory {peak / 1024:.0f} MB")
    sys.exit(any(is_ != should for is_, should in wanted.values()))


if __name__ == "__main__":
    main()
