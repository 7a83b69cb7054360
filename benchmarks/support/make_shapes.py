"""Writes records of eleven properties in files of several shapes, the same for the same number of rows.

All shapes have the ten properties of `make_records` and a `message`. Each adds one thing to that: quoted
cells, line breaks in cells, keys that repeat, addresses that are refused, another format; `crm` has all that
a CRM's export has. Blanks, padding and names in many scripts are in the files of `make_contacts`.

    python -m benchmarks.support.make_shapes crm contacts.csv --rows 400000

Some 230 bytes a row of CSV; 400,000 rows take some four seconds.
"""

import argparse
import csv
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from random import Random

import orjson

from benchmarks.support import make_records
from benchmarks.support.make_contacts import NONSENSE
from benchmarks.support.make_records import BAD, record

COLUMNS = (*make_records.COLUMNS, "message")

NOTES = (
    "Met at the fair in Hannover, wants a call back after the 15th.",
    'Said "maybe next year", ask again in spring.',
    "Prefers e-mail, not phone. Speaks German, English and some Polish.",
    "Angebot über 1250 Euro verschickt, noch keine Antwort.",
    "Invoices 2024-118, 2024-131 and 2024-140 were paid late.",
)
LINES = "{}\n- called twice\n- wants a demo, with pricing\n\ncc: accounting, legal"
#: A repeated key is one of the last ones, or one of many: the first are still being written, most others not.
CLOSE_KEYS, FAR_KEYS = 250, 5_000
ROW_GROUP = 100_000

_SEPARATORS = str.maketrans("", "", ',"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is unusual in a file. Numbers are shares of the rows."""

    title: str
    form: str = "csv"  #: also `ndjson`, `parquet`; how the file's name ends
    is_quoted: bool = False  #: quotes around every cell; commas and quotes in some of them
    line_breaks: float = 0.0
    repeated_keys: float = 0.0
    nonsense: float = 0.0  #: addresses that no client needs to send
    refused: float = 0.0  #: keys that `echo_server` refuses
    is_known: bool = False  #: to the server: each record is updated. The file is that of plain CSV


SHAPES = {
    "ndjson": Shape(title="NDJSON", form="ndjson"),
    "csv": Shape(title="CSV"),
    "quoted": Shape(title="CSV, quoted", is_quoted=True),
    "line-breaks": Shape(title="CSV, 2 % line breaks", line_breaks=0.02),
    "repeated-keys": Shape(title="CSV, 1 % repeated keys", repeated_keys=0.01),
    "crm": Shape(
        title="CSV of a CRM",
        is_quoted=True,
        line_breaks=0.02,
        repeated_keys=0.01,
        nonsense=0.0025,
        refused=0.0025,
    ),
    "refused": Shape(title="CSV, 1 % refused", refused=0.01),
    "updates": Shape(title="CSV, all updates", is_known=True),
    "parquet": Shape(title="Parquet", form="parquet"),
}


class Maker:
    """The rows of one file, in order, and how many of them fail."""

    def __init__(self, shape: Shape) -> None:
        self.nonsense = self.refused = 0
        self._shape = shape
        self._random = Random("shapes")
        self._keys: deque[str] = deque(maxlen=FAR_KEYS)
        self._spell = str if shape.is_quoted else _without_separators

    def rows(self, count: int) -> Iterator[list[str]]:
        spell, draw, line_breaks = self._spell, self._random.random, self._shape.line_breaks
        for number in range(count):
            key, *cells = record(number)
            note = NOTES[number // 11 % len(NOTES)]
            row = [self._key(key, number), *map(spell, cells), spell(note)]
            if draw() < line_breaks:
                row[-1] = LINES.format(row[-1])
            yield row

    def _key(self, key: str, number: int) -> str:
        shape, share = self._shape, self._random.random()
        if share < shape.repeated_keys and len(self._keys) > CLOSE_KEYS:
            return self._repeated()
        share -= shape.repeated_keys
        if 0 <= share < shape.nonsense:
            self.nonsense += 1
            return NONSENSE[number % len(NONSENSE)].format(f"x{number}")
        share -= shape.nonsense
        if 0 <= share < shape.refused:
            self.refused += 1
            return BAD + key
        if shape.repeated_keys:
            self._keys.append(key)
        return key

    def _repeated(self) -> str:
        """Half of them are close by, half of them in another case."""
        draw = self._random.random
        back = CLOSE_KEYS if draw() < 0.5 else len(self._keys)
        key = self._keys[-1 - int(draw() * back)]
        return key.upper() if draw() < 0.5 else key


@lru_cache(1_000)
def _without_separators(cell: str) -> str:
    return cell.translate(_SEPARATORS)


def make(path: Path, shape: Shape, rows: int) -> Maker:
    """Write the file; what comes back knows how many rows fail."""
    maker = Maker(shape)
    _WRITERS[shape.form](path, maker.rows(rows), shape)
    return maker


def _write_csv(path: Path, rows: Iterator[list[str]], shape: Shape) -> None:
    quoting = csv.QUOTE_ALL if shape.is_quoted else csv.QUOTE_MINIMAL
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=quoting)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _write_ndjson(path: Path, rows: Iterator[list[str]], _: Shape) -> None:
    with path.open("wb") as stream:
        stream.writelines(orjson.dumps(dict(zip(COLUMNS, row, strict=True))) + b"\n" for row in rows)


def _write_parquet(path: Path, rows: Iterator[list[str]], _: Shape) -> None:
    import pyarrow as pa  # noqa: PLC0415  # the echoing server imports this module
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            columns = list(map(list, zip(*group, strict=True)))
            writer.write_table(pa.table(columns, schema=schema))


_WRITERS: dict[str, Callable[[Path, Iterator[list[str]], Shape], None]] = {
    "csv": _write_csv,
    "ndjson": _write_ndjson,
    "parquet": _write_parquet,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a file of one shape.")
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=400_000)
    options = parser.parse_args()
    maker = make(options.out, SHAPES[options.shape], options.rows)
    size = options.out.stat().st_size
    per_row = size / max(1, options.rows)
    print(f"{options.rows:,} rows, {size:,} bytes ({per_row:.0f} a row)")
    print(f"{maker.nonsense:,} addresses that are none, {maker.refused:,} that the echoing server refuses")


if __name__ == "__main__":
    main()
