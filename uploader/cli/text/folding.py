"""Texts and commands in lines that fit a terminal. No word and no quoted value is broken."""

import re
from itertools import pairwise

from rich.cells import cell_len

#: An entry of a TOML file, which means nothing in two lines; of an array, its begin.
_ENTRY = r'(?:"[^"]*"|[\w-]+) = (?:\{[^{}]*\}\S*|"[^"]*"\S*|\S+)'
#: A command within a sentence.
_QUOTED_COMMAND = r"\S*`[^`]+`\S*"
#: A word; a number stays beside its unit.
_WORD = re.compile(rf"{_ENTRY}|{_QUOTED_COMMAND}|\d\S* (?:s|min|h|%)(?!\w)\S*|\S+")
#: A word; a value in double quotes stays in one piece, and so does an option with it.
_WORD_OR_QUOTED = re.compile(rf'{_ENTRY}|{_QUOTED_COMMAND}|(?:--[a-z-]+ (?="))?(?:"[^"]*"|\S)+')
#: What stands before the text of a line: blanks, and a count.
_LEAD = re.compile(r" *(?:[\d,]+  )?")
_PROGRAM = " uploader "


def folded(line: str, width: int) -> list[str]:
    """The line in lines of this width, those after the first below its text."""
    if cell_len(line) <= width:
        return [line]
    lead = _LEAD.match(line)
    begin = lead[0] if lead else ""
    indent = " " * (len(begin) if begin.strip() else len(begin) + 2)
    return wrapped(line[len(begin) :], width, begin, indent, _WORD_OR_QUOTED)


def folded_command(line: str, width: int) -> list[str]:
    """A line that ends with a command, in lines of this width. The command itself stays in one piece, so that
    it can be pasted: only the terminal breaks it.
    """
    if cell_len(line) <= width or _PROGRAM not in line:
        return folded(line, width)
    text, _, words = line.partition(_PROGRAM)
    return [*folded(text, width), f"  {_PROGRAM.strip()} {words}"]


def wrapped(text: str, width: int, first: str, indent: str, word: re.Pattern[str] = _WORD) -> list[str]:
    """The text in lines of this width, as terminals count it, with the blanks between the words of a line.
    `first`, `indent`: what the first line and the others begin with.
    """
    words = list(word.finditer(text))
    lines, line = list[str](), first + "".join(one[0] for one in words[:1])
    for before, one in pairwise(words):
        longer = f"{line}{text[before.end() : one.start()]}{one[0]}"
        if cell_len(longer) > width:
            lines.append(line)
            longer = f"{indent}{one[0]}"
        line = longer
    return [*lines, line]


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
    for word in _WORD_OR_QUOTED.finditer(text):
        if cell_len(text[: word.end()]) > room:
            break
        kept = text[: word.end()]
    if kept.count("(") > kept.count(")"):
        kept = kept[: kept.rindex("(")]
    return f"{kept.rstrip(' ,;:')} {_MORE}" if kept.strip() else cut(text, width)


_MORE = "..."
