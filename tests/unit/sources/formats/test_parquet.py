"""Parquet: how cells are spelled, what has a reason instead, and damaged files."""

import contextlib
import datetime as dt
import random
import tracemalloc
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.source_files import only_cells, rows_before_an_error, write_parquet
from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.open import open_source, read_row_again


def parquet_source(tmp_path, **columns):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    return open_source(str(path))


def test_how_parquet_cells_are_spelled(tmp_path):
    utc = dt.datetime(2024, 1, 2, 3, 4, 5, 600_000, tzinfo=dt.UTC)
    naive = utc.replace(tzinfo=None)
    columns = {
        "int": pa.array([2**63 - 1, None]),
        "uint": pa.array([2**64 - 1, 0], pa.uint64()),
        "float": pa.array([1.0, 0.1]),
        "single": pa.array([0.1, 3.0], pa.float32()),
        "decimal": pa.array([Decimal("1.50"), Decimal("-0.0000000001")], pa.decimal128(20, 10)),
        "bool": pa.array([True, False]),
        "date": pa.array([dt.date(2024, 1, 2), None]),
        "utc": pa.array([utc, None], pa.timestamp("us", "UTC")),
        "berlin": pa.array([utc, None], pa.timestamp("ns", "Europe/Berlin")),
        "naive": pa.array([naive, naive.replace(microsecond=0)], pa.timestamp("ms")),
        "list": pa.array([["a", None, "b"], []], pa.list_(pa.string())),
        "ints": pa.array([[1, 2], None], pa.list_(pa.int64())),
        "category": pa.array(["x", None]).dictionary_encode(),
        "bytes": pa.array([b"ok", None]),
        "null": pa.nulls(2),
    }
    first, second = only_cells(parquet_source(tmp_path, **columns))
    assert first == [
        "9223372036854775807",
        "18446744073709551615",
        "1",
        "0.1",
        "1.5000000000",
        "true",
        "2024-01-02",
        "2024-01-02T03:04:05.6Z",
        "2024-01-02T03:04:05.6Z",
        "2024-01-02T03:04:05.6",
        "a;b",
        "1;2",
        "x",
        "ok",
        "",
    ]
    assert second[2:5] == ["0.1", "3", "-0.0000000001"]
    assert second[9:12] == ["2024-01-02T03:04:05", "", ""]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (pa.array([{"x": 1}]), "nested"),
        (pa.array([[["a"]]]), "nested"),
        (pa.array([float("nan")]), "NaN"),
        (pa.array([float("-inf")]), "infinity"),
        (pa.array([b"\xff"]), "not UTF-8 text"),
        (pa.array([["a;b"]]), "separates values"),
        (pa.array([dt.timedelta(1)]), "not supported"),
    ],
    ids=lambda value: str(value)[:10].strip(),
)
def test_what_no_cell_of_text_can_hold_has_a_reason(tmp_path, array, says):
    source = parquet_source(tmp_path, email=pa.array(["a@b.de"]), odd=array)
    ((row,),) = [part.rows for part in source.slices()]
    assert isinstance(row.content, Unreadable)
    assert says in row.content.reason
    assert "'odd'" in row.content.reason
    assert read_row_again(source.shape, row.raw) == row.content


def test_a_damaged_parquet_file(tmp_path):
    noises = random.Random(1)
    path = tmp_path / "t.parquet"
    noise = [noises.randbytes(8).hex() for _ in range(200_000)]
    write_parquet(path, [(a, a, a) for a in noise], row_group_size=50_000)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-1000])
    with pytest.raises(SourceError, match="an incomplete or damaged Parquet file"):
        open_source(str(path))
    data[len(data) * 6 // 10 : len(data) * 6 // 10 + 3000] = b"\xff" * 3000
    path.write_bytes(data)
    rows = []
    with contextlib.suppress(SourceError):  # a page that decodes all the same is no error
        for part in open_source(str(path)).slices():
            rows += part.rows
    assert len(rows) >= 50_000


@pytest.mark.parametrize("options", [{"write_page_checksum": True}, {"compression": "zstd"}], ids=str)
def test_damage_in_a_parquet_file_is_never_taken_for_a_value(tmp_path, options):
    """One byte in the middle of the values: the rows before it are right, and then comes an error."""
    rows = [(f"u{i}@example.com", f"name {i * i}", "x") for i in range(3_000)]
    path = tmp_path / "t.parquet"
    write_parquet(
        path, rows, row_group_size=1_000, use_dictionary=False, **{"compression": "none", **options}
    )
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size * 2 // 3] ^= 0x01
    path.write_bytes(data)
    found, error = rows_before_an_error(open_source(str(path)))
    assert "damaged after row" in error
    assert [tuple(row.content) for row in found] == rows[: len(found)]
    assert len(found) >= 1_000


def test_a_row_takes_little_more_memory_than_its_bytes(tmp_path):
    source = parquet_source(tmp_path, email=pa.array([f"c{i}@x.com" for i in range(200)]))
    assert len(next(source.slices()).rows) == 200  # what reading needs at all is there
    tracemalloc.start()
    try:
        rows = next(source.slices()).rows
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < len(rows) * 1_000
