"""Rows as sources give them, and what can be wrong with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source where reading can start: the first byte of a row, or in a JSON array what
    follows the row before.
    """

    #: Bytes from the start of the content (unpacked, in UTF-8); of Parquet, Excel and SQL, the row's number.
    offset: int = 0
    line: int = 1  #: `Row.number` of a row that begins there
    digest: str = field(default="", compare=False)  #: of all content before it, if that may change
    key: str = field(default="", compare=False)  #: of the row before it, where a query can go on behind that


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Takes the place of a row's content, or of a single value from a program, that cannot be read.
    `reason` is for the user.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class PartlyReadable(Unreadable):
    """Takes the place of cells of which some can't be read. `reason` is that of the first."""

    cells: Sequence[str]  #: blank where they can't be read
    reasons: Mapping[int, str]  #: by cell


#: The category of an unreadable row: its dead letter has bytes and no cells.
UNREADABLE = "UNREADABLE"

#: The category of a single cell that cannot be read.
UNREADABLE_CELL = "CELL"

#: The category of a row without any match property. Counted separately.
NO_KEY = "KEY"


class LoneCell(list[str]):
    """The cells of a line of CSV that has one cell, although the header has more: the others are blank."""


#: What a row holds: CSV cells in column order, or the fields of an NDJSON object (numbers as their
#: spelling in the source, booleans as `True`/`False`, null as `None`), or why it can't be read.
Content = Sequence[str] | Mapping[str, object] | Unreadable


def readable(content: Content) -> Content:
    """What of a row can be read; an `Unreadable` if nothing can."""
    return content.cells if isinstance(content, PartlyReadable) else content


class Fault(NamedTuple):
    """What is wrong with a row or with one of its values; for the user."""

    reason: str
    category: str = "INVALID"
    column: str = ""  #: as the source names it, if the fault is in one column
    texts: tuple[str, ...] = ()  #: the values at fault; of several values in one cell, each that is


#: Longer reasons of a row are cut.
_MAX_REASON_CHARACTERS = 1_000


def one_line(reasons: Sequence[str]) -> str:
    """Return reasons in one line, shortened if they are long."""
    text = " ".join("; ".join(reasons).split())
    return text if len(text) <= _MAX_REASON_CHARACTERS else f"{text[:_MAX_REASON_CHARACTERS]}..."


class Row(msgspec.Struct, gc=False):
    """One row as the source has it, before mapping."""

    #: The line an editor shows for the row's first line, or an Excel sheet's own number for it; of a JSON
    #: array and of Parquet, which have no lines or none that tell, the row's ordinal. 1 is the first.
    number: int
    #: The row's bytes as they stand in the source, without the final line end; of Parquet, Excel and SQL, a
    #: JSON array of its cells.
    raw: bytes
    content: Content


@dataclass(slots=True)
class RowSlice:
    """Consecutive rows of one source, before mapping (`records.Slice`: after). `end`: where the next slice
    starts.
    """

    rows: list[Row]
    start: Mark
    end: Mark
