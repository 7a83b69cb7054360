"""Texts from files, servers and users, as they can be shown: on one line, without control characters."""

import re


def harmless(text: str) -> str:
    """The text with each character that does not print replaced by a blank, so that it stays one line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


#: A command in a text must work when pasted, so such a text is whole, as far as one can read it.
_OPTION, _MOST = re.compile(r"(?<![^\s(`])--[a-z]"), 20_000
#: Texts that may be that long are sentences rather than names.
_SENTENCE = 100


def printable(text: str, limit: int = 300) -> str:
    """Text from a server or file on one line, without control characters; shortened if it has no option."""
    line = " ".join(harmless(text).split())
    if len(line) <= limit or (len(line) <= _MOST and _OPTION.search(line)):
        return line
    # What a sentence comes to stands at its end; of a name, the beginning tells most.
    end = limit // 3 if limit >= _SENTENCE else 0
    return f"{line[: limit - end]}...{line[len(line) - end :]}"
