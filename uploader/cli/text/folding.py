"""Texts and commands in lines that fit a terminal. No word and no quoted value is broken."""

import re
from collections.abc import Iterable, Iterator

from rich.cells import cell_len

#: A word; a value in double quotes stays in one piece, and so does an option with it.
_WORD = re.compile(r'(?:--[a-z-]+ (?="))?(?:"[^"]*"|\S)+')
#: A word of a shell: a value in quotes of either kind stays in one piece, and so does an escaped character.
_SHELL_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'])+""")
#: What stands before the text of a line: blanks, and a count.
_LEAD = re.compile(r" *(?:[\d,]+  )?")
_CONTINUED, _INDENT = " \\", "    "
_PROGRAM = " uploader "


def folded(line: str, width: int) -> list[str]:
    """The line in lines of this width, those after the first below its text."""
    if cell_len(line) <= width:
        return [line]
    lead = _LEAD.match(line)
    begin = lead[0] if lead else ""
    indent = " " * (len(begin) if begin.strip() else len(begin) + 2)
    words = (word[0] for word in _WORD.finditer(line, len(begin)))
    return list(_filled(words, width, begin, indent))


def folded_command(line: str, width: int) -> list[str]:
    """A line that ends with a command, in lines of this width. The command can still be pasted as it is."""
    if cell_len(line) <= width or _PROGRAM not in line:
        return folded(line, width)
    text, _, words = line.partition(_PROGRAM)
    command = f"{_PROGRAM.strip()} {words}"
    found = [word[0] for word in _SHELL_WORD.finditer(command)]
    if " ".join(found) != command:  # it holds quotes of another kind
        return [*folded(text, width), f"  {command}"]
    lines = list(_filled(found, width - len(_CONTINUED), "  ", _INDENT))
    return [*folded(text, width), *(f"{one}{_CONTINUED}" for one in lines[:-1]), lines[-1]]


def _filled(words: Iterable[str], width: int, first: str, indent: str) -> Iterator[str]:
    line, is_empty = first, True
    for word in words:
        longer = f"{line}{word}" if is_empty else f"{line} {word}"
        if not is_empty and cell_len(longer) > width:
            yield line
            longer = f"{indent}{word}"
        line, is_empty = longer, False
    yield line


def cut(text: str, width: int) -> str:
    """The text, shortened to this width if it is longer."""
    if cell_len(text) <= width:
        return text
    kept = text[: max(1, width - len(_MORE))]
    while kept and cell_len(kept) > width - len(_MORE):
        kept = kept[:-1]
    return f"{kept.rstrip()}{_MORE}"


def cut_at_word(text: str, width: int) -> str:
    """The text without the words that do not fit this width, and without an open bracket."""
    if cell_len(text) <= width:
        return text
    room, kept = width - len(_MORE) - 1, ""
    for word in _WORD.finditer(text):
        if cell_len(text[: word.end()]) > room:
            break
        kept = text[: word.end()]
    if kept.count("(") > kept.count(")"):
        kept = kept[: kept.rindex("(")]
    return f"{kept.rstrip(' ,;:')} {_MORE}" if kept.strip() else cut(text, width)


_MORE = "..."
