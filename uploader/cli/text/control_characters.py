"""Remove control characters from what is printed: cells, keys and messages may come from anybody.

Escape codes set titles, move the cursor and hide text; direction marks reorder a line; a line break makes two
lines of one. Every text is cleaned here before it is printed; `--json` stays valid JSON. Nothing is printed
here.
"""

import json
import re
from typing import TextIO

import orjson

from uploader.model.foreign_texts import harmless

#: To be looked at: controls, formats (bidi, zero width) and private use are among them.
_JSON_UNSAFE = re.compile(r"[^\x20-\x7e\n]")


def harmless_json(document: object) -> bytes:
    """JSON with unprintable characters escaped; it decodes to the same document."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # a file name of bytes that are no UTF-8, a number of more than 64 bits
        text = json.dumps(document, indent=2)
    return (_JSON_UNSAFE.sub(_escaped, text) + "\n").encode()


def json_line(document: object) -> bytes:
    """JSON on one line, for any texts and numbers."""
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
    """A stream that replaces unprintable characters. Use it for terminals only, not for files or pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write("\n".join(harmless(line) for line in text.splitlines()) + _line_end(text))


def _line_end(text: str) -> str:
    return "\n" if text.endswith("\n") else ""
