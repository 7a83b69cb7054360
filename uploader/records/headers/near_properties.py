"""The property that a column may be, by its name. It is proposed, and never used before the user approves it.

In    the name of a column, and the properties.
Out   names of properties.
Raise nothing.
Rules Names are compared word by word, so that `Account manager` is not proposed for `Account Name`, nor
      `Phone` for `Mobile Phone`. A word is a misspelling of another one if they differ in one or two letters,
      and it is not a known word itself: one of a property's name or label, or of the columns of known
      exports. So `contract` is no misspelling of `contact`. Two names are kin if one ends with the other,
      such as `Customer Tier` and `tier`: only their values show whether they mean the same.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from uploader.records.headers.tables import tables
from uploader.records.known_headers import bare, words_of

#: A misspelled word has so many letters at least, and lacks one or has one in addition; a long one may do
#: both.
_SHORTEST, _LONG = 4, 5
_ENDINGS = frozenset({"s", "es", "d", "ed"})
_DIGITS = re.compile(r"\d+")


class NearProperties:
    """Finds properties with a similar name or label."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        """`labels`: by the property's name."""
        self._labels = [(name, label) for name, label in labels.items() if bare(label)]
        self._named = [(n, text) for n, label in labels.items() for text in (label, n) if bare(text)]

    def labelled(self, column: str) -> tuple[str, ...]:
        """The properties whose label is the same, apart from case, blanks and punctuation."""
        return tuple(self._by_label.get(bare(column), ()))

    def same(self, column: str) -> tuple[str, ...]:
        """The properties whose name or label is the same, apart from case, blanks and punctuation."""
        return tuple(dict.fromkeys(self._by_bare.get(bare(column), ())))

    def misspelled(self, column: str) -> str:
        """The one property whose name or label the column may be a misspelling of; "" if there is none."""
        found = self._near(words_of(column))
        return found[0] if len(found) == 1 else ""

    def kin(self, column: str) -> tuple[str, ...]:
        """The properties whose name or label ends with the column's name, or the other way round."""
        words = words_of(column)
        found = (name for name, others in self._words if words and others and _ends(words, others))
        return tuple(dict.fromkeys(found))

    def _near(self, words: Sequence[str]) -> list[str]:
        alike = (
            name
            for name, others in self._words
            if len(others) == len(words)
            and all(self._is_like(one, other) for one, other in zip(words, others, strict=True))
        )
        return list(dict.fromkeys(alike)) if words else []

    def _is_like(self, word: str, other: str) -> bool:
        if word == other:
            return True
        longer, shorter = (word, other) if len(word) > len(other) else (other, word)
        if longer.startswith(shorter) and longer[len(shorter) :] in _ENDINGS:
            return len(shorter) >= _SHORTEST
        if len(shorter) < _SHORTEST or len(longer) - len(shorter) > 2 or word in self._known:
            return False
        if _DIGITS.findall(word) != _DIGITS.findall(other):
            return False
        blocks = difflib.SequenceMatcher(None, word, other, autojunk=False).get_matching_blocks()
        different = len(word) + len(other) - 2 * sum(block.size for block in blocks)
        is_transposed = sorted(word) == sorted(other)
        return different <= (2 if is_transposed or len(shorter) >= _LONG else 1)

    @cached_property
    def _by_label(self) -> Mapping[str, list[str]]:
        return _by_bare(self._labels)

    @cached_property
    def _by_bare(self) -> Mapping[str, list[str]]:
        return _by_bare(self._named)

    @cached_property
    def _words(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(name, words_of(text)) for name, text in self._named]

    @cached_property
    def _known(self) -> frozenset[str]:
        return tables().words.union(*(words for _, words in self._words))


def _ends(words: Sequence[str], others: Sequence[str]) -> bool:
    longer, shorter = (words, others) if len(words) > len(others) else (others, words)
    return len(longer) > len(shorter) and tuple(longer[-len(shorter) :]) == tuple(shorter)


def _by_bare(named: Sequence[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in named:
        found.setdefault(bare(text), []).append(name)
    return found
