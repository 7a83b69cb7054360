"""Whether people or other apps have worked with a record that a job created, by what is associated with it.

In    the replies to a batch read of associations, one for each type.
Out   why the record is kept, as a finding; none if nothing is associated with it.
Raise nothing. A record whose associations can't be read, or are missing in a reply, is kept, too.
Rules Companies do not count for a contact: HubSpot itself associates them, by the domain of the address. An
      error OBJECT_NOT_FOUND means that nothing is associated with the record; any other error means nothing.
From  https://developers.hubspot.com/docs/api-reference/legacy/crm/associations/associate-records/guide
      and answers as they were recorded
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from uploader.hubspot.missing_scopes import lack_text, missing_scopes
from uploader.hubspot.object_types import type_id
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import MAX_INPUTS
from uploader.pipeline.read_matching import with_reason
from uploader.undo.plan import Finding, Plan, UndoOutcome

#: Half of the maximum of one read of associations: fewer records wait for each other's replies.
_MOST_AT_ONCE = 500
#: What HubSpot answers where the account has no such type of objects.
_NO_SUCH_TYPE = "Unable to infer object type from"


class Type(NamedTuple):
    """A type of objects: if one is associated with a record, somebody has worked with the record."""

    name: str  #: as in paths
    one: str
    many: str
    scope: str  #: that a token needs to read it, unless HubSpot's answer names another


_ACTIVITY_SCOPE = "crm.objects.contacts.read"
TYPES = (
    Type("calls", "call", "calls", _ACTIVITY_SCOPE),
    Type("emails", "e-mail", "e-mails", _ACTIVITY_SCOPE),
    Type("meetings", "meeting", "meetings", _ACTIVITY_SCOPE),
    Type("notes", "note", "notes", _ACTIVITY_SCOPE),
    Type("tasks", "task", "tasks", _ACTIVITY_SCOPE),
    Type("communications", "message", "messages", _ACTIVITY_SCOPE),
    Type("postal_mail", "letter", "letters", _ACTIVITY_SCOPE),
    Type("deals", "deal", "deals", "crm.objects.deals.read"),
    Type("tickets", "ticket", "tickets", "tickets"),
)
#: The beginning of the reason if a record is kept because its associations are not all known.
NOT_KNOWN = "it is unknown"
_LEFT_OUT = "HubSpot did not list them"


def types_for(object_type: str) -> tuple[Type, ...]:
    """The types to look for with records of this type: all but that type itself."""
    own = {object_type, type_id(object_type)} - {""}
    return tuple(one for one in TYPES if own.isdisjoint({one.name, type_id(one.name)}))


def records_at_once(count: int, workers: int) -> int:
    """How many of `count` records one request asks about: as many as leave every worker some."""
    return min(_MOST_AT_ONCE, max(MAX_INPUTS, count // workers))


# --- what a reply means ---


def refusal(wanted: Type, reply: Reply) -> str:
    """Why the objects of a type can't be read; "" if they can."""
    if reply.ok or not reply.status or _NO_SUCH_TYPE in reply.message:
        return ""
    scopes = missing_scopes(reply.body)
    if reply.category == "MISSING_SCOPES" or scopes:
        return lack_text(scopes if scopes and wanted.scope not in scopes else [wanted.scope])
    return f"HubSpot refuses to show them (HTTP {reply.status})"


def counts(
    ids: Collection[str], reply: Reply, left: Callable[[str, Collection[str]], int] = lambda _, ids: len(ids)
) -> tuple[dict[str, int], dict[str, str]]:
    """By record id, the number of associated objects; for records whose number is not known, the reason.

    `left`: of a record and the ids of the objects, how many count.
    """
    if _NO_SUCH_TYPE in reply.message:
        return dict.fromkeys(ids, 0), {}
    known = {one: 0 for error in reply.errors if error.is_not_found for one in error.ids}
    for result in reply.results:
        if result.associated is not None:
            count = left(result.id, [one.id for one in result.associated])
            known[result.id] = max(count, known.get(result.id, 0))
    unknown = {one: error.code for error in reply.errors for one in error.ids}
    return (
        {one: known[one] for one in ids if one in known},
        {one: unknown.get(one, "") for one in ids if one not in known},
    )


# --- what follows for a record ---


@dataclass(frozen=True, slots=True)
class Associations:
    """The objects associated with some records, counted by type."""

    types: Sequence[Type]
    counts: Mapping[str, Mapping[str, int]]  #: by type and id
    unknown: Mapping[str, Mapping[str, str]]  #: in the same way, why the count is not known
    refused: Mapping[str, str]  #: types that can't be read, and why

    def reason(self, hubspot_id: str) -> str:
        """Why a record is kept; "" if nothing is associated with it."""
        held = [(one, self.counts.get(one.name, {}).get(hubspot_id, 0)) for one in self.types]
        counts = [f"{count:,} {one.one if count == 1 else one.many}" for one, count in held if count]
        is_one = sum(count for _, count in held) == 1
        parts = [f"{_listed(counts)} {'is' if is_one else 'are'} associated with it"] if counts else []
        parts += self._unseen(hubspot_id)
        return "; ".join(parts)

    def _unseen(self, hubspot_id: str) -> Iterable[str]:
        by_reason: dict[str, list[str]] = {}
        for one in self.types:
            if one.name in self.refused:
                by_reason.setdefault(self.refused[one.name], []).append(one.many)
            elif hubspot_id not in self.counts.get(one.name, {}):
                why = self.unknown.get(one.name, {}).get(hubspot_id, "")
                by_reason.setdefault(with_reason(_LEFT_OUT, why), []).append(one.many)
        for why, names in by_reason.items():
            yield f"{NOT_KNOWN} whether {_listed(names, 'or')} are associated with it: {why}"


def keep_touched(plan: Plan, associations: Associations) -> Plan:
    """The plan, changed to keep a record that somebody may have worked with."""
    why = associations.reason(plan.hubspot_id) if plan.archive else ""
    if not why:
        return plan
    finding = Finding("", "", "", "", why)
    return replace(plan, archive=False, outcome=UndoOutcome.KEPT, findings=[finding], is_touched=True)


def _listed(names: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else names[0]
