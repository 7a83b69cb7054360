"""The text of a new project file: the options that were given, choices for safety, and drafted columns."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uploader.check.mapping_draft import Draft
from uploader.check.value_draft import with_value_tables
from uploader.sources.names import is_url

SCHEMA_FILE = "uploader.schema.json"
#: Choices that a migration makes: key, suggested value, whether it is set or only shown, and what it does.
_CHOICES: Sequence[tuple[str, object, bool, str]] = (
    ("portal", 0, False, "stop if the token belongs to another account than this one"),
    (
        "snapshot",
        True,
        True,
        "read each record first and save what is overwritten, for undo; twice the requests",
    ),
    (
        "canary",
        100,
        False,
        "send these rows first and ask before the others; so it is in a production account",
    ),
    ("max_failures", "20%", False, "stop if more rows than this number or share have failed"),
    (
        "write",
        "overwrite",
        False,
        'or "fill": only where HubSpot has no value; "create-only": only new records',
    ),
)


def project_text(path: Path, given: Mapping[str, Any], draft: Draft, portal: str) -> str:
    """The text of the file at `path`. `given`: values by key, in the order of the file. `portal`: the account
    that was asked, "" if none was.
    """
    known = {"portal": int(portal)} if portal.isdecimal() else {}
    choices = {key for key, *_ in _CHOICES}
    lines = [
        f"#:schema ./{SCHEMA_FILE}",
        f"# Project file of uploader: give it to every command from check to undo, with -f {path.name}.",
        "# A key is the name of an option of the command upload, with _ for -. Options that are typed take",
        "# precedence. Paths are relative to this file. A token does not belong here.",
        "",
        *(f"{key} = {_toml(value)}" for key, value in given.items() if key not in choices),
        "",
        "# What is safe:",
    ]
    for key, usual, is_set, what in _CHOICES:
        value = given.get(key, known.get(key, usual))
        sign = "" if is_set or key in given or key in known else "# "
        lines.append(f"{sign}{key} = {_toml(value)}  # {what}")
    lines += [
        "",
        f"# What the columns mean. {draft.origin}",
        "# Review all of it. Decide on the columns that are commented out: remove the # of one line each.",
    ]
    return with_value_tables("\n".join(lines) + "\n" + draft.columns_toml(), draft.values)


def beside(name: str, folder: Path) -> str:
    """A path as it is written into a file of this folder."""
    if is_url(name) or os.path.isabs(name):  # noqa: PTH117  # a pattern is no path
        return name
    return os.path.relpath(name, folder)


def _toml(value: object) -> str:
    """A value in TOML: of texts, numbers and lists it is that of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
