"""Texts without the addresses and ids of people. Text in, text out."""

import re


def without_addresses(text: str) -> str:
    """A reason as it may be shown and logged; dead letters keep it whole."""
    return _ADDRESS.sub("(an address)", text)


_ADDRESS = re.compile(r"[^\s\"'<>\[\]]+@[^\s\"'<>\[\]]+")


def without_identifiers(text: str) -> str:
    """A reason as it is the same for all that have it: what names one request or one record is left out."""
    return _LAST_IDENTIFIER.sub("", _IDENTIFIER.sub("(id)", text))


#: A UUID, another long hexadecimal number, an object's id. Whole words only: a half would look like text.
_IDENTIFIER = re.compile(
    r"(?<![\w-])(?=[\w-]*\d)(?:[0-9a-f]{8,}(?:-\w+)*|[0-9a-f]{4,}(?:-[0-9a-f]{4,}){2,})(?![\w-])",
    re.IGNORECASE,
)


_LAST_IDENTIFIER = re.compile(r"(?<![:=#]) \(id\)$")
