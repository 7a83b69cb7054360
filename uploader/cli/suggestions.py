"""What a mistyped command or option was probably meant to be. Names in, names out."""

import difflib
from collections.abc import Iterable

#: With a smaller share of equal letters it is no typo: `limit` and `delimiter` have 0.71.
_ALIKE = 0.75
_MOST = 3
#: A shorter beginning is one of too many names.
_BEGINNING = 3


def suggestions(typed: str, known: Iterable[str]) -> list[str]:
    """Names that begin as it was typed, or are alike but for a slip; dashes, underscores and case apart."""
    names = {_bare(name): name for name in known}
    bare = _bare(typed)
    longer = [name for name in names if len(bare) >= _BEGINNING and name.startswith(bare)]
    return [names[name] for name in longer[:_MOST] or difflib.get_close_matches(bare, names, _MOST, _ALIKE)]


def _bare(name: str) -> str:
    return name.strip("-").replace("-", "").replace("_", "").lower()
