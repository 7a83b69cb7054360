"""What all values of a column have in common, and the type of property that holds them.

In    the values of one column, one by one, without surrounding blanks.
Out   counts, the commonest values, and an `Inference`: a type, and remarks on what speaks against it.
Raise nothing.
Rules A type is inferred if every value is one of it; words for nothing, such as NULL, do not count. Values
      are judged as an upload converts them: what it would refuse is none of the type. A number loses its
      leading zeros and, beyond 15 digits, its end: such texts stay texts. Memory is limited: of a column with
      many different values, the first ones are counted apart and the others judged as they come.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC

from uploader.records.known_headers import bare, names_ids
from uploader.records.values.date_numbers import is_number, needs_unit
from uploader.records.values.datetimes import DateOrder, as_date, as_moment, lacks_zone, orders_of
from uploader.records.values.nothing import is_nothing
from uploader.records.values.numbers import as_number, marks_of
from uploader.records.values.options import BOOLEANS

#: Different values of a column that are counted apart, and the longest of them.
_MOST_DISTINCT, _LONGEST_KEPT = 100, 100
#: After so many values of which most are not of a type, it is no longer looked for.
_ENOUGH = 1_000
#: If so many values are of a type, the others deserve a look.
_MOSTLY = 0.9
#: More text is read better in a field of several lines.
_ONE_LINE = 200
#: What a property can hold.
_MOST_CHARACTERS = 65_536
#: A select of more options, or of options that rows hardly share, is no help.
_MOST_OPTIONS, _ROWS_PER_OPTION, _LONGEST_OPTION = 30, 5, 60

#: Values of a column of ids of which it is known whether they repeat.
MOST_IDS = 100_000

_COMPACT_DATE_DIGITS = len("YYYYMMDD")
_EXACT_DIGITS = 15
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_PHONE = re.compile(
    r"(?:\+|00|\(|[0-9])[0-9 ()./\u2010-\u2015-]{4,30}(?: ?(?:x|ext\.?|#) ?[0-9]{1,6})?", re.IGNORECASE
)
_PHONE_HEADERS = ("phone", "tel", "mobil", "cell", "fax", "handy")
_DATE_HEADERS = ("date", "datum", "fecha", "data", "birth", "created", "since", "until", "expir")


def _is_boolean(text: str) -> bool:
    return text.casefold() in BOOLEANS


def _is_number(text: str) -> bool:
    if _LEADING_ZERO.match(text) or sum(map(str.isdigit, text)) > _EXACT_DIGITS:
        return False
    return isinstance(as_number(text, None), str) or bool(marks_of(text))


def _is_date(text: str) -> bool:
    if is_number(text) and len(text) != _COMPACT_DATE_DIGITS:
        return False
    return any(isinstance(as_date(text, order, None), str) for order in _orders(text))


def _is_moment(text: str) -> bool:
    if is_number(text):
        return False
    return any(isinstance(as_moment(text, order, UTC), str) for order in _orders(text))


def _orders(text: str) -> tuple[DateOrder | None, ...]:
    return tuple(orders_of(text)) or (None,)


def _is_phone(text: str) -> bool:
    return _PHONE.fullmatch(text) is not None


_TESTS: Mapping[str, Callable[[str], bool]] = {
    "bool": _is_boolean,
    "date": _is_date,
    "datetime": _is_moment,
    "number": _is_number,
    "phone": _is_phone,
}
_NAMES = {
    "bool": "yes or no",
    "date": "dates",
    "datetime": "dates with a time",
    "number": "numbers",
    "phone": "phone numbers",
}


@dataclass(frozen=True, slots=True)
class Inference:
    """The type of property for a column."""

    type: str
    field_type: str
    remarks: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  #: if it could be an enumeration, the values that occur
    is_multiple: bool = False  #: cells hold several options


@dataclass(slots=True)
class ColumnProfile:
    """The values of one column so far."""

    column: str
    rows: int = 0
    filled: int = 0
    longest: int = 0
    has_break: bool = False
    distinct: Counter[str] = field(default_factory=Counter)  #: the first different values
    are_all_distinct: bool = True  #: whether `distinct` has all of them
    nothing: Counter[str] = field(default_factory=Counter)  #: words for nothing
    _fits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TESTS, 0))
    _others: dict[str, str] = field(default_factory=dict)  # by type, the first value that is none
    _judged: int = 0
    _lacks_zone: bool = False
    _is_ambiguous: bool = False  # a date of two orders
    _ids: set[int] | None = None  # hashes of the first values; None: one repeats, or it is no column of ids

    def __post_init__(self) -> None:
        if names_ids(self.column):
            self._ids = set()

    @property
    def is_unique(self) -> bool:
        """Whether it is a column of ids of which none repeats, among the first ones."""
        return self._ids is not None and len(self._ids) > 1

    def add(self, text: str) -> None:
        """Note the next value; "" for a blank cell."""
        self.rows += 1
        if not text:
            return
        self.filled += 1
        if self._ids is not None and len(self._ids) < MOST_IDS and not is_nothing(text):
            self._note_id(hash(text.lower()))
        if text in self.distinct:
            self.distinct[text] += 1
            return
        self.longest = max(self.longest, len(text))
        self.has_break = self.has_break or "\n" in text
        if len(self.distinct) < _MOST_DISTINCT and len(text) <= _LONGEST_KEPT:
            self.distinct[text] = 1
            return
        self.are_all_distinct = False
        self._judge(text, 1)

    def _note_id(self, value: int) -> None:
        assert self._ids is not None
        if value in self._ids:
            self._ids = None
        else:
            self._ids.add(value)

    def _judge(self, text: str, count: int) -> None:
        if is_nothing(text):
            self.nothing[text] += count
            return
        self._judged += count
        for kind in list(self._fits):
            if _TESTS[kind](text):
                self._fits[kind] += count
            else:
                self._others.setdefault(kind, text)
                if self._judged > _ENOUGH and self._fits[kind] < self._judged // 2:
                    del self._fits[kind]
        if "datetime" in self._fits:
            self._is_ambiguous = self._is_ambiguous or len(orders_of(text)) > 1
            self._lacks_zone = self._lacks_zone or lacks_zone(text, None) is True

    @property
    def _values(self) -> list[str]:
        """The different values that were counted apart, without words for nothing."""
        return [text for text in self.distinct if not is_nothing(text)]

    def inference(self) -> Inference:
        """The type for these values. Call it once, after the last value."""
        for text, count in self.distinct.items():
            self._judge(text, count)
        if not self._judged:
            why = "every cell is blank" if not self.filled else "no cell has a value"
            return Inference("string", "text", (why,))
        remarks = [*self._remarks()]
        kind = next((kind for kind in ("bool", "date", "datetime", "number") if self._is(kind)), "")
        if kind:
            field_type = {"bool": "booleancheckbox", "number": "number"}.get(kind, "date")
            return Inference(kind, field_type, (*remarks, *self._remarks_on(kind)))
        if self._is("phone") and self._tells_phones():
            return Inference("string", "phonenumber", tuple(remarks))
        remarks += self._remarks_on_text()
        options, is_multiple = self._options()
        is_long = self.has_break or self.longest > _ONE_LINE
        return Inference("string", "textarea" if is_long else "text", tuple(remarks), options, is_multiple)

    def _is(self, kind: str) -> bool:
        """Whether all values are of this type."""
        if self._fits.get(kind) != self._judged:
            return False
        if kind == "bool":  # a column of nothing but 1 counts something
            values = self._values
            return self.are_all_distinct and (len(values) > 1 or values[0].isalpha())
        return True

    def _tells_phones(self) -> bool:
        name = bare(self.column)
        return any(word in name for word in _PHONE_HEADERS) or all(
            text.startswith("+") for text in self._values
        )

    def _remarks(self) -> Iterator[str]:
        if self.nothing:
            words = ", ".join(f"{word!r} ({count:,})" for word, count in self.nothing.most_common(3))
            yield f"words for nothing are sent unless --blank-value names them: {words}"
        if self.longest > _MOST_CHARACTERS:
            yield f"a value has {self.longest:,} characters; a property holds {_MOST_CHARACTERS:,}"

    def _remarks_on(self, kind: str) -> Iterator[str]:
        if kind in {"date", "datetime"} and self._is_ambiguous:
            yield "day or month first? Unless all values fit only one order, give --date-order"
        if kind == "datetime" and self._lacks_zone:
            yield "times without a zone need --timezone"
        is_date_column = any(word in bare(self.column) for word in _DATE_HEADERS)
        if kind == "number" and is_date_column and all(map(needs_unit, self._values)):
            yield "if these numbers are dates, use type date (or datetime) and --date-order"

    def _remarks_on_text(self) -> Iterator[str]:
        for kind, fitting in self._fits.items():
            if kind != "phone" and _MOSTLY <= fitting / self._judged < 1:
                other = self._others[kind][:40]
                yield (
                    f"{fitting:,} of {self._judged:,} values are {_NAMES[kind]}, others are not, such as "
                    f"{other!r}: with type {kind} their rows would be invalid"
                )
        if any(_LEADING_ZERO.match(text) for text in self.distinct if text.isdigit()):
            yield "a text keeps leading zeros, a number does not"

    def _options(self) -> tuple[tuple[str, ...], bool]:
        """The values as options, if they are few and repeated; and whether cells hold several."""
        if not self.are_all_distinct:
            return (), False
        parts: Counter[str] = Counter()
        for text in self._values:
            count = self.distinct[text]
            parts.update({part.strip(): count for part in text.split(";") if part.strip()})
        is_multiple = any(";" in text for text in self._values)
        is_select = (
            not self.has_break
            and 1 < len(parts) <= _MOST_OPTIONS
            and len({part.casefold() for part in parts}) == len(parts)
            and parts.total() >= _ROWS_PER_OPTION * len(parts)
            and max(map(len, parts), default=0) <= _LONGEST_OPTION
        )
        return (tuple(sorted(parts)), is_multiple) if is_select else ((), False)
