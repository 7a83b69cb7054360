"""What a column of a source, or a field that a row names itself, stands for.

In    the name of a column, the settings, and what HubSpot knows of its properties, if known.
Out   its property, what converts its values, and why a row that has such a field can't be sent.
Raise nothing: what can't be resolved is a fault of the rows that have it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from uploader.hubspot.schema import Schema
from uploader.model.column_names import folded
from uploader.model.rows import Fault
from uploader.records.columns import (
    COSTLY,
    COSTLY_TEXT,
    OWN_PREFIX,
    MappingError,
    Rules,
    resolve_name,
    undecided_text,
)
from uploader.records.values.convert import Converter, converter
from uploader.records.values.lists import join_list

#: The category of a field that cannot be written, whatever its value.
NO_PROPERTY = "PROPERTY"
#: Limits memory, because rows that name their own fields may name any number of them.
_MOST_REMEMBERED = 10_000


class Field(NamedTuple):
    column: str  #: as the source names it
    name: str  #: of the property; "" if it is none
    convert: Converter | None
    fault: Fault | None  #: why a row that has such a field can't be sent
    is_left_out: bool


class Fields:
    """Resolves the names of fields, each of them once."""

    def __init__(self, rules: Rules, schema: Schema | None) -> None:
        self._rules = rules
        self._schema = schema
        self._known: dict[str, Field] = {}

    def __getitem__(self, column: str) -> Field:
        field = self._known.get(column)
        if field is None:
            field = self._resolve(column)
            if len(self._known) < _MOST_REMEMBERED:
                self._known[column] = field
        return field

    def _resolve(self, column: str) -> Field:
        """What a field of the source means: its property, converter and fault."""
        rules, given, column = self._rules, column, folded(column)
        try:
            # Without a schema any name may be a property's, as it stands.
            is_known = self._schema is not None or column in rules.mapped or rules.is_own_id(column)
            name = resolve_name(column, rules, self._schema) if is_known else given
        except MappingError:
            name = ""
        only_says = rules.is_only_read(column) or (column in rules.suppress_where and not name)
        convert = converter(name, column, self._schema, rules)
        is_left_out = rules.leaves_out(column) or only_says
        return Field(given, name, convert, self._fault(column, name), is_left_out)

    def _fault(self, column: str, name: str) -> Fault | None:
        """Why a field cannot be written; None if it can."""
        rules = self._rules
        if rules.is_undecided(column):
            return Fault(undecided_text([column]), NO_PROPERTY, column)
        if name.startswith(COSTLY) and name not in rules.allowed:
            return Fault(f"{name!r}: {COSTLY_TEXT}; allow it with --allow {name}", NO_PROPERTY, column)
        if name in rules.constants:
            return Fault(f"{name!r} is also given by --set", NO_PROPERTY, column)
        if not name:
            schema = self._schema or Schema({})
            text = schema.no_property(f"with the name or label {column!r}")
            return Fault(text, NO_PROPERTY, column)
        if rules.is_unwritable(name, self._schema):
            return Fault(f"{name!r} is read-only in HubSpot", NO_PROPERTY, column)
        return None


def own_key(fields: Mapping[str, object]) -> str:
    """The id property that a row in the form of an API input names."""
    is_input = isinstance(fields.get("properties"), Mapping)
    return str(fields.get("idProperty") or "") if is_input else ""


def flat_fields(fields: Mapping[str, object], id_property: str) -> Mapping[str, object]:
    """The fields of a row, with an API input flattened to columns."""
    nested = fields.get("properties")
    if not isinstance(nested, Mapping):
        return fields
    own = {name: value for name, value in fields.items() if name.startswith(OWN_PREFIX)}
    return {own_key(fields) or id_property: fields.get("id"), **nested, **own}


def spell(value: object) -> str | None:
    """Return a field's value as HubSpot spells it; None if no property can hold it."""
    text = _spelled(value)
    return text if isinstance(text, str) else None


def why_unspelled(column: str, value: object) -> Fault:
    """Return the fault of a value that `spell` returns None for."""
    fault = _spelled(value)
    assert isinstance(fault, Fault)
    return Fault(f"{column!r} {fault.reason}", column=column)


def _spelled(value: object) -> str | Fault:
    """The text of a JSON value as HubSpot spells it, or a fault."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""  # HubSpot answers 200 to null and changes nothing: it is a blank
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        spelled = [_NESTED if isinstance(one, list) else _spelled(one) for one in value]
        texts = [one for one in spelled if isinstance(one, str)]
        return join_list(texts) if len(texts) == len(spelled) else _NESTED
    if isinstance(value, int | float):
        return str(value)
    return _why_no_text(value)


def _why_no_text(value: object) -> Fault:
    if isinstance(value, Mapping) and len(value) == 1 and (mark := next(iter(value))).startswith("$"):
        return Fault(
            f"holds {{{mark!r}: ...}}, as MongoDB writes it; put the value itself there, with jq: .FIELD |= "
            f'.["{mark}"]'
        )
    reason = getattr(value, "reason", "")
    return Fault(reason) if reason else _NESTED


_NESTED = Fault("holds an object or a list of lists")
