"""Which lines of a table are no rows: footers, totals, a repeated header; and which header is a row.

In    the cells of one row, the header, and which columns are keys.
Out   why it is no row, or may be none, for the user; "" for a row.
Rules Where a doubt is possible, a line is a row: it is sent, or it is invalid. A row with an address is a
      row. A line of one cell is a footer if it says so itself; a word or a name is none. Where rows have
      another key than an address, the text must be long, and a key that may be a name allows only the
      repeated header. A long text in place of an id, in a line without the delimiters of the others, is
      invalid if it does not say that it is a footer: it may be a row that has lost its delimiters. In a
      report of a system that writes all cells of a row and lines of one cell around the rows, such a line is
      none, whatever it says. The answer depends on the line and the header alone, never on other lines.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from uploader.model.column_names import folded
from uploader.model.rows import LoneCell
from uploader.records.headers.recognition import recognize_any
from uploader.records.values.email import plausible_email
from uploader.records.values.nothing import spellings

#: The category of a row that is skipped because it is none.
NOT_A_ROW = "NOT_A_ROW"
#: That of a row that is invalid because it may be none.
DOUBTFUL_ROW = "DOUBTFUL_ROW"

_ROWS = "rows?|records?|contacts?|entries|results?|zeilen|datensätze|kontakte|einträge|lignes|filas|registros"
_TOTALS = (
    *("total", "totals", "subtotal", "sum", "count", "average", "summe", "zwischensumme", "gesamtsumme"),
    *("gesamt", "gesamtzahl", "insgesamt", "anzahl", "suma", "somme", "totale", "totaal"),
    *(f"{kind} {word}" for kind in ("grand", "sub", "report") for word in ("total", "totals")),
    *("total général", "total general", "total count"),
)
#: A text that says of itself that it is no value.
_TELLING = re.compile(
    r"(?:"
    r".*(?:copyright\b|\(c\)|©).*\b(?:19|20)\d\d\b"
    r"|.*(?:all rights reserved|alle rechte vorbehalten|tous droits réservés)"
    r"|(?:strictly )?(?:confidential|vertraulich|confidentiel)"
    r"(?:$| ?[-:.,;]| information\b| data\b| report\b)"
    r"|(?:report |file )?(?:generated|exported|created|printed) (?:by|on|at)\b(?=.*[\d:])"
    r"|(?:erstellt|exportiert) (?:am|von)\b(?=.*[\d:])"
    r"|(?:report|list|view) (?:name|title) ?: ?\S"
    r"|(?:page|seite|página|pagina) \d+(?: (?:of|von|de|sur|di) \d+)?$"
    rf"|\(?\d[\d,.]* (?:{_ROWS})(?: (?:affected|selected|in set|exported|returned)\b.*)?\)?\.?$"
    rf"|total (?:{_ROWS}) ?: ?\d[\d,.]*$"
    r"|[-*=# ]*(?:end of (?:report|file|data|list)|ende der (?:liste|datei))[-*=# ]*$"
    r")",
    re.IGNORECASE,
)
#: A title above or below a report, where an address should be.
_TITLE = re.compile(r"(?:[^\s@]+ )+(?:report|bericht|rapport|informe)", re.IGNORECASE)
_SIGNS = re.compile(r"[-=_*#~+. ]{3,}")
_SUM = re.compile(
    r"-?(?:[€$£] ?)?(?!0\d)(?:\d{1,9}|\d{1,3}(?:[.,'\u00a0\u202f]\d{3})+)(?:[.,]\d+)?(?:[ \u00a0]?[%€$£])?"
)
#: The properties whose numbers are no sums.
_UNSUMMED = re.compile(r"phone|fax|mobile|zip|postal|(?:id|code|key|year)$", re.IGNORECASE)
#: The keys that are no names.
_OF_IDS = re.compile(r"(?:id|key|code|number|sku|domain|(?:^|_)n[or])$", re.IGNORECASE)
#: A footer has at least so many words where its cell may be a key.
_MANY_WORDS = 3


class TableFacts(NamedTuple):
    """What `why_no_row` needs to know of the table that a line stands in."""

    header: Sequence[str]
    keys: frozenset[int]  #: the columns that rows are matched by
    ids: frozenset[int]  #: those of them that hold no address
    unsummed: frozenset[int]  #: columns whose numbers are no sums, such as phones
    by_address: bool  #: rows are matched by e-mail addresses only
    by_name: bool  #: a key may be a name, such as a company's

    @classmethod
    def of(
        cls, header: Sequence[str], names: Mapping[int, str], match: Sequence[str], address: str
    ) -> "TableFacts":
        """`names`: the property of each column; `address`: the property that is an address, or ""."""
        by_address = tuple(match) == (address,)
        return cls(
            header,
            keys=frozenset(index for index, name in names.items() if name in match),
            ids=frozenset(index for index, name in names.items() if name in match and name != address),
            unsummed=frozenset(index for index, name in names.items() if _UNSUMMED.search(name)),
            by_address=by_address,
            by_name=not all(name == address or _OF_IDS.search(name) for name in match),
        )


class Suspects:
    """Finds keys that may be of no row, without a closer look at most of them."""

    def __init__(self, table: TableFacts) -> None:
        self._table = table
        words = (
            list(table.header) if table.by_name else [*table.header, *_TOTALS, *(f"{w}:" for w in _TOTALS)]
        )
        self._words = {spelling for word in words for spelling in spellings(word)}

    def among(self, keys: Sequence[str]) -> list[int]:
        """The indexes of such keys."""
        lines = "\n" + "\n".join(keys)
        if " " not in lines and not any(begin in lines for begin in _BEGINS):
            return [] if self._words.isdisjoint(keys) else self._find(keys)
        return self._find(keys)

    def _find(self, keys: Sequence[str]) -> list[int]:
        return [at for at, key in enumerate(keys) if self._is_one(key)]

    def _is_one(self, key: str) -> bool:
        """By the key alone: `among` only saves this for keys without a blank that begin with no sign."""
        if key in self._words:
            return True
        if self._table.by_name or not (" " in key or key.startswith(_FIRST_SIGNS)):
            return False
        return bool(_TELLING.match(key) or _SIGNS.fullmatch(key))


_FIRST_SIGNS = tuple("-=_*#~+.")
_BEGINS = tuple(f"\n{sign}" for sign in _FIRST_SIGNS)


def why_no_row(cells: Sequence[str], table: TableFacts) -> str:
    """Why a line is no row; "" if it is one."""
    texts = list(map(str.strip, cells))
    filled = [at for at, text in enumerate(texts) if text]
    if not filled or any(plausible_email(texts[at]) for at in filled):
        return ""
    if why := _why_of_the_table(cells, texts, table.header):
        return why
    first, *others = filled
    if not table.keys.isdisjoint(filled if table.by_name else others):
        return ""
    if all(_SIGNS.fullmatch(texts[at]) for at in filled):
        return "is a ruled line"
    if _is_total(texts, filled, table):
        return "is a total"
    is_footer = _is_footer(
        texts[first], len(others), in_place_of_address=table.by_address and first in table.keys
    )
    return "is a title or a footer" if is_footer else ""


def why_doubtful(cells: Sequence[str], table: TableFacts) -> str:
    """Why a line that `why_no_row` takes for a row may be none; "" if there is no doubt."""
    if not isinstance(cells, LoneCell) or table.by_name:
        return ""
    filled = [(at, text) for at, cell in enumerate(cells) if (text := cell.strip())]
    if len(filled) != 1 or filled[0][0] not in table.ids or len(filled[0][1].split()) < _MANY_WORDS:
        return ""
    return (
        "is alone in its line, where an id should be: a footer, or a row that has lost its delimiters "
        "(with them, it is sent)"
    )


def _why_of_the_table(cells: Sequence[str], texts: Sequence[str], header: Sequence[str]) -> str:
    """Why a line is no row by what its table is."""
    if _is_header(texts, header):
        return "repeats the header"
    return "is a line of the report" if isinstance(cells, LoneCell) and is_report(tuple(header)) else ""


@cache
def is_report(header: tuple[str, ...]) -> bool:
    """Whether the columns are those of a system whose reports have lines of one cell around their rows."""
    return any(system.lines for system in recognize_any(header).systems)


def _is_total(texts: Sequence[str], filled: Sequence[int], table: TableFacts) -> bool:
    first, *others = filled
    is_named = texts[first].removesuffix(":").rstrip().casefold() in _TOTALS
    is_summed = bool(others) and table.unsummed.isdisjoint(others)
    return is_named and is_summed and all(_SUM.fullmatch(texts[at]) for at in others)


def _is_header(texts: Sequence[str], header: Sequence[str]) -> bool:
    """Whether cells name their columns. Columns without a name, and repeated ones, were given other names."""
    return len(texts) == len(header) and all(
        folded(text).casefold() == name.casefold()
        or (name == f"column {at}" and not text)
        or (text and name.startswith(f"{text}#"))
        for at, (text, name) in enumerate(zip(texts, header, strict=True), 1)
    )


def _is_footer(text: str, others: int, *, in_place_of_address: bool) -> bool:
    if not in_place_of_address:
        return not others and len(text.split()) >= _MANY_WORDS and bool(_TELLING.match(text))
    # The line can't be sent anyway, so that less is enough.
    if others:
        return others == 1 and text.endswith(":") and bool(_TELLING.match(text))  # `Generated by:`, `Ann Lee`
    return " " in text and bool(_TELLING.match(text) or _TITLE.fullmatch(text))


def row_in_header(header: Iterable[str]) -> str:
    """The name of a column that is an address, so that the first line is no header; "" if there is none."""
    return next((name for name in header if plausible_email(name.partition("#")[0])), "")
