"""The columns that no property of the account has the name or label of, and a draft of properties for them.

All rows are read for it, since a type must hold every value of its column. Blocks, in steps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.check.mapping_draft import Drafted, draft
from uploader.errors import SourceError
from uploader.hubspot.schema import Schema
from uploader.jobs.scans.survey import Step, first_rows
from uploader.model.column_names import folded
from uploader.model.records import EMAIL
from uploader.model.rows import Content, Row, readable
from uploader.properties.column_profile import ColumnProfile
from uploader.properties.draft import MissingProperty, default_group, draft_text
from uploader.records.blank_words import INPUT_FIELDS, BlankWords
from uploader.records.columns import MappingError, Rules, resolve_name
from uploader.records.fields import spell
from uploader.records.not_a_row import TableFacts, why_no_row
from uploader.records.values.wrappings import cell_text, unwrapped
from uploader.sources.source import Source

#: Rows that name their own fields may name any number of them.
_MOST_COLUMNS = 1_000


def is_missing(column: str, rules: Rules, schema: Schema) -> bool:
    """Whether a column is to be written and has no property."""
    if rules.leaves_out(column) or rules.is_undecided(column) or rules.is_only_read(column):
        return False
    try:
        has_property = bool(resolve_name(column, rules, schema))
    except MappingError:
        # Mapped to what does not exist, or the label of several properties.
        has_property = not is_mapped_to_nothing(column, rules, schema)
    return not has_property and column not in rules.suppress_where


def is_mapped_to_nothing(column: str, rules: Rules, schema: Schema) -> bool:
    """Whether the user maps a column to a property that does not exist."""
    given = rules.mapped.get(column, "")
    labels = {folded(label) for label in schema.labels.values()}
    return bool(given) and given not in schema.labels and folded(given) not in labels


@dataclass(slots=True)
class MissingProperties:
    """A pass over the sources; `text` drafts the properties that they lack."""

    sources: Sequence[Source]
    rules: Rules
    schema: Schema
    profiles: dict[str, ColumnProfile] = field(default_factory=dict)  #: by column
    rows: int = 0
    is_whole: bool = True  #: all rows were read
    _columns_seen: dict[str, bool] = field(default_factory=dict)  # whether a column is missing

    def steps(self, most_rows: int | None = None) -> Iterator[Step]:
        """Read the rows of all sources, at most `most_rows` of each. What can't be read is not reported here:
        the survey reads it, too.
        """
        self.is_whole = most_rows is None
        before = 0
        for source in self.sources:
            header = source.shape.columns
            words = BlankWords(self.rules.blank_values, header, self.rules.id_property)
            columns = self._columns(header)
            table = self._table(header)
            try:
                for rows in first_rows(source, most_rows):
                    self._look(words.blanked(unwrapped(rows.rows)), columns, table)
                    self.rows += len(rows.rows)
                    yield Step(self.rows, before + min(source.bytes_read(), rows.end.offset))
            except SourceError:
                self.is_whole = False
            before += source.size_bytes or 0

    def _columns(self, header: Sequence[str]) -> list[tuple[int, ColumnProfile]]:
        """The profiles of the header's columns that are missing, with the indexes of their cells."""
        named = [(at, column) for at, column in enumerate(header) if column != f"column {at + 1}"]
        return [(at, profile) for at, column in named if (profile := self._profile(column)) is not None]

    def _profile(self, column: str) -> ColumnProfile | None:
        """The profile of a column, None if it has a property."""
        seen = self._columns_seen
        if column not in seen and len(seen) < _MOST_COLUMNS:
            seen[column] = is_missing(column, self.rules, self.schema)
            if seen[column]:
                self.profiles[column] = ColumnProfile(column)
        return self.profiles.get(column)

    def _table(self, header: Sequence[str]) -> TableFacts:
        names = {index: self._name(column) for index, column in enumerate(header)}
        address = EMAIL if self.rules.has_addresses else ""
        return TableFacts.of(
            header, {at: name for at, name in names.items() if name}, self.rules.match, address
        )

    def _name(self, column: str) -> str:
        try:
            return resolve_name(column, self.rules, self.schema)
        except MappingError:
            return ""

    def _look(
        self, rows: Sequence[Row], columns: Sequence[tuple[int, ColumnProfile]], table: TableFacts
    ) -> None:
        for row in rows:
            content = readable(row.content)
            if isinstance(content, Mapping):
                self._look_at_fields(content)
            elif isinstance(content, list | tuple):
                # A line with an address is a row.
                if not any("@" in content[key] for key in table.keys) and why_no_row(content, table):
                    continue
                for index, profile in columns:
                    profile.add(cell_text(content[index]))

    def _look_at_fields(self, fields: Content) -> None:
        assert isinstance(fields, Mapping)
        nested = fields.get("properties")
        values = {name: value for name, value in fields.items() if name not in INPUT_FIELDS}
        if isinstance(nested, Mapping):
            values |= nested
        for name, value in values.items():
            if (profile := self._profile(folded(name))) is not None:
                profile.add(spell(value) or "")

    # --- the draft ---

    def text(self, portal: str, groups: Sequence[str]) -> str:
        """The text of the file, "" if no column lacks a property. `groups`: of all properties."""
        if not self.profiles:
            return ""
        columns, rules = list(self._columns_seen), self.rules
        made = draft(columns, self.schema, [], key=rules.id_property, object_type=rules.object_type)
        drafted = {one.column: one for one in made.columns}
        whys = {column: self._why_none(column, drafted.get(column)) for column in self._columns_seen}
        extent = "all" if self.is_whole else "the first"
        account = portal or "unknown"
        return draft_text(
            [
                self._property(profile, drafted.get(column))
                for column, profile in self.profiles.items()
                if not whys[column]
            ],
            [f"Column {column!r} gets none: {why}." for column, why in whys.items() if why],
            object_type=self.rules.object_type,
            group=default_group(self.rules.object_type, groups),
            names=self.schema.labels.keys(),
            labels=frozenset(self.schema.labels.values()),
            keys=self.rules.match,
            where=f"Properties that account {account} lacks, drafted from {extent} {self.rows:,} rows.",
        )

    def _property(self, profile: ColumnProfile, drafted: Drafted | None) -> MissingProperty:
        if is_mapped_to_nothing(profile.column, self.rules, self.schema):
            return MissingProperty(profile, self.rules.mapped[profile.column])
        likely = drafted.property if drafted else ""
        return MissingProperty(profile, doubt=f"the column may be the property {likely}" if likely else "")

    def _why_none(self, column: str, drafted: Drafted | None) -> str:
        """Why a column without a property gets no definition; "" for others."""
        if self.rules.is_undecided(column):
            return "opt-outs are subscriptions in HubSpot, not a property"
        is_named = column not in self.profiles or is_mapped_to_nothing(column, self.rules, self.schema)
        if drafted is None or is_named:
            return ""
        if drafted.ignore:
            return drafted.why
        return f"it is probably the property {drafted.property}" if drafted.is_sure else ""
