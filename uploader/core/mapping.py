"""How a row becomes an input: which column is which property, and what makes a row invalid.

In    a row's content (cells or fields), the settings, and what HubSpot knows of its properties, if known.
Out   a `Record`, or an `Unsent` with the reason.
Raise `MappingError` for what is wrong with a whole file; nothing for the sake of a row.
Rules A column acts by its property's exact name, its exact label, or the user's word, never by likeness.
      A blank is left out: an empty string would clear the property, and clearing is asked for.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from uploader.core.comparing import Kind
from uploader.core.model import (
    EMAIL,
    UNREADABLE,
    Outcome,
    Record,
    Row,
    Slice,
    Unreadable,
    Unsent,
    closed_value,
)
from uploader.core.wire import UnencodableError, encode_input

#: Columns that `failures` adds; never properties.
OWN_PREFIX = "uploader_"
SUPERSEDED = "uploader_superseded"

_EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


class MappingError(ValueError):
    """The columns can't be mapped; the text tells the user what to say."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What HubSpot says of an object type's properties."""

    labels: Mapping[str, str]  #: property name -> label
    read_only: frozenset[str] = frozenset()
    unique: frozenset[str] = frozenset()  #: beside `email`, which is unique whatever the API says
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    @classmethod
    def decode(cls, body: Mapping[str, object]) -> "Schema":
        """Read the answer of the properties endpoint; entries that make no sense are passed over."""
        results = body.get("results")
        entries = [e for e in results if isinstance(e, dict)] if isinstance(results, list) else []
        named = {str(e["name"]): e for e in entries if isinstance(e.get("name"), str)}
        return cls(
            labels={name: str(entry.get("label") or "") for name, entry in named.items()},
            read_only=frozenset(name for name, entry in named.items() if _is_read_only(entry)),
            unique=frozenset(name for name, entry in named.items() if entry.get("hasUniqueValue") is True),
            kinds={
                name: Kind(str(entry.get("type") or ""), entry.get("fieldType") == "checkbox")
                for name, entry in named.items()
            },
        )


def _is_read_only(entry: Mapping[str, object]) -> bool:
    meta = entry.get("modificationMetadata")
    read_only = isinstance(meta, dict) and meta.get("readOnlyValue") is True
    return read_only or entry.get("calculated") is True


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user says of columns and rows."""

    id_property: str = EMAIL
    mapped: Mapping[str, str] = field(default_factory=dict)  #: column -> property, by the user's word
    ignored: frozenset[str] = frozenset()  #: columns left out by the user's word
    include_superseded: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one source, resolved."""

    names: Mapping[int, str]  #: cell index -> property
    nameless: tuple[int, ...] = ()  #: cells that may hold nothing, since nobody says what they mean
    superseded: int | None = None


def resolve_columns(header: Sequence[str], rules: Rules, schema: Schema | None) -> Columns:
    """Decide what each column of a header is; without a `schema`, names are taken at their word."""
    names: dict[int, str] = {}
    nameless, unmapped = [], []
    superseded = None
    for index, column in enumerate(header):
        if column == SUPERSEDED:
            superseded = index
        elif column.startswith(OWN_PREFIX) or column in rules.ignored:
            continue
        elif column == f"column {index + 1}" and column not in rules.mapped:
            nameless.append(index)
        else:
            name = resolve_name(column, rules, schema)
            if name:
                names[index] = name
            else:
                unmapped.append(column)
    if rules.id_property not in names.values():
        raise MappingError(
            f"no column is the id property {rules.id_property!r} (columns: {_listed(header)}); say which "
            f'with --map "{_key_column(header, rules, schema)}={rules.id_property}", or choose another with '
            "--id-property"
        )
    if unmapped:
        raise MappingError(_unmapped_text(unmapped, schema))
    _refuse_clashes(header, names)
    _refuse_read_only({names[i]: header[i] for i in names}, schema)
    return Columns(names, tuple(nameless), superseded)


def resolve_name(column: str, rules: Rules, schema: Schema | None) -> str:
    """The property a column acts on; "" if it is none."""
    if column in rules.mapped:
        name = rules.mapped[column]
        if schema and name not in schema.labels:
            raise MappingError(f"--map {column}={name}: there is no property {name!r} in this account")
        return name
    if schema is None or column in schema.labels:
        return column
    named = [name for name, label in schema.labels.items() if label == column]
    if len(named) > 1:
        raise MappingError(
            f"column {column!r} is the label of {' and '.join(sorted(named))}; "
            f'say which with --map "{column}={min(named)}"'
        )
    return named[0] if named else ""


def recorded_columns(header: Sequence[str], names: Mapping[int, str]) -> Columns:
    """The columns of a job that was begun before, as they were resolved then."""
    superseded = [index for index, column in enumerate(header) if column == SUPERSEDED]
    return Columns(names, (), superseded[0] if superseded else None)


def refuse_unknown(rules: Rules, header: Sequence[str]) -> None:
    """What the user says of columns has to be of columns that are there."""
    unknown = sorted((rules.mapped.keys() | rules.ignored) - set(header))
    if unknown:
        raise MappingError(
            f"--map or --ignore names {_listed(unknown)}, but the columns are {_listed(header)}"
        )


def _unmapped_text(unmapped: Sequence[str], schema: Schema | None) -> str:
    likely = {column: _likeness(column, schema) if schema else "" for column in unmapped[:8]}
    words = [f'--map "{column}={likely[column] or "PROPERTY"}"' for column in likely]
    return (
        f"no property in this account has the name or label {_listed(unmapped)}; say what each is, perhaps "
        f'{" ".join(words)}, or leave it out with --ignore "{unmapped[0]}"'
    )


def _nameless_text(number: int) -> str:
    return f'a value in column {number}, which has no name (leave it out with --ignore "column {number}")'


def _likeness(column: str, schema: Schema) -> str:
    """A property whose name or label is like the column's: to be proposed, never acted on."""
    said = {_bare(text): name for name, label in schema.labels.items() for text in (label, name)}
    close = difflib.get_close_matches(_bare(column), said, n=1, cutoff=0.8)
    return said[close[0]] if close else ""


def _key_column(header: Sequence[str], rules: Rules, schema: Schema | None) -> str:
    likely = [column for column in header if schema and _likeness(column, schema) == rules.id_property]
    return likely[0] if likely else "COLUMN"


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _refuse_clashes(header: Sequence[str], names: Mapping[int, str]) -> None:
    first: dict[str, int] = {}
    for index, name in names.items():
        if name in first:
            raise MappingError(
                f"columns {header[first[name]]!r} and {header[index]!r} are both the property {name!r}; "
                f'leave one out with --ignore "{header[index]}"'
            )
        first[name] = index


def _refuse_read_only(columns: Mapping[str, str], schema: Schema | None) -> None:
    for name, column in columns.items():
        if schema and name in schema.read_only:
            raise MappingError(
                f"column {column!r} is the property {name!r}, which HubSpot calculates and nobody can "
                f'write; leave it out with --ignore "{column}"'
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


class Mapper:
    """Turns the rows of one source into records. One value per source, immutable once built."""

    def __init__(self, source: int, rules: Rules, schema: Schema | None, columns: Columns | None) -> None:
        self.source = source
        self.rules = rules
        self.schema = schema
        self.columns = columns
        # `email` is unique whatever the API says of it.
        self._unique = {EMAIL, rules.id_property} | (schema.unique if schema else frozenset())
        self._field_names: dict[str, str] = {}

    def is_lone_key(self, names: Sequence[str]) -> bool:
        """Whether the id property is the only one of these whose values are unique."""
        return self._unique.intersection(names) == {self.rules.id_property}

    def is_as_named(self, field: str) -> bool:
        """Whether a row's field is the property of its name, and may be written."""
        is_own = field.startswith(OWN_PREFIX) or field in self.rules.ignored
        is_read_only = self.schema is not None and field in self.schema.read_only
        return not is_own and not is_read_only and self._field_name(field) == field

    def map(self, position: int, row: Row) -> Record | Unsent:
        content = row.content
        if isinstance(content, Unreadable):
            return self._unsent(position, row, "", content.reason, category=UNREADABLE)
        if isinstance(content, Mapping):
            return self._from_fields(position, row, content)
        return self._from_cells(position, row, content)

    def _from_cells(self, position: int, row: Row, cells: Sequence[str]) -> Record | Unsent:
        columns = self.columns
        assert columns is not None
        properties = {name: text for index, name in columns.names.items() if (text := cells[index].strip())}
        key = properties.pop(self.rules.id_property, "")
        for index in columns.nameless:
            if cells[index].strip():
                return self._unsent(position, row, key, _nameless_text(index + 1))
        if columns.superseded is not None and not self.rules.include_superseded:
            later = cells[columns.superseded].strip()
            if later:
                return self._skipped(position, row, key, later)
        return self._record(position, row, self.rules.id_property, key, properties)

    def _from_fields(self, position: int, row: Row, fields: Mapping[str, object]) -> Record | Unsent:
        later = fields.get(SUPERSEDED)
        if isinstance(later, str) and later.strip() and not self.rules.include_superseded:
            return self._skipped(position, row, "", later.strip())
        nested = fields.get("properties")
        if isinstance(nested, Mapping):
            return self._from_input(position, row, fields, nested)
        properties, fault = self._properties(fields)
        key = properties.pop(self.rules.id_property, "")
        if fault:
            return self._unsent(position, row, key, fault.reason, category=fault.category)
        return self._record(position, row, self.rules.id_property, key, properties)

    def _from_input(
        self, position: int, row: Row, fields: Mapping[str, object], nested: Mapping[str, object]
    ) -> Record | Unsent:
        """The API's own form of an input."""
        key = _spelled(fields.get("id"))
        name = fields.get("idProperty") or self.rules.id_property
        if key is None or not isinstance(name, str):
            return self._unsent(position, row, "", "the input's id or idProperty is no text")
        stray = [field for field in fields if field not in _INPUT_FIELDS and not field.startswith(OWN_PREFIX)]
        properties, fault = self._properties(nested)
        if properties.pop(name, key).lower() != key.lower():
            # HubSpot would take it as a change of the key itself.
            fault = fault or Fault(f"the input's {name} in properties differs from its id")
        if stray:
            fault = Fault(f"an input has no field {stray[0]!r}")
        if name not in self._unique:
            # Sent, it would be refused with all its batch, as a fault of the whole job.
            fault = Fault(f"nobody says that the values of {name!r} are unique, so it can't be an idProperty")
        if fault:
            return self._unsent(position, row, key, fault.reason, category=fault.category, id_property=name)
        return self._record(position, row, name, key, properties)

    def _properties(self, fields: Mapping[str, object]) -> tuple[dict[str, str], "Fault | None"]:
        """The properties a row's fields stand for, and the first thing that is wrong with them."""
        properties: dict[str, str] = {}
        first: Fault | None = None
        for column, value in fields.items():
            if column.startswith(OWN_PREFIX) or column in self.rules.ignored:
                continue
            text = _spelled(value)
            name = self._field_name(column) if text else ""
            # Read on after a fault: a row that is invalid is still known by its key.
            fault = self._fault(column, name, text, properties)
            if fault:
                first = first or fault
            elif text:
                properties[name] = text
        return properties, first

    def _fault(self, column: str, name: str, text: str | None, before: Mapping[str, str]) -> "Fault | None":
        if text is None:
            return Fault(f"{column!r} holds a list or an object")
        if not text:
            return None
        if not name:
            return Fault(f"no property in this account has the name or label {column!r}", _NO_PROPERTY)
        if self.schema and name in self.schema.read_only:
            return Fault(f"{name!r} is calculated by HubSpot and can't be written", _NO_PROPERTY)
        return Fault(f"two fields are both the property {name!r}") if name in before else None

    def _field_name(self, column: str) -> str:
        name = self._field_names.get(column)
        if name is None:
            try:
                name = resolve_name(column, self.rules, self.schema)
            except MappingError:
                name = ""
            if len(self._field_names) < 10_000:  # rows name their own fields: without end, perhaps
                self._field_names[column] = name
        return name

    def _record(
        self, position: int, row: Row, id_property: str, key: str, properties: Mapping[str, str]
    ) -> Record | Unsent:
        reason = "" if key else f"no {id_property}"
        address = key if id_property == EMAIL else properties.get(EMAIL, "")
        if address and not plausible_email(address):
            reason = f"{address!r} is no e-mail address"
        try:
            body = encode_input(position, id_property, key, properties)
        except UnencodableError as error:
            reason = f"text that can't be sent: {error}"
        if reason:
            return self._unsent(position, row, key, reason, id_property=id_property)
        values = [closed_value(id_property, key)]
        if self._unique and not self._unique.isdisjoint(properties):
            values += [closed_value(name, properties[name]) for name in self._unique if name in properties]
        return Record(
            position=position,
            source=self.source,
            row=row.number,
            id_property=id_property,
            key=key,
            values=tuple(values),
            body=body,
            raw=row.raw,
        )

    def _unsent(
        self,
        position: int,
        row: Row,
        key: str,
        reason: str,
        *,
        category: str = "INVALID",
        id_property: str = "",
    ) -> Unsent:
        outcome = Outcome.SKIPPED if category == _SUPERSEDED else Outcome.INVALID
        values = (closed_value(id_property or self.rules.id_property, key),) if key else ()
        return Unsent(position, self.source, row.number, key, values, outcome, category, reason, row.raw)

    def _skipped(self, position: int, row: Row, key: str, later: str) -> Unsent:
        reason = f"superseded by row {later}, which wrote the same key"
        return self._unsent(position, row, key, reason, category=_SUPERSEDED)


class Fault(NamedTuple):
    """What is wrong with a row, for the user."""

    reason: str
    category: str = "INVALID"


_NO_PROPERTY = "PROPERTY"  # a field that can't be written, whatever it holds
#: Rows that make a fault common to all of them the source's rather than theirs.
_MANY_ROWS = 10


def common_fault(slice_: Slice) -> str:
    """The field for which all rows of a slice are invalid; "" where that is not so.

    One such row is that row's fault; a slice of them means that nobody mapped the field.
    """
    reasons = {unsent.reason for unsent in slice_.unsent if unsent.category == _NO_PROPERTY}
    is_common = len(slice_.unsent) == slice_.rows >= _MANY_ROWS and len(reasons) == 1
    return reasons.pop() if is_common and all(u.category == _NO_PROPERTY for u in slice_.unsent) else ""


_SUPERSEDED = "SUPERSEDED"
_INPUT_FIELDS = frozenset({"id", "idProperty", "objectWriteTraceId", "properties"})


def _spelled(value: object) -> str | None:
    """A field's value as HubSpot spells it; None for what no property can hold."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""  # HubSpot answers 200 to null and changes nothing: it is a blank
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def plausible_email(address: str) -> bool:
    """Whether it is worth a request: HubSpot decides what is valid, this only sees plain nonsense."""
    local, at, domain = address.rpartition("@")
    return (
        bool(at and local)
        and "@" not in local
        and len(address) <= _EMAIL_CHARACTERS
        and not any(character.isspace() or character in ',;<>"()' for character in address)
        and "." in domain
        and all(domain.split("."))
    )
