"""Problems in few words: what is wrong, and what to type. Their full texts say more.

In    what a problem is about.
Out   its full text with the short one.
Raise nothing.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from uploader.check.blank_candidates import details
from uploader.check.mapping_draft import suppression
from uploader.check.report import Column
from uploader.check.value_draft import toml_text
from uploader.hubspot.schema import Schema
from uploader.model.column_names import quoted
from uploader.records.columns import (
    MappingError,
    Rules,
    by_kind,
    resolve_name,
    undecided_text,
    unmapped_text,
)
from uploader.records.known_headers import carries_consent, holds_whatever, may_mean_either
from uploader.records.repeated_keys import KeyCount

#: Columns and keys that are named.
_NAMED = 2


def column_briefs(
    columns: Sequence[Column], rules: Rules, schema: Schema | None, project: str
) -> Mapping[str, str]:
    """The short texts of the problems with the columns of one source that are undecided. `project`: the name
    of the project file, where what is meant is to be written; "" if none is used.
    """
    undecided = [one.column for one in columns if one.is_undecided]
    people = [column for column in undecided if rules.is_undecided(column)]
    others = [column for column in undecided if column not in people]
    unmapped = [column for column in others if _is_unmapped(column, rules, schema)]
    found = {undecided_text(some): _opt_out_brief(some, project) for some in by_kind(people)}
    return found | ({unmapped_text(unmapped, schema): _unmapped_brief(unmapped, project)} if unmapped else {})


def _is_unmapped(column: str, rules: Rules, schema: Schema | None) -> bool:
    with suppress(MappingError):
        return not resolve_name(column, rules, schema)
    return False


def _unmapped_brief(columns: Sequence[str], project: str) -> str:
    if project:
        what = (
            f"{columns[0]!r} is no property of the account"
            if len(columns) == 1
            else _are_no_properties(columns)
        )
        return (
            f"{what}: name properties in {project}, or {{ ignore = true }}; --write-properties FILE.toml "
            "drafts new ones"
        )
    if len(columns) == 1:
        (column,) = columns
        return (
            f"{column!r} is no property of the account: --map {quoted(f'{column}=PROPERTY')} or --ignore "
            f"{quoted(column)}"
        )
    return (
        f'{_are_no_properties(columns)}: --map "COLUMN=PROPERTY", --ignore "COLUMN", or '
        "--write-mapping FILE.toml for a draft"
    )


def _are_no_properties(columns: Sequence[str]) -> str:
    """So many columns, with the names of the first."""
    return f"{len(columns):,} columns are no properties ({_listed(columns)})"


def _opt_out_brief(columns: Sequence[str], project: str) -> str:
    """Of columns of one kind: that tell who has opted out, that may, or that tell who has agreed."""
    is_consent = carries_consent(columns[0])
    words = [
        "--suppress-where " + quoted(column + ("=no" if is_consent else "=*" * holds_whatever(column)))
        for column in columns[:_NAMED]
    ]
    what = "who has agreed to e-mail" if is_consent else "who has opted out or bounces"
    is_open = may_mean_either(columns[0])
    tells = "may tell" if is_open else "tells" if len(columns) == 1 else "tell"
    if project:
        lists = "" if is_open else 'opt_outs = "list", '
        entry = f"{toml_text(columns[0])} = {suppression(columns[0])} or {{ ignore = true }}"
        return f"{_listed(columns)} {tells} {what}: in {project}, {lists}{entry}"
    lists = "" if is_open else "--opt-outs list, "
    others = "" if len(columns) <= _NAMED else " ..."
    return (
        f"{_listed(columns)} {tells} {what}: {lists}{' '.join(words)}{others}, or "
        f"--ignore {quoted(columns[0])}"
    )


def reading_briefs(readings: Mapping[str, str], names: Mapping[str, str], project: str) -> Mapping[str, str]:
    """The short texts of the problems with columns that can be read in several ways: with an entry of the
    project file in place of an option. `names`: the property of each column.
    """
    if not project:
        return {}
    briefs = {text: _with_entry(text, column, names.get(column, "")) for column, text in readings.items()}
    return {text: f"{brief}, in {project}" for text, brief in briefs.items() if brief != text}


def _with_entry(text: str, column: str, name: str) -> str:
    """The text with an entry of the column in place of the option `--date-order "COLUMN=DMY" or =MDY`."""
    typed = re.escape(quoted(f"{column}=")[:-1])
    option = re.compile(rf"""--([a-z-]+) {typed}([^"']+)["'](?: or =([^\s,;]+))?""")

    def entry(found: re.Match[str]) -> str:
        key, value, other = found[1].replace("-", "_"), toml_text(found[2]), found[3]
        more = f" or {toml_text(other)}" if other else ""
        return f"{toml_text(column)} = {{ property = {toml_text(name)}, {key} = {value} }}{more}"

    return option.sub(entry, text)


def doubtful_brief(keys: Sequence[KeyCount], columns: Sequence[str], project: str) -> str:
    """Of keys that stand for very many rows. `columns`: those of the first key."""
    first = keys[0]
    more = f" (and {len(keys) - 1:,} more such keys)" if len(keys) > 1 else ""
    if project:
        words = [key.value for key in keys if key.property == first.property]
        ways = [f"{toml_text(column)} = {details(first.property, words)}" for column in columns]
        ways += [f'or keep it with on_duplicate = "in-order", in {project}']
    else:
        ways = [f"--blank-value {quoted(f'{column}={first.value}')}" for column in columns]
        ways += ["or keep it with --on-duplicate in-order"]
    return (
        f"{first.value!r} is the {first.property} of {first.rows:,} rows, which would become one{more}: "
        f"{', '.join(ways)}"
    )


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - _NAMED:,} more" if len(columns) > _NAMED else ""
    return ", ".join(map(repr, columns[:_NAMED])) + more
