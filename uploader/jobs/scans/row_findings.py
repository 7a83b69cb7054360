"""What a file holds, told before anything is sent: counts, faults by kind, and examples with their rows.

In    the rows of one source after the other, each with its position, and the mapper that `upload` would use.
Out   `Findings`; and of each slice the rows that have a key, for whoever looks for repeats.
Raise nothing.
How   The mapper says what is right. A row is spared it only if each of its cells is known to be right: any
      short text in a property that takes text, else the very text of a row that the mapper has passed before.
      So what the survey finds is what `upload` finds, at a fraction of the price.
Limit Cells that are all different (times of day, amounts) are not remembered for ever: their rows go the
      longer way.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, Unsent, closed_values
from uploader.model.rows import UNREADABLE, Content, Fault, Plain, Row, RowSlice, Unreadable
from uploader.records.columns import SUPERSEDED
from uploader.records.duplicates import Keyed, Repeat, key_of
from uploader.records.mapper import Mapper
from uploader.records.suppressed_rows import SUPPRESSED
from uploader.records.values.email import are_plausible_emails, plausible_email

#: Rows longer than this are looked at one by one; no cell of a shorter one exceeds what HubSpot takes.
_LONG_BYTES = 30_000
#: Texts known to be right, over all columns of a source; and how long such a text is at most.
_MOST_KNOWN, _KNOWN_CHARACTERS = 200_000, 200
#: Kinds of faults told apart, and owners; what exceeds it is counted together.
_MOST_GROUPS, _MOST_OWNERS = 500, 2_000
#: More fields, in rows that name their own, are no columns.
_MOST_NAMES = 1_000
_TEXTUAL = frozenset({"", "string", "phone_number"})
_NUL = (b"\0", b"\\u0000")


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
    """What is known so far."""

    most_examples: int = 10
    rows: int = 0
    sendable: int = 0
    invalid: int = 0
    keyless: int = 0  #: of the invalid ones, those that hold no key
    skipped: int = 0
    suppressed: int = 0  #: of the skipped: of people that nothing is written to
    row_bytes: int = 0  #: of the rows as they stand in the sources
    faults: dict[tuple[str, str], Group] = field(default_factory=dict)  #: by category and column
    dropped: dict[tuple[str, str], Group] = field(default_factory=dict)  #: values left out of rows
    values_dropped: int = 0
    owners: dict[str, Counter[str]] = field(default_factory=dict)  #: column -> what it holds, how often
    cleared: Counter[str] = field(default_factory=Counter)  #: column -> blanks that clear the property
    repeated_keys: int = 0
    repeated_rows: int = 0  #: rows beyond the first of each key
    repeats: list[Repeat] = field(default_factory=list)  #: the first of these

    def note(self, mapped: Record | Unsent) -> bool:
        """Count one row that was mapped; True if nothing at all is wrong with it."""
        if isinstance(mapped, Record):
            self.sendable += 1
            self.values_dropped += len(mapped.dropped)
            for fault in mapped.dropped:
                self._add(self.dropped, fault, mapped)
            return not mapped.dropped
        if mapped.outcome is Outcome.SKIPPED:
            self.skipped += 1
            self.suppressed += mapped.category == SUPPRESSED
            return False
        self.invalid += 1
        self.keyless += not mapped.key and mapped.category != UNREADABLE
        for fault in faults_of(mapped):
            self._add(self.faults, fault, mapped)
        return False

    def _add(self, groups: dict[tuple[str, str], Group], fault: Fault, mapped: Record | Unsent) -> None:
        name = (fault.category, fault.column)
        if name not in groups and len(groups) >= _MOST_GROUPS:
            name = (fault.category, "")
        group = groups.setdefault(name, Group())
        group.count += 1
        if len(group.examples) < self.most_examples:
            group.examples.append(Example(mapped.source, mapped.row, fault.reason))

    def count(self, source: int, rows: RowSlice) -> None:
        """Rows that nobody can map: they are counted, and those that can't be read are noted."""
        self.rows += len(rows.rows)
        self.row_bytes += rows.end.offset - rows.start.offset
        for row in () if rows.plain else rows.rows:
            if isinstance(row.content, Unreadable):
                reason = row.content.reason
                self.note(Unsent(0, source, row.number, "", (), Outcome.INVALID, UNREADABLE, reason, row.raw))

    def note_repeats(self, found: Sequence[Repeat]) -> None:
        firsts = sum(repeat.is_first for repeat in found)
        self.repeated_keys += firsts
        self.repeated_rows += len(found) - firsts
        later = (repeat for repeat in found if not repeat.is_first)
        self.repeats = nsmallest(self.most_examples, (*self.repeats, *later))


def faults_of(unsent: Unsent) -> Iterable[Fault]:
    """All that is wrong with a row."""
    return unsent.faults or (Fault(unsent.reason, unsent.category),)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows in bulk: their cells, column by column."""

    columns: Mapping[int | str, Sequence[object]]  #: by cell index, or by field name


class Surveyor:
    """Looks through the rows of one source, in order."""

    def __init__(self, mapper: Mapper, findings: Findings) -> None:
        self._mapper = mapper
        self._findings = findings
        self._key = mapper.rules.id_property
        self._known: dict[int | str, set[object]] = {}
        self._free: set[int | str] = set()  # columns that take any short text
        self._emails: set[int | str] = set()  # addresses that are not the key
        self._key_column: int | str | None = None
        self._owner_columns: dict[int | str, str] = {}
        if mapper.columns is not None:
            self._sort_columns(mapper.columns.names)
            watched = (*mapper.columns.nameless, mapper.columns.superseded)
            self._known.update((index, {""}) for index in watched if index is not None)

    def look(self, first: int, rows: RowSlice) -> Keyed:
        """Note all that is found in rows from position `first` on; those that have a key come back."""
        count = len(rows.rows)
        self._findings.rows += count
        self._findings.row_bytes += rows.end.offset - rows.start.offset
        self._count_cleared(rows)
        cells = self._cells(rows.plain) if rows.plain and not self._mapper.watches else None
        if cells is None or rows.plain is None:
            return self._one_by_one(first, rows.rows, range(count))
        odd = self._odd(rows.plain, cells)
        for column, name in self._owner_columns.items():
            self._count_owners(name, cells.columns.get(column, ()))
        self._findings.sendable += count - len(odd)
        if not odd:
            return self._keyed(first, rows.plain.number, cells, range(count))
        plain = [index for index in range(count) if index not in odd]
        keyed = self._keyed(first, rows.plain.number, cells, plain)
        others = self._one_by_one(first, rows.rows, sorted(odd), cells)
        return _merged(keyed, others)

    # --- which rows the mapper has to look at ---

    def _cells(self, plain: Plain) -> _Cells | None:
        if plain.cells is not None:
            if self._key_column is None:
                return None
            return _Cells(dict(enumerate(zip(*plain.cells, strict=True))))
        return self._fields([plain.content(raw) for raw in plain.raws])

    def _fields(self, contents: Sequence[Content]) -> _Cells | None:
        """Rows that name their own fields, as columns; where each field is the property of its name."""
        names: dict[str, None] = {}
        rows: list[Mapping[str, object]] = []
        for content in contents:
            if not isinstance(content, dict):
                return None
            names.update(dict.fromkeys(content))
            rows.append(content)
        if len(names) > _MOST_NAMES or self._key not in names or not names.keys().isdisjoint(_NO_COLUMNS):
            return None
        used = [name for name in names if not self._is_left_out(name)]
        if not all(map(self._mapper.is_as_named, used)):
            return None
        fresh = [name for name in used if name not in self._known and name not in self._free]
        if fresh:
            self._sort_columns({name: name for name in fresh})
        if self._key_column is None:  # a key that is converted
            return None
        return _Cells({name: [row.get(name, "") for row in rows] for name in used})

    def _is_left_out(self, field: str) -> bool:
        return self._mapper.rules.leaves_out(field)

    def _sort_columns(self, names: Mapping[int, str] | Mapping[str, str]) -> None:
        schema = self._mapper.schema
        for column, name in names.items():
            kind = schema.kinds.get(name) if schema else None
            is_owner = schema is not None and name in schema.owned
            takes_text = not is_owner and (kind is None or kind.type in _TEXTUAL)
            if is_owner:
                self._owner_columns[column] = name
            if name == self._key and takes_text:
                self._key_column = column
            if name == EMAIL and name != self._key:
                self._emails.add(column)
            if takes_text:
                self._free.add(column)
            else:
                self._known[column] = {""}

    def _odd(self, plain: Plain, cells: _Cells) -> AbstractSet[int]:
        """The rows, by index, of which not every cell is known to be right."""
        assert self._key_column is not None
        odd: set[int] = set()
        if max(map(len, plain.raws)) > _LONG_BYTES:
            odd.update(index for index, raw in enumerate(plain.raws) if len(raw) > _LONG_BYTES)
        joined = b"".join(plain.raws)
        if any(nul in joined for nul in _NUL):
            odd.update(index for index, raw in enumerate(plain.raws) if any(nul in raw for nul in _NUL))
        odd |= self._odd_keys(cells.columns[self._key_column])
        for column, texts in cells.columns.items():
            known = self._known.get(column)
            if known is not None:
                odd |= _unknown(texts, known)
            elif column in self._emails:
                odd |= _bad_addresses(texts)
            elif plain.cells is None and column in self._free and not _ARE_TEXTS.issuperset(map(type, texts)):
                odd.update(i for i, text in enumerate(texts) if type(text) not in _ARE_TEXTS)
        return odd

    def _odd_keys(self, texts: Sequence[object]) -> AbstractSet[int]:
        if not all(type(text) is str for text in texts):
            return {index for index, text in enumerate(texts) if not _is_key(text, self._key)}
        keys = [text.strip() for text in texts if isinstance(text, str)]
        if self._key == EMAIL:
            if are_plausible_emails(keys):
                return frozenset()
        elif all(keys):
            return frozenset()
        return {index for index, key in enumerate(keys) if not _is_key(key, self._key)}

    # --- what is noted of them ---

    def _one_by_one(
        self, first: int, rows: Sequence[Row], indices: Iterable[int], cells: _Cells | None = None
    ) -> Keyed:
        values, positions, numbers = [], [], []
        for index in indices:
            row = rows[index]
            mapped = self._mapper.map(first + index, row)
            is_right = self._findings.note(mapped)
            if cells is None:
                self._count_owner(row.content)
            elif is_right:
                self._learn(cells, index)
            if (key := key_of(mapped)) is not None:
                values.append(key)
                positions.append(first + index)
                numbers.append(row.number)
        return Keyed(values, positions, numbers)

    def _learn(self, cells: _Cells, index: int) -> None:
        """All cells of this row are right."""
        share = _MOST_KNOWN // max(1, len(self._known))
        for column, known in self._known.items():
            if column in cells.columns and len(known) < share:
                text = cells.columns[column][index]
                if not isinstance(text, str) or len(text) <= _KNOWN_CHARACTERS:
                    known.add(text)

    def _keyed(self, first: int, number: int, cells: _Cells, indices: Sequence[int]) -> Keyed:
        assert self._key_column is not None
        texts = cells.columns[self._key_column]
        chosen = texts if len(indices) == len(texts) else [texts[index] for index in indices]
        keys = [text.strip() for text in chosen if isinstance(text, str)]
        values = closed_values(self._key, keys)
        return Keyed(values, [first + i for i in indices], [number + i for i in indices])

    def _count_owners(self, name: str, texts: Sequence[object]) -> None:
        counts = self._findings.owners.setdefault(name, Counter())
        if len(counts) < _MOST_OWNERS:
            counts.update(str(text).strip() for text in texts if text)

    def _count_cleared(self, rows: RowSlice) -> None:
        """Blanks in the columns whose blanks clear the property."""
        columns, cleared = self._mapper.columns, self._mapper.rules.cleared
        if columns is None or not cleared:
            return
        contents = rows.plain.cells if rows.plain and rows.plain.cells else [row.content for row in rows.rows]
        for index in columns.names:
            column = columns.column(index)
            if column in cleared:
                blank = sum(
                    not content[index].strip()
                    for content in contents
                    if not isinstance(content, Mapping | Unreadable)
                )
                self._findings.cleared[column] += blank

    def _count_owner(self, content: Content) -> None:
        if isinstance(content, Mapping):
            for name in self._mapper.schema.owned if self._mapper.schema else ():
                self._count_owners(name, (content.get(name),))
        elif not isinstance(content, Unreadable):
            for column, name in self._owner_columns.items():
                assert isinstance(column, int)
                self._count_owners(name, (content[column],))


_ARE_TEXTS = frozenset({str, type(None)})
#: Fields with a meaning of their own: the API's form of an input, and what `failures` adds.
_NO_COLUMNS = frozenset({"properties", SUPERSEDED})


def _unknown(texts: Sequence[object], known: AbstractSet[object]) -> AbstractSet[int]:
    try:
        new = set(texts) - known
    except TypeError:  # a list or an object among them
        return set(range(len(texts)))
    return {index for index, text in enumerate(texts) if text in new} if new else frozenset()


def _bad_addresses(texts: Sequence[object]) -> AbstractSet[int]:
    if not all(type(text) is str for text in texts):
        return set(range(len(texts)))
    addresses = [text.strip() for text in texts if isinstance(text, str)]
    if are_plausible_emails([address for address in addresses if address]):
        return frozenset()
    return {index for index, one in enumerate(addresses) if one and not plausible_email(one)}


def _is_key(text: object, name: str) -> bool:
    if type(text) is not str or not text.strip():
        return False
    return name != EMAIL or plausible_email(text.strip())


def _merged(one: Keyed, other: Keyed) -> Keyed:
    """Both, in source order."""
    rows = sorted([*zip(*one, strict=True), *zip(*other, strict=True)], key=_position)
    return Keyed(*(list(column) for column in zip(*rows, strict=True))) if rows else one


def _position(row: tuple[str, int, int]) -> int:
    return row[1]
