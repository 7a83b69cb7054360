"""Which lines of a table are no rows: footers, totals, a repeated header; and which header is a row.

In    the cells of one row, the header, and which columns are keys.
Out   why it is no row, for the user; "" for a row.
Rules By shape, and only with care: a row with an address is a row. Where rows are matched by an address, a
      line without one can't be sent anyway, so that a few words in one cell are a footer. By other keys only
      what says so itself is one: `Copyright ...`, `Total`, `250 rows`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from uploader.model.column_names import folded
from uploader.records.values.email import plausible_email
from uploader.records.values.nothing import is_nothing, spellings

#: The category of a row that is skipped because it is none.
NOT_A_ROW = "NOT_A_ROW"

_ROWS = "rows?|records?|contacts?|entries|results?|zeilen|datensätze|kontakte|einträge|lignes|filas|registros"
_TOTALS = (
    *("total", "totals", "subtotal", "sum", "count", "average", "summe", "zwischensumme", "gesamtsumme"),
    *("gesamt", "gesamtzahl", "insgesamt", "anzahl", "suma", "somme", "totale", "totaal"),
)
_TOTAL = rf"(?:{'|'.join(_TOTALS)}|(?:grand|sub|report)[ -]totals?|total (?:général|general|{_ROWS}|count))"
#: A text that says of itself that it is no value.
_TELLING = re.compile(
    r"\s*(?:"
    r".*(?:copyright\b|\(c\) ?\d{4}|©|all rights reserved|alle rechte vorbehalten|tous droits réservés)"
    r"|(?:strictly )?confidential\b|vertraulich\b|confidentiel\b"
    r"|(?:report |file )?(?:generated|exported|created|printed) (?:by|on|at)\b"
    r"|(?:erstellt|exportiert) (?:am|von)\b"
    r"|(?:page|seite|página|pagina) \d+(?: (?:of|von|de|sur|di) \d+)?$"
    rf"|\(?\d[\d,.]* (?:{_ROWS})(?: (?:affected|selected|in set|exported|returned)\b.*)?\)?\.?$"
    r"|[-*=# ]*(?:end of (?:report|file|data|list)|ende der (?:liste|datei))[-*=# ]*$"
    r"|[-=_*#~+. ]{3,}$"
    r")",
    re.IGNORECASE,
)
_WORD_OF_TOTAL = re.compile(rf"{_TOTAL}\s*:?[\s\d,.]*", re.IGNORECASE)
_SIGNS = re.compile(r"[-=_*#~+. ]{3,}")
_NUMBER = re.compile(r"[-+(]?[\d.,' %€$£\u00a0]+\)?")
#: So many words in one cell are no name.
_MANY_WORDS = 4
#: A header with fewer columns leaves nothing blank that would show what a line is.
_SOME_COLUMNS = 3
#: A shorter text may be anything.
_TITLE_CHARACTERS = 8


class Suspects:
    """Finds keys that may be of no row, without a closer look at most of them."""

    def __init__(self, header: Iterable[str]) -> None:
        cased = {spelling for name in header for spelling in spellings(name)}
        totals = {spelling for word in _TOTALS for spelling in spellings(word)}
        self._words = cased | totals | {f"{word}:" for word in totals}

    def among(self, keys: Sequence[str]) -> list[int]:
        """The indexes of such keys. The answer for a key does not depend on the others."""
        lines = "\n" + "\n".join(keys)
        if " " not in lines and not any(begin in lines for begin in _BEGINS):
            return [] if self._words.isdisjoint(keys) else self._find(keys)
        return self._find(keys)

    def _find(self, keys: Sequence[str]) -> list[int]:
        return [
            at
            for at, key in enumerate(keys)
            if key in self._words or _TELLING.match(key) or _WORD_OF_TOTAL.fullmatch(key)
        ]


#: How lines without a blank begin that `_TELLING` matches.
_BEGINS = tuple(f"\n{character}" for character in "-=_*#~+.©")


class Place(NamedTuple):
    """What is known of a line's table."""

    header: Sequence[str]
    keys: frozenset[int]  #: the columns that rows are matched by
    of_contacts: bool  #: a company may be called Total
    by_address: bool  #: rows are matched by e-mail addresses only


def why_no_row(cells: Sequence[str], place: Place) -> str:
    """Why a line is no row; "" if it is one."""
    texts = list(map(str.strip, cells))
    filled = [at for at, text in enumerate(texts) if text]
    if not filled or any(plausible_email(texts[at]) for at in filled):
        return ""
    if _is_header(texts, place.header):
        return "repeats the header"
    if all(_SIGNS.fullmatch(texts[at]) for at in filled):
        return "is a ruled line"
    first, *others = filled
    if not place.keys.isdisjoint(others):
        return ""
    if place.of_contacts and _WORD_OF_TOTAL.fullmatch(texts[first]):
        return "is a total" if all(_NUMBER.fullmatch(texts[at]) for at in others) else ""
    is_telling = len(others) < _FEW and len(filled) < max(_FEW, len(place.header))
    is_footer = (is_telling and _TELLING.match(texts[first])) or (
        not others and _looks_like_footer(texts[first], place, has_key=first in place.keys)
    )
    return "is a title or a footer" if is_footer else ""


#: A footer has less cells beside its first.
_FEW = 2


def _is_header(texts: Sequence[str], header: Sequence[str]) -> bool:
    """Whether cells name their columns. Columns without a name, and repeated ones, were given other names."""
    return len(texts) == len(header) and all(
        folded(text).casefold() == name.casefold()
        or name == f"column {at}"
        or (text and name.startswith(f"{text}#"))
        for at, (text, name) in enumerate(zip(texts, header, strict=True), 1)
    )


def _looks_like_footer(text: str, place: Place, *, has_key: bool) -> bool:
    if is_nothing(text) or (has_key and not place.by_address):
        return False
    words = len(text.split())
    if not has_key:
        return words >= _MANY_WORDS
    # It stands where the address should be, and is no address with a blank instead of the @.
    if "@" in text or _INNER_DOT.search(text):
        return False
    is_title = len(place.header) >= _SOME_COLUMNS and len(text) >= _TITLE_CHARACTERS
    return words >= _MANY_WORDS or (is_title and (words > 1 or text.isalpha()))


_INNER_DOT = re.compile(r"\w\.\w")


def row_in_header(header: Iterable[str]) -> str:
    """The name of a column that is an address, so that the first line is no header; "" if there is none."""
    return next((name for name in header if plausible_email(name.partition("#")[0])), "")
