"""Which rows may have superseded an earlier failed row: they wrote a value by which that row was matched.

In    settlements; the values of failed rows that the checkpoint holds.
Out   `Superseding`s, which the checkpoint looks up among its failed rows, so one too many does no harm.
Raise nothing.
Rule  Memory is bounded. So a value may be taken for a failed row's though it is not: with 100,000 failed
      rows, one in forty.
"""

from collections.abc import Collection, Iterable, Sequence

from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import Record
from uploader.model.settled_rows import Settlement
from uploader.storage.checkpoint_tables.failed_and_pending_rows import Superseding, other_lock_keys

#: So many values are kept themselves: looking them up takes a tenth of the time.
_KEPT = 10_000
#: One byte each. A power of two, so that the low bits of a hash are an index.
_PLACES = 1 << 22
#: A pending row may also have written what an earlier failed row would overwrite.
_MAY_HAVE_WRITTEN = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.PENDING})


class SeenFilter:
    """Tells whether a value was seen before; "no" is certain. False until something was added."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._places = bytearray()  # by hash; empty until there are too many values

    def __bool__(self) -> bool:
        return bool(self._values or self._places)

    def add(self, value: str) -> None:
        self._values.add(value)
        if self._places or len(self._values) > _KEPT:
            self._places = self._places or bytearray(_PLACES)
            for one in self._values:
                self._places[hash(one) & (_PLACES - 1)] = 1
            self._values.clear()

    def maybe_seen(self, values: Collection[str]) -> list[str]:
        """Those of the values that may have been seen."""
        if self._places:
            return [value for value in values if self._places[hash(value) & (_PLACES - 1)]]
        seen = self._values
        return [] if seen.isdisjoint(values) else [value for value in values if value in seen]


class FailedValues:
    """The unique values of failed rows: their keys, and other values beside the keys."""

    def __init__(self, keys: Iterable[str], beside_keys: Iterable[str]) -> None:
        self._keys, self._beside_keys = SeenFilter(), SeenFilter()
        for value in keys:
            self._keys.add(value)
        for value in beside_keys:
            self._beside_keys.add(value)

    def settle(self, settlements: Sequence[Settlement], outcomes: Collection[Outcome]) -> list[Superseding]:
        """Remember failed rows, and return which of the other rows wrote a failed row's value. `outcomes`:
        those of `settlements`.
        """
        if not DEAD_LETTERS.isdisjoint(outcomes):
            for settlement in settlements:
                self._remember(settlement)
        if not self._keys:
            return []
        values = [value for settlement in settlements for value in settlement.record.lock_keys]
        suspects = {*self._keys.maybe_seen(values), *self._beside_keys.maybe_seen(values)}
        if not suspects:
            return []
        found = [one for one in settlements if not suspects.isdisjoint(one.record.lock_keys)]
        records = [one.record for one in found if one.outcome in _MAY_HAVE_WRITTEN]
        return [later for one in records if isinstance(one, Record) for later in self._by(one)]

    def _remember(self, settlement: Settlement) -> None:
        if settlement.outcome in DEAD_LETTERS:
            for value in settlement.record.lock_keys[:1]:
                self._keys.add(value)
            for value in other_lock_keys(settlement):
                self._beside_keys.add(value)

    def _by(self, record: Record) -> list[Superseding]:
        key = record.lock_keys[0]
        hit = self._keys.maybe_seen(record.lock_keys)
        if key not in hit:
            hit += self._beside_keys.maybe_seen([key])
        return [Superseding(record.position, record.row, value, is_key=value == key) for value in hit]
