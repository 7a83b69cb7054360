"""Decisions, written into the text of a mapping or project file.

In    the text, and what is decided.
Out   the text with it. All other lines stay as they are, comments included. A line that is commented out and
      says the same, or has to be filled in, is replaced.
Raise `UneditableError`, with the line to write by hand, if the file is laid out in a way that is not
      understood.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

from uploader.check.mapping_draft import PROPERTY_TO_FILL_IN
from uploader.check.value_draft import OPTION_TO_FILL_IN, toml_text
from uploader.errors import UploaderError
from uploader.model.column_names import folded
from uploader.records.mapping_file import MappingFile, parse_mapping

#: Of these a column has one.
_MEANINGS = ("property", "ignore", "suppress")
_TO_FILL_IN = (PROPERTY_TO_FILL_IN, OPTION_TO_FILL_IN)
_READ = ("columns", "values", "blank_values")
Value = str | bool | Sequence[str] | Mapping[str, "Value"]


class UneditableError(UploaderError):
    """The text can't be edited."""


class _Entry(NamedTuple):
    """A line that holds one key and its value."""

    key: str
    value: object
    is_comment: bool
    remark: str  #: the comment behind the value


def decisions(mapping: str) -> MappingFile:
    """What a mapping or project file says about columns, values and blanks."""
    return parse_mapping(mapping, lambda key, value: key not in _READ or isinstance(value, str))


def with_column(mapping: str, column: str, details: Mapping[str, Value]) -> str:
    """Say what a column is. `details`: as a mapping file has them; others that it has for this column stay,
    but for another meaning of the column.
    """
    columns = tomllib.loads(mapping).get("columns", {})
    name = next((one for one in columns if folded(one) == folded(column)), column)
    given = columns.get(name, {})
    former = {"property": given} if isinstance(given, str) else given
    kept = [key for key in former if key not in _MEANINGS or details.keys().isdisjoint(_MEANINGS)]
    made = {**{key: former[key] for key in kept}, **details}
    value = made["property"] if made.keys() == {"property"} else made

    def change(document: dict[str, object]) -> None:
        document["columns"] = {**columns, name: value}

    return _edited(mapping, ("columns",), name, value, change)


def with_blank_word(mapping: str, word: str, columns: Sequence[str]) -> str:
    """Make cells that hold this word blank: those of the columns, or of all if none is named."""
    document = tomllib.loads(mapping)
    if not columns:
        return with_setting(mapping, "blank_values", [*document.get("blank_values", []), word])
    of_columns = {folded(name): given for name, given in document.get("columns", {}).items()}
    for column in columns:
        given = of_columns.get(folded(column), {})
        former = given.get("blank_values", []) if isinstance(given, dict) else []
        mapping = with_column(mapping, column, {"blank_values": [*former, word]})
    return mapping


def with_setting(mapping: str, key: str, value: Value) -> str:
    """Set a key above all tables."""
    return _edited(mapping, (), key, value, lambda document: document.__setitem__(key, value))


def with_match(mapping: str, names: Sequence[str]) -> str:
    """Match rows by the first of these properties that they have."""
    if "id_property" in tomllib.loads(mapping):  # the same setting, of one property
        mapping = _edited(
            mapping, (), "id_property", None, lambda document: document.__delitem__("id_property")
        )
    return with_setting(mapping, "match", names)


def with_replacement(mapping: str, column: str, value: str, replacement: str) -> str:
    """Replace a value of a column; "" stands for a blank cell."""
    tables = tomllib.loads(mapping).get("values", {})
    name = next((one for one in tables if folded(one) == folded(column)), column)

    def change(document: dict[str, object]) -> None:
        document["values"] = {**tables, name: {**tables.get(name, {}), value: replacement}}

    return _edited(mapping, ("values", name), value, replacement, change)


def _edited(
    mapping: str,
    table: tuple[str, ...],
    key: str,
    value: Value | None,
    change: Callable[[dict[str, object]], None],
) -> str:
    """The text with this entry in a table, or without it. UneditableError unless it then says what `change`
    makes of it.
    """
    lines = mapping.rstrip("\n").split("\n")
    _write(lines, table, key, value)
    text, wanted = "\n".join(lines) + "\n", deepcopy(tomllib.loads(mapping))
    change(wanted)
    try:
        is_done = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        is_done = False
    if not is_done:
        where = f" below {_heading(table)}" if table else ""
        line = f"{toml_text(key) if table else key} = {'' if value is None else _toml(value)}"
        what = "remove this line" if value is None else "write this line"
        raise UneditableError(f"{what} yourself{where}: {line.rstrip()}")
    return text


def _write(lines: list[str], table: tuple[str, ...], key: str, value: Value | None) -> None:
    begin, end = _table(lines, table)
    found = {at: entry for at in range(begin, end) if (entry := _entry(lines[at]))}
    of_key = {at: entry for at, entry in found.items() if entry.key == key}
    used = [at for at, entry in of_key.items() if not entry.is_comment]
    if value is None:
        del lines[used[0]]
        return
    same = [at for at, entry in of_key.items() if entry.value == value]
    same += [at for at, entry in of_key.items() if entry.value in _TO_FILL_IN or not table]
    line = f"{toml_text(key) if table else key} = {_toml(value)}"
    if at := next(iter(used + same), None):
        lines[at] = line + of_key[at].remark
    else:
        said = [at for at in range(begin, end) if at in found or lines[at].partition("#")[0].strip()]
        lines.insert(min(of_key, default=max(said, default=begin - 1) + 1), line)


def _table(lines: list[str], table: tuple[str, ...]) -> tuple[int, int]:
    """Where the lines of a table begin and end. It is added if there is none."""
    heads = {at: head for at, line in enumerate(lines) if (head := _head(line)) is not None}
    if not table:
        return 0, min(heads, default=len(lines))
    if table not in heads.values():
        lines += ["", _heading(table)]
        return len(lines), len(lines)
    at = next(at for at, head in heads.items() if head == table)
    return at + 1, min((other for other in heads if other > at), default=len(lines))


def _heading(table: tuple[str, ...]) -> str:
    return f"[{'.'.join([table[0], *map(toml_text, table[1:])])}]"


def _head(line: str) -> tuple[str, ...] | None:
    """The names in the heading of a table; None for any other line."""
    if not line.lstrip().startswith("["):
        return None
    try:
        inner: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    names: list[str] = []
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        names.append(name)
    return tuple(names)


def _entry(line: str) -> _Entry | None:
    """A line's entry, also one that is commented out; None if it holds none."""
    bare = line.strip()
    text = bare.removeprefix("#").strip()
    document = _parsed(text)
    if document is None or len(document) != 1:
        return None
    ((key, value),) = document.items()
    ends = (at for at, character in enumerate(text) if character == "#" and _parsed(text[:at]) == document)
    end = next(ends, None)
    return _Entry(key, value, bare.startswith("#"), "" if end is None else f"  {text[end:]}")


def _parsed(text: str) -> dict[str, object] | None:
    if "=" not in text or text.startswith("["):
        return None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    return f"[{', '.join(map(_toml, value))}]"


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else toml_text(key)
