"""Numbers that stand for dates: day numbers of spreadsheets, counts since 1970, and dates without separators.

In    the text of a number, and its unit if the column says it.
Out   a `Reading`, or the reason why there is none, which continues the sentence that names the value.
Raise nothing.
Rules Date and date-time properties follow the same rules. Only milliseconds, which are HubSpot's own unit,
      are read without being asked, and only where they can be nothing else: not within three years of 1970,
      when the same number of seconds is a date of today, not after 2199, and not if the digits could be a
      compact date-time. All other numbers are asked for, with the dates that they could be.
      `20251231` and `20251231101500` are dates as they stand; `202512311015` is a time of 1976 in
      milliseconds, so it is asked for. `01122025101500` and `31122025` need an order of day and month. The
      zero that a spreadsheet drops from them is put back. What looks like a compact date and is none, such as
      a 30 February, is no number of another unit. Nor is a number that begins with a zero.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
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


_ONE_DAY = Decimal(86_400_000_000)
#: In the order in which they are proposed.
UNITS: Mapping[str, _Unit] = {
    # Day 60 of spreadsheets is a 29 February 1900 that never was: before it they differ by a day.
    "SERIAL": _Unit(_ONE_DAY, 7, datetime(1899, 12, 30, tzinfo=UTC), is_days=True),
    "DAYS": _Unit(_ONE_DAY, 7, is_days=True),
    "SECONDS": _Unit(Decimal(1_000_000), 12),
    "MILLISECONDS": _Unit(Decimal(1_000), 15),
    "MICROSECONDS": _Unit(Decimal(1), 18),
    "NANOSECONDS": _Unit(Decimal("0.001"), 21),
}
_FIRST_SERIAL = 61
_NUMBER = re.compile(r"(-?)([0-9]{1,21})(?:[.,]([0-9]{1,17}))?")
#: `45,657` is 45657, if it is a date at all, and no day of 1970.
_THOUSANDS = re.compile(r"-?[0-9]{1,3}[.,][0-9]{3}")
_YEAR, _MONTH, _DAY = r"(?P<year>(?:18|19|20|21)[0-9]{2})", r"(?P<month>[0-3][0-9])", r"(?P<day>[0-3][0-9])"
_CLOCK = r"(?:(?P<hour>[0-2][0-9])(?P<minute>[0-5][0-9])(?P<second>[0-5][0-9])?)?"
#: What looks like a compact date, by the order of a column. The calendar may not have it.
_COMPACT = {
    "DMY": re.compile(_DAY + _MONTH + _YEAR + _CLOCK),
    "MDY": re.compile(_MONTH + _DAY + _YEAR + _CLOCK),
    "YMD": re.compile(_YEAR + _MONTH + _DAY + _CLOCK),
}
_MM, _DD = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
#: The same in any order with a year of two digits. Shorter ones are too small for `_SURELY_MILLISECONDS`.
_SHORT_YEAR = re.compile(
    rf"(?:{_DD}{_MM}[0-9]{{2}}|{_MM}{_DD}[0-9]{{2}}|[0-9]{{2}}{_MM}{_DD})(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
)
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
    compact = _compact(text)
    if compact and unit in compact:
        return compact[unit]
    if compact and "YMD" in compact and len(text) != len("YYYYMMDDhhmm"):
        return compact["YMD"]
    milliseconds = _moment(text, "MILLISECONDS")
    if (
        milliseconds
        and _FROM <= milliseconds.year <= _TO
        and compact is None
        and _is_surely_milliseconds(text)
    ):
        return _reading(text, milliseconds, "MILLISECONDS")
    if compact is not None and not compact:
        return "is not a date of the calendar"
    return question(text, "COLUMN") or "is a number and not a date"


def readings(text: str) -> dict[str, date]:
    """Return what a number that has to be asked for could be, by the word that says so."""
    found, compact = {}, _compact(text)
    is_count = len(_digits(text)) >= _FEWEST_DIGITS and not _digits(text).startswith("0") and compact != {}
    for unit in UNITS if is_count else ():
        moment = _moment(text, unit)
        # Nobody means the first day of 1970: it is the same number in a coarser unit.
        if moment and _FROM <= moment.year <= _TO and moment.date() != UNITS["DAYS"].origin.date():
            found[unit] = moment.date()
    return found | {order: read.day for order, read in (compact or {}).items()}


def needs_unit(text: str) -> bool:
    """Whether a text is a number that could be several dates."""
    return is_number(text) and isinstance(read_number(text, ""), str) and bool(readings(text))


def dates_text(found: Mapping[str, date]) -> str:
    return " or ".join(f"{day} ({unit})" for unit, day in found.items())


def question(text: str, column: str) -> str:
    """Return what a number could be, and what to do; "" if it could be nothing."""
    found, has_short_year = readings(text), _SHORT_YEAR.fullmatch(text) is not None
    if not found:
        return "has a year of two digits: use four" if has_short_year else ""
    first, *others = found
    words = " or ".join([quoted(f"{column}={first}"), *(f"={unit}" for unit in others)])
    short = " or has a year of two digits, which needs four" if has_short_year else ""
    return f"could be {dates_text(found)}{short}: use --date-order {words}"


def _digits(text: str) -> str:
    found = _NUMBER.fullmatch(text)
    return found[2] if found else ""


def _moment(text: str, unit: str) -> datetime | None:
    """The moment of a number in a unit; None if there is none."""
    found, kind = _NUMBER.fullmatch(text), UNITS[unit]
    if found is None or len(found[2]) > kind.digits or (unit == "SERIAL" and _is_early(found)):
        return None
    if _THOUSANDS.fullmatch(text):
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


def _is_surely_milliseconds(text: str) -> bool:
    is_whole = text.removeprefix("-").isdecimal() and not _digits(text).startswith("0")
    return is_whole and abs(int(text)) >= _SURELY_MILLISECONDS and not _SHORT_YEAR.fullmatch(text)


def _compact(text: str) -> dict[str, Reading] | None:
    """Return the compact dates that a number can be, by order; None if it looks like none."""
    whole = text.zfill(len(text) + len(text) % 2)
    looks = {order: found for order, form in _COMPACT.items() if (found := form.fullmatch(whole))}
    if not looks:
        return None
    dates = {}
    for order, found in looks.items():
        parts = {name: int(part or 0) for name, part in found.groupdict().items()}
        with suppress(ValueError):
            clock = time(parts["hour"], parts["minute"], parts["second"])
            day = date(parts["year"], parts["month"], parts["day"])
            dates[order] = Reading(day, clock if found["hour"] else None)
    return dates
