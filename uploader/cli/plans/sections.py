"""The steps of a plan: what each says, with the keys that hold for all, as if it were a project file.

    portal = 44237313                   # keys above the steps hold for all

    [[step]]
    name = "companies"
    source = "companies.csv"
    [step.columns]
    "Account" = "name"
    "Parent" = { step = "companies", label = "Parent" }     # a link to records of a step, by their key

In    the text of a file.
Out   a `Section` for each step.
Raise `SectionError`, which gives the line.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uploader.cli.options.project import STEP_NAME
from uploader.cli.suggestions import suggestions

STEP, _NAME = "step", "name"
_CONTACTS = "contacts"
_STEP_HEAD = re.compile(rf"""^\s*\[\[\s*(?:{STEP}|"{STEP}"|'{STEP}')\s*\]\]""")
#: Keys that are one step's: all steps would read the same rows, or write the same files.
_OF_A_STEP = frozenset({"source", "columns", "values", "mapping", "checkpoint", "results"})
#: Keys that hold for all steps: these share one account, one connection and one report of how they ended.
OF_THE_PLAN = frozenset(
    {
        *("portal", "base_url", "api_version", "token_file", "oauth_file"),
        *("rate", "share", "daily_reserve", "max_in_flight", "on_long_pause", "outage_timeout"),
        *("max_duration", "summary_file", "json", "log_format", "verbose"),
    }
)


class SectionError(ValueError):
    """Steps of a plan that can't be used."""


@dataclass(frozen=True, slots=True)
class Section:
    """A step."""

    name: str
    document: Mapping[str, Any]  #: the keys above the steps and its own, which go before them
    lines: Sequence[str]  #: of the file; those of other steps and of keys that do not count here are blank


def sections_of(document: Mapping[str, Any], lines: Sequence[str]) -> list[Section]:
    """The steps of a plan. `lines`: of its text."""
    steps = document[STEP]
    heads = [number for number, line in enumerate(lines) if _STEP_HEAD.match(line)]
    if not isinstance(steps, list) or not all(isinstance(one, dict) for one in steps):
        raise SectionError(f"{_place(lines, [STEP])}steps must be tables, each of which begins with [[step]]")
    if not steps:
        raise SectionError(f"{_place(lines, [STEP])}there is no step; a step begins with [[step]]")
    above = {key: value for key, value in document.items() if key != STEP}
    head = _only(lines, 0, heads[0] if heads else len(lines))
    texts = {key for key, value in above.items() if key == "values" and not isinstance(value, dict)}
    _refuse(above.keys() - texts, _OF_A_STEP, head, "belongs to one step: write it below its [[step]]")
    # Steps that are written in another way than as tables have no lines of their own.
    begins = heads if len(heads) == len(steps) else [0] * len(steps)
    ends = [*begins[1:], len(lines)] if begins == heads else [len(lines)] * len(steps)
    targets = _targets(steps)
    found: list[Section] = []
    for step, begin, end in zip(steps, begins, ends, strict=True):
        own = _only(lines, begin, end)
        _refuse(step, OF_THE_PLAN, own, "holds for all steps: write it above the first [[step]]")
        name = _name_of(step, found, own, begin)
        rest = {key: value for key, value in step.items() if key != _NAME}
        if isinstance(columns := rest.get("columns"), dict):
            rest["columns"] = {one: _linked(one, details, targets, own) for one, details in columns.items()}
        hidden = {number for key in rest if (number := _at(head, key)) is not None}
        both = [a if at not in hidden and a else b for at, (a, b) in enumerate(zip(head, own, strict=True))]
        found.append(Section(name, {**above, **rest}, own if begins != heads else both))
    return found


def _targets(steps: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By the name of a step, what a link to its records says: their type, and the property of their keys."""
    found: dict[str, dict[str, Any]] = {}
    for one in steps:
        match, object_type = one.get("match"), one.get("object_type", _CONTACTS)
        names = match.split(",") if isinstance(match, str) else match
        key = one.get("id_property") or (names[0] if isinstance(names, list) and names else None)
        key = key or ("email" if object_type == _CONTACTS else None)
        found[str(one.get(_NAME, object_type))] = {"associate": object_type, **({"by": key} if key else {})}
    return found


def _linked(
    column: str, details: object, targets: Mapping[str, Mapping[str, Any]], lines: Sequence[str]
) -> object:
    """The details of a column; a link to a step as one to records of its type, by the property of its key."""
    if not isinstance(details, dict) or STEP not in details:
        return details
    where = f"{_place(lines, [column])}{column!r}: "
    if "associate" in details:
        raise SectionError(f"{where}step and associate exclude each other: step says which records are meant")
    name = details[STEP]
    if name not in targets:
        alike = suggestions(str(name), targets)
        meant = f"did you mean {' or '.join(alike)}?" if alike else f"the steps are {', '.join(targets)}"
        raise SectionError(f"{where}there is no step {name!r}; {meant}")
    target = targets[name]
    if "by" not in {*details, *target}:
        raise SectionError(
            f"{where}step {name} has no id_property, so say which property of its records the values are of, "
            'with by = "..."'
        )
    return {**target, **{key: value for key, value in details.items() if key != STEP}}


def _name_of(step: Mapping[str, Any], before: Iterable[Section], lines: Sequence[str], begin: int) -> str:
    """The step's name, by default its object type."""
    name = step.get(_NAME, step.get("object_type"))
    where = _place(lines, [_NAME, "object_type"], begin)
    if name is None:
        raise SectionError(
            f'{where}a step needs a name, such as name = "companies"; without one it is called by its '
            "object_type"
        )
    if not isinstance(name, str) or not STEP_NAME.fullmatch(name):
        raise SectionError(
            f"{where}the name of a step, {name!r}, must be of letters, digits, - and _, since files are "
            "named after it"
        )
    if any(name.lower() == one.name.lower() for one in before):
        raise SectionError(f'{where}two steps are called {name!r}; give one another name, with name = "..."')
    return name


def _refuse(found: Iterable[str], keys: frozenset[str], lines: Sequence[str], why: str) -> None:
    for key in found:
        if key in keys:
            raise SectionError(f"{_place(lines, [key])}{key} {why}")


def section_called(sections: Sequence[Section], name: str) -> Section:
    """The step of this name."""
    for one in sections:
        if one.name == name:
            return one
    names = [one.name for one in sections]
    alike = suggestions(name, names)
    raise SectionError(
        f"there is no step {name!r}; "
        + (f"did you mean {' or '.join(alike)}?" if alike else f"the steps are {', '.join(names)}")
    )


def line_of(key: str, lines: Sequence[str]) -> int:
    """The line of a key or table. The TOML parser keeps no line numbers."""
    at = _at(lines, key)
    return 1 if at is None else at + 1


def _at(lines: Sequence[str], key: str) -> int | None:
    step = rf"""(?:{STEP}[ \t]*\.[ \t]*)?"""
    pattern = re.compile(rf"""^[ \t]*(?:\[[ \t]*{step})?["']?{re.escape(key)}\b""")
    return next((at for at, line in enumerate(lines) if pattern.match(line)), None)


def _place(lines: Sequence[str], keys: Iterable[str], begin: int | None = None) -> str:
    found = next((at for key in keys if (at := _at(lines, key)) is not None), begin)
    return "" if found is None else f"line {found + 1}: "


def _only(lines: Sequence[str], begin: int, end: int) -> list[str]:
    """The lines of a part of the file, the others blank."""
    return [line if begin <= at < end else "" for at, line in enumerate(lines)]
