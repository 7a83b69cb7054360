"""A number as people and spreadsheets spell it, converted to HubSpot's form: digits and at most one point.

In    the text of one value, and the decimal mark of its column if that is known.
Out   the exact number, of any size; a text that HubSpot accepts stays as it is. Else a `Fault`, whose reason
      continues the sentence that names the value.
Raise nothing.
Rules A mark is certain if it occurs twice, beside the other one, or where it cannot separate thousands.
      `1,234` may be two numbers, so it needs a decimal mark. So may `1.234`, but HubSpot and most systems
      spell it like this, so it is kept unless the column says otherwise. Blanks and apostrophes separate
      thousands. A currency sign at an end is left out; in `12€50` it is a decimal mark, so that is refused.
      Brackets are a minus. A percentage is refused: it may mean 50 or 0.5.
      A format that has numbers of its own spells them with a point, whatever its texts do. There, in a column
      of decimal commas, `12.5` is such a number; `1.234` may be a number or a text, and is refused.
"""

import re
from decimal import Decimal

from uploader.model.rows import Fault

_FIT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_OWN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
#: A tab or a line break separates two numbers.
_BLANK = r"[ \u00a0\u2000-\u200a\u202f\u205f\u3000'\u2019]"
_SIGNS = r"(?:[$€£¥₹₽₩₺₪₫฿]|EUR|USD|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|Fr\.)"
_CURRENCY = re.compile(rf"^{_SIGNS}|{_SIGNS}$")
_BY_BLANKS = re.compile(rf"[0-9]{{1,3}}(?:{_BLANK}[0-9]{{3}})+")
_GROUPS = {
    mark: re.compile(rf"[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{2,3}})*{re.escape(mark)}[0-9]{{3}}")
    for mark in ".,"
}
#: Beyond it a double, as HubSpot holds numbers, knows only infinity.
_MOST_DIGITS = 308


def as_number(text: str, decimal: str | None) -> str | Fault:
    if decimal != "," and _FIT.fullmatch(text):
        return text
    plain = _without_currency(text)
    if "%" in plain:
        return Fault("is a percentage: use the number that HubSpot should store, 50 or 0.5", "NUMBER")
    minus, plain = _sign(plain)
    plain, exponent = _exponent(_without_currency(plain))
    whole, point, part = plain, "", ""
    marks = [mark for mark in ".," if mark in plain]
    if marks:
        mark = _decimal_mark(plain, marks, decimal)
        if isinstance(mark, Fault):
            return mark
        whole, point, part = plain.rpartition(mark) if mark else (plain, "", "")
        other = {".": ",", ",": "."}.get(mark) or marks[0]
        if other in whole:
            if not _GROUPS[other].fullmatch(whole):
                return _NO_NUMBER
            whole = whole.replace(other, "")
    if _BY_BLANKS.fullmatch(whole):
        whole = re.sub(_BLANK, "", whole)
    if not re.fullmatch(r"[0-9]*", whole) or not re.fullmatch(r"[0-9]*", part) or not whole + part:
        return _NO_NUMBER
    return _joined(minus, whole or "0", f".{part}" if point and part else "", exponent)


def as_own_number(text: str, decimal: str | None) -> str | Fault:
    """Return the number in a format that has numbers of its own, beside texts."""
    if decimal != "," or not _OWN.fullmatch(text):
        return as_number(text, decimal)
    return _NUMBER_OR_TEXT if _GROUPS["."].fullmatch(text.removeprefix("-")) else as_number(text, ".")


def differs_with_commas(text: str) -> bool:
    """Whether a number of a format's own is another one, or none, as a text of a column of decimal commas."""
    return _OWN.fullmatch(text) is not None and as_number(text, ",") != as_number(text, ".")


def marks_of(text: str) -> frozenset[str]:
    """Return the decimal marks that a value can have been written with: one is evidence, two leave it
    open, none says nothing.
    """
    marks = [mark for mark in ".," if mark in text]
    if not marks:
        return frozenset()
    read = {mark: as_number(text, mark) for mark in ".,"}
    fitting = frozenset(mark for mark, number in read.items() if isinstance(number, str))
    return frozenset() if len(fitting) == 2 and read["."] == read[","] else fitting


_NO_NUMBER = Fault("is not a number", "NUMBER")
_NUMBER_OR_TEXT = Fault(
    "is a different number as a JSON number and as a text of this column: use numbers only, and --decimal "
    '"COLUMN=."',
    "NUMBER",
)


def _without_currency(text: str) -> str:
    return _CURRENCY.sub("", text).strip()


def _sign(text: str) -> tuple[str, str]:
    if text.startswith("(") and text.endswith(")"):
        return "-", text[1:-1].strip()
    minus = "-" if text[:1] in {"-", "\u2212"} else ""
    return minus, text[1:].strip() if text[:1] in {"-", "+", "\u2212"} else text


def _exponent(text: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"([0-9.,]+)[eE]([+-]?[0-9]{1,9})", text)
    return (found[1], int(found[2])) if found else (text, None)


def _decimal_mark(text: str, marks: list[str], decimal: str | None) -> str | Fault:
    """Return the mark that separates the decimals; "" if there are none."""
    if len(marks) == 2:
        mark = max(marks, key=text.rfind)
        if text.count(mark) > 1 or (decimal and mark != decimal):
            return _NO_NUMBER
        return mark
    mark = marks[0]
    groups = _GROUPS[mark].fullmatch(text) is not None
    if text.count(mark) > 1 or (decimal and mark != decimal):
        return "" if groups and mark != decimal else _NO_NUMBER
    if mark == "," and groups and decimal is None:
        return Fault(
            'is a different number with a decimal comma and with a decimal point: use --decimal "COLUMN=," '
            "or =.",
            "NUMBER",
        )
    return mark


def _joined(minus: str, whole: str, part: str, exponent: int | None) -> str | Fault:
    if exponent is None:
        return f"{minus}{whole}{part}"
    number = Decimal(f"{minus}{whole}{part}")  # exact, as long as nothing is reckoned with it
    if not number:
        return "0"
    if abs(number.adjusted() + exponent) > _MOST_DIGITS:
        return Fault("is too large for a HubSpot number", "NUMBER")
    sign, digits, shift = number.as_tuple()
    assert isinstance(shift, int)
    return format(Decimal((sign, digits, shift + exponent)), "f")
