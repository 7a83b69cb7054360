"""Rows become records, or unsent rows with all that is wrong: a slice at once, column by column.

In    rows (cells or fields), the settings, and what HubSpot knows of its properties, if known.
Out   for each row, in order, a `Record`, or an `Unsent` with all that is wrong with the row. Either holds the
      addresses to be listed if the row says "opted out".
Raise nothing because of a row.
Rules A blank is left out: an empty string would clear the property, and clearing is asked for by column. A
      value that cannot be converted makes its row invalid; an option leaves such values out and reports them.
      The key of a row is never left out. Suppression comes before everything else.
How   Rows of one layout are a table, whose columns are judged and converted as a whole. Rows that name their
      own fields join the table of all fields seen so far. A row that does not fit is a table of its own: it
      has another form (`properties` and `id`, two names of one property, lists), or is at fault. The result
      for a row never depends on the rows beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from operator import attrgetter
from typing import cast

from uploader.hubspot.schema import Schema
from uploader.model.associations import RowLinks
from uploader.model.column_names import folded
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, OWN_ID, Record, Slice, Unsent, lock_key
from uploader.model.rows import (
    NO_KEY,
    UNREADABLE,
    UNREADABLE_CELL,
    Content,
    Fault,
    LoneCell,
    PartlyReadable,
    Row,
    Unreadable,
    readable,
)
from uploader.records.associations.row_links import RowLinksReader
from uploader.records.blank_words import INPUT_FIELDS, BlankWords
from uploader.records.column_conversion import BadValue, Table, filled, shortened, without
from uploader.records.columns import LIST, OWN_PREFIX, SUPERSEDED, Columns, Rules, address_cells
from uploader.records.fields import NO_PROPERTY, Fields, spell, why_unspelled
from uploader.records.fixed_values import resolve_fixed_values
from uploader.records.layouts import UNSET, Column, Layout, Text
from uploader.records.not_a_row import DOUBTFUL_ROW, NOT_A_ROW, Suspects, TableFacts, why_doubtful, why_no_row
from uploader.records.seen_fields import SeenFields
from uploader.records.suppressed_rows import NOTHING_SAID, SUPPRESSED, SuppressionCheck
from uploader.records.values.convert import Converter, converter, setting_of
from uploader.records.values.options import clashing_options
from uploader.records.values.translation import Translate, translator
from uploader.records.values.wrappings import unwrapped


@dataclass(slots=True)
class _Given:
    """What a row gives that names its own fields."""

    texts: dict[str, tuple[Column, Text]] = field(default_factory=dict)  #: by property
    faults: list[Fault] = field(default_factory=list)
    bad: list[BadValue] = field(default_factory=list)  #: values without a text

    def table(self, layout: Layout, position: int, row: Row) -> Table:
        faults, bad = {0: self.faults} if self.faults else {}, {0: self.bad} if self.bad else {}
        return Table(layout, [position], [row], [[text] for _, text in self.texts.values()], faults, bad)


_POSITION = attrgetter("position")


class Mapper:
    """Turns the rows of one source into records. Use one per source: it learns the fields of NDJSON."""

    def __init__(self, source: int, rules: Rules, schema: Schema | None, columns: Columns | None) -> None:
        """MappingError if the rules contradict each other or the schema."""
        self.source = source
        self.rules = rules
        self.schema = schema
        self.columns = columns
        # `email` of contacts is unique whatever the API says of it.
        addresses = {EMAIL} if rules.has_addresses else frozenset[str]()
        self._unique = {*rules.match, *addresses} | (schema.unique if schema else frozenset())
        named = columns.names.values() if columns else None
        self._fixed = resolve_fixed_values(rules, schema, self._unique, named)
        self._fields = Fields(rules, schema)
        header = columns.header if columns else ()
        self._blank_words = BlankWords(rules.blank_values, header, rules.id_property)
        self._translators: dict[str, Translate | None] = {}
        pairs = [(columns.column(i), name) for i, name in columns.names.items()] if columns else []
        for column, name in pairs:
            self._translator(column, name)
        self._suppression = (
            SuppressionCheck(rules, columns, self._name_of, self.replaced) if rules.suppresses else None
        )
        self._links = RowLinksReader(rules, columns, self._blank_words, self.replaced)
        self._table_facts = TableFacts.of(
            header,
            columns.names if columns else {},
            rules.match,
            address=EMAIL if rules.has_addresses else "",
        )
        self._suspects = Suspects(self._table_facts)
        self._column_of = {name: column for column, name in pairs}
        converters = [converter(name, column, schema, rules) for column, name in pairs]
        self._cells = self._layout(
            [self._column(*one, convert) for one, convert in zip(pairs, converters, strict=True)]
        )
        self._seen = SeenFields(
            self._fields,
            rules,
            self._column,
            lambda columns, is_lasting: self._layout(columns, is_lasting=is_lasting),
        )

    def _column(self, column: str, name: str, convert: Converter | None) -> Column:
        is_cleared = column in self.rules.cleared and name not in {EMAIL, self.rules.id_property}
        return Column(column, name, convert, is_cleared, self._translator(column, name))

    def _translator(self, column: str, name: str) -> Translate | None:
        """Return the function that replaces texts of a column of this property; None if there is none."""
        known, column = self._translators, folded(column)
        if column in self.rules.translations and column not in known:
            known[column] = translator(name or self._fields[column].name, column, self.schema, self.rules)
        return known.get(column)

    def replaced(self, column: str, texts: Sequence[str]) -> Sequence[str]:
        """Return trimmed texts of a column, with those replaced that the user's tables name."""
        translate = self._translator(column, "")
        return texts if translate is None else [translate(text) if text else text for text in texts]

    def _layout(self, columns: Sequence[Column], id_property: str = "", *, is_lasting: bool = True) -> Layout:
        """`id_property`: if the rows name it themselves."""
        return Layout(
            columns,
            match=(id_property,) if id_property else self.rules.match,
            unique=self._unique,
            fixed=self._fixed,
            is_lasting=is_lasting,
        )

    @property
    def open_columns(self) -> Mapping[int, str]:
        """Cell index -> type, for columns whose date order or decimal mark is not set."""
        if self.columns is None or self.schema is None:
            return {}
        kinds = {
            i: self.schema.kinds[n].type
            for i, n in self.columns.names.items()
            if n in self.schema.kinds and n != OWN_ID
        }
        return {i: kind for i, kind in kinds.items() if self.is_open(self.columns.column(i), kind)}

    @property
    def open_options(self) -> Mapping[int, Mapping[str, str]]:
        """Cell index -> what `clashing_options` finds, for columns that do not say what such texts mean."""
        names = self.columns.names if self.columns else {}
        found = {index: self._clashing(self._called(index), name) for index, name in names.items()}
        return {index: clashing for index, clashing in found.items() if clashing}

    def open_options_of(self, column: str) -> Mapping[str, str]:
        """The same of a row's field."""
        return {} if self.rules.leaves_out(column) else self._clashing(column, self._fields[column].name)

    def _clashing(self, column: str, name: str) -> Mapping[str, str]:
        options = self.schema.options.get(name, ()) if self.schema else ()
        is_open = setting_of(column, self.rules.option_readings) is None
        return clashing_options(options) if options and is_open else {}

    @property
    def timed_columns(self) -> Mapping[int, str]:
        """Cell index -> type, for date-time columns whose time zone is not set."""
        kinds = self.schema.kinds if self.schema else {}
        names = self.columns.names if self.columns else {}
        timed = [i for i, name in names.items() if name in kinds and kinds[name].type == "datetime"]
        return {i: "datetime" for i in timed if setting_of(self._called(i), self.rules.timezones) is None}

    def column_of(self, name: str) -> str:
        """The column or field of a property, as options name it."""
        fields = (column for column, mapped in self.rules.mapped.items() if mapped == name)
        return self._column_of.get(name) or next(fields, name)

    def for_keys(self) -> "Mapper":
        """A mapper that reads of each row with cells no more than its key, and whether it is one."""
        if self.columns is None:
            return self
        names = {index: name for index, name in self.columns.names.items() if name in self.rules.match}
        # A stage that --set gives by its name goes by the row's pipeline, which is left out here.
        rules = replace(self.rules, constants={})
        return Mapper(self.source, rules, self.schema, replace(self.columns, names=names))

    def _called(self, index: int) -> str:
        return self.columns.column(index) if self.columns else ""

    @property
    def needs_orders(self) -> bool:
        """Whether `format_inference` has to read the whole source before rows are mapped."""
        return bool(self.open_columns)

    def open_kind(self, column: str) -> str:
        """Return the type of a row's field whose date order or decimal mark is not set; "" for other
        fields.
        """
        if self.schema is None or self.rules.leaves_out(column):
            return ""
        name = self._fields[column].name
        kind = self.schema.kinds.get(name) if name != OWN_ID else None
        return kind.type if kind and self.is_open(column, kind.type) else ""

    def is_open(self, column: str, kind: str) -> bool:
        """Whether the spelling of a column of this type is not set."""
        tables = {"date": self.rules.date_orders, "datetime": self.rules.date_orders}
        if kind == "number":
            return setting_of(column, self.rules.decimals) is None
        return kind in tables and setting_of(column, tables[kind]) is None

    def read(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows as everything looks at them: without wrappings, and with blanks for blank words."""
        return self._blank_words.blanked(unwrapped(rows))

    def opt_out_check(self) -> SuppressionCheck | None:
        """Return what finds the rows that --opt-outs would list, if the user has not decided about them."""
        columns, rules = self.columns, self.rules
        if columns is None or rules.opt_outs or not any(map(rules.is_undecided, columns.header)):
            return None
        cells = address_cells(columns.header, rules, self.schema)
        rules, columns = replace(rules, opt_outs=LIST), replace(columns, addresses=cells)
        return SuppressionCheck(rules, columns, self._name_of, self.replaced)

    def map(self, first: int, rows: Sequence[Row]) -> list[Record | Unsent]:
        """Return a record or an unsent row for each of the rows from position `first` on."""
        rows = self.read(rows)
        unsent: dict[int, Unsent] = {}
        opt_outs: dict[int, tuple[str, ...]] = {}
        contents = [row.content for row in rows]
        if self._suppression is not None or Unreadable in set(map(type, contents)):
            for position, row in enumerate(rows, first):
                said = self._suppression.look(row.content) if self._suppression else NOTHING_SAID
                if said.opt_outs is not None:
                    opt_outs[position] = said.opt_outs
                if (one := self._unsent_at_once(position, row, said.fault)) is not None:
                    unsent[position] = one
        positions: Sequence[int] = range(first, first + len(rows))
        if unsent:
            positions = [position for position in positions if position not in unsent]
            rows = [rows[position - first] for position in positions]
        tables = list(self._tables(rows, positions)) if rows else []
        mapped = [*unsent.values(), *chain.from_iterable(map(self._mapped, tables))]
        if unsent or len(tables) > 1:
            mapped.sort(key=_POSITION)
        for position, addresses in opt_outs.items():
            mapped[position - first].opt_outs = addresses
        return mapped

    def links(self, first: int, rows: Sequence[Row], records: Sequence[Record]) -> list[RowLinks]:
        """Return the links that records made of these rows ask for; the rows are as `map` takes them."""
        return self._links.read(first, self.read(rows), records) if self._links.has_links else []

    def _unsent_at_once(self, position: int, row: Row, fault: Fault | None) -> Unsent | None:
        """Return an unsent row if it is unreadable, or has a fault by what it says; else None."""
        if type(row.content) is Unreadable:
            return self._unsent(position, row, "", [Fault(row.content.reason, UNREADABLE)])
        if fault is None:
            return None
        name, key = self._key_of(row.content)
        return self._unsent(position, row, key, [fault], lock_keys=(lock_key(name, key),) if key else ())

    def _key_of(self, content: Content) -> tuple[str, str]:
        """Return property and value of the key of a row that is not sent, unconverted."""
        content = cast("Sequence[str] | Mapping[str, object]", readable(content))
        if not isinstance(content, Mapping):
            names = self.columns.names if self.columns else {}
            texts = {i: self.replaced(self._called(i), [content[i].strip()])[0] for i in names}
            properties = {name: texts[index] for index, name in names.items()}
        elif isinstance(content.get("properties"), Mapping):
            return str(content.get("idProperty") or self.rules.id_property), spell(content.get("id")) or ""
        else:
            properties = {
                self._name_of(field): self.replaced(field, [spell(value) or ""])[0]
                for field, value in content.items()
            }
        return next(
            ((name, properties[name]) for name in self.rules.match if properties.get(name)),
            (self.rules.id_property, ""),
        )

    def _name_of(self, column: str) -> str:
        return self._fields[column].name

    # --- rows to tables ---

    def _tables(self, rows: Sequence[Row], positions: Sequence[int]) -> Iterator[Table]:
        """Yield tables; each row is in one of them."""
        if self.columns is not None:
            yield self._table_of_cells(self.columns, rows, positions)
            return
        fields = cast("list[dict[str, object]]", [row.content for row in rows])
        layout, fitting, columns = self._seen.sort(fields)
        if len(fitting) == len(rows):
            yield Table(layout, positions, rows, columns)
            return
        if fitting:
            yield Table(layout, [positions[i] for i in fitting], [rows[i] for i in fitting], columns)
        for index in sorted({*range(len(rows))}.difference(fitting)):
            yield self._table_of_one(positions[index], rows[index], fields[index])

    def _table_of_cells(self, columns: Columns, rows: Sequence[Row], positions: Sequence[int]) -> Table:
        contents = [row.content for row in rows]
        partly = PartlyReadable in set(map(type, contents))
        if partly:
            contents = list(map(readable, contents))
        cells = list(zip(*cast("list[Sequence[str]]", contents), strict=True))
        texts: list[list[Text]] = [list(map(str.strip, cells[index])) for index in columns.names]
        table = Table(self._cells, positions, rows, texts)
        for index in columns.nameless:
            for place in filled(cells[index]):
                fault = Fault(_nameless_text(index + 1), column=f"column {index + 1}")
                table.faults.setdefault(place, []).append(fault)
        for place, row in enumerate(rows if partly else ()):
            if isinstance(row.content, PartlyReadable):
                self._note_unreadable(columns, row.content, place, table)
        if columns.superseded is not None and not self.rules.include_superseded:
            later = cells[columns.superseded]
            places = [place for place in filled(later) if place not in table.faults]
            table.superseded = {place: later[place].strip() for place in places}
        return table

    def _note_unreadable(self, columns: Columns, content: PartlyReadable, place: int, table: Table) -> None:
        """Note the cells that cannot be read, in columns that are used."""
        for index, reason in content.reasons.items():
            fault = Fault(
                f"column {columns.column(index)!r} {reason}", UNREADABLE_CELL, columns.column(index)
            )
            if index in columns.names:
                table.bad.setdefault(place, []).append(BadValue(columns.names[index], fault))
            elif index in columns.nameless:
                table.faults.setdefault(place, []).append(fault)

    def _table_of_one(self, position: int, row: Row, fields: Mapping[str, object]) -> Table:
        """Return the table of a row that names its own fields and does not fit the common layout."""
        later, nested = fields.get(SUPERSEDED), fields.get("properties")
        if isinstance(later, str) and later.strip() and not self.rules.include_superseded:
            layout = self._layout([], is_lasting=False)
            return Table(layout, [position], [row], [], superseded={0: later.strip()})
        if isinstance(nested, Mapping):
            return self._table_of_input(position, row, fields, nested)
        given = self._given(fields)
        layout = self._layout([column for column, _ in given.texts.values()], is_lasting=False)
        return given.table(layout, position, row)

    def _table_of_input(
        self, position: int, row: Row, fields: Mapping[str, object], nested: Mapping[str, object]
    ) -> Table:
        """Return the table of a row in the API's own form of an input."""
        key = spell(fields.get("id"))
        name = fields.get("idProperty") or self.rules.id_property
        if key is None or not isinstance(name, str):
            fault = Fault("the id or idProperty of the input is not a text")
            return Table(self._layout([], is_lasting=False), [position], [row], [], {0: [fault]})
        known, rules = INPUT_FIELDS | self.rules.suppress_where.keys(), self.rules
        stray = [field for field in fields if field not in known and not field.startswith(OWN_PREFIX)]
        stray = [one for one in stray if not rules.tells_opt_outs(folded(one))]
        stray = [one for one in stray if not rules.has_links(folded(one))]
        given = self._given(nested)
        faults = given.faults
        column = self._column(name, name, self._fields[name].convert)
        _, own = given.texts.pop(name, (column, key))
        if own is not UNSET and _converted(column, own).lower() != _converted(column, key).lower():
            # HubSpot would treat it as a change of the key.
            faults.append(Fault(f"{name} in the properties of the input differs from its id"))
        if stray:
            faults.insert(0, Fault(f"unknown field {stray[0]!r} in the input", column=stray[0]))
        if self.rules.is_by_own_id and name != OWN_ID:
            # It would be matched by another property, and created if there is no such record.
            faults.insert(0, Fault(f"idProperty {name!r}: the rows of this job are updated by HubSpot's id"))
        elif self.rules.is_searched and name != self.rules.id_property:
            faults.insert(0, Fault(f"idProperty {name!r}: companies of this job are found by their domains"))
        elif name not in self._unique:
            # Sending it would get the whole batch refused, as a fault of the whole job.
            text = f"{name!r} is not a unique property, so it cannot be an idProperty"
            faults.insert(0, Fault(text))
        given.texts = {name: (column, key), **given.texts}
        layout = self._layout([one for one, _ in given.texts.values()], name, is_lasting=False)
        return given.table(layout, position, row)

    def _given(self, fields: Mapping[str, object]) -> _Given:
        """Return by property the column and text of a row's fields, and what is wrong with them."""
        given = _Given()
        for name, value in fields.items():
            field = self._fields[name]
            if field.is_left_out:
                continue
            text = spell(value)
            if text is None:
                fault = why_unspelled(name, value)
                if not self.rules.drop_bad_values or field.fault or field.name in given.texts:
                    given.faults.append(fault)
                    continue
                given.bad.append(BadValue(field.name, fault))
                given.texts[field.name] = self._column(name, field.name, field.convert), UNSET
                continue
            if not text and name not in self.rules.cleared:
                continue
            # Go on after a fault: an invalid row is still identified by its key.
            if field.fault or field.name in given.texts:
                twice = Fault(f"two fields are mapped to the property {field.name!r}", column=name)
                given.faults.append(field.fault or twice)
                continue
            column = self._column(name, field.name, field.convert)
            if text or column.is_cleared:
                given.texts[field.name] = column, text
        return given

    # --- tables to records ---

    def _mapped(self, table: Table) -> Iterable[Record | Unsent]:
        """Return a record or an unsent row for each row of a table, in order."""
        superseded = {place: self._superseded(table, place) for place in table.superseded}
        table.translate()
        table.blank_wordless_keys()
        table.refuse_lost_keys()
        table.convert()
        table.check_texts(has_addresses=self.rules.has_addresses)
        for place, bad in table.bad.items():
            # In the row's own order, whatever fields were seen before.
            order = list(fields_of(table.rows[place].content))
            bad.sort(key=lambda one: order.index(one.fault.column) if one.fault.column in order else -1)
        names, keys = table.take_keys()
        apart = {**self._no_rows(table, keys), **superseded}
        dropped = table.drop_bad(names) if self.rules.drop_bad_values else {}
        odd = {*table.faults, *table.bad, *apart}
        if "" in keys:
            odd.update(place for place, key in enumerate(keys) if not key)
        unsent = {p: apart.get(p) or self._invalid(table, p, names, keys) for p in sorted(odd)}
        dropped = {table.positions[place]: faults for place, faults in dropped.items()}
        table, names, keys = table.without(unsent), without(names, unsent), without(keys, unsent)
        records = self._records(table, names, keys)
        for record in records if dropped else ():
            record.dropped = dropped.get(record.position, ())
        mapped: list[Record | Unsent] = [*records]
        for place, one in unsent.items():
            mapped.insert(place, one)
        return mapped

    def _records(self, table: Table, names: Sequence[str], keys: Sequence[str]) -> list[Record]:
        """Return the records of a table without faults."""
        if not keys:
            return []
        raws = [row.raw for row in table.rows]
        overhead = table.layout.overhead_bytes
        return list(
            map(
                Record,
                table.positions,
                repeat(self.source),
                [row.number for row in table.rows],
                names,
                keys,
                table.unique_values(names, keys),
                table.layout.properties(table.columns),
                raws,
                [2 * len(raw) + overhead for raw in raws],
            )
        )

    def _invalid(self, table: Table, place: int, names: Sequence[str], keys: Sequence[str]) -> Unsent:
        """Return the unsent row with all that is wrong with it."""
        name, key = names[place], keys[place]
        faults, bad = table.faults.get(place, []), table.bad.get(place, [])
        wrong = {one.name for one in bad}
        others = [(n, table.columns[i][place]) for i, n in table.layout.unique if n not in wrong]
        other_keys: tuple[str, ...] = ()
        if not key:
            name = table.layout.match[0]
            # In the API's form of an input, the row names the property.
            missing = self.rules.match if name == self.rules.id_property else (name,)
            word = table.wordless.get(place)
            column = self._column_of.get(name, name)
            but = f": {word!r} is a word for no value" if word else ""
            if not word and self._blank_words.of(column):
                but = ": blank, or a word of --blank-value"
            if missing == self.rules.match and not self.rules.is_by_own_id and wrong.isdisjoint(missing):
                other_keys = tuple(n for n, text in others if text and n != OWN_ID)
            fault = Fault(f"no {' or '.join(missing)}{but}", NO_KEY, column)
            faults = [*faults, fault]
        lock_keys = (lock_key(name, key), *(lock_key(n, text) for n, text in others if text))
        faults = [*faults, *(one.fault for one in bad)]
        position, row = table.positions[place], table.rows[place]
        unsent = self._unsent(position, row, key, faults, lock_keys=lock_keys if key else ())
        unsent.other_keys = other_keys
        return unsent

    def _no_rows(self, table: Table, keys: Sequence[str]) -> dict[int, Unsent]:
        """Return the unsent rows of a table that are no rows, or may be none. Only a row with a doubtful key,
        or of one cell, is looked at.
        """
        if self.columns is None:
            return {}
        doubtful = {*table.bad, *(place for place, key in enumerate(keys) if not key)}
        if not self._table_facts.by_address:
            doubtful.update(self._suspects.among(keys))
            doubtful.update(place for place, row in enumerate(table.rows) if type(row.content) is LoneCell)
        found = {}
        for place in doubtful:
            row = table.rows[place]
            cells = cast("Sequence[str]", readable(row.content))
            text = shortened(" ".join(filter(None, map(str.strip, cells))))
            if why := why_no_row(cells, self._table_facts):
                fault = Fault(f"{why}, and not a row: {text!r}", NOT_A_ROW)
            elif why := why_doubtful(cells, self._table_facts):
                fault = Fault(f"{text!r} {why}", DOUBTFUL_ROW)
            else:
                continue
            found[place] = self._unsent(table.positions[place], row, "", [fault])
        return found

    def _superseded(self, table: Table, place: int) -> Unsent:
        """Return the unsent row of a failed row whose key a later row has written."""
        reason = f"superseded by row {table.superseded[place]}, which wrote the same key"
        given = ((n, key) for i, n in table.layout.keys if (key := table.columns[i][place]))
        name, key = next(given, ("", ""))
        lock_keys = (lock_key(name, key),) if key else ()
        fault = Fault(reason, SUPERSEDED_BY)
        return self._unsent(table.positions[place], table.rows[place], key, [fault], lock_keys=lock_keys)

    def _unsent(
        self, position: int, row: Row, key: str, faults: Sequence[Fault], lock_keys: tuple[str, ...] = ()
    ) -> Unsent:
        fault = faults[0]
        outcome = Outcome.SKIPPED if fault.category in _SKIPPED else Outcome.INVALID
        return Unsent(
            position=position,
            source=self.source,
            row=row.number,
            key=key,
            lock_keys=lock_keys,
            outcome=outcome,
            category=fault.category,
            reason=fault.reason,
            raw=row.raw,
            faults=tuple(faults),
        )


def _converted(column: Column, text: str) -> str:
    text = column.translate(text) if column.translate and text else text
    made = column.convert(text) if column.convert and text else text
    return made if isinstance(made, str) else text


def _nameless_text(number: int) -> str:
    return f'column {number} has a value and no name (leave it out with --ignore "column {number}")'


#: From so many rows on, a fault common to all of them is the source's.
_MANY_ROWS = 10


def columns_of(name: str, mappers: Iterable[Mapper | None]) -> list[str]:
    """Return the columns of a property in all sources that are mapped, as options name them."""
    return list(dict.fromkeys(mapper.column_of(name) for mapper in mappers if mapper is not None))


def common_fault(slice_: Slice) -> str:
    """Return the fault that makes all rows of a slice invalid because of one field; "" if there is none.

    One such row is that row's fault; a slice of them means that the field is not mapped.
    """
    reasons = {unsent.reason for unsent in slice_.unsent if unsent.category == NO_PROPERTY}
    is_common = len(slice_.unsent) == slice_.rows >= _MANY_ROWS and len(reasons) == 1
    return reasons.pop() if is_common and all(u.category == NO_PROPERTY for u in slice_.unsent) else ""


def fields_of(content: Content) -> Mapping[str, object]:
    """Return a row's own fields; for the API's form of an input its properties; nothing for cells."""
    if not isinstance(content, Mapping):
        return {}
    nested = content.get("properties")
    return nested if isinstance(nested, Mapping) else content


SUPERSEDED_BY = "SUPERSEDED"
_SKIPPED = frozenset({SUPERSEDED_BY, SUPPRESSED, NOT_A_ROW})
