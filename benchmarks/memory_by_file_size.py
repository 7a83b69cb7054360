"""What a larger file costs more: memory should be the same, and time a record, too.

Lives here: the same upload at several sizes and in several forms, its peak memory and its pace, and the
demands on both. With dead letters one record in a hundred is refused by the server.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cost_per_record import RATE
from benchmarks.support.make_records import make
from benchmarks.support.processes import Client, EchoServer, Failed, Table, aligned, forget

SMALL, MEDIUM, LARGE = 100_000, 1_000_000, 10_000_000
MOST_MEGABYTES, MOST_GROWTH_MEGABYTES = 100.0, 10.0
LEAST_PACE = 0.90  # at LARGE, of that at MEDIUM
BAD_EVERY = 100


@dataclass(frozen=True, slots=True)
class Form:
    title: str
    name: str  #: of the file; none begins like another, since `forget` goes by the beginning
    bad_every: int = 0


FORMS = (
    Form("NDJSON", "plain.ndjson"),
    Form("CSV", "cells.csv"),
    Form("NDJSON, gzip", "packed.ndjson.gz"),
    Form("NDJSON, 1 % dead letters", "refused.ndjson", BAD_EVERY),
)


@dataclass(frozen=True, slots=True)
class Size:
    """One run."""

    form: Form
    rows: int
    peak_megabytes: float
    records_per_second: float


def measure(folder: Path, sizes: Sequence[int]) -> list[Size]:
    with EchoServer([], folder / "server.log") as server:
        return [_run(folder, server, form, rows) for rows in sizes for form in FORMS]


def _run(folder: Path, server: EchoServer, form: Form, rows: int) -> Size:
    print(f"{form.title}: {rows:,} records", file=sys.stderr)
    source = folder / form.name
    make(source, rows, form.bad_every)
    server.forget()
    client = Client(source, server.url, ["--rate", RATE], folder)
    code = client.wait()
    summary, load = client.summary(), server.load()
    rejected = rows // form.bad_every if form.bad_every else 0
    if (summary["created"], summary["rejected"], load.records) != (rows - rejected, rejected, rows):
        raise Failed(f"{form.title}: {rows:,} records ended with {code}, {summary}")
    # Ten million records take gigabytes: none may wait for the end.
    forget(source)
    source.unlink()
    return Size(form, rows, client.peak_kilobytes / 1024, load.records_per_second)


# --- what is printed ---


def as_text(sizes: Sequence[Size]) -> str:
    counts = sorted({size.rows for size in sizes})
    headings = ["", *(f"MB, {rows:,}" for rows in counts), *(f"records/s, {rows:,}" for rows in counts)]
    return aligned([headings, *(_cells(form, sizes) for form in FORMS)])


def _cells(form: Form, sizes: Sequence[Size]) -> list[str]:
    its = sorted((size for size in sizes if size.form == form), key=lambda size: size.rows)
    peaks = [f"{size.peak_megabytes:.1f}" for size in its]
    return [form.title, *peaks, *(f"{size.records_per_second:,.0f}" for size in its)]


def judge(sizes: Sequence[Size], table: Table) -> None:
    found = {(size.form, size.rows): size for size in sizes}
    largest = max(size.rows for size in sizes)
    for form in FORMS:
        peak = found[form, largest].peak_megabytes
        name = f"3. {form.title}: peak MB at {largest:,} (at most {MOST_MEGABYTES:g})"
        table.demand(name, f"{peak:.1f}", met=peak <= MOST_MEGABYTES)
    if largest < LARGE:
        table.add(f"3. peak at {LARGE:,}, and its growth from {MEDIUM:,}", "not tried, --large does")
        table.add(f"5. records/s at {LARGE:,}, of those at {MEDIUM:,}", "not tried, --large does")
        return
    for form in FORMS:
        _judge_growth(found[form, MEDIUM], found[form, LARGE], table)


def _judge_growth(medium: Size, large: Size, table: Table) -> None:
    title = large.form.title
    growth = large.peak_megabytes - medium.peak_megabytes
    name = f"3. {title}: MB more at {LARGE:,} than at {MEDIUM:,} (at most {MOST_GROWTH_MEGABYTES:g} apart)"
    table.demand(name, f"{growth:+.1f}", met=abs(growth) <= MOST_GROWTH_MEGABYTES)
    pace = large.records_per_second / medium.records_per_second
    name = f"5. {title}: records/s at {LARGE:,}, of those at {MEDIUM:,} (at least {LEAST_PACE:.2f})"
    table.demand(name, f"{pace:.2f}", met=pace >= LEAST_PACE)
