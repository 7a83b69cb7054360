"""Whether the postal codes of a column may have lost their zeros, as in a spreadsheet that takes them for
numbers: some have five digits, others fewer, and none begins with a zero.

In    the trimmed texts of the column, slice by slice.
Out   how many of them are too short, and a few of these.
Raise nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from uploader.model.rows import Row

#: Digits of a postal code in countries where some begin with a zero, such as France, Germany, the USA.
_DIGITS = 5
#: Digits that are left of such a code. A shorter number is something else.
_LEFT = frozenset({3, 4})
_NAME = re.compile(r"zip|post(?:al)?[ _-]?code|plz|postleitzahl|\bcap\b", re.IGNORECASE)


@lru_cache(10_000)
def is_postal(property_: str, column: str) -> bool:
    """Whether a column holds postal codes, by its property or by its name."""
    return property_ == "zip" or _NAME.search(column) is not None


@dataclass(slots=True)
class PostalCodes:
    """The postal codes of one column so far."""

    most_examples: int
    too_short: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)  #: row and text of the first of them
    _whole: int = 0
    _keeps_zeros: bool = False

    def add(self, texts: Sequence[str], rows: Sequence[Row]) -> None:
        if self._keeps_zeros:
            return
        whole = [text for text in texts if len(text) == _DIGITS and text.isdecimal()]
        self._whole += len(whole)
        self._keeps_zeros = any(text[0] == "0" for text in whole)
        short = [at for at, text in enumerate(texts) if len(text) in _LEFT and text.isdecimal()]
        self.too_short += len(short)
        more = short[: self.most_examples - len(self.examples)]
        self.examples += [(rows[at].number, texts[at]) for at in more]

    @property
    def may_lack_zeros(self) -> bool:
        return bool(self._whole and self.too_short) and not self._keeps_zeros
