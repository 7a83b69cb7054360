"""Reading contacts until there is an answer, and what a worker reads of a batch before it writes it.

It decides nothing: `write_policy` says what is written, `read_matching` which contact a reply names.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from uploader.hubspot import wire
from uploader.hubspot.client import Call
from uploader.hubspot.error_objects import ErrorObject
from uploader.hubspot.schema import Kind
from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settlements import ONLY, Refusal, Settlement
from uploader.model.stop import Cause
from uploader.pipeline.read_matching import (
    keys_to_retry,
    match,
    unique_values,
    wanted_properties,
    with_other_addresses,
    with_reason,
)
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.retry import READING, History
from uploader.records.write_policy import Change, Decision, WritePolicy, decide
from uploader.storage.snapshot import Former, SnapshotFile
from uploader.system.blocking_calls import Offload


class Reader:
    """What one contact breaks in a question is asked of the others without it."""

    def __init__(
        self, attempts: Attempts, path: str, judge: Callable[[wire.Reply], Verdict] = classify_read
    ) -> None:
        """`path` is asked; `judge` says what a reply means."""
        self.attempts = attempts
        self.path = path
        self.judge = judge
        #: The sender's stalled seconds when the first question left that was answered.
        self.known_at = math.inf

    async def read(self, keys: Sequence[str], encode: Callable[[Sequence[str]], bytes]) -> wire.Reply:
        """What is held of these keys, at most one request's worth; `encode` spells the question.

        What is put off (`read_matching.put_off`) is asked for again, until no more attempts are left. A key
        that breaks the question when it is alone in it has an error that says so. StopRun where no question
        can be answered.
        """
        question = _Question(self, encode)
        await self.attempts.run(question, [Piece(keys)])
        assert question.answer is not None
        return question.answer


class _Question(Task[str]):
    """What is held of some keys."""

    give_up_rule = READING

    def __init__(self, reader: Reader, encode: Callable[[Sequence[str]], bytes]) -> None:
        self.answer: wire.Reply | None = None  #: of the keys that were answered so far
        self._reader = reader
        self._encode = encode
        self._stalled_seconds = 0.0  # the sender's, when the last question left

    def call(self, items: Sequence[str]) -> Call:
        return Call("POST", self._reader.path, self._encode(items), shown=wire.ALL_PROPERTIES)

    def probe(self, items: Sequence[str]) -> Call:
        """Nobody has that id."""
        del items
        return Call("POST", self._reader.path, wire.encode_read("", ["0"], []))

    def note_in_flight(self, items: Sequence[str], in_flight: bool) -> None:
        del items
        if in_flight:
            self._stalled_seconds = self._reader.attempts.sender.stalled_seconds

    def note_wait(self, seconds: float) -> None:
        """What was read before grows old meanwhile, as in a pause."""
        self._reader.known_at -= seconds

    def judge(self, items: Sequence[str], reply: wire.Reply, history: History) -> Judged[str]:
        del history
        verdict, later = self._reader.judge(reply), keys_to_retry(items, reply.errors)
        if verdict.action is Action.SETTLE:
            return Judged(replace(verdict, action=Action.RETRY) if later else verdict, later, is_apart=True)
        if verdict.action is Action.SPLIT:
            reason = f"reading back is refused: {verdict.reason}"
            verdict = replace(verdict, action=Action.STOP, cause=Cause.ADDRESS, reason=reason)
        return Judged(verdict, items, is_apart=len(later) == len(items))

    async def settle_attempt(self, attempt: Attempt[str]) -> None:
        if attempt.is_answer:
            answered = [error for error in attempt.reply.errors if not (error.is_transient and error.ids)]
            reply = replace(attempt.reply, errors=tuple(answered)) if attempt.open else attempt.reply
            self._add(reply)

    async def give_up(self, attempt: Attempt[str]) -> None:
        """The answer has an error for each key, or the only key gets one."""
        reply = attempt.reply
        if attempt.judged.is_apart:
            self._add(reply)
            return
        code = f"HTTP_{reply.status}" if reply.status else "NO_ANSWER"
        self._add(wire.Reply(0, errors=(ErrorObject(code, "", ids=tuple(attempt.open)),)))

    def _add(self, reply: wire.Reply) -> None:
        self._reader.known_at = min(self._reader.known_at, self._stalled_seconds)
        self.answer = reply if self.answer is None else _joined(self.answer, reply)


def _joined(first: wire.Reply, second: wire.Reply) -> wire.Reply:
    """What two answers hold, as one; the first was taken on before the second."""
    return wire.Reply(
        200,
        readable=True,
        results=first.results + second.results,
        errors=first.errors + second.errors,
        accepted=first.accepted or second.accepted,
    )


@dataclass(frozen=True, slots=True)
class ReadContact:
    """What reading a record's contact has led to; no decision where HubSpot's answers leave it out."""

    record: Record
    held: wire.Result | None
    decision: Decision | None
    wanted: Mapping[str, str] = field(default_factory=dict)  #: what the record asks for, all of it
    at: float | None = None  #: when it was read, by HubSpot's clock
    why: str = ""  #: where there is no decision: what HubSpot says of the reason

    def settled(self) -> Settlement | None:
        """The outcome of a record that is not to be sent; None of others."""
        record, decision = self.record, self.decision
        if decision is None:
            text = with_reason("HubSpot's answers leave out what it holds of this record", self.why)
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
    """What is done before a batch is written, where the user asks for it."""

    rules: WritePolicy
    kinds: Mapping[str, Kind]
    snapshot: SnapshotFile | None
    writer: Offload
    keys: Sequence[str] = ()  #: the properties by which rows are matched
    only_observes: bool = False  #: the run would not look for its own sake: it sends what it would have sent
    observe: Callable[[ReadContact], None] = lambda _: None  #: told of each look that is acted upon
    #: What is in the snapshot for nothing so far: by position the closed value of a row's key. A row leaves
    #: it with its request, and comes back only by an answer that nothing of it was written.
    unwritten: dict[int, str] = field(default_factory=dict, init=False)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def read(
        self, records: Sequence[Record], reader: Reader, *, is_again: bool = False
    ) -> list[ReadContact]:
        """In the order of the records. What is to be overwritten is on the disk when this returns.

        `is_again`: what was read of them before had grown old. Then the time that the disk takes is not
        counted: with one that is always slow they would be read for ever.
        """
        keys = self.keys if self.snapshot is not None else ()
        names = with_other_addresses({*wanted_properties(records), *keys})
        contacts: dict[int, ReadContact] = {}
        unknown: dict[int, str] = {}
        rest = list(records)
        for _ in range(2):  # what an answer leaves out is asked for once more
            reply = await reader.read(
                [record.key for record in rest],
                lambda keys: wire.encode_read(records[0].id_property, keys, names),
            )
            found, unknown = match(rest, reply.results, reply.errors)
            contacts |= {
                record.position: self._decided(record, held, reply.accepted_at) for record, held in found
            }
            rest = [record for record in rest if record.position in unknown]
            if not rest:
                break
        contacts |= {r.position: ReadContact(r, None, None, why=unknown[r.position]) for r in rest}
        made = [contacts[record.position] for record in records]
        if self.snapshot is not None:
            began = reader.attempts.clock()
            await self._store(self._keep([contact for contact in made if _writes(contact)]))
            if not is_again:
                reader.known_at -= reader.attempts.clock() - began  # others write meanwhile
        return made

    def note_sent(self, positions: Iterable[int]) -> None:
        """Their request leaves: from now on they may have been written, whatever ends the run."""
        for position in positions:
            self.unwritten.pop(position, None)

    def note_unwritten(self, records: Iterable[Record]) -> None:
        """They never left, or the answer is definite: nothing of them was written, now or before."""
        if self.snapshot is not None:
            self.unwritten.update({record.position: record.values[0] for record in records})

    async def forget(self, records: Iterable[Record]) -> None:
        """Take out what was kept of those that were not written."""
        positions = [record.position for record in records if record.position in self.unwritten]
        if positions:
            await self._store(self._forget(positions))

    async def mark_in_doubt(self, records: Sequence[Record]) -> None:
        """Note that they may have been written: what is read of their contacts next is kept beside it."""
        if self.snapshot is not None and records:
            await self._store(self.writer.run(partial(self.snapshot.doubt, records)))

    async def close(self) -> None:
        """Take out what was kept of rows that never left. No batch is under way any more."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        if self.unwritten:
            await self._store(self._forget(list(self.unwritten)))

    async def _store(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry it out to its end, also where the worker that waits for it is cancelled: the thread goes on,
        and `unwritten` has to tell what is in the snapshot.
        """
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # who waited has it; a cancelled worker's run ends anyway

    async def _keep(self, contacts: Sequence[ReadContact]) -> None:
        assert self.snapshot is not None
        formers = [self._former(contact, contact.decision) for contact in contacts if contact.decision]
        await self.writer.run(partial(self.snapshot.keep, formers))
        # The reading of a row that may have been written before may stand in for that of its first write.
        sure = [contact.record for contact in contacts if not contact.record.in_doubt]
        self.unwritten.update({record.position: record.values[0] for record in sure})

    async def _forget(self, positions: Sequence[int]) -> None:
        assert self.snapshot is not None
        values = [self.unwritten[position] for position in positions]
        await self.writer.run(partial(self.snapshot.forget, values, positions))
        for position in positions:
            self.unwritten.pop(position, None)

    def _decided(self, record: Record, held: wire.Result | None, at: float | None) -> ReadContact:
        there = held.properties if held else None
        wanted = wire.sent_properties(record)
        decision = decide(wanted, there, self.rules, self.kinds, in_doubt=record.in_doubt)
        if self.only_observes:
            decision = replace(decision, outcome=None)
        record.preserved = list(decision.changes.values()).count(Change.PRESERVED)
        return ReadContact(record, held, decision, wanted, at)

    def _former(self, contact: ReadContact, decision: Decision) -> Former:
        """What a write is about to replace."""
        there = contact.held.properties if contact.held else {}
        return Former(
            value=contact.record.values[0],
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
    return contact.decision is not None and contact.decision.outcome is None
