"""How a row becomes an input, and what makes it invalid.

In    a row's content (cells or fields), the settings, and what HubSpot knows of its properties, if known.
Out   a `Record`, or an `Unsent` with all that is wrong with it.
Raise nothing for the sake of a row.
Rules A blank is left out: an empty string would clear the property, and clearing is asked for, by column. A
      value that can't be converted makes its row invalid, or is left out and told, where the user says so.
      What the row is known by is never left out. Whom nothing is written to is asked first of all.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from uploader.hubspot.schema import Schema
from uploader.hubspot.wire import UnencodableError, encode_input
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, Slice, Unsent, closed_value
from uploader.model.rows import NO_KEY, UNREADABLE, Content, Fault, Row, Unreadable
from uploader.records.columns import (
    COSTLY,
    COSTLY_TEXT,
    OWN_PREFIX,
    SUPERSEDED,
    Columns,
    MappingError,
    Rules,
    resolve_name,
    undecided_text,
)
from uploader.records.fixed_values import resolve_constants
from uploader.records.suppressed_rows import SUPPRESSED, Watch
from uploader.records.values.convert import (
    MOST_CHARACTERS,
    Converter,
    converter,
    said_of,
    text_fault,
)
from uploader.records.values.email import plausible_email


class _Field(NamedTuple):
    """What a column, or a row's field, stands for."""

    column: str
    name: str  #: of the property; "" if it is none
    convert: Converter | None = None
    fault: Fault | None = None  #: why a row that has such a field can't be sent
    is_left_out: bool = False


class Mapper:
    """Turns the rows of one source into records. One value per source, immutable once built."""

    def __init__(self, source: int, rules: Rules, schema: Schema | None, columns: Columns | None) -> None:
        """MappingError where the rules make no sense."""
        self.source = source
        self.rules = rules
        self.schema = schema
        self.columns = columns
        # `email` of contacts is unique whatever the API says of it.
        addresses = {EMAIL} if rules.has_addresses else frozenset[str]()
        self._unique = {*rules.match, *addresses} | (schema.unique if schema else frozenset())
        self._fields: dict[str, _Field] = {}
        named = [(columns.column(i), n) for i, n in columns.names.items()] if columns else []
        fields = [_Field(column, name, converter(name, column, schema, rules)) for column, name in named]
        self._column_of = {name: column for column, name in named}
        self._converted = [field for field in fields if field.convert is not None]
        self._cleared = [field.name for field in fields if field.column in rules.cleared]
        self._constants = resolve_constants(rules, schema, self._unique)
        self._watch = Watch(rules, columns, self._name_of) if rules.suppresses else None

    def is_lone_key(self, names: Sequence[str]) -> bool:
        """Whether the id property is the only one of these whose values are unique, and like others of it."""
        # An `email` that is no address is not to be judged as one.
        is_address = self.rules.has_addresses or self.rules.id_property != EMAIL
        return is_address and self._unique.intersection(names) == {self.rules.id_property}

    @property
    def watches(self) -> bool:
        """Whether each row is looked at for people that nothing is written to."""
        return self._watch is not None

    @property
    def sends_blanks(self) -> bool:
        """Whether some blanks are not just left out; or more has to be looked at or sent than the values."""
        return bool(self.rules.cleared or self._constants or self._watch)

    def convert_of(self, name: str) -> Converter | None:
        """What converts the values of a property; None where they are sent as they stand in a row."""
        column = self._column_of.get(name, name) if self.columns else name
        return converter(name, column, self.schema, self.rules)

    def is_as_named(self, field: str) -> bool:
        """Whether a row's field is the property of its name, and may be written."""
        return (
            not self.rules.leaves_out(field)
            and self._field(field).fault is None
            and self._field(field).name == field
        )

    @property
    def open_columns(self) -> Mapping[int, str]:
        """Cell index -> type, of the columns whose order of dates or decimal mark nobody has said."""
        if self.columns is None or self.schema is None:
            return {}
        kinds = {
            i: self.schema.kinds[n].type for i, n in self.columns.names.items() if n in self.schema.kinds
        }
        return {i: kind for i, kind in kinds.items() if self.is_open(self.columns.column(i), kind)}

    @property
    def timed_columns(self) -> Mapping[int, str]:
        """Cell index -> type, of the columns of date-times whose zone nobody has said."""
        kinds = self.schema.kinds if self.schema else {}
        names = self.columns.names if self.columns else {}
        timed = [i for i, name in names.items() if name in kinds and kinds[name].type == "datetime"]
        return {i: "datetime" for i in timed if said_of(self._called(i), self.rules.timezones) is None}

    def _called(self, index: int) -> str:
        return self.columns.column(index) if self.columns else ""

    @property
    def needs_orders(self) -> bool:
        """Whether `format_inference` has to read the whole source before rows are mapped."""
        return bool(self.open_columns)

    def open_kind(self, column: str) -> str:
        """The type of a row's field whose order or decimal mark nobody has said; "" of others."""
        if self.schema is None or self.rules.leaves_out(column):
            return ""
        kind = self.schema.kinds.get(self._field(column).name)
        return kind.type if kind and self.is_open(column, kind.type) else ""

    def is_open(self, column: str, kind: str) -> bool:
        """Whether nobody has said how a column of this type is spelled."""
        tables = {"date": self.rules.date_orders, "datetime": self.rules.date_orders}
        if kind == "number":
            return said_of(column, self.rules.decimals) is None
        return kind in tables and said_of(column, tables[kind]) is None

    def map(self, position: int, row: Row) -> Record | Unsent:
        content = row.content
        if isinstance(content, Unreadable):
            return self._unsent(position, row, "", [Fault(content.reason, UNREADABLE)])
        fault = self._watch.look(content) if self._watch else None
        if fault is not None:
            name, key = self._key_of(content)
            return self._unsent(position, row, key, [fault], id_property=name)
        if isinstance(content, Mapping):
            return self._from_fields(position, row, content)
        return self._from_cells(position, row, content)

    def _from_cells(self, position: int, row: Row, cells: Sequence[str]) -> Record | Unsent:
        columns = self.columns
        assert columns is not None
        properties = {name: text for index, name in columns.names.items() if (text := cells[index].strip())}
        faults = [
            Fault(_nameless_text(index + 1), column=f"column {index + 1}")
            for index in columns.nameless
            if cells[index].strip()
        ]
        if columns.superseded is not None and not self.rules.include_superseded and not faults:
            later = cells[columns.superseded].strip()
            if later:
                name, key = self._take_key(properties)
                return self._skipped(position, row, key, later, name)
        for name in self._cleared:
            properties.setdefault(name, "")
        bad: list[_Bad] = []
        for column, name, convert, _, _ in self._converted:
            value = properties.get(name)
            if value and convert is not None:
                converted = convert(value)
                if not isinstance(converted, str):
                    bad.append(_Bad(name, _said(column, value, converted)))
                elif converted or name in self._cleared:
                    properties[name] = converted
                else:
                    del properties[name]
        name, key = self._take_key(properties)
        return self._record(position, row, name, key, properties, faults=faults, bad=bad)

    def _take_key(self, properties: dict[str, str]) -> tuple[str, str]:
        """The first property that rows are matched by and this one has. Its value is taken from the rest."""
        for name in self.rules.match:
            if key := properties.pop(name, ""):
                return name, key
        return self.rules.id_property, ""

    def _key_of(self, content: Sequence[str] | Mapping[str, object]) -> tuple[str, str]:
        """The property and the key of a row that is not sent, as they stand there."""
        if not isinstance(content, Mapping):
            names = self.columns.names if self.columns else {}
            return self._take_key({name: content[index].strip() for index, name in names.items()})
        if isinstance(content.get("properties"), Mapping):
            name = content.get("idProperty") or self.rules.id_property
            return str(name), _spelled(content.get("id")) or ""
        return self._take_key({self._name_of(field): _spelled(text) or "" for field, text in content.items()})

    def _name_of(self, field: str) -> str:
        return self._field(field).name

    def _from_fields(self, position: int, row: Row, fields: Mapping[str, object]) -> Record | Unsent:
        later = fields.get(SUPERSEDED)
        if isinstance(later, str) and later.strip() and not self.rules.include_superseded:
            return self._skipped(position, row, "", later.strip())
        nested = fields.get("properties")
        if isinstance(nested, Mapping):
            return self._from_input(position, row, fields, nested)
        properties, faults, bad = self._properties(fields)
        name, key = self._take_key(properties)
        return self._record(position, row, name, key, properties, faults=faults, bad=bad)

    def _from_input(
        self, position: int, row: Row, fields: Mapping[str, object], nested: Mapping[str, object]
    ) -> Record | Unsent:
        """The API's own form of an input."""
        key = _spelled(fields.get("id"))
        name = fields.get("idProperty") or self.rules.id_property
        if key is None or not isinstance(name, str):
            return self._unsent(position, row, "", [Fault("the input's id or idProperty is no text")])
        known = _INPUT_FIELDS | self.rules.suppress_where.keys()
        stray = [field for field in fields if field not in known and not field.startswith(OWN_PREFIX)]
        properties, faults, bad = self._properties(nested)
        convert = self._field(name).convert if key else None
        if convert is not None:
            converted = convert(key)
            if isinstance(converted, str):
                key = converted
            else:
                bad.append(_Bad(name, _said(name, key, converted)))
        if properties.pop(name, key).lower() != key.lower():
            # HubSpot would take it as a change of the key itself.
            faults.append(Fault(f"the input's {name} in properties differs from its id"))
        if stray:
            faults.insert(0, Fault(f"an input has no field {stray[0]!r}", column=stray[0]))
        if name not in self._unique:
            # Sent, it would be refused with all its batch, as a fault of the whole job.
            text = f"nobody says that the values of {name!r} are unique, so it can't be an idProperty"
            faults.insert(0, Fault(text))
        return self._record(position, row, name, key, properties, faults=faults, bad=bad)

    def _properties(self, fields: Mapping[str, object]) -> tuple[dict[str, str], list[Fault], list["_Bad"]]:
        """The properties a row's fields stand for, what is wrong with the row, and with single values."""
        properties: dict[str, str] = {}
        faults: list[Fault] = []
        bad: list[_Bad] = []
        for column, value in fields.items():
            field = self._field(column)
            if field.is_left_out:
                continue
            text = _spelled(value)
            if text is None:
                holds = value.reason if isinstance(value, Unreadable) else "holds a list or an object"
                faults.append(Fault(f"{column!r} {holds}", column=column))
                continue
            if not text and column not in self.rules.cleared:
                continue
            # Read on after a fault: a row that is invalid is still known by its key.
            if field.fault or field.name in properties:
                twice = Fault(f"two fields are both the property {field.name!r}", column=column)
                faults.append(field.fault or twice)
                continue
            if text and field.convert is not None:
                converted = field.convert(text)
                if isinstance(converted, Fault):
                    bad.append(_Bad(field.name, _said(column, text, converted)))
                else:
                    text = converted
                    if not text and column not in self.rules.cleared:
                        continue
            if text or field.name not in {EMAIL, self.rules.id_property}:
                properties[field.name] = text
        return properties, faults, bad

    def _fault(self, column: str, name: str) -> Fault | None:
        if self.rules.is_undecided(column):
            return Fault(undecided_text([column]), _NO_PROPERTY, column)
        if name.startswith(COSTLY) and name not in self.rules.allowed:
            return Fault(f"{name!r}: {COSTLY_TEXT}; --allow {name} allows it", _NO_PROPERTY, column)
        if name in self.rules.constants:
            return Fault(f"{name!r} is given by --set, too", _NO_PROPERTY, column)
        if not name:
            text = f"no property in this account has the name or label {column!r}"
            return Fault(text, _NO_PROPERTY, column)
        if self.schema and name in self.schema.read_only:
            return Fault(f"{name!r} is calculated by HubSpot and can't be written", _NO_PROPERTY, column)
        return None

    def _field(self, column: str) -> _Field:
        field = self._fields.get(column)
        if field is None:
            try:
                name = resolve_name(column, self.rules, self.schema)
            except MappingError:
                name = ""
            rules = self.rules
            only_says = rules.only_suppresses(column) or (column in rules.suppress_where and not name)
            convert = converter(name, column, self.schema, rules)
            is_left_out = rules.leaves_out(column) or only_says
            field = _Field(column, name, convert, self._fault(column, name), is_left_out)
            if len(self._fields) < 10_000:  # rows name their own fields: without end, perhaps
                self._fields[column] = field
        return field

    def _record(
        self,
        position: int,
        row: Row,
        id_property: str,
        key: str,
        properties: dict[str, str],
        *,
        faults: list[Fault],
        bad: list["_Bad"],
    ) -> Record | Unsent:
        """`faults` are of the row, `bad` of single values, which can be left out."""
        properties.update(self._constants)
        known = {one.name for one in bad}  # a value counts once, whatever else is wrong with it
        bad += [one for one in self._bad_texts(id_property, key, properties) if one.name not in known]
        body = b""
        dropped: tuple[Fault, ...] = ()
        if self.rules.drop_bad_values:
            out = [one for one in bad if one.name != id_property]
            for one in out:
                properties.pop(one.name, None)
            dropped, bad = tuple(one.fault for one in out), [one for one in bad if one.name == id_property]
        if not faults and not bad and key:
            try:
                body = encode_input(position, id_property, key, properties)
            except UnencodableError as error:
                faults.append(Fault(f"text that can't be sent: {error}", "TEXT"))
        if not key:
            # Of the API's own form of an input the property is its own.
            missing = self.rules.match if id_property == self.rules.id_property else (id_property,)
            column = self._column_of.get(id_property, id_property)
            faults.append(Fault(f"no {' or '.join(missing)}", NO_KEY, column))
        if faults or bad:
            faults += [one.fault for one in bad]
            wrong = {one.name for one in bad}
            sound = {name: text for name, text in properties.items() if name not in wrong}
            values = self._values(id_property, key, sound) if key else ()
            return self._unsent(position, row, key, faults, values=values)
        return Record(
            position=position,
            source=self.source,
            row=row.number,
            id_property=id_property,
            key=key,
            values=self._values(id_property, key, properties),
            body=body,
            raw=row.raw,
            dropped=dropped,
        )

    def _values(self, id_property: str, key: str, properties: Mapping[str, str]) -> tuple[str, ...]:
        if self._unique.isdisjoint(properties):
            return (closed_value(id_property, key),)
        others = [closed_value(name, text) for name in self._unique if (text := properties.get(name))]
        return (closed_value(id_property, key), *others)

    def _bad_texts(self, id_property: str, key: str, properties: Mapping[str, str]) -> list["_Bad"]:
        """What is wrong with texts as such: no type is asked."""
        bad = []
        address = key if id_property == EMAIL else properties.get(EMAIL, "")
        if self.rules.has_addresses and address and not plausible_email(address):
            column = self._column_of.get(EMAIL, EMAIL)
            bad.append(_Bad(EMAIL, Fault(f"{address!r} is no e-mail address", "EMAIL", column)))
        joined = "".join(properties.values())
        if len(joined) > MOST_CHARACTERS or "\0" in joined or "\0" in key or len(key) > MOST_CHARACTERS:
            for name, text in ((id_property, key), *properties.items()):
                fault = text_fault(text)
                if fault:
                    bad.append(_Bad(name, _said(self._column_of.get(name, name), text, fault)))
        return bad

    def _unsent(
        self,
        position: int,
        row: Row,
        key: str,
        faults: Sequence[Fault],
        *,
        id_property: str = "",
        values: tuple[str, ...] = (),
    ) -> Unsent:
        first = faults[0]
        outcome = Outcome.SKIPPED if first.category in {SUPERSEDED_BY, SUPPRESSED} else Outcome.INVALID
        if key and not values:
            values = (closed_value(id_property or self.rules.id_property, key),)
        return Unsent(
            position=position,
            source=self.source,
            row=row.number,
            key=key,
            values=values,
            outcome=outcome,
            category=first.category,
            reason=first.reason,
            raw=row.raw,
            faults=tuple(faults),
        )

    def _skipped(self, position: int, row: Row, key: str, later: str, id_property: str = "") -> Unsent:
        reason = f"superseded by row {later}, which wrote the same key"
        return self._unsent(position, row, key, [Fault(reason, SUPERSEDED_BY)], id_property=id_property)


class _Bad(NamedTuple):
    """A property whose value HubSpot would not take."""

    name: str
    fault: Fault


#: A value in a fault's reason is shortened to so many characters.
_SHOWN = 40


def _said(column: str, text: str, fault: Fault) -> Fault:
    shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
    # Whoever judges values does not know their columns.
    reason = fault.reason.replace('"COLUMN=', f'"{column}=')
    return Fault(f"{column}: {shown} {reason}", fault.category, column)


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


def fields_of(content: Content) -> Mapping[str, object]:
    """A row's own fields, of the API's own form of an input its properties; none of cells."""
    if not isinstance(content, Mapping):
        return {}
    nested = content.get("properties")
    return nested if isinstance(nested, Mapping) else content


SUPERSEDED_BY = "SUPERSEDED"
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
