"""Names of sources: a path, a pattern of paths or a URL; and which part may be shown and stored.

In    the name as the user wrote it, "-" for standard input.
Out   text.
Raise nothing.
Rules A URL may carry a password, a signature or a token: its query, fragment and user part are never shown,
      logged or stored. URLs of databases: `database_urls`.
"""

import re

from uploader.sources import database_urls

STDIN = "-"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9_+.\-]+(?:::[A-Za-z][A-Za-z0-9_+.\-]+)*://")
_MAGIC = re.compile(r"[*?\[]")


def is_url(name: str) -> bool:
    return _URL.match(name) is not None


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern, unless a file has that very name."""
    return not is_url(name) and _MAGIC.search(name) is not None


def shown(name: str) -> str:
    """The part of a name that may be shown and stored."""
    if database_urls.is_database(name):
        return database_urls.shown(name)
    scheme = _URL.match(name)
    if scheme is None:
        return name
    host, slash, path = re.split(r"[?#]", name[scheme.end() :], maxsplit=1)[0].partition("/")
    return scheme[0] + host.rpartition("@")[2] + slash + path


def stem(name: str) -> str:
    """The path that a job's files are named after, whatever files exist.

    For a URL it is its last part, in the current folder, and of a database the table, too; for a pattern its
    first folder and the pattern as a name.
    """
    if database_urls.is_database(name):
        return database_urls.stem(name)
    if is_url(name):
        return shown(name).rstrip("/").rpartition("/")[2]
    if not is_pattern(name):
        return name
    fixed, rest = "", name
    while "/" in rest and not _MAGIC.search(rest.partition("/")[0]):
        first, _, rest = rest.partition("/")
        fixed += first + "/"
    return fixed + re.sub(r"[*?\[\]/]+", "_", rest)


def matches_nothing_of_ours(name: str) -> bool:
    """Whether a path is not one that a job writes beside its sources."""
    return _OURS.search(name) is None


#: Checkpoints and the files beside them; results files; lists of links, of differences, of what undo kept,
#: and of opt-outs.
_OURS = re.compile(r"\.(?:checkpoint(?:[.\-][^/]*)?|(?:results|links|differences|kept|optouts)\.csv)$")
