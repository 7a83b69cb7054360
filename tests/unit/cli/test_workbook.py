"""Texts in a workbook are read back as they were, whatever they look like."""

import tempfile

import openpyxl
import pytest
from hypothesis import given, strategies as st

from uploader.cli import workbook
from uploader.cli.workbook import escaped, write_workbook
from uploader.errors import SettingsError, StorageError
from uploader.sources.formats.xlsx import XlsxTable

#: Excel cells hold no lone surrogates.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_ODD = [
    *(
        "=1+1",
        "#N/A",
        "00123",
        "1E5",
        "2025-03-04",
        "TRUE",
        "+49 30",
        "@x",
        "'x",
        " a ",
        "",
        "a\r\nb",
        "a\tb",
    ),
    *("_x000D_", "_x_x0041_", "\x00", "\x1f\ufffe", "_", "_x005F_x0041_", "<&>", "\u2028", "\n"),
]


def read_back(path):
    with path.open("rb") as handle:
        table = XlsxTable(path.name, handle, None)
        return table, [list(cells) for _, cells in table.rows(handle, table.first)]


def test_every_text_is_read_back_as_it_was_and_every_cell_is_a_text(tmp_path):
    path = tmp_path / "a.xlsx"
    rows = [["x", text] for text in _ODD]
    assert write_workbook(path, "failed rows", ["key", "text"], rows) == len(rows)
    table, found = read_back(path)
    assert (table.columns, table.sheet, found) == (("key", "text"), "failed rows", rows)
    assert path.stat().st_mode & 0o777 == 0o600
    sheet = openpyxl.load_workbook(path).active
    assert {(cell.number_format, cell.data_type) for row in sheet.iter_rows() for cell in row} <= {
        *(("@", "inlineStr"), ("@", "s"), ("@", "n")),  # n: a blank one
    }
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", f"A1:B{len(rows) + 1}")


@given(st.lists(_TEXTS, min_size=1, max_size=5))
def test_any_text_survives(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("book") / "a.xlsx"
    write_workbook(path, "s", ["k", *(f"c{n}" for n in range(len(texts)))], [["x", *texts]])
    assert read_back(path)[1] == [["x", *texts]]


def test_rows_that_no_sheet_holds_and_a_full_disk_leave_no_file(tmp_path, monkeypatch):
    path, temporary = tmp_path / "a.xlsx", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    write_workbook(path, "s", ["a"], [["1"], ["2"]])
    path.unlink()
    with pytest.raises(SettingsError, match="holds 2 rows"):
        write_workbook(path, "s", ["a"], [["1"], ["2"], ["3"]])
    assert not path.exists()

    def full():
        yield ["1"]
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        write_workbook(path, "s", ["a"], full())
    assert list(tmp_path.iterdir()) == [temporary]
    assert list(temporary.iterdir()) == []


def test_a_text_without_an_odd_character_is_not_changed():
    assert escaped("Ünal _x 12 _X0041_ \n\t") == "Ünal _x 12 _X0041_ \n\t"
