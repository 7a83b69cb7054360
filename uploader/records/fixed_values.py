"""Values that every record of a run gets: `--set property=value`.

In    the user's values; what HubSpot knows of its properties, if known.
Out   property -> value as HubSpot expects it. A stage goes by the pipeline of the row, as that of a column.
Raise `MappingError` if a property cannot have one value in all records, or does not take the value.
"""

from collections.abc import Collection
from typing import NamedTuple

from uploader.hubspot.schema import Schema
from uploader.model.rows import Fault
from uploader.records.columns import COSTLY, COSTLY_TEXT, MappingError, Rules
from uploader.records.values.convert import Converter, StageConverter, converter, text_fault


class FixedValues(NamedTuple):
    """Values of all records, by property."""

    constants: dict[str, str]  #: as HubSpot expects them
    stages: dict[str, tuple[str, StageConverter]]  #: text and converter, where the row's pipeline decides


def resolve_fixed_values(
    rules: Rules, schema: Schema | None, unique: Collection[str], named: Collection[str] | None
) -> FixedValues:
    """`unique`: properties whose values are unique. `named`: those of the rows; None if a row has its own."""
    found = FixedValues({}, {})
    for name, given in rules.constants.items():
        text = given.strip()
        _refuse_property(name, rules, schema, unique)
        convert = converter(name, f"--set {name}", schema, rules)
        if isinstance(convert, StageConverter) and _goes_by_row(convert, text, rules, named):
            found.stages[name] = (text, convert)
        else:
            found.constants[name] = _value(name, text, convert, rules)
    return found


def _goes_by_row(convert: StageConverter, text: str, rules: Rules, named: Collection[str] | None) -> bool:
    """Whether the rows may have pipelines of their own, and some pipeline has such a stage."""
    name = convert.pipeline_property
    may_name = name not in rules.constants and (named is None or name in named)
    return may_name and convert.pipelines.has_stage(text)


def _refuse_property(name: str, rules: Rules, schema: Schema | None, unique: Collection[str]) -> None:
    """MappingError if no property of this name can have the same value in all records."""
    if name in unique:
        raise MappingError(f"--set {name}: a unique property cannot have the same value in all records")
    if name.startswith(COSTLY) and name not in rules.allowed:
        raise MappingError(f"--set {name}: {COSTLY_TEXT}; allow it with --allow {name}")
    if schema is not None and name not in schema.labels:
        raise MappingError(f"--set {name}: {schema.no_property(repr(name))}; create it first")
    if schema is not None and name in schema.read_only:
        raise MappingError(f"--set {name}: the property is read-only in HubSpot")


def _value(name: str, text: str, convert: Converter | None, rules: Rules) -> str:
    """Return one value as HubSpot expects it, or raise MappingError."""
    if isinstance(convert, StageConverter):
        pipeline = convert.pipelines.find(rules.constants.get(convert.pipeline_property, ""))
        value = convert(text, pipeline if isinstance(pipeline, str) else "")
    else:
        value = convert(text) if convert is not None else text
    fault = value if isinstance(value, Fault) else text_fault(value)
    if fault is not None:
        raise MappingError(f"--set {name}={text}: the value {fault.reason}")
    assert isinstance(value, str)
    return value
