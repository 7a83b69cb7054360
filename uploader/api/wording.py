"""Texts that call a setting by its option, as a program reads them: by its keyword.

In    a text of a lower layer, where `--rate` stands for the setting of this name.
Out   the same text with `rate=`. A value that follows is written as Python has it: `ignore=["Notes"]` for
      `--ignore "Notes"`. What is no keyword stays as it is, such as an option of the command line alone.
Rules A word after an option is its value if it is quoted, in capitals, a number, one of the option's choices,
      or before a colon; other words are those of the sentence.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from uploader.errors import UploaderError


class Takes(StrEnum):
    """What a keyword takes, as far as it matters for how its value is written."""

    FLAG = "True or False"
    NAMES = "names"
    TABLE = "a value by column"
    LISTS = "values by column"
    LISTS_OR_NAMES = "values by column, or of all columns"
    VALUE = "a value"


_TOKEN = re.compile(r"\b(?:HUBSPOT_ACCESS_TOKEN)\b")
_OUTPUT = re.compile(r"(?<!\S)-o (?=\S)")
_OPTION = re.compile(
    r"""(?<![\w-])--(?P<option>[a-z][a-z0-9-]*)
    (?:[ ](?:
        (?P<quoted>"[^"]*"|'[^']*')
      | (?P<placeholder>[A-Z][A-Z]+(?:\.[a-z]+)?|[A-Z])\b(?!['\w])
      | (?P<word>[^\s;:()'"`]*[^\s;:()'"`,.])(?P<colon>:)?
    ))?""",
    re.VERBOSE,
)


@contextmanager
def naming_keywords(takes: Mapping[str, Takes], choices: Mapping[str, Collection[str]]) -> Iterator[None]:
    """Within, an error names keywords in place of options."""
    try:
        yield
    except UploaderError as error:
        error.args = tuple(
            in_keywords(one, takes, choices) if isinstance(one, str) else one for one in error.args
        )
        raise


def in_keywords(text: str, takes: Mapping[str, Takes], choices: Mapping[str, Collection[str]]) -> str:
    """The text with keywords in place of options. `choices`: words that a keyword takes."""

    def keyword(found: re.Match[str]) -> str:
        name = found["option"].replace("-", "_")
        if name not in takes:
            return found[0]
        kind, word, rest = takes[name], found["word"] or "", found["colon"] or ""
        if kind is Takes.FLAG:
            after = found[0].removeprefix(f"--{found['option']}")
            return f"{name}=True{after}"
        if found["quoted"]:
            return name + _given(kind, found["quoted"][1:-1])
        if found["placeholder"]:
            return f"{name}={found['placeholder']}"
        if word and (rest or word in choices.get(name, ()) or _is_value(word)):
            return name + _given(kind, word) + rest
        return f"{name}={found[0].removeprefix('--' + found['option'])}"

    return _OPTION.sub(keyword, _OUTPUT.sub("output=", _TOKEN.sub("token=", text)))


def _is_value(word: str) -> bool:
    return word[0].isdigit() or "=" in word or "_" in word


def _given(kind: Takes, text: str) -> str:
    """`=` and the value as Python has it."""
    column, equals, value = text.rpartition("=")
    if kind is Takes.NAMES or (kind is Takes.LISTS_OR_NAMES and not equals):
        return f"=[{_quoted(text)}]"
    if kind in {Takes.LISTS, Takes.LISTS_OR_NAMES}:
        return f"={{{_quoted(column)}: [{_quoted(value)}]}}" if equals else f"={{{_quoted(text)}: []}}"
    if kind is Takes.TABLE and equals:
        return f"={{{_quoted(column)}: {_quoted(value)}}}"
    return f"={text if text.isdecimal() else _quoted(text)}"


def _quoted(text: str) -> str:
    return repr(text) if '"' in text or "\\" in text or not text.isprintable() else f'"{text}"'
