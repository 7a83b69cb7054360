"""Associations: columns whose values name other records, and the links that rows ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

#: Values of `LinkColumn.by` that are found by search, since no property of these is unique.
DOMAIN, NAME = "domain", "name"


@dataclass(frozen=True, slots=True)
class LinkColumn:
    """A column whose values name records of another type. The row's record is linked to each of them."""

    column: str  #: as columns are compared
    object_type: str  #: of the other records
    #: Their property that the values are of: a unique one, DOMAIN, NAME, or `records.OWN_ID` for their ids.
    #: With `results`: that of the other job's keys.
    by: str
    label: str = ""  #: as the account names it; "": a link without a label
    separator: str = ""  #: between several values of a cell; "": a cell is one value
    unique_names: bool = False  #: the user says that no two of these records share a name
    results: str = ""  #: path of another job's results file, which has the ids of its rows by their keys


class KnownRecords(NamedTuple):
    """Records whose ids another job's results file has. What it does not have may be in the account."""

    object_type: str
    by: str  #: the property that their keys are of
    results: str  #: path
    checkpoint: str = ""  #: path


class AssociationType(NamedTuple):
    """What the account calls a kind of link."""

    category: str  #: HUBSPOT_DEFINED, USER_DEFINED or INTEGRATOR_DEFINED
    type_id: int
    label: str  #: "": without a label


class LinkValue(NamedTuple):
    """One other record that a row names."""

    column: int  #: index of the `LinkColumn` in the job's settings
    ordinal: int  #: of the value in its cell, from 0
    value: str  #: trimmed; blank only with a fault
    fault: str = ""  #: why it names no record, such as a cell that can't be read; then it is not looked up


class RowLinks(NamedTuple):
    """The links of one row that is sent."""

    position: int  #: as of the record
    source: int
    row: int
    id_property: str  #: the record's own key, by which its id can be read
    key: str
    values: tuple[LinkValue, ...]


class LinkOutcome(StrEnum):
    """The final state of a link. Every link ends in exactly one."""

    LINKED = "linked"  #: HubSpot confirmed it: the job made the link
    ALREADY = "already"  #: the link was there, or an earlier row of the job asked for it
    MISSING = "missing"  #: the row has no record, or there is no record of its value
    REJECTED = "rejected"  #: HubSpot refused this link for good
    PENDING = "pending"  #: attempts ran out without a definite answer, while others succeeded


#: The outcomes of links that are there.
LINKS_THERE = frozenset({LinkOutcome.LINKED, LinkOutcome.ALREADY})


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """The links of a job, counted by outcome. With those left open they add up to all that were read."""

    read: int = 0
    outcomes: Mapping[LinkOutcome, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        return self.read - sum(self.outcomes.values())

    @property
    def failed(self) -> int:
        """Links with an outcome that are not there."""
        return sum(count for outcome, count in self.outcomes.items() if outcome not in LINKS_THERE)
