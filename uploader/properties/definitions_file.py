"""The file of properties to be created, in TOML.

    object_type = "contacts"

    [[property]]
    name = "lead_source"                 # as the API names it
    label = "Lead source"                # as people see it, and as a column may be called
    type = "enumeration"                 # string, number, bool, date, datetime, enumeration, phone_number
    field_type = "select"                # of HubSpot's forms; default: the usual one for the type
    group = "contactinformation"
    options = ["web", { value = "fair", label = "Trade fair" }]
    description = "Where we met"         # optional, as is unique = true

In    the text of a file.
Out   `DefinitionsFile`.
Raise `SettingsError` with all problems at once.
Rules A name has lower-case letters, digits and underscores, begins with a letter and has at most 100
      characters. Whether a group exists and a type fits a field is for HubSpot to say.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from uploader.errors import SettingsError
from uploader.hubspot.new_properties import FIELD_OF_TYPE, FIELD_TYPES, Definition
from uploader.hubspot.schema import Option
from uploader.model.toml_problems import toml_problem
from uploader.records.columns import numbered

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_TEXTS = ("name", "label", "type", "group")
_KEYS = (*_TEXTS, "field_type", "options", "description", "unique")
_OF_OPTIONS = ("value", "label")


@dataclass(frozen=True, slots=True)
class DefinitionsFile:
    """The properties to be created."""

    object_type: str
    definitions: tuple[Definition, ...]


def is_valid_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def parse_definitions(text: str) -> DefinitionsFile:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(toml_problem(text, error)) from error
    problems: list[str] = []
    object_type = document.pop("object_type", "contacts")
    if not isinstance(object_type, str) or not object_type:
        problems.append('object_type must be a text such as "contacts"')
    entries = document.pop("property", [])
    problems += [f"unknown key {key!r}; known are object_type and [[property]]" for key in document]
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        problems.append("each property must be a table that begins with [[property]]")
        entries = []
    elif not entries:
        problems.append("there is no [[property]]; remove the # of the lines that you want")
    definitions = []
    for place, entry in enumerate(entries, 1):
        found = [f"{_which(entry, place)}: {text}" for text in _problems(entry)]
        problems += found
        definitions += [] if found else [_definition(entry)]
    problems += _repeated(definitions)
    if problems:
        raise SettingsError(numbered(problems))
    return DefinitionsFile(str(object_type), tuple(definitions))


def _which(entry: Mapping[str, object], place: int) -> str:
    name = entry.get("name")
    return f"property {name!r}" if isinstance(name, str) and name else f"property {place}"


def _problems(entry: Mapping[str, object]) -> Iterator[str]:
    for key in entry:
        if key not in _KEYS:
            yield f"unknown key {key!r}; known are {', '.join(_KEYS)}"
    for key in _TEXTS:
        value = entry.get(key)
        if not isinstance(value, str) or not value.strip():
            yield f"{key} must be a text"
    name, type_, field_type = entry.get("name"), entry.get("type"), entry.get("field_type", "text")
    if isinstance(name, str) and name and not is_valid_name(name):
        yield (
            "a name has only lower-case letters, digits and underscores, begins with a letter, and has at "
            "most 100 characters"
        )
    if isinstance(type_, str) and type_ and type_ not in FIELD_OF_TYPE:
        yield f"type {type_!r} is not one of {', '.join(FIELD_OF_TYPE)}"
    if field_type not in FIELD_TYPES:
        yield f"field_type {field_type!r} is not one of {', '.join(FIELD_TYPES)}"
    if not isinstance(entry.get("description", ""), str):
        yield "description must be a text"
    if not isinstance(entry.get("unique", False), bool):
        yield "unique must be true or false"
    yield from _problems_of_options(entry.get("options", []), type_)


def _problems_of_options(options: object, type_: object) -> Iterator[str]:
    if not isinstance(options, list) or not all(_is_option(one) for one in options):
        yield 'options must be a list of values, such as ["a", { value = "b", label = "B" }]'
        return
    values = [option.value for option in _options(options)]
    if twice := sorted({value for value in values if values.count(value) > 1}):
        yield f"the option {twice[0]!r} occurs twice"
    if type_ == "enumeration" and not values:
        yield "an enumeration needs options"


def _is_option(one: object) -> bool:
    if isinstance(one, dict):
        return one.keys() == set(_OF_OPTIONS) and all(isinstance(text, str) and text for text in one.values())
    return isinstance(one, str) and bool(one.strip())


def _options(entries: Sequence[object]) -> tuple[Option, ...]:
    return tuple(
        Option(one["label"], one["value"]) if isinstance(one, dict) else Option(str(one), str(one))
        for one in entries
    )


def _definition(entry: Mapping[str, object]) -> Definition:
    options = entry.get("options", [])
    return Definition(
        name=str(entry["name"]),
        label=str(entry["label"]),
        type=str(entry["type"]),
        field_type=str(entry.get("field_type") or FIELD_OF_TYPE[str(entry["type"])]),
        group=str(entry["group"]),
        options=_options(options if isinstance(options, list) else []),
        description=str(entry.get("description", "")),
        is_unique=entry.get("unique") is True,
    )


def _repeated(definitions: Sequence[Definition]) -> Iterator[str]:
    for what, texts in (
        ("name", [one.name for one in definitions]),
        ("label", [one.label for one in definitions]),
    ):
        for text in sorted({text for text in texts if texts.count(text) > 1}):
            yield f"two properties have the {what} {text!r}"
