"""A table as lines that fit a width: cells are wrapped between words, and no word is broken."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len

_GAP = 2
#: The first column, of names that are one word, takes at most this share of a line that is too short for all.
_FIRST_SHARE = 0.35


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The header and a rule, then the rows. Columns without a single text are left out. The first cell of a
    row, if it is too long for its column, stands on a line of its own. Words that are longer than a line stay
    whole, too.
    """
    used = [at for at in range(len(header)) if not rows or any(row[at] for row in rows)]
    header, rows = [header[at] for at in used], [[row[at] for at in used] for row in rows]
    widths = _widths([header, *rows], width)
    rule = ["-" * one for one in widths]
    return [line for row in (header, rule, *rows) for line in _row_lines(row, widths)]


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """The text in lines of this width, each with the indent. No word is broken."""
    return textwrap.wrap(
        text,
        max(width, len(indent) + 1),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    least = [max(_longest_word(cell) for cell in column) for column in columns]
    room = width - _GAP * (len(columns) - 1)
    first = min(int(width * _FIRST_SHARE), room - sum(least[1:]))
    least[0] = min(widths[0], max(cell_len(columns[0][0]), first))
    while (over := sum(widths) - room) > 0:
        loose = [place for place, one in enumerate(widths) if one > least[place]]
        if not loose:
            break
        widest = max(loose, key=lambda place: widths[place])
        widths[widest] -= min(over, widths[widest] - least[widest], _step(widths, loose, widest))
    return widths


def _step(widths: Sequence[int], loose: Sequence[int], widest: int) -> int:
    """By how much the widest column is narrowed before the next one is as wide."""
    others = [widths[place] for place in loose if place != widest]
    return max(1, widths[widest] - max(others, default=0))


def _longest_word(cell: str) -> int:
    return max(map(cell_len, cell.split()), default=0)


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    first, *others = row
    if cell_len(first) > widths[0]:
        yield first
        first = ""
    cells = [[first], *(_fold(cell, width) for cell, width in zip(others, widths[1:], strict=True))]
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True))
        yield (" " * _GAP).join(padded).rstrip()


def _fold(cell: str, width: int) -> list[str]:
    """The words of a cell in lines of this width, as terminals count it."""
    lines = [""]
    for word in cell.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
