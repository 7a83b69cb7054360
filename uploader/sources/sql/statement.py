"""What an SQL statement says: whether it only reads, and by which columns it orders its rows.

In    the text of a statement, in any dialect.
Raise `SourceError` for a statement that does not only read.
Rules Where a dialect may read a text in another way, such as a backslash in quotes, nothing is concluded from
      it: the statement has no known order then. The database refuses what is wrong, and what writes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from uploader.errors import SourceError

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\[\]]*\])
    |(?P<word>[^\W\d][\w$\#]*)
    |(?P<number>\d+)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_READING = frozenset(["SELECT", "WITH", "VALUES", "TABLE", "FROM"])
_WRITING = frozenset(["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"])
_ASKED = 'it takes one statement that reads rows, such as "SELECT * FROM customers ORDER BY id"'


@dataclass(frozen=True, slots=True)
class OrderColumn:
    """A column that rows are ordered by, as the statement names it."""

    name: str  #: "" if it is named by its number
    number: int = 0  #: from 1 on; 0 if it is named
    is_exact: bool = False  #: the name is quoted, so its case counts
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that reads rows."""

    text: str
    is_ordered: bool = False  #: it has an ORDER BY
    unordered: str = ""  #: its text without the ORDER BY; "" if that can't be taken away
    order: tuple[OrderColumn, ...] = ()  #: the columns of that ORDER BY; none if they are not known


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    depth: int  # of brackets around it

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else ""


def read_statement(text: str) -> Statement:
    """Read a statement. SourceError if it does not only read, or if there are several."""
    tokens = list(_tokens(text))
    while tokens and tokens[-1].text == ";":
        text = text[: tokens.pop().start]
    text = text.strip()
    first = next((token for token in tokens if token.text != "("), None)
    if first is None:
        raise SourceError(f"--query is empty; {_ASKED}")
    if first.word not in _READING:
        raise SourceError(f"--query begins with {first.text[:40]!r}; {_ASKED}")
    if "\\'" in text:
        return Statement(text, is_ordered=bool(_last_order(tokens)))
    if any(token.text == ";" for token in tokens):
        raise SourceError(f"--query holds several statements; {_ASKED}")
    _refuse_writing(tokens)
    at = _last_order(tokens)
    if not at:
        return Statement(text)
    start = tokens[at].start
    columns = () if _picks_by_order(tokens[:at]) else _order_columns(tokens[at + 2 :], _selected(tokens[:at]))
    return Statement(text, is_ordered=True, unordered=text[:start].strip() if columns else "", order=columns)


def _tokens(text: str) -> Iterator[_Token]:
    depth = 0
    for found in _TOKEN.finditer(text):
        kind = next(name for name, part in found.groupdict().items() if part is not None and name != "tag")
        if kind == "blank":
            continue
        depth -= found[0] == ")"
        yield _Token(kind, found[0], found.start(), depth)
        depth += found[0] == "("


def _refuse_writing(tokens: Sequence[_Token]) -> None:
    for before, token in pairwise(tokens):
        # What writes begins a part in brackets, or follows the part of a WITH.
        writes = token.word in _WRITING and before.text in {"(", ")"}
        if writes or (token.word == "INTO" and token.depth == 0):
            raise SourceError(f"--query writes ({token.word}); {_ASKED}")


def _last_order(tokens: Sequence[_Token]) -> int:
    """The index of the outermost ORDER BY; 0 if there is none."""
    pairs = pairwise(tokens)
    found = [
        at for at, (one, two) in enumerate(pairs) if (one.word, two.word) == ("ORDER", "BY") and not one.depth
    ]
    return found[-1] if found else 0


def _picks_by_order(tokens: Sequence[_Token]) -> bool:
    """Whether the order decides which rows there are: `SELECT DISTINCT ON (email)`, `SELECT TOP 10`."""
    for at, token in enumerate(tokens):
        if token.depth or token.word != "SELECT":
            continue
        words = [one for one in tokens[at + 1 : at + 4] if one.word not in {"ALL", "DISTINCT"}]
        what, *following = words or [token]
        counts = bool(following) and (following[0].kind == "number" or following[0].text == "(")
        if what.word == "ON" or (what.word in {"TOP", "FIRST", "SKIP", "LIMIT"} and counts):
            return True
    return False


def _selected(tokens: Sequence[_Token]) -> frozenset[str]:
    """What the outermost SELECT returns, an item each, in small letters and without blanks."""
    outer = [at for at, token in enumerate(tokens) if not token.depth and token.word in {"SELECT", "FROM"}]
    start = next((at for at in reversed(outer) if tokens[at].word == "SELECT"), None)
    if start is None:
        return frozenset()
    end = next((at for at in outer if at > start), len(tokens))
    return frozenset(
        "".join(token.text for token in item).lower() for item in _items(tokens[start + 1 : end])
    )


def _items(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    """The tokens between outer commas."""
    item: list[_Token] = []
    for token in tokens:
        if token.text == "," and not token.depth:
            yield item
            item = []
        else:
            item.append(token)
    yield item


def _order_columns(tokens: Sequence[_Token], selected: frozenset[str]) -> tuple[OrderColumn, ...]:
    """The columns of an ORDER BY; none if one of them is no column that the statement certainly returns."""
    columns = [_order_column(item, selected) for item in _items(tokens)]
    known = tuple(column for column in columns if column is not None)
    return known if len(known) == len(columns) else ()


def _order_column(item: Sequence[_Token], selected: frozenset[str]) -> OrderColumn | None:
    tokens = list(item)
    is_descending = bool(tokens) and tokens[-1].word == "DESC"
    if tokens and tokens[-1].word in {"ASC", "DESC"}:
        tokens.pop()
    kinds = [token.kind if token.kind != "quoted" else "word" for token in tokens]
    if kinds == ["number"]:
        return OrderColumn("", int(tokens[0].text), is_descending=is_descending)
    if not kinds or kinds[::2] != ["word"] * len(kinds[::2]) or {t.text for t in tokens[1::2]} - {"."}:
        return None
    if len(kinds) % 2 == 0:
        return None
    if len(tokens) > 1:
        # The table's column, which an output column of the same name need not be.
        of_all = "".join(token.text for token in [*tokens[:-1]]).lower() + "*"
        whole = "".join(token.text for token in tokens).lower()
        if not {"*", of_all, whole} & selected:
            return None
    last = tokens[-1]
    if last.kind == "quoted":
        close = {"[": "]"}.get(last.text[0], last.text[0])
        return OrderColumn(
            last.text[1:-1].replace(close * 2, close), is_exact=True, is_descending=is_descending
        )
    return OrderColumn(last.text, is_descending=is_descending)


def find_columns(order: Sequence[OrderColumn], columns: Sequence[str]) -> tuple[int, ...]:
    """The indexes of the columns that rows are ordered by; none if one is not found, or found twice."""
    found = [_places(column, columns) for column in order]
    return tuple(places[0] for places in found) if all(len(places) == 1 for places in found) else ()


def _places(column: OrderColumn, columns: Sequence[str]) -> list[int]:
    if column.number:
        return [column.number - 1] if column.number <= len(columns) else []
    exact = [at for at, name in enumerate(columns) if name == column.name]
    if exact or column.is_exact:
        return exact
    return [at for at, name in enumerate(columns) if name.casefold() == column.name.casefold()]
