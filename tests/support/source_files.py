"""Writes sources in every format, and reads their cells; exports of other systems."""

import csv
from pathlib import Path
from typing import NamedTuple

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.cell import WriteOnlyCell

from uploader.errors import SourceError

COLUMNS = ("email", "first", "note")

#: Exports of other systems, each with a made-up person: the files in exports/.
EXPORTS = sorted(path.stem for path in (Path(__file__).parent / "exports").glob("*.csv"))
_SYSTEMS = {"dynamics": "Dynamics 365", "google": "Google Contacts", "hubspot": "HubSpot"}


#: Exports of other records than contacts, with their type: the files in exports/companies and exports/deals.
OTHER_EXPORTS = {
    path.stem: path.parent.name for path in sorted((Path(__file__).parent / "exports").glob("*/*.csv"))
}


class ExportedCell(NamedTuple):
    column: str
    text: str
    wanted: str  #: the property; "-": the column is left out; "?": only the user can decide


def export(name):
    """The cells of an export. The third line of its file says what is wanted of each column."""
    with (Path(__file__).parent / "exports" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [ExportedCell(*cells) for cells in zip(*csv.reader(file), strict=True)]


def other_export(name):
    """The same of other records. ? after a property or links: only proposed."""
    return export(f"{OTHER_EXPORTS[name]}/{name}")


def system_of(name):
    """The system that an export is from."""
    system = name.partition("-")[0]
    return _SYSTEMS.get(system, system.capitalize())


def cells_of(source):
    """The cells of each row by column, without blanks, which not every format has."""
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


def rows_before_an_error(source):
    rows, error = [], ""
    try:
        for part in source.slices():
            rows += part.rows
    except SourceError as raised:
        error = str(raised)
    return rows, error


def only_cells(source):
    return [row.content for part in source.slices() for row in part.rows]
