"""The rules of a job, resolved against its sources and account: what each column is, and how it is written.

Raise `SettingsError` for a problem of a whole source, in one line, with what to do.
"""

from collections.abc import Iterable, Iterator, Sequence, Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace

from uploader.errors import SettingsError
from uploader.hubspot.account import Account
from uploader.hubspot.schema import Schema
from uploader.model.column_names import folded
from uploader.records.column_problems import resolve_leniently
from uploader.records.columns import (
    Columns,
    MappingError,
    Rules,
    refuse_undecided,
    refuse_unknown,
    resolve_columns,
    resolve_name,
)
from uploader.records.known_headers import carries_consent
from uploader.records.mapper import Mapper, fields_of
from uploader.records.replacements import unfit_replacements
from uploader.records.write_policy import Policy, WritePolicy
from uploader.settings import Settings
from uploader.settings.columns import ColumnSettings
from uploader.sources.source import Source


def resolve_mappers(settings: ColumnSettings, sources: Sequence[Source], account: Account) -> list[Mapper]:
    """A mapper for each source. SettingsError if a column can't be mapped."""
    rules = settings.rules
    try:
        if all(source.shape.columns for source in sources):
            refuse_unknown(rules, [column for source in sources for column in source.shape.columns])
        columns = [_columns(source, settings, account) for source in sources]
        refuse_absent_keys(settings, columns)
        refuse_undecided_fields(sources, rules)
        refuse_unfit_replacements(settings, account.schema)
        return [
            Mapper(index, rules_of(rules, source), account.schema, resolved)
            for index, (source, resolved) in enumerate(zip(sources, columns, strict=True))
        ]
    except MappingError as error:
        raise SettingsError(str(error)) from error


def resolve_as_far(
    settings: ColumnSettings, sources: Sequence[Source], account: Account
) -> tuple[list[Mapper | None], list[str]]:
    """A mapper for each source that can be mapped, and all problems, to report them at once."""
    rules, schema = settings.rules, account.schema
    problems: dict[str, None] = {}
    mappers: list[Mapper | None] = []

    @contextmanager
    def collecting_problems() -> Iterator[None]:
        try:
            yield
        except MappingError as error:
            problems.update(dict.fromkeys(error.texts))

    with collecting_problems():
        if all(source.shape.columns for source in sources):
            refuse_unknown(rules, [column for source in sources for column in source.shape.columns])
    for index, source in enumerate(sources):
        found, mapper = resolve_leniently(source.shape.columns, rules, schema), None
        if source.shape.columns:
            problems.update(dict.fromkeys(found.problems))
        if found.columns is not None or not source.shape.columns:
            with collecting_problems():
                mapper = Mapper(index, rules_of(rules, source), schema, found.columns)
        mappers.append(mapper)
    with collecting_problems():
        if None not in mappers:
            refuse_absent_keys(settings, [mapper.columns for mapper in mappers if mapper])
    with collecting_problems():
        refuse_undecided_fields(sources, rules)
    with collecting_problems():
        refuse_unfit_replacements(settings, schema)
    return mappers, list(problems)


def rules_of(rules: Rules, source: Source) -> Rules:
    """The rules for one source, with what its format adds, and its first rows if they name their fields."""
    consents = frozenset[str]()
    if rules.opt_outs and not source.shape.columns:
        consents = frozenset(filter(carries_consent, filter(rules.tells_opt_outs, _first_fields(source))))
    return replace(rules, has_numbers=source.shape.has_numbers, consent_fields=consents)


def refuse_undecided_fields(sources: Sequence[Source], rules: Rules) -> None:
    """MappingError for undecided fields of sources without a header, by their first rows."""
    for source in sources:
        refuse_undecided(undecided_fields(source, rules))


def undecided_fields(source: Source, rules: Rules) -> list[str]:
    """The undecided fields of a source without a header, by its first rows."""
    if source.shape.columns or not rules.has_addresses:
        return []
    return [name for name in _first_fields(source) if rules.is_undecided(name)]


def _first_fields(source: Source) -> Iterable[str]:
    """The names of the fields of a source's first rows."""
    return dict.fromkeys(folded(name) for row in source.first_rows() for name in fields_of(row.content))


def refuse_unfit_replacements(settings: ColumnSettings, schema: Schema | None) -> None:
    """MappingError if values are to be replaced by some that the property cannot take."""
    texts = []
    for column, word, reason in unfit_replacements(settings.rules, schema):
        place = settings.translation_places.get(column, {}).get(word, "values")
        texts.append(f"{place}: {reason}")
    if texts:
        raise MappingError(*texts)


def overwriting_rules(settings: Settings, sources: Sequence[Source], account: Account) -> WritePolicy:
    """The write policies by property. SettingsError if one names no column."""
    known = {column for source in sources for column in source.shape.columns}
    # A constant is written to every record, whatever the policy for the values of rows.
    by_property = dict.fromkeys(settings.constants, Policy.OVERWRITE)
    for given, policy in settings.policies.items():
        column = folded(given)
        try:
            name = resolve_name(column, settings.rules, account.schema)
        except MappingError as error:
            raise SettingsError(str(error)) from error
        if not name or (known and column not in known):
            raise SettingsError(f"{policy} names the column {column!r}, which does not exist")
        by_property[name] = policy
    return WritePolicy(settings.policy, by_property, settings.only_records, settings.skip_unchanged)


def refuse_absent_keys(settings: ColumnSettings, columns: Sequence[Columns | None]) -> None:
    """MappingError if a key of --match is in no source: its name is probably a mistake. A column that is
    mapped to it has a problem of its own, such as that there is no such property.
    """
    named = [set(resolved.names.values()) for resolved in columns if resolved]
    for name in settings.match:
        if name in settings.mapped.values():
            continue
        if len(named) == len(columns) and not any(name in names for names in named):
            raise MappingError(
                f"--match: no column is mapped to {name!r}; map one with --map, or remove it from --match"
            )


def may_name_others(settings: ColumnSettings, sources: Sequence[Source], schema: Schema) -> bool:
    """Whether a setting or a column may name a property that is not listed. Any row of a source without a
    header may.
    """
    rules = settings.rules
    names = {*rules.match, *rules.mapped.values(), *rules.constants}
    for source in sources:
        if not source.shape.columns:
            return True
        names.update(
            column
            for index, column in enumerate(source.shape.columns)
            if column not in rules.mapped.keys() | rules.suppress_where.keys() | {f"column {index + 1}"}
            and not rules.leaves_out(column)
            and not rules.is_only_read(column)
        )
    return not names - {""} <= schema.labels.keys() | set(schema.labels.values())


def may_hold(
    names: AbstractSet[str], settings: ColumnSettings, sources: Sequence[Source], schema: Schema | None
) -> bool:
    """Whether some value may be of one of these properties. In a source without a header any may be."""
    if schema is None or not names:
        return False
    if not names.isdisjoint(settings.constants):
        return True
    for source in sources:
        if not source.shape.columns:
            return True
        # Problems of other columns are reported where they are mapped.
        resolved = resolve_leniently(source.shape.columns, settings.rules, schema)
        if not names.isdisjoint(resolved.names.values()):
            return True
    return False


def _columns(source: Source, settings: ColumnSettings, account: Account) -> Columns | None:
    if not source.shape.columns:
        return None
    return resolve_columns(source.shape.columns, settings.rules, account.schema)
