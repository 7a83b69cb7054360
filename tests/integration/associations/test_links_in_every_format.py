"""The same links are read from every format."""

import csv
import json

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uploader.hubspot.account import Account
from uploader.jobs.column_rules import resolve_mappers
from uploader.model.associations import LinkColumn
from uploader.model.records import Record
from uploader.settings import Settings
from uploader.sources.open import open_program_rows, open_source
from uploader.sources.python_rows import ProgramRows

_ROWS = [
    {"email": "a@x.com", "Account": "A1", "Deals": "7;8"},
    {"email": "b@x.com", "Account": None, "Deals": "NULL"},
    {"email": "", "Account": "A2", "Deals": "9"},
    {"email": "d@x.com", "Account": "0012", "Deals": 10},
]
_COLUMNS = (
    LinkColumn("Account", "companies", "sf_id"),
    LinkColumn("Deals", "deals", "id", separator=";"),
)


def _csv(path):
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(_ROWS[0]))
        lines.writeheader()
        lines.writerows(_ROWS)


def _xlsx(path):
    book = openpyxl.Workbook()
    for row in [list(_ROWS[0]), *(list(one.values()) for one in _ROWS)]:
        book.active.append(row)
    book.save(path)


def _parquet(path):
    texts = [{name: None if value is None else str(value) for name, value in one.items()} for one in _ROWS]
    pq.write_table(pa.Table.from_pylist(texts), path)


WRITERS = {
    "csv": _csv,
    "ndjson": lambda path: path.write_text("".join(json.dumps(one) + "\n" for one in _ROWS)),
    "json": lambda path: path.write_text(json.dumps(_ROWS)),
    "xlsx": _xlsx,
    "parquet": _parquet,
}


def _links(source, name):
    settings = Settings(sources=(name,), token="t", associations=_COLUMNS)
    (mapper,) = resolve_mappers(settings, [source], Account())
    found = {}
    for slice_ in source.slices(None):
        records = [one for one in mapper.map(0, slice_.rows) if isinstance(one, Record)]
        for row in mapper.links(0, slice_.rows, records):
            found[row.key] = [(one.column, one.ordinal, one.value) for one in row.values]
    return found


_EXPECTED = {"a@x.com": [(0, 0, "A1"), (1, 0, "7"), (1, 1, "8")], "d@x.com": [(0, 0, "0012"), (1, 0, "10")]}


@pytest.mark.parametrize("kind", WRITERS)
def test_links_of_a_file(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    WRITERS[kind](path)
    assert _links(open_source(str(path)), str(path)) == _EXPECTED


def test_links_of_rows_of_a_program_whose_lists_are_several_values():
    rows = [{**one, "Deals": one["Deals"].split(";")} if one["Deals"] == "7;8" else one for one in _ROWS]
    given = ProgramRows(iter(rows), "rows")
    assert _links(open_program_rows(given), "rows") == _EXPECTED
