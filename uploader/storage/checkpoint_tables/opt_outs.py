"""Addresses of rows that say "opted out", in the checkpoint: each once, in the order in which they were read.

All functions run in the checkpoint's transactions.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from uploader.system.sqlite import has_table

#: Added to checkpoints of earlier versions.
SCHEMA = """
CREATE TABLE IF NOT EXISTS opt_outs (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE);
"""


def add(connection: sqlite3.Connection, addresses: Iterable[str]) -> tuple[list[str], int]:
    """Store addresses. Returns those that were not stored yet, and how many are stored now."""
    put = "INSERT OR IGNORE INTO opt_outs (address) VALUES (?)"
    added = [address for address in addresses if connection.execute(put, (address,)).rowcount]
    return added, count(connection)


def count(connection: sqlite3.Connection) -> int:
    """The number of addresses; 0 in a checkpoint of an earlier version."""
    if not has_table(connection, "opt_outs"):
        return 0
    # None is ever removed, so the last one has the number of all.
    ((last,),) = connection.execute("SELECT max(id) FROM opt_outs")
    return last or 0


def read(connection: sqlite3.Connection) -> Iterator[str]:
    """The addresses, in order."""
    for (address,) in connection.execute("SELECT address FROM opt_outs ORDER BY id"):
        yield address
