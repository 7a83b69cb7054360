"""Names of columns as they are compared, and as options name them in a command."""

import re
import shlex
import unicodedata

#: Characters that nobody sees, for the set of a pattern: of zero width, byte order and direction marks, soft
#: hyphens.
INVISIBLE = r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"


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
