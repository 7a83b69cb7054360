"""Options for what columns mean and how their values are written, and their settings."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from uploader.cli.options.connection import PATH
from uploader.cli.options.group import Heading, option
from uploader.cli.project_file import project_in_use
from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.option_files.mapping import beside_options, read_mapping
from uploader.option_files.owner_map import read_owner_map
from uploader.option_files.value_tables import read_value_tables
from uploader.records.associations.link_columns import parse_association
from uploader.records.columns import MappingError
from uploader.records.mapping_file import MappingFile
from uploader.records.values.datetimes import DateOrder
from uploader.records.values.value_tables import ValueTables

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
        metavar="COLUMN=OBJECTS.PROPERTY[@RESULTS][:LABEL]",
        help="Link the row's record with the record of another type that has this column's value in its "
        "unique PROPERTY, for example AccountId=companies.sf_account_id:Primary. PROPERTY may also be id "
        "(HubSpot's own), and domain of companies. With @companies.csv.results.csv behind it, HubSpot's ids "
        "are taken from that results file. The column is not written unless it is mapped, too.",
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
    folder = mapping.parent if mapping else project.path.parent if project else Path()
    where = f"--project {project.path}" if project and not mapping else f"--mapping {mapping}"
    given = {
        "mapped": parse_map(fields.pop("mapped")),
        **{name: frozenset(fields.pop(name)) for name in ("ignored", "cleared")},
        "blank_values": _blank_values(fields.pop("blank_values")),
        **{name: _table(spelling, fields.pop(name)) for spelling, name in _TABLES.items()},
        "on_bad_value": fields.pop("on_bad_value"),
        "associations": _associations(fields.pop("associations")),
    }
    tables = read_value_tables(values) if values else ValueTables()
    both = beside_options(file, folder, given, tables, (where, f"--values {values}"))
    fields["file_suppress_where"] = both.pop("suppress_where")
    fields |= both
    fields["only"] = frozenset(fields.pop("only"))
    fields["create_missing"] = frozenset(fields.pop("create_missing"))
    fields["owner_map"] = read_owner_map(owner_map) if owner_map else {}
    named = {"--mapping": mapping, "--owner-map": owner_map, "--values": values}
    named["--project"] = project and project.path
    fields["repeated_options"] = {option: (str(path.absolute()),) for option, path in named.items() if path}
    return fields


def _associations(entries: Sequence[str]) -> tuple[LinkColumn, ...]:
    try:
        return tuple(map(parse_association, entries))
    except MappingError as error:
        raise SettingsError(f"--associate {error}") from error


_TABLES = {
    "--date-order": "date_orders",
    "--decimal": "decimals",
    "--options": "option_readings",
    "--timezone": "timezones",
}


def _blank_values(entries: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read `COLUMN=WORD` entries, split at the last `=`, and `WORD` entries."""
    words: dict[str, tuple[str, ...]] = {}
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
