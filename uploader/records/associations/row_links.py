"""The links of the rows of a slice, column by column.

In    rows as everything looks at them (without wrappings, with blanks for blank words), and the records made
      of them; the settings.
Out   the links of each record that has any, in order.
Raise nothing because of a row.
Rules A blank, a blank word and a word for nothing such as `NULL` give no link. With a separator a cell has
      several values; so has a list in JSON. The user's replacements apply to each value. A value that cannot
      be looked up (a cell that can't be read, an id in E notation) keeps its place, with what is wrong with
      it. What a row's links are never depends on the rows beside it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from uploader.model.associations import LinkColumn, LinkValue, RowLinks
from uploader.model.column_names import folded
from uploader.model.records import OWN_ID, Record
from uploader.model.rows import Content, PartlyReadable, Row, readable
from uploader.records.blank_words import BlankWords
from uploader.records.columns import Columns, Rules
from uploader.records.fields import spell, why_unspelled
from uploader.records.values.convert import text_fault
from uploader.records.values.nothing import is_nothing
from uploader.records.values.wrappings import LOST_DIGITS, has_lost_digits

#: A whole number as programs write it that know only numbers with decimals.
_WHOLE = re.compile(r"([0-9]+)\.0+")
_ID = re.compile(r"[0-9]{1,20}")
#: Characters that are kept of a text which is none.
_SHOWN = 60


class _Cell(NamedTuple):
    """What a row has in a link column."""

    texts: Sequence[str] = ()  #: one, or the elements of a list
    fault: str = ""  #: why there is no text


_BLANK = _Cell()


class RowLinksReader:
    """Reads the links of the rows of one source."""

    def __init__(
        self,
        rules: Rules,
        columns: Columns | None,
        blank_words: BlankWords,
        replaced: Callable[[str, Sequence[str]], Sequence[str]],
    ) -> None:
        """`replaced` returns the texts of a column as the user's tables replace them."""
        header = columns.header if columns else ()
        self._links = [
            (number, one)
            for number, one in enumerate(rules.associations)
            if columns is None or one.column in header
        ]
        self._places = {column: index for index, column in enumerate(header)}
        self._has_cells = columns is not None
        self._blank_words = blank_words
        self._replaced = replaced

    @property
    def has_links(self) -> bool:
        """Whether a row may have a link."""
        return bool(self._links)

    def read(self, first: int, rows: Sequence[Row], records: Sequence[Record]) -> list[RowLinks]:
        """Return the links of the records. `rows`: from position `first` on, those of the records among
        them.
        """
        contents = [rows[record.position - first].content for record in records]
        found: dict[int, list[LinkValue]] = {}
        for number, column in self._links:
            known: dict[_Cell, list[tuple[str, str]]] = {}
            for place, cell in enumerate(self._cells(column.column, contents)):
                if cell is _BLANK:
                    continue
                if cell not in known:
                    known[cell] = list(self._values(column, cell))
                found.setdefault(place, []).extend(
                    LinkValue(number, ordinal, value, fault)
                    for ordinal, (value, fault) in enumerate(known[cell])
                )
        return [
            RowLinks(one.position, one.source, one.row, one.id_property, one.key, tuple(found[place]))
            for place, one in enumerate(records)
            if found.get(place)
        ]

    def _cells(self, column: str, contents: Sequence[Content]) -> Iterator[_Cell]:
        """Yield what each row has in a column."""
        if not self._has_cells:
            return (_field(column, content) for content in contents)
        place = self._places[column]
        return (_cell(place, content) for content in contents)

    def _values(self, column: LinkColumn, cell: _Cell) -> Iterator[tuple[str, str]]:
        """Yield each value of a cell, with why it names no record or ""."""
        if cell.fault:
            yield "", cell.fault
            return
        texts = cell.texts
        if column.separator:
            texts = [part for text in texts for part in text.split(column.separator)]
        texts = self._replaced(column.column, [text.strip() for text in texts])
        words = self._blank_words.of(column.column)
        for text in texts:
            if text and text.lower() not in words and not is_nothing(text):
                yield _judged(column, text)


def _cell(place: int, content: Content) -> _Cell:
    if isinstance(content, PartlyReadable) and place in content.reasons:
        return _Cell(fault=content.reasons[place])
    cells = readable(content)
    text = cells[place].strip() if isinstance(cells, Sequence) else ""
    return _Cell((text,)) if text else _BLANK


def _field(column: str, content: Content) -> _Cell:
    """What a row that names its own fields has under this name."""
    if not isinstance(content, Mapping):
        return _BLANK
    nested = content.get("properties")
    for fields in (content, nested if isinstance(nested, Mapping) else {}):
        names = [column] if column in fields else [name for name in fields if folded(name) == column]
        for name in names:
            if (cell := _spelled(name, fields[name])) is not _BLANK:
                return cell
    return _BLANK


def _spelled(name: str, value: object) -> _Cell:
    values = value if isinstance(value, list) else [value]
    texts = [None if isinstance(one, list) else spell(one) for one in values]
    if None in texts:
        return _Cell(fault=why_unspelled(name, value).reason)
    given = tuple(filter(None, texts))
    return _Cell(given) if given else _BLANK


def _judged(column: LinkColumn, text: str) -> tuple[str, str]:
    """Return a value as it is looked up, and why it names no record or ""."""
    if has_lost_digits(text):
        return text, LOST_DIGITS.reason
    if (fault := text_fault(text)) is not None:
        return text[:_SHOWN].encode(errors="replace").decode(), fault.reason
    if column.by == OWN_ID and not column.results:
        text = whole[1] if (whole := _WHOLE.fullmatch(text)) else text
        return text, "" if _ID.fullmatch(text) else "is no id of a record in HubSpot, which are numbers"
    return text, ""
