"""Reads a TOML or JSON table into a frozen dataclass, and refuses unknown or missing keys and wrong types.

In    a dataclass, a mapping, and its place in the file (for the message).
Raise `ScenarioError`, one line naming the place and the key.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario that cannot be used; the text is one line and names the key."""


def read_table(cls: type[T], table: object, where: str) -> T:
    if not isinstance(table, Mapping):
        raise ScenarioError(f"{where}: expected a table, got {table!r}")
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    for key in table:
        if key not in known:
            raise ScenarioError(f"{where}: unknown key {key!r} (known: {', '.join(sorted(known))})")
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise ScenarioError(f"{where}: {name!r} is required")
    values = {key: _read(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    try:
        return cls(**values)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _read(hint: Any, value: object, where: str) -> object:  # noqa: ANN401 - a type hint is of any type
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return _read(next(a for a in arguments if a is not type(None)), value, where)
    if origin is Literal:
        return _one_of(arguments, value, where)
    if origin is tuple:
        return _read_list(arguments, value, where)
    if origin is Mapping:
        return _read_mapping(arguments[1], value, where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ScenarioError(f"{where} must be a {hint.__name__}, got {value!r}")
    return value


def _one_of(choices: tuple[Any, ...], value: object, where: str) -> object:
    if value not in choices:
        raise ScenarioError(f"{where} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def _read_list(hints: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ScenarioError(f"{where} must be a list, got {value!r}")
    if hints[-1] is not Ellipsis and len(value) != len(hints):
        raise ScenarioError(f"{where} must hold {len(hints)} values, got {value!r}")
    return tuple(_read(hints[0], item, where) for item in value)


def _read_mapping(hint: Any, value: object, where: str) -> dict[str, object]:  # noqa: ANN401 - as above
    if not isinstance(value, dict):
        raise ScenarioError(f"{where} must be a table, got {value!r}")
    if hint is object:
        return value
    return {str(key): _read(hint, item, where) for key, item in value.items()}
