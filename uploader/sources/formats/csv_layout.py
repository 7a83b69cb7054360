"""What the head of a CSV file shows about all its rows: how they are split, and what a row looks like."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import _csv

#: What `csv.reader` takes as one cell.
_MOST_CHARACTERS = csv.field_size_limit()


@lru_cache(16)
def _dialect(delimiter: str, spaced: bool) -> "_csv.Dialect":
    """The rules of a reader. To make them takes longer than to read a row."""
    return csv.reader((), delimiter=delimiter, strict=True, skipinitialspace=spaced).dialect


@dataclass(frozen=True, slots=True)
class Layout:
    """What the head of a file shows about all its rows."""

    delimiter: str
    width: int  #: the header's number of cells
    #: Columns whose cells distinguish a row from text: index, and content ("@", "9").
    marker_columns: tuple[tuple[int, str], ...] = ()

    def rows_alone(self, texts: Sequence[str]) -> list[list[str] | None]:
        """The cells of each line, taken alone; None where it is no row as wide as the header.

        Most lines have quotes around no cell or around all of them. They are split, all at once, since
        `csv.reader` looks at each character.
        """
        joined, delimiter, between = "".join(texts), self.delimiter, f'"{self.delimiter}"'
        is_long = len(joined) > _MOST_CHARACTERS and max(map(len, texts)) > _MOST_CHARACTERS
        if is_long or self.width == 1 or "\r" in joined or "\n" in joined:
            rows = [self.cells_alone(text) if text.strip() else [] for text in texts]
        elif '"' in joined:
            parts = [
                text[1:-1].split(between) if text and text[0] == text[-1] == '"' else text.split(delimiter)
                for text in texts
            ]
            pairs = zip(texts, parts, strict=True)
            rows = [self._with_quotes(text, one) if '"' in "".join(one) else one for text, one in pairs]
        else:
            rows = [text.split(delimiter) for text in texts]
        return [row if len(row) == self.width else None for row in rows]

    def _with_quotes(self, text: str, parts: Sequence[str]) -> list[str]:
        """The cells of a line with other quotes than those around its cells. `parts`: how it was split."""
        if text[0] == text[-1] == '"' and len(parts) == self.width:
            joined = "\n".join(parts)
            # A cell that holds `","` was cut in two, and each part has a quote that is not doubled.
            if '"' not in joined.replace('""', ""):
                return joined.replace('""', '"').split("\n")
        return self.cells_alone(text)

    def cells_alone(self, text: str) -> list[str]:
        """The cells of a line by itself; none if a quote in it is not closed."""
        try:
            return self.cells(text)
        except csv.Error:
            return []

    def cells(self, text: str) -> list[str]:
        """The cells of one row's text; raises `csv.Error`."""
        if '"' not in text and "\r" not in text and "\n" not in text:
            return text.split(self.delimiter)
        if self.has_spaced_quote(text):
            try:
                return next(self.reader((text,), spaced=True))
            except csv.Error as error:
                if str(error).startswith("unexpected end"):
                    raise  # it goes on in the next line
        return next(self.reader((text,)))

    def reader(self, lines: Iterable[str], *, spaced: bool = False) -> "_csv.Reader":
        """`csv.reader` for this file. `spaced`: blanks before cells, and so before quotes, are skipped."""
        return csv.reader(lines, _dialect(self.delimiter, spaced))

    def has_spaced_quote(self, text: str) -> bool:
        """Whether a cell begins with a blank and a quote, as in `a, "b"`, where the quote is no text."""
        return f'{self.delimiter} "' in text or text[:2] == ' "'

    def is_row(self, cells: Sequence[str]) -> bool:
        """Whether the cells of a line, taken alone, look like a row of this file."""
        if len(cells) != self.width:
            return False
        return self.has_markers(cells) if self.marker_columns else self.width > 1

    def has_markers(self, cells: Sequence[str], first: int = 0) -> bool:
        """Whether marker columns have cells, from column `first` on, and all hold what they should."""
        found = [
            holds(cells[index], what)
            for index, what in self.marker_columns
            if first <= index < len(cells) and cells[index]
        ]
        return bool(found) and all(found)


def holds(cell: str, what: str) -> bool:
    """Whether a cell has the content of a marker column: an "@", or only digits ("9")."""
    return "@" in cell if what == "@" else cell.isdecimal()
