"""What one reply to a batch of writes means for each record the batch carried.

In    `records`: what was sent, in source order; `reply`: the decoded answer, every field optional;
      `columns`: the properties that every row of the job carries (empty where rows name their own).
Out   a `Verdict`. Its four groups split `records` with no loss and no overlap, whatever the server
      answered; `action` tells the worker what to do with what is left open.
Raise nothing. A record the reply does not account for is `unresolved`, never confirmed: sending an
      write twice is safe, losing a contact is not.
Rules Confirmed by trace id, else by key, else by elimination when the counts prove it. Nothing is
      matched by position: results come in any order. The body decides, not the status.
From  https://developers.hubspot.com/docs/api-reference/error-handling
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.missing_scopes import lack_text, missing_scopes
from uploader.hubspot.replies import Reply, Result, whole_error
from uploader.hubspot.requests import sent_properties
from uploader.model.outcomes import Outcome
from uploader.model.records import OWN_ID, Record, by_own_id
from uploader.model.settled_rows import Refusal, Settlement
from uploader.model.stop import Cause
from uploader.pipeline.response_matching import BulkMatch, ResponseMatch, match_in_bulk
from uploader.records.values.respellings import searchable


class Action(StrEnum):
    """What to do with the records that a reply left open."""

    SETTLE = "settle"  #: none is left open (but for `pending`)
    RETRY = "retry"  #: send them again after a backoff; may count as an attempt
    SPLIT = "split"  #: one of them is at fault: halve until it is alone
    PAUSE = "pause"  #: send nothing for a while; never counts as an attempt
    STOP = "stop"  #: no batch can succeed until something is fixed, or for very long


class Refused(msgspec.Struct, frozen=True):
    """A record that HubSpot refused, with the reason."""

    record: Record
    refusal: Refusal


class Verdict(msgspec.Struct, frozen=True):
    """What a reply means for the records of a batch, and what to do next."""

    action: Action
    confirmed: Sequence[Settlement] = ()
    refused: Sequence[Refused] = ()
    pending: Sequence[Record] = ()
    unresolved: Sequence[Record] = ()
    cause: Cause | None = None  #: of a PAUSE or STOP
    pause_seconds: float | None = None  #: what the server asked for, if it did
    reason: str = ""  #: one line for the log and for a dead letter
    nameless_ids: Sequence[str] = ()  #: ids of the contacts confirmed without one, in no order
    refusal: Refusal | None = None  #: of a SPLIT: what a record has drawn upon itself if it was alone
    conflict: bool = False  #: a 409: perhaps a race, so worth one more try as it is
    silent: bool = False  #: a readable answer that says nothing of the records it leaves open


#: The content is at fault, so a smaller batch may pass.
_REFUSED = frozenset({400, 409, 413, 422})
#: No answer, or one that says nothing of the rows. 501 and 505 mean a wrong address.
_TRANSIENT = frozenset({0, 408, 425, *range(500, 600)}) - {501, 505}
#: Faults of a column, shared by every row.
_COLUMN_FAULTS = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})
#: From so many records on, a fault common to all of them is the source's.
_MANY_RECORDS = 10
#: "Unable to perform update/upsert by non-unique 0-1 property firstname"
_NOT_UNIQUE = "by non-unique"
_MESSAGE_CHARACTERS = 2_000
_LOCK_SECONDS = 2.0  # "Locks last 2 seconds"


def classify(records: Sequence[Record], reply: Reply, columns: Collection[str] = frozenset()) -> Verdict:
    """Return the verdict on a reply to a batch of writes. `columns`: properties that every row of the job
    has.
    """
    if reply.ok and reply.readable:
        return reconcile(records, reply, columns, match_in_bulk(records, reply.results, reply.errors))
    if reply.misconfigured:
        return _systemic_fault(records, reply)
    if reply.ok or reply.status in _TRANSIENT:
        return Verdict(Action.RETRY, unresolved=records, reason=_code_of(reply))
    if reply.status in _REFUSED or _is_absent(records, reply):
        return _refused(records, reply, columns)
    return _systemic_fault(records, reply)


def classify_creation(records: Sequence[Record], reply: Reply, columns: Collection[str]) -> Verdict:
    """Return the verdict on a reply to batch/create. What it leaves unresolved or pending may be created.

    What it confirms is new, although the reply does not say so.
    """
    name = records[0].id_property
    results = tuple(_as_searched(name, one) for one in reply.results)
    verdict = classify(records, replace(reply, results=results), columns)
    new = [Settlement(one.record, Outcome.CREATED, one.hubspot_id) for one in verdict.confirmed]
    return replace(verdict, confirmed=new)


def _as_searched(name: str, result: Result) -> Result:
    """Return a result with its key in the form in which our rows have theirs."""
    held = result.properties.get(name)
    if not isinstance(held, str):
        return result
    return msgspec.structs.replace(result, properties={**result.properties, name: searchable(name, held)})


def classify_by_id(records: Sequence[Record], reply: Reply, columns: Collection[str]) -> Verdict:
    """Return the verdict on a reply to batch/update of records that go by the ids found for them."""
    verdict = classify(list(map(by_own_id, records)), reply, columns)
    own = {record.position: record for record in records}
    for one in verdict.confirmed:
        one.record = own[one.record.position]
    return replace(
        verdict,
        refused=[replace(one, record=own[one.record.position]) for one in verdict.refused],
        pending=[own[one.position] for one in verdict.pending],
        unresolved=[own[one.position] for one in verdict.unresolved],
    )


def _is_absent(records: Sequence[Record], reply: Reply) -> bool:
    """Whether a reply says that no record has an id of the batch. Another 404 means a wrong address."""
    is_by_id = bool(records) and records[0].id_property == OWN_ID
    return is_by_id and reply.status == 404 and reply.readable and whole_error(reply).is_not_found


def classify_read(reply: Reply) -> Verdict:
    """Return the verdict on a reply to a read. SPLIT: the question is at fault.

    A reply with nothing but transient errors is no answer.
    """
    if reply.ok and reply.readable:
        if reply.errors and not reply.results and all(error.is_transient for error in reply.errors):
            return Verdict(Action.RETRY, reason=f"HTTP {reply.status}: {reply.errors[0].code}")
        return Verdict(Action.SETTLE)
    if reply.misconfigured:
        return _systemic_fault((), reply)
    if reply.ok or reply.status in _TRANSIENT:
        return Verdict(Action.RETRY, reason=_code_of(reply))
    if reply.status in _REFUSED:
        return Verdict(Action.SPLIT, reason=_message_of(reply))
    return _systemic_fault((), reply)


def classify_optional_read(reply: Reply) -> Verdict:
    """Return the verdict on a reply to a read that may be refused: a refusal is an answer, too."""
    verdict = classify_read(reply)
    is_refusal = verdict.action is Action.SPLIT or verdict.cause in {Cause.SCOPE, Cause.ADDRESS}
    return Verdict(Action.SETTLE) if is_refusal else verdict


def classify_search(reply: Reply) -> Verdict:
    """Return the verdict on a reply to a search. SPLIT: a value is at fault, or there are too many."""
    verdict = classify_read(reply)
    if hits_search_limit(reply):
        return replace(verdict, cause=Cause.SEARCH)
    if verdict.action is Action.SPLIT:
        return replace(verdict, refusal=_refusal(whole_error(reply), reply))
    return verdict


def hits_search_limit(reply: Reply) -> bool:
    """Whether a search was one too many for the second. Other limits concern all requests."""
    return reply.status == 429 and not _is_daily(reply) and _one_second_pause(reply) is not None


# --- no record is at fault ---


def _systemic_fault(records: Sequence[Record], reply: Reply) -> Verdict:
    """The verdict on a reply for which no record is at fault."""
    action, cause, seconds = _action_and_cause(reply)
    return Verdict(action, unresolved=records, cause=cause, pause_seconds=seconds, reason=_message_of(reply))


#: An unlisted status stops the run: a wrong address must not dead-letter a million good rows one by one.
_SYSTEMIC_FAULTS = {
    429: (Action.PAUSE, Cause.BURST),
    423: (Action.PAUSE, Cause.LOCKED),
    477: (Action.STOP, Cause.MIGRATION),
    401: (Action.STOP, Cause.TOKEN),
    403: (Action.STOP, Cause.SCOPE),
    0: (Action.STOP, Cause.NETWORK),
}


def _action_and_cause(reply: Reply) -> tuple[Action, Cause, float | None]:
    """Return what to do, why, and the seconds to pause, for a reply for which no record is at fault."""
    action, cause = _SYSTEMIC_FAULTS.get(reply.status, (Action.STOP, Cause.ADDRESS))
    seconds = reply.retry_after_seconds
    if cause is Cause.BURST and _is_daily(reply):
        return Action.STOP, Cause.DAILY, seconds
    if cause is Cause.BURST:
        return action, cause, seconds or _one_second_pause(reply)
    return action, cause, seconds or (_LOCK_SECONDS if cause is Cause.LOCKED else None)


def _is_daily(reply: Reply) -> bool:
    return reply.policy.upper() == "DAILY" if reply.policy else "daily" in reply.message.lower()


def _one_second_pause(reply: Reply) -> float | None:
    """Return 1 second if a limit of requests per second was hit (search, and old reply bodies)."""
    limit = reply.policy.upper() or reply.message.upper()
    return 1.0 if "SECONDLY" in limit and "TEN_SECONDLY" not in limit else None


# --- the content is at fault: some record of these ---


def _refused(records: Sequence[Record], reply: Reply, columns: Collection[str]) -> Verdict:
    """The verdict on a refusal of the whole batch because of its content."""
    if not reply.readable and reply.status != 413:
        # A proxy's page says nothing of the rows.
        return Verdict(Action.RETRY, unresolved=records, reason=_message_of(reply))
    if _NOT_UNIQUE in reply.message:
        return Verdict(Action.STOP, unresolved=records, cause=Cause.ID_PROPERTY, reason=_message_of(reply))
    error = whole_error(reply)
    if _column_at_fault(error, columns, records):
        reason = f"HTTP {reply.status}: {_column_complaint(error)}"
        return Verdict(Action.STOP, unresolved=records, cause=Cause.PROPERTY, reason=reason)
    return Verdict(
        Action.SPLIT,
        unresolved=records,
        reason=_message_of(reply),
        refusal=_refusal(error, reply),
        conflict=reply.status == 409,
    )


def _column_at_fault(error: ErrorObject, columns: Collection[str], records: Sequence[Record]) -> str:
    """Return the column that an error names, if every row has it: then no other row can pass either."""
    for fault in error.faults:
        if fault.code in _COLUMN_FAULTS and (fault.name in columns or _all_carry(records, fault.name)):
            return fault.name
    return ""


def _column_complaint(error: ErrorObject) -> str:
    """Return what an error says about columns, without the rest of the message, which may quote addresses."""
    faults = [fault for fault in error.faults if fault.code in _COLUMN_FAULTS]
    return "; ".join(f"{fault.name}: {fault.text or fault.code}" for fault in faults)


def _all_carry(records: Sequence[Record], name: str) -> bool:
    """Whether enough records all have the property: then it is a column, even if rows name their own
    fields.
    """
    return len(records) >= _MANY_RECORDS and all(name in sent_properties(record) for record in records)


def _refusal(error: ErrorObject, reply: Reply) -> Refusal:
    """Return the refusal of a record for an error, with a shortened message."""
    message = error.plain_text or error.message or _message_of(reply)
    if len(message) > _MESSAGE_CHARACTERS:
        message = f"{message[:_MESSAGE_CHARACTERS]}... ({len(message):,} characters)"
    return Refusal(
        category=error.category or (f"HTTP_{reply.status}" if not reply.ok else "UNSPECIFIED"),
        message=message,
        correlation_id=reply.correlation_id,
        existing_id=error.existing_id,
    )


# --- a 2xx: record by record ---


def reconcile(records: Sequence[Record], reply: Reply, columns: Collection[str], plain: BulkMatch) -> Verdict:
    """Return the verdict on a 2xx reply. `plain`: which records are plainly answered, and which are to be
    judged.
    """
    confirmed = _confirmed(plain.records, plain.results)
    rest = plain.other_records
    if not rest and not plain.other_results and not reply.errors:
        return Verdict(Action.SETTLE, confirmed, silent=True)
    matched = ResponseMatch(records[0].id_property, rest, plain.other_results, reply.errors)
    named = matched.named
    blamed = {at: error for at, error in matched.blamed.items() if at not in matched.contradicted}
    judged = [
        record for record in rest if record.position in named and record.position not in matched.contradicted
    ]
    if judged:
        confirmed += _confirmed(judged, [named[record.position] for record in judged])
        confirmed.sort(key=lambda entry: entry.record.position)
    unnamed = _unnamed(matched, reply.batch_status)
    blamed |= unnamed.blamed
    refused, again, complaint = _judge(rest, blamed, reply, columns, records)
    contradicted = [record for record in rest if record.position in matched.contradicted]
    unresolved = sorted([*contradicted, *unnamed.unresolved, *again], key=lambda record: record.position)
    action = Action.RETRY if unresolved else Action.SETTLE
    if complaint:
        action = Action.STOP
    elif (matched.anonymous or matched.is_contradictory) and len(unresolved) > 1:
        # What is at fault hides among these; halving brings it out.
        action = Action.SPLIT
    return Verdict(
        action,
        [*confirmed, *unnamed.confirmed],
        refused,
        unnamed.pending,
        unresolved,
        Cause.PROPERTY if complaint else None,
        reason=complaint or _open_reason(unresolved, matched),
        nameless_ids=unnamed.ids,
        silent=not again,
    )


#: On Python 3.11, looking up a member of an enum takes as long as making a settlement.
_CREATED, _UPDATED = Outcome.CREATED, Outcome.UPDATED


def _confirmed(records: Sequence[Record], results: Sequence[Result]) -> list[Settlement]:
    """Return the settlements of records that HubSpot confirmed, each with its result at the same index."""
    return [
        Settlement(record, _CREATED, result.id)
        if result.new
        else Settlement(record, _UPDATED, result.id, record.in_doubt)
        for record, result in zip(records, results, strict=True)
    ]


class _Unnamed(msgspec.Struct, frozen=True, gc=False):
    """The verdict on records that a reply does not name."""

    confirmed: Sequence[Settlement] = ()
    ids: Sequence[
        str
    ] = ()  #: of the contacts that those are, in no order, where it is not known which is whose
    pending: Sequence[Record] = ()
    blamed: Mapping[int, ErrorObject] = {}  #: by position
    unresolved: Sequence[Record] = ()


def _unnamed(matched: ResponseMatch, batch_status: str) -> _Unnamed:
    """Return the verdict on the records that a reply does not name."""
    silent, nameless = matched.silent, matched.nameless
    if batch_status in _ACCEPTED:
        return _Unnamed(pending=silent)
    if matched.counts_prove and batch_status in _COMPLETE:
        ids, is_new = [result.id for result in nameless], nameless[0].new
        known = _known_ids(silent, ids)
        results = [Result(known.get(record.position, ""), is_new) for record in silent]
        return _Unnamed(_confirmed(silent, results), sorted(set(ids) - set(known.values())))
    if matched.error_has_one_candidate:
        return _Unnamed(blamed={silent[0].position: matched.anonymous[0]})
    return _Unnamed(unresolved=silent)


def _known_ids(silent: Sequence[Record], ids: Sequence[str]) -> dict[int, str]:
    """Return by position which of the ids that name no record is whose: that of the contact read for it, or
    the only one there is.
    """
    if len(silent) == 1:
        return {silent[0].position: ids[0]}
    read = Counter(record.contact_id for record in silent)
    there = {one for one in ids if one and read[one] == 1}
    return {record.position: record.contact_id for record in silent if record.contact_id in there}


#: A batch that is under way and will be written. A cancelled one has to be sent again.
_ACCEPTED = frozenset({"PENDING", "PROCESSING"})
_COMPLETE = frozenset({"COMPLETE", ""})


def _judge(
    records: Sequence[Record],
    blamed: dict[int, ErrorObject],
    reply: Reply,
    columns: Collection[str],
    batch: Sequence[Record],
) -> tuple[list[Refused], list[Record], str]:
    """Return the records refused for good, those to be sent again, and the complaint about a column that
    the whole batch has.
    """
    refused, again, complaint = [], [], ""
    for record in records:
        error = blamed.get(record.position)
        if error is None:
            continue
        if _column_at_fault(error, columns, batch):
            complaint = _column_complaint(error)
            again.append(record)
        elif error.is_transient:
            again.append(record)
        else:
            refused.append(Refused(record, _refusal(error, reply)))
    return refused, again, complaint


def _open_reason(unresolved: Sequence[Record], matched: ResponseMatch) -> str:
    """Return why records are left open; "" if there are none."""
    if not unresolved:
        return ""
    if matched.anonymous:
        return matched.anonymous[0].message[:_MESSAGE_CHARACTERS] or "an error that names no record"
    if matched.is_contradictory:
        return "the answer contradicts itself"
    return "the answer did not account for the record"


def _code_of(reply: Reply) -> str:
    """Return status and codes of a reply in one line, without the server's message, which may hold
    addresses.
    """
    if reply.status == 0 or not reply.readable:
        return _message_of(reply)
    return " ".join(part for part in (f"HTTP {reply.status}", reply.category, reply.correlation_id) if part)


def _message_of(reply: Reply) -> str:
    """Return status and message of a reply in one line."""
    if reply.status == 0:
        return reply.message
    scopes = missing_scopes(reply.body) if reply.status == 403 else ()
    message = lack_text(scopes) if scopes else " ".join(reply.message.split())[:_MESSAGE_CHARACTERS]
    return f"HTTP {reply.status}: {message}" if message else f"HTTP {reply.status}"
