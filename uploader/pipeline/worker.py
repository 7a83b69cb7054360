"""What a worker does with a batch until all of it is settled. `reply_verdict` and `retry` decide."""

import asyncio
import heapq
import logging
import math
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uploader.hubspot import wire
from uploader.hubspot.client import Call
from uploader.hubspot.schema import Kind
from uploader.model.outcomes import Outcome
from uploader.model.records import Record
from uploader.model.settlements import Refusal, Settlement
from uploader.model.stop import LONG_PAUSES, Cause
from uploader.pipeline import read_matching
from uploader.pipeline.collector import Collector
from uploader.pipeline.contact_reader import Look, Looking, Reader
from uploader.pipeline.feed import Feed
from uploader.pipeline.keys_of_one_contact import sightings
from uploader.pipeline.rate.in_flight_slots import Slots
from uploader.pipeline.reply_verdict import Action, Verdict, classify, classify_read
from uploader.pipeline.retry import (
    BATCH_ATTEMPTS,
    History,
    Next,
    Tail,
    backoff_seconds,
    decide,
    judge_tail,
    spare_races,
    tail_wait_seconds,
)
from uploader.pipeline.sender import OutOfDateError, Sender
from uploader.pipeline.write_outage_probe import Proof

_LOG = logging.getLogger("uploader")
#: How often what was accepted but not confirmed is asked for, and the first wait (it doubles), in seconds.
_READ_BACKS, _READ_BACK_SECONDS = 5, 1.0


@dataclass(slots=True)
class Piece:
    """A batch, or what is left of it, on its way through attempts."""

    records: Sequence[Record]
    history: History = field(default_factory=History)

    @property
    def position(self) -> int:
        return self.records[0].position


class Worker:
    """Delivers one batch, in place: a bounded queue that its own readers refill can deadlock."""

    def __init__(
        self,
        feed: Feed,
        sender: Sender,
        slots: Slots,
        collector: Collector,
        proof: Proof,
        *,
        paths: wire.Paths,
        columns: Collection[str],
        kinds: Mapping[str, Kind],
        patience: Callable[[Verdict], float | None],
        looking: Looking | None = None,
        roll: Callable[[], float] = random.random,
    ) -> None:
        """`patience`: how many seconds to wait where a verdict says STOP; None to stop indeed. `looking`:
        what is to be read of contacts before they are written.
        """
        self.on_wire = False  #: a request of this worker is out: let it end and be booked
        self.draining = False  #: what is on the wire is the last
        self._left = False  # the request under way has left
        self._left_at = 0.0  # when it did: waiting for a permit may take a day
        self._looked_at = math.inf  # the sender's stalled seconds when its contacts were read
        self._out_of_date: list[Piece] = []  # since then others may have written them
        self._has_slot = False
        self._feed = feed
        self._sender = sender
        self._slots = slots
        self._collector = collector
        self._proof = proof
        self._paths = paths
        self._columns = columns
        self._kinds = kinds
        self._patience = patience
        self._looking = looking
        self._roll = roll
        self._clock = asyncio.get_running_loop().time

    async def deliver(self, records: list[Record]) -> None:
        """Until every record is settled, or the run drains. `enter` comes first."""
        try:
            if self._looking is not None:
                asked = {record.position: record.body for record in records}
                pieces, is_again = [Piece(records)], False
                while pieces and not self.draining:
                    await self._deliver_looked_at(pieces, self._looking, is_again=is_again)
                    pieces, self._out_of_date, is_again = self._out_of_date, [], True
                    records = [record for piece in pieces for record in piece.records]
                    for record in records:
                        self._feed.rewrite(record, asked[record.position])
                    await self._looking.forget(records)
                    await self._looking.doubt([record for record in records if record.lost])
            else:
                await self._deliver([(0.0, Piece(records, self._fresh_history()))])
        finally:
            self.leave()

    async def enter(self) -> None:
        """Wait for a slot."""
        await self._slots.enter()
        self._has_slot = True

    def leave(self) -> None:
        """Give the slot away, if it has one."""
        if self._has_slot:
            self._has_slot = False
            self._slots.leave()

    async def _sleep(self, seconds: float) -> None:
        """Whoever waits gives its slot away: a batch that only ever fails must not keep others back."""
        if seconds > 0:
            self.leave()
            self._looked_at -= seconds  # others write meanwhile, as in a pause
            await asyncio.sleep(seconds)
            await self.enter()

    async def _deliver_looked_at(self, pieces: Sequence[Piece], looking: Looking, *, is_again: bool) -> None:
        """Once it is known what HubSpot holds of them. Nobody else of us writes them from then on."""
        records = [record for piece in pieces for record in piece.records]
        reader = Reader(
            self._sender,
            self._paths,
            self._patience,
            roll=self._roll,
            sleep=self._sleep,
            on_wire=self._note_wire,
            is_wanted=lambda: not self.draining,
        )
        looks = await looking.look(records, reader, is_again=is_again)
        self._looked_at = reader.known_at
        if self.draining:
            return
        for look in looks:
            looking.observe(look)
        settled = [settlement for look in looks if (settlement := look.settled()) is not None]
        self._settle(settled)
        if settled:
            self._sender.progressed()
        rest = [look for look in looks if look.decision and look.decision.outcome is None]
        for look in rest:
            self._ask_for_less(look)
        self._collector.half_done += len(rest)
        try:
            positions = {look.record.position for look in rest}
            await self._deliver([(0.0, piece) for piece in self._left_of(pieces, positions)])
        finally:
            self._collector.half_done -= len(rest)

    def _left_of(self, pieces: Sequence[Piece], positions: Collection[int]) -> Iterator[Piece]:
        """What is to be sent of each piece, with the attempts that it has had; reading it was none."""
        for piece in pieces:
            records = [record for record in piece.records if record.position in positions]
            if records:
                yield Piece(records, replace(piece.history, successes_seen=self._sender.writes))

    def _ask_for_less(self, look: Look) -> None:
        record, decision = look.record, look.decision
        assert decision is not None
        if len(decision.properties) < len(decision.changes):
            body = wire.encode_input(record.position, record.id_property, record.key, decision.properties)
            self._feed.rewrite(record, body)

    def _fresh_history(self) -> History:
        return History(successes_seen=self._sender.writes)

    async def _deliver(self, waiting: list[tuple[float, Piece]]) -> None:
        """Send until nothing is left; of pieces that wait out their backoff the earliest due goes next."""
        pieces: list[tuple[float, int, Piece]] = []
        while True:
            for seconds, piece in waiting:
                heapq.heappush(pieces, (self._clock() + seconds, piece.position, piece))
            if not pieces or self.draining:
                return
            due, _, piece = heapq.heappop(pieces)
            await self._sleep(due - self._clock())
            waiting = await self._attempt(piece)

    async def _attempt(self, piece: Piece) -> list[tuple[float, Piece]]:
        """Send once and book what the reply settles; what is left comes back with its wait in seconds."""
        records = piece.records
        try:
            call = Call("POST", self._paths.upsert, wire.encode_batch(records), shown=records[0].id_property)
            positions = [record.position for record in records]
            reply = await self._send(call, positions, known_at=self._looked_at)
        except OutOfDateError:
            # Of records in doubt, too: what they ask for may be there by now, and changed by somebody since.
            self._out_of_date.append(piece)
            if self._looking is not None:  # the age is checked once more after they were noted as sent
                self._looking.note_unwritten(record for record in records if not record.lost)
            return []
        except asyncio.CancelledError:
            if self._left:
                self._note_lost(records)
            raise
        return await self._take(piece, reply)

    async def _send(self, call: Call, positions: Sequence[int], *, known_at: float = math.inf) -> wire.Reply:
        """`known_at` as the sender's."""
        self._left = False

        def note(out: bool) -> None:
            self._note_wire(out)
            self._slots.on_wire(out)
            if out:
                self._left = True
                self._collector.sent(positions[-1], len(positions))
                if self._looking is not None:
                    self._looking.note_sent(positions)

        return await self._sender.send(call, on_wire=note, known_at=known_at, may_resend=self._may_resend)

    def _may_resend(self) -> bool:
        """What left was refused for its token alone: nothing of it arrived."""
        self._left = False
        return not self.draining

    async def _take(self, piece: Piece, reply: wire.Reply) -> list[tuple[float, Piece]]:
        verdict = classify(piece.records, reply, self._columns)
        if reply.maybe_applied and (reply.ok or verdict.action is Action.RETRY):
            self._note_lost([*verdict.unresolved, *verdict.pending])
        if self._looking is not None:
            answered = (*verdict.unresolved, *(entry.record for entry in verdict.refused))
            self._looking.note_unwritten(record for record in answered if not record.lost)
        verdict = spare_races(verdict, len(piece.records), piece.history)
        self._note(verdict)
        history = piece.history.after(verdict, self._sender.writes)
        rest = list(verdict.unresolved)
        whole = len(rest) == len(piece.records)
        following = decide(verdict, len(rest), history, whole=whole)
        if following is not Next.FINISH:
            self._log(piece, reply, following)
        self._collector.count_reply(reply, retried=following is Next.AGAIN)
        await self._book(verdict, history)
        if verdict.pending:
            await self._await_pending(list(verdict.pending), history, reply.accepted_at)
        if self.draining and following not in {Next.REFUSE, Next.STOP}:
            return []  # what is left stays open
        return await self._follow(following, verdict, Piece(rest, history) if rest else piece)

    async def _follow(self, following: Next, verdict: Verdict, rest: Piece) -> list[tuple[float, Piece]]:
        match following:
            case Next.FINISH:
                return []
            case Next.AGAIN:
                return await self._again(await self._probe(rest), verdict.reason)
            case Next.AT_ONCE:
                self._heed(verdict)
                return [(0.0, rest)]
            case Next.HALVE:
                middle = len(rest.records) // 2
                halves = rest.records[:middle], rest.records[middle:]
                return [(0.0, Piece(half, rest.history.of_half())) for half in halves]
            case Next.REFUSE:
                await self._settle_all([self._rejected(rest.records[0], verdict.refusal, rest.history)])
            case Next.GIVE_UP:
                await self._give_up(rest.records[0], rest.history, verdict.reason)
            case Next.STOP:
                self._heed(verdict)
                return [(0.0, rest)]
        return []

    # --- what a reply means for the run ---

    def _note_wire(self, out: bool) -> None:
        self.on_wire = out
        if out:
            self._left_at = self._clock()

    def _log(self, piece: Piece, reply: wire.Reply, following: Next) -> None:
        """Positions, codes and ids only: a server's message may hold addresses."""
        _LOG.info(
            "rows %d-%d (%d records): HTTP %d %s %s: %s",
            piece.records[0].row,
            piece.records[-1].row,
            len(piece.records),
            reply.status,
            reply.category or reply.batch_status,
            reply.correlation_id,
            following,
            extra={"correlation_id": reply.correlation_id},
        )

    def _note(self, verdict: Verdict, *, is_write: bool = True) -> None:
        settled = len(verdict.confirmed) + len(verdict.refused) + len(verdict.pending)
        if settled or verdict.action is Action.SPLIT:
            # A refusal is a definite answer too: the server is there and works.
            self._note_success()
        elif verdict.cause not in LONG_PAUSES:
            self._sender.failed(verdict.reason, self._left_at, is_write=is_write)

    def _note_success(self) -> None:
        self._sender.succeeded(is_write=True)
        self._sender.open()
        self._slots.wake()

    def _heed(self, verdict: Verdict) -> None:
        """StopRun, unless the user would rather wait for what ends by itself; a pause."""
        if verdict.action in {Action.STOP, Action.PAUSE}:
            self._sender.heed(verdict, self._patience, self._left_at)

    async def _probe(self, rest: Piece) -> Piece:
        """Ask whether the server is there, when no batch has passed since this one last failed.

        Without that, a record that breaks the server each time could keep a run from ending: no other
        request would be left that could succeed, so none of its attempts would count.
        """
        history = rest.history.failed_at(self._clock(), self._sender.writes)
        if history.failures > 1 and history.successes_seen == self._sender.writes:
            # By the key of one of its records: the very part of HubSpot that the batch needs.
            body = wire.encode_read(rest.records[0].id_property, [rest.records[0].key], [])
            reply = await self._sender.send(Call("POST", self._paths.read, body), on_wire=self._note_wire)
            history = replace(history, probed=reply.readable and reply.status < 423)
        return Piece(rest.records, history)

    async def _again(self, rest: Piece, reason: str) -> list[tuple[float, Piece]]:
        """The same once more, unless it is a lone record that has been tried for long enough.

        Only at the tail: elsewhere others pass sooner or later, or the outage is everybody's.
        """
        history = rest.history
        if len(rest.records) > 1 or not self._feed.is_tail:
            return [(backoff_seconds(max(1, history.failures), self._roll()), rest)]
        following = judge_tail(history, self._clock())
        if following is Tail.ASK:
            passes = await self._proof.writes_pass(self._note_wire, lambda: not self.draining)
            if passes:
                return [(0.0, rest)]
            # Where there is nothing to ask by, a write that passed before has to do.
            has_passed = passes is None and self._sender.writes > history.successes_before
            following = Tail.END if has_passed else Tail.WAIT
        if following is Tail.END:
            await self._give_up(rest.records[0], history, reason)
            return []
        return [(tail_wait_seconds(history, self._clock(), self._roll()), rest)]

    # --- the books ---

    async def _book(self, verdict: Verdict, history: History) -> None:
        attempts = history.attempts + 1
        confirmed = [
            Settlement(
                entry.record,
                Outcome.CREATED if entry.new else Outcome.UPDATED,
                entry.hubspot_id,
                replayed=entry.record.lost and not entry.new,
                attempts=attempts,
            )
            for entry in verdict.confirmed
        ]
        if confirmed:
            self._proof.note(verdict.confirmed[-1].record)
        refused = [self._rejected(entry.record, entry.refusal, history) for entry in verdict.refused]
        await self._settle_all(confirmed + refused, verdict.nameless_ids)

    async def _settle_all(self, settlements: list[Settlement], nameless_ids: Sequence[str] = ()) -> None:
        """What the snapshot has of rows that were not written is taken out first: a later row of the contact,
        or a run that goes on after a kill, reads it anew. Whatever befalls that, what was answered is booked.
        """
        try:
            if self._looking is not None:
                records = [s.record for s in settlements]
                await self._looking.forget([record for record in records if isinstance(record, Record)])
        finally:
            self._settle(settlements, nameless_ids)

    def _rejected(self, record: Record, refusal: Refusal | None, history: History) -> Settlement:
        return Settlement(record, Outcome.REJECTED, attempts=history.attempts + 1, refusal=refusal)

    def _settle(self, settlements: list[Settlement], nameless_ids: Sequence[str] = ()) -> None:
        records = [s.record for s in settlements]
        self._feed.settle([record for record in records if isinstance(record, Record)])
        self._collector.book(settlements, sightings(settlements, nameless_ids))

    def _note_lost(self, records: Sequence[Record]) -> None:
        """They left, and no definite answer came: a later `new: false` says nothing of what was before."""
        for record in records:
            record.lost = True

    # --- reading back ---

    async def _await_pending(
        self, records: list[Record], history: History, accepted_at: float | None
    ) -> None:
        """What was accepted without being confirmed: ask for it a few times, then say so."""
        for count in range(_READ_BACKS):
            await self._sleep(_READ_BACK_SECONDS * 2**count)
            found = await self._read_back(records, accepted_at)
            if found is None:
                return
            self._settle(found)
            settled = {settlement.record.position for settlement in found}
            records = [record for record in records if record.position not in settled]
            if not records:
                return
        refusal = Refusal("PENDING", "accepted, but not found by reading back")
        self._settle(
            [Settlement(r, Outcome.PENDING, attempts=history.attempts + 1, refusal=refusal) for r in records]
        )

    async def _give_up(self, record: Record, history: History, reason: str) -> None:
        """The last attempt may have been applied: ask, and abandon what is not there."""
        found = await self._read_back([record])
        if found is None:
            return
        if found or self._sender.writes > history.successes_before:
            self._sender.progressed()  # its failures were its own: nothing else need be failing
        refusal = Refusal("NO_ANSWER", reason)
        await self._settle_all(
            found or [Settlement(record, Outcome.ABANDONED, attempts=history.attempts, refusal=refusal)]
        )

    async def _read_back(
        self, records: list[Record], accepted_at: float | None = None
    ) -> list[Settlement] | None:
        """The records that HubSpot holds as they were sent; None where the run ends before it was asked.

        Whether they were new can't be told any more.
        """
        body = wire.encode_read(
            records[0].id_property,
            [record.key for record in records],
            read_matching.wanted_properties(records),
        )
        reply = await self.ask(Call("POST", self._paths.read, body, shown=wire.ALL_PROPERTIES))
        if reply is None:
            return None
        settlements = []
        found, _ = read_matching.match(records, reply.results, reply.errors)
        for record, held in found:
            if held and read_matching.confirmed_by(record, [held], accepted_at, self._kinds):
                settlements.append(Settlement(record, Outcome.UPDATED, held.id, replayed=True))
        return settlements

    async def ask(self, call: Call) -> wire.Reply | None:
        """A reading request until it is answered. What may not be read counts as an empty answer."""
        history = History(successes_seen=self._sender.successes)
        while not self.draining:
            reply = await self._sender.send(call, on_wire=self._note_wire)
            verdict = classify_read(reply)
            if verdict.action is Action.SETTLE:
                self._sender.succeeded()
                return reply
            if verdict.action is Action.SPLIT or verdict.cause in {Cause.SCOPE, Cause.ADDRESS}:
                return wire.Reply(reply.status)
            history = history.after(verdict, self._sender.successes)
            if history.attempts >= BATCH_ATTEMPTS:
                return wire.Reply(reply.status)
            self._note(verdict, is_write=False)
            await self._follow_read(verdict, history)
        return None

    async def _follow_read(self, verdict: Verdict, history: History) -> None:
        if verdict.action in {Action.STOP, Action.PAUSE}:
            self._heed(verdict)
        else:
            await self._sleep(backoff_seconds(history.failures, self._roll()))
