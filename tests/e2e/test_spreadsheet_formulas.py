"""Cells that a spreadsheet program would run: marked on request, and such a file is never sent."""

import csv

from support.jobs import write_csv
from support.processes import run

EVIL = ["=HYPERLINK(1)", "+4912345", "-1", "@SUM(A1)", "\tx", "harmless"]


def test_no_cell_is_a_formula_where_that_is_asked_for_and_upload_refuses_the_file(tmp_path, hubspot_mock):
    rows = [{"email": f"nobody {n}", "city": cell, "=cmd": ""} for n, cell in enumerate(EVIL)]
    source = write_csv(tmp_path / "contacts.csv", rows)
    way = ("--base-url", hubspot_mock(quota="190/10").url, "--yes", "--ignore", "=cmd")
    assert run("upload", source, *way, cwd=tmp_path).code == 1
    checkpoint = f"{source}.checkpoint"
    safe = run("failures", checkpoint, "-o", "safe.csv", "--spreadsheet-safe", cwd=tmp_path)
    assert safe.code == 0
    assert "upload" not in safe.err
    with (tmp_path / "safe.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    cells = [*header, *(cell for line in lines for cell in line)]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert [line[1].lstrip("'") for line in lines] == EVIL
    refused = run("upload", "safe.csv", *way, cwd=tmp_path)
    assert refused.code == 2
    assert "written with --spreadsheet-safe" in refused.err
    assert run("failures", checkpoint, "-o", "plain.csv", cwd=tmp_path).code == 0
    with (tmp_path / "plain.csv").open(newline="", encoding="utf-8") as file:
        assert [line["city"] for line in csv.DictReader(file)] == EVIL
