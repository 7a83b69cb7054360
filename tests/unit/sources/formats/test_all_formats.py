"""Every format gives the same rows, from every mark; what is no text in a file has a reason."""

import bz2
import contextlib
import csv
import datetime as dt
import gzip
import io
import json
import lzma
import random
import re
import tracemalloc
import zipfile
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from openpyxl.cell import WriteOnlyCell

from uploader.errors import SourceError
from uploader.model.rows import Mark, Unreadable
from uploader.sources.open import open_source, reread

COLUMNS = ("email", "first", "note")


def cells_of(source):
    """By column, blanks left out: what every format can say."""
    found = []
    for part in source.slices():
        for row in part.rows:
            content = row.content
            if not isinstance(content, dict):
                content = dict(zip(source.shape.columns, content, strict=True))
            found.append({name: value for name, value in content.items() if value})
    return found


def write_csv(path, rows, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])


def write_xlsx(path, rows, columns=COLUMNS, before=()):
    book = openpyxl.Workbook(write_only=True)
    for title in before:
        book.create_sheet(title)
    sheet = book.create_sheet("People")
    for row in (columns, *rows):
        cells = [WriteOnlyCell(sheet, value=value) for value in row]
        for cell in cells:
            cell.data_type = "s"  # not a formula, whatever it begins with
        sheet.append(cells)
    book.save(path)


def write_parquet(path, rows, columns=COLUMNS, **options):
    arrays = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(dict(zip(columns, arrays, strict=True))), path, **options)


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
        for module in ("row_chunks", "json_rows", "tables"):
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
            assert reread(source.shape, row.raw) == row.content


# JSON arrays


def json_rows(data, **options):
    data = data.encode() if isinstance(data, str) else data
    return rows_before_an_error(open_source("-", stdin=io.BytesIO(data), **options))


def rows_before_an_error(source):
    rows, error = [], ""
    try:
        for part in source.slices():
            rows += part.rows
    except SourceError as raised:
        error = str(raised)
    return rows, error


@pytest.mark.parametrize(
    ("data", "good", "says"),
    [
        ('[{"a":"1"},{"a":"2"},]', 2, "behind a comma"),
        ('[{"a":"1"},,{"a":"2"}]', 1, "behind a comma"),
        ('[{"a":"1"} {"a":"2"}]', 1, "a comma is due"),
        ('[{"a":"1"},{"a":"2"', 1, "ends in the middle"),
        ('[{"a":"1"},{"a":"2', 1, "ends in the middle"),
        ('[{"a":"1"},', 1, "ends in the middle"),
        ('[{"a":"1"}', 1, "ends in the middle"),
        ('[{"a":"1"},{"a":[1}]', 1, "closes what is not open"),
        ('[{"a":"1"}] [{"a":"2"}]', 1, "behind the array"),
        ('[{"a":"1"}]x', 1, "behind the array"),
        ('{"results":[{"a":"1"}]', 1, "is not closed"),
        ('{"results":[{"a":"1"}],\n"more":[ {"a":"2"}]}', 1, "second array"),
    ],
)
def test_a_broken_array_gives_what_is_before_the_damage(data, good, says):
    rows, error = json_rows(data)
    assert [row.content for row in rows] == [{"a": str(i + 1)} for i in range(good)]
    assert says in error
    assert "broken at its byte" in error


@pytest.mark.parametrize(
    "data",
    ['[{"a":"1"}, {"a":"2"} k"a":"3"}, {"a":"4"}]', '[{"a":"1"},{"a":"2"}{"a":"3"}]', '[{"a":"1"},,{}]'],
)
def test_a_broken_array_is_broken_as_well_when_a_job_goes_on(tmp_path, data):
    """The same command, given again, must not read on behind the damage."""
    path = tmp_path / "a.json"
    path.write_text(data)
    source = open_source(str(path))
    slices = source.slices()
    before = next(slices)
    with pytest.raises(SourceError, match="broken at its byte") as first:
        next(slices)
    with pytest.raises(SourceError) as again:
        next(source.slices(before.end))
    assert str(again.value) == str(first.value)


@pytest.mark.parametrize("opens", ["[", '{"":'])
def test_an_array_that_only_opens_is_broken(opens):
    rows, error = json_rows('[{"a":"1"},{"a":' + opens * 100_000 + "}]")
    assert [row.content for row in rows] == [{"a": "1"}]
    assert "broken at its byte" in error


@pytest.mark.parametrize("block_bytes", range(1, 9))
def test_a_second_array_is_seen_wherever_blocks_end(block_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", block_bytes)
        _, error = json_rows('{"results":[{"a":"1"}],"more":[  {"a":"2"}]}')
    assert "second array" in error


@pytest.mark.parametrize(
    "element",
    [
        '{"a":nope}',
        '{"a":1,}',
        "{'a':1}",
        "12",
        '"}{]["',
        "null",
        "[1,[2,{}]]",
        '{"a":"\\ud800"}',
        '{"a":"x","a":"y"}',
        '{"a":NaN}',
        '{"a":"\x01"}',
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":"' + "\\" * 2 * 600_000 + '"}',
        b'{"a":"\xff"}',
    ],
    ids=lambda element: str(element)[:12],
)
def test_a_bad_element_costs_its_row_only(element):
    element = element.encode() if isinstance(element, str) else element
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", 1000)
        rows, error = json_rows(b'[{"a":"1"},\n ' + element + b' ,{"a":"}]\\""}]')
    assert error == ""
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[0].content == {"a": "1"}
    assert isinstance(rows[1].content, Unreadable)
    assert rows[2].content == {"a": '}]"'}


def test_a_value_of_a_megabyte_is_read_and_more_is_not():
    for size, is_good in ((1_000_000, True), (1_100_000, False), (9_000_000, False)):
        rows, error = json_rows('[{"a":"' + "x" * size + '"},{"a":"1"}]')
        assert (len(rows), error) == (2, "")
        assert isinstance(rows[0].content, dict) is is_good
        assert len(rows[0].raw) <= 1024 * 1024 + 1


def test_what_looks_like_an_array_and_is_none():
    for data, says in (
        ("[]", "without rows"),
        ('{"results": []}', "without rows"),
        ("[a],b\n1,2", "say --format csv"),
        ('{\n  "email": "a"\n}\n', "over several lines"),
    ):
        with pytest.raises(SourceError, match=says):
            json_rows(data)


def test_a_row_of_ndjson_may_have_an_array_of_objects():
    source = open_source("-", stdin=io.BytesIO(b'{"email":"a@b.de","phones":[{"n":1}]}\n'))
    assert source.shape.format == "ndjson"
    source = open_source("-", stdin=io.BytesIO(b'{"results":[{"n":1}]}\n{"results":[{"n":1}]}\n'))
    assert source.shape.format == "ndjson"
    assert open_source("-", stdin=io.BytesIO(b'{"results":[{"n":1}]}\n')).shape.format == "json"


@given(st.binary(max_size=200), st.sampled_from([b"[", b'{"results":[', b'[{"a":1},', b""]))
def test_any_bytes_are_rows_or_a_source_error(data, before):
    for kind in ("json", None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("uploader.sources.bytes.byte_source.BLOCK_BYTES", 7)
            with contextlib.suppress(SourceError):
                json_rows(before + data, format=kind)


# Parquet


def parquet_source(tmp_path, **columns):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    return open_source(str(path))


def only_cells(source):
    return [row.content for part in source.slices() for row in part.rows]


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
        (pa.array([b"\xff"]), "no text"),
        (pa.array([["a;b"]]), "parts them"),
        (pa.array([dt.timedelta(1)]), "no spelling"),
    ],
    ids=lambda value: str(value)[:10].strip(),
)
def test_what_no_cell_of_text_can_hold_has_a_reason(tmp_path, array, says):
    source = parquet_source(tmp_path, email=pa.array(["a@b.de"]), odd=array)
    ((row,),) = [part.rows for part in source.slices()]
    assert isinstance(row.content, Unreadable)
    assert says in row.content.reason
    assert "'odd'" in row.content.reason
    assert reread(source.shape, row.raw) == row.content


def test_a_damaged_parquet_file(tmp_path):
    noises = random.Random(1)
    path = tmp_path / "t.parquet"
    noise = [noises.randbytes(8).hex() for _ in range(200_000)]
    write_parquet(path, [(a, a, a) for a in noise], row_group_size=50_000)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-1000])
    with pytest.raises(SourceError, match="no whole Parquet file"):
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
    assert "damaged behind its row" in error
    assert [tuple(row.content) for row in found] == rows[: len(found)]
    assert len(found) >= 1_000


# Excel


def sheet_source(tmp_path, *rows, **options):
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return open_source(str(path), **options)


def test_how_excel_cells_are_spelled(tmp_path):
    source = sheet_source(
        tmp_path,
        ["a", "b", "c", "d", "e"],
        [
            1,
            1.5,
            True,
            dt.datetime.fromisoformat("2024-01-02"),
            dt.datetime.fromisoformat("2024-01-02T03:04:05"),
        ],
        [],
        ["x_x000D_y", None, dt.time(3, 4), 1234567890123456, "007"],
    )
    rows = [row for part in source.slices() for row in part.rows]
    assert [(row.number, row.content) for row in rows] == [
        (2, ["1", "1.5", "true", "2024-01-02", "2024-01-02T03:04:05"]),
        (4, ["x\ry", "", "03:04:00", "1234567890123456", "007"]),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (["a@b.de", "#N/A"], "the error #N/A"),
        (["a@b.de", "=A1"], "without a value"),
        (["a@b.de", "x", "y"], "in no column (C2)"),
    ],
)
def test_excel_cells_that_are_no_value(tmp_path, row, says):
    source = sheet_source(tmp_path, ["email", "x"], row, ["b@b.de", "fine"])
    bad, good = [row for part in source.slices() for row in part.rows]
    assert isinstance(bad.content, Unreadable)
    assert says in bad.content.reason
    assert reread(source.shape, bad.raw) == bad.content
    assert good.content == ["b@b.de", "fine"]


def test_which_sheet_and_where_it_begins(tmp_path):
    path = tmp_path / "t.xlsx"
    write_xlsx(path, [("a@b.de", "x", "y")], before=["Cover"])
    source = open_source(str(path))
    assert (source.shape.sheet, source.shape.columns) == ("People", COLUMNS)
    assert "not 'Cover'" in source.notices[0]
    assert open_source(str(path), sheet="People").shape == source.shape
    for name, says in (("Cover", "holds no rows"), ("Other", "no sheet 'Other'; its sheets are")):
        with pytest.raises(SourceError, match=says):
            open_source(str(path), sheet=name)
    blank = sheet_source(tmp_path, [], [None, None], ["email", "x"], ["a@b.de", "1"])
    assert [(row.number, row.content) for part in blank.slices() for row in part.rows] == [
        (4, ["a@b.de", "1"])
    ]
    with pytest.raises(SourceError, match="looks like a title"):
        sheet_source(tmp_path, ["Contacts 2024"], [], ["email", "x"], ["a@b.de", "1"])
    with pytest.raises(SourceError, match="and no rows"):
        sheet_source(tmp_path, ["email", "x"])


def test_a_damaged_workbook(tmp_path):
    path = tmp_path / "t.xlsx"
    write_xlsx(path, [(f"u{i}@b.de", "x", "y") for i in range(100)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="damaged"):
        open_source(str(path))


def test_a_workbook_whose_sheet_does_not_unpack(tmp_path):
    path = tmp_path / "t.xlsx"
    write_xlsx(path, [("u@b.de", "x", "y")])
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("xl/worksheets/sheet1.xml")
    data[info.header_offset + 30 + len(info.filename)] = 0xFF  # a kind of block that deflate does not have
    path.write_bytes(data)
    with pytest.raises(SourceError, match="the Excel file is damaged"):
        open_source(str(path))


def test_a_workbook_whose_rows_are_out_of_order(tmp_path):
    """A job goes on at a row's number, so it has to grow."""
    path = tmp_path / "t.xlsx"
    write_xlsx(path, [(f"u{i}@b.de", "x", "y") for i in range(40)])
    change_sheet(path, b'r="30"', b'r="29"')
    source = open_source(str(path))
    slices = source.slices()
    assert [row.number for row in next(slices).rows] == [*range(2, 30)]
    with pytest.raises(SourceError, match="row 29 stands behind row 29"):
        next(slices)


@pytest.mark.parametrize("cell", ["XFD2", "XFD1048576", "AAA7"])
def test_a_stray_cell_far_away_costs_its_row_only(tmp_path, cell):
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    for row in (["email", "x"], ["a@b.de", "1"], ["b@b.de", "2"]):
        book.active.append(row)
    book.active[cell] = "stray"
    book.save(path)
    tracemalloc.start()
    found = {row.number: row.content for part in open_source(str(path)).slices() for row in part.rows}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    number = int(cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    struck = found.pop(number)
    assert isinstance(struck, Unreadable)
    assert f"in no column ({cell})" in struck.reason
    wanted = {2: ["a@b.de", "1"], 3: ["b@b.de", "2"]}
    assert found == {at: cells for at, cells in wanted.items() if at != number}
    assert peak < 12 << 20


def test_a_workbook_that_unpacks_to_far_too_much_is_refused(tmp_path):
    path = tmp_path / "t.xlsx"
    write_xlsx(path, [("a@b.de", "x", "y")])
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head, tail = members.pop("xl/worksheets/sheet1.xml").split(b"</t>", 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member:
            member.write(head)
            for _ in range(300):
                member.write(b"x" * (1 << 20))
            member.write(b"</t>" + tail)
    tracemalloc.start()
    with pytest.raises(SourceError, match="unpacks to"):
        open_source(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


def change_sheet(path, old, new):
    """In the XML of the workbook's last sheet."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = max(name for name in members if "worksheets/sheet" in name)
    assert old in members[name]
    members[name] = members[name].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in members.items():
            archive.writestr(each, data)


# ZIP


def zip_of(path: Path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_what_a_zip_archive_may_hold(tmp_path):
    path = tmp_path / "t.zip"
    for files, says in (
        ({"a": "x", "b": "y"}, r"holds 2 files \(a, b\)"),
        ({"d/": ""}, "holds no file"),
        ({"a\x1b[2J\nb": "x", "c": "y"}, r"holds 2 files \(a \[2J b, c\)"),
        ({"content.xml": "x"}, "OpenDocument"),
        ({"a": gzip.compress(b"a,b\n1,2\n")}, "compressed twice"),
    ):
        with pytest.raises(SourceError, match=says):
            open_source(str(zip_of(path, **files)))
    data = zip_of(path, a="email,b\n" + "a@b.de,1\n" * 50_000).read_bytes()
    broken = bytearray(data)
    broken[len(broken) // 2] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(SourceError, match="damaged"):
        cells_of(open_source(str(path)))
    with pytest.raises(SourceError, match="name it as a file"):
        open_source("-", stdin=io.BytesIO(data))


def test_a_bomb_is_read_in_bounded_memory(tmp_path):
    """A hundred megabytes in a hundred kilobytes, by every way in."""
    body = b"email,b\n" + b"a@b.de," + b"x" * (100 << 20)
    zip_of(tmp_path / "a.zip", a=body)
    (tmp_path / "a.gz").write_bytes(gzip.compress(body, 1))
    (tmp_path / "a.bz2").write_bytes(bz2.compress(body, 1))
    (tmp_path / "a.xz").write_bytes(lzma.compress(body, preset=0))
    del body
    for path in sorted(tmp_path.iterdir()):
        tracemalloc.start()
        (row,) = [row for part in open_source(str(path)).slices() for row in part.rows]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(row.content, Unreadable)
        assert peak < 12 << 20, (path, peak)


# Encodings


@pytest.mark.parametrize(
    ("encoding", "text"), [("utf-32", "列,名\n\x01,名前\n"), ("utf-16", "列,名\n\x01,名前\n")]
)
def test_an_encoding_of_two_orders_needs_a_mark_or_the_users_word(encoding, text):
    """Where the text does not tell, because it has characters that belong into no text."""
    data = text.encode(f"{encoding}-le")
    with pytest.raises(SourceError, match=f"say --encoding {encoding}-le"):
        open_source("-", stdin=io.BytesIO(data), encoding=encoding)
    source = open_source("-", stdin=io.BytesIO(data), encoding=f"{encoding}-le")
    assert source.shape.columns == tuple(text.split("\n")[0].split(","))


LETTERS = st.text(
    st.characters(
        codec="utf-8",
        min_codepoint=0x21,
        exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"],
        exclude_characters=',"\ufeff\ufffe\uffff',
    ),
    min_size=1,
    max_size=9,
)
#: One each for bytes that look like something else: tabs, line feeds, carriage returns, printable ASCII.
SCRIPTS = ["имя", "όνομα", "שם", "اسم", "नाम", "ਨਾਮ", "പേര്", "ชื่อ", "ひらがな", "東京", "이름", "😀𝄞"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@given(st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
@example([("0", "\U00010000" * 9)] * 6, "\r\n")
@example([(script, script[::-1]) for script in SCRIPTS], "\n")
def test_utf_16_without_a_mark_is_found_whatever_the_letters(encoding, rows, end):
    """The address and the heads of the columns are Latin, and the other letters are of any script."""
    lines = ["email,name,note", *(f"a@b.de,{name},{note}" for name, note in rows)]
    source = open_source("-", stdin=io.BytesIO((end.join(lines) + end).encode(encoding)))
    assert source.shape.encoding == encoding
    assert only_cells(source) == [line.split(",") for line in lines[1:]]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_found_by_its_delimiters_and_line_ends(encoding, script):
    for text in (
        f"{script};{script}\n{script};1",
        f"{script}\r{script}\r",
        f"{script}\t1\r\n{script}\t1\r\n",
    ):
        source = open_source("-", stdin=io.BytesIO(text.encode(encoding)))
        assert (source.shape.encoding, source.shape.columns[0]) == (encoding, script)
        assert len(only_cells(source)) == 1
    source = open_source("-", stdin=io.BytesIO(f'[{{"{script}": "{script}"}}]'.encode(encoding)))
    assert rows_before_an_error(source)[0][0].content == {script: script}


def test_a_sample_that_ends_in_the_middle_of_a_character_is_told_by_the_rest():
    text = "имя,город\n" + "Анна,Бонн😀\n" * 100_000
    for cut in range(4):
        source = open_source("-", stdin=io.BytesIO(text[cut:].encode("utf-16-be")))
        assert source.shape.encoding == "utf-16-be"


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,\0\n",
        b"a\0,b\0\nc\0,d\0\n",
        b"email,name\na@x.com,Ann\0\nb@x.com,Bob\n",
        b"email,name\n" + b"a@x.com,Ann\0\0\0\n" * 99,
        b"email,name\n\0" + b"a@x.com,Ann\n" * 9,
        "имя,город\nЮл\0ия,Рим\nЛия,Рим\n".encode(),
        bytes(range(256)) * 20,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\0\0\0\2\0\b\2\0\0\0",
        b"RIFF\x24\b\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + b"\0\1\xff\xff\2\0\n\0" * 99,
        random.Random(1).randbytes(9_000),
    ],
)
def test_what_only_has_nul_bytes_is_not_taken_for_utf_16(data):
    with pytest.raises(SourceError, match="is a binary file"):
        open_source("-", stdin=io.BytesIO(data))


@pytest.mark.parametrize(
    "encoding", ["cp1252", "iso8859-15", "cp1251", "shift_jis", "utf-16", "utf-32", "gb18030"]
)
def test_an_encoding_that_is_said_is_read(tmp_path, encoding):
    text = {"cp1251": "Юлия", "shift_jis": "山田", "gb18030": "山田"}.get(encoding, "Zoë")
    path = tmp_path / "a.csv"
    path.write_bytes(f"email,name\na@b.de,{text}\n".encode(encoding))
    source = open_source(str(path), encoding=encoding)
    assert only_cells(source) == [["a@b.de", text]]
    assert source.shape.encoding.startswith(encoding[:6])


@pytest.mark.parametrize(
    ("encoding", "line"), [("cp1252", b"\x81"), ("shift_jis", b"\x81,"), ("utf-16-le", b"\x00\xd8")]
)
def test_bytes_that_are_no_text_cost_their_row(tmp_path, encoding, line):
    rows = [f"u{i}@b.de,é".encode(encoding, "replace") for i in range(5)]
    rows[2] = "u2@b.de,".encode(encoding) + line
    path = tmp_path / "a.csv"
    end = "\n".encode(encoding)
    path.write_bytes(end.join(["email,name".encode(encoding), *rows]) + end)
    source = open_source(str(path), encoding=encoding)
    found = [row for part in source.slices() for row in part.rows]
    assert [isinstance(row.content, Unreadable) for row in found] == [False, False, True, False, False]
    assert found[2].content.reason == f"this row holds bytes that are no text in {encoding}"
    assert reread(source.shape, found[2].raw) == found[2].content


@pytest.mark.parametrize(
    ("data", "encoding", "says"),
    [
        ("email,é\n", "rot13", "no encoding of text"),
        ("email,é\n", "klingon", "is no encoding"),
        ("email,é\n", "cp1252", "is UTF-8, and would be mangled"),
        ("email,é\n".encode("utf-16"), "cp1252", "is UTF-16-LE, not cp1252"),
        ("email,é\na,b\n".encode("cp1252"), "utf-8", "--encoding windows-1252"),
    ],
)
def test_an_encoding_that_can_not_be(data, encoding, says):
    data = data.encode() if isinstance(data, str) else data
    with pytest.raises(SourceError, match=says):
        open_source("-", stdin=io.BytesIO(data), encoding=encoding)


# Streams


def test_a_stream_that_is_piped_again_has_to_begin_as_it_did():
    data = b"email,n\n" + b"".join(b"u%d@b.de,%d\n" % (i, i) for i in range(20_000))
    slices = list(open_source("-", stdin=io.BytesIO(data)).slices())
    mark = slices[25].start
    again = open_source("-", stdin=io.BytesIO(data + b"more@b.de,1\n"))
    assert next(again.slices(mark)).rows[0].raw == slices[25].rows[0].raw
    changed = data[:100_000] + b"9" + data[100_001:]
    assert mark.offset > 100_000
    with pytest.raises(SourceError, match="not what the job has read of it before"):
        list(open_source("-", stdin=io.BytesIO(changed)).slices(mark))
    assert next(open_source("-", stdin=io.BytesIO(changed)).slices(Mark(mark.offset, mark.line))).rows


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_the_first_rows_of_a_stream_are_seen_without_using_it_up(form):
    lines = [b'{"email":"a%d@x.com","n":%d}' % (i, i) for i in range(9_000)]
    data = b"\n".join(lines) if form == "ndjson" else b"[" + b",".join(lines) + b"]"
    source = open_source("-", stdin=io.BytesIO(data))
    assert [row.content["n"] for row in source.first_rows()[:3]] == ["0", "1", "2"]
    assert sum(len(slice_.rows) for slice_ in source.slices()) == len(lines)


def test_cells_of_a_sheet_that_are_out_of_order_are_damage_and_no_other_columns(tmp_path):
    path, torn = tmp_path / "t.xlsx", tmp_path / "torn.xlsx"
    book = openpyxl.Workbook()
    for row in (["email", "firstname", "lastname", "city"], ["a@x.com", "Ann", "Ash", "Ulm"]):
        book.active.append(row)
    book.save(path)
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(torn, "w") as other:
        for name in whole.namelist():
            content = whole.read(name)
            if name.endswith("sheet1.xml"):
                cells = re.findall(rb'<c r="[A-D]2".*?</c>', content)
                content = content.replace(b"".join(cells), cells[1] + cells[0] + cells[2])
            other.writestr(name, content)
    with pytest.raises(SourceError, match="out of order"):
        list(open_source(str(torn)).slices())
