"""Records, and rows that are not sent; keys as they are compared and as they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from uploader.model.associations import RowLinks
from uploader.model.outcomes import Outcome
from uploader.model.rows import Fault, Mark, one_line

#: E-mail addresses are unique over contacts even if they are not the key.
EMAIL = "email"
#: HubSpot's own id of a record. A row by it updates the record, and never creates one.
OWN_ID = "hs_object_id"
#: The domain of a company. It is not unique.
DOMAIN = "domain"
#: What a record asks to store: a mapping, or an instance of its layout's type, which encodes the same.
Properties = Mapping[str, str] | msgspec.Struct


class Record(msgspec.Struct, gc=False):
    """A row that became an input: what is sent, and what is needed to account for it."""

    position: int  #: ordinal over all sources, from 0; also its `objectWriteTraceId`
    source: int  #: which source, from 0
    row: int  #: `Row.number`
    id_property: str
    key: str  #: the value of `id_property` as it is sent
    lock_keys: tuple[str, ...]  #: of its unique values, the key's first
    properties: Properties  #: without the key
    raw: bytes  #: `Row.raw`, for the dead letter
    size_bytes: int = 0  #: approximate memory while it is open: at least twice what is sent
    in_doubt: bool = False  #: may have been sent before, without a definite answer
    dropped: tuple[Fault, ...] = ()  #: values left out because HubSpot would refuse them
    preserved: int = 0  #: how many of its values are not sent because HubSpot's stay
    contact_id: str = ""  #: of the contact that was read for it; "" if none was
    opt_outs: tuple[str, ...] | None = None  #: as of `Unsent`


@dataclass(slots=True)
class Unsent:
    """A row that is settled without being sent."""

    dropped: ClassVar[tuple[Fault, ...]] = ()  #: as of a record
    preserved: ClassVar[int] = 0

    position: int
    source: int
    row: int
    key: str
    lock_keys: tuple[str, ...]  #: of its unique values, the key's first; none without a key
    outcome: Outcome  #: INVALID or SKIPPED
    category: str
    reason: str
    raw: bytes
    faults: tuple[Fault, ...] = ()  #: all that is wrong with the row; the first is `category` and `reason`
    #: If the row says "opted out" and such rows are listed, its addresses, in small letters; else None
    opt_outs: tuple[str, ...] | None = None
    #: Unique properties that an invalid row without a key has a value of, and that it could be matched by
    other_keys: tuple[str, ...] = ()

    @property
    def all_reasons(self) -> str:
        """All that is wrong with the row, in one line."""
        return one_line([fault.reason for fault in self.faults] or [self.reason])


@dataclass(slots=True)
class Slice:
    """A `RowSlice` after mapping, as it stands in the queue: the rows from position `first` on."""

    first: int
    rows: int
    source: int
    start: Mark
    records: list[Record]
    unsent: list[Unsent]
    bytes_read: int = 0  #: of all source files on disk, after this slice
    end: Mark | None = None
    opt_outs: Sequence[str] = ()  #: addresses to be listed, of all rows of the `RowSlice`
    associations: Sequence[RowLinks] = ()  #: of the records, as far as they have any


def lock_key(name: str, value: str) -> str:
    """Return the text by which two rows conflict. HubSpot compares unique values without regard to case."""
    return f"{name}={value.strip().lower()}"


def display_key(key: str, values: Sequence[str], main: str) -> str:
    """Return a row's key as it is shown: with its property's name unless that is `main`.

    `values`: the row's lock keys, that of its key first.
    """
    name = values[0].partition("=")[0] if values and key else main
    return key if name == main else f"{name}={key}"


def by_own_id(record: Record) -> Record:
    """Return a copy of a record that goes by HubSpot's id of the contact that was found for it."""
    key = lock_key(OWN_ID, record.contact_id)
    return msgspec.structs.replace(record, id_property=OWN_ID, key=record.contact_id, lock_keys=(key,))


def lock_keys(name: str, keys: Sequence[str]) -> list[str]:
    """Return the `lock_key` of each key; the keys are trimmed."""
    prefix = f"{name}="
    joined = prefix + f"\n{prefix}".join(keys)
    if joined.isascii() and prefix == prefix.lower():
        values = joined.lower().split("\n")
        if len(values) == len(keys):
            return values
    return [lock_key(name, key) for key in keys]
