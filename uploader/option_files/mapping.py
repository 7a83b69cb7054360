"""The mapping file, and what holds of it beside the options."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.model.column_names import folded
from uploader.option_files.text import read_text
from uploader.records.columns import MappingError
from uploader.records.mapping_file import MappingFile, parse_mapping
from uploader.records.values.value_tables import ValueTables


def read_mapping(path: Path) -> MappingFile:
    try:
        return parse_mapping(read_text(path, "--mapping"))
    except MappingError as error:
        raise SettingsError(f"--mapping {path}: {error}") from error


def beside_options(
    file: MappingFile, folder: Path, given: Mapping[str, Any], tables: ValueTables, where: tuple[str, str]
) -> dict[str, Any]:
    """Fields of `Settings`: those that options give, and what the file says beside them. Options take
    precedence. `folder`: that of the file; `tables`: those of options; `where`: what messages call the places
    of both, the file's and the options'.
    """
    mapped, ignored = given.get("mapped", {}), given.get("ignored", frozenset())
    both = file.values.overridden_by(tables, *where)
    left_out = set(map(folded, ignored))
    blank_values = dict(file.blank_values)
    for column, words in given.get("blank_values", {}).items():
        blank_values[column] = (*blank_values.get(column, ()), *words)
    return {
        "mapped": {**{c: name for c, name in file.mapped.items() if c not in ignored}, **mapped},
        "ignored": ignored | (file.ignored - mapped.keys()),
        "cleared": given.get("cleared", frozenset()) | (file.cleared - ignored),
        "blank_values": blank_values,
        **{name: {**getattr(file, name), **given.get(name, {})} for name in _BY_COLUMN},
        "on_bad_value": given.get("on_bad_value") or file.on_bad_value or "reject",
        "associations": _associations(file, folder, given.get("associations", ()), ignored),
        "suppress_where": {
            **{c: v for c, v in file.suppress_where.items() if c not in ignored},
            **given.get("suppress_where", {}),
        },
        "translations": {c: table for c, table in both.replacements.items() if c not in left_out},
        "translation_places": both.places,
    }


_BY_COLUMN = ("date_orders", "decimals", "option_readings", "timezones", "policies")


def _associations(
    file: MappingFile, folder: Path, given: Sequence[LinkColumn], ignored: frozenset[str]
) -> tuple[LinkColumn, ...]:
    """The link columns of the file, and those of options, which go before the file's of the same column."""
    instead = set(map(folded, (*ignored, *(one.column for one in given))))
    of_file = (one for one in file.associations if folded(one.column) not in instead)
    return (
        *(replace(one, results=str(folder / one.results)) if one.results else one for one in of_file),
        *given,
    )
