"""Owner maps: owner in the source -> owner in HubSpot, from CSV with two columns or from TOML."""

import csv
import tomllib
from collections.abc import Sequence
from pathlib import Path

from uploader.errors import SettingsError
from uploader.hubspot.owner_lookup import OWNER_TO_FILL_IN
from uploader.model.toml_problems import toml_problem
from uploader.option_files.text import read_text
from uploader.records.values.wrappings import cell_text


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
