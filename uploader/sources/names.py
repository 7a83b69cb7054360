"""How a source is named: a path, a pattern of paths, a URL. What may be shown and kept of it is decided here.

In    what the user wrote, "-" for standard input.
Out   text.
Raise nothing.
Rules A URL may carry a password, a signature or a token: its query, fragment and user part are never shown,
      logged or stored.
"""

import re

STDIN = "-"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(?:::[A-Za-z][A-Za-z0-9+.\-]+)*://")
_MAGIC = re.compile(r"[*?\[]")


def is_url(name: str) -> bool:
    return _URL.match(name) is not None


def is_pattern(name: str) -> bool:
    """Whether a name may stand for several files. That a file has that very name is not seen here."""
    return not is_url(name) and _MAGIC.search(name) is not None


def shown(name: str) -> str:
    """What of a name may be shown and stored."""
    scheme = _URL.match(name)
    if scheme is None:
        return name
    host, slash, path = re.split(r"[?#]", name[scheme.end() :], maxsplit=1)[0].partition("/")
    return scheme[0] + host.rpartition("@")[2] + slash + path


def stem(name: str) -> str:
    """The path that a job's own files are named after: of a URL its last part, in the current folder; of a
    pattern the folder where it begins, and the pattern as a name. It does not depend on what is found there.
    """
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
    """Whether a path is none of those that a job writes beside its sources."""
    return _OURS.search(name) is None


#: Checkpoints with what stands beside them, results, and lists of differences.
_OURS = re.compile(r"\.(?:checkpoint(?:[.\-][^/]*)?|results\.csv|differences\.csv)$")
