"""Options for what columns mean and how their values are written, and their settings."""

import csv
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from uploader.cli.options.connection import PATH
from uploader.cli.options.group import Heading, option
from uploader.cli.project_file import project_in_use
from uploader.cli.text_file import read_text
from uploader.errors import SettingsError
from uploader.hubspot.owner_lookup import OWNER_TO_FILL_IN
from uploader.model.associations import LinkColumn
from uploader.model.column_names import folded
from uploader.model.toml_problems import toml_problem
from uploader.records.associations.link_columns import parse_association
from uploader.records.columns import MappingError
from uploader.records.mapping_file import MappingFile, parse_mapping
from uploader.records.values.datetimes import DateOrder
from uploader.records.values.value_tables import ValueTables, parse_value_csv, parse_value_toml
from uploader.records.values.wrappings import cell_text

#: The options of `column_settings`.
COLUMN_OPTIONS = (
    option(
        Heading.COLUMNS, "--map", "mapped", multiple=True, metavar="COLUMN=PROPERTY",
        help="Write this column to this property.",
    ),
    option(
        Heading.COLUMNS, "--ignore", "ignored", multiple=True, metavar="COLUMN",
        help="Leave this column out.",
    ),
    option(
        Heading.COLUMNS, "--only", multiple=True, metavar="COLUMN",
        help="Use this column, and leave out every column that is not named like this.",
    ),
    option(
        Heading.COLUMNS, "--mapping", type=PATH, metavar="FILE.toml",
        help="File that says what each column means, as drafted by `check --write-mapping`. "
        "Options take precedence over it.",
    ),
    option(
        Heading.COLUMNS, "--clear", "cleared", multiple=True, metavar="COLUMN",
        help="Clear the property where a cell of this column is blank. Default: blank cells are not sent.",
    ),
    option(
        Heading.COLUMNS, "--blank-value", "blank_values", multiple=True, metavar="[COLUMN=]WORD",
        help="Treat a cell of this column, or of all, as blank if it holds this word, in any case; for "
        "example n/a. Give it again for more words.",
    ),
    option(
        Heading.COLUMNS, "--date-order", "date_orders", multiple=True,
        metavar="[COLUMN=]DMY|MDY|YMD|UNIT",
        help="Order of day, month and year in this column, or in all; of numbers their UNIT: SERIAL (day "
        "numbers of a spreadsheet), or DAYS, SECONDS, MILLISECONDS, MICROSECONDS or NANOSECONDS since 1970. "
        "Default: detected from the values.",
    ),
    option(
        Heading.COLUMNS, "--decimal", "decimals", multiple=True, metavar="[COLUMN=],|.",
        help="Decimal mark in this column, or in all. Default: detected from the values.",
    ),
    option(
        Heading.COLUMNS, "--options", "option_readings", multiple=True, metavar="[COLUMN=]value|label",
        help="What a cell of this column, or of all, means that is the value of one option and the label of "
        "another. Default: asked for.",
    ),
    option(
        Heading.COLUMNS, "--timezone", "timezones", multiple=True, metavar="[COLUMN=]NAME",
        help="Time zone of times that have none, in this column or in all; for example Europe/Berlin.",
    ),
    option(
        Heading.COLUMNS, "--on-bad-value", type=click.Choice(["reject", "drop"]),
        help="If HubSpot would refuse a value: reject the row, or drop the value and send the rest. "
        "Default: reject.",
    ),
    option(
        Heading.COLUMNS, "--owner-map", type=PATH, metavar="FILE",
        help="CSV or TOML file with the owners in the source and, for each, the owner's e-mail address or id "
        "in HubSpot.",
    ),
    option(
        Heading.COLUMNS, "--values", type=PATH, metavar="FILE",
        help="CSV file with column, value and replacement in each row, or TOML file with a table for each "
        "column: a cell with such a value is taken for its replacement. A blank replacement: a blank cell.",
    ),
    option(
        Heading.COLUMNS, "--associate", "associations", multiple=True,
        metavar="COLUMN=OBJECTS.PROPERTY[:LABEL]",
        help="Link the row's record with the record of another type that has this column's value in its "
        "unique PROPERTY, for example AccountId=companies.sf_account_id:Primary. PROPERTY may also be id "
        "(HubSpot's own), and domain of companies. The column is not written unless it is mapped, too.",
    ),
    option(
        Heading.COLUMNS, "--create-labels", is_flag=True,
        help="Create the labels of links that the account does not have.",
    ),
    option(
        Heading.COLUMNS, "--create-missing", multiple=True, metavar="OBJECTS",
        help="Create records of this type that a link names and HubSpot does not have, by their unique "
        "property alone, for example companies.",
    ),
)  # fmt: skip


def column_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from the values of these options; other values are passed through."""
    fields = dict(options)
    mapping, owner_map, values = fields.pop("mapping"), fields.pop("owner_map"), fields.pop("values")
    project = project_in_use()
    file = read_mapping(mapping) if mapping else project.mapping if project else MappingFile()
    mapped, ignored = parse_map(fields.pop("mapped")), frozenset(fields.pop("ignored"))
    fields["mapped"] = {**{c: name for c, name in file.mapped.items() if c not in ignored}, **mapped}
    fields["ignored"] = ignored | (file.ignored - mapped.keys())
    fields["cleared"] = frozenset(fields.pop("cleared")) | (file.cleared - ignored)
    fields["only"] = frozenset(fields.pop("only"))
    fields["create_missing"] = frozenset(fields.pop("create_missing"))
    fields["blank_values"] = _blank_values(file.blank_values, fields.pop("blank_values"))
    for spelling, name in _TABLES.items():
        fields[name] = {**getattr(file, name), **_table(spelling, fields.pop(name))}
    fields["on_bad_value"] = fields.pop("on_bad_value") or file.on_bad_value or "reject"
    fields["policies"] = file.policies
    folder = mapping.parent if mapping else project.path.parent if project else Path()
    fields["associations"] = _associations(file, folder, fields.pop("associations"), ignored)
    fields["file_suppress_where"] = {c: v for c, v in file.suppress_where.items() if c not in ignored}
    fields["owner_map"] = read_owner_map(owner_map) if owner_map else {}
    where = f"--project {project.path}" if project and not mapping else f"--mapping {mapping}"
    tables = file.values.overridden_by(
        read_value_tables(values) if values else ValueTables(), where, f"--values {values}"
    )
    fields["translations"] = {
        c: t for c, t in tables.replacements.items() if c not in set(map(folded, ignored))
    }
    fields["translation_places"] = tables.places
    named = {"--mapping": mapping, "--owner-map": owner_map, "--values": values}
    named["--project"] = project and project.path
    fields["repeated_options"] = {option: (str(path.absolute()),) for option, path in named.items() if path}
    return fields


def _associations(
    file: MappingFile, folder: Path, entries: Sequence[str], ignored: frozenset[str]
) -> tuple[LinkColumn, ...]:
    """The link columns of a mapping file in this folder, and those of options, which go before the file's of
    the same column.
    """
    try:
        given = [parse_association(entry) for entry in entries]
    except MappingError as error:
        raise SettingsError(f"--associate {error}") from error
    instead = set(map(folded, (*ignored, *(one.column for one in given))))
    of_file = (one for one in file.associations if folded(one.column) not in instead)
    return (
        *(replace(one, results=str(folder / one.results)) if one.results else one for one in of_file),
        *given,
    )


_TABLES = {
    "--date-order": "date_orders",
    "--decimal": "decimals",
    "--options": "option_readings",
    "--timezone": "timezones",
}


def _blank_values(
    of_file: Mapping[str, tuple[str, ...]], entries: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Add `COLUMN=WORD` entries, split at the last `=`, and `WORD` entries to the words of a mapping file."""
    words = dict(of_file)
    for entry in entries:
        ((column, word),) = _table("--blank-value", [entry]).items()
        words[column] = (*words.get(column, ()), word)
    return words


def _table(option: str, entries: Iterable[str]) -> dict[str, str]:
    """Read `COLUMN=WORD` entries, split at the last `=`, or a `WORD` for all columns."""
    table = {}
    for entry in entries:
        column, equals, word = entry.rpartition("=")
        if not word.strip() or (equals and not column.strip()):
            raise SettingsError(f'{option} {entry!r} is neither "COLUMN=VALUE" nor a VALUE for all columns')
        upper = word.strip().upper()
        table[column.strip()] = upper if upper in set(DateOrder) else word.strip()
    return table


def parse_map(entries: tuple[str, ...]) -> dict[str, str]:
    """Read `Column=property` entries, split at the last `=`, since column names may contain one."""
    mapped = {}
    for entry in entries:
        column, equals, name = entry.rpartition("=")
        if not equals or not column.strip() or not name.strip():
            raise SettingsError(f'--map {entry!r} is not "Column=property"')
        mapped[column.strip()] = name.strip()
    return mapped


def read_mapping(path: Path) -> MappingFile:
    try:
        return parse_mapping(read_text(path, "--mapping"))
    except MappingError as error:
        raise SettingsError(f"--mapping {path}: {error}") from error


def read_value_tables(path: Path) -> ValueTables:
    text = read_text(path, "--values")
    try:
        return (parse_value_toml if path.suffix.lower() == ".toml" else parse_value_csv)(text)
    except MappingError as error:
        raise SettingsError(f"--values {path}: {error}") from error


def read_owner_map(path: Path) -> dict[str, str]:
    """Read an owner map: owner in the source -> owner in HubSpot, from CSV with two columns or from TOML."""
    text = read_text(path, "--owner-map")
    if path.suffix.lower() == ".toml":
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"--owner-map {path}: {toml_problem(text, error)}") from error
        pairs = [(key, str(value), f"{key!r}") for key, value in document.items()]
    else:
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
        wrong = next((number for number, row in enumerate(rows, 1) if not _may_be_owners(row, number)), None)
        if wrong:
            raise SettingsError(
                f"--owner-map {path}: row {wrong} does not have two cells: the owner in the source, and the "
                "owner in HubSpot"
            )
        pairs = [(row[0], row[1], f"row {number}") for number, row in enumerate(rows, 1) if row]
        if pairs and cell_text(pairs[0][1]) not in {"", OWNER_TO_FILL_IN} and not _is_owner(pairs[0][1]):
            del pairs[0]  # the heading
    known: dict[str, str] = {}
    for theirs, ours, where in ((cell_text(a), cell_text(b), where) for a, b, where in pairs):
        if not theirs or (ours and not _is_owner(ours)):
            raise SettingsError(
                f"--owner-map {path}: {where} needs an e-mail address or id of a HubSpot owner (blank: no "
                "owner)"
            )
        if known.setdefault(theirs, ours) != ours:
            raise SettingsError(f"--owner-map {path}: {where} maps an owner again, to another one")
    return known


def _may_be_owners(row: Sequence[str], number: int) -> bool:
    """Whether a row has two cells, or also the count that `check --write-owner-map` writes."""
    return len(row) in {0, 2} or (len(row) == 3 and (number == 1 or not row[2] or row[2].strip().isdecimal()))


def _is_owner(text: str) -> bool:
    return "@" in text or cell_text(text).isdecimal()
