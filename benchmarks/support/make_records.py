"""Makes plain records of ten properties, the same for the same number, as NDJSON or CSV, gzipped if asked.

Lives here: what is measured with, where the cost of a record is the question. No dirt, no blanks, no key
twice; real files are `make_contacts`' business. The columns are HubSpot's own names for contacts.

    python -m benchmarks.support.make_records records.ndjson --rows 400000
    python -m benchmarks.support.make_records records.csv.gz --rows 1000000 --bad-every 100

The form is that of the name's ending. One record in `--bad-every` has a key that begins with `bad`, which
`echo_server` refuses. About 240 bytes a record in NDJSON; a million takes some four seconds.
"""

import argparse
import csv
import gzip
import io
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, cast

import orjson

COLUMNS = (
    "email",
    "firstname",
    "lastname",
    "phone",
    "company",
    "jobtitle",
    "city",
    "zip",
    "country",
    "website",
)
BAD = "bad"

# Of different, mostly coprime lengths: so they do not walk in step.
FIRST = ("Anna", "Ben", "Chloé", "Dmitri", "Elif", "Fatima", "Gábor", "Hiroshi", "Ingrid", "João", "Nadia")
LAST = ("Schmidt", "Müller", "García", "Nguyen", "Kowalski", "Dupont", "Rossi", "Öztürk", "Jensen", "Petrov")
COMPANIES = ("Contoso Ltd.", "Müller & Söhne GmbH", "Smith, Jones and Partners", "Nordwind", "Fabrikam Inc.")
TITLES = ("CEO", "Head of Sales, EMEA", "Buyer", "Engineer", "Office Manager", "Accountant", "Consultant")
CITIES = ("Berlin", "San Francisco", "Kraków", "Lyon", "Osaka", "Porto", "Leeds", "Bergen", "Izmir")
COUNTRIES = ("Germany", "United States", "Poland", "France", "Japan", "Portugal", "United Kingdom", "Norway")
MAILBOXES = ("anna", "ben.s", "chloe", "d.petrov", "office", "info", "sales", "gabor", "hiroshi", "j.silva")

BLOCK_ROWS = 10_000


def record(number: int, bad_every: int = 0) -> tuple[str, ...]:
    """The cells, in the order of `COLUMNS`."""
    bad = BAD if bad_every and number % bad_every == bad_every // 2 else ""
    return (
        f"{bad}{MAILBOXES[number % 10]}.{number:08d}@example.com",
        FIRST[number % 11],
        LAST[number // 3 % 10],
        f"+49 30 {number % 9_999_991:07d}",
        COMPANIES[number // 7 % 5],
        TITLES[number % 7],
        CITIES[number % 9],
        f"{number % 99_989:05d}",
        COUNTRIES[number // 2 % 8],
        f"https://{number % 99_991}.example.com",
    )


def make(path: Path, rows: int, bad_every: int = 0) -> None:
    write = _write_ndjson if ".ndjson" in path.suffixes else _write_csv
    with _open(path) as stream:
        write(stream, (record(number, bad_every) for number in range(rows)))


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        # Level 1: a fifth of the time of the usual one, and no harder to read.
        return cast("IO[bytes]", gzip.open(path, "wb", compresslevel=1))
    return path.open("wb")


def _write_ndjson(stream: IO[bytes], records: Iterator[tuple[str, ...]]) -> None:
    for block in _blocks(records):
        stream.write(b"".join([orjson.dumps(dict(zip(COLUMNS, one, strict=True))) + b"\n" for one in block]))


def _write_csv(stream: IO[bytes], records: Iterator[tuple[str, ...]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for block in _blocks(records):
        writer.writerows(block)
        stream.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()


def _blocks(records: Iterator[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    while block := list(islice(records, BLOCK_ROWS)):
        yield block


def main() -> None:
    parser = argparse.ArgumentParser(description="Make plain records for measuring.")
    parser.add_argument("out", type=Path, help="ends in .ndjson or .csv, and .gz where it is to be gzipped")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--bad-every", type=int, default=0, metavar="N", help="one refused record in each N")
    options = parser.parse_args()
    started = time.monotonic()
    make(options.out, options.rows, options.bad_every)
    size, seconds = options.out.stat().st_size, time.monotonic() - started
    print(f"{options.rows:,} records, {size / max(1, options.rows):.0f} bytes each, in {seconds:.1f} s")


if __name__ == "__main__":
    main()
