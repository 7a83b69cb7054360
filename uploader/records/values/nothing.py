"""Words that programs write where there is no value. As a key such a word would make one record of many."""

from collections.abc import Iterable

#: Without regard to case. Not `NA`, which is Namibia, nor `unknown`, which people write.
_LISTED = r"""
null (null) [null] <null> nil (nil) none (none) <none> nan (nan) <nan> nat <nat> <na> undefined \n
n/a #n/a #na #n/v #null! 0/0/00 0/0/0000 00/00/00 00/00/0000 0000/00/00 00-00-0000 0000-00-00 00.00.0000
0000-00-00t00:00:00 0000-00-00t00:00:00z
"""
_WORDS = frozenset(_LISTED.split()) | {"0000-00-00 00:00:00", "0000-00-00 00:00", "00/00/0000 00:00:00"}


def is_nothing(text: str) -> bool:
    """Whether a trimmed text is a word for no value, such as `NULL`, `\\N`, `nan` or `0000-00-00`."""
    return text.casefold() in _WORDS


def hold_nothing(texts: Iterable[str]) -> bool:
    """Whether any of the texts is such a word; fast for many texts."""
    return not _WORDS.isdisjoint(map(str.casefold, texts))
