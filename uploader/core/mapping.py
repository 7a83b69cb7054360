"""How a row becomes an input, and what makes it invalid.

In    a row's content (cells or fields), the settings, and what HubSpot knows of its properties, if known.
Out   a `Record`, or an `Unsent` with the reason.
Raise nothing for the sake of a row.
Rules A blank is left out: an empty string would clear the property, and clearing is asked for.
"""

from collections.abc import Mapping, Sequence

from uploader.core.columns import (
    OWN_PREFIX,
    SUPERSEDED,
    Columns,
    MappingError,
    Rules,
    resolve_name,
)
from uploader.core.model import (
    EMAIL,
    NO_KEY,
    UNREADABLE,
    Fault,
    Outcome,
    Record,
    Row,
    Slice,
    Unreadable,
    Unsent,
    closed_value,
)
from uploader.core.schema import Schema
from uploader.core.wire import UnencodableError, encode_input

_EMAIL_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


class Mapper:
    """Turns the rows of one source into records. One value per source, immutable once built."""

    def __init__(self, source: int, rules: Rules, schema: Schema | None, columns: Columns | None) -> None:
        self.source = source
        self.rules = rules
        self.schema = schema
        self.columns = columns
        addresses = {EMAIL} if rules.has_addresses else frozenset[str]()
        self._unique = {*rules.match, *addresses} | (schema.unique if schema else frozenset())
        self._field_names: dict[str, str] = {}

    def is_lone_key(self, names: Sequence[str]) -> bool:
        """Whether the id property is the only one of these whose values are unique, and like others of it."""
        # An `email` that is no address is not to be judged as one.
        is_address = self.rules.has_addresses or self.rules.id_property != EMAIL
        return is_address and self._unique.intersection(names) == {self.rules.id_property}

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
        name, key = self._take_key(properties)
        for index in columns.nameless:
            if cells[index].strip():
                return self._unsent(position, row, key, _nameless_text(index + 1), id_property=name)
        if columns.superseded is not None and not self.rules.include_superseded:
            later = cells[columns.superseded].strip()
            if later:
                return self._skipped(position, row, key, later, name)
        return self._record(position, row, name, key, properties)

    def _take_key(self, properties: dict[str, str]) -> tuple[str, str]:
        """The first property that rows are matched by and this one has. Its value is taken from the rest."""
        for name in self.rules.match:
            if key := properties.pop(name, ""):
                return name, key
        return self.rules.id_property, ""

    def _from_fields(self, position: int, row: Row, fields: Mapping[str, object]) -> Record | Unsent:
        later = fields.get(SUPERSEDED)
        if isinstance(later, str) and later.strip() and not self.rules.include_superseded:
            return self._skipped(position, row, "", later.strip())
        nested = fields.get("properties")
        if isinstance(nested, Mapping):
            return self._from_input(position, row, fields, nested)
        properties, fault = self._properties(fields)
        name, key = self._take_key(properties)
        if fault:
            return self._unsent(position, row, key, fault.reason, category=fault.category, id_property=name)
        return self._record(position, row, name, key, properties)

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

    def _properties(self, fields: Mapping[str, object]) -> tuple[dict[str, str], Fault | None]:
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

    def _fault(self, column: str, name: str, text: str | None, before: Mapping[str, str]) -> Fault | None:
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
        reason, category = "", "INVALID"
        if not key:
            # Of the API's own form of an input the property is its own.
            missing = self.rules.match if id_property == self.rules.id_property else (id_property,)
            reason, category = f"no {' or '.join(missing)}", NO_KEY
        address = key if id_property == EMAIL else properties.get(EMAIL, "")
        if self.rules.has_addresses and address and not plausible_email(address):
            reason = f"{address!r} is no e-mail address"
        try:
            body = encode_input(position, id_property, key, properties)
        except UnencodableError as error:
            reason = f"text that can't be sent: {error}"
        if reason:
            return self._unsent(position, row, key, reason, category=category, id_property=id_property)
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

    def _skipped(self, position: int, row: Row, key: str, later: str, id_property: str = "") -> Unsent:
        reason = f"superseded by row {later}, which wrote the same key"
        return self._unsent(position, row, key, reason, category=_SUPERSEDED, id_property=id_property)


def _nameless_text(number: int) -> str:
    return f'a value in column {number}, which has no name (leave it out with --ignore "column {number}")'


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
