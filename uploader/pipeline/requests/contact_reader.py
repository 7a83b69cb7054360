"""Reads contacts until there is an answer, and reads the contacts of a batch before it is written.

`write_policy` decides what is written; `read_matching` which contact a reply names.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from msgspec import structs

from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.replies import Reply, Result
from uploader.hubspot.requests import ALL_PROPERTIES, encode_read, sent_properties
from uploader.hubspot.schema import Kind
from uploader.hubspot.transport import Call
from uploader.model.outcomes import Outcome
from uploader.model.records import Record, by_own_id
from uploader.model.settled_rows import ONLY, Refusal, Settlement
from uploader.model.stop import Cause
from uploader.pipeline.read_matching import (
    keys_to_retry,
    match,
    unique_values,
    wanted_properties,
    with_other_keys,
    with_reason,
)
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.key_search import Holder, KeySearch, ambiguous_text
from uploader.pipeline.requests.retry import READING, History
from uploader.records.values.respellings import Respellings
from uploader.records.write_policy import Change, Decision, WritePolicy, decide
from uploader.storage.snapshot import Former, SnapshotFile
from uploader.system.blocking_calls import Offload

#: How long ago, by HubSpot's clock, a search has certainly left that was answered just now.
_SEARCHED_SECONDS = 5.0


class Reader:
    """Reads contacts. If one key makes a request fail, the others are asked for without it."""

    def __init__(
        self,
        attempts: Attempts,
        path: str,
        judge: Callable[[Reply], Verdict] = classify_read,
        search: KeySearch | None = None,
    ) -> None:
        """`path` is the endpoint; `judge` returns the verdict on a reply; `search` finds who has keys that
        are not unique.
        """
        self.attempts = attempts
        self.path = path
        self.judge = judge
        self.search = search
        #: The sender's stalled seconds when the first answered request left.
        self.known_at = math.inf

    async def read(self, keys: Sequence[str], encode: Callable[[Sequence[str]], bytes]) -> Reply:
        """Return what HubSpot holds of these keys, at most one request's worth. `encode` makes the body.

        Keys with a transient error (`read_matching.keys_to_retry`) are asked for again until no attempts are
        left. A key that makes a request for it alone fail gets an error in the reply. StopRun if no request
        can succeed.
        """
        question = _Question(self, encode)
        await self.attempts.run(question, [Piece(keys)])
        assert question.answer is not None
        return question.answer

    async def read_by(
        self, id_property: str, keys: Sequence[str], names: Sequence[str], history: Sequence[str] = ()
    ) -> Reply:
        """Return these properties of the records with these keys, as `read` does. A key that is searched is
        that of the record found for it, in the reply as in the question.
        """
        if self.search is None or id_property != self.search.name:
            return await self.read(keys, lambda some: encode_read(id_property, some, names, history))
        stalled = self.attempts.sender.stalled_seconds
        holders = await self.search.look(keys, self.attempts)
        self.known_at = min(self.known_at, stalled)
        owners = {holder.hubspot_id: key for key, holder in holders.items() if holder.hubspot_id}
        reply = Reply(200, readable=True)
        if owners:
            reply = await self.read(list(owners), lambda some: encode_read("", some, names, history))
        found = [_with_key(one, id_property, owners[one.id]) for one in reply.results if one.id in owners]
        errors = [replace(one, ids=tuple(owners.get(key, key) for key in one.ids)) for one in reply.errors]
        errors += [
            _why_not_found(key, one, id_property) for key, one in holders.items() if not one.hubspot_id
        ]
        return structs.replace(reply, results=tuple(found), errors=tuple(errors))


def _with_key(result: Result, name: str, key: str) -> Result:
    """Return a result with its key as it was asked for, whatever its spelling is."""
    return structs.replace(result, properties={**result.properties, name: key})


def _why_not_found(key: str, holder: Holder, name: str) -> ErrorObject:
    """Return the error of a key that stands for no single record."""
    if holder.is_absent:
        return ErrorObject("OBJECT_NOT_FOUND", "", ids=(key,))
    if holder.ids:
        return ErrorObject("AMBIGUOUS", ambiguous_text(name, holder.ids), ids=(key,))
    return ErrorObject("NO_ANSWER", holder.why or "it may be created still", ids=(key,))


class _Question(Task[str]):
    """A read of some keys."""

    give_up_rule = READING

    def __init__(self, reader: Reader, encode: Callable[[Sequence[str]], bytes]) -> None:
        self.answer: Reply | None = None  #: of the keys that were answered so far
        self._reader = reader
        self._encode = encode
        self._stalled_seconds = 0.0  # the sender's, when the last question left

    def call(self, items: Sequence[str]) -> Call:
        return Call("POST", self._reader.path, self._encode(items), shown=ALL_PROPERTIES)

    def probe(self, items: Sequence[str]) -> Call:
        """A read of an id that no record has."""
        del items
        return Call("POST", self._reader.path, encode_read("", ["0"], []))

    def note_in_flight(self, items: Sequence[str], in_flight: bool) -> None:
        """Note when a read leaves: pauses after that make its answer out of date."""
        del items
        if in_flight:
            self._stalled_seconds = self._reader.attempts.sender.stalled_seconds

    def note_wait(self, seconds: float) -> None:
        """Make what was read before older, as a pause does."""
        self._reader.known_at -= seconds

    def judge(self, items: Sequence[str], reply: Reply, history: History) -> Judged[str]:
        del history
        verdict, later = self._reader.judge(reply), keys_to_retry(items, reply.errors)
        if verdict.action is Action.SETTLE:
            return Judged(
                structs.replace(verdict, action=Action.RETRY) if later else verdict,
                later,
                is_apart=True,
            )
        if verdict.action is Action.SPLIT:
            reason = f"reading back is refused: {verdict.reason}"
            verdict = structs.replace(verdict, action=Action.STOP, cause=Cause.ADDRESS, reason=reason)
        return Judged(verdict, items, is_apart=len(later) == len(items))

    async def settle_attempt(self, attempt: Attempt[str]) -> None:
        if attempt.is_answer:
            answered = [error for error in attempt.reply.errors if not (error.is_transient and error.ids)]
            reply = structs.replace(attempt.reply, errors=tuple(answered)) if attempt.open else attempt.reply
            self._add(reply)

    async def give_up(self, attempt: Attempt[str]) -> None:
        """Accept the errors of the reply for each key, or make one for the only key."""
        reply = attempt.reply
        if attempt.judged.is_apart:
            self._add(reply)
            return
        code = f"HTTP_{reply.status}" if reply.status else "NO_ANSWER"
        self._add(Reply(0, errors=(ErrorObject(code, "", ids=tuple(attempt.open)),)))

    def _add(self, reply: Reply) -> None:
        self._reader.known_at = min(self._reader.known_at, self._stalled_seconds)
        self.answer = reply if self.answer is None else _joined(self.answer, reply)


def _joined(first: Reply, second: Reply) -> Reply:
    """Return two replies as one; the first was accepted before the second."""
    return Reply(
        200,
        readable=True,
        results=first.results + second.results,
        errors=first.errors + second.errors,
        accepted=first.accepted or second.accepted,
    )


@dataclass(frozen=True, slots=True)
class ReadContact:
    """A record, the contact that was read for it, and the decision; None if HubSpot's replies leave the
    contact out.
    """

    record: Record
    held: Result | None
    decision: Decision | None
    wanted: Mapping[str, str] = field(default_factory=dict)  #: what the record asks for, all of it
    at: float | None = None  #: when it was read, by HubSpot's clock
    why: str = ""  #: where there is no decision: what HubSpot says of the reason

    def settled(self) -> Settlement | None:
        """Return the settlement of a record that is not to be sent; None if it is."""
        record, decision = self.record, self.decision
        if decision is None:
            text = with_reason("HubSpot did not return this record's values", self.why)
            refusal = Refusal("NO_ANSWER", text)
            return Settlement(record, Outcome.ABANDONED, attempts=0, refusal=refusal)
        if decision.outcome is None:
            return None
        hubspot_id = self.held.id if self.held else ""
        sent_before = decision.outcome is Outcome.UPDATED
        why = Refusal(ONLY, decision.reason) if decision.reason else None
        return Settlement(record, decision.outcome, hubspot_id, replayed=sent_before, attempts=0, refusal=why)


@dataclass(frozen=True, slots=True)
class PreWriteReader:
    """Reads the contacts of a batch before it is written, and keeps what will be replaced in the snapshot."""

    rules: WritePolicy
    kinds: Mapping[str, Kind]
    snapshot: SnapshotFile | None
    writer: Offload
    keys: Sequence[str] = ()  #: the properties by which rows are matched
    only_observes: bool = False  #: contacts are read only for `observe`: all records are sent
    is_searched: bool = False  #: who has a record's key is known by search: only those found are read
    needs_values: bool = True  #: contacts are read; otherwise it is enough that they were found
    observe: Callable[[ReadContact], None] = lambda _: None  #: called with each contact that is used
    now: Callable[[], float] = lambda: 0.0  #: HubSpot's time, in seconds since 1970
    #: Rows in the snapshot that were not written: position -> lock key of the key. A row leaves this when
    #: it is sent, and returns if the answer says that nothing of it was written.
    unwritten: dict[int, str] = field(default_factory=dict, init=False)
    _respellings: Respellings = field(default_factory=Respellings, init=False)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def read(
        self, records: Sequence[Record], reader: Reader, *, is_again: bool = False
    ) -> list[ReadContact]:
        """Return the contact and the decision for each record, in order. The snapshot is on disk when this
        returns.

        `is_again`: what was read before had grown too old. Then the time that the disk takes is not counted,
        or a slow disk would make the records be read for ever.
        """
        keys = self.keys if self.snapshot is not None else ()
        names = with_other_keys({*wanted_properties(records), *keys})
        contacts: dict[int, ReadContact] = {}
        unknown: dict[int, str] = {}
        rest = list(records)
        if self.is_searched:
            contacts = {
                r.position: self._by_search(r) for r in rest if not (self.needs_values and r.contact_id)
            }
            rest = [by_own_id(record) for record in rest if record.position not in contacts]
        own = {record.position: record for record in records}
        for _ in range(2):  # what an answer leaves out is asked for once more
            if not rest:
                break
            reply = await reader.read_by(rest[0].id_property, [record.key for record in rest], names)
            found, unknown = match(rest, reply.results, reply.errors)
            contacts |= {
                one.position: self._decided(own[one.position], held, reply.accepted_at) for one, held in found
            }
            rest = [record for record in rest if record.position in unknown]
        contacts |= {
            r.position: ReadContact(own[r.position], None, None, why=unknown[r.position]) for r in rest
        }
        made = [contacts[record.position] for record in records]
        if self.snapshot is not None:
            began = reader.attempts.clock()
            await self._store(self._keep([contact for contact in made if _writes(contact)]))
            if not is_again:
                reader.known_at -= reader.attempts.clock() - began  # others write meanwhile
        return made

    @property
    def learns(self) -> bool:
        """Whether replies to writes have to show the values that HubSpot stored."""
        return self.rules.skip_unchanged

    def note_stored(self, confirmed: Sequence[Settlement], results: Sequence[Result]) -> None:
        """Learn from a reply in which spellings the account stores the values of records it confirms."""
        if not self.learns:
            return
        records = [(one.hubspot_id, one.record) for one in confirmed if isinstance(one.record, Record)]
        # An answer to an update shows no key: only the id that was read tells whose it is.
        ids = [hubspot_id or record.contact_id for hubspot_id, record in records]
        counts = Counter(ids)
        stored = {one.id: one.properties for one in results if one.id and counts[one.id] == 1}
        for hubspot_id, (_, record) in zip(ids, records, strict=True):
            shown = stored.get(hubspot_id, {})
            for name, sent in sent_properties(record).items():
                if sent and isinstance(text := shown.get(name), str):
                    self._respellings.note(name, self.kinds.get(name, Kind()), sent, text)

    def note_sent(self, positions: Iterable[int]) -> None:
        """Note that a request leaves: these rows may have been written from now on."""
        for position in positions:
            self.unwritten.pop(position, None)

    def note_unwritten(self, records: Iterable[Record]) -> None:
        """Note that nothing of these records was written: they were not sent, or the answer is definite."""
        if self.snapshot is not None:
            self.unwritten.update({record.position: record.lock_keys[0] for record in records})

    async def forget(self, records: Iterable[Record]) -> None:
        """Remove records that were not written from the snapshot."""
        positions = [record.position for record in records if record.position in self.unwritten]
        if positions:
            await self._store(self._forget(positions))

    async def mark_in_doubt(self, records: Sequence[Record]) -> None:
        """Note in the snapshot that these records may have been written: the next reading is kept beside
        the first.
        """
        if self.snapshot is not None and records:
            await self._store(self.writer.run(partial(self.snapshot.doubt, records)))

    async def close(self) -> None:
        """Remove rows that were never sent from the snapshot. Call it when no batch is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        if self.unwritten:
            await self._store(self._forget(list(self.unwritten)))

    async def _store(self, work: Coroutine[Any, Any, None]) -> None:
        """Run disk work to its end even if the waiting worker is cancelled: the thread goes on, and
        `unwritten` must match the snapshot.
        """
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # mark it as retrieved: the waiting worker has it, or was cancelled

    async def _keep(self, contacts: Sequence[ReadContact]) -> None:
        """Store in the snapshot what the writes will replace."""
        assert self.snapshot is not None
        formers = [self._former(contact, contact.decision) for contact in contacts if contact.decision]
        await self.writer.run(partial(self.snapshot.keep, formers))
        # A row in doubt stays: its reading may be the only one before its write.
        sure = [contact.record for contact in contacts if not contact.record.in_doubt]
        self.unwritten.update({record.position: record.lock_keys[0] for record in sure})

    async def _forget(self, positions: Sequence[int]) -> None:
        assert self.snapshot is not None
        values = [self.unwritten[position] for position in positions]
        await self.writer.run(partial(self.snapshot.forget, values, positions))
        for position in positions:
            self.unwritten.pop(position, None)

    def _by_search(self, record: Record) -> ReadContact:
        """Return what is known of a record whose contact is not read: there is none, or its values do not
        matter.
        """
        if not record.contact_id:
            return self._decided(record, None, self.now() - _SEARCHED_SECONDS)
        wanted = sent_properties(record)
        return ReadContact(record, None, Decision(wanted, {}), wanted)

    def _decided(self, record: Record, held: Result | None, at: float | None) -> ReadContact:
        """Return the decision for a record, given its contact."""
        there = held.properties if held else None
        wanted = sent_properties(record)
        decision = decide(wanted, there, self.rules, self.kinds, self._respellings, in_doubt=record.in_doubt)
        if self.only_observes:
            decision = replace(decision, outcome=None)
        record.contact_id = held.id if held else ""
        record.preserved = list(decision.changes.values()).count(Change.PRESERVED)
        return ReadContact(record, held, decision, wanted, at)

    def _former(self, contact: ReadContact, decision: Decision) -> Former:
        """Return what a write is about to replace."""
        there = contact.held.properties if contact.held else {}
        return Former(
            value=contact.record.lock_keys[0],
            id_property=contact.record.id_property,
            key=contact.record.key,
            hubspot_id=contact.held.id if contact.held else "",
            row=contact.record.row,
            source=contact.record.source,
            held={n: text if isinstance(text := there.get(n), str) else "" for n in decision.properties},
            sent=decision.properties,
            keys=unique_values(contact.held, self.keys) if contact.held else frozenset(),
            position=contact.record.position,
            seen_at=contact.at,
        )


def _writes(contact: ReadContact) -> bool:
    """Whether a record is to be written."""
    return contact.decision is not None and contact.decision.outcome is None
