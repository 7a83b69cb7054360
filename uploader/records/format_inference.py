"""What a whole source shows of its columns: order of day and month, decimal mark, and time zones.

In    the rows of a source, one by one.
Out   the order of each date column and the mark of each number column that the user has not set, if the rows
      leave no doubt.
Raise `MappingError`, which asks the user: if both readings fit every row, if rows contradict each other, or
      if no time of a column has a zone, or all its dates are numbers of an unknown unit, since then all its
      rows would be invalid.
Rules A row is evidence if only one reading makes it a value. A row that fits both readings, or none, is no
      evidence. Nothing is guessed: what the rows leave open is asked for.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uploader.model.column_names import folded, quoted
from uploader.model.rows import Content
from uploader.records.columns import MappingError, Rules
from uploader.records.mapper import Mapper
from uploader.records.values.convert import setting_of
from uploader.records.values.date_numbers import is_number, question, readings
from uploader.records.values.datetimes import DateOrder, is_date, lacks_zone, orders_of
from uploader.records.values.numbers import marks_of
from uploader.records.values.options import clash_in


@dataclass(slots=True)
class _Evidence:
    """What the rows of one column show."""

    is_number: bool
    rows: dict[str, int] = field(default_factory=dict)  #: reading -> the first row that has only this one
    open_row: int = 0  #: the first row that has both

    def add(self, readings: Iterable[str], row: int) -> None:
        listed = list(readings)
        if len(listed) == 1:
            self.rows.setdefault(listed[0], row)
        elif listed:
            self.open_row = self.open_row or row

    def join(self, other: "_Evidence") -> None:
        """Add what another source shows of a column of the same name."""
        self.open_row = self.open_row or other.open_row
        self.rows = {**other.rows, **self.rows}

    def reading(self, column: str, *, has_columns: bool) -> str:
        """Return the only reading that the rows allow; "" if none is needed."""
        option, both = ("--decimal", ".,") if self.is_number else ("--date-order", ("DMY", "MDY"))
        if len(self.rows) > 1:
            readings = " and ".join(f"{reading} in row {row}" for reading, row in sorted(self.rows.items()))
            raise MappingError(
                f"{column}: {readings} contradict each other; choose {option} "
                f"{quoted(f'{column}={both[0]}')} or ={both[1]}, and correct the other values"
            )
        found = next(iter(self.rows), "")
        if self.open_row and not (found and has_columns):
            # Rows that name their own fields are not looked through before they are sent.
            what = "with . or , as its decimal mark" if self.is_number else f"as {' or '.join(both)}"
            proposed = f" {quoted(f'{column}={found or both[0]}')}" + ("" if found else f" or ={both[1]}")
            raise MappingError(
                f"{column}: row {self.open_row} can be read {what}; choose with {option}{proposed}"
            )
        return found


@dataclass(slots=True)
class _Times:
    """What the rows of one column show of their time zones."""

    row_without: int = 0  #: the first that has none
    have_zone: bool = False  #: some

    def add(self, text: str, order: DateOrder | None, row: int) -> None:
        if not self.have_zone and (lacks := lacks_zone(text, order)) is not None:
            self.have_zone = not lacks
            self.row_without = self.row_without or row * lacks

    def join(self, other: "_Times") -> None:
        self.have_zone |= other.have_zone
        self.row_without = self.row_without or other.row_without

    @property
    def is_open(self) -> bool:
        """Whether a zone is needed. A few times without one are their rows' fault, not the column's."""
        return bool(self.row_without) and not self.have_zone


@dataclass(slots=True)
class _Numbers:
    """What the rows of one date column show of numbers that have to be asked for."""

    row: int = 0  #: the first that has one
    text: str = ""  #: its number
    have_dates: bool = False  #: some are certain

    def add(self, text: str, row: int) -> None:
        if self.have_dates:
            return
        if is_date(text):
            self.have_dates = True
        elif not self.row and is_number(text) and readings(text):
            self.row, self.text = row, text

    def join(self, other: "_Numbers") -> None:
        self.have_dates |= other.have_dates
        if not self.row:
            self.row, self.text = other.row, other.text

    @property
    def is_open(self) -> bool:
        """Whether the unit is needed. A few numbers among dates are their rows' fault, not the column's."""
        return bool(self.row) and not self.have_dates

    def question(self, column: str) -> str:
        return f"{column}: row {self.row} has {self.text}, which {question(self.text, column)}"


class OrderFinder:
    """Infers the formats of one source. Call `feed` with every row, then `evidence`."""

    def __init__(self, mapper: Mapper, *, asks_zones: bool = True) -> None:
        self._mapper = mapper
        self._columns = mapper.columns
        self._replaces = bool(mapper.rules.translations)
        self._found: dict[str, _Evidence] = {}
        columns = mapper.columns
        self._open = [
            (index, columns.column(index), kind) for index, kind in mapper.open_columns.items() if columns
        ]
        timed = mapper.timed_columns if asks_zones and columns else {}
        self._timed = [(index, columns.column(index)) for index in timed if columns]
        self._asks_units = asks_zones
        self.times: dict[str, _Times] = {}  #: by column, if the zone is not set
        self.numbers: dict[str, _Numbers] = {}  #: by column, of dates
        self._options = (
            [(i, columns.column(i), clashing) for i, clashing in mapper.open_options.items()]
            if asks_zones and columns
            else []
        )
        self.clashes: dict[str, str] = {}  #: by column, the question about its options
        self._row = 1

    @property
    def columns(self) -> Collection[int]:
        """The cells that are examined, by index."""
        timed = {index for index, _ in self._timed}
        return {index for index, *_ in self._open} | timed | {index for index, *_ in self._options}

    def feed(self, content: Content, row: int | None = None) -> None:
        """Examine the next row, as `Mapper.read` returns it. `row` is its number as an editor shows
        it; without it rows are counted from 2.
        """
        self._row = row = self._row + 1 if row is None else row
        if isinstance(content, Mapping):
            self._feed_fields(content, row)
        elif isinstance(content, list | tuple):
            for index, column, kind in self._open:
                if text := self._text(column, content[index]):
                    self._note(column, kind, text, row)
            for index, column in self._timed:
                if text := self._text(column, content[index]):
                    order = setting_of(column, self._mapper.rules.date_orders)
                    self.times.setdefault(column, _Times()).add(text, order, row)
            for index, column, clashing in self._options:
                self._note_clash(column, clashing, self._text(column, content[index]), row)

    def _text(self, column: str, cell: str) -> str:
        """Return what is written of a cell, before it is converted."""
        text = cell.strip()
        return self._mapper.replaced(column, [text])[0] if self._replaces else text

    def _note_clash(self, column: str, clashing: Mapping[str, str], text: str, row: int) -> None:
        if column not in self.clashes and (found := clash_in(text, clashing, column)):
            self.clashes[column] = f"{column}: row {row}: {found}"

    def _feed_fields(self, fields: Mapping[str, object], row: int) -> None:
        nested = fields.get("properties")
        for name, value in (nested if isinstance(nested, Mapping) else fields).items():
            column = folded(name)
            if isinstance(value, str) and (text := self._text(column, value)):
                kind = self._mapper.open_kind(column)
                if kind:
                    self._note(column, kind, text, row)
                elif clashing := self._mapper.open_options_of(column):
                    self._note_clash(column, clashing, text, row)

    def _note(self, column: str, kind: str, text: str, row: int) -> None:
        if kind != "number" and self._asks_units:
            self.numbers.setdefault(column, _Numbers()).add(text, row)
        possible = marks_of(text) if kind == "number" else orders_of(text)
        if possible:
            evidence = self._found.get(column)
            if evidence is None:
                evidence = self._found[column] = _Evidence(kind == "number")
            evidence.add(possible, row)

    def evidence(self) -> Iterable[tuple[str, "_Evidence", bool]]:
        """Return for each column what is known of it, and whether all rows have it."""
        for column, evidence in self._found.items():
            yield column, evidence, self._columns is not None


def decide(finders: Iterable[OrderFinder], rules: Rules) -> Rules:
    """Return the rules completed by what the rows of all sources show. MappingError asks for what stays
    open.
    """
    decided, asked = decide_leniently(finders, rules)
    if asked:
        raise MappingError(*asked.values())
    return decided


def decide_leniently(finders: Iterable[OrderFinder], rules: Rules) -> tuple[Rules, Mapping[str, str]]:
    """Return the rules as far as the rows show them, and by column what has to be asked."""
    finders, joined = list(finders), dict[str, tuple[_Evidence, bool]]()
    for finder in finders:
        for column, evidence, has_columns in finder.evidence():
            known = joined.get(column)
            if known is None:
                joined[column] = (replace(evidence, rows=dict(evidence.rows)), has_columns)
            else:
                known[0].join(evidence)
                joined[column] = (known[0], known[1] and has_columns)
    orders, decimals = dict(rules.date_orders), dict(rules.decimals)
    asked = {**_asked_zones(finders), **questions(finders)}
    for column, (evidence, has_columns) in joined.items():
        try:
            reading = evidence.reading(column, has_columns=has_columns)
        except MappingError as error:
            asked[column] = "; ".join(part for part in (asked.get(column, ""), str(error)) if part)
            continue
        if reading and evidence.is_number:
            decimals[column] = reading
        elif reading:
            orders[column] = DateOrder(reading)
    return replace(rules, date_orders=orders, decimals=decimals), asked


def _asked_zones(finders: Iterable[OrderFinder]) -> dict[str, str]:
    joined: dict[str, _Times] = {}
    for finder in finders:
        for column, times in finder.times.items():
            joined.setdefault(column, _Times()).join(times)
    return {
        column: (
            f"{column}: no value has a time zone (row {times.row_without} is the first; a date means its "
            f"midnight); give one with --timezone {quoted(f'{column}=NAME')}, such as Europe/Berlin or UTC"
        )
        for column, times in joined.items()
        if times.is_open
    }


def questions(finders: Sequence[OrderFinder]) -> dict[str, str]:
    """Return by column what has to be asked whatever other rows show: units of numbers, and options."""
    asked = {column: text for finder in finders for column, text in finder.clashes.items()}
    joined: dict[str, _Numbers] = {}
    for finder in finders:
        for column, numbers in finder.numbers.items():
            joined.setdefault(column, _Numbers()).join(numbers)
    units = {column: numbers.question(column) for column, numbers in joined.items() if numbers.is_open}
    return {**asked, **units}
