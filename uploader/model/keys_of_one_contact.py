"""Which contacts a reply named for which rows, and rows whose keys led to one contact."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """A confirmed row."""

    position: int
    source: int
    row: int
    key: str
    values: tuple[str, ...]  #: what it closed, its key's value first


@dataclass(frozen=True, slots=True)
class Sighting:
    """These contacts were updated by these rows, in no order."""

    ids: tuple[str, ...]
    rows: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """A row of a contact that several keys led to. `row` 0: which rows they were could not be told."""

    hubspot_id: str
    position: int
    source: int
    row: int
    key: str
