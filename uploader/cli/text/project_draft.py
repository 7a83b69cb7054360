"""The text of a new project file: the options that were given, choices for safety, and drafted columns."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from uploader.check.mapping_draft import Draft
from uploader.check.value_draft import with_value_tables
from uploader.cli.text.next_command import path_word, shell_word
from uploader.sources.database_urls import in_folder, is_database
from uploader.sources.names import is_url

SCHEMA_FILE = "uploader.schema.json"


class _Choice(NamedTuple):
    """A key that a migration may need: its suggested value, and what it does."""

    key: str
    usual: object
    what: str
    is_set: bool = False  #: not only shown


_SAFETY = (
    _Choice("portal", 0, "stop if the token belongs to another account than this one"),
    _Choice(
        "snapshot",
        True,
        "read each record first and save its values, for undo; twice the requests",
        is_set=True,
    ),
    _Choice("canary", 100, "send these rows first and ask before the others; usual in a production account"),
    _Choice("max_failures", "20%", "stop if more rows than this number or share have failed"),
    _Choice(
        "write", "overwrite", 'or "fill": only where HubSpot has no value; "create-only": only new records'
    ),
)
_OPT_OUTS = _Choice(
    "opt_outs",
    "list",
    'rows that say "opted out": written, and their addresses listed for HubSpot; or "skip"',
)
_BLANKS = _Choice("blank_values", ["n/a", "-"], "cells that hold one of these words are blank")
_MATCH = _Choice("match", ["email", "external_id"], "rows without the first one are matched by the next")
_VALUES = (
    _MATCH,
    _BLANKS,
    _Choice("owner_map", "owners.csv", "a file that says who the owners are in HubSpot"),
    _Choice("timezone", "Europe/Berlin", "of times without a zone"),
)


def project_text(
    path: Path, given: Mapping[str, Any], draft: Draft, portal: str, match: Sequence[str] = ()
) -> str:
    """The text of the file at `path`. `given`: values by key, in the order of the file. `portal`: the account
    that was asked, "" if none was. `match`: properties that rows could be matched by, if they are several.
    """
    known = {"portal": int(portal)} if portal.isdecimal() else {}
    values = {**known, **given}
    safety = [*_SAFETY, *([_OPT_OUTS] if any(one.suppress for one in draft.columns) else [])]
    found = {_BLANKS.key: draft.blank_line()} if draft.blanks else {}
    if len(match) > 1:
        found[_MATCH.key] = f"{_MATCH.key} = {_toml([*match])}  # {_MATCH.what}"
    # What the option --blank-value says has a key of its own.
    of_all = [one for one in _VALUES if one is not _BLANKS or "blank_value" not in given]
    if "id_property" in values:  # in place of match
        of_all.remove(_MATCH)
    choices = {choice.key for choice in (*safety, *of_all)}
    name = shell_word(path_word(path.name))
    lines = [
        f"#:schema ./{SCHEMA_FILE}",
        f"# Project file of uploader: give it to every command from check to undo, with -f {name}.",
        "# A key is the name of an option of the command upload, with _ for -. Options that are typed take",
        "# precedence. Paths are relative to this file. A token does not belong here.",
        "",
        *(f"{key} = {_toml(value)}" for key, value in given.items() if key not in choices),
        "",
        "# What is safe:",
        *_lines(safety, values),
        "",
        "# What holds for all columns:",
        *_lines(of_all, values, found),
        "",
        f"# What the columns mean. {draft.origin}",
        "# Review all of it. Decide on the columns that are commented out: remove the # of one line each.",
    ]
    return with_value_tables("\n".join(lines) + "\n" + draft.columns_toml(), draft.values)


def _lines(
    choices: Sequence[_Choice], values: Mapping[str, Any], found: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """A line for each choice, commented out unless there is a value or it is usually set. `found`: the line
    of a choice by what the sources hold.
    """
    for key, usual, what, is_set in choices:
        if key in found and key not in values:
            yield f"# {found[key]}"
            continue
        sign = "" if is_set or key in values else "# "
        yield f"{sign}{key} = {_toml(values.get(key, usual))}  # {what}"


def beside(name: str, folder: Path) -> str:
    """A path as it is written into a file of this folder."""
    if is_database(name):
        return in_folder(name, os.path.relpath(".", folder))
    if is_url(name) or os.path.isabs(name):  # noqa: PTH117  # a pattern is no path
        return name
    return os.path.relpath(name, folder)


def _toml(value: object) -> str:
    """A value in TOML: of texts, numbers and lists it is that of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
