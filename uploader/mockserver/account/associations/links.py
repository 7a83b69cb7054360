"""Which records are associated, by which types, and which company is the primary one. No I/O.

A link is kept from both ends. Rules:
- A labelled link has the unlabelled type, too, where the pair has one (seen in replies).
- The first company of a contact, deal or ticket becomes its primary one, and a record has one primary company
  (knowledge base). That none takes the place of a primary company whose link was removed is assumed.
- Linking what is linked adds what is missing.
- An archived record has no links.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from uploader.mockserver.account.associations.definitions import AssociationType, Definitions

Types = tuple[AssociationType, ...]
NONE: Mapping[int, Types] = MappingProxyType({})


class Link(NamedTuple):
    """A link from one record to another one."""

    of: str
    from_id: int
    to: str
    to_id: int
    types: Types


class Links:
    """The links of an account. The records need not exist in it."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._held: dict[tuple[str, int, str], dict[int, Types]] = {}

    def __iter__(self) -> Iterator[Link]:
        """Each link once, from the type and id that sort first."""
        for (of, from_id, to), others in sorted(self._held.items()):
            for to_id, types in sorted(others.items()):
                if (of, from_id) <= (to, to_id):
                    yield Link(of, from_id, to, to_id, types)

    def held(self, of: str, record_id: int, to: str) -> Mapping[int, Types]:
        """The records of a type that a record is linked with, and by which types."""
        return self._held.get((of, record_id, to), NONE)

    def full(self, link: Link) -> Link:
        """The link with the unlabelled type. From the record that has a primary company, if one end has."""
        if link.of == "companies" and self._definitions.primary(link.to, link.of) is not None:
            link = self.turned(link)
        unlabelled = self._definitions.unlabelled(link.of, link.to)
        types = dict.fromkeys((*link.types, *([unlabelled] if unlabelled else [])))
        return link._replace(types=tuple(types))

    def add(self, link: Link) -> None:
        link = self.full(link)
        primary = self._definitions.primary(link.of, link.to)
        held = self.held(link.of, link.from_id, link.to)
        if primary in link.types:
            self._end_primary(link, primary)
        elif primary is not None and not held:
            link = link._replace(types=(primary, *link.types))
        self._put(link._replace(types=tuple(dict.fromkeys((*held.get(link.to_id, ()), *link.types)))))

    def _end_primary(self, link: Link, primary: AssociationType | None) -> None:
        """The company that was primary is so no more."""
        for to_id, types in list(self.held(link.of, link.from_id, link.to).items()):
            if primary in types and to_id != link.to_id:
                left = tuple(one for one in types if one != primary)
                self._put(link._replace(to_id=to_id, types=left))

    def remove(self, link: Link) -> None:
        """Remove a link altogether, whatever its types."""
        for end in (
            (link.of, link.from_id, link.to, link.to_id),
            (link.to, link.to_id, link.of, link.from_id),
        ):
            self._held.get(end[:3], {}).pop(end[3], None)

    def remove_types(self, link: Link) -> None:
        """Remove some types of a link; without the unlabelled one, it ends."""
        held = self.held(link.of, link.from_id, link.to).get(link.to_id, ())
        left = tuple(one for one in held if one not in link.types)
        unlabelled = self._definitions.unlabelled(link.of, link.to)
        if not left or unlabelled in link.types:
            self.remove(link)
        else:
            self._put(link._replace(types=left))

    def end_type(self, of: str, to: str, type_: AssociationType) -> None:
        """Remove a type from all links of a pair."""
        for (from_type, from_id, to_type), others in list(self._held.items()):
            if (from_type, to_type) == (of, to):
                for to_id in [one for one, types in others.items() if type_ in types]:
                    self.remove_types(Link(of, from_id, to, to_id, (type_,)))

    def drop(self, of: str, record_id: int) -> None:
        """Remove all links of a record."""
        for link in self._of(of, record_id):
            self.remove(link)

    def move(self, of: str, record_id: int, into: int) -> None:
        """Give the links of a merged record to another one, but for those between the two."""
        for link in self._of(of, record_id):
            self.remove(link)
            if (link.to, link.to_id) != (of, into):
                self.add(link._replace(from_id=into))

    def _of(self, of: str, record_id: int) -> list[Link]:
        return [
            Link(of, record_id, to, to_id, types)
            for to in self._definitions.targets_of(of)
            for to_id, types in self.held(of, record_id, to).items()
        ]

    def _put(self, link: Link) -> None:
        self._held.setdefault((link.of, link.from_id, link.to), {})[link.to_id] = link.types
        back = self.turned(link)
        self._held.setdefault((back.of, back.from_id, back.to), {})[back.to_id] = back.types

    def turned(self, link: Link) -> Link:
        """The link from its other end."""
        types = tuple(self._definitions.opposite(link.of, link.to, one) for one in link.types)
        return Link(link.to, link.to_id, link.of, link.from_id, types)


class LimitCheck:
    """Counts what a batch would add, so that no link of it breaks a limit."""

    def __init__(self, links: Links, definitions: Definitions) -> None:
        self._links = links
        self._definitions = definitions
        self._planned: dict[tuple[str, int, str, AssociationType], set[int]] = defaultdict(set)

    def refuse(self, link: Link) -> str:
        """Why a limit refuses the link; "" if none does, and then the link counts."""
        if not self._definitions.has_limits:
            return ""
        link = self._links.full(link)
        counted: list[tuple[tuple[str, int, str, AssociationType], int]] = []
        for end in (link, self._links.turned(link)):
            for type_, most in self._definitions.limits(end.of, end.to):
                if type_ not in end.types:
                    continue
                place = (end.of, end.from_id, end.to, type_)
                linked = self._linked(end, type_) | self._planned[place]
                if end.to_id not in linked and len(linked) >= most:
                    return f"{end.of} {end.from_id} has the most associations of type {type_}, {most}"
                counted.append((place, end.to_id))
        for place, to_id in counted:
            self._planned[place].add(to_id)
        return ""

    def _linked(self, end: Link, type_: AssociationType) -> set[int]:
        held = self._links.held(end.of, end.from_id, end.to)
        return {to_id for to_id, types in held.items() if type_ in types}
