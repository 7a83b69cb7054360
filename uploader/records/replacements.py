"""Replacements of values (`values` of the mapping file, `--values`) that the property cannot take.

In    the user's tables, and what HubSpot knows of its properties.
Out   what is wrong with each of them, as far as that is certain without the rows.
Raise nothing.
Rules A stage is looked for in all pipelines, unless all rows have the same one. A date or number is fit if
      any order or decimal mark makes it one.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import NamedTuple

from uploader.hubspot.schema import Schema
from uploader.model.records import EMAIL
from uploader.model.rows import Fault
from uploader.records.column_conversion import said
from uploader.records.columns import MappingError, Rules, resolve_name
from uploader.records.values.convert import StageConverter, converter, text_fault
from uploader.records.values.datetimes import DateOrder, as_date, as_moment
from uploader.records.values.email import plausible_email
from uploader.records.values.near_options import NearOptions
from uploader.records.values.numbers import marks_of

#: Options that are listed in a message.
_LISTED = 12


class Unfit(NamedTuple):
    """A replacement that cannot be written."""

    column: str
    word: str
    reason: str


def unfit_replacements(rules: Rules, schema: Schema | None) -> Iterator[Unfit]:
    """Yield the replacements that the property of their column cannot take."""
    for column, table in rules.translations.items():
        try:
            is_written = not (rules.leaves_out(column) or rules.is_only_read(column))
            name = resolve_name(column, rules, schema) if is_written else ""
        except MappingError:
            continue  # it is reported where columns are mapped
        if not name or schema is None:
            continue
        for word, text in table.items():
            fault = _why_unfit(name, column, text, rules, schema) if text else None
            if fault is not None:
                yield Unfit(column, word, said(column, text, fault).reason + _advice(name, text, schema))


def _why_unfit(name: str, column: str, text: str, rules: Rules, schema: Schema) -> Fault | None:
    """Return why a text is no value of a property; None if it is one, or may be."""
    if name == EMAIL and rules.has_addresses:
        return None if plausible_email(text) else Fault("is not an e-mail address", "EMAIL")
    convert = converter(name, column, schema, rules)
    if convert is None:
        return text_fault(text)
    if isinstance(convert, StageConverter):
        return _why_no_stage(text, convert, rules)
    made = convert(text)
    return made if isinstance(made, Fault) and not _has_reading(text, schema.kinds[name].type) else None


def _why_no_stage(text: str, convert: StageConverter, rules: Rules) -> Fault | None:
    """Return why no row can have a stage; None if some row may."""
    pipelines = convert.pipelines
    of_all = pipelines.find(rules.constants.get(convert.pipeline_property, ""))
    made = convert(text, of_all if isinstance(of_all, str) else "")
    if isinstance(made, str) or (isinstance(of_all, Fault) and pipelines.has_stage(text)):
        return None
    return made


def _has_reading(text: str, kind: str) -> bool:
    """Whether a text is a number with any decimal mark, or a date or time in any order and zone."""
    if kind == "number":
        return bool(marks_of(text))
    readings = {
        "date": lambda order: as_date(text, order, None),
        "datetime": lambda order: as_moment(text, order, UTC),
    }
    return kind in readings and any(isinstance(readings[kind](order), str) for order in DateOrder)


def _advice(name: str, text: str, schema: Schema) -> str:
    options = schema.options.get(name, ())
    if not options:
        return ""
    near = NearOptions(options).find(text)
    if near is not None:
        return f"; did you mean {near.value!r}?"
    more = f" and {len(options) - _LISTED:,} more" if len(options) > _LISTED else ""
    return f"; allowed: {', '.join(repr(option.value) for option in options[:_LISTED])}{more}"
