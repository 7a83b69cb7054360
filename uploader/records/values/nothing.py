"""Words that programs write where there is no value. As a key such a word would make one record of many."""

from collections.abc import Iterable

#: Not `NA`, which is Namibia, nor `unknown`, which people write.
_LISTED = r"""
null (null) [null] <null> nil (nil) none (none) <none> nan (nan) <nan> nat <nat> <na> undefined \n
n/a #n/a #na #n/v #null! 0/0/00 0/0/0000 00/00/00 00/00/0000 0000/00/00 00-00-0000 0000-00-00 00.00.0000
0000-00-00t00:00:00 0000-00-00t00:00:00z
"""


def spellings(word: str) -> tuple[str, ...]:
    """The word as programs write it: as given, in small and in capital letters, and with a capital."""
    return word, word.lower(), word.upper(), word.title()


#: All of them.
WORDS = frozenset(
    spelling
    for word in (*_LISTED.split(), "0000-00-00 00:00:00", "0000-00-00 00:00", "00/00/0000 00:00:00")
    for spelling in (*spellings(word), word.replace("nan", "NaN").replace("nat", "NaT"))
)


def is_nothing(text: str) -> bool:
    """Whether a trimmed text is a word for no value, such as `NULL`, `\\N`, `nan` or `0000-00-00`."""
    return text in WORDS


def hold_nothing(texts: Iterable[object]) -> bool:
    """Whether any of the texts is such a word; fast for many texts."""
    return not WORDS.isdisjoint(texts)
