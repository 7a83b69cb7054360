"""Which contacts a reply named for which rows, and rows whose keys led to one contact."""

from dataclasses import dataclass

import msgspec


class ConfirmedRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A row that HubSpot confirmed."""

    position: int
    source: int
    row: int
    key: str
    lock_keys: tuple[str, ...]  #: that of its key first


class UpdatedContacts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The contacts that one reply says were updated, and the rows that did it."""

    ids: tuple[str, ...]
    rows: tuple[ConfirmedRow, ...]
    is_paired: bool = (
        False  #: each contact belongs to the row at its index; else it is not known which row updated which
    )


@dataclass(frozen=True, slots=True)
class IdentityConflict:
    """A row of a contact that several keys led to. `row` 0: it is not known which rows they were."""

    hubspot_id: str
    position: int
    source: int
    row: int
    key: str
