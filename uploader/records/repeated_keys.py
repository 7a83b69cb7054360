"""Keys that many rows have, counted in memory that does not depend on the number of rows.

In    the lock keys of rows, in any order.
Out   the most frequent keys with their counts; which of them are doubtful; the question about these.
Raise nothing.
Rules A key is doubtful if more than 20 rows have it and more than 0.1 % of all rows, or if it is an address
      of nobody that several rows have. It is not known whether that is meant, so the user decides.
How   Misra and Gries: of more keys than fit, the rarest are forgotten, and what is subtracted from the others
      is known. A key of more than 0.1 % of the rows is never forgotten. `settle` makes the counts exact.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from heapq import nlargest
from typing import NamedTuple

from uploader.model.column_names import quoted
from uploader.model.records import EMAIL
from uploader.records.values.placeholders import addresses_of_nobody

#: A key on at most so many rows is not doubtful, nor one on at most this share of all rows.
FEW_ROWS, SHARE = 20, 0.001
#: Keys that are kept; more than 1 / SHARE of them.
_MOST_KEYS = 4_000
#: Addresses of nobody that are counted beside these, and keys that are named.
_MOST_PLACEHOLDERS, _SHOWN, _MOST_NAMED = 1_000, 10, 3


#: After so many times the usual number of rows between two of a key, no other is expected.
_MOST_GAPS = 10


class KeyCount(NamedTuple):
    property: str
    value: str
    rows: int


class RepeatedKeys:
    """Counts keys."""

    def __init__(self, most_keys: int = _MOST_KEYS) -> None:
        self._most = most_keys
        self._counts: Counter[str] = Counter()
        self._placeholders: Counter[str] = Counter()
        self._too_low = 0  #: at most so much is missing in each of the counts

    def add(self, keys: Sequence[str]) -> None:
        """Count lock keys, such as `email=a@x.com`."""
        self._counts.update(keys)
        if len(self._counts) > 2 * self._most:
            self._forget()
        for address in addresses_of_nobody(keys, _ADDRESS):
            if address in self._placeholders or len(self._placeholders) < _MOST_PLACEHOLDERS:
                self._placeholders[address] += 1

    def _forget(self) -> None:
        """Keep the most frequent keys."""
        cut = nlargest(self._most + 1, self._counts.values())[-1]
        self._too_low += cut
        self._counts = Counter({key: count - cut for key, count in self._counts.items() if count > cut})

    def settle(self, rows: int, count: Callable[[Collection[str]], Mapping[str, int]]) -> None:
        """Make the counts exact that may be shown. `rows`: the number of all rows. `count` returns for some
        lock keys how many rows have them.
        """
        if self._too_low:
            least = most_of_one_key(rows) - self._too_low
            shown = {key for key, _ in self._counts.most_common(_SHOWN)}
            self._counts = Counter(count(shown | {key for key, n in self._counts.items() if n > least}))
            self._too_low = 0

    def most_repeated(self) -> list[KeyCount]:
        """Return the keys that most rows have, of those that several have."""
        found = {**self._counts, **{_ADDRESS + text: rows for text, rows in self._placeholders.items()}}
        most = nlargest(_SHOWN, ((rows, key) for key, rows in found.items() if rows > 1))
        return [_key_count(key, rows) for rows, key in most]

    def doubtful(self, rows: int) -> list[KeyCount]:
        """Return the doubtful keys, those of most rows first. `rows`: the number of all rows."""
        most = most_of_one_key(rows)
        found = {key: count for key, count in self._counts.items() if count > most}
        found |= {_ADDRESS + text: count for text, count in self._placeholders.items() if count > 1}
        return [
            _key_count(key, count) for key, count in sorted(found.items(), key=lambda one: (-one[1], one[0]))
        ]


def most_of_one_key(rows: int) -> int:
    """Return how many of so many rows may have one key before it is doubtful."""
    return max(FEW_ROWS, int(SHARE * rows))


def share_to_come(rows_of_key: int, rows: int, rows_since: int) -> float:
    """Return which share of the rows to come is expected to have a key, by the rows so far. `rows_since`: the
    rows since the last one that has it.

    0 for a key of few rows, and for one that is not seen any more: in a sorted file, its rows stand together.
    """
    if rows_of_key <= most_of_one_key(rows) or rows_since * rows_of_key > _MOST_GAPS * rows:
        return 0.0
    return rows_of_key / rows


def question(
    doubtful: Sequence[KeyCount], columns_of: Callable[[str], Iterable[str]], rows: str = "rows"
) -> str:
    """Return the question what to do about doubtful keys.

    `columns_of`: the columns of a property, in all sources. `rows`: which ones were counted.
    """
    named = [f"{one.value!r} is the {one.property} of {one.rows:,} {rows}" for one in doubtful[:_MOST_NAMED]]
    more = len(doubtful) - len(named)
    named += [f"{more:,} more {'keys are' if more > 1 else 'key is'} those of many rows"] if more else []
    each = "each of these" if len(doubtful) > 1 else "these rows"
    return (
        f"{', '.join(named)}: {each} would become one record. Decide: {_ways(doubtful[0], columns_of)}keep "
        "all repeated keys with --on-duplicate in-order (all rows of a key are written, in file order), "
        "first or last"
    )


def _ways(key: KeyCount, columns_of: Callable[[str], Iterable[str]]) -> str:
    """Return what can be done about one key. Options can't name a value that holds a `=`."""
    if "=" in key.value:
        return ""
    cells = [quoted(f"{column}={key.value}") for column in columns_of(key.property)]
    blank, skip = (" ".join(f"{option} {cell}" for cell in cells) for option in _WAYS)
    return f"take such a key for a blank with {blank}, skip its rows with {skip}, or "


_WAYS = ("--blank-value", "--suppress-where")


def _key_count(key: str, rows: int) -> KeyCount:
    name, _, value = key.partition("=")
    return KeyCount(name, value, rows)


_ADDRESS = f"{EMAIL}="
