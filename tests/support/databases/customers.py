"""Tables of customers in SQLite, and how they are read."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from uploader.sources.open import open_source
from uploader.sources.source import Source

TABLE = "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, firstname TEXT)"


def customer(number: int) -> tuple[int, str, str]:
    return number, f"c{number}@example.com", f"First {number}"


def execute(path: Path, statement: str, rows: Iterable[Sequence[object]] = ()) -> None:
    """Change an SQLite database: one statement for all rows, or alone."""
    with closing(sqlite3.connect(path)) as connection, connection:
        if rows:
            connection.executemany(statement, rows)
        else:
            connection.execute(statement)


def write_sqlite(path: Path, count: int) -> str:
    """Write a database with the table `customers`; the URL of the table."""
    execute(path, TABLE)
    execute(path, "INSERT INTO customers VALUES (?, ?, ?)", map(customer, range(1, count + 1)))
    return f"sqlite:///{path}?table=customers"


def open_customers(url: str, query: str | None = None) -> Source:
    return open_source(url, query=query)


def cells(source: Source, *, start=None, known=()) -> list[list[str]]:
    """The cells of all rows behind a mark."""
    return [list(row.content) for part in source.slices(start, known) for row in part.rows]


def marks(source: Source) -> Iterator[object]:
    """The marks at the ends of all slices."""
    return (part.end for part in source.slices())
