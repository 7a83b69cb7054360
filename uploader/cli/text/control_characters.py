"""What a terminal would obey, taken out of what is printed: cells, keys and messages come from anybody.

Escape codes set titles, move the cursor, hide text; marks of direction turn a line around; a line break makes
two lines of one. Every text passes here on its way out; `--json` stays JSON. Nothing is printed here.
"""

import json
import re
from collections.abc import Iterable
from typing import TextIO

import orjson

#: To be looked at: controls, formats (bidi, zero width) and private use are among them.
_JSON_UNSAFE = re.compile(r"[^\x20-\x7e\n]")


def harmless(text: str) -> str:
    """One line, as wide as it was."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def harmless_json(document: object) -> bytes:
    """JSON with what does not print as escapes: it reads back as the same."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # a file name of bytes that are no UTF-8, a number of more than 64 bits
        text = json.dumps(document, indent=2)
    return (_JSON_UNSAFE.sub(_escaped, text) + "\n").encode()


def json_line(document: object) -> bytes:
    """On one line, whatever texts and numbers there are."""
    try:
        return orjson.dumps(document, default=str)
    except TypeError:
        return json.dumps(document, default=str).encode()


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class HarmlessStream:
    """Stands in for a terminal where rows are listed; to a file or a pipe they go as they are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write("\n".join(harmless(line) for line in text.splitlines()) + _ending(text))


def _ending(text: str) -> str:
    return "\n" if text.endswith("\n") else ""


def all_harmless(lines: Iterable[str]) -> str:
    return "\n".join(harmless(line) for line in lines)
