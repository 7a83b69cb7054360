"""What is wrong with a text that is no TOML, in words that name the lines to mend.

In    the text, and the error of `tomllib`.
Out   one line.
Raise nothing.
Rules A key that stands twice is what comes of a `#` that was removed from another choice: both lines are
      named.
"""

import re
import tomllib
from collections.abc import Sequence

_TWICE = re.compile(r"Cannot (?:overwrite a value|declare \(.*\) twice) \(at line (\d+)")
_HEAD = re.compile(r"\s*\[")
#: A key with what it is given, or the name of a table.
_KEY = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[\w.\- ])+?)\s*=|\s*(\[[^\[\]]+\])\s*(?:#|$)""")


def toml_problem(text: str, error: tomllib.TOMLDecodeError) -> str:
    """Such as `not valid TOML: type stands twice (lines 12 and 16): delete one of the two lines`."""
    lines, found = text.splitlines(), _TWICE.match(str(error))
    twice = _twice(lines, int(found[1]) - 1) if found else None
    if twice is None:
        return f"not valid TOML: {error}"
    key, first, second = twice
    which = f"{key} stands twice (lines {first + 1} and {second + 1})"
    return f"not valid TOML: {which}: delete one of the two lines, or put a # before it"


def _twice(lines: Sequence[str], at: int) -> tuple[str, int, int] | None:
    """The key of a line, and the lines that have it; None if no earlier line of its table does."""
    key = _key(lines[at]) if at < len(lines) else ""
    begin = 0
    if not key.startswith("["):  # else a table, which may stand anywhere
        begin = next((place for place in range(at, -1, -1) if _HEAD.match(lines[place])), 0)
    same = [place for place in range(begin, at) if key and _key(lines[place]) == key]
    return (key, same[0], at) if same else None


def _key(line: str) -> str:
    found = _KEY.match(line)
    return (found[1] or found[2]).strip() if found else ""
