"""Tables that say what replaces values: of the mapping file, or in a file of their own (`--values`).

    column,value,replacement                    ["Lifecycle Stage"]
    Lifecycle Stage,Prospect,lead               "Prospect" = "lead"
    Lifecycle Stage,n/a,                        "n/a" = ""

In    the text of a file, CSV or TOML.
Out   `ValueTables`: what replaces each value, and where that is written.
Raise `MappingError`, which gives the line.
"""

import csv
import tomllib
from dataclasses import dataclass, field

from uploader.model.column_names import folded
from uploader.model.toml_problems import toml_problem
from uploader.records.columns import MappingError
from uploader.records.values.translation import word
from uploader.records.values.wrappings import cell_text

_HEADING = ("column", "value", "replacement")


@dataclass(slots=True)
class ValueTables:
    """What replaces values: by column, and by word as `translation.word` folds it."""

    replacements: dict[str, dict[str, str]] = field(default_factory=dict)
    places: dict[str, dict[str, str]] = field(default_factory=dict)  #: the same keys -> such as "line 7"

    def add(self, column: str, value: str, replacement: str, place: str) -> None:
        """Note what replaces a value. MappingError if another text does already, or if the value is blank."""
        column, key, replacement = folded(cell_text(column)), word(value), cell_text(replacement)
        if not column or not key:
            what = "the value" if column else "the column"
            raise MappingError(f"{place}: {what} is blank; a blank cell cannot be replaced")
        known = self.replacements.setdefault(column, {})
        if known.setdefault(key, replacement) != replacement:
            raise MappingError(
                f"{place}: {column!r}: {value!r} is replaced by {replacement!r} here, and by {known[key]!r} "
                f"in {self.places[column][key]} (upper and lower case are the same)"
            )
        self.places.setdefault(column, {}).setdefault(key, place)

    def overridden_by(self, other: "ValueTables", where: str, others: str) -> "ValueTables":
        """Return both, of which `other` wins. `where` and `others` name the files of their places."""
        both = ValueTables()
        for tables, file in ((self, where), (other, others)):
            for column, table in tables.replacements.items():
                both.replacements.setdefault(column, {}).update(table)
                places = {key: f"{file}: {place}" for key, place in tables.places[column].items()}
                both.places.setdefault(column, {}).update(places)
        return both


def parse_value_csv(text: str) -> ValueTables:
    """Read rows of column, value and replacement, with or without a heading."""
    lines = text.splitlines(keepends=True)
    delimiter = max(",;\t", key=(lines[0] if lines else "").count)
    rows = csv.reader(lines, delimiter=delimiter)
    tables = ValueTables()
    for row in rows:
        cells, place = [cell_text(cell) for cell in row], f"line {rows.line_num}"
        while len(cells) > len(_HEADING) and not cells[-1]:
            cells.pop()
        if not any(cells) or tuple(map(str.lower, cells)) == _HEADING:
            continue
        if len(cells) != len(_HEADING):
            raise MappingError(
                f"{place} has {len(cells)} cells and not three: the column, the value in the file, and what "
                "replaces it (blank: nothing is sent)"
            )
        column, value, replacement = cells
        tables.add(column, value, replacement, place)
    return tables


def parse_value_toml(text: str) -> ValueTables:
    """Read a table for each column, such as `["Lifecycle Stage"]`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(toml_problem(text, error)) from error
    tables = ValueTables()
    add_toml_tables(tables, document, text.splitlines())
    return tables


def add_toml_tables(tables: ValueTables, document: object, lines: list[str]) -> None:
    """Add the tables of a TOML document: column -> value -> replacement. `lines`: of its text."""
    if not isinstance(document, dict):
        raise MappingError('values must be tables such as [values."Lifecycle Stage"]')
    for column, table in document.items():
        if not isinstance(table, dict):
            place = _place(lines, column)
            raise MappingError(
                f'{place}: {column!r} must be a table of values and what replaces them, such as "Prospect" = '
                '"lead"'
            )
        for value, replacement in table.items():
            place = _place(lines, column, value)
            if not isinstance(replacement, str):
                what = f'{place}: {column!r}: what replaces {value!r} must be a text, or "" for a blank'
                if isinstance(replacement, dict):
                    what += f"; the line is in the table of values of {column!r}: columns belong to [columns]"
                raise MappingError(what)
            tables.add(column, value, replacement, place)


def _place(lines: list[str], column: str, value: str = "") -> str:
    """Return the line of a value in the table of its column, as far as it is found. The TOML parser keeps no
    line numbers.
    """
    named = [at for at, line in enumerate(lines) if column in line and not _is_comment(line)]
    for at in named if value else ():
        if not lines[at].lstrip().startswith("["):
            within = [at] if value in lines[at].partition(column)[2] else []
        else:
            end = next(
                (i for i in range(at + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines)
            )
            within = [i for i in range(at + 1, end) if value in lines[i] and not _is_comment(lines[i])]
        if within:
            return f"line {within[0] + 1}"
    return f"line {named[0] + 1}" if named else "a line that was not found"


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")
