"""The tables of this folder, as values. usual.toml explains what stands in them."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from uploader.hubspot.object_types import type_name
from uploader.records.known_headers import bare, words_of

#: Entries beside properties: left out; an opt-out; to be asked, alone or before a property; the system's own
#: id, before the name of a property that fits it.
IGNORE, OPT_OUT, ASK, KEY = "-", "!", "?", "#"
_USUAL = "usual.toml"
#: The tables of a system, by the type of the records; those of contacts serve for all other types.
_CONTACTS = "contacts"
_HEADINGS = {_CONTACTS: "columns", "companies": "companies", "deals": "deals"}

#: Bare name of a column -> property, or one of the above.
Targets = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class System:
    """One system that exports records, and what its columns are where they are of one type."""

    name: str
    columns: Targets
    lines: tuple[str, ...]  #: what lines above and below a report contain, in lower case
    object_type: str = _CONTACTS


@dataclass(frozen=True, slots=True)
class Tables:
    """All that is known of exports."""

    systems: tuple[System, ...]
    plain: Mapping[str, Targets]  #: by object type, of files of any origin: no sign of a system
    telling: Targets  #: of contacts of any origin, too, but a sign of the systems that have them
    words: frozenset[str]  #: that are no misspelling of a similar word


@cache
def tables() -> Tables:
    """Read the tables, once in a process."""
    from importlib.resources import files  # noqa: PLC0415  # takes 15 ms, and most commands need no table

    folder = files("uploader.records.headers")
    found = {
        path.name: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".toml")
    }
    usual = found.pop(_USUAL)
    all_tables = [one for file in (usual, *found.values()) for one in file.values() if isinstance(one, dict)]
    return Tables(
        systems=tuple(chain.from_iterable(map(_systems, found.values()))),
        plain={one: _by_bare(usual["plain" if one == _CONTACTS else one]) for one in _HEADINGS},
        telling=_by_bare(usual["telling"]),
        words=frozenset(usual["words"].split()).union(*map(words_of, chain(*all_tables))),
    )


def _systems(file: Mapping[str, Any]) -> Iterator[System]:
    """A system, by the type of its records."""
    columns = {one: file[heading] for one, heading in _HEADINGS.items() if heading in file}
    keys = {one: name for one, table in columns.items() if (name := _key(table))}
    for one, table in columns.items():
        targets = {column: _with_key(target, keys) for column, target in table.items()}
        yield System(file["system"], _by_bare(targets), tuple(file.get("lines", ())), one)


def _key(table: Targets) -> str:
    """The name of the property that fits the system's ids of these records; "" if it has none."""
    return next((target[1:] for target in table.values() if target.startswith(KEY)), "")


def _with_key(target: str, keys: Mapping[str, str]) -> str:
    """The target; of ids of other records with the name of the property that fits these."""
    by = keys.get(target[1:], "") if target.startswith(IGNORE) else ""
    return f"{target}.{by}" if by else target


def known_type(object_type: str) -> str:
    """The object type whose tables serve for records of this one."""
    name = type_name(object_type)
    return name if name in _HEADINGS else _CONTACTS


def usual_target(column: str, object_type: str = _CONTACTS) -> str:
    """What a column of this name usually is; "" if that is not known."""
    plain, of = bare(column), known_type(object_type)
    return tables().plain[of].get(plain) or (tables().telling.get(plain, "") if of == _CONTACTS else "")


def _by_bare(columns: Mapping[str, str]) -> Targets:
    return {bare(column): target for column, target in columns.items()}
