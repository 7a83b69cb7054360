"""Reads the head of a CSV file: delimiter, columns, where rows begin, marker columns.

The delimiter is one of four: the one that gives the best header, and as many cells in the next lines.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from uploader.errors import SourceError
from uploader.model.column_names import folded
from uploader.model.rows import Mark
from uploader.records.values.wrappings import cell_text
from uploader.sources.bytes.encodings import marks_at_start, not_utf8_text
from uploader.sources.formats.csv_layout import Layout, holds
from uploader.sources.formats.csv_quotes import CONTINUATION_LINES

DELIMITERS = (",", ";", "\t", "|")

#: The header is looked for in so many lines below a title.
_LOOKED_AT = 20
#: A header with more lines than this has a stray quote.
_HEADER_LINES = 20
#: Enough lines to see what columns hold, and fast.
_SAMPLE_LINES = 1000
_SAMPLE_LEAST = 3
_COMPARED_ROWS = 100
#: A column is a marker column if at least half of the sampled rows have a cell in it, and of these nearly all
#: are of one kind: an address column has its "n/a" too.
_FILLED, _ALIKE = 0.5, 0.9

_KINDS = ("@", "9")


@dataclass(frozen=True, slots=True)
class Head:
    layout: Layout
    columns: tuple[str, ...]
    body: Mark  #: where the first row can begin


@dataclass(frozen=True, slots=True)
class _Guess:
    """The header, split by one delimiter."""

    delimiter: str
    cells: list[str]
    lines: int
    matching: float  #: share of the next lines with as many cells

    @property
    def rank(self) -> tuple[bool, float, bool, int]:
        return len(self.cells) > 1, self.matching, not self.is_spaced, len(self.cells)

    @property
    def is_spaced(self) -> bool:
        return any(cell[:1] == " " for cell in self.cells[1:])  # "Last, First" is one name

    @property
    def filled(self) -> int:
        return sum(map(bool, map(str.strip, self.cells)))


def read_head(name: str, sample: bytes, line_end: bytes, delimiter: str | None) -> Head:
    """Read the head. `sample`: the beginning of the content in whole lines, not all of them blank."""
    skipped = marks_at_start(sample)
    pieces = [piece + line_end for piece in sample[skipped:].split(line_end, _SAMPLE_LINES)[:_SAMPLE_LINES]]
    at = _first_filled(pieces, 0)
    if hinted := _hinted_delimiter(pieces[at]):
        delimiter = delimiter or hinted
        at = _first_filled(pieces, at + 1)
    if at == len(pieces):
        raise SourceError(f"{name}: has no header; the first line of CSV must name the columns")
    lines = list(_decoded(name, pieces, at))
    guess = _best_guess(name, lines, at + 1, delimiter)
    _refuse_title(name, lines, at + 1, guess, delimiter)
    layout = Layout(guess.delimiter, len(guess.cells))
    marker_columns = tuple(_find_marker_columns(layout, lines[guess.lines :]))
    body = at + guess.lines
    offset = min(skipped + sum(map(len, pieces[:body])), len(sample))
    return Head(
        Layout(layout.delimiter, layout.width, marker_columns),
        name_columns(guess.cells),
        Mark(offset, body + 1),
    )


def _first_filled(pieces: list[bytes], at: int) -> int:
    return next((i for i in range(at, len(pieces)) if pieces[i].strip()), len(pieces))


def _hinted_delimiter(line: bytes) -> str | None:
    """The delimiter in Excel's hint, a first line such as `sep=;`; else None."""
    hint = line.strip(b'"\r\n').decode(errors="replace")
    # A program that saves the file again fills the hint up with delimiters.
    return hint[4] if len(set(hint[4:])) == 1 and hint.lower().startswith("sep=") else None


def _decoded(name: str, pieces: list[bytes], at: int) -> Iterator[str]:
    """The header's line and the lines after it, decoded; some may be broken."""
    try:
        yield pieces[at].decode()
    except UnicodeDecodeError as error:
        line = pieces[at].strip(b"\r\n")
        raise SourceError(not_utf8_text(name, [(f"{at + 1}, the header", line)])) from error
    for piece in pieces[at + 1 :]:
        yield piece.decode(errors="replace")


def _best_guess(name: str, lines: list[str], number: int, delimiter: str | None) -> _Guess:
    """The header, by the delimiter that suits the lines best. SourceError if none can split it."""
    candidates = (delimiter,) if delimiter else DELIMITERS
    guesses = [guess for candidate in candidates if (guess := _guess(lines, candidate))]
    # If one delimiter can't split the header, another that is not in it proves nothing.
    if not guesses or (len(guesses) < len(candidates) and all(len(guess.cells) == 1 for guess in guesses)):
        raise SourceError(
            f"{name}: a quote in the header (line {number}) is not closed, or text follows it; correct the "
            "header"
        )
    return max(guesses, key=lambda guess: guess.rank)  # the first of equals, in the order of `DELIMITERS`


def _refuse_title(name: str, lines: list[str], number: int, title: _Guess, delimiter: str | None) -> None:
    """SourceError if the first line does not fit the table below it."""
    if title.matching and (title.filled > 1 or _names_all_but_an_index(title.cells)):
        return
    for at in range(title.lines, min(len(lines), _LOOKED_AT)):
        for candidate in (delimiter,) if delimiter else DELIMITERS:
            head = _guess(lines[at:], candidate)
            if head and _is_below_title(head, title, lines[at + head.lines :]):
                cells = "one cell" if title.filled == 1 else f"{title.filled} cells"
                raise SourceError(
                    f"{name}: line {number} has {cells} and line {number + at} has more, so it looks like a "
                    f"title; delete the lines above the header (tail -n +{number + at} OLD > NEW)"
                )


def _names_all_but_an_index(cells: Sequence[str]) -> bool:
    """Whether the first column alone has no name, as pandas writes an index."""
    return len(cells) > 1 and not cells[0].strip() and all(cell.strip() for cell in cells[1:])


def _is_below_title(head: _Guess, title: _Guess, below: list[str]) -> bool:
    """Whether a line is the header of the lines below it, if the line above all of them may be a title."""
    is_table = head.filled > title.filled and head.matching >= _ALIKE and not head.is_spaced
    if not is_table or any(holds(cell, kind) for cell in head.cells for kind in _KINDS):
        return False
    # A header that lacks a name has fewer cells than the rows, too.
    layout = Layout(head.delimiter, len(head.cells))
    return title.filled == 1 or next(_find_marker_columns(layout, below), None) is not None


def _guess(lines: list[str], delimiter: str) -> _Guess | None:
    """The header split by this delimiter; None if it cannot be."""
    layout = Layout(delimiter, 0)
    is_spaced = any(map(layout.has_spaced_quote, lines[:_HEADER_LINES]))
    reader = csv.reader(lines[:_HEADER_LINES], delimiter=delimiter, strict=True, skipinitialspace=is_spaced)
    try:
        cells = next(reader)
    except csv.Error:
        return None
    taken = reader.line_num
    # A stray quote in the header pulls rows into it, and rows have addresses.
    if any("@" in line for line in lines[1:taken]):
        return None
    rows = list(islice(_rows(lines[taken:], delimiter), _COMPARED_ROWS))
    matching = sum(len(row) == len(cells) for row in rows) / max(1, len(rows))
    return _Guess(delimiter, cells, taken, matching)


def _rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    """Rows split as if all quotes were correct, which is enough to see what columns hold."""
    at = 0
    while at < len(lines):
        reader = csv.reader(islice(lines, at, at + CONTINUATION_LINES), delimiter=delimiter, strict=True)
        try:
            if any(map(str.strip, cells := next(reader))):
                yield cells
            at += reader.line_num
        except csv.Error:
            at += 1


def _find_marker_columns(layout: Layout, lines: list[str]) -> Iterator[tuple[int, str]]:
    rows = [cells for cells in _rows(lines, layout.delimiter) if len(cells) == layout.width]
    if len(rows) < _SAMPLE_LEAST:
        return
    for index, column in enumerate(zip(*rows, strict=True)):
        filled = [cell for cell in column if cell]
        if len(filled) < _FILLED * len(rows):
            continue
        for kind in _KINDS:
            if sum(holds(cell, kind) for cell in filled) >= _ALIKE * len(filled):
                yield index, kind


def name_columns(cells: Iterable[str]) -> tuple[str, ...]:
    """The header's names, folded and made unique: a later `email` becomes `email#2`, a blank `column 5`."""
    wanted = [folded(cell_text(cell)) or f"column {position}" for position, cell in enumerate(cells, 1)]
    given: dict[str, None] = {}
    for name in wanted:
        unique, repeat = name, 1
        # A name in the header itself stays with its column.
        while unique in given or (repeat > 1 and unique in wanted):
            repeat += 1
            unique = f"{name}#{repeat}"
        given[unique] = None
    return tuple(given)
