"""Count what the sources hold before anything is sent: rows, faults by kind, and examples with their rows.

In    the rows of one source after the other, with their positions, and the mapper that `upload` would use.
Out   `Findings`; for each slice, the rows that have a key, to find repeats.
Raise nothing.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from heapq import nsmallest
from itertools import compress
from typing import NamedTuple, cast

from uploader.jobs.scans.bad_values import BadValues
from uploader.jobs.scans.column_counts import ColumnCounts
from uploader.jobs.scans.postal_codes import PostalCodes, is_postal
from uploader.model.associations import RowLinks
from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, Unsent
from uploader.model.rows import UNREADABLE, Fault, Row, RowSlice, Unreadable, readable
from uploader.records.columns import ADDRESSES
from uploader.records.duplicates import Keyed, OnDuplicate, Repeat, SharedValue, key_of
from uploader.records.fields import spell
from uploader.records.mapper import Mapper, fields_of
from uploader.records.not_a_row import NOT_A_ROW
from uploader.records.repeated_keys import RepeatedKeys
from uploader.records.suppressed_rows import SUPPRESSED
from uploader.records.values.convert import converter
from uploader.records.values.email import plausible_email
from uploader.records.values.placeholders import (
    addresses_of_nobody,
    phones_of_one_digit,
    real_words,
    words_in,
)
from uploader.records.values.top_level_domains import may_have_remarks, remark_on_domain
from uploader.records.values.wrappings import have_lost_digits, have_remarks, may_be_no_date, remark_on

#: Types of properties that take any text. Of a text so many characters are shown.
_TEXTS, _SHOWN = frozenset({"string", "phone_number"}), 40
_DATES = frozenset({"date", "datetime"})
#: The category of numbers in columns of dates.
DATE_NUMBER = "DATE_NUMBER"
#: The category of postal codes that may have lost their zeros.
LOST_ZEROS = "LOST_ZEROS"
_LACKS_ZEROS = "may have lost a zero: other postal codes of the column have 5 digits, and none begins with 0"
#: The category of short ids of Salesforce in columns whose values are keys.
SHORT_ID = "SHORT_ID"
_SHORT_ID, _SHORT = re.compile(r"(?=.*[a-z])(?=.*[A-Z])[0-9A-Za-z]{15}"), 15
#: Maximum number of groups of faults, and of owners; the rest is counted together.
_MOST_GROUPS, _MOST_OWNERS = 500, 2_000
#: Maximum number of columns whose cells are counted: rows may name their own fields.
_MOST_COLUMNS = 2_000
#: Rows of a source in which the cells of columns are counted that are not used.
_MOST_UNUSED_ROWS = 100_000
#: Maximum number of words of a column that may stand for no value.
_MOST_WORDS = 200
#: Names of properties with telephone numbers, where the account's are not known.
_PHONES = re.compile("phone|mobile|fax")


class Example(NamedTuple):
    source: int
    row: int
    reason: str
    texts: tuple[str, ...] = ()  #: the values at fault


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
    columns: dict[tuple[int, str], ColumnCounts] = field(default_factory=dict)  #: by source and column
    sendable: int = 0
    invalid: int = 0
    keyless: int = 0  #: of the invalid ones, those that hold no key
    #: Of these, by another unique property, those that have a value of it and could be matched by it
    other_keys: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    suppressed: int = 0  #: skipped rows of suppressed people
    not_rows: Group = field(default_factory=Group)  #: skipped lines that are no rows
    opt_outs: int = 0  #: rows that say "opted out", where they are listed or nobody has decided yet
    opt_out_addresses: int = 0  #: different addresses of these
    opt_outs_unlisted: int = 0  #: of these rows that can be sent, those without an address
    row_bytes: int = 0  #: size of the rows in the sources
    faults: dict[tuple[str, str], Group] = field(default_factory=dict)  #: by category and column
    dropped: dict[tuple[str, str], Group] = field(default_factory=dict)  #: values left out of rows
    values_dropped: int = 0
    #: By column, words that may stand for no value.
    nothings: dict[str, Counter[str]] = field(default_factory=dict)
    remarks: dict[tuple[str, str], Group] = field(default_factory=dict)  #: texts that may have been changed
    postal_codes: dict[tuple[int, str], PostalCodes] = field(default_factory=dict)  #: by source and column
    date_numbers: dict[tuple[str, str], Group] = field(default_factory=dict)  #: numbers that are dates
    bad_values: BadValues = field(default_factory=BadValues)  #: of options, by column
    owners: dict[str, Counter[str]] = field(default_factory=dict)  #: by column, the owners with their counts
    cleared: Counter[str] = field(default_factory=Counter)  #: column -> blanks that clear the property
    keys: RepeatedKeys = field(default_factory=RepeatedKeys)  #: the most frequent ones
    repeated_keys: int = 0
    repeated_rows: int = 0  #: rows beyond the first of each key
    longest_chain: int = 0  #: number of rows of the most frequent key; 0 if no key repeats
    repeats: list[Repeat] = field(default_factory=list)  #: examples of repeated rows
    shared_rows: int = 0  #: rows with a unique value that a row of another key has
    shared: list[SharedValue] = field(default_factory=list)  #: the first of them
    split_keys: int = 0  #: keys of rows with several values of another unique property
    split: list[SharedValue] = field(default_factory=list)  #: the first of these rows

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
        self.other_keys.update(unsent.other_keys)
        for fault in faults_of(unsent):
            self._add(self.faults, fault, unsent)

    def _add(self, groups: dict[tuple[str, str], Group], fault: Fault, mapped: Record | Unsent) -> None:
        self.bad_values.add(fault)
        name = (fault.category, fault.column)
        if name not in groups and len(groups) >= _MOST_GROUPS:
            name = (fault.category, "")
        self._add_to(groups.setdefault(name, Group()), fault, mapped)

    def _add_to(self, group: Group, fault: Fault, mapped: Record | Unsent) -> None:
        group.count += 1
        if len(group.examples) < self.most_examples:
            group.examples.append(Example(mapped.source, mapped.row, fault.reason, fault.texts))

    def count_cells(self, source: int, column: str, texts: Sequence[str]) -> Collection[str]:
        """Count the cells of a column, see `ColumnCounts.add`."""
        counts = self.columns.get((source, column))
        if counts is None:
            if len(self.columns) >= _MOST_COLUMNS:
                return texts
            counts = self.columns[source, column] = ColumnCounts()
        return counts.add(texts)

    def count(self, source: int, header: Sequence[str], rows: RowSlice) -> None:
        """Count rows of a source that can't be mapped, and note those that can't be read."""
        self.rows += len(rows.rows)
        cells = [content for row in rows.rows if isinstance(content := readable(row.content), list | tuple)]
        self.count_unused(source, zip(header, zip(*cells, strict=True), strict=False))
        self.row_bytes += rows.end.offset - rows.start.offset
        for row in rows.rows:
            if type(row.content) is Unreadable:
                reason = row.content.reason
                invalid = Outcome.INVALID
                self._note_unsent(Unsent(0, source, row.number, "", (), invalid, UNREADABLE, reason, row.raw))

    def count_unused(self, source: int, columns: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Count the cells of columns that are not used, in the first rows of a source."""
        for column, cells in columns:
            known = self.columns.get((source, column))
            if known is not None and known.cells >= _MOST_UNUSED_ROWS:
                known.stop()
            else:
                self.count_cells(source, column, _texts(cells))

    def note_remark(self, source: int, row: int, remark: Fault) -> None:
        """Count a text that may have been changed on its way into the source, or a number that is a date."""
        name = (remark.category, remark.column)
        groups = self.date_numbers if remark.category == DATE_NUMBER else self.remarks
        if name in groups or len(groups) < _MOST_GROUPS:
            group = groups.setdefault(name, Group())
            group.count += 1
            if len(group.examples) < self.most_examples:
                group.examples.append(Example(source, row, remark.reason))

    def note_lost_zeros(self) -> None:
        """Add remarks on postal codes that may have lost their zeros, after all rows."""
        for (source, column), codes in self.postal_codes.items():
            if codes.may_lack_zeros:
                group = self.remarks.setdefault((LOST_ZEROS, column), Group())
                group.count += codes.too_short
                found = [Example(source, row, f"{text!r} {_LACKS_ZEROS}") for row, text in codes.examples]
                group.examples += found[: self.most_examples - len(group.examples)]

    def note_repeats(self, found: Sequence[Repeat]) -> None:
        firsts = sum(repeat.comes_before for repeat in found)
        self.repeated_keys += firsts
        self.repeated_rows += len(found) - firsts
        later = (repeat for repeat in found if not repeat.comes_before)
        self.repeats = nsmallest(self.most_examples, (*self.repeats, *later))

    def note_shared(self, found: Sequence[SharedValue]) -> None:
        self.shared_rows += len(found)
        self.shared = nsmallest(self.most_examples, (*self.shared, *found))

    def note_split(self, keys: int, found: Sequence[SharedValue]) -> None:
        self.split_keys += keys
        self.split = nsmallest(self.most_examples, (*self.split, *found))


def faults_of(unsent: Unsent) -> Sequence[Fault]:
    """All faults of a row."""
    return unsent.faults or (Fault(unsent.reason, unsent.category),)


class Surveyor:
    """Examines the rows of one source, in order."""

    def __init__(
        self,
        mapper: Mapper,
        findings: Findings,
        rule: OnDuplicate = OnDuplicate.IN_ORDER,
        counted: Collection[str] = (),
    ) -> None:
        """`counted`: columns whose cells are counted although they are not used, since they are undecided."""
        self.records: Sequence[Record] = ()  #: of the last slice
        self.opt_outs: Sequence[str] = ()  #: addresses of rows of the last slice that say "opted out"
        self._opt_out_check = mapper.opt_out_check()
        self._mapper = mapper
        self._rule = rule
        self._findings = findings
        columns = mapper.columns
        self._counted = [
            (index, column)
            for index, column in enumerate(columns.header if columns else ())
            if column in counted and columns and index not in columns.names
        ]
        self._values: dict[str, frozenset[str]] = {}  # by property, see `real_words`
        self._owned = mapper.schema.owned if mapper.schema else frozenset[str]()
        self._keys = {*mapper.rules.match, *(mapper.schema.unique if mapper.schema else ())}

    def look(self, first: int, rows: RowSlice) -> Keyed:
        """Count the findings of rows from position `first` on; return the rows that have a key."""
        self._findings.rows += len(rows.rows)
        self._findings.row_bytes += rows.end.offset - rows.start.offset
        mapped = self._mapper.map(first, rows.rows)
        is_row = [isinstance(one, Record) or one.category != NOT_A_ROW for one in mapped]
        for column in self._columns(self._mapper.read(list(compress(rows.rows, is_row)))):
            self._look_at(column)
        self._findings.note(mapped)
        self._note_opt_outs(mapped, rows.rows)
        self.records = [one for one in mapped if isinstance(one, Record)]
        keys = [self._key_of(one) for one in mapped]
        if None in keys:
            mapped = [one for one, key in zip(mapped, keys, strict=True) if key is not None]
        return Keyed(
            [key for key in keys if key is not None],
            [one.position for one in mapped],
            [one.row for one in mapped],
        )

    def links(self, first: int, rows: RowSlice) -> list[RowLinks]:
        """The links of the rows of the last `look`."""
        return self._mapper.links(first, rows.rows, self.records)

    def _note_opt_outs(self, mapped: Sequence[Record | Unsent], rows: Sequence[Row]) -> None:
        """Count the rows that say "opted out", and keep their addresses."""
        found, said = self._findings, [one.opt_outs for one in mapped]
        if self._opt_out_check is not None:
            looks = [self._opt_out_check.look(row.content) for row in self._mapper.read(rows)]
            said = [one.opt_outs for one in looks]
            for one in looks:
                if one.fault is not None:  # a word that is neither a yes nor a no
                    found.bad_values.add(one.fault)
        found.opt_outs += len(said) - said.count(None)
        found.opt_outs_unlisted += sum(
            texts == () and isinstance(one, Record) for one, texts in zip(mapped, said, strict=True)
        )
        self.opt_outs = [address for texts in said if texts for address in texts]

    def _key_of(self, mapped: Record | Unsent) -> str | None:
        """The same as `key_of`, but faster: the mapper has checked the addresses of records."""
        if isinstance(mapped, Record) and self._mapper.rules.has_addresses:
            return mapped.lock_keys[0]
        return key_of(mapped, self._rule)

    def _columns(self, rows: Sequence[Row]) -> Iterator["_Column"]:
        """The columns that are used; where rows name their own fields, those of all rows of one form."""
        contents = [readable(row.content) for row in rows]
        if Unreadable in set(map(type, contents)):
            kept = [type(content) is not Unreadable for content in contents]
            rows, contents = list(compress(rows, kept)), list(compress(contents, kept))
        columns, rules = self._mapper.columns, self._mapper.rules
        if columns is not None:
            cells = list(zip(*cast("list[Sequence[str]]", contents), strict=True))
            for index, name in columns.names.items() if cells else ():
                column = columns.column(index)
                yield _Column(column, name, rows, self._mapper.replaced(column, _texts(cells[index])))
            unused = ((column, cells[index]) for index, column in self._counted if cells)
            self._findings.count_unused(self._mapper.source, unused)
            return
        fields, forms = list(map(fields_of, contents)), defaultdict[tuple[str, ...], list[int]](list)
        for at, names in enumerate(map(tuple, fields)):
            forms[names].append(at)
        for names, members in forms.items():
            same = [rows[at] for at in members]
            values = zip(*(fields[at].values() for at in members), strict=True)
            for column, found in zip(names, values, strict=True):
                if not rules.leaves_out(column):
                    texts = self._mapper.replaced(column, _texts(found))
                    yield _Column(column, rules.mapped.get(column, column), same, texts)

    def _look_at(self, column: "_Column") -> None:
        """Count what a column holds: blanks that clear, owners, words for nothing, texts to look at."""
        name, found, texts = column.name, self._findings, column.texts
        if name in self._mapper.rules.cleared and self._mapper.columns is not None:
            found.cleared[name] += texts.count("")
        if column.property in self._owned:
            counts = found.owners.setdefault(column.property, Counter())
            is_counted = bool if len(counts) < _MOST_OWNERS else counts.__contains__
            counts.update(filter(is_counted, texts))
        distinct = found.count_cells(self._mapper.source, name, texts)
        self._note_words(name, self._words_of(column, distinct))
        self._look_for_damage(column, distinct)

    def _look_for_damage(self, column: "_Column", distinct: Collection[str]) -> None:
        """Note texts that look wrong, and numbers that are read as dates. `distinct`: each of the texts."""
        name, found, texts = column.name, self._findings, column.texts
        if column.property == EMAIL and self._mapper.rules.has_addresses:
            if may_have_remarks(texts):
                self._note_remarks(column, _remark_on_address)
        elif self._is_text(column.property) and have_remarks(texts):
            self._note_remarks(column, _remark_on_text)
        elif (type_ := self._type_of(column.property)) in _DATES:
            if any(map(str.isdecimal, texts)):
                self._note_remarks(column, self._reading_of(column))
            if may_be_no_date(distinct):
                self._note_remarks(column, _remark_on_text)
        elif type_ == "number" and have_lost_digits(distinct):
            self._note_remarks(column, _remark_on_text)
        if column.property in self._keys and _SHORT in set(map(len, distinct)):
            self._note_remarks(column, _remark_on_key)
        if is_postal(column.property, name):
            place = self._mapper.source, name
            found.postal_codes.setdefault(place, PostalCodes(found.most_examples)).add(texts, column.rows)

    def _words_of(self, column: "_Column", distinct: Collection[str]) -> list[str]:
        """The texts of a column that may stand for no value, and are no values of the property."""
        name, texts = column.property, column.texts
        found = words_in(texts, distinct)
        if self._mapper.rules.has_addresses and name in ADDRESSES:
            found += addresses_of_nobody(texts)
        if self._are_phones(name):
            found += phones_of_one_digit(texts)
        if not found:
            return []
        values = self._values.get(name)
        if values is None:
            options = self._mapper.schema.options.get(name, ()) if self._mapper.schema else ()
            values = self._values[name] = real_words(options)
        return [text for text in found if text.lower() not in values]

    def _note_words(self, name: str, found: Sequence[str]) -> None:
        nothings = self._findings.nothings
        for text in found:
            if name not in nothings and len(nothings) == _MOST_GROUPS:
                return
            words = nothings.setdefault(name, Counter())
            if text in words or len(words) < _MOST_WORDS:
                words[text] += 1

    def _are_phones(self, name: str) -> bool:
        kinds = self._mapper.schema.kinds if self._mapper.schema else {}
        if name in kinds:
            return kinds[name].is_phone or kinds[name].type == "phone_number"
        return bool(_PHONES.search(name))

    def _note_remarks(self, column: "_Column", remark_on: Callable[[str], Fault | None]) -> None:
        for row, text in zip(column.rows, column.texts, strict=True):
            if remark := remark_on(text):
                noted = remark._replace(column=column.name)
                self._findings.note_remark(self._mapper.source, row.number, noted)

    def _reading_of(self, column: "_Column") -> Callable[[str], Fault | None]:
        """What is said of a number in a column of dates: how it is read."""
        convert = converter(column.property, column.name, self._mapper.schema, self._mapper.rules)

        @cache
        def reading(text: str) -> Fault | None:
            date = convert(text) if convert and text.isdecimal() else None
            return Fault(f"{text} is read as {date}", DATE_NUMBER) if isinstance(date, str) else None

        return reading

    def _is_text(self, name: str) -> bool:
        return self._mapper.schema is None or self._type_of(name) in _TEXTS

    def _type_of(self, name: str) -> str:
        kinds = self._mapper.schema.kinds if self._mapper.schema else {}
        return kinds[name].type if name in kinds else ""


class _Column(NamedTuple):
    """A column of a slice: the trimmed texts, each with its row."""

    name: str  #: as the source names it
    property: str
    rows: Sequence[Row]
    texts: Sequence[str]


def _texts(values: Sequence[object]) -> list[str]:
    """The trimmed texts; "" for a value that has none."""
    try:
        return list(map(str.strip, values))  # type: ignore[arg-type]
    except TypeError:
        return [spell(value) or "" for value in values]


def _remark_on_text(text: str) -> Fault | None:
    remark = remark_on(text)
    return remark and remark._replace(reason=f"{text[:_SHOWN]!r} {remark.reason}")


def _remark_on_key(text: str) -> Fault | None:
    if not _SHORT_ID.fullmatch(text):
        return None
    return Fault(
        f"{text!r} may be an id of Salesforce with 15 characters: two may differ in upper and lower case "
        "only, and be one key here; export ids of 18 characters",
        SHORT_ID,
    )


def _remark_on_address(text: str) -> Fault | None:
    """Return a remark that shows the domain alone."""
    remark = remark_on_domain(text) if plausible_email(text) else None
    domain = text.rpartition("@")[2]
    return remark and remark._replace(reason=f"{domain[:_SHOWN]!r} {remark.reason}")
