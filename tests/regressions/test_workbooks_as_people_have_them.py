"""Excel files: which sheet, what is hidden, and what the format of a cell says about its value."""

import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles.numbers import is_date_format

from support.check_runs import check
from support.jobs import Job
from support.mock_transport import make_simulator
from uploader.check.as_json import as_dict
from uploader.cli.text.check.details import lines
from uploader.errors import SourceError
from uploader.sources.open import open_source


def save(tmp_path, book):
    path = tmp_path / "t.xlsx"
    book.save(path)
    return str(path)


def book_of(**sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    return book


def contents(source):
    return [row.content for part in source.slices() for row in part.rows]


def patched(path, member, old, new):
    """Write the workbook again, with other text in a part that openpyxl does not write like that."""
    raw = io.BytesIO()
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(raw, "w") as changed:
        for name in given.namelist():
            text = given.read(name)
            assert name != member or old in text
            changed.writestr(name, text.replace(old, new) if name == member else text)
    Path(path).write_bytes(raw.getvalue())


PEOPLE = [["email", "firstname"], ["a@x.com", "Ann"]]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_not_chosen_before_a_visible_one(tmp_path, state):
    book = book_of(Old=[["email"], ["old@x.com"]], People=PEOPLE)
    book["Old"].sheet_state = state
    source = open_source(save(tmp_path, book))
    assert (source.shape.sheet, contents(source)) == ("People", [["a@x.com", "Ann"]])
    assert source.notices == (
        f"{source.name}: only the sheet 'People' is read, not 'Old' (hidden) (--sheet NAME)",
    )
    assert open_source(source.name, sheet="Old").shape.sheet == "Old"


def test_check_says_which_sheet_it_reads_and_which_not(tmp_path):
    book = book_of(People=PEOPLE, Orders=[["id"], ["1"]])
    job = Job(save(tmp_path, book), make_simulator())
    report = check(job)
    (source,) = as_dict(report)["sources"]
    assert (source["sheet"], source["rows"]) == ("People", 1)
    shown = lines(report, job.settings(), ["check"])
    assert any("only the sheet 'People' is read, not 'Orders' (--sheet NAME)" in line for line in shown)


def test_a_hidden_sheet_is_read_where_no_visible_one_has_rows(tmp_path):
    book = book_of(Data=PEOPLE, Cover=[])
    book["Data"].sheet_state = "hidden"
    source = open_source(save(tmp_path, book))
    assert source.shape.sheet == "Data"
    assert "the sheet 'Data' is hidden, and is read" in source.notices[1]


def test_hidden_rows_and_columns_are_reported_before_anything_is_sent(tmp_path):
    book = book_of(People=[["email", "firstname", "note"], *(["a@x.com", "Ann", "x"] for _ in range(5))])
    sheet = book["People"]
    for row in (3, 4, 90):  # a filter hides the first two; the last has no cells
        sheet.row_dimensions[row].hidden = True
    sheet.column_dimensions["C"].hidden = True
    source = open_source(save(tmp_path, book))
    assert len(contents(source)) == 5
    assert [text.partition(": ")[2] for text in source.notices] == [
        "hidden rows of the sheet 'People', perhaps by a filter: 2; they are read, too",
        "hidden columns of the sheet 'People': 'note'; they are read, too",
    ]


def test_hidden_rows_are_counted_across_the_blocks_of_a_large_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr("uploader.sources.formats.xlsx.BLOCK_BYTES", 7)
    book = book_of(People=[["email"], *(["a@x.com"] for _ in range(20))])
    for row in range(3, 15):
        book["People"].row_dimensions[row].hidden = True
    assert "by a filter: 12;" in open_source(save(tmp_path, book)).notices[0]


@pytest.mark.parametrize(
    ("format_", "number", "text"),
    [
        ("00000", 1067, "01067"),
        ("00000", 1067.0, "01067"),
        ("[$-407]00000;[$-407]-00000", 1067, "01067"),
        ("00000_)", 1067, "01067"),
        (r"000\-00\-0000", 12345678, "012-34-5678"),
        ("00000-0000", 10670001, "01067-0001"),
        ("000", 123456, "123456"),
        ("[<=9999999]000-0000;(000) 000-0000", 3015550123, "3015550123"),
        ("00000", -5, "-5"),
        ("00000", 1.5, "1.5"),
        ("0", 7, "7"),
        ("0.00", 7, "7"),
        ("#,##0", 1234, "1234"),
    ],
)
def test_a_cell_whose_format_is_zeros_keeps_its_zeros(tmp_path, format_, number, text):
    book = book_of(People=[["email", "zip"], ["a@x.com", number]])
    book["People"]["B2"].number_format = format_
    assert contents(open_source(save(tmp_path, book))) == [["a@x.com", text]]


@pytest.mark.parametrize("number", [27, 36, 50, 58, 71, 81])
def test_east_asian_formats_of_dates_are_dates(tmp_path, number):
    """Excel writes no text for these formats, and openpyxl knows no such number."""
    assert not is_date_format(openpyxl.styles.numbers.builtin_format_code(number))
    book = book_of(People=[["email", "born"], ["a@x.com", 45569]])
    book["People"]["B2"].number_format = "0.0000"
    path = save(tmp_path, book)
    patched(path, "xl/styles.xml", b'numFmtId="164"', b'numFmtId="%d"' % number)
    format_ = b'<numFmt numFmtId="%d" formatCode="0.0000" />' % number
    patched(path, "xl/styles.xml", b'<numFmts count="1">' + format_ + b"</numFmts>", b"")
    assert contents(open_source(path)) == [["a@x.com", "2024-10-04"]]


def test_a_workbook_without_styles_is_read(tmp_path):
    path = save(tmp_path, book_of(People=PEOPLE))
    raw = io.BytesIO()
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(raw, "w") as changed:
        for name in given.namelist():
            text = given.read(name)
            if name == "[Content_Types].xml":
                text = re.sub(rb"<Override[^>]*styles[^>]*>", b"", text)
            if name != "xl/styles.xml":
                changed.writestr(name, text)
    Path(path).write_bytes(raw.getvalue())
    assert contents(open_source(path)) == [["a@x.com", "Ann"]]


def test_strict_open_xml_is_named(tmp_path):
    path = save(tmp_path, book_of(People=PEOPLE))
    patched(
        path,
        "xl/workbook.xml",
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    )
    with pytest.raises(SourceError, match=r"is Strict Open XML.*save it as the usual Excel workbook"):
        open_source(path)
