"""Numbers that stand for dates: day numbers of spreadsheets, and counts since 1970.

In    the text of a number, and its unit if the column says it.
Out   a `Reading`, or the reason why there is none, which continues the sentence that names the value.
Raise nothing.
Rules Date and date-time properties follow the same rules. Only milliseconds, which are HubSpot's own unit,
      are read without being asked, and only where they can be nothing else: not within three years of 1970,
      when the same number of seconds is a date of today, and not after 2199. All other numbers are asked for,
      with the dates that they could be. `20251231` and `20251231101500` are dates as they stand;
      `202512311015` is a time of 1976 in milliseconds, so it is asked for.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from uploader.model.column_names import quoted


class Reading(NamedTuple):
    """A date or a date-time, split into its parts."""

    day: date
    clock: time | None = None
    offset: timedelta | None = None


class _Unit(NamedTuple):
    microseconds: Decimal
    digits: int  #: longer numbers are of another unit
    origin: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    is_days: bool = False


_DAY = Decimal(86_400_000_000)
#: In the order in which they are proposed.
UNITS: Mapping[str, _Unit] = {
    # Day 60 of spreadsheets is a 29 February 1900 that never was: before it they differ by a day.
    "SERIAL": _Unit(_DAY, 7, datetime(1899, 12, 30, tzinfo=UTC), is_days=True),
    "DAYS": _Unit(_DAY, 7, is_days=True),
    "SECONDS": _Unit(Decimal(1_000_000), 12),
    "MILLISECONDS": _Unit(Decimal(1_000), 15),
    "MICROSECONDS": _Unit(Decimal(1), 18),
    "NANOSECONDS": _Unit(Decimal("0.001"), 21),
}
#: Compact dates without a separator are said by this order of a column.
COMPACT = "YMD"
_FIRST_SERIAL = 61
_NUMBER = re.compile(r"(-?)([0-9]{1,21})(?:[.,]([0-9]{1,17}))?")
_DATE = re.compile(r"((?:18|19|20|21)[0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2})?)?")
#: Shorter numbers are more likely a year, or nothing.
_FEWEST_DIGITS = 5
#: March 1973 as milliseconds, the year 5138 as seconds.
_SURELY_MILLISECONDS = 100_000_000_000
_FROM, _TO = 1900, 2199


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def read_number(text: str, unit: str) -> Reading | str:
    """Read a number of an unknown unit ("") or of the column's."""
    if unit in UNITS:
        moment = _moment(text, unit)
        if moment is not None or len(_digits(text)) <= UNITS[unit].digits:
            return _reading(text, moment, unit) if moment else f"is no date as a number of {unit}"
    parts = _DATE.fullmatch(text)
    compact = _compact(parts) if parts else None
    if compact and (len(text) != len("YYYYMMDDhhmm") or unit == COMPACT):
        return compact
    milliseconds = _moment(text, "MILLISECONDS")
    is_sure = text.removeprefix("-").isdecimal() and abs(int(text)) >= _SURELY_MILLISECONDS and not compact
    if milliseconds and is_sure and _FROM <= milliseconds.year <= _TO:
        return _reading(text, milliseconds, "MILLISECONDS")
    found = readings(text)
    return question(found, "COLUMN") if found else "is a number and not a date"


def readings(text: str) -> dict[str, date]:
    """Return what a number that has to be asked for could be, by the word that says so."""
    found = {}
    for unit in UNITS if len(_digits(text)) >= _FEWEST_DIGITS else ():
        moment = _moment(text, unit)
        # Nobody means the first day of 1970: it is the same number in a coarser unit.
        if moment and _FROM <= moment.year <= _TO and moment.date() != UNITS["DAYS"].origin.date():
            found[unit] = moment.date()
    compact = _DATE.fullmatch(text)
    read = _compact(compact) if compact else None
    return {**found, COMPACT: read.day} if read else found


def needs_unit(text: str) -> bool:
    """Whether a text is a number that could be several dates."""
    return is_number(text) and isinstance(read_number(text, ""), str) and bool(readings(text))


def dates_text(found: Mapping[str, date]) -> str:
    return " or ".join(f"{day} ({unit})" for unit, day in found.items())


def question(found: Mapping[str, date], column: str) -> str:
    """Return what a number could be, and what to do."""
    first, *others = found
    words = " or ".join([quoted(f"{column}={first}"), *(f"={unit}" for unit in others)])
    return f"could be {dates_text(found)}: use --date-order {words}"


def _digits(text: str) -> str:
    found = _NUMBER.fullmatch(text)
    return found[2] if found else ""


def _moment(text: str, unit: str) -> datetime | None:
    """The moment of a number in a unit; None if there is none."""
    found, kind = _NUMBER.fullmatch(text), UNITS[unit]
    if found is None or len(found[2]) > kind.digits or (unit == "SERIAL" and _is_early(found)):
        return None
    number = Decimal(f"{found[1]}{found[2]}.{found[3] or 0}")
    # A float of fifteen digits tells no microseconds of a day.
    microseconds = round(number * kind.microseconds, -3 if kind.is_days else 0)
    try:
        return kind.origin + timedelta(microseconds=int(microseconds))
    except OverflowError:
        return None


def _is_early(number: re.Match[str]) -> bool:
    return number[1] == "-" or int(number[2]) < _FIRST_SERIAL


def _reading(text: str, moment: datetime, unit: str) -> Reading:
    if UNITS[unit].is_days and text.removeprefix("-").isdecimal():
        return Reading(moment.date())
    return Reading(moment.date(), moment.time(), None if unit == "SERIAL" else timedelta(0))


def _compact(found: re.Match[str]) -> Reading | None:
    year, month, day, hour, minute, second = (int(part) if part else 0 for part in found.groups())
    try:
        clock = time(hour, minute, second)
        return Reading(date(year, month, day), clock if found[4] else None)
    except ValueError:
        return None
