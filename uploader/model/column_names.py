"""Names of columns as they are compared, and as options name them in a command."""

import re
import shlex
import unicodedata


def folded(name: str) -> str:
    """A name as it is compared: without invisible characters, with single blanks for white space."""
    if name.isascii() and name.isprintable() and "  " not in name:
        return name.strip()
    seen = (character for character in name if unicodedata.category(character) != "Cf")
    return " ".join("".join(c if c.isprintable() else " " for c in seen).split())


#: What a shell does not leave alone between double quotes.
_SPECIAL = re.compile(r'["$`\\!]')


def quoted(text: str) -> str:
    """The text as one word of a command that works when pasted into a shell."""
    return shlex.quote(text) if _SPECIAL.search(text) else f'"{text}"'
