"""Records, and rows that are not sent; keys as they are compared and told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from uploader.model.outcomes import Outcome
from uploader.model.rows import Fault, Mark, one_line

#: HubSpot's addresses are unique over contacts even where they are not the key.
EMAIL = "email"
#: What a record asks to store: by name, or an instance of its layout's type, which spells as that does.
Properties = Mapping[str, str] | msgspec.Struct


class Record(msgspec.Struct, gc=False):
    """A row that became an input: what is sent, and what is needed to account for it."""

    position: int  #: ordinal over all sources, from 0; also its `objectWriteTraceId`
    source: int  #: which source, from 0
    row: int  #: `Row.number`
    id_property: str
    key: str  #: the value of `id_property` as it is sent
    values: tuple[str, ...]  #: the unique values it closes while in flight, the key's first (`lock_key`)
    properties: Properties  #: without the key
    raw: bytes  #: `Row.raw`, for the dead letter
    size_bytes: int = 0  #: what it weighs in memory while it is open, about: twice what is sent, or more
    in_doubt: bool = False  #: may have left before without a definite answer
    dropped: tuple[Fault, ...] = ()  #: values that were left out, since HubSpot would refuse them
    preserved: int = 0  #: its values that are not sent, since HubSpot's are to stay


@dataclass(slots=True)
class Unsent:
    """A row that is settled without being sent."""

    position: int
    source: int
    row: int
    key: str
    values: tuple[str, ...]  #: the unique values it names, the key's first; none without a key
    outcome: Outcome  #: INVALID or SKIPPED
    category: str
    reason: str
    raw: bytes
    faults: tuple[Fault, ...] = ()  #: all that is wrong with the row; the first is `category` and `reason`

    @property
    def all_reasons(self) -> str:
        """All that is wrong with it, in one line."""
        return one_line([fault.reason for fault in self.faults] or [self.reason])


@dataclass(slots=True)
class Slice:
    """What travels through the queue: the rows from position `first` on, and where to read them again."""

    first: int
    rows: int
    source: int
    start: Mark
    records: list[Record]
    unsent: list[Unsent]
    bytes_read: int = 0  #: of all source files on disk, once this slice was read
    end: Mark | None = None


def lock_key(name: str, value: str) -> str:
    """What two rows are compared by: HubSpot matches unique values without regard to case."""
    return f"{name}={value.strip().lower()}"


def display_key(key: str, values: Sequence[str], main: str) -> str:
    """A row's key as people are told it: with its property's name where that isn't the job's main one.

    `values`: what the row closes, its key's first.
    """
    name = values[0].partition("=")[0] if values and key else main
    return key if name == main else f"{name}={key}"


def lock_keys(name: str, keys: Sequence[str]) -> list[str]:
    """`lock_key` of each; the keys are trimmed."""
    prefix = f"{name}="
    joined = prefix + f"\n{prefix}".join(keys)
    if joined.isascii() and prefix == prefix.lower():
        values = joined.lower().split("\n")
        if len(values) == len(keys):
            return values
    return [lock_key(name, key) for key in keys]
