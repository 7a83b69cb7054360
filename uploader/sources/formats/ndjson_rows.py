"""NDJSON: one object a line.

Rules   Numbers become texts, as `cell_text.spell_number` writes them, from their digits in the file: a float
        would change `1.10` and integers beyond 2**53.
        Strings, `True`, `False`, `None`, nested objects and arrays stay.
        Unreadable: broken JSON, no object, a field that appears twice (which one was meant?), NaN and
        Infinity (no JSON), a lone surrogate (no text), nesting deeper than any contact.
How     orjson decodes. It silently changes the text of fractions, and drops the first of two equal fields. A
        row that may have either is decoded again by the standard library, which keeps both visible.
        For rows with only texts and no escapes one check covers all of them.
"""

import json
from collections.abc import Sequence
from itertools import chain, compress
from typing import Any

import orjson

from uploader.model.rows import Content, Row, Unreadable
from uploader.sources.bytes.lines import LINE_BYTES, Block
from uploader.sources.formats.cell_text import spell_number
from uploader.sources.unreadable_reasons import NOT_UTF8, TOO_LONG, not_text

#: Deeper than any contact, and below Python's recursion limit.
DEPTH = 32

_TOO_DEEP = f"nested more than {DEPTH} levels deep"
_TEXTUAL = frozenset({str, bool, type(None)})
_NUMBERS = frozenset({int, float})
_FLAT = _TEXTUAL | _NUMBERS


class _NotJsonError(ValueError):
    """The text is for the user."""


class _InexactError(Exception):
    """orjson's value may differ from the text."""


class NdjsonRows:
    def __init__(self, encoding: str = "") -> None:
        self._encoding = encoding

    def read(self, block: Block, at: int, stop: int, rows: list[Row]) -> int:
        first = block.start.line
        filled = list(map(bytes.strip, block.raws[at:stop]))
        raws = list(compress(block.raws[at:stop], filled))
        numbers = compress(range(first + at, first + stop), filled)
        rows.extend(map(Row, numbers, raws, self.contents(raws)))
        return stop

    def contents(self, raws: Sequence[bytes]) -> list[Content]:
        """The content of each row."""
        values = _loads_all(raws)
        if _is_all_there(raws, values):
            return values
        plain = [type(value) is dict and b"\\" not in raw for raw, value in zip(raws, values, strict=True)]
        if not _is_all_there(list(compress(raws, plain)), list(compress(values, plain))):
            plain = [False] * len(raws)
        triples = zip(raws, values, plain, strict=True)
        return [value if is_plain else self._content(raw, value) for raw, value, is_plain in triples]

    def content(self, raw: bytes) -> Content:
        return self._content(raw, _loads(raw))

    def _content(self, raw: bytes, value: object) -> Content:
        """The content of a row. `value`: as orjson decodes it."""
        if len(raw) > LINE_BYTES:
            return Unreadable(TOO_LONG)
        try:
            return _exact(raw, value)
        except _NotJsonError as error:
            reason = str(error)
            return Unreadable(not_text(self._encoding, raw) if reason == NOT_UTF8 else reason)


def _loads(raw: bytes) -> Any:  # noqa: ANN401
    """A row decoded by orjson, or orjson's error; None for an overlong row."""
    try:
        return orjson.loads(raw) if len(raw) <= LINE_BYTES else None
    except orjson.JSONDecodeError as refusal:
        return refusal


def _loads_all(raws: Sequence[bytes]) -> list[Any]:
    """What `_loads` returns for each row; much faster if all rows are JSON."""
    if max(map(len, raws), default=0) <= LINE_BYTES:
        try:
            return list(map(orjson.loads, raws))
        except orjson.JSONDecodeError:
            pass
    return list(map(_loads, raws))


def _is_all_there(raws: Sequence[bytes], values: Sequence[Any]) -> bool:
    """Whether orjson has certainly dropped nothing from these rows.

    False also if that is unknown: rows with other values than texts, or with escapes.
    """
    text = b"".join(raws)
    if b"\\" in text or set(map(type, values)) != {dict}:
        return False
    items = list(chain.from_iterable(map(dict.values, values)))
    try:
        "".join(items)  # fails unless all are texts, sooner than their types are listed
        texts = len(items)
    except TypeError:
        kinds = list(map(type, items))
        if not _TEXTUAL.issuperset(kinds):
            return False
        texts = kinds.count(str)
    # Each name and each string has two quotes: a dropped field would leave more quotes in the text.
    return text.count(b'"') == 2 * (len(items) + texts)


def _exact(raw: bytes, value: object) -> dict[str, Any]:
    """The fields of a row with exact numbers. `value`: as orjson decodes it."""
    if isinstance(value, orjson.JSONDecodeError):
        return _decode_again(raw, f"{value.msg} (character {value.pos + 1})")
    if type(value) is not dict:
        raise _NotJsonError(_not_object(value))
    kinds = set(map(type, value.values()))
    try:
        if kinds <= _TEXTUAL:
            keys, exact = len(value), value
        elif kinds <= _FLAT:
            keys, exact = len(value), _spell_flat(value, raw)
        else:
            keys, exact = _spell(value, raw, DEPTH)
        if _has_keys(raw, value, keys):
            return exact
    except _InexactError:
        pass
    return _to_completion(raw)


def _spell_flat(value: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """The fields of a flat object, with numbers as texts."""
    return {
        name: _spell_number(name, item, raw) if type(item) in _NUMBERS else item
        for name, item in value.items()
    }


def _spell_number(name: str, item: float, raw: bytes) -> str:
    if type(item) is int:
        return str(item)
    spelled = orjson.dumps(item)
    if not any(_stands(b'"%b":%b%b' % (name.encode(), gap, spelled), raw) for gap in (b"", b" ")):
        raise _InexactError
    return spell_number(spelled.decode())


def _stands(field: bytes, raw: bytes) -> bool:
    """Whether the text has this field and number; inside a string a backslash would precede the quote."""
    at = raw.find(field)
    return at > 0 and raw[at - 1] in b"{, " and raw[at + len(field)] in b",} "


def _to_completion(raw: bytes) -> dict[str, Any]:
    """The object decoded by the standard library, with all fields and the digits of all numbers."""
    try:
        fields: dict[str, Any] = _DECODER.decode(raw.decode())
    except RecursionError as error:
        raise _NotJsonError(_TOO_DEEP) from error
    return _spell(fields, raw, DEPTH)[1]


def _spell(value: dict[str, Any], raw: bytes, depth: int) -> tuple[int, dict[str, Any]]:
    """The number of fields at all levels, and the fields with integers as texts."""
    if _TEXTUAL.issuperset(map(type, value.values())):
        return len(value), value
    keys, items = _spell_items(list(value.values()), raw, depth)
    return keys + len(value), dict(zip(value, items, strict=True))


def _spell_items(items: list[Any], raw: bytes, depth: int) -> tuple[int, list[Any]]:
    if depth == 0:
        raise _NotJsonError(_TOO_DEEP)
    keys, spelled = 0, []
    for item in items:
        kind, exact, inner = type(item), item, 0
        if kind is int:
            exact = str(item)
        elif kind is dict:
            inner, exact = _spell(item, raw, depth - 1)
        elif kind is list:
            inner, exact = _spell_items(item, raw, depth - 1)
        elif kind is float:  # integers beyond 64 bits, too
            raise _InexactError
        keys += inner
        spelled.append(exact)
    return keys, spelled


def _has_keys(raw: bytes, value: dict[str, Any], keys: int) -> bool:
    """Whether `keys` is the number of fields in the text, so that none was dropped as a repeat.

    Each field has its own colon, after a quote or white space. Colons inside strings can only make the
    count too high, and then False is the safe answer.
    """
    colons = raw.count(b":")
    if colons == keys:
        return True
    if b"\\" not in raw:  # then strings are unescaped in the text, colons included
        return orjson.dumps(value).count(b":") == colons
    return sum(map(raw.count, (b'":', b" :", b"\t:", b"\r:", b"\n:"))) == keys


def _decode_again(raw: bytes, problem: str) -> dict[str, Any]:
    """A row decoded by the standard library, which accepts `1e400`. `problem`: orjson's error."""
    try:
        value = _DECODER.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise _NotJsonError(NOT_UTF8) from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise _NotJsonError(f"not valid JSON: {problem}") from error
    if type(value) is not dict:
        raise _NotJsonError(_not_object(value))
    _spell(value, raw, DEPTH)
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise _NotJsonError("this row holds half of a surrogate pair, which is not valid text") from error
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotJsonError(f"the field {twice!r} appears twice")
    return fields


def _no_constant(name: str) -> object:
    raise _NotJsonError(f"{name} is not JSON; use null or a string")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=spell_number, parse_float=spell_number, parse_constant=_no_constant
)


def _not_object(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return f"this row must be a JSON object, and is {kinds.get(type(value), 'a number')}"
