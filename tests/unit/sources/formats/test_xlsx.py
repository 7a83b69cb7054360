"""Excel: how cells are spelled, which sheet is read, and damaged workbooks."""

import datetime as dt
import re
import tracemalloc
import zipfile

import openpyxl
import pytest

from support.source_files import COLUMNS, write_xlsx
from uploader.errors import SourceError
from uploader.model.rows import Unreadable
from uploader.sources.open import open_source, read_row_again


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
        (["a@b.de", "x", "y"], "outside of the columns (C2)"),
    ],
)
def test_excel_cells_that_are_no_value(tmp_path, row, says):
    source = sheet_source(tmp_path, ["email", "x"], row, ["b@b.de", "fine"])
    bad, good = [row for part in source.slices() for row in part.rows]
    assert isinstance(bad.content, Unreadable)
    assert says in bad.content.reason
    assert read_row_again(source.shape, bad.raw) == bad.content
    assert good.content == ["b@b.de", "fine"]


def test_which_sheet_and_where_it_begins(tmp_path):
    path = tmp_path / "t.xlsx"
    write_xlsx(path, [("a@b.de", "x", "y")], before=["Cover"])
    source = open_source(str(path))
    assert (source.shape.sheet, source.shape.columns) == ("People", COLUMNS)
    assert "not 'Cover'" in source.notices[0]
    assert open_source(str(path), sheet="People").shape == source.shape
    for name, says in (("Cover", "has no rows"), ("Other", "no sheet 'Other'; its sheets are")):
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
    with pytest.raises(SourceError, match="row 29 follows row 29"):
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
    assert f"outside of the columns ({cell})" in struck.reason
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
