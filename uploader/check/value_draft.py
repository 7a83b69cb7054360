"""Drafts of what replaces values, for the user to complete: tables of a mapping file, and owner maps.

In    the values that the properties do not take, and the owners that the account does not have.
Out   text in the form that `--mapping` and `--owner-map` take.
Raise nothing.
Rules A guess is proposed, never used: a replacement is commented out until somebody removes its `#`. What has
      to be filled in is refused as long as it is not.
"""

import json
import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from uploader.check.bad_columns import BadColumn, BadValue
from uploader.hubspot.owner_lookup import OWNER_TO_FILL_IN
from uploader.model.column_names import folded
from uploader.model.counted import counted

#: Stands for the option that the user has to fill in.
OPTION_TO_FILL_IN = "OPTION"
#: Options that are listed in a comment.
_LISTED = 60


def value_tables(columns: Sequence[BadColumn]) -> str:
    """Return the tables of a mapping file for these values; "" if there are none."""
    if not columns:
        return ""
    intro = [
        "",
        "# Values that the properties do not take. Remove the # of a line to replace the value on its left",
        '# by the one on its right; "" stands for a blank cell. Fill in each OPTION.',
    ]
    tables = chain.from_iterable(["", *_about(one), _head(one), *map(_line, one.values)] for one in columns)
    return "\n".join([*intro, *tables]) + "\n"


def with_value_tables(mapping: str, columns: Sequence[BadColumn]) -> str:
    """Return the text of a mapping file with these values added, to its own tables where it has them.

    What it says already is not added again, commented out or not.
    """
    tables = tomllib.loads(mapping).get("values", {})
    held = {folded(name): name for name in tables} if isinstance(tables, dict) else {}
    lines, new = mapping.rstrip("\n").split("\n"), list[BadColumn]()
    for one in columns:
        if (name := held.get(folded(one.column))) is None:
            new.append(one)
            continue
        table = rf'values\s*\.\s*["\']?{re.escape(name)}["\']?'
        at, end = _place_of(lines, table) or (0, 0)
        said = {line.replace(" ", "") for line in lines[at:end]}
        if fresh := [line for value in one.values if not _is_said(line := _line(value), said)]:
            add_to_table(lines, table, fresh)
    text, more = "\n".join(lines) + "\n", value_tables(new)
    try:
        tomllib.loads(text + more)
    except tomllib.TOMLDecodeError:  # such as after `values = {}`
        more = re.sub(r"^(?=[^#\n])", "# ", more, flags=re.MULTILINE)
    return text + more


def add_to_table(lines: list[str], name: str, fresh: Sequence[str]) -> None:
    """Add lines to the table of a TOML text whose name fits the pattern. If it is not found they are comments
    at the end.
    """
    place = _place_of(lines, name)
    if place is None:
        comments = [line if line.startswith("#") or not line else f"# {line}" for line in fresh]
        lines += ["", "# To be moved to the table where it belongs:", *comments]
    else:
        lines[place[1] : place[1]] = fresh


def _place_of(lines: Sequence[str], name: str) -> tuple[int, int] | None:
    """Return where the lines of a table begin and end; None if it is not found."""
    head = re.compile(rf"\s*\[\s*{name}\s*\]")
    at = next((at for at, line in enumerate(lines, 1) if head.match(line)), None)
    if at is None:
        return None
    end = next((i for i in range(at, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
    while end > at and not lines[end - 1].strip():
        end -= 1
    return at, end


def _is_said(line: str, said: set[str]) -> bool:
    begins = line.partition(" = ")[0].replace(" ", "") + "="
    return any(one.startswith((begins, begins.removeprefix("#"))) for one in said)


def _head(column: BadColumn) -> str:
    return f"[values.{toml_text(column.column)}]"


def _about(column: BadColumn) -> list[str]:
    """The comments above a table: the options, and what the table does not list."""
    options = [
        toml_text(option.value) + (f" ({option.label})" if option.label != option.value else "")
        for option in column.options[:_LISTED]
    ]
    more = f" and {len(column.options) - _LISTED:,} more" if len(column.options) > _LISTED else ""
    takes = toml_comment(f"{column.property or column.column} takes: {', '.join(options)}{more}")
    wrapped = textwrap.fill(takes, 100, break_long_words=False, break_on_hyphens=False)
    found = [f"# {line}" for line in wrapped.splitlines()] if options else []
    rarer = f"# {column.others:,} rarer values are not listed here"
    return [*found, rarer] if column.others else found


def _line(value: BadValue) -> str:
    replacement = value.near.value if value.near else OPTION_TO_FILL_IN
    why = f"; {value.near.label}?" if value.near else ""
    count = counted(value.cells, "cell")
    return f"# {toml_text(value.text)} = {toml_text(replacement)}  # {count}{toml_comment(why)}"


def owner_map_rows(unknown: Mapping[str, Counter[str]]) -> list[tuple[str, str, str]]:
    """Return the rows of an owner map; `--owner-map` refuses it until each OWNER is filled in."""
    rows = [(who, OWNER_TO_FILL_IN, str(count)) for who, count in _merged(unknown).most_common()]
    return [("their owner", "HubSpot owner", "rows"), *rows]


def owner_map_toml(unknown: Mapping[str, Counter[str]]) -> str:
    """Return an owner map as TOML, with all of its lines commented out."""
    lines = [
        "# Owners in the file that the account does not have, or has several of. Write the e-mail address or",
        f'# the id of an owner of the account in place of {OWNER_TO_FILL_IN} ("": no owner), and remove the',
        "# # of the line.",
        "",
        *(
            f"# {toml_text(who)} = {toml_text(OWNER_TO_FILL_IN)}  # {counted(count, 'row')}"
            for who, count in _merged(unknown).most_common()
        ),
    ]
    return "\n".join(lines) + "\n"


def _merged(unknown: Mapping[str, Counter[str]]) -> Counter[str]:
    """The owners of all properties: one owner map is for all of them."""
    found: Counter[str] = Counter()
    for counts in unknown.values():
        found.update(counts)
    return found


def toml_text(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_comment(text: str) -> str:
    """A text that can stand in a comment."""
    return "".join(character if character.isprintable() else " " for character in text)
