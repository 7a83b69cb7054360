"""Options for suppressed people and for values of every record, and their settings."""

from collections.abc import Iterable, Mapping
from typing import Any

import click

from uploader.cli.options.connection import PATH
from uploader.cli.options.group import Heading, option
from uploader.errors import SettingsError
from uploader.option_files.suppression import read_suppression
from uploader.records.columns import LIST, SKIP

#: The options of `suppression_settings`.
SUPPRESSION_OPTIONS = (
    option(
        Heading.OVERWRITING, "--suppress", "suppress_files", multiple=True, type=PATH, metavar="FILE",
        help="Skip rows of the people on this list: e-mail addresses, or their SHA-256 in hex, one per line "
        "or in the first column of a CSV file.",
    ),
    option(
        Heading.OVERWRITING, "--suppress-where", multiple=True, metavar="COLUMN[=VALUE]",
        help="Skip rows that have this value in this column, such as an opt-out; =*: any value. Default for "
        "VALUE: yes, true, 1 and the like. For a column of consent, =no: no, false, 0 and the "
        "like, and blanks.",
    ),
    option(
        Heading.OVERWRITING, "--opt-outs", type=click.Choice([LIST, SKIP]),
        help="What becomes of rows with an opt-out in a column that is known by its name. list: they are "
        "written, and their addresses go to SOURCE.optouts.csv, which you import in HubSpot as an opt-out "
        "list. skip: they are not sent.",
    ),
    option(
        Heading.COLUMNS, "--set", "constants", multiple=True, metavar="PROPERTY=VALUE",
        help="Write this value to every record.",
    ),
    option(
        Heading.COLUMNS, "--allow", "allowed", multiple=True, metavar="PROPERTY",
        help="Allow a property that can cost money to be written: hs_marketable_status.",
    ),
)  # fmt: skip


def suppression_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from the values of these options; other values are passed through."""
    fields = dict(options)
    lists = fields.pop("suppress_files")
    fields["suppression"] = read_suppression(lists)
    if lists:
        fields["repeated_options"] = {
            **fields.get("repeated_options", {}),
            "--suppress": tuple(str(path.absolute()) for path in lists),
        }
    where = parse_suppress_where(fields["suppress_where"])
    fields["suppress_where"] = {**fields.get("file_suppress_where", {}), **where}  # options go before a file
    fields.pop("file_suppress_where", None)
    fields["opt_outs"] = fields["opt_outs"] or ""
    fields["constants"] = parse_constants(fields.pop("constants"))
    fields["allowed"] = frozenset(fields.pop("allowed"))
    return fields


def parse_suppress_where(entries: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read `COLUMN` and `COLUMN=VALUE` entries, split at the last `=`. A column may have several values."""
    values_of: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        column, equals, value = entry.rpartition("=") if "=" in entry else (entry, "", "")
        name, value = column.strip(), value.strip()
        if not name or (equals and not value):
            raise SettingsError(f'--suppress-where {entry!r} is not "Column", "Column=value" or "Column=*"')
        if name in values_of and (not values_of[name] or not value):
            raise SettingsError(f"--suppress-where {name!r} is given twice, once without a value")
        values_of[name] = (*values_of.get(name, ()), *([value] if value else []))
    return values_of


def parse_constants(entries: Iterable[str]) -> dict[str, str]:
    """Read `property=value` entries, split at the first `=`."""
    constants: dict[str, str] = {}
    for entry in entries:
        name, _, value = (part.strip() for part in entry.partition("="))
        if not name or not value:
            raise SettingsError(f'--set {entry!r} is not "PROPERTY=VALUE" (it cannot clear a property)')
        if constants.setdefault(name, value) != value:
            raise SettingsError(f"--set {name} is given twice, with different values")
    return constants
