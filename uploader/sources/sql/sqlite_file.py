"""What to do with an SQLite file that is given as a path: the URL that reads one of its tables."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from uploader.system import sqlite

#: How many tables are listed.
_LISTED = 8


def advice(path: str) -> str:
    """What such a file is, and the URL to give instead, with the names of its tables. Blocks a little."""
    try:
        with closing(
            sqlite.connect(Path(path), "source", lock_seconds=sqlite.SHORT_LOCK_SECONDS)
        ) as connection:
            found = connection.execute(_TABLES).fetchall()
    except (OSError, sqlite3.Error):
        found = []
    names = [str(name) for (name,) in found]
    escaped = path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    url = f"sqlite:///{escaped}?table={quote(names[0] if names else 'NAME')}"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    listed = f" (tables: {', '.join(names[:_LISTED])}{more})" if len(names) > 1 else ""
    return f'is an SQLite database; give the URL of one of its tables instead: "{url}"{listed}'


_TABLES = """
SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY name
"""
