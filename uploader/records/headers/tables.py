"""The tables of this folder, as values. usual.toml explains what stands in them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain

from uploader.records.known_headers import bare, words_of

#: Entries beside properties: left out; an opt-out; to be asked, alone or before a property.
IGNORE, OPT_OUT, ASK = "-", "!", "?"
_USUAL = "usual.toml"

#: Bare name of a column -> property, or one of the above.
Targets = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class System:
    """One system that exports contacts."""

    name: str
    columns: Targets
    lines: tuple[str, ...]  #: what lines above and below a report contain, in lower case


@dataclass(frozen=True, slots=True)
class Tables:
    """All that is known of exports."""

    systems: tuple[System, ...]
    plain: Targets  #: of files of any origin: no sign of a system
    telling: Targets  #: of files of any origin, too, but a sign of the systems that have them
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
    names = [*usual["plain"], *usual["telling"], *chain(*(one["columns"] for one in found.values()))]
    return Tables(
        systems=tuple(
            System(one["system"], _by_bare(one["columns"]), tuple(one.get("lines", ())))
            for one in found.values()
        ),
        plain=_by_bare(usual["plain"]),
        telling=_by_bare(usual["telling"]),
        words=frozenset(usual["words"].split()).union(*map(words_of, names)),
    )


def usual_target(column: str) -> str:
    """What a column of this name usually is; "" if that is not known."""
    plain = bare(column)
    return tables().plain.get(plain) or tables().telling.get(plain, "")


def _by_bare(columns: Mapping[str, str]) -> Targets:
    return {bare(column): target for column, target in columns.items()}
