"""Converts numbers and times to text, the same for all formats that have numbers or times of their own."""

import math
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, InvalidOperation

from uploader.sources.formats.rows_of_cells import UnreadableValue

#: Numbers with more digits than this before or after the point keep an exponent: no property takes them.
_LONGEST = 60
_MISSING = "leave such values out (None)"


def spell_float(value: float) -> str | UnreadableValue:
    """The shortest text of this number, as `spell_number` writes it."""
    if math.isnan(value):
        return UnreadableValue("is NaN, which is not a number; leave such cells empty (null)")
    if math.isinf(value):
        return UnreadableValue("is an infinity, which is not a number; leave such cells empty (null)")
    return spell_number(repr(value))


def spell_number(literal: str) -> str:
    """The text of a number, whatever its notation: `12` for `12.0`, `12.00` and `1.2e1`, `0.0001` for `1e-4`.

    All digits stay, of `1.10` the last one, too.
    """
    if "e" not in literal and "E" not in literal:
        return _without_zeros(literal)
    try:
        number = Decimal(literal)
    except InvalidOperation:
        return literal  # its exponent is beyond anything
    if number and abs(number.adjusted()) > _LONGEST:
        return str(number.normalize(_exact(len(literal)))).lower()
    return _without_zeros(format(number, "f")) if number else "0"


def spell_decimal(value: Decimal) -> str | UnreadableValue:
    """All digits of a decimal, as `spell_number` writes them."""
    if value.is_nan():
        return UnreadableValue(f"holds NaN, which is not a number; {_MISSING}")
    if value.is_infinite():
        return UnreadableValue(f"holds an infinity, which is not a number; {_MISSING}")
    return spell_number(str(value))


def spell_time(value: date | time) -> str | UnreadableValue:
    """A date or a time in ISO 8601: in UTC if the zone is known."""
    if value != value:  # noqa: PLR0124  # pandas' NaT says it is a datetime
        return UnreadableValue(f"holds NaT, which is not a date; {_MISSING}")
    if not isinstance(value, datetime):
        return value.isoformat()
    try:
        is_zoned = value.utcoffset() is not None
        bare = (value.astimezone(UTC) if is_zoned else value).replace(tzinfo=None)
    except OverflowError:
        return UnreadableValue("holds a time that is outside the calendar in UTC")
    return spell_moment(bare.isoformat(" "), is_zoned=is_zoned)


def _without_zeros(spelled: str) -> str:
    """A whole number without its decimals; others as they are."""
    whole, _, part = spelled.partition(".")
    if part.strip("0"):
        return spelled
    return "0" if whole == "-0" else whole


def _exact(digits: int) -> Context:
    """A context that rounds none of these digits."""
    return Context(prec=digits, Emax=10**9, Emin=-(10**9))


def spell_moment(text: str, *, is_zoned: bool) -> str:
    """ISO 8601: `2024-01-02 03:04:05.600000` as `2024-01-02T03:04:05.6`, with `Z` if the zone is known."""
    day, _, clock = text.partition(" ")
    if "." in clock:
        clock = clock.rstrip("0").removesuffix(".")
    return f"{day}T{clock}{'Z' if is_zoned else ''}"
