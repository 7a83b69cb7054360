"""What spreadsheets and exports do to the texts of cells.

In    the text of one cell.
Out   the text without a wrapping that has one meaning, and without invisible characters at its ends; a remark
      on what has lost its meaning, or may have.
Raise nothing.
Rules `="01234"` is a formula that keeps a text a text, so it is that text. Everything else stays as it is: an
      apostrophe or `p:` may be meant. A key in E notation is refused, since many keys are the same there.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from uploader.model.column_names import INVISIBLE
from uploader.model.rows import Content, Fault, LoneCell, PartlyReadable, Row

_WRAPPED = re.compile(r'="((?:[^"]|"")*)"')
_E_NOTATION = r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}"


class _Kind(NamedTuple):
    category: str
    pattern: str
    reason: str


_KINDS = (
    _Kind("APOSTROPHE", r"'[=+\-@0-9(].*", "begins with the apostrophe that marks a text in spreadsheets"),
    _Kind("PHONE_PREFIX", r"p:\+?[0-9(].*", "begins with p:, as lead forms write telephone numbers"),
    _Kind("LOST_DIGITS", _E_NOTATION, "is a number in E notation, which has lost its last digits"),
    _Kind("DECIMALS", r"[0-9]{5,}[.,]0", "is a whole number with a decimal, as programs write numbers"),
    _Kind(
        "SPREADSHEET_ERROR",
        r"#(?:NAME\?|REF!|VALUE!|DIV/0!|NUM!|SPILL!|CALC!|FIELD!|GETTING_DATA)|#{2,}",
        "is an error of a spreadsheet",
    ),
    _Kind(
        "NO_DATE",
        r"(?:1899-12-3[01]|12/3[01]/1899|3[01][./]12[./]1899)(?:[ T].*)?",
        "is a date of 1899, as spreadsheets show a zero or a time without a date",
    ),
    _Kind("SEVERAL_VALUES", r".+:::.+", "holds several values, joined by :::"),
)
#: Control characters and invisible ones, without those that join signs and letters to one.
_UNSEEN = r"\x01-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff"
#: The second to fourth bytes of characters in UTF-8, read as windows-1252 or Latin-1.
_TRAIL = "\\x80-\\xbf" + bytes(range(0x80, 0xA0)).decode("windows-1252", "ignore")
#: What texts hold somewhere.
_HELD_KINDS = (
    _Kind("LOST_CHARACTERS", r"\ufffd", "holds U+FFFD, which stands for a character that was lost"),
    _Kind(
        "WRONG_ENCODING",
        # As windows-1252, with the first bytes of European letters and signs; as Mac Roman; as cp850.
        rf"[\xc2-\xc5\xce-\xd1][{_TRAIL}]|\xe2\u20ac[{_TRAIL}]|\xf0\u0178[{_TRAIL}]|"
        r"\u221a[\xa9\xae\xa7\xba\xfc\xb6\u2202\u2020]|[\u251c\u252c]\S",
        "was read in a wrong encoding, as Ren\xc3\xa9 is Ren\xe9",
    ),
    _Kind(
        "INVISIBLE",
        f"[{_UNSEEN}]",
        "holds characters that are invisible",
    ),
    _Kind(
        "HTML",
        r"&(?:amp|lt|gt|quot|apos|nbsp|szlig|[aeiouAEIOU](?:uml|acute|grave|circ)|[cC]cedil|#\d{2,5}|#x[\da-f]{2,4});",
        "holds a character as HTML writes it, as &amp; is &",
    ),
)
_ANY = re.compile("|".join(f"^(?:{kind.pattern})$" for kind in _KINDS), re.MULTILINE)
#: One of these is in every match of `_ANY`. Its character is found a hundred times faster than it.
_HINTS = (
    ("'", "\n'"),
    (":", "\np:"),
    ("+", "E+"),
    ("+", "e+"),
    (".", ".0\n"),
    (",", ",0\n"),
    ("#", "\n#"),
    (":", ":::"),
    ("8", "1899"),
)
_HELD = re.compile("|".join(kind.pattern for kind in _HELD_KINDS))
#: How a match of `_HELD` begins. A set of characters is found much faster.
_HELD_BEGINS = re.compile(rf"[&\ufffd\xc2-\xc5\xce-\xd1\xe2\xf0\u221a\u251c\u252c{_UNSEEN}]")
_EACH = [
    *((re.compile(rf"(?:{kind.pattern})\Z", re.DOTALL).match, kind) for kind in _KINDS),
    *((re.compile(kind.pattern).search, kind) for kind in _HELD_KINDS),
]
_LOST = re.compile(f"^{_E_NOTATION}$", re.MULTILINE)

LOST_DIGITS = Fault(
    "is a number in E notation, which has lost its last digits: export the column as text", "LOST_DIGITS"
)


#: Invisible characters in UTF-8.
_INVISIBLE_BYTES = re.compile(
    rb"\xc2\xad|\xd8\x9c|\xe1\xa0\x8e|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)
#: How a match of `_INVISIBLE_BYTES` begins.
_LEADS = (b"\xc2\xad", b"\xd8\x9c", b"\xe1\xa0\x8e", b"\xe2\x80", b"\xe2\x81", b"\xef\xbb\xbf")
#: The same and `="`, as JSON may escape them.
_ESCAPED = re.compile(
    rb'\\u(?:00ad|061c|180e|200[b-f]|202[a-e]|206[0-9a-f]|feff|003d\\(?:"|u0022)|0022(?<==\\u0022))',
    re.IGNORECASE,
)
_ENDS = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")


def trim(text: str) -> str:
    """Return the text without white space and invisible characters at its ends."""
    return text.strip() if text.isascii() else _ENDS.sub("", text)


def cell_text(text: str) -> str:
    """Return what a cell says: the trimmed text, without a wrapping such as in `="01234"`."""
    text = trim(text)
    found = _WRAPPED.fullmatch(text) if text.startswith('="') else None
    return trim(found[1].replace('""', '"')) if found else text


def _holds(raw: bytes, sought: bytes) -> bool:
    """Whether bytes hold others. A single byte is found a hundred times faster than several are."""
    return sought[:1] in raw and sought in raw


def unwrapped(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows without wrappings, and without invisible characters at the ends of their texts. Rows
    without any cost one look at all of them together.

    Whatever looks at rows looks at these, so that what is inferred is what is written.
    """
    raw = b"".join([row.raw for row in rows])
    is_wrapped = _holds(raw, b'="') or _holds(raw, b'=\\"')
    has_invisible = (_holds(raw, b"\\u") and _ESCAPED.search(raw)) or (
        not raw.isascii() and any(_holds(raw, lead) for lead in _LEADS) and _INVISIBLE_BYTES.search(raw)
    )
    if not is_wrapped and not has_invisible:
        return rows
    return [Row(row.number, row.raw, _without(row.content)) for row in rows]


def _without(content: Content) -> Content:
    if isinstance(content, Mapping):
        return {name: _unwrapped_value(value) for name, value in content.items()}
    if isinstance(content, PartlyReadable):
        return replace(content, cells=list(map(cell_text, content.cells)))
    if isinstance(content, LoneCell):
        return LoneCell(map(cell_text, content))
    return list(map(cell_text, content)) if isinstance(content, Sequence) else content


def _unwrapped_value(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _unwrapped_value(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return list(map(_unwrapped_value, value))
    return cell_text(value) if isinstance(value, str) else value


def remark_on(text: str) -> Fault | None:
    """Return what has happened to a text, or None."""
    kind = next((kind for is_in, kind in _EACH if is_in(text)), None)
    return Fault(kind.reason, kind.category) if kind else None


def have_remarks(texts: Iterable[str]) -> bool:
    """Whether there may be a remark on any of the texts; fast for many texts."""
    joined = "\n".join(["", *texts, ""])
    is_plain = joined.isascii() and "&" not in joined and joined.replace("\n", "").isprintable()
    if not is_plain and _HELD_BEGINS.search(joined) and _HELD.search(joined):
        return True
    has_hint = any(character in joined and hint in joined for character, hint in _HINTS)
    return has_hint and _ANY.search(joined) is not None


def have_lost_digits(texts: Iterable[str]) -> bool:
    """Whether any of the texts may be a number in E notation; fast for many texts."""
    joined = "\n".join(texts)
    return "+" in joined and ("E+" in joined or "e+" in joined) and _LOST.search(joined) is not None


def may_be_no_date(texts: Iterable[str]) -> bool:
    """Whether any of the texts may be a date of 1899, on which spreadsheets begin to count."""
    return "1899" in "\n".join(texts)


def has_lost_digits(text: str) -> bool:
    return _LOST.fullmatch(text) is not None
