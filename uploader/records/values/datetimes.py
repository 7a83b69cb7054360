"""A date or a date-time as people and other systems spell it, converted to HubSpot's form.

In    the text of one value, the order of day and month in its column, and a zone for times without one.
Out   `YYYY-MM-DD`, or ISO 8601 in UTC, with milliseconds where there are some. Else a `Fault`, whose
      reason continues the sentence that names the value.
Raise nothing.
Rules A date is certain in ISO, with its year first, with the month's name (see `month_names`), or if only
      one order makes it a date. `12/05/2025` is two dates, so it needs an order. A year has four digits. For
      numbers see `date_numbers`: an import that took half the dates for text leaves numbers for the others.
      A date-time in a date property is a date if it is midnight, as written or in the given zone.
      A time without a zone needs one. A time that the clocks skipped is none; of one that occurs twice the
      first is meant.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from unicodedata import normalize

from uploader.model.rows import Fault
from uploader.records.values.date_numbers import UNITS, Reading, is_number, read_number
from uploader.records.values.month_names import may_precede_a_day, month_of


class DateOrder(StrEnum):
    """How a column spells its dates, if not in ISO: the order of texts, or the unit of numbers."""

    DMY = "DMY"
    MDY = "MDY"
    YMD = "YMD"
    SERIAL = "SERIAL"  #: days since 1899-12-30, as spreadsheets count from March 1900 on
    DAYS = "DAYS"  #: since 1970, as the following ones
    SECONDS = "SECONDS"
    MILLISECONDS = "MILLISECONDS"
    MICROSECONDS = "MICROSECONDS"
    NANOSECONDS = "NANOSECONDS"


_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")
_COMPACT = re.compile(r"(?:18|19|20|21)[0-9]{6}")
_YEAR_FIRST = re.compile(r"([0-9]{4})([./-]) ?([0-9]{1,2})\2 ?([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([./-]) ?([0-9]{1,2})\2 ?([0-9]{4}|[0-9]{2})")
_FIRST_WORD = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)?)[.,]* +")
_MONTH = r"([^\W\d_]{3,10})\.?"
_DAY = r"([0-9]{1,2})(?:st|nd|rd|th|er|[.]?[ºª°]|[e.])?"
#: `5. März 2025`, `5th of December, 2025`, `5 de marzo del 2025`
_DAY_AND_NAME = re.compile(
    rf"{_DAY}(?:[ /-]?| +(?:of|de) +){_MONTH}(?:[ ,/-]+| +del? +)([0-9]{{4}})", re.IGNORECASE
)
_NAME_AND_DAY = re.compile(rf"{_MONTH}[ /-]{_DAY}(?:, ?|[ /-])([0-9]{{4}})", re.IGNORECASE)
_TIME = re.compile(
    r"(?:T|,? +)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?: ?([ap])\.?m\.?)? ?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?$",
    re.IGNORECASE,
)
_BOTH = 'is a different date as day/month and as month/day: use --date-order "COLUMN=DMY" or =MDY'


def as_date(text: str, order: DateOrder | None, zone: tzinfo | None) -> str | Fault:
    """Return `YYYY-MM-DD`, which HubSpot reads as midnight UTC."""
    if _ISO.fullmatch(text):
        return text if _is_date(text) else Fault("is not a day of the calendar", "DATE")
    read = _read(text, order)
    if isinstance(read, str):
        return Fault(read, "DATE")
    if read.clock is None or read.clock == time.min:
        return read.day.isoformat()
    local = _in_zone(read, zone) if zone and read.offset is not None else None
    if local is not None and local.time() == time.min:
        return local.date().isoformat()
    zone_name = " UTC" if read.offset is not None else ""
    said = f" ({read.day} {read.clock}{zone_name})" if is_number(text) else ""
    return Fault(f"has a time of day{said}, but the property is a date", "DATE")


def as_moment(text: str, order: DateOrder | None, zone: tzinfo | None) -> str | Fault:
    """Return the time in ISO 8601, UTC."""
    if _ISO_MOMENT.fullmatch(text):
        return text if _is_moment(text) else Fault("is not a valid time", "DATETIME")
    read = _read(text, order)
    return Fault(read, "DATETIME") if isinstance(read, str) else _in_utc(read, zone)


def _in_utc(read: Reading, zone: tzinfo | None) -> str | Fault:
    its_zone = zone if read.offset is None else timezone(read.offset)
    if its_zone is None:
        lacks = (
            "has no time zone"
            if read.clock is not None
            else "is a date without time zone (it means midnight)"
        )
        return Fault(f"{lacks}: use --timezone NAME, such as Europe/Berlin", "DATETIME")
    try:
        moment = datetime.combine(read.day, read.clock or time.min, its_zone)
        utc = moment.astimezone(UTC)
        if utc.astimezone(its_zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
            return Fault(f"is a time that does not exist in {its_zone} (clock change)", "DATETIME")
    except OverflowError:
        return Fault("is outside the calendar", "DATETIME")
    return _spelled(utc)


def orders_of(text: str) -> frozenset[DateOrder]:
    """Return the date orders that make a value a date; none if the value is certain without an order, or
    is no date.
    """
    read = _TIME.sub("", text)
    found = _YEAR_LAST.fullmatch(read)
    if found is None or len(found[4]) != 4:
        return frozenset()
    fitting = {
        order
        for order, (day, month) in ((DateOrder.DMY, (1, 3)), (DateOrder.MDY, (3, 1)))
        if _date(found[4], found[month], found[day])
    }
    is_same = len(fitting) == 2 and int(found[1]) == int(found[3])
    return frozenset() if is_same else frozenset(fitting)


def lacks_zone(text: str, order: DateOrder | None) -> bool | None:
    """Whether a value is a time that needs a zone; None if it is no time."""
    for tried in _tried(text, order):
        if isinstance(as_moment(text, tried, None), str):
            return False
        if isinstance(as_moment(text, tried, UTC), str):
            return True
    return None


# --- texts taken apart ---


def is_date(text: str) -> bool:
    """Whether a text is a date or a date-time, in some order of day and month; a number without any."""
    return any(isinstance(_read(text, order), Reading) for order in _tried(text, None))


def _tried(text: str, order: DateOrder | None) -> tuple[DateOrder | None, ...]:
    """The orders to read a text in. A number that needs one is several dates."""
    return (order,) if order or is_number(text) else (DateOrder.DMY, DateOrder.MDY)


def _read(text: str, order: DateOrder | None) -> Reading | str:
    """Return what a text says, or what is wrong with it."""
    if is_number(text):
        return read_number(text, order or "")
    order = None if order in UNITS else order  # it says nothing of texts
    at = _TIME.search(text)
    day = _read_day(text[: at.start()] if at else text, order)
    if isinstance(day, str) or at is None:
        return day if isinstance(day, str) else Reading(day)
    clock = _read_time(at)
    if clock is None:
        return "has an invalid time of day"
    offset = _read_offset(at[6] or "")
    return "has an invalid time zone offset" if offset == _NO_OFFSET else Reading(day, clock, offset)


def _read_day(text: str, order: DateOrder | None) -> date | str:
    if found := _YEAR_LAST.fullmatch(text):
        return _read_year_last(found, order)
    if found := _YEAR_FIRST.fullmatch(text):
        day = _date(found[1], found[3], found[4])
    elif _COMPACT.fullmatch(text):
        day = _date(text[:4], text[4:6], text[6:])
    elif named := _named_day(normalize("NFC", text)):
        day = _date(*named)
    else:
        return "is not a date"
    return day or "is not a day of the calendar"


def _named_day(text: str) -> tuple[str, int, str] | None:
    """Return year, month and day of a date with the month's name, with or without the weekday before it."""
    if (found := _DAY_AND_NAME.fullmatch(text)) and (month := month_of(found[2])):
        return found[3], month, found[1]
    if (found := _NAME_AND_DAY.fullmatch(text)) and (month := month_of(found[1])):
        return found[3], month, found[2]
    # Not at first: French `mar` is a weekday, too.
    first = _FIRST_WORD.match(text)
    return _named_day(text[first.end() :]) if first and may_precede_a_day(first[1]) else None


def _read_year_last(found: re.Match[str], order: DateOrder | None) -> date | str:
    if len(found[4]) == 2:
        return "has a year of two digits: use four"
    day_first = _date(found[4], found[3], found[1])
    month_first = _date(found[4], found[1], found[3])
    if order is None:
        if day_first and month_first and day_first != month_first:
            return _BOTH
        return day_first or month_first or "is not a day of the calendar"
    day = {DateOrder.DMY: day_first, DateOrder.MDY: month_first}.get(order)
    return day or f"is not a date in the order {order}"


def _date(year: str, month: str | int, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _read_time(found: re.Match[str]) -> time | None:
    hour, half = int(found[1]), (found[5] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    microseconds = int((found[4] or "").ljust(6, "0")[:6])
    try:
        return time(hour, int(found[2]), int(found[3] or 0), microseconds)
    except ValueError:
        return None


_NO_OFFSET = timedelta.max


def _read_offset(text: str) -> timedelta | None:
    if not text:
        return None
    if text.upper() in {"Z", "UTC", "GMT"}:
        return timedelta(0)
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        return _NO_OFFSET
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if text[0] == "-" else offset


# --- what HubSpot takes ---


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _in_zone(read: Reading, zone: tzinfo) -> datetime | None:
    assert read.clock is not None
    assert read.offset is not None
    try:
        return datetime.combine(read.day, read.clock, timezone(read.offset)).astimezone(zone)
    except OverflowError:
        return None


def _spelled(utc: datetime) -> str:
    utc = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
    precision = "milliseconds" if utc.microsecond else "seconds"
    return utc.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
