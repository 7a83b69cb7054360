"""The values that options, checkboxes and stages do not take, counted by column. Memory is bounded.

In    the faults of rows, one by one.
Out   for each column the values with their counts, the most frequent ones first.
Raise nothing.
Rules Values that differ only in case are one value, as tables of values have it; it is spelled as it comes
      first. Where there are more values than may be remembered, rare ones of the column with the most are
      forgotten: then its counts are at least what they say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest

from uploader.model.rows import Fault
from uploader.records.values.convert import is_text

#: Categories of faults in values that a table of values can replace.
REPLACEABLE = frozenset({"OPTION", "BOOLEAN"})
#: Values that are remembered, of all columns together, and the length of each.
_MOST_VALUES, _LONGEST = 20_000, 200


@dataclass(slots=True)
class ValueCount:
    """A value, as it is first spelled."""

    text: str
    count: int = 0


@dataclass(slots=True)
class ColumnValues:
    """The bad values of one column."""

    cells: int = 0  #: that hold one
    is_complete: bool = True  #: no value was forgotten
    _counts: dict[str, ValueCount] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._counts)

    def most_common(self, most: int | None = None) -> list[ValueCount]:
        """The values with most cells; of equally frequent ones those that came first go first."""
        ranked = sorted(self._counts.values(), key=lambda one: -one.count)
        return ranked if most is None else ranked[:most]

    def add(self, text: str) -> bool:
        """Count a value; return whether it is a new one."""
        if len(text) > _LONGEST or not is_text(text):
            self.is_complete = False
            return False
        key = text.casefold()
        known = self._counts.get(key)
        if known is None:
            known = self._counts[key] = ValueCount(text)
        known.count += 1
        return known.count == 1

    def forget_rare(self) -> int:
        """Forget the rarer half of the values; return their number."""
        kept = nlargest(len(self) // 2, self._counts.items(), key=lambda item: item[1].count)
        forgotten = len(self) - len(kept)
        self._counts, self.is_complete = dict(kept), False
        return forgotten


class BadValues:
    """The bad values of all columns."""

    def __init__(self, most_values: int = _MOST_VALUES) -> None:
        self.columns: dict[str, ColumnValues] = {}
        self._most_values = most_values
        self._remembered = 0

    def add(self, fault: Fault) -> None:
        """Count the values that a fault names."""
        if fault.category not in REPLACEABLE or not fault.texts:
            return
        column = self.columns.setdefault(fault.column, ColumnValues())
        column.cells += 1
        self._remembered += sum(map(column.add, fault.texts))
        if self._remembered > self._most_values:
            self._remembered -= max(self.columns.values(), key=len).forget_rare()

    def __iter__(self) -> Iterator[tuple[str, ColumnValues]]:
        """The columns with their values, that with most cells first."""
        return iter(sorted(self.columns.items(), key=lambda item: -item[1].cells))
