"""Which system a file is exported from, by the names of its columns and the lines below its rows, and which
type its records seem to be of.

Rules Any three signs are enough. A name that files of any origin have is no sign. The system with most signs
      is meant; of several with as many, all are named, and only what their tables agree on is known.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from uploader.hubspot.object_types import TYPE_IDS, type_name
from uploader.records.headers.tables import ASK, KEY, System, known_type, tables
from uploader.records.known_headers import bare

_ENOUGH = 3


class Recognized(NamedTuple):
    """The likely origin of a file."""

    systems: tuple[System, ...] = ()  #: none: not known
    signs: tuple[str, ...] = ()  #: names of columns, then texts of lines

    @property
    def name(self) -> str:
        return " or ".join(dict.fromkeys(one.name for one in self.systems))

    def key_in(self, header: Sequence[str]) -> tuple[str, str]:
        """The first column with the system's own ids of these records, and the name of a property that fits
        them; blank if there is none.
        """
        found = ((column, target[1:]) for column in header if (target := self.target(column))[:1] == KEY)
        return next(found, ("", ""))

    def target(self, column: str) -> str:
        """The entry of the systems' tables for a column; "" if there is none."""
        plain = bare(column)
        found = {one.columns[plain] for one in self.systems if plain in one.columns}
        if len(found) < 2:
            return "".join(found)
        properties = {target.removeprefix(ASK) for target in found}
        return ASK + properties.pop() if len(properties) == 1 else ASK


def recognize(
    header: Sequence[str], rows: Iterable[Sequence[str]] = (), object_type: str = "contacts"
) -> Recognized:
    """Find the origin of records of a type. `rows`: those that may be lines of a report; the last ones are
    enough.
    """
    of = known_type(object_type)
    return _recognized([one for one in tables().systems if one.object_type == of], header, rows)


def recognize_any(header: Sequence[str]) -> Recognized:
    """Find the origin of records of any type."""
    return _recognized(tables().systems, header, ())


def other_type(header: Sequence[str], object_type: str) -> Recognized:
    """The origin, if the columns rather are those of records of another type that has tables."""
    found = recognize_any(header)
    types = {one.object_type for one in found.systems}
    is_other = len(types) == 1 and type_name(object_type) not in types and type_name(object_type) in TYPE_IDS
    return found if is_other else Recognized()


def _recognized(
    systems: Sequence[System], header: Sequence[str], rows: Iterable[Sequence[str]]
) -> Recognized:
    lines = [" ".join(filter(None, map(str.strip, row))) for row in rows]
    found = [(one, _signs(one, header, lines)) for one in systems]
    most = max(len(signs) for _, signs in found)
    if most < _ENOUGH:
        return Recognized()
    best = [(one, signs) for one, signs in found if len(signs) == most]
    all_signs = dict.fromkeys(sign for _, signs in best for sign in signs)
    return Recognized(tuple(one for one, _ in best), tuple(all_signs))


def _signs(system: System, header: Sequence[str], lines: Sequence[str]) -> list[str]:
    plain = tables().plain[system.object_type]
    by_name = {bare(column): column for column in header}
    names = [column for name, column in by_name.items() if name in system.columns and name not in plain]
    texts = [next((line for line in lines if sign in line.casefold()), "") for sign in system.lines]
    return [*names, *filter(None, texts)]
