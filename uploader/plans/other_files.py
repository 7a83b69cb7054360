"""Which records that links of one step name are in the file of another: these come with the plan.

In    the records of each step as its check reads them, and what it found of the step's links.
Out   for each link column how many links lead to no record of the account and of no file, or to several of
      a file.
Raise `StorageError` if the disk is full.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from uploader.hubspot.object_types import type_id
from uploader.hubspot.requests import sent_properties
from uploader.jobs.scans.link_values import LinkValues, MissingEnd
from uploader.model.associations import DOMAIN, NAME, LinkColumn
from uploader.model.records import Record, lock_key
from uploader.settings import Settings
from uploader.system import sqlite

#: Properties that several records may share.
_NOT_UNIQUE = frozenset({DOMAIN, NAME})

#: `kind`: of the other records, by type and property. `name`: a value, as links compare it.
_SCHEMA = """
CREATE TABLE provided (
    kind INTEGER NOT NULL, name TEXT NOT NULL, step INTEGER NOT NULL, key TEXT NOT NULL,
    is_shared INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE missing (
    step INTEGER NOT NULL, number INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,
    value TEXT NOT NULL, links INTEGER NOT NULL, why TEXT NOT NULL, PRIMARY KEY (step, number, name)
) WITHOUT ROWID;
"""
#: Other steps may have other keys for the same record, so keys of one step alone are compared.
_PROVIDE = """
INSERT INTO provided (kind, name, step, key) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET is_shared = 1 WHERE step = excluded.step AND key != excluded.key
"""
#: `is_shared`: null if no file has the value.
_OF_COLUMN = """
FROM (
    SELECT *, (SELECT is_shared FROM provided p WHERE p.kind = m.kind AND p.name = m.name) AS is_shared
    FROM missing m WHERE step = ? AND number = ?
)
"""
_SUMS = f"""
SELECT ifnull(sum(iif(is_shared IS 0, links, 0)), 0), ifnull(sum(iif(is_shared IS 1, links, 0)), 0),
    ifnull(sum(iif(is_shared IS NULL, links, 0)), 0), ifnull(sum(is_shared IS NULL), 0)
{_OF_COLUMN}
"""
_MOST = f"SELECT value, links, why {_OF_COLUMN} WHERE is_shared IS ? ORDER BY links DESC, name LIMIT ?"


@dataclass(frozen=True, slots=True)
class LinksInPlan:
    """What the account and all files of a plan tell of a link column."""

    step: str
    column: LinkColumn
    in_files: int  #: links whose other record is in a file of the plan, as far as the account was not asked
    shared: int  #: links whose value is that of several records of such a file
    missing: int  #: links whose other record is in neither
    missing_values: int  #: different ones
    most_missing: Sequence[MissingEnd]  #: the most frequent first
    most_shared: Sequence[MissingEnd]

    def as_dict(self) -> dict[str, object]:
        return {
            "step": self.step,
            "column": self.column.column,
            "object_type": self.column.object_type,
            "by": self.column.by,
            "in_files_of_the_plan": self.in_files,
            "shared": self.shared,
            "most_shared": _as_dicts(self.most_shared),
            "missing": self.missing,
            "missing_values": self.missing_values,
            "most_missing": _as_dicts(self.most_missing),
        }


class OtherFiles:
    """Collects records and links of all steps. One thread at a time. Close it to free the disk."""

    def __init__(self, folder: Path, steps: Sequence[tuple[str, Settings]]) -> None:
        """`folder`: for a temporary file, where memory does not suffice."""
        self._steps = steps
        kinds = [_kind(one) for _, settings in steps for one in settings.associations]
        self._kinds = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        self._is_checked = [False] * len(steps)
        with self._storing():
            self._connection = sqlite.connect_temporary(folder)
            with sqlite.closed_on_error(self._connection):
                self._connection.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def number(self, name: str) -> int:
        """The number of a step."""
        return [step for step, _ in self._steps].index(name)

    def _storing(self) -> AbstractContextManager[None]:
        return sqlite.storage_errors("cannot compare the links of steps")

    def wants(self, step: int) -> bool:
        """Whether links may lead to records of this step."""
        return bool(self._wanted(step))

    def _wanted(self, step: int) -> Mapping[str, int]:
        """By property, the kind of the records of a step that links name by it."""
        of = _type(self._steps[step][1].object_type)
        return {by: number for (object_type, by), number in self._kinds.items() if object_type == of}

    def add(self, step: int, records: Sequence[Record]) -> None:
        """Note the values of some records that links may name."""
        has_one_key = len(self._steps[step][1].match) == 1
        rows = [
            (kind, lock_key("", value), step, lock_key("", key) if has_one_key and by in _NOT_UNIQUE else "")
            for by, kind in self._wanted(step).items()
            for value, key in _values(records, by)
        ]
        with self._storing():
            self._connection.execute("BEGIN")
            self._connection.executemany(_PROVIDE, rows)
            self._connection.execute("COMMIT")

    def provided(self, column: LinkColumn, names: Sequence[str]) -> set[str]:
        """The values of a link column that are in the file of a step which was checked by now."""
        kind = self._kinds[_kind(column)]
        query = "SELECT name FROM provided WHERE kind = ? AND name IN (SELECT value FROM json_each(?))"
        with self._storing():
            found = self._connection.execute(query, (kind, orjson.dumps(names).decode()))
            return {name for (name,) in found}

    def note(self, step: int, values: LinkValues) -> None:
        """Note the links of a step whose other records are not in the account; all its records are added."""
        self._is_checked[step] = True
        columns = self._steps[step][1].associations
        with self._storing():
            self._connection.execute("BEGIN")
            for number, one in enumerate(columns):
                kind = self._kinds[_kind(one)]
                self._connection.executemany(
                    "INSERT INTO missing VALUES (?, ?, ?, ?, ?, ?, ?)",
                    ((step, number, kind, *found) for found in values.all_missing(number)),
                )
            self._connection.execute("COMMIT")

    def found(self, most: int, complete: Iterable[int] = ()) -> list[LinksInPlan]:
        """What is known of each link column, with at most so many missing values; none if a step was not
        checked, or with --limit: rows beyond it are not read. `complete`: steps whose records are in the
        account already.
        """
        checked = {number for number, is_checked in enumerate(self._is_checked) if is_checked}
        is_limited = any(settings.limit for _, settings in self._steps)
        if is_limited or {*range(len(self._steps))} - checked - {*complete}:
            return []
        with self._storing():
            return [
                self._found(step, number, most)
                for step in sorted(checked)
                for number in range(len(self._steps[step][1].associations))
            ]

    def _found(self, step: int, number: int, most: int) -> LinksInPlan:
        name, settings = self._steps[step]
        counts: sqlite3.Row = self._connection.execute(_SUMS, (step, number)).fetchone()
        in_files, shared, missing, missing_values = counts
        most_missing, most_shared = (
            [*map(MissingEnd._make, self._connection.execute(_MOST, (step, number, is_shared, most)))]
            for is_shared in (None, 1)
        )
        column = settings.associations[number]
        return LinksInPlan(name, column, in_files, shared, missing, missing_values, most_missing, most_shared)


def _kind(column: LinkColumn) -> tuple[str, str]:
    return _type(column.object_type), column.by


def _type(name: str) -> str:
    return type_id(name) or name


def _values(records: Sequence[Record], by: str) -> Iterable[tuple[str, str]]:
    """The values of a property, as far as the records have one, with their keys."""
    for one in records:
        if one.id_property == by:
            yield one.key, one.key
        elif value := sent_properties(one).get(by):
            yield value, one.key


def _as_dicts(ends: Iterable[MissingEnd]) -> list[dict[str, object]]:
    return [{"value": one.value, "links": one.links} for one in ends]
