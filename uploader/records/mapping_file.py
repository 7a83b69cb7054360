"""The mapping file: settings for columns in TOML, instead of options.

    timezone = "Europe/Berlin"                  # also date_order, decimal, options, on_bad_value: of all
    blank_values = ["n/a", "-"]                 # cells with these words are blank, in all columns

    [columns]
    "E-mail Address" = "email"                  # the property
    "Internal note" = { ignore = true }
    "Birth date" = { property = "date_of_birth", date_order = "DMY", blank = "clear" }
    "Phone" = { property = "phone", blank_values = ["0"] }             # and with this word
    "Lead source" = { property = "hs_lead_source", write = "fill" }    # or overwrite, create-only
    "Opted out" = { suppress = true }           # rows with a usual yes are skipped; or ["1", "yes"], ["*"]
    "Stage" = { property = "lifecyclestage", values = { "Prospect" = "lead" } }
    "AccountId" = { associate = "companies", by = "sf_account_id", label = "Primary" }  # a link to a record
    "Deal IDs" = { associate = "deals", by = "id", separator = ";" }   # several values in a cell

    [values."Lead Status"]                      # the same as `values` of a column; "": a blank cell
    "Called" = "CONNECTED"

In    the text of a file.
Out   `MappingFile`, spelled as in `Settings`.
Raise `MappingError`, which gives the line.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uploader.model.associations import LinkColumn
from uploader.model.toml_problems import toml_problem
from uploader.records.associations.link_columns import DETAILS, link_column
from uploader.records.columns import MappingError
from uploader.records.values.datetimes import DateOrder
from uploader.records.values.options import LABEL, VALUE
from uploader.records.values.value_tables import ValueTables, add_toml_tables
from uploader.records.write_policy import Policy


@dataclass(slots=True)
class MappingFile:
    """The settings of a mapping file; in tables by column, "" stands for all columns that are not named."""

    mapped: dict[str, str] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)
    blank_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    date_orders: dict[str, str] = field(default_factory=dict)
    decimals: dict[str, str] = field(default_factory=dict)
    option_readings: dict[str, str] = field(default_factory=dict)
    timezones: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    suppress_where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: ValueTables = field(default_factory=ValueTables)
    on_bad_value: str = ""
    associations: list[LinkColumn] = field(default_factory=list)

    @property
    def linked(self) -> frozenset[str]:
        """The columns that link records."""
        return frozenset(one.column for one in self.associations)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "date_order": tuple(DateOrder),
    "decimal": (".", ","),
    "options": (VALUE, LABEL),
    "blank": ("skip", "clear"),
    "on_bad_value": ("reject", "drop"),
    "write": tuple(Policy),
}
_OF_ALL = ("blank_values", "date_order", "decimal", "options", "timezone", "on_bad_value")
_ASSOCIATE = "associate"
_OF_A_COLUMN = (
    *("property", "ignore", "blank", *_OF_ALL[:-1], "write", "suppress", "values"),
    *(_ASSOCIATE, *DETAILS),
)


def parse_mapping(text: str, takes: Callable[[str, object], bool] = lambda *_: False) -> MappingFile:
    """`takes`: whether a key above `[columns]`, with its value, is one of the caller's."""
    return mapping_of(parse_document(text), text.splitlines(), takes)


def parse_document(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(toml_problem(text, error)) from error


def mapping_of(
    document: Mapping[str, Any], lines: Sequence[str], takes: Callable[[str, object], bool]
) -> MappingFile:
    """The same of a document that is parsed. `lines`: of its text."""
    document, lines = {key: value for key, value in document.items() if not takes(key, value)}, list(lines)
    file = MappingFile()
    add_toml_tables(file.values, document.pop("values", {}), lines)
    columns = document.pop("columns", {})
    if not isinstance(columns, dict):
        raise MappingError(f"{_line(lines, 'columns')}columns must be a table that begins with [columns]")
    for key, value in document.items():
        _check(lines, "", key, value, _OF_ALL)
        _note(file, "", key, value)
    for column, content in columns.items():
        entries = {"property": content} if isinstance(content, str) else content
        if not isinstance(entries, dict):
            raise MappingError(
                f'{_line(lines, column)}{column!r} must be a property such as "email", or {{ ignore = true }}'
            )
        if "values" in entries:
            add_toml_tables(file.values, {column: entries.pop("values")}, lines)
        for key, value in entries.items():
            _check(lines, column, key, value, _OF_A_COLUMN)
            _note(file, column, key, value)
        _note_association(file, lines, column, entries)
        for is_other, what in (
            ("property" in entries, "a property"),
            (entries.get("blank") == "clear", "clear"),
            (_ASSOCIATE in entries, "associate"),
        ):
            if is_other and entries.get("ignore"):
                raise MappingError(f"{_line(lines, column)}{column!r} has both {what} and ignore")
    return file


def _check(lines: list[str], column: str, key: str, value: object, known: tuple[str, ...]) -> None:
    where = _line(lines, column, key) + (f"{column!r}: " if column else "")
    if key not in known:
        more = "" if column else "; a project file, which is given with -f, has more"
        raise MappingError(f"{where}unknown key {key!r}; known are {', '.join(known)}{more}")
    is_taken, what = _TAKEN.get(key, (_is_word, "a text"))
    if not is_taken(value):
        how = "; to leave the column out: { ignore = true }" if key == "property" and value == "" else ""
        raise MappingError(f"{where}{key} must be {what}{how}")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise MappingError(f"{where}{key} {value!r} is not one of {', '.join(_CHOICES[key])}")


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_words(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_word, value))


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


#: What a key takes that is not just a text: whether a value is that, and what it is called.
_TAKEN: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("ignore", *(key for key in DETAILS if DETAILS[key])), (_is_switch, "true or false")),
    "separator": (lambda value: isinstance(value, str) and bool(value), 'a text such as ";"'),
    "suppress": (
        lambda value: value is True or (bool(value) and _are_words(value)),
        'true (for yes, true, 1 and the like), or a list of values such as ["1", "yes"] or ["*"]',
    ),
    "blank_values": (_are_words, 'a list of texts such as ["n/a", "-"]'),
}


def _note(file: MappingFile, column: str, key: str, value: Any) -> None:  # noqa: ANN401  # it is checked
    notes: Mapping[str, Callable[[], object]] = {
        "property": lambda: file.mapped.__setitem__(column, value),
        "ignore": lambda: file.ignored.update([column] if value else []),
        "blank": lambda: file.cleared.update([column] if value == "clear" else []),
        "blank_values": lambda: file.blank_values.__setitem__(column, tuple(value)),
        "date_order": lambda: file.date_orders.__setitem__(column, value),
        "decimal": lambda: file.decimals.__setitem__(column, value),
        "options": lambda: file.option_readings.__setitem__(column, value),
        "timezone": lambda: file.timezones.__setitem__(column, value),
        "on_bad_value": lambda: setattr(file, key, value),
        "suppress": lambda: file.suppress_where.__setitem__(column, () if value is True else tuple(value)),
        "write": lambda: file.policies.__setitem__(column, Policy(value)),
    }
    if key not in {_ASSOCIATE, *DETAILS}:
        notes[key]()


def _note_association(file: MappingFile, lines: list[str], column: str, entries: Mapping[str, Any]) -> None:
    """Note that a column links records, if it has `associate`."""
    given = next((key for key in entries if key in {_ASSOCIATE, *DETAILS}), "")
    if not given:
        return
    where = f"{_line(lines, column, given)}{column!r}: "
    if _ASSOCIATE not in entries:
        raise MappingError(
            f"{where}{given} is of links to other records; add associate: the type of these, such as "
            '"companies"'
        )
    try:
        file.associations.append(link_column(column, entries))
    except MappingError as error:
        raise MappingError(f"{where}{error}") from error


def _line(lines: list[str], *words: str) -> str:
    """Return `line 7: ` for the first line that has these words in this order, or the last of them. The
    TOML parser keeps no line numbers.
    """
    for sought in (words, words[-1:]):
        pattern = re.compile(".*".join(re.escape(word) for word in sought if word))
        for number, line in enumerate(lines, 1):
            if not line.lstrip().startswith("#") and pattern.search(line):
                return f"line {number}: "
    return ""


def key_schemas() -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """JSON Schemas of the keys of a mapping file, and of the details of a column."""
    of_all, of_a_column = ({key: _schema(key) for key in keys} for keys in (_OF_ALL, _OF_A_COLUMN))
    column = {
        "type": "object",
        "properties": of_a_column,
        "additionalProperties": False,
        "dependencies": {_ASSOCIATE: ["by"], **{key: [_ASSOCIATE] for key in DETAILS}},
    }
    either = {"anyOf": [{"type": "string", "pattern": r"\S"}, column]}
    return {
        **of_all,
        "values": {"type": "object", "additionalProperties": _schema("values")},
        "columns": {"type": "object", "additionalProperties": either},
    }, of_a_column


def _schema(key: str) -> dict[str, Any]:
    text = {"type": "string", "pattern": r"\S"}
    kinds: Mapping[str, dict[str, Any]] = {
        "ignore": {"type": "boolean"},
        **{key: {"type": "boolean"} for key, is_switch in DETAILS.items() if is_switch},
        "separator": {"type": "string", "minLength": 1},
        "suppress": {"anyOf": [{"const": True}, {"type": "array", "items": text, "minItems": 1}]},
        "blank_values": {"type": "array", "items": text},
        "values": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    return {"enum": [str(choice) for choice in _CHOICES[key]]} if key in _CHOICES else kinds.get(key, text)
