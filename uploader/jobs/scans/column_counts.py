"""How many cells of a column hold a value, how many different values these are, and a few of them.

In    the trimmed texts of a column, slice by slice; "" for a blank cell.
Out   counts. Memory is bounded: of more than `MOST_DISTINCT` different values it is only known that there
      are more.
Raise nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice

#: Different values of a column that are counted, and those that are shown.
MOST_DISTINCT, _MOST_SAMPLES = 1_000, 3


@dataclass(slots=True)
class ColumnCounts:
    """The cells of one column so far."""

    cells: int = 0
    filled: int = 0
    distinct: int = 0  #: different values, at most `MOST_DISTINCT`
    is_exact: bool = True  #: False: there are, or may be, more of them
    samples: list[str] = field(default_factory=list)  #: the first different values
    _seen: set[str] = field(default_factory=set)

    @property
    def share(self) -> float:
        """The share of cells that hold a value."""
        return self.filled / self.cells if self.cells else 0.0

    def add(self, texts: Sequence[str]) -> Collection[str]:
        """Count texts. Return a collection of the same texts in which others are found at least as fast."""
        self.cells += len(texts)
        if not self.is_exact:
            self.filled += len(texts) - texts.count("")
            return texts
        found = set(texts)
        self.filled += len(texts) - (texts.count("") if "" in found else 0)
        if len(self.samples) < _MOST_SAMPLES:
            new = (text for text in dict.fromkeys(texts) if text and text not in self.samples)
            self.samples += islice(new, _MOST_SAMPLES - len(self.samples))
        self._seen |= found
        self._seen.discard("")
        self.distinct = min(len(self._seen), MOST_DISTINCT)
        if len(self._seen) > MOST_DISTINCT:
            self.stop()
        return found

    def stop(self) -> None:
        """Look for no more different values."""
        self.is_exact, self._seen = False, set()
