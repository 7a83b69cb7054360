"""Values that every record of a run gets: `--set property=value`.

In    the user's values; what HubSpot knows of its properties, if known.
Out   property -> value as HubSpot expects it.
Raise `MappingError` if a property cannot have one value in all records, or does not take the value.
"""

from collections.abc import Collection

from uploader.hubspot.schema import Schema
from uploader.model.rows import Fault
from uploader.records.columns import COSTLY, COSTLY_TEXT, MappingError, Rules
from uploader.records.values.convert import StageConverter, converter, text_fault


def resolve_constants(rules: Rules, schema: Schema | None, unique: Collection[str]) -> dict[str, str]:
    """Return the values by property. `unique`: properties whose values are unique."""
    return {name: _value(name, text.strip(), rules, schema, unique) for name, text in rules.constants.items()}


def _value(name: str, text: str, rules: Rules, schema: Schema | None, unique: Collection[str]) -> str:
    """Return one value as HubSpot expects it, or raise MappingError."""
    if name in unique:
        raise MappingError(f"--set {name}: a unique property cannot have the same value in all records")
    if name.startswith(COSTLY) and name not in rules.allowed:
        raise MappingError(f"--set {name}: {COSTLY_TEXT}; allow it with --allow {name}")
    if schema is not None and name not in schema.labels:
        raise MappingError(f"--set {name}: {schema.no_property(repr(name))}; create it first")
    if schema is not None and name in schema.read_only:
        raise MappingError(f"--set {name}: the property is read-only in HubSpot")
    convert = converter(name, f"--set {name}", schema, rules)
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
