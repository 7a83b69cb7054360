"""Suggest names for a mistyped command or option. Names in, names out."""

import difflib
from collections.abc import Iterable

#: A smaller similarity is not a typo: `limit` and `delimiter` have 0.71.
_ALIKE = 0.75
_MOST = 3
#: A shorter beginning fits too many names.
_BEGINNING = 3


def suggestions(typed: str, known: Iterable[str]) -> list[str]:
    """Names that begin with what was typed, or are similar; dashes, underscores and case are ignored."""
    names = {_bare(name): name for name in known}
    bare = _bare(typed)
    longer = [name for name in names if len(bare) >= _BEGINNING and name.startswith(bare)]
    return [names[name] for name in longer[:_MOST] or difflib.get_close_matches(bare, names, _MOST, _ALIKE)]


def _bare(name: str) -> str:
    return name.strip("-").replace("-", "").replace("_", "").lower()
