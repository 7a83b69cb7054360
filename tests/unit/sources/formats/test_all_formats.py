"""Every format gives the same rows, from every mark."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from support.source_files import COLUMNS, cells_of, write_csv, write_parquet, write_xlsx
from uploader.sources.open import open_source, read_row_again


def objects(rows):
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def packed(pack):
    def write(path, rows):
        write_csv(path, rows)
        path.write_bytes(pack(path.read_bytes()))

    return write


def write_zip(path, rows):
    inner = io.StringIO(newline="")
    csv.writer(inner, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("exports")
        archive.writestr("__MACOSX/._contacts.csv", b"x")
        archive.writestr("exports/contacts.csv", inner.getvalue())


FORMATS = {
    "csv": write_csv,
    "csv.gz": packed(gzip.compress),
    "csv.bz2": packed(bz2.compress),
    "csv.xz": packed(lzma.compress),
    "csv.zip": write_zip,
    "ndjson": lambda path, rows: path.write_text("\n".join(map(json.dumps, objects(rows)))),
    "json": lambda path, rows: path.write_text(json.dumps(objects(rows))),
    "json pretty": lambda path, rows: path.write_text(json.dumps(objects(rows), indent=2)),
    "json wrapped": lambda path, rows: path.write_text(
        json.dumps({"total": 1, "results": objects(rows), "paging": {"next": None}}, indent=1)
    ),
    "json.gz": lambda path, rows: path.write_bytes(gzip.compress(json.dumps(objects(rows)).encode())),
    "utf-16": lambda path, rows: write_csv(path, rows, "utf-16"),
    "utf-16-le, no mark": lambda path, rows: write_csv(path, rows, "utf-16-le"),
    "utf-32": lambda path, rows: write_csv(path, rows, "utf-32"),
    "json utf-16": lambda path, rows: path.write_text(json.dumps(objects(rows), indent=1), encoding="utf-16"),
    "parquet": lambda path, rows: write_parquet(path, rows, row_group_size=3),
    "xlsx": write_xlsx,
}
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    max_size=9,
)
CELL = TEXT | st.sampled_from(['a "quoted", thing', "[{]}", '\\"', "ü€😀", "1,5;2", "=cmd()"])


def make_rows(texts):
    return [(f"u{i}@example.com", one, two) for i, (one, two) in enumerate(texts)]


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12), slice_rows=st.integers(1, 5))
@example(texts=[("\U00010000" * 9, "\U00010000" * 9)], slice_rows=1)  # hardly a Latin letter in UTF-16
def test_the_same_rows_from_every_format_and_every_mark(tmp_path_factory, kind, texts, slice_rows):
    rows = [(a, b.strip(), c.strip()) for a, b, c in make_rows(texts)]
    path = tmp_path_factory.mktemp("f") / "no name tells it"
    FORMATS[kind](path, rows)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("lines_to_rows", "json_rows", "rows_of_cells"):
            patch.setattr(f"uploader.sources.formats.{module}.SLICE_ROWS", slice_rows)
        for module in ("byte_source", "compression", "zip_archive"):
            patch.setattr(f"uploader.sources.bytes.{module}.BLOCK_BYTES", 50)
        source = open_source(str(path))
        wanted = [{name: value for name, value in row.items() if value} for row in objects(rows)]
        assert cells_of(source) == wanted
        slices = list(source.slices())
        assert all(before.end == after.start for before, after in pairwise(slices))
        numbers = [row.number for part in slices for row in part.rows]
        assert numbers == sorted(set(numbers))
        every = [row for part in slices for row in part.rows]
        for part in [*slices, None]:
            start = part.start if part else slices[-1].end
            again = [row for one in source.slices(start) for row in one.rows]
            assert again == [row for row in every if row.number >= start.line]
        for row in every:
            assert read_row_again(source.shape, row.raw) == row.content
