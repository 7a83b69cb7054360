"""Rows that share a key: how they are found in bounded memory, and what becomes of them.

In    the closed value, position and number of every row that has a key, in source order.
Out   of each row whose key another has, that other one: the first row of the key, or the last one if that is
      written; of this row itself, the first other one.
Rule  Keys are compared by digests of 128 bits: with a billion rows, the odds that two keys are taken for one
      are 1 to 10**21. A row counts by its key alone, whatever else is wrong with it; so what becomes of the
      others does not change when it is mended, or when the account's properties change. Not so where the last
      row is written: that is the last one which becomes an input.
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
    REJECT = "reject"  #: none is written: nobody can say which is right


class Repeat(NamedTuple):
    """A row whose key another row has."""

    position: int
    number: int  #: `Row.number` of it
    other_position: int  #: the first row of its key, or the last; of that one itself, the next other row
    other_number: int  #: `Row.number` of that

    @property
    def comes_before(self) -> bool:
        return self.other_position > self.position


class Keyed(NamedTuple):
    """Rows that have a key, in source order."""

    values: Sequence[str]  #: the closed value of each one's key
    positions: Sequence[int]
    numbers: Sequence[int]

    def entries(self) -> list[bytes]:
        digests = [blake2b(v, digest_size=_DIGEST_BYTES).digest() for v in map(_encoded, self.values)]
        places = map(_PLACE.pack, self.positions, self.numbers)
        return [digest + place for digest, place in zip(digests, places, strict=True)]


def key_of(mapped: Record | Unsent, rule: OnDuplicate) -> str | None:
    """The closed value of a row's key, if it counts: a row marked as superseded, or whose key is plainly
    none, is not written whatever else there is.
    """
    if not mapped.values or (isinstance(mapped, Unsent) and mapped.outcome is Outcome.SKIPPED):
        return None
    if rule is OnDuplicate.LAST and isinstance(mapped, Unsent):
        return None
    name, _, value = mapped.values[0].partition("=")
    return None if name == EMAIL and not plausible_email(value) else mapped.values[0]


def find_repeats(entries: Callable[[], Iterable[bytes]], rule: OnDuplicate) -> Iterator[Repeat]:
    """The repeats among entries, which come in blocks, in source order, several times over if need be.

    All entries of one key have to be among them. Holds each digest once, however often it comes.
    """
    if not _have_repeats(entries()):
        return
    kept: dict[bytes, tuple[int, int]] = {}
    keep = kept.__setitem__ if rule is OnDuplicate.LAST else kept.setdefault
    for block in entries():
        for digest, position, number in ENTRY.iter_unpack(block):
            keep(digest, (position, number))
    told: set[bytes] = set()
    for block in entries():
        for digest, position, number in ENTRY.iter_unpack(block):
            other = kept[digest]
            if other[0] == position:
                continue
            if digest not in told:
                told.add(digest)
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
    """What becomes of a row whose key another has; `other` is that one, in words."""
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
    values = record.values[:1]
    return Unsent(
        record.position, record.source, record.row, record.key, values, outcome, DUPLICATE, reason, record.raw
    )
