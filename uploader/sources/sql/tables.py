"""A table by its name: the statement that reads it, by the order of its primary key.

Raise `SourceError` for a table that is not there, with near names, and for one without a lasting order.
"""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from uploader.errors import SourceError
from uploader.sources.sql.connection import Database
from uploader.sources.sql.statement import OrderColumn, Statement

if TYPE_CHECKING:
    from sqlalchemy import Inspector

#: How many tables an error lists.
_LISTED = 8


def statement_of_table(database: Database, table: str) -> Statement:
    """The statement that reads all rows of a table or view, in the order of its primary key."""
    import sqlalchemy as sa  # noqa: PLC0415  # only sources that need it pay for it

    with database.connected() as connection:
        inspector = sa.inspect(connection)
        name, schema = _find(database, inspector, table)
        key = [str(one) for one in inspector.get_pk_constraint(name, schema)["constrained_columns"] or ()]
        is_table = name in inspector.get_table_names(schema)
    quote = database.dialect.identifier_preparer.quote
    whole = ".".join(quote(part) for part in (schema, name) if part)
    unordered = f"SELECT * FROM {whole}"  # noqa: S608  # quoted by the dialect
    if key:
        order = ", ".join(map(quote, key))
        columns = tuple(OrderColumn(column, is_exact=True) for column in key)
        return Statement(f"{unordered} ORDER BY {order}", is_ordered=True, unordered=unordered, order=columns)
    if is_table and database.dialect.name == "sqlite":
        return Statement(f"{unordered} ORDER BY rowid", is_ordered=True)
    raise SourceError(
        f"{database.name}: {table} has no primary key, so its rows have no order in which a killed run could "
        f"go on; give --query '{unordered} ORDER BY ...' with columns that identify a row, and no table"
    )


def no_table_error(database: Database) -> SourceError:
    """The error for a URL without a table, where no query is given."""
    with database.connected() as connection:
        import sqlalchemy as sa  # noqa: PLC0415  # as above

        names = _names(sa.inspect(connection), None)
    example = names[0] if names else "customers"
    sign = "&" if "?" in database.name else "?"
    return SourceError(
        f"{database.name}: names no table; add {sign}table={example} to the URL, or give --query "
        f'"SELECT ..."{_listed(names)}'
    )


def _find(database: Database, inspector: "Inspector", table: str) -> tuple[str, str | None]:
    """The name of a table and of its schema; None for the default one."""
    schema, _, bare = table.rpartition(".")
    if inspector.has_table(table) or table in _names(inspector, None):
        return table, None
    if schema and (inspector.has_table(bare, schema) or bare in _names(inspector, schema)):
        return bare, schema
    names = _names(inspector, schema or None)
    near = _near(bare, names)
    meant = f"did you mean {' or '.join(near)}?" if near else f"check its name{_listed(names)}"
    raise SourceError(f"{database.name}: there is no table {table}; {meant}")


def _names(inspector: "Inspector", schema: str | None) -> list[str]:
    return sorted({*inspector.get_table_names(schema), *inspector.get_view_names(schema)})


def _near(name: str, names: Sequence[str]) -> list[str]:
    by_case = {one.casefold(): one for one in names}
    return [by_case[one] for one in difflib.get_close_matches(name.casefold(), by_case, 3, 0.6)]


def _listed(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f" (tables: {', '.join(names[:_LISTED])}{more})"
