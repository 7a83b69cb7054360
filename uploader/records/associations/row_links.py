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
from collections.abc import Callable, Mapping, Sequence
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
    """What a row has in a link column, where it is not one text."""

    texts: tuple[str, ...] = ()  #: the elements of a list
    fault: str = ""  #: why there is no text


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
        self._places = {column: index for index, column in enumerate(header)}
        self._has_cells = columns is not None
        self._links = [
            _Link(number, one, blank_words.of(one.column))
            for number, one in enumerate(rules.associations)
            if columns is None or one.column in self._places
        ]
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
        found: list[tuple[LinkValue, ...]] = [()] * len(records)
        for link in self._links:
            cells = self._cells(link.column.column, contents)
            known = {cell: self._values(link, cell) if cell else () for cell in set(cells)}
            found = [before + known[cell] for before, cell in zip(found, cells, strict=True)]
        return [
            RowLinks(one.position, one.source, one.row, one.id_property, one.key, values)
            for one, values in zip(records, found, strict=True)
            if values
        ]

    def _cells(self, column: str, contents: Sequence[Content]) -> list[str | _Cell]:
        """Return what each row has in a column."""
        if not self._has_cells:
            return [_field(column, content) for content in contents]
        place = self._places[column]
        return [_cell(place, content) for content in contents]

    def _values(self, link: "_Link", cell: str | _Cell) -> tuple[LinkValue, ...]:
        """Return the values of a cell, each with why it names no record or ""."""
        column, texts = link.column, [cell] if isinstance(cell, str) else cell.texts
        if isinstance(cell, _Cell) and cell.fault:
            return (LinkValue(link.number, 0, "", cell.fault),)
        if column.separator:
            texts = [part for text in texts for part in _parts(text, column.separator)]
        kept = [
            text
            for text in self._replaced(column.column, texts)
            if text and text.lower() not in link.blank_words and not is_nothing(text)
        ]
        return tuple(LinkValue(link.number, at, *_judged(column, text)) for at, text in enumerate(kept))


class _Link(NamedTuple):
    """A link column of the source."""

    number: int  #: in the job's settings
    column: LinkColumn
    blank_words: frozenset[str]


def _parts(text: str, separator: str) -> list[str]:
    """Return the trimmed parts of a text. Blanks of the separator that were trimmed off its ends count."""
    before = separator[: len(separator) - len(separator.lstrip())]
    after = separator[len(separator.rstrip()) :]
    return [part.strip() for part in f"{before}{text}{after}".split(separator)]


def _cell(place: int, content: Content) -> str | _Cell:
    if type(content) is list:
        text: str = content[place]
        return text.strip()
    if isinstance(content, PartlyReadable) and place in content.reasons:
        return _Cell(fault=content.reasons[place])
    cells = readable(content)
    return cells[place].strip() if isinstance(cells, Sequence) else ""


def _field(column: str, content: Content) -> str | _Cell:
    """What a row that names its own fields has under this name."""
    if not isinstance(content, Mapping):
        return ""
    nested = content.get("properties")
    for fields in (content, nested if isinstance(nested, Mapping) else {}):
        names = [column] if column in fields else [name for name in fields if folded(name) == column]
        for name in names:
            if cell := _spelled(name, fields[name]):
                return cell
    return ""


def _spelled(name: str, value: object) -> str | _Cell:
    if isinstance(value, str):
        return value.strip()
    values = value if isinstance(value, list) else [value]
    texts = [None if isinstance(one, list) else spell(one) for one in values]
    if None in texts:
        return _Cell(fault=why_unspelled(name, value).reason)
    given = tuple(filter(None, texts))
    return _Cell(given) if given else ""


def _judged(column: LinkColumn, text: str) -> tuple[str, str]:
    """Return a value as it is looked up, and why it names no record or ""."""
    if "+" in text and has_lost_digits(text):
        return text, LOST_DIGITS.reason
    if (fault := text_fault(text)) is not None:
        return text[:_SHOWN].encode(errors="replace").decode(), fault.reason
    if column.by == OWN_ID and not column.results:
        text = whole[1] if (whole := _WHOLE.fullmatch(text)) else text
        if not _ID.fullmatch(text):
            return text, "is no id of a record in HubSpot, which are numbers"
        return text.lstrip("0") or "0", ""  # as replies have it
    return text, ""
