"""Rows that share a key: found in bounded memory, and which of them are written.

In    the lock key, position and number of every row that has a key, in source order.
Out   for each row whose key another row has, that other row: the first row of the key, or the last if that
      one is written; for this row itself, the first other one.
Rule  Keys are compared by digests of 128 bits: with a billion rows, the odds that two keys are taken for one
      are 1 to 10**21. A row counts by its key alone, whatever else is wrong with it. So the result for other
      rows does not change when the row is corrected, or when the account's properties change. The exception:
      if the last row is written, that is the last row that becomes an input.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from uploader.model.outcomes import Outcome
from uploader.model.records import EMAIL, Record, Unsent
from uploader.records.values.email import plausible_email

_DIGEST_BYTES = 16
#: A row as it is sorted out: the digest of its key, its position, its number. Big-endian: entries sort.
ENTRY = Struct(f">{_DIGEST_BYTES}sQQ")
_PLACE = Struct(">QQ")


class OnDuplicate(StrEnum):
    """What is done with rows that share a key."""

    IN_ORDER = "in-order"  #: all are written, one after the other, in file order
    FIRST = "first"  #: the first is written, the others are skipped
    LAST = "last"  #: the last that becomes an input is written, the others are skipped
    REJECT = "reject"  #: none is written, because it is not known which one is right


class Repeat(NamedTuple):
    """A row whose key another row has, too."""

    position: int
    number: int  #: `Row.number` of it
    other_position: int  #: the first row of its key, or the last; of that one itself, the next other row
    other_number: int  #: `Row.number` of that

    @property
    def comes_before(self) -> bool:
        return self.other_position > self.position


class Keyed(NamedTuple):
    """Rows that have a key, in source order."""

    values: Sequence[str]  #: the lock key of each row's key
    positions: Sequence[int]
    numbers: Sequence[int]

    def entries(self) -> list[bytes]:
        """For each row the digest of its key, its position and its number, packed to a fixed size."""
        places = map(_PLACE.pack, self.positions, self.numbers)
        return [digest + place for digest, place in zip(digests(self.values), places, strict=True)]


def digests(keys: Iterable[str]) -> list[bytes]:
    """Return the digests by which lock keys are compared."""
    return [blake2b(v, digest_size=_DIGEST_BYTES).digest() for v in map(_encoded, keys)]


class SharedValue(NamedTuple):
    """A row with a unique value that an earlier row has under another key, or with another unique value than
    an earlier row has under the same key.
    """

    source: int
    row: int
    name: str  #: of the property
    first_source: int
    first_row: int


#: A source, a property and a row as one number, which orders rows of one property as the sources do.
_SOURCE, _NAME = 1 << 48, 1 << 42


def values_beside_keys(records: Iterable[Record], names: dict[str, int]) -> Keyed:
    """Return the unique values of records beside their keys, for `find_repeats`.

    The digest of the key is in place of a position, and so rows of one key do not repeat each other.
    `names`: a number for each property, which grows.
    """
    return _beside(records, names, lambda _, value, key: (value, key))


def keys_beside_values(records: Iterable[Record], names: dict[str, int]) -> Keyed:
    """Return the keys of records that have other unique values, once for each of their properties, for
    `find_repeats`. The digest of the value is in place of a position: rows that agree do not repeat each
    other.
    """
    return _beside(records, names, lambda name, value, key: (f"{name}={key}", value))


def _beside(
    records: Iterable[Record], names: dict[str, int], entry: Callable[[str, str, str], tuple[str, str]]
) -> Keyed:
    """`entry`: given property, unique value and key, what is looked for, and what stands for a position."""
    values, positions, places = [], [], []
    for record in records:
        for value in record.lock_keys[1:]:
            name = value.partition("=")[0]
            number = names.setdefault(name, len(names))
            sought, position = entry(name, value, record.lock_keys[0])
            values.append(sought)
            positions.append(int.from_bytes(blake2b(_encoded(position), digest_size=8).digest()))
            places.append(record.source * _SOURCE + number * _NAME + record.row)
    return Keyed(values, positions, places)


def shared_values(repeats: Iterable[Repeat], names: Iterable[str]) -> list[SharedValue]:
    """Return what repeats of the above tell, one for each later row."""
    known = list(names)
    found = []
    for repeat in repeats:
        if repeat.number > repeat.other_number:
            (source, rest), (first_source, first) = (
                divmod(number, _SOURCE) for number in (repeat.number, repeat.other_number)
            )
            name, row = divmod(rest, _NAME)
            found.append(SharedValue(source, row, known[name], first_source, first % _NAME))
    return found


def key_of(mapped: Record | Unsent, rule: OnDuplicate) -> str | None:
    """Return the lock key of a row's key if it counts: not for a superseded row, and not if the key is
    plainly no key.
    """
    if not mapped.lock_keys or (isinstance(mapped, Unsent) and mapped.outcome is Outcome.SKIPPED):
        return None
    if rule is OnDuplicate.LAST and isinstance(mapped, Unsent):
        return None
    name, _, value = mapped.lock_keys[0].partition("=")
    return None if name == EMAIL and not plausible_email(value) else mapped.lock_keys[0]


def find_repeats(entries: Callable[[], Iterable[bytes]], rule: OnDuplicate) -> Iterator[Repeat]:
    """Yield the repeats among entries. `entries` returns blocks in source order, and may be called several
    times. All entries of one key have to be among them. Each digest is held once, however often it occurs.
    """
    if not _have_repeats(entries()):
        return
    kept: dict[bytes, tuple[int, int]] = {}
    keep = kept.__setitem__ if rule is OnDuplicate.LAST else kept.setdefault
    for block in entries():
        for digest, position, number in ENTRY.iter_unpack(block):
            keep(digest, (position, number))
    reported: set[bytes] = set()
    for block in entries():
        for digest, position, number in ENTRY.iter_unpack(block):
            other = kept[digest]
            if other[0] == position:
                continue
            if digest not in reported:
                reported.add(digest)
                yield Repeat(*other, position, number)
            yield Repeat(position, number, *other)


def _have_repeats(blocks: Iterable[bytes]) -> bool:
    digests: set[tuple[bytes]] = set()
    count = 0
    for block in blocks:
        digests.update(_DIGESTS.iter_unpack(block))
        count += len(block) // ENTRY.size
    return len(digests) < count


_DIGESTS = Struct(f">{_DIGEST_BYTES}s{_PLACE.size}x")


def _encoded(value: str) -> bytes:
    return value.encode(errors="surrogatepass")


DUPLICATE = "DUPLICATE"


def judge(mapped: Record | Unsent, repeat: Repeat, rule: OnDuplicate, other: str) -> Record | Unsent:
    """Return the row, or an unsent row, given that another row has its key; `other` describes that row."""
    if isinstance(mapped, Unsent):
        return mapped
    if rule is OnDuplicate.REJECT:
        return _unsent(mapped, Outcome.INVALID, f"{other} has the same key")
    if rule is OnDuplicate.FIRST and not repeat.comes_before:
        return _unsent(mapped, Outcome.SKIPPED, f"{other} has the same key and comes first")
    if rule is OnDuplicate.LAST and repeat.comes_before:
        return _unsent(mapped, Outcome.SKIPPED, f"{other} has the same key and comes last")
    return mapped


def _unsent(record: Record, outcome: Outcome, reason: str) -> Unsent:
    lock_keys = record.lock_keys[:1]
    return Unsent(
        record.position,
        record.source,
        record.row,
        record.key,
        lock_keys,
        outcome,
        DUPLICATE,
        reason,
        record.raw,
    )
