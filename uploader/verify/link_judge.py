"""Compare the links of a record with those that a job made: equal, missing, without their label, or with
another primary record.

In    the links that the job made of one record, in the order in which they were made; what it is linked with.
Out   a `CheckedLink` for each.
Raise nothing.
Rules A record has one primary company: the one of its last link with that label. An earlier one is only
      expected to be linked. A link that is pending may be there or not, and may have become the primary one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from uploader.associations.existing_links import Linked
from uploader.model.associations import AssociationType


class LinkVerdict(StrEnum):
    """What is found of a link. Every link that is compared has exactly one."""

    EQUAL = "equal"
    MISSING = "link missing"
    LABEL = "label missing"  #: linked, without the label
    PRIMARY = "other primary"  #: linked, and another record is the primary one
    UNCHECKED = "link not checked"
    THERE = "pending link there"  #: the job had no answer, and the link is there
    NOT_THERE = "pending link missing"


@dataclass(frozen=True, slots=True)
class LinkKind:
    """How the links of a column were made."""

    types: tuple[AssociationType, ...]  #: any of these will do; none: it is not known
    is_single: bool  #: a record has one record by this type only
    is_turned: bool  #: the links are read from the other end
    why: str = ""  #: why it is not known


class WantedLink(NamedTuple):
    """A link that a job made, as its record is read."""

    number: int  #: in the order in which the links were made
    other: str  #: the id of the record at its other end
    kind: int  #: index of its `LinkKind`
    is_pending: bool
    note: str  #: why it may not be there


class CheckedLink(NamedTuple):
    number: int
    verdict: LinkVerdict
    found: str = ""  #: the labels that are there
    note: str = ""

    @property
    def is_missing(self) -> bool:
        return self.verdict in {LinkVerdict.MISSING, LinkVerdict.NOT_THERE}


def judge_links(links: Sequence[WantedLink], kinds: Sequence[LinkKind], linked: Linked) -> list[CheckedLink]:
    """A result for each link of one record, in order. `linked`: what the record is linked with."""
    primaries = [one for one in links if kinds[one.kind].is_single]
    last = max((one.number for one in primaries if not one.is_pending), default=0)
    holders = {one.other for one in primaries if one.number >= last}
    return [_judged(one, kinds[one.kind], linked, holders) for one in links]


def _judged(link: WantedLink, kind: LinkKind, linked: Linked, holders: set[str]) -> CheckedLink:
    """`holders`: the records of which one is to be the primary one."""
    if linked.to is None or not kind.types:
        why = kind.why or "HubSpot did not say what is linked"
        return CheckedLink(link.number, LinkVerdict.UNCHECKED, note=why)
    types = linked.to.get(link.other, ())
    found = ", ".join(sorted(one.label for one in types if one.label))
    if not types:
        verdict, note = LinkVerdict.MISSING, ""
    elif kind.is_single:
        verdict, note = _primary(link, linked, holders)
    else:
        has = any(linked.has(link.other, one, is_turned=False) for one in kind.types)
        verdict, note = (LinkVerdict.EQUAL if has else LinkVerdict.LABEL), ""
    if link.is_pending:
        verdict = LinkVerdict.THERE if verdict is LinkVerdict.EQUAL else LinkVerdict.NOT_THERE
    is_there = verdict in {LinkVerdict.EQUAL, LinkVerdict.THERE}
    notes = [] if is_there else [part for part in (note, link.note) if part]
    return CheckedLink(link.number, verdict, found, "; ".join(notes))


def _primary(link: WantedLink, linked: Linked, holders: set[str]) -> tuple[LinkVerdict, str]:
    """The verdict on a link that makes a record the primary one, and a note. One that a later link of the
    job took the label from is as expected without it.
    """
    if link.other not in holders or linked.primary == link.other:
        return LinkVerdict.EQUAL, ""
    if not linked.primary:
        return LinkVerdict.LABEL, "no record is the primary one"
    if linked.primary in holders and not link.is_pending:
        return LinkVerdict.EQUAL, ""  # a later link that is pending was made
    return LinkVerdict.PRIMARY, f"{linked.primary} is the primary one"
