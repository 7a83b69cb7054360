"""The queries around a statement: its rows counted, and those behind a key, in the statement's order.

The database compares the keys, so its collation decides both on the order and on what is behind a key. The
rows before a key tell where these two disagree, or where the driver does not return the key exactly.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from uploader.sources.sql.trail import Key

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Subquery


class Order(NamedTuple):
    """The columns that rows are ordered by."""

    columns: tuple[int, ...]  #: by index
    descending: tuple[bool, ...]


def count_query(text: str, columns: Sequence[str], order: Order | None) -> "Select[Any]":
    """Count the rows, and of each column of the order the values that are not NULL."""
    import sqlalchemy as sa  # noqa: PLC0415  # only sources that need it pay for it

    rows = _subquery(text, columns)
    keys = [rows.c[columns[at]] for at in order.columns] if order else []
    counts: list[Any] = [sa.func.count(), *map(sa.func.count, keys)]
    return sa.select(*counts).select_from(rows)


def before_query(text: str, columns: Sequence[str], order: Order, key: Key) -> "Select[Any]":
    """Count the rows before a key."""
    import sqlalchemy as sa  # noqa: PLC0415  # as above

    rows = _subquery(text, columns)
    keys = [rows.c[columns[at]] for at in order.columns]
    is_before = sa.not_(_from_key_on(keys, order.descending, key))
    return sa.select(sa.func.count()).select_from(rows).where(is_before)


def page_query(
    text: str, columns: Sequence[str], order: Order, key: Key = (), limit: int | None = None
) -> "Select[Any]":
    """The rows from a key on, those with this very key included; all if there is none."""
    import sqlalchemy as sa  # noqa: PLC0415  # as above

    rows = _subquery(text, columns)
    keys = [rows.c[columns[at]] for at in order.columns]
    query = sa.select(rows)
    if key:
        query = query.where(_from_key_on(keys, order.descending, key))
    ways = zip(keys, order.descending, strict=True)
    query = query.order_by(*(one.desc() if falls else one.asc() for one, falls in ways))
    return query if limit is None else query.limit(limit)


def _subquery(text: str, columns: Sequence[str]) -> "Subquery":
    import sqlalchemy as sa  # noqa: PLC0415  # as above

    # A colon in the statement is no parameter.
    statement = sa.text(text.replace(":", r"\:"))
    return statement.columns(*map(sa.column, columns)).subquery("uploader_rows")


def _from_key_on(
    keys: Sequence["ColumnElement[object]"], descending: Sequence[bool], key: Key
) -> "ColumnElement[bool]":
    """`(a, b) >= (1, 2)` in words that every database has, the first of which an index serves."""
    import sqlalchemy as sa  # noqa: PLC0415  # as above

    # Of no type: the driver knows how the values that it returned are written.
    (column, *others), (falls, *rest) = keys, descending
    value = sa.literal(key[0], sa.types.NullType())
    from_it = column <= value if falls else column >= value
    if not others:
        return from_it
    beyond = column < value if falls else column > value
    return sa.and_(from_it, sa.or_(beyond, _from_key_on(others, rest, key[1:])))
