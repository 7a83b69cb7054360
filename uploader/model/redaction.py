"""Texts without addresses and ids of people. Text in, text out."""

import re


def without_addresses(text: str) -> str:
    """Return a reason as it may be shown and logged. Dead letters keep the whole text."""
    return _ADDRESS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1] or ''}(an address)"


#: An address may hold a `=`, but not the one behind the column that an option names.
_ADDRESS = re.compile(r"(--[a-z][a-z-]* [\"']?[^\"'=@\n]*=)?[^\s\"'<>\[\]]+@[^\s\"'<>\[\]]+")


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
