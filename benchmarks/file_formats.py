"""One data set in every format: rows a second, memory, killed half-way and resumed, and the same account.

Lives here: the formats, how each is made from `make_records`, and one table. The account's hash is over all
contacts by address, so it is the same only if every cell is.

    python -m benchmarks.file_formats --rows 100000
    python -m benchmarks.file_formats --check    # look through each with `uploader check`, and send nothing
"""

import argparse
import bz2
import csv
import gzip
import hashlib
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.support.make_records import COLUMNS, make, record
from benchmarks.support.processes import Client, Failed, Server, aligned, forget, wait_for, workplace

GROUP_ROWS = 100_000


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[Path, int], None]:
    def write(path: Path, rows: int) -> None:
        plain = path.with_suffix(".csv")
        make(plain, rows)
        path.write_bytes(pack(plain.read_bytes()))
        if plain != path:
            plain.unlink()

    return write


def _utf16(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-16", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *map(record, range(rows))])


def _zip(path: Path, rows: int) -> None:
    plain = path.with_suffix(".csv")
    make(plain, rows)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(plain, "contacts.csv")
    plain.unlink()


def _json(path: Path, rows: int) -> None:
    with path.open("wb") as file:
        for number in range(rows):
            one = dict(zip(COLUMNS, record(number), strict=True))
            file.write((b",\n" if number else b"[\n") + orjson.dumps(one, option=orjson.OPT_INDENT_2))
        file.write(b"\n]\n")


def _parquet(path: Path, rows: int) -> None:
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, GROUP_ROWS):
            some = map(record, range(begin, min(rows, begin + GROUP_ROWS)))
            writer.write_table(pa.table([list(c) for c in zip(*some, strict=True)], schema=schema))


def _xlsx(path: Path, rows: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Contacts")
    for row in (COLUMNS, *map(record, range(rows))):
        sheet.append(row)
    book.save(path)


#: Name of the file -> how it is made, how a resume finds its place.
FORMS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "a.csv": (make, "seeks"),
    "b.ndjson": (make, "seeks"),
    "c.json": (_json, "seeks"),
    "d.parquet": (_parquet, "seeks to a row group, skips in it"),
    "e.xlsx": (_xlsx, "skips"),
    "f.utf16": (_utf16, "skips"),
    "g.gz": (_packed(lambda data: gzip.compress(data, 1)), "skips"),
    "h.bz2": (_packed(bz2.compress), "skips"),
    "i.xz": (_packed(lambda data: lzma.compress(data, preset=0)), "skips"),
    "j.zip": (_zip, "skips"),
}


def _hash(server: Server) -> str:
    digest = hashlib.sha256()
    with urllib.request.urlopen(server.contacts_url(), timeout=600) as reply:
        held = (json.loads(line)["properties"] for line in reply)
        cells = sorted([[one.get(name) or "" for name in COLUMNS] for one in held])
    for row in cells:
        digest.update(orjson.dumps(row))
    return digest.hexdigest()[:12]


def _measure(folder: Path, name: str, rows: int) -> list[str]:
    write, way = FORMS[name]
    source = folder / name
    write(source, rows)
    hashes = []
    arguments = ["--rate", "5000/1"]  # a short window: the first is waited out
    with Server(["--quota", "none"], folder / "server.log") as server:
        client = Client(source, server.url, arguments, folder)
        client.wait()
        summary, peak, cpu = client.summary(), client.peak_kilobytes, client.cpu_seconds
        hashes.append(_hash(server))
    if summary["created"] != rows:
        raise Failed(f"{name}: {summary}")
    forget(source)
    with Server(["--quota", "none"], folder / "server.log") as server:
        client = Client(source, server.url, arguments, folder)
        wait_for(client, lambda: server.received() > rows // 2, "half of the rows")
        client.send(signal.SIGKILL)
        client.wait()
        client = Client(source, server.url, arguments, folder)
        client.wait()
        again = server.received() - rows
        hashes.append(_hash(server))
    forget(source)
    source.unlink()
    pace = rows / summary["elapsed_seconds"]
    return [
        name.partition(".")[2],
        f"{pace:,.0f}",
        f"{cpu / rows * 1e6:.0f}",
        f"{peak / 1024:.0f}",
        way,
        f"{again:,}",
        f"{again / pace:.2f}",
        *hashes,
    ]


def _look_through(folder: Path, name: str, rows: int) -> list[str]:
    """All rows, by `uploader check` without a token: what a format costs to read, no server in the way."""
    source, report_file = folder / name, folder / "report.json"
    FORMS[name][0](source, rows)
    environment = {name: value for name, value in os.environ.items() if name != "HUBSPOT_ACCESS_TOKEN"}
    command = [sys.executable, "-m", "uploader", "check", str(source), "--json"]
    with report_file.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.DEVNULL)
    # Not `ru_maxrss`: that begins with what this process holds.
    peak, ended = 0, 0
    while not ended:
        peak = max(peak, _high_water(process.pid))
        time.sleep(0.05)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    report = json.loads(report_file.read_bytes())
    if (report["rows"], report["invalid"]) != (rows, 0):
        raise Failed(f"{name}: {report['rows']:,} rows, {report['invalid']:,} of them invalid")
    size = source.stat().st_size
    source.unlink()
    cpu = (usage.ru_utime + usage.ru_stime) / rows * 1e6
    return [name.partition(".")[2], f"{size / 1e6:,.0f}", f"{cpu:.1f}", f"{peak / 1024:.0f}"]


def _high_water(pid: int) -> int:
    """The most memory that a process has held, in KB; 0 once it has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    return int(found[1]) if found else 0


#: The CPU is the uploader's alone, per row; what a kill costs is also given in seconds of sending.
_HEAD = ["", "rows/s", "CPU us", "peak MB", "resumes", "again", "in s", "account", "after SIGKILL"]


def main() -> int:
    parser = argparse.ArgumentParser(description="The same rows in every format.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    parser.add_argument("--check", action="store_true", help="read them only")
    options = parser.parse_args()
    lines = [["", "MB", "CPU us", "peak MB"] if options.check else _HEAD]
    with workplace(options.keep) as folder:
        for name in options.only:
            measure = _look_through if options.check else _measure
            lines.append(measure(folder, name, options.rows))
            print("  ".join(lines[-1]), file=sys.stderr, flush=True)
    print(aligned(lines))
    if options.check:
        return 0
    same = len({cell for line in lines[1:] for cell in line[-2:]}) == 1
    print("the same account from every format" if same else "FAILED: the accounts differ")
    return 0 if same else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"formats: {failure}")
