"""Which contacts a reply named for which rows, and rows whose keys led to one contact."""

from dataclasses import dataclass

import msgspec


class ConfirmedRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A confirmed row."""

    position: int
    source: int
    row: int
    key: str
    values: tuple[str, ...]  #: what it closed, its key's value first


class Sighting(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The contacts that one answer says were updated, and by which rows."""

    ids: tuple[str, ...]
    rows: tuple[ConfirmedRow, ...]
    is_paired: bool = False  #: each contact by the row in its place; else nobody knows which by which


@dataclass(frozen=True, slots=True)
class IdentityConflict:
    """A row of a contact that several keys led to. `row` 0: which rows they were could not be told."""

    hubspot_id: str
    position: int
    source: int
    row: int
    key: str
