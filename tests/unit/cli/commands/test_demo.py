"""`uploader demo --file-only`: an export to practise on, made once."""

import csv

from uploader.cli.main import run


def test_it_writes_an_export_with_foreign_headers_and_nothing_else(tmp_path):
    export = tmp_path / "contacts.csv"
    assert run(["demo", "--file-only", str(export)]) == 0
    with export.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1_000
    assert {"Contact ID", "First Name", "Account Name", "Email Opt Out"} <= rows[0].keys()
    assert list(tmp_path.iterdir()) == [export]


def test_it_writes_over_no_file(tmp_path, capsys):
    export = tmp_path / "contacts.csv"
    export.write_text("mine")
    assert run(["demo", "--file-only", str(export)]) == 2
    assert "this file exists; name a new one" in capsys.readouterr().err
    assert export.read_text() == "mine"
