"""What a reply to a batch of links means for each of them.

In    the links of a batch, of which no two join the same two records, and the decoded reply.
Out   a `LinkVerdict`. Its groups split the links with no loss and no overlap, whatever the server said.
Raise nothing.
Rules A link is confirmed where the reply names both ends of it. One that an error names is refused, or sent
      again if the error may pass. Nothing is matched by position, and one that the reply does not name is in
      doubt: it is sent again, which changes nothing if it was made.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from uploader.hubspot.associations import LinkError, Pair, link_errors, linked_pairs
from uploader.hubspot.object_types import noun, type_id
from uploader.hubspot.replies import Reply
from uploader.model.associations import AssociationType, LinkOutcome
from uploader.model.settled_rows import Refusal
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read


class Link(NamedTuple):
    """A link to be made."""

    id: int  #: in the file of links
    pair: Pair
    type: AssociationType


class Refused(NamedTuple):
    link: Link
    outcome: LinkOutcome
    why: str


class Ends(NamedTuple):
    """The object types of both ends, by name or id."""

    of: str
    to: str


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    verdict: Verdict  #: with `refusal` where a link that is alone is refused by it
    linked: Sequence[Link] = ()
    refused: Sequence[Refused] = ()
    open: Sequence[Link] = ()
    most: int | None = None  #: how many links a request may have, if the reply says so


def classify_links(links: Sequence[Link], reply: Reply, ends: Ends) -> LinkVerdict:
    if reply.ok and reply.readable:
        return _reconcile(links, reply, ends)
    verdict = classify_read(reply)
    is_absent = reply.status == 404 and reply.readable and reply.category == "OBJECT_NOT_FOUND"
    if verdict.action is not Action.SPLIT and not is_absent:
        return LinkVerdict(verdict, open=links)
    if not reply.readable and reply.status != 413:  # a proxy's page says nothing of the links
        return LinkVerdict(replace(verdict, action=Action.RETRY), open=links)
    return _refused(links, reply, ends)


# --- all of it is refused ---


def _refused(links: Sequence[Link], reply: Reply, ends: Ends) -> LinkVerdict:
    (error,) = link_errors(reply)
    if error.lacks_type:
        return _lacks_type(links, error)
    reason = f"HTTP {reply.status}: {error.message}"
    if most := _limit(error, len(links)):
        return LinkVerdict(Verdict(Action.SPLIT, reason=reason), open=links, most=most)
    named = [link for link in links if _is_of(error, link, ends)]
    if named and len(named) < len(links):
        rest = [link for link in links if link not in named]
        refused = [_refusal(link, error, ends) for link in named]
        return LinkVerdict(Verdict(Action.SPLIT, reason=reason), refused=refused, open=rest)
    if error.is_transient:
        return LinkVerdict(Verdict(Action.RETRY, reason=reason), open=links)
    is_conflict = reply.status == 409  # perhaps a race
    if len(links) == 1 and not is_conflict:
        refused = [_refusal(links[0], error, ends)]
        return LinkVerdict(Verdict(Action.SETTLE), refused=refused)
    refusal = Refusal(error.category, error.message, reply.correlation_id)
    return LinkVerdict(
        Verdict(Action.SPLIT, reason=reason, refusal=refusal, conflict=is_conflict), open=links
    )


def _lacks_type(links: Sequence[Link], error: LinkError) -> LinkVerdict:
    verdict = Verdict(Action.STOP, cause=Cause.LABEL, reason=error.message)
    return LinkVerdict(verdict, open=links)


_LIMIT = re.compile(r"(?i)\b(?:max(?:imum)?|limit|at most|up to|no more than|size)\b\D{0,80}(\d[\d,]*)")
_OF_INPUTS = re.compile(r"(?i)\b(?:inputs|items|batch)\b")


def _limit(error: LinkError, count: int) -> int | None:
    """The number of links that a request may have, if a refusal of `count` names it. That of the links that a
    record may have is another one.
    """
    found = _LIMIT.search(error.message)
    if found is None or not _OF_INPUTS.search(error.message) or error.pairs or error.absent:
        return None
    most = int(found[1].replace(",", ""))
    return most if 0 < most < count else None


# --- each link has its answer ---


def _reconcile(links: Sequence[Link], reply: Reply, ends: Ends) -> LinkVerdict:
    named, errors = linked_pairs(reply), link_errors(reply)
    if lacking := next((one for one in errors if one.lacks_type), None):
        return _lacks_type(links, lacking)
    blamed: dict[int, LinkError] = {}
    anonymous = [error for error in errors if not _blame(error, links, ends, blamed)]
    linked, refused, left, contradicted = [], [], [], False
    for link in links:
        error, is_named = blamed.get(link.id), link.pair in named
        if error is None and is_named:
            linked.append(link)
        elif error is not None and not is_named and not error.is_transient:
            refused.append(_refusal(link, error, ends))
        else:
            contradicted |= error is not None and is_named
            left.append(link)
    if not left:
        return LinkVerdict(Verdict(Action.SETTLE), linked, refused)
    silent = [link for link in left if link.id not in blamed]
    is_unnamed = bool(anonymous) or reply.num_errors > len(errors)
    if len(links) == 1 and silent and is_unnamed and not any(one.is_transient for one in anonymous):
        error = anonymous[0] if anonymous else LinkError("", "HubSpot refused it without a reason")
        return LinkVerdict(Verdict(Action.SETTLE), refused=[_refusal(links[0], error, ends)])
    # What is at fault hides among the silent ones; halving brings it out.
    hides = len(left) > 1 and (contradicted or (bool(silent) and is_unnamed))
    action = Action.SPLIT if hides else Action.RETRY
    return LinkVerdict(Verdict(action, reason=_open_reason(left, blamed)), linked, refused, left)


def _open_reason(left: Sequence[Link], blamed: Mapping[int, LinkError]) -> str:
    error = next((blamed[link.id] for link in left if link.id in blamed), None)
    return error.message if error else "the answer did not account for the link"


def _blame(error: LinkError, links: Sequence[Link], ends: Ends, blamed: dict[int, LinkError]) -> bool:
    """Note the links that an error is about; False if there are none."""
    named = [link for link in links if _is_of(error, link, ends)]
    for link in named:
        blamed.setdefault(link.id, error)
    return bool(named)


def _is_of(error: LinkError, link: Link, ends: Ends) -> bool:
    if error.pairs:
        return link.pair in error.pairs
    return any(_lacks(error, ends)(link))


def _lacks(error: LinkError, ends: Ends) -> Callable[[Link], tuple[bool, bool]]:
    """Whether an error says that the record at each end of a link does not exist."""
    here, there = _absent(error, ends.of), _absent(error, ends.to)
    return lambda link: (link.pair.from_id in here, link.pair.to_id in there)


def _absent(error: LinkError, object_type: str) -> set[str]:
    """The records of a type that do not exist. Of a type that HubSpot's word leaves open, too."""
    words = {noun(object_type).one.upper(), type_id(object_type), object_type.upper(), ""}
    known = {noun(one).one.upper() for one in ("contacts", "companies", "deals", "tickets")}
    return {one for one, kind in error.absent if kind.upper() in words or _is_open(kind, object_type, known)}


def _is_open(kind: str, object_type: str, known: set[str]) -> bool:
    """Whether HubSpot's word may mean a custom object, whose word is not known."""
    return kind.upper() not in known and noun(object_type).one == "record"


def _refusal(link: Link, error: LinkError, ends: Ends) -> Refused:
    is_from, is_to = _lacks(error, ends)(link)
    if is_to:
        return Refused(
            link, LinkOutcome.MISSING, f"HubSpot has no {noun(ends.to).one} with the id {link.pair.to_id}"
        )
    if is_from:
        return Refused(
            link, LinkOutcome.MISSING, f"the {noun(ends.of).one} of this row does not exist any more"
        )
    return Refused(link, LinkOutcome.REJECTED, error.message or error.category or "HubSpot refused it")
