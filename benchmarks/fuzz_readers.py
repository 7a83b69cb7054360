"""What the readers make of anything: `python -m benchmarks.fuzz_readers --minutes 10`.

Valid files of every format are written at random, mutated, and packed (or packed, and mutated). A reading
may give rows or end in a `SourceError` of one line, and nothing else; its slices abut, and from any of their
marks on the rest is the same; a row's bytes, read alone, give what the row gave. The cases run in a process
of its own, so that one that kills it is known, too. A case that fails is left in `--keep`, with its options;
`--case FILE` runs it again.
"""

import argparse
import bz2
import csv
import datetime as dt
import gzip
import io
import json
import lzma
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from backports import zstd
from openpyxl import Workbook
from pyarrow import parquet as pq, table

from uploader.errors import SourceError
from uploader.model.rows import Mark, Row, Unreadable
from uploader.sources.bytes import byte_source, compression, lines, zip_archive
from uploader.sources.formats import csv_quotes, csv_rows, json_rows, lines_to_rows, rows_of_cells
from uploader.sources.open import open_source, read_row_again

#: A case that takes longer hangs.
CASE_SECONDS = 60
#: All of the cases together may take no more memory than this, libraries included.
MOST_MEGABYTES = 600
#: Arrow believes a damaged page's word on how large it is.
MOST_MEGABYTES_OF_PARQUET = 5000

TOKENS = (
    b'"', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xfe", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\\u0000", b"\\ud800", b"\\", b"{", b"}", b"[", b"]",
    b":", b"null", b"NaN", b"1e400", b"-0", b"9" * 400, b'""', b'","', b"},{", b"sep=;\n", b"[" * 50,
    b'{"results":[', b"=cmd()", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"BZh9", b"\x85", b"\xe2\x80\xa8",
    b"<", b"</row>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b'r="XFD9"', b't="s"', b"&#0;", b"\x1a", b" " * 40,
    b"[" * 2000, b'{"":' * 2000, b"]" * 2000,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "ü", "😀", "a,b", "a;b", "two\nlines", "\r\n", '"', 'say "hi"', "=cmd()", "31.12.2025",
    "TRUE", "1e400", "NaN", "9" * 30, "x" * 3000, "\ufeff", "a\tb", "_x000D_", "null", "{}", "[]", "\\",
    "a@b.de",
)  # fmt: skip
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "shift_jis",
    "gb18030",
)


# --- files that are right ---


def _cells(rng: random.Random, width: int) -> list[str]:
    return [f"u{rng.randrange(99)}@x.com", *(rng.choice(TEXTS) for _ in range(width - 1))]


def _csv(rng: random.Random) -> bytes:
    width, out = rng.randint(1, 6), io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=rng.choice(",;\t|"),
        lineterminator=rng.choice(("\n", "\r\n", "\r")),
        quoting=rng.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)),
    )
    writer.writerow(["email", *(f"c{i}" for i in range(1, width))])
    writer.writerows(_cells(rng, width) for _ in range(rng.randint(0, 40)))
    return out.getvalue().encode(rng.choice(ENCODINGS), "replace")


def _value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 3 else 7)
    if kind == 7:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 8:
        return {rng.choice(TEXTS): _value(rng, depth + 1) for _ in range(rng.randrange(4))}
    return (rng.choice(TEXTS), rng.choice(TEXTS), rng.randrange(10**20), rng.random(), True, None, -0.0)[kind]


def _object(rng: random.Random) -> dict[str, Any]:
    return {"email": f"u{rng.randrange(99)}@x.com"} | {f"c{i}": _value(rng) for i in range(rng.randrange(5))}


def _ndjson(rng: random.Random) -> bytes:
    end = rng.choice(("\n", "\r\n", "\n\n"))
    rows = [json.dumps(_object(rng), ensure_ascii=rng.random() < 0.5) for _ in range(rng.randint(1, 40))]
    return end.join(rows).encode(rng.choice(ENCODINGS), "replace")


def _json(rng: random.Random) -> bytes:
    rows: Any = [_object(rng) for _ in range(rng.randint(0, 30))]
    if rng.random() < 0.3:
        rows = {"total": 1, rng.choice(("results", "data", "odd")): rows, "paging": None}
    text = json.dumps(rows, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.5)
    return text.encode(rng.choice(ENCODINGS), "replace")


def _parquet(rng: random.Random) -> bytes:
    count, out = rng.randint(1, 60), io.BytesIO()
    makers: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice(TEXTS),
        lambda: rng.randrange(-(2**40), 2**40),
        rng.random,
        lambda: rng.random() < 0.5,
        lambda: dt.date(2000, 1, 1) + dt.timedelta(rng.randrange(9999)),
        lambda: dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=rng.randrange(10**9)),
        lambda: rng.randbytes(rng.randrange(5)),
        lambda: [rng.choice(TEXTS) for _ in range(rng.randrange(3))],
        lambda: {"a": rng.choice(TEXTS)},
    )
    columns: dict[str, list[Any]] = {"email": [f"u{i}@x.com" for i in range(count)]}
    for index in range(rng.randrange(5)):
        make = rng.choice(makers)
        columns[f"c{index}"] = [make() if rng.random() < 0.9 else None for _ in range(count)]
    pq.write_table(
        table(columns),
        out,
        row_group_size=rng.randint(1, 60),
        compression=rng.choice(("NONE", "SNAPPY", "GZIP", "ZSTD", "LZ4")),
        use_dictionary=rng.random() < 0.5,
        data_page_version=rng.choice(("1.0", "2.0")),
        write_page_checksum=rng.random() < 0.5,
    )
    return out.getvalue()


def _xlsx(rng: random.Random) -> bytes:
    book, out = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    width = rng.randint(1, 5)
    moments = map(dt.datetime.fromisoformat, ("2024-01-02", "2024-01-02T03:04"))
    values = (
        None, 1, 1.5, 1e300, True, *moments, dt.time(1, 2), dt.timedelta(hours=30), "#N/A", "=1+1",
        *(text for text in TEXTS if text != "\ufeff"),
    )  # fmt: skip
    sheet.append(["email", *(f"c{i}" for i in range(1, width))])
    for index in range(rng.randrange(20)):
        sheet.append([f"u{index}@x.com", *(rng.choice(values) for _ in range(width - 1))])
    if rng.random() < 0.2:
        book.create_sheet("Other").append(["x"])
    book.save(out)
    return out.getvalue()


def _anything(rng: random.Random) -> bytes:
    return b"".join(
        rng.choice(TOKENS) if rng.random() < 0.5 else rng.randbytes(3) for _ in range(rng.randrange(80))
    )


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "csv": _csv, "ndjson": _ndjson, "json": _json, "parquet": _parquet, "xlsx": _xlsx, "anything": _anything,
}  # fmt: skip


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("contacts", data)
    return out.getvalue()


PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "bzip2": bz2.compress, "zstd": zstd.compress, "zip": _zip,
    "xz": lambda data: lzma.compress(data, preset=0),
}  # fmt: skip


# --- files that are not ---


def mutate(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 30))):
        at = rng.randrange(len(out) + 1)
        stop = min(len(out), at + rng.choice((1, 1, 2, 8, 50, 500)))
        kind = rng.randrange(7)
        if kind == 0:
            out[at:at] = rng.choice(TOKENS)
        elif kind == 1:
            out[at:stop] = rng.choice(TOKENS)
        elif kind == 2:
            out[at:stop] = rng.randbytes(stop - at)
        elif kind == 3:
            del out[at:stop]
        elif kind == 4:
            out[at:at] = out[at:stop] * rng.choice((1, 2, 20))
        elif kind == 5 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 6 and rng.random() < 0.3:
            del out[at:]
    return bytes(out)


def mutate_inside(rng: random.Random, data: bytes) -> bytes:
    """One member of a ZIP archive, with its checksum made right: else nothing behind it is ever reached."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        struck = (
            rng.choice([name for name in names if "sheet" in name] or names)
            if rng.random() < 0.7
            else rng.choice(names)
        )
        for name in names:
            content = old.read(name)
            if name == struck and rng.random() < 0.1:
                continue
            new.writestr(name, mutate(rng, content) if name == struck else content)
    return out.getvalue()


def make(seed: int) -> tuple[str, bytes, dict[str, Any]]:
    """What the case is, its bytes, and the options it is opened with."""
    rng = random.Random(seed)
    kind = rng.choice(tuple(KINDS))
    data = KINDS[kind](rng)
    if kind == "xlsx" and rng.random() < 0.7:
        data = mutate_inside(rng, data)
    elif rng.random() < (0.5 if kind in ("parquet", "xlsx") else 0.8):
        data = mutate(rng, data)
    if rng.random() < (0.05 if kind in ("parquet", "xlsx") else 0.4):
        pack = rng.choice(tuple(PACKS))
        kind, data = f"{kind} in {pack}", PACKS[pack](data)
        if rng.random() < 0.3:
            data = data + PACKS[pack](data) if rng.random() < 0.2 else mutate(rng, data)
    options: dict[str, Any] = {}
    if rng.random() < 0.15:
        options["format"] = rng.choice(("csv", "ndjson", "json"))
    if rng.random() < 0.15:
        options["encoding"] = rng.choice((*ENCODINGS, "utf-7", "hz", "iso2022_jp", "cp037", "nonsense"))
    if rng.random() < 0.1:
        options["delimiter"] = rng.choice((",", ";", "\t", "^", " ", "ü", "", "ab"))
    if rng.random() < 0.05:
        options["sheet"] = "Other"
    return kind, data, options


# --- what has to hold ---


class BrokenError(Exception):
    """The text says what does not hold."""


def demand(holds: object, what: str) -> None:
    if not holds:
        raise BrokenError(what)


def _is_line(text: str) -> bool:
    return bool(text) and len(text) < 3000 and text.isprintable()


def _read(source: Any, start: Mark | None) -> tuple[list[Any], list[Row], str]:
    parts, rows, error = [], [], ""
    try:
        for part in source.slices(start):
            parts.append(part)
            rows += part.rows
    except SourceError as raised:
        error = str(raised)
        demand(_is_line(error), f"an error of one line: {error!r}")
    return parts, rows, error


def _check_row(row: Row, shape: Any) -> None:
    content = row.content
    demand(len(row.raw) <= lines.KEPT_BYTES, "a row's bytes are bounded")
    if isinstance(content, Unreadable):
        demand(_is_line(content.reason), f"a reason of one line: {content.reason!r}")
    elif isinstance(content, dict):
        json.dumps(content, ensure_ascii=False).encode()
    else:
        demand(len(content) == len(shape.columns), "as many cells as columns")
        demand(all(type(cell) is str for cell in content), "cells are texts")
        "".join(content).encode()
    again = read_row_again(shape, row.raw)
    shown_by_others = isinstance(content, Unreadable) and any(
        why in content.reason for why in ("ends in the middle", "so it is not sent", "ends with a backslash")
    )
    demand(again == content or shown_by_others, f"the same, read alone: {content!r} and {again!r}")


def run_case(path: Path, data: bytes, options: dict[str, Any], rng: random.Random) -> str:
    """What came of it: "rows", "error" or "rows, then an error"."""
    path.write_bytes(data)
    try:
        source = open_source(str(path), **options)
    except SourceError as error:
        demand(_is_line(str(error)), f"an error of one line: {str(error)!r}")
        return "error"
    "".join(source.shape.columns).encode()
    parts, rows, error = _read(source, None)
    for before, after in pairwise(parts):
        demand(before.end == after.start, f"slices abut: {before.end} and {after.start}")
    numbers = [row.number for row in rows]
    demand(numbers == sorted(set(numbers)), "numbers grow")
    for part in parts:
        demand(all(part.start.line <= r.number < part.end.line for r in part.rows), "rows lie in their slice")
        most = lines_to_rows.SLICE_ROWS + csv_quotes.CONTINUATION_LINES  # the lines behind a stray quote
        demand(len(part.rows) <= most, "a slice is bounded")
    for row in rows:
        _check_row(row, source.shape)
    marks = [part.start for part in parts] + [part.end for part in parts]
    for mark in rng.sample(marks, min(3, len(marks))):
        _, rest, problem = _read(source, mark)
        demand(rest == [row for row in rows if row.number >= mark.line], f"the same rest from {mark}")
        demand(bool(problem) == bool(error), f"the same end from {mark}: {error!r} and {problem!r}")
    if rng.random() < 0.3 and source.shape.format not in ("parquet", "xlsx"):
        _check_stream(data, options, source, rows, error)
    return ("rows, then an error" if rows else "error") if error else "rows"


def _check_stream(data: bytes, options: dict[str, Any], source: Any, rows: list[Row], error: str) -> None:
    try:
        stream = open_source("-", stdin=io.BytesIO(data), **options)
    except SourceError as raised:
        demand(data.startswith(b"PK"), f"a stream is read like a file: {raised}")
        return
    demand(stream.shape == source.shape, "a stream is seen like a file")
    _, again, problem = _read(stream, None)
    demand(again == rows and bool(problem) == bool(error), "a stream gives what a file gives")


def _limits(rng: random.Random) -> None:
    """Often so low that short files run into them."""
    block, rows, line = rng.choice(((262144, 500, 1048576), (50, 3, 1000), (7, 1, 400), (1000, 20, 5000)))
    for module in (byte_source, compression, zip_archive):
        module.BLOCK_BYTES = block
    for module in (lines_to_rows, json_rows, rows_of_cells):
        module.SLICE_ROWS = rows
    for module in (lines, csv_quotes, csv_rows, json_rows, rows_of_cells):
        module.LINE_BYTES = line
    for module in (lines, json_rows, rows_of_cells):
        module.KEPT_BYTES = line + 1
    from uploader.sources.formats import ndjson_rows  # noqa: PLC0415

    ndjson_rows.LINE_BYTES = line


# --- running ---


def _hang(*_: object) -> None:
    raise BrokenError(f"an end within {CASE_SECONDS} s")


def run(folder: Path, seed: int, kind: str, data: bytes, options: dict[str, Any]) -> str:
    """What came of it; BrokenError, or whatever the reader raised, where something does not hold."""
    rng = random.Random(seed + 1)
    _limits(rng)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(CASE_SECONDS)
    try:
        found = run_case(folder / "case", data, options, rng)
    finally:
        signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    most = MOST_MEGABYTES_OF_PARQUET if kind.startswith("parquet") else MOST_MEGABYTES
    demand(peak < most << 10 or peak == before, f"bounded memory: {peak >> 10} MB")
    return f"{kind.partition(' ')[0]}: {found}"


def work(folder: Path, first: int, until: float) -> None:
    """Cases from a seed on, until the time is up. What fails is left in the folder."""
    counts: Counter[str] = Counter()
    failed, seed = 0, first
    while time.time() < until and failed < 20:
        kind, data, options = make(seed)
        (folder / "case.json").write_text(json.dumps({"seed": seed, "kind": kind, "options": options}))
        try:
            counts[run(folder, seed, kind, data, options)] += 1
        except Exception:  # noqa: BLE001  # that is what is looked for
            failed += 1
            _leave(folder, seed, traceback.format_exc())
        seed += 1
    print(json.dumps({"counts": counts, "next": seed, "failed": failed}))


def _leave(folder: Path, seed: int, why: str) -> None:
    for suffix in ("", ".json"):
        (folder / f"case{suffix}").replace(folder / f"failed-{seed}{suffix}")
    (folder / f"failed-{seed}.txt").write_text(why)
    print(f"FAILED {folder}/failed-{seed}: {why.strip().splitlines()[-1]}", file=sys.stderr, flush=True)


def turns(folder: Path, seed: int, until: float) -> Iterator[dict[str, Any]]:
    """Workers one after the other; one that dies is a failure as well."""
    while time.time() < until:
        stop = min(until, time.time() + 60)
        command = [
            sys.executable,
            "-m",
            "benchmarks.fuzz_readers",
            "--worker",
            str(folder),
            str(seed),
            str(stop),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode == 0:
            turn = json.loads(done.stdout)
        else:
            at = json.loads((folder / "case.json").read_text())["seed"]
            _leave(folder, at, f"the process ended with {done.returncode}")
            turn = {"counts": {}, "next": at + 1, "failed": 1}
        seed = turn["next"]
        yield turn


def main() -> int:
    parser = argparse.ArgumentParser(description="Anything into the readers.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="for what fails; default: a new folder")
    parser.add_argument("--case", type=Path, metavar="FILE", help="run one again that was left there")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _hang)
    if options.worker:
        folder, seed, until = options.worker
        work(Path(folder), int(seed), float(until))
        return 0
    folder = options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(exist_ok=True)
    if options.case:
        about = json.loads(options.case.with_name(f"{options.case.name}.json").read_text())
        print(run(folder, about["seed"], about["kind"], options.case.read_bytes(), about["options"]))
        return 0
    counts: Counter[str] = Counter()
    failed, began = 0, time.time()
    for turn in turns(folder, options.seed, began + options.minutes * 60):
        counts.update(turn["counts"])
        failed += turn["failed"]
    for what, count in sorted(counts.items()):
        print(f"{count:>9,}  {what}")
    minutes = (time.time() - began) / 60
    print(f"{counts.total() + failed:,} cases in {minutes:.1f} minutes, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
