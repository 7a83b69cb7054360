"""What to do with the links of two records so that they are as before a job, as far as nobody else has
changed them since.

In    the links that the job made between two records (`MadePair`), what the records are linked with now.
Out   a `LinkPlan`: end the link, end labels of it, give the label back to the record that had lost it.
Raise nothing.
Rules A link that was there before the job stays; only the labels that the job added end. One that was not
      there ends altogether, unless others have labelled it since. The primary company that lost its place
      gets it back if the job's one still has it and the former one is still linked. In doubt all is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from uploader.associations.existing_links import Linked
from uploader.hubspot.associations import Pair, is_primary
from uploader.hubspot.replies import AssociationSpec
from uploader.model.associations import AssociationType


class LinkUndo(StrEnum):
    """What became of a link that the job made. Every one ends in exactly one."""

    UNLINKED = "unlinked"  #: it is as before the job
    GONE = "gone"  #: it was not there any more
    KEPT = "kept"  #: others have changed it since, or it is not known what was there before
    FAILED = "failed"  #: HubSpot refused


class Former(NamedTuple):
    """What the job found of the primary record of one that can have only one."""

    bearer: str  #: its id
    is_turned: bool  #: it is the other end of the job's links
    primary: str  #: its primary record before the job; "" for none
    made: frozenset[str]  #: the records that the job has made its primary ones


@dataclass(frozen=True, slots=True)
class MadePair:
    """What the job made between two records."""

    pair: Pair
    links: tuple[int, ...]  #: in the file of links
    types: tuple[AssociationType, ...]  #: of these links
    was_linked: bool | None  #: before the job; None if that is not known
    former: Former | None = None  #: of a type that a record has only one record by


@dataclass(frozen=True, slots=True)
class LinkPlan:
    made: MadePair
    outcome: LinkUndo  #: after the requests are done
    why: str = ""
    ends: bool = False  #: the link ends altogether
    labels: tuple[AssociationType, ...] = ()  #: those that end
    restore: Pair | None = None  #: the bearer, and the record that becomes its primary one again

    @property
    def writes(self) -> bool:
        return self.ends or bool(self.labels) or self.restore is not None


def plan(made: MadePair, linked: Linked, bearer: Linked) -> LinkPlan:
    """`linked`: what the first record is linked with now; `bearer`: the same of `made.former.bearer`."""
    if made.was_linked is None:
        return LinkPlan(made, LinkUndo.KEPT, "it is not known what was linked before the job")
    if linked.to is None or (made.former is not None and bearer.to is None):
        return LinkPlan(made, LinkUndo.FAILED, "HubSpot did not say what is linked now")
    restore, why = _restore(made.former, bearer, made.pair)
    now = linked.to.get(made.pair.to_id)
    if now is None:
        return LinkPlan(made, LinkUndo.GONE, why, restore=restore)
    if made.was_linked:
        there = {_text(one) for one in now}
        labels = tuple(
            one
            for one in made.types
            if one.label and _type_text(one) in there and not (restore is not None and is_primary(one))
        )
        outcome = LinkUndo.UNLINKED if labels or restore else LinkUndo.GONE
        return LinkPlan(made, outcome, why, labels=labels, restore=restore)
    foreign = _labels_of_others(now, made.types)
    if foreign:
        named = ", ".join(foreign)
        return LinkPlan(made, LinkUndo.KEPT, f"others have labelled it since: {named}", restore=restore)
    return LinkPlan(made, LinkUndo.UNLINKED, why, ends=True, restore=restore)


def _restore(former: Former | None, bearer: Linked, pair: Pair) -> tuple[Pair | None, str]:
    """The primary record that is given back, or why it is not."""
    if former is None or not former.primary or former.primary in former.made or bearer.to is None:
        return None, ""
    if bearer.primary == former.primary:
        return None, ""
    if bearer.primary not in former.made:
        return None, "others have changed since which one is the primary one"
    if former.primary not in bearer.to:
        return None, f"the former primary one ({former.primary}) is not linked any more"
    other = pair.from_id if former.is_turned else pair.to_id
    # Of several that the job has made primary, the one that is it now gives its place back.
    return (Pair(former.bearer, former.primary) if bearer.primary == other else None), ""


def _labels_of_others(now: Sequence[AssociationSpec], ours: Sequence[AssociationType]) -> list[str]:
    """The labels that the job has not given; HubSpot makes the first company the primary one by itself."""
    known = {_type_text(one) for one in ours}
    return [
        one.label
        for one in now
        if one.label
        and _text(one) not in known
        and not is_primary(AssociationType(one.category, one.type_id, one.label))
    ]


def _text(one: AssociationSpec) -> str:
    return f"{one.category}={one.type_id}"


def _type_text(one: AssociationType) -> str:
    return f"{one.category}={one.type_id}"


def by_outcome(plans: Sequence[LinkPlan], failed: Mapping[int, str]) -> dict[int, tuple[LinkUndo, str]]:
    """The outcome of each link and the reason. `failed`: why links were not undone, by link."""
    return {
        link: (LinkUndo.FAILED, failed[link]) if link in failed else (one.outcome, one.why)
        for one in plans
        for link in one.made.links
    }
