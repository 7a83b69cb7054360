"""Count what the sources hold before anything is sent: rows, faults by kind, and examples with their rows.

In    the rows of one source after the other, with their positions, and the mapper that `upload` would use.
Out   `Findings`; for each slice, the rows that have a key, to find repeats.
Raise nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import chain
from typing import NamedTuple

from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, Unsent
from uploader.model.rows import UNREADABLE, Fault, Row, RowSlice, Unreadable, readable
from uploader.records.duplicates import Keyed, OnDuplicate, Repeat, SharedValue, key_of
from uploader.records.mapper import Mapper, fields_of
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.suppressed_rows import SUPPRESSED
from uploader.records.values.email import plausible_email
from uploader.records.values.nothing import hold_nothing, is_nothing
from uploader.records.values.top_level_domains import may_have_remarks, remark_on_domain
from uploader.records.values.wrappings import have_remarks, remark_on, unwrapped

#: Types of properties that take any text. Of a text so many characters are shown.
_TEXTS, _SHOWN = frozenset({"string", "phone_number"}), 40
#: Maximum number of groups of faults, and of owners; the rest is counted together.
_MOST_GROUPS, _MOST_OWNERS = 500, 2_000


class Example(NamedTuple):
    source: int
    row: int
    reason: str


@dataclass(slots=True)
class Group:
    """Faults of one category in one column."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """The counts so far."""

    most_examples: int = 10
    rows: int = 0
    sendable: int = 0
    invalid: int = 0
    keyless: int = 0  #: of the invalid ones, those that hold no key
    skipped: int = 0
    suppressed: int = 0  #: skipped rows of suppressed people
    not_rows: Group = field(default_factory=Group)  #: skipped lines that are no rows
    row_bytes: int = 0  #: size of the rows in the sources
    faults: dict[tuple[str, str], Group] = field(default_factory=dict)  #: by category and column
    dropped: dict[tuple[str, str], Group] = field(default_factory=dict)  #: values left out of rows
    values_dropped: int = 0
    nothings: dict[str, Counter[str]] = field(default_factory=dict)  #: by column, words for no value
    remarks: dict[tuple[str, str], Group] = field(default_factory=dict)  #: texts that may have been changed
    owners: dict[str, Counter[str]] = field(default_factory=dict)  #: by column, the owners with their counts
    cleared: Counter[str] = field(default_factory=Counter)  #: column -> blanks that clear the property
    repeated_keys: int = 0
    repeated_rows: int = 0  #: rows beyond the first of each key
    longest_chain: int = 0  #: number of rows of the most frequent key; 0 if no key repeats
    repeats: list[Repeat] = field(default_factory=list)  #: examples of repeated rows
    shared_rows: int = 0  #: rows with a unique value that a row of another key has
    shared: list[SharedValue] = field(default_factory=list)  #: the first of them

    def note(self, mapped: Sequence[Record | Unsent]) -> None:
        """Count rows that were mapped."""
        records = [one for one in mapped if isinstance(one, Record)]
        self.sendable += len(records)
        for record in records:
            if record.dropped:
                self.values_dropped += len(record.dropped)
                for fault in record.dropped:
                    self._add(self.dropped, fault, record)
        if len(records) < len(mapped):
            for one in mapped:
                if isinstance(one, Unsent):
                    self._note_unsent(one)

    def _note_unsent(self, unsent: Unsent) -> None:
        if unsent.outcome is Outcome.SKIPPED:
            self.skipped += 1
            self.suppressed += unsent.category == SUPPRESSED
            if unsent.category == NOT_A_ROW:
                self._add_to(self.not_rows, faults_of(unsent)[0], unsent)
            return
        self.invalid += 1
        self.keyless += not unsent.key and unsent.category != UNREADABLE
        for fault in faults_of(unsent):
            self._add(self.faults, fault, unsent)

    def _add(self, groups: dict[tuple[str, str], Group], fault: Fault, mapped: Record | Unsent) -> None:
        name = (fault.category, fault.column)
        if name not in groups and len(groups) >= _MOST_GROUPS:
            name = (fault.category, "")
        self._add_to(groups.setdefault(name, Group()), fault, mapped)

    def _add_to(self, group: Group, fault: Fault, mapped: Record | Unsent) -> None:
        group.count += 1
        if len(group.examples) < self.most_examples:
            group.examples.append(Example(mapped.source, mapped.row, fault.reason))

    def count(self, source: int, rows: RowSlice) -> None:
        """Count rows of a source that can't be mapped, and note those that can't be read."""
        self.rows += len(rows.rows)
        self.row_bytes += rows.end.offset - rows.start.offset
        for row in rows.rows:
            if type(row.content) is Unreadable:
                reason = row.content.reason
                invalid = Outcome.INVALID
                self._note_unsent(Unsent(0, source, row.number, "", (), invalid, UNREADABLE, reason, row.raw))

    def note_remark(self, source: int, row: int, remark: Fault) -> None:
        """Count a text that may have been changed on its way into the source."""
        name = (remark.category, remark.column)
        if name in self.remarks or len(self.remarks) < _MOST_GROUPS:
            group = self.remarks.setdefault(name, Group())
            group.count += 1
            if len(group.examples) < self.most_examples:
                group.examples.append(Example(source, row, remark.reason))

    def note_repeats(self, found: Sequence[Repeat]) -> None:
        firsts = sum(repeat.comes_before for repeat in found)
        self.repeated_keys += firsts
        self.repeated_rows += len(found) - firsts
        later = (repeat for repeat in found if not repeat.comes_before)
        self.repeats = nsmallest(self.most_examples, (*self.repeats, *later))

    def note_shared(self, found: Sequence[SharedValue]) -> None:
        self.shared_rows += len(found)
        self.shared = nsmallest(self.most_examples, (*self.shared, *found))


def faults_of(unsent: Unsent) -> Sequence[Fault]:
    """All faults of a row."""
    return unsent.faults or (Fault(unsent.reason, unsent.category),)


class Surveyor:
    """Examines the rows of one source, in order."""

    def __init__(self, mapper: Mapper, findings: Findings, rule: OnDuplicate = OnDuplicate.IN_ORDER) -> None:
        self.records: Sequence[Record] = ()  #: of the last slice
        self._mapper = mapper
        self._rule = rule
        self._findings = findings
        owned = mapper.schema.owned if mapper.schema else frozenset[str]()
        names = mapper.columns.names.items() if mapper.columns else [(name, name) for name in owned]
        self._owner_columns = [(column, name) for column, name in names if name in owned]

    def look(self, first: int, rows: RowSlice) -> Keyed:
        """Count the findings of rows from position `first` on; return the rows that have a key."""
        self._findings.rows += len(rows.rows)
        self._findings.row_bytes += rows.end.offset - rows.start.offset
        read = unwrapped(rows.rows)
        self._count_cleared(read)
        self._count_owners(read)
        self._count_nothings(read)
        self._note_remarks(read)
        mapped = self._mapper.map(first, read)
        self._findings.note(mapped)
        self.records = [one for one in mapped if isinstance(one, Record)]
        keys = [self._key_of(one) for one in mapped]
        if None in keys:
            mapped = [one for one, key in zip(mapped, keys, strict=True) if key is not None]
        return Keyed(
            [key for key in keys if key is not None],
            [one.position for one in mapped],
            [one.row for one in mapped],
        )

    def _key_of(self, mapped: Record | Unsent) -> str | None:
        """The same as `key_of`, but faster: the mapper has checked the addresses of records."""
        if isinstance(mapped, Record) and self._mapper.rules.has_addresses:
            return mapped.lock_keys[0]
        return key_of(mapped, self._rule)

    def _count_cleared(self, rows: Sequence[Row]) -> None:
        """Count the blanks in columns whose blanks clear the property."""
        columns, cleared = self._mapper.columns, self._mapper.rules.cleared
        if columns is None or not cleared:
            return
        for index in columns.names:
            column = columns.column(index)
            if column in cleared:
                texts = _column(rows, index)
                self._findings.cleared[column] += sum(not str(text).strip() for text in texts)

    def _count_owners(self, rows: Sequence[Row]) -> None:
        for column, name in self._owner_columns:
            counts = self._findings.owners.setdefault(name, Counter())
            if len(counts) < _MOST_OWNERS:
                counts.update(str(text).strip() for text in _column(rows, column) if text)

    def _count_nothings(self, rows: Sequence[Row]) -> None:
        """Count the words for no value in the columns that are sent."""
        columns = self._mapper.columns
        for index in columns.names if columns else ():
            self._note_nothings(columns.column(index) if columns else "", _column(rows, index))
        if columns is None:
            fields = chain.from_iterable(fields_of(row.content).items() for row in rows)
            named = [
                (name, value)
                for name, value in fields
                if isinstance(value, str) and is_nothing(value.strip())
            ]
            for name, value in named:
                if not self._mapper.rules.leaves_out(name):
                    self._note_nothings(name, [value])

    def _note_remarks(self, rows: Sequence[Row]) -> None:
        """Note the texts of text and telephone properties that may have been changed."""
        columns = self._mapper.columns
        for index, name in columns.names.items() if columns else ():
            texts = [str(text).strip() for text in _column(rows, index)]
            note = self._note_remark if self._is_text(name) and have_remarks(texts) else None
            if self._is_address(name) and may_have_remarks(texts):
                note = self._note_domain
            for row in rows if columns and note else ():
                content = readable(row.content)
                if columns and note and not isinstance(content, Mapping | Unreadable):
                    note(columns.column(index), content[index], row)
        for row in rows if columns is None else ():
            for column, value in fields_of(row.content).items():
                if isinstance(value, str) and self._is_address(self._mapper.rules.mapped.get(column, column)):
                    self._note_domain(column, value, row)
                elif isinstance(value, str) and have_remarks([value.strip()]) and self._is_field(column):
                    self._note_remark(column, value, row)

    def _note_domain(self, column: str, text: str, row: Row) -> None:
        """Note an address whose top-level domain is not listed."""
        address = text.strip()
        if plausible_email(address) and (remark := remark_on_domain(address)):
            shown = repr(address.rpartition("@")[2][:_SHOWN])
            noted = Fault(f"{shown} {remark.reason}", remark.category, column)
            self._findings.note_remark(self._mapper.source, row.number, noted)

    def _is_address(self, name: str) -> bool:
        return name == EMAIL and self._mapper.rules.has_addresses

    def _note_remark(self, column: str, text: str, row: Row) -> None:
        if remark := remark_on(text.strip()):
            shown = repr(text.strip()[:_SHOWN])
            noted = Fault(f"{shown} {remark.reason}", remark.category, column)
            self._findings.note_remark(self._mapper.source, row.number, noted)

    def _is_text(self, name: str) -> bool:
        schema = self._mapper.schema
        return schema is None or (name in schema.kinds and schema.kinds[name].type in _TEXTS)

    def _is_field(self, column: str) -> bool:
        rules = self._mapper.rules
        return not rules.leaves_out(column) and self._is_text(rules.mapped.get(column, column))

    def _note_nothings(self, column: str, values: Sequence[object]) -> None:
        texts = [str(value).strip() for value in values]
        if hold_nothing(texts) and len(self._findings.nothings) < _MOST_GROUPS:
            found = self._findings.nothings.setdefault(column, Counter())
            found.update(text for text in texts if is_nothing(text))


def _column(rows: Sequence[Row], column: int | str) -> list[object]:
    """The values of a column or field, in the rows that can be read."""
    contents = (readable(row.content) for row in rows)
    if isinstance(column, str):
        return [content.get(column) for content in contents if isinstance(content, Mapping)]
    return [content[column] for content in contents if not isinstance(content, Mapping | Unreadable)]
