"""Suggest names for a mistyped command or option. Names in, names out."""

import difflib
from collections.abc import Iterable

#: A smaller similarity is not a typo: `limit` and `delimiter` have 0.71. So have `prewiev` and `preview`, but
#: these begin with the same letter.
_ALIKE, _ALIKE_FROM_THE_START = 0.75, 0.7
_MOST = 3
#: A shorter beginning fits too many names.
_BEGINNING = 3


def suggestions(typed: str, known: Iterable[str]) -> list[str]:
    """Names that begin with what was typed, or are similar; dashes, underscores and case are ignored."""
    names = {_bare(name): name for name in known}
    bare = _bare(typed)
    longer = [name for name in names if len(bare) >= _BEGINNING and name.startswith(bare)]
    begin_alike = [name for name in names if name[:1] == bare[:1]]
    close = difflib.get_close_matches(bare, begin_alike, _MOST, _ALIKE_FROM_THE_START)
    found = longer[:_MOST] or close or difflib.get_close_matches(bare, names, _MOST, _ALIKE)
    return [names[name] for name in found]


def _bare(name: str) -> str:
    return name.strip("-").replace("-", "").replace("_", "").lower()
