"""Converts floats and times to text, for several formats."""

import math

from uploader.sources.formats.tables import UnreadableValue

#: Whole numbers below it are written in full; larger floats have no more digits than their exponent form.
_SPELLED_OUT = 1e21


def spell_float(value: float) -> str | UnreadableValue:
    """The shortest text of this number, without `.0`."""
    if math.isnan(value):
        return UnreadableValue("is NaN, which is not a number; leave such cells empty (null)")
    if math.isinf(value):
        return UnreadableValue("is an infinity, which is not a number; leave such cells empty (null)")
    return str(int(value)) if value.is_integer() and abs(value) < _SPELLED_OUT else repr(value)


def spell_moment(text: str, *, is_zoned: bool) -> str:
    """ISO 8601: `2024-01-02 03:04:05.600000` as `2024-01-02T03:04:05.6`, with `Z` if the zone is known."""
    day, _, clock = text.partition(" ")
    if "." in clock:
        clock = clock.rstrip("0").removesuffix(".")
    return f"{day}T{clock}{'Z' if is_zoned else ''}"
