"""Single values of a reply, decoded leniently: an unexpected value becomes the empty one. Raises nothing."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache


def as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def as_code(value: object) -> str:
    """An identifier, such as an error code; "" for other text, which may quote personal data."""
    text = as_text(value)
    return text if _CODE.fullmatch(text) else ""


def as_texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    entries = value if isinstance(value, list) else [value]
    return tuple(text for entry in entries if (text := as_text(entry)))


def as_count(value: object) -> int:
    # Larger numbers are no counts, and the tallies have 64 bits.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else 0


def as_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def as_seconds(text: str | None, date: float | None = None) -> float | None:
    """`Retry-After` in seconds, which HubSpot documents; or as a date, relative to the reply's `date`."""
    try:
        seconds = float(text) if text else None
    except ValueError:
        until = as_http_date(text)
        seconds = None if until is None or date is None else max(0.0, until - date)
    return seconds if seconds is not None and 0 <= seconds <= 7 * 86_400 else None


@lru_cache(16)  # replies within one second have the same date
def as_http_date(text: str | None) -> float | None:
    """A date in a header, of this century, in seconds since 1970."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.timestamp() if moment.tzinfo and moment.year // 100 == 20 else None


def as_datetime(text: str) -> datetime | None:
    """A timestamp with a zone; the fraction may be missing. None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def as_moment(text: str) -> float | None:
    moment = as_datetime(text)
    try:
        return moment.timestamp() if moment else None
    except OverflowError:
        return None
