"""The values that a property does not take, with the options it has and the one that may have been meant."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from uploader.hubspot.owner_lookup import Owner
from uploader.hubspot.schema import Option, Schema
from uploader.hubspot.stage_lookup import STAGES
from uploader.jobs.scans.bad_values import BadValues
from uploader.records.columns import MappingError, Rules, resolve_name
from uploader.records.known_headers import carries_consent
from uploader.records.values.near_options import NearOptions

#: Values of a column that are reported with what may have been meant.
MOST_VALUES = 200
#: Of columns that tell of opt-outs, and of consent.
_OPT_OUT = (Option("opted out", "yes"), Option("not opted out", "no"))
_CONSENT = (Option("agreed", "yes"), Option("not agreed", "no"))
_TRUE_OR_FALSE = (Option("True", "true"), Option("False", "false"))


class BadValue(NamedTuple):
    """One value; case is ignored."""

    text: str
    cells: int
    near: Option | None  #: the option that may have been meant


class BadColumn(NamedTuple):
    """The values of one column that its property does not take."""

    column: str
    property: str
    cells: int
    values: list[BadValue]  #: the most frequent ones
    others: int  #: further values
    is_complete: bool  #: False: there were more values than are remembered, so counts may be too low
    options: tuple[Option, ...]


def bad_columns(found: BadValues, rules: Rules, schema: Schema | None) -> Iterator[BadColumn]:
    """What was found, that with most cells first."""
    for column, counts in found:
        name = ""
        with suppress(MappingError):
            name = resolve_name(column, rules, schema)
        options = options_of(name, schema) if schema else ()
        if rules.tells_opt_outs(column) or rules.is_undecided(column):
            options = _CONSENT if carries_consent(column) else _OPT_OUT
        near = NearOptions(options)
        values = [
            BadValue(one.text, one.count, near.find(one.text)) for one in counts.most_common(MOST_VALUES)
        ]
        others = len(counts) - len(values)
        yield BadColumn(column, name, counts.cells, values, others, counts.is_complete, options)


def owner_columns(
    unknown: Mapping[str, Counter[str]], names: Mapping[str, str], schema: Schema | None
) -> Iterator[BadColumn]:
    """The owners that the account does not have, as values of their columns. `unknown`: by property;
    `names`: the property of each column.
    """
    owners = schema.owners.active if schema and schema.owners else ()
    options = tuple(map(_owner_option, owners))
    near = NearOptions(options)
    for column, name in names.items():
        if counts := unknown.get(name):
            values = [BadValue(who, cells, near.find(who)) for who, cells in counts.most_common()]
            yield BadColumn(column, name, counts.total(), values, 0, is_complete=True, options=options)


def _owner_option(owner: Owner) -> Option:
    name = f"{owner.first_name} {owner.last_name}".strip()
    text = owner.email or owner.id
    return Option(name or text, text)


def options_of(name: str, schema: Schema) -> tuple[Option, ...]:
    """The options of a property; of pipelines and stages their names, which files have and uploader takes."""
    if name in schema.staged and schema.pipelines is not None:
        pipelines = list(schema.pipelines)
        labels = [one.label for one in pipelines]
        if name in STAGES:
            labels = [stage.label for one in pipelines for stage in one.stages]
        return tuple(Option(label, label) for label in dict.fromkeys(labels))
    if options := schema.options.get(name):
        return options
    kind = schema.kinds.get(name)
    return _TRUE_OR_FALSE if kind and kind.is_boolean else ()
