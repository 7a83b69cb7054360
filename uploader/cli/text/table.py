"""A table as lines that fit a width: cells are wrapped between words. Words are broken only
where the columns would not fit with whole ones.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len

_GAP = 2
#: The first column, of names that are one word, takes at most this share of a line that is too short for all.
_FIRST_SHARE = 0.35
#: A column is narrowed to this width before words are broken in others.
_NARROW = 10


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The header and a rule, then the rows. Columns without a single text are left out. The first cell of a
    row, if it is too long for its column, stands whole on a line of its own.
    """
    used = [at for at in range(len(header)) if not rows or any(row[at] for row in rows)]
    header, rows = [header[at] for at in used], [[row[at] for at in used] for row in rows]
    widths = _widths([header, *rows], width)
    rule = ["-" * one for one in widths]
    return [line for row in (header, rule, *rows) for line in _row_lines(row, widths)]


def number_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The header and the rows, each a name and numbers."""
    table = [header, *rows]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    return [
        name + " " * (widths[0] - cell_len(name)) + "".join(map(_right_aligned, numbers, widths[1:]))
        for name, *numbers in table
    ]


def _right_aligned(cell: str, width: int) -> str:
    return " " * (_GAP + width - cell_len(cell)) + cell


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    least = [max(_longest_word(cell) for cell in column) for column in columns]
    room = width - _GAP * (len(columns) - 1)
    first = min(int(width * _FIRST_SHARE), room - sum(least[1:]))
    least[0] = min(widths[0], max(cell_len(columns[0][0]), first))
    least = _narrowed(least, [min(one, _NARROW) for one in least], room)
    return _narrowed(widths, least, room)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths, of which the widest are narrowed until all fit into the room; `least`: down to these."""
    widths = list(widths)
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
    """The words of a cell in lines of this width, as terminals count it; a longer word is broken."""
    lines = [""]
    for part in (part for word in cell.split() for part in _pieces(word, width)):
        longer = f"{lines[-1]} {part}" if lines[-1] else part
        if lines[-1] and cell_len(longer) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word in pieces of this width. `rich.cells.chop_cells` turns them round in rich 12."""
    piece = ""
    for character in word:
        if piece and cell_len(piece + character) > width:
            yield piece
            piece = ""
        piece += character
    yield piece
