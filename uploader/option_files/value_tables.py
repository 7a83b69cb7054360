"""Tables of what replaces values, in a CSV or TOML file of their own."""

from pathlib import Path

from uploader.errors import SettingsError
from uploader.option_files.text import read_text
from uploader.records.columns import MappingError
from uploader.records.values.value_tables import ValueTables, parse_value_csv, parse_value_toml


def read_value_tables(path: Path) -> ValueTables:
    text = read_text(path, "--values")
    try:
        return (parse_value_toml if path.suffix.lower() == ".toml" else parse_value_csv)(text)
    except MappingError as error:
        raise SettingsError(f"--values {path}: {error}") from error
