"""The columns of a source as far as they can be mapped, and what keeps the others from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from uploader.hubspot.schema import Schema
from uploader.records.columns import (
    COSTLY,
    OWN_PREFIX,
    Columns,
    MappingError,
    NoKeyColumnError,
    Rules,
    refuse_row_as_header,
    resolve_columns,
    resolve_name,
    unmapped_text,
)
from uploader.records.known_headers import bare


@dataclass(slots=True)
class Resolved:
    """The columns of one source as far as they can be mapped, with all problems."""

    columns: Columns | None  #: None where no column is the id property
    problems: list[str] = field(default_factory=list)
    names: Mapping[int, str] = field(default_factory=dict)  #: cell index -> property, as far as is known
    is_header: bool = True  #: False if the first line is a row, whose cells name no columns


def resolve_leniently(header: Sequence[str], rules: Rules, schema: Schema | None) -> Resolved:
    """Resolve columns as `resolve_columns` does, but go on after each problem without its columns."""
    resolved = Resolved(None)
    try:
        refuse_row_as_header(header, rules)
    except MappingError as error:
        resolved.problems += error.texts
        resolved.is_header = False
        return resolved
    dropped = frozenset[str]()
    while True:
        try:
            resolved.columns = resolve_columns(header, rules, schema)
        except NoKeyColumnError as error:
            if not any(rules.mapped.get(column) in rules.match for column in dropped):
                resolved.problems += error.texts
        except MappingError as error:
            resolved.problems += error.texts
        else:
            resolved.names = resolved.columns.names
            return resolved
        culprits = _culprits(header, rules, schema)
        if not culprits:
            _resolve_without_key(resolved, header, rules, schema)
            return resolved
        dropped |= culprits
        rules = replace(rules, ignored=rules.ignored | culprits)


def _resolve_without_key(
    resolved: Resolved, header: Sequence[str], rules: Rules, schema: Schema | None
) -> None:
    """Resolve the other columns if no column is the key."""
    names = {
        index: resolve_name(column, rules, schema)
        for index, column in enumerate(header)
        if not _is_passed_over(index, column, rules)
    }
    resolved.names = {index: name for index, name in names.items() if name}
    unmapped = [header[i] for i, name in names.items() if not name and header[i] not in rules.suppress_where]
    if unmapped:
        resolved.problems.append(unmapped_text(unmapped, schema))


def _culprits(header: Sequence[str], rules: Rules, schema: Schema | None) -> frozenset[str]:
    """Return the columns that cause the first problem; none if leaving them out would not help."""
    undecided = frozenset(column for column in header if rules.is_undecided(column))
    if undecided:
        return undecided
    names: dict[str, str] = {}
    for index, column in enumerate(header):
        if _is_passed_over(index, column, rules):
            continue
        try:
            names[column] = resolve_name(column, rules, schema)
        except MappingError:
            return frozenset({column})
    if rules.id_property not in names.values():
        return frozenset()
    unmapped = frozenset(column for column, name in names.items() if not name)
    return unmapped - rules.suppress_where.keys() or _misnamed(names, rules, schema)


def _is_passed_over(index: int, column: str, rules: Rules) -> bool:
    is_ours = column.startswith(OWN_PREFIX) or column == f"column {index + 1}"
    return is_ours or column in rules.ignored or rules.is_only_read(column)


def _misnamed(names: Mapping[str, str], rules: Rules, schema: Schema | None) -> frozenset[str]:
    """Return the first column whose property cannot be written or is already another column's."""
    taken = set(rules.constants)
    for column, name in names.items():
        if name and (name in taken or (name.startswith(COSTLY) and name not in rules.allowed)):
            return frozenset({column})
        taken.add(name)
    culprit = next((column for column, name in names.items() if rules.is_unwritable(name, schema)), None)
    return frozenset({culprit}) if culprit and names[culprit] != rules.id_property else frozenset()


def likely_key(header: Sequence[str], rules: Rules) -> str:
    """Return a column that differs from the id property only in case, blanks and signs; "" if there is not
    exactly one.
    """
    wanted = bare(rules.id_property)
    likely = [column for column in header if bare(column) == wanted and column not in rules.ignored]
    return likely[0] if len(likely) == 1 else ""
