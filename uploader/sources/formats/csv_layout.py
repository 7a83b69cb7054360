"""What the head of a CSV file shows about all its rows: how they are split, and what a row looks like."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

#: What `csv.reader` takes as one cell.
_MOST_CHARACTERS = csv.field_size_limit()


@dataclass(frozen=True, slots=True)
class Layout:
    """What the head of a file shows about all its rows."""

    delimiter: str
    width: int  #: the header's number of cells
    #: Columns whose cells distinguish a row from text: index, and content ("@", "9").
    marker_columns: tuple[tuple[int, str], ...] = ()

    def cells(self, text: str) -> list[str]:
        """The cells of one row's text; raises `csv.Error`.

        Most rows have quotes around no cell or around all of them. They are split, since `csv.reader` looks
        at each character.
        """
        if '"' not in text:
            if "\r" not in text and "\n" not in text:
                return text.split(self.delimiter)
        elif text[0] == text[-1] == '"' and 1 < len(text) <= _MOST_CHARACTERS:
            cells = text[1:-1].split(f'"{self.delimiter}"')
            if len(cells) == self.width:
                joined = self.delimiter.join(cells)
                if '"' not in joined:
                    return cells
                # A cell that holds `","` was cut in two, and each part has a quote that is not doubled.
                if '"' not in joined.replace('""', ""):
                    return [cell.replace('""', '"') for cell in cells]
        if self.has_spaced_quote(text):
            try:
                return next(self.reader((text,), spaced=True))
            except csv.Error as error:
                if str(error).startswith("unexpected end"):
                    raise  # it goes on in the next line
        return next(self.reader((text,)))

    def reader(self, lines: Iterable[str], *, spaced: bool = False) -> Iterator[list[str]]:
        """`csv.reader` for this file. `spaced`: blanks before cells, and so before quotes, are skipped."""
        return csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=spaced)

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
