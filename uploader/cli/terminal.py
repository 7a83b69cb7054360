"""Lines as they are printed on a stream: those of `text.terminal_lines` on a terminal, else as they are."""

import os
import sys
from typing import TextIO

from uploader.cli.text.terminal_lines import broken_lines, coloured


def shown_on(stream: TextIO, line: str) -> str:
    """The line as it is printed. ValueError if the stream is closed."""
    if not stream.isatty():
        return line
    lines = broken_lines(line, _width(stream))
    return "\n".join(map(coloured, lines) if has_colours(stream) else lines)


def has_colours(stream: TextIO) -> bool:
    """Whether the stream shows colours. None does where messages go to no terminal."""
    is_wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return is_wanted and stream.isatty() and sys.stderr.isatty()


def _width(stream: TextIO) -> int:
    """The width of the terminal; 0 if it is not known."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0
