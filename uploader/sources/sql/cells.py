"""Values of a database as texts, whatever its driver returns.

Text      Whole numbers and decimals exactly, floats by their shortest text, as `cell_text.spell_number` does;
          `true` and `false`; dates and times in ISO 8601, in UTC with a `Z` if the zone is known, others
          without; bytes as UTF-8; lists of plain values joined by `;`, as in HubSpot; NULL is blank.
          Unreadable: objects of JSON and lists of them, NaN and infinities, bytes that are no text, a `;`
          inside a list, and types without an obvious text, such as ranges.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any
from uuid import UUID

from uploader.model.rows import Fault
from uploader.records.values.lists import join_list
from uploader.sources.formats.cell_text import spell_decimal, spell_float, spell_time
from uploader.sources.formats.rows_of_cells import UnreadableValue

Text = str | UnreadableValue
_NOT_TEXT = UnreadableValue("holds bytes that are not UTF-8 text; leave the column out of the query")
_NESTED = UnreadableValue("holds nested values (JSON); select the values that are needed as columns")


def spell_value(value: object) -> Text:
    """The text of a value."""
    if value is None:
        return ""
    spell = _SPELLINGS.get(type(value))
    if spell is None:
        spell = next((one for kind, one in _SPELLINGS.items() if isinstance(value, kind)), _refuse)
    return spell(value)


def _spell_text(value: str) -> Text:
    return _NOT_TEXT if any("\ud800" <= char <= "\udfff" for char in value) else value


def _spell_truth(value: bool) -> Text:
    return "true" if value else "false"


def _spell_bytes(value: bytes | bytearray | memoryview) -> Text:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return _NOT_TEXT


def _spell_duration(value: timedelta) -> Text:
    """A time of day as MySQL returns it, or an interval: `26:03:04`."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(value.days * 86_400 + value.seconds, 60)
    part = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{part}"


def _join(values: Iterable[object]) -> Text:
    texts = list[str]()
    for value in values:
        if isinstance(value, list | tuple | set | frozenset):
            return _NESTED
        text = spell_value(value)
        if isinstance(text, UnreadableValue):
            return text
        texts.append(text)
    joined = join_list(texts)
    return UnreadableValue(joined.reason) if isinstance(joined, Fault) else joined


def _refuse(value: object) -> Text:
    return UnreadableValue(f"has the type {type(value).__name__}, which has no text; cast it in the query")


#: By type, those that are a part of another one first.
_SPELLINGS: dict[type, Callable[[Any], Text]] = {
    str: lambda value: value if value.isascii() else _spell_text(value),
    bool: _spell_truth,
    int: str,
    float: spell_float,
    Decimal: spell_decimal,
    timedelta: _spell_duration,
    datetime: spell_time,
    date: spell_time,
    time: spell_time,
    bytes: _spell_bytes,
    bytearray: _spell_bytes,
    memoryview: _spell_bytes,
    Enum: lambda value: spell_value(value.value),
    Mapping: lambda _: _NESTED,
    list: _join,
    tuple: _join,
    set: _join,
    frozenset: _join,
    **dict.fromkeys((UUID, IPv4Address, IPv4Interface, IPv6Address, IPv6Interface), str),
}
