"""Texts without addresses and ids of people. Text in, text out."""

import re


def without_addresses(text: str) -> str:
    """Return a reason as it may be shown and logged. Dead letters keep the whole text."""
    return _ADDRESS.sub("(an address)", text)


_ADDRESS = re.compile(r"[^\s\"'<>\[\]]+@[^\s\"'<>\[\]]+")


def without_identifiers(text: str) -> str:
    """Return a reason without ids of requests and records, so that it is the same for all rows that have
    it.
    """
    return _LAST_IDENTIFIER.sub("", _IDENTIFIER.sub("(id)", text))


#: A UUID, another long hexadecimal number, an object's id. Whole words only: half of one looks like text.
_IDENTIFIER = re.compile(
    r"(?<![\w-])(?=[\w-]*\d)(?:[0-9a-f]{8,}(?:-\w+)*|[0-9a-f]{4,}(?:-[0-9a-f]{4,}){2,})(?![\w-])",
    re.IGNORECASE,
)


_LAST_IDENTIFIER = re.compile(r"(?<![:=#]) \(id\)$")
