"""The association types of each pair of object types, their labels and limits. No I/O.

HubSpot's own type ids are documented. A pair has two types, one a direction; where both ends are of one
object type and the label is the same, one type. That custom objects have types of their own, none of them
HubSpot's, is documented; here those with contacts, companies and activities exist, and clients define others.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from uploader.mockserver.account.associations.targets import ACTIVITIES
from uploader.mockserver.account.behaviour_switches import AssociationLabel, AssociationLimit

PRIMARY = "Primary"
MOST_LABELS = 50  # of a pair of object types
HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"


class AssociationType(NamedTuple):
    """One association type, in one direction."""

    category: str
    id: int
    label: str | None = None
    name: str = ""  #: by which a client defined it

    def __str__(self) -> str:
        return f"{self.category}={self.id}"

    @property
    def is_primary(self) -> bool:
        return self.category == HUBSPOT and self.label == PRIMARY

    def as_spec(self) -> dict[str, Any]:
        """As requests name it."""
        return {"associationCategory": self.category, "associationTypeId": self.id}

    def as_json(self) -> dict[str, Any]:
        """As replies name it."""
        return {"category": self.category, "typeId": self.id, "label": self.label}


#: From, to, type id, the type id of the other direction, and both labels.
_RECORDS: tuple[tuple[str, str, int, int, str | None, str | None], ...] = (
    ("contacts", "contacts", 449, 449, None, None),
    ("contacts", "companies", 279, 280, None, None),
    ("contacts", "companies", 1, 2, PRIMARY, PRIMARY),
    ("contacts", "deals", 4, 3, None, None),
    ("contacts", "tickets", 15, 16, None, None),
    ("companies", "companies", 450, 450, None, None),
    ("companies", "companies", 13, 14, "Child Company", "Parent Company"),
    ("deals", "companies", 341, 342, None, None),
    ("deals", "companies", 5, 6, PRIMARY, PRIMARY),
    ("deals", "deals", 451, 451, None, None),
    ("deals", "tickets", 27, 28, None, None),
    ("tickets", "companies", 339, 340, None, None),
    ("tickets", "companies", 26, 25, PRIMARY, PRIMARY),
    ("tickets", "tickets", 452, 452, None, None),
)
#: The type ids from a record to each activity, in the order of `ACTIVITIES`.
_TO_ACTIVITIES = {
    "contacts": (193, 197, 199, 201, 203, 82, 454),
    "companies": (181, 185, 187, 189, 191, 88, 460),
    "deals": (205, 209, 211, 213, 215, 86, 458),
    "tickets": (219, 223, 225, 227, 229, 84, 456),
}
#: Where the id of the other direction is the one before, not the one after.
_DESCENDING = ("communications", "postal_mail")
_CUSTOM = ("contacts", "companies", *(activity.name for activity in ACTIVITIES))
_FIRST_MADE = 100  # clear of the types that the account begins with

Pair = tuple[str, str]


class Definitions:
    """The association types of an account."""

    def __init__(self) -> None:
        self._types: dict[Pair, list[AssociationType]] = {}
        self._opposites: dict[tuple[Pair, AssociationType], AssociationType] = {}
        # Looked up for every link: those of each pair, if it has them.
        self._unlabelled: dict[Pair, AssociationType] = {}
        self._primary: dict[Pair, AssociationType] = {}
        self._limits: Sequence[AssociationLimit] = ()
        for of, to, here, there, label, inverse in _RECORDS:
            self._put(
                (of, to), AssociationType(HUBSPOT, here, label), AssociationType(HUBSPOT, there, inverse)
            )
        for of, ids in _TO_ACTIVITIES.items():
            for activity, here in zip(ACTIVITIES, ids, strict=True):
                there = here - 1 if activity.name in _DESCENDING else here + 1
                self._put(
                    (of, activity.name), AssociationType(HUBSPOT, here), AssociationType(HUBSPOT, there)
                )
        # As in accounts, these ids are small, and some are those of HubSpot's types: only with the category
        # do they name a type.
        made = count(1)
        for to in _CUSTOM:
            self._put(("p_cars", to), AssociationType(USER, next(made)), AssociationType(USER, next(made)))
        self._made = count(_FIRST_MADE)

    def change_scenario(self, labels: Iterable[AssociationLabel], limits: Sequence[AssociationLimit]) -> None:
        """Add the labels of a scenario, and use its limits. Other labels stay."""
        for one in labels:
            if all(known.label != one.label for known in self.between(one.object_type, one.to)):
                self.define(one.object_type, one.to, one.label, one.inverse or None)
        self._limits = limits

    def between(self, of: str, to: str) -> Sequence[AssociationType]:
        return self._types.get((of, to), ())

    def targets_of(self, of: str) -> list[str]:
        """The object types that records of this one may be associated with."""
        return [to for from_, to in self._types if from_ == of]

    def find(self, of: str, to: str, category: str, type_id: int) -> AssociationType | None:
        known = self.between(of, to)
        return next((one for one in known if (one.category, one.id) == (category, type_id)), None)

    def labelled(self, of: str, to: str, label: str) -> AssociationType | None:
        return next((one for one in self.between(of, to) if one.label == label), None)

    def unlabelled(self, of: str, to: str) -> AssociationType | None:
        return self._unlabelled.get((of, to))

    def primary(self, of: str, to: str) -> AssociationType | None:
        """The type of a record's primary company; None if it has none, or seen from the company."""
        return self._primary.get((of, to))

    def opposite(self, of: str, to: str, type_: AssociationType) -> AssociationType:
        return self._opposites[(of, to), type_]

    def define(
        self, of: str, to: str, label: str, inverse: str | None = None, name: str = ""
    ) -> list[AssociationType]:
        """Define a label; returns its type and that of the other direction, if it is another one."""
        here = AssociationType(USER, next(self._made), label, name)
        is_one = of == to and inverse in (None, label)
        there = here if is_one else AssociationType(USER, next(self._made), inverse or label, name)
        self._put((of, to), here, there)
        return [here] if is_one else [here, there]

    def archive(self, of: str, to: str, type_: AssociationType) -> AssociationType:
        """Archive a label; returns the type of the other direction, which goes with it."""
        there = self.opposite(of, to, type_)
        for pair, one in (((of, to), type_), ((to, of), there)):
            if one in self._types[pair]:
                self._types[pair].remove(one)
        return there

    @property
    def has_limits(self) -> bool:
        return bool(self._limits)

    def limits(self, of: str, to: str) -> Iterator[tuple[AssociationType, int]]:
        """The types that have a limit, and how many records one may be associated with."""
        for limit in self._limits:
            if (limit.object_type, limit.to) == (of, to):
                type_ = self.labelled(of, to, limit.label) if limit.label else self.unlabelled(of, to)
                if type_ is not None:
                    yield type_, limit.most

    def _put(self, pair: Pair, here: AssociationType, there: AssociationType) -> None:
        back = (pair[1], pair[0])
        for at, one, other in ((pair, here, there), (back, there, here)):
            known = self._types.setdefault(at, [])
            if one not in known:
                known.append(one)
            self._opposites[at, one] = other
            if one.label is None:
                self._unlabelled[at] = one
            if one.is_primary and at[1] == "companies":
                self._primary[at] = one
