"""Values in the spelling that an account may store instead of what was sent. Pure.

Bare phone numbers and trimmed, lower-case domains were reported; the forms of numbers, dates and times are
those in which other versions of the API answer. Which accounts do what is not known.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from uploader.mockserver.account.properties import Property


def respelled(property_: Property, value: str, country_code: str = "") -> str:
    """A value that was checked, as the account stores it."""
    if property_.type == "phone_number" or property_.field_type == "phonenumber":
        return _phone(value, country_code)
    if property_.name == "domain":
        return re.sub(r"^[a-z]+://(www\.)?|/.*$", "", value.strip().lower())
    if property_.name == "website" and "://" not in value:
        return f"https://{value}"
    return _BY_TYPE.get(property_.type, str)(value)


def _number(value: str) -> str:
    plain = f"{Decimal(value):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


_BY_TYPE: Mapping[str, Callable[[str], str]] = {
    "number": _number,
    "date": lambda day: str(int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000),
    "datetime": lambda moment: moment.replace(".000Z", "Z"),
    "string": lambda text: " ".join(text.split()),
}


def _phone(value: str, country_code: str) -> str:
    bare = re.sub(r"[\s().\-/]", "", value.replace("(0)", ""))
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    elif country_code and bare.startswith("0"):
        bare = f"+{country_code}{bare[1:]}"
    return bare if re.fullmatch(r"\+[1-9][0-9]{6,14}", bare) else value
