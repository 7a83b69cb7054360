"""What a worker does with one batch until all its records are settled. `attempts` waits for answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

from msgspec import structs

from uploader.hubspot.error_objects import is_value_taken
from uploader.hubspot.missing_scopes import lack_text
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import ALL_PROPERTIES, Paths, encode_read, is_created, write_request
from uploader.hubspot.schema import Kind
from uploader.hubspot.transport import Call
from uploader.model.outcomes import Outcome
from uploader.model.records import Properties, Record, by_own_id
from uploader.model.settled_rows import Refusal, Settlement
from uploader.pipeline.batcher import MAX_BATCH_BYTES
from uploader.pipeline.collector import Collector
from uploader.pipeline.feed import Batch, Feed, Rejected
from uploader.pipeline.keys_of_one_contact import updated_contacts
from uploader.pipeline.linked_keys import Links
from uploader.pipeline.rate.in_flight_slots import Slots
from uploader.pipeline.read_matching import with_reason
from uploader.pipeline.reply_verdict import (
    Action,
    Verdict,
    classify,
    classify_by_id,
    classify_creation,
    classify_optional_read,
)
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.contact_reader import PreWriteReader, ReadContact, Reader
from uploader.pipeline.requests.read_back import read_back
from uploader.pipeline.requests.retry import History, Next, retry_races
from uploader.pipeline.requests.write_outage_probe import WriteProbe
from uploader.pipeline.searched_records import SearchedRecords
from uploader.pipeline.write_queue import QueuedWrite

_LOG = logging.getLogger("uploader")
#: How often accepted but unconfirmed records are read back, and the first wait in seconds (it doubles).
_READ_BACKS, _READ_BACK_SECONDS = 5, 1.0


class Worker(Task[Record]):
    """Sends one batch, which `WorkerPool` has drawn from the feed, and settles its records.

    It retries the batch in place: putting it back on the bounded queue it came from can deadlock.
    """

    most_bytes = MAX_BATCH_BYTES  # the size of records is an estimate

    def __init__(
        self,
        feed: Feed,
        attempts: Attempts,
        slots: Slots,
        collector: Collector,
        write_probe: WriteProbe,
        *,
        paths: Paths,
        columns: Collection[str],
        kinds: Mapping[str, Kind],
        read_app: Callable[[], Awaitable[str]],
        pre_reader: PreWriteReader | None = None,
        links: Links | None = None,
        searched: SearchedRecords | None = None,
    ) -> None:
        """`read_app` reads the id of our app, as in histories. `pre_reader` reads the contacts before they
        are written; None if nothing is read first. `searched`: where keys are not unique.
        """
        self.is_in_flight = False  #: a request of this worker is in flight
        self.draining = False  #: no further request is sent
        self._has_slot = False
        self._why_unread = ""  # why records could not be read back, if the token may not read any
        self._earliest: int | None = None  # open record, when the last request left
        self._asked: dict[int, Properties] = {}  # what rows ask for, where their contacts are read first
        self._feed = feed
        self._sender = attempts.sender
        self._slots = slots
        self._collector = collector
        self._write_probe = write_probe
        self._paths = paths
        self._columns = columns
        self._kinds = kinds
        self._read_app = read_app
        self._pre_reader = pre_reader
        self._links = links
        self._searched = searched
        self._begun: dict[int, Record] = {}  # to be created: noted on the disk, and certainly not sent
        self._in_doubt: list[Record] = []  # that may have been created
        self._attempts = structs.replace(
            attempts,
            sleep=self._sleep,
            note_in_flight=self._note_in_flight,
            is_wanted=lambda: not self.draining,
        )

    async def deliver(self, batch: Batch) -> None:
        """Settle every record of the batch, or read its contacts and return the records to the feed for
        writing.

        Call `enter` before. StopRun if the run drains before this is done. `Attempts.run` calls back `call`,
        `judge` and `settle_attempt`.
        """
        try:
            if self._pre_reader is None:
                await self._attempts.run(self, [Piece(batch.records, self._fresh_history())])
            elif batch.writes:
                await self._write(batch.writes, self._pre_reader)
            else:
                await self._read(batch.records, self._pre_reader)
        finally:
            self.leave()

    def _fresh_history(self) -> History:
        """Return the history of a batch that was not sent yet."""
        return History(successes_seen=self._sender.write_successes)

    async def enter(self) -> None:
        """Wait for a slot."""
        await self._slots.enter()
        self._has_slot = True

    def leave(self) -> None:
        """Release the slot, if the worker has one."""
        if self._has_slot:
            self._has_slot = False
            self._slots.leave()

    def _note_in_flight(self, in_flight: bool) -> None:
        self.is_in_flight = in_flight

    async def _sleep(self, seconds: float) -> None:
        """Wait without a slot, so that a batch that keeps failing does not hold up others."""
        if seconds > 0:
            self.leave()
            self.known_at -= seconds  # others write meanwhile, as in a pause
            await asyncio.sleep(seconds)
            await self.enter()

    def _note_good_batch(self) -> None:
        """A batch was answered well: others need not wait for that any more."""
        self._sender.note_good_batch()
        self._slots.wake()

    # --- reading first ---

    async def _read(self, records: Sequence[Record], pre_reader: PreWriteReader) -> None:
        """Settle the records that need no write, and queue the others for writing with those of other
        batches.
        """
        try:
            while records:
                writes = await self._read_contacts(records, pre_reader)
                self._collector.half_done += len(writes)
                self._feed.queue_writes(writes)
                records = await self._settle_doubts()
        finally:
            self._feed.note_read()

    async def _write(self, writes: Sequence[QueuedWrite], pre_reader: PreWriteReader) -> None:
        """Write records for as long as what was read of them is fresh, then read them again."""
        count = len(writes)
        self._asked = {write.record.position: write.asked for write in writes}
        pieces = [Piece([write.record for write in writes], self._fresh_history())]
        try:
            while pieces:
                now, stalled = self._attempts.clock(), self._sender.stalled_seconds
                self.known_at = min(write.known_now(now, stalled) for write in writes)
                pieces = await self._attempts.run(self, await self._begin_creations(pieces))
                # Records in doubt, too: they may have been written by now, and changed again by someone else.
                left = {record.position for piece in pieces for record in piece.items}
                # These were not created: what may be is in doubt.
                self._begun |= {one.position: one for piece in pieces for one in piece.items}
                await self._forget_creations()
                if doubts := await self._settle_doubts():
                    left |= {record.position for record in doubts}
                    pieces.append(Piece(doubts, self._fresh_history()))
                writes = await self._read_again(
                    [write for write in writes if write.record.position in left], pre_reader
                )
                pieces = list(self._left_of(pieces, {write.record.position for write in writes}))
        finally:
            self._collector.half_done -= count
            await self._forget_creations()

    async def _read_again(
        self, writes: Sequence[QueuedWrite], pre_reader: PreWriteReader
    ) -> Sequence[QueuedWrite]:
        """Read the contacts of records again that were not written in time."""
        if not writes:
            return ()
        records = [write.record for write in writes]
        # The age is checked once more after they were noted as sent.
        pre_reader.note_unwritten(record for record in records if not record.in_doubt)
        await self._restore(records, pre_reader)
        return await self._read_contacts(records, pre_reader, is_again=True)

    async def _restore(self, records: Sequence[Record], pre_reader: PreWriteReader) -> None:
        """Give records the properties of their rows back, because their contacts are read again before
        they are sent.
        """
        for record in records:
            record.properties = self._asked[record.position]
        await pre_reader.forget(records)
        await pre_reader.mark_in_doubt([record for record in records if record.in_doubt])

    async def _read_contacts(
        self, records: Sequence[Record], pre_reader: PreWriteReader, *, is_again: bool = False
    ) -> list[QueuedWrite]:
        """Read the contacts, settle what need not be written and return the rest. No other worker writes
        these records from then on.
        """
        stalled = self._sender.stalled_seconds
        reader = Reader(self._attempts, self._paths.read)
        if self._searched is not None:
            records = await self._find(records, self._searched)
            reader.known_at = stalled
        contacts = await pre_reader.read(records, reader, is_again=is_again)
        self._attempts.check_wanted()
        for contact in contacts:
            pre_reader.observe(contact)
        now, stalled = self._attempts.clock(), self._sender.stalled_seconds  # before waiting for the disk
        settled = [settlement for contact in contacts if (settlement := contact.settled()) is not None]
        await self._settle(settled)
        if settled:
            self._sender.progressed()
        if any(settlement.outcome is not Outcome.ABANDONED for settlement in settled):
            self._note_good_batch()  # a run that writes nothing would read one batch at a time to its end
        rest = [contact for contact in contacts if contact.decision and contact.decision.outcome is None]
        writes = [
            QueuedWrite(contact.record, contact.record.properties, reader.known_at, now, stalled)
            for contact in rest
        ]
        for contact in rest:
            self._ask_for_less(contact)
        return writes

    def _left_of(
        self, pieces: Sequence[Piece[Record]], positions: Collection[int]
    ) -> Iterator[Piece[Record]]:
        """Yield the part of each piece that is still to be sent, with its attempts so far; reading does
        not count as one.
        """
        for piece in pieces:
            records = [record for record in piece.items if record.position in positions]
            if records:
                yield Piece(
                    records,
                    structs.replace(piece.history, successes_seen=self._sender.write_successes),
                )

    def _ask_for_less(self, contact: ReadContact) -> None:
        """Reduce a record to the properties that are to be written."""
        assert contact.decision is not None
        if len(contact.decision.properties) < len(contact.decision.changes):
            contact.record.properties = contact.decision.properties

    # --- keys that are not unique ---

    async def _find(self, records: Sequence[Record], searched: SearchedRecords) -> Sequence[Record]:
        """Find who has the records' keys. Returns the records that can be sent, and settles those that can't;
        `_settle_doubts` waits for the others.
        """
        found = await searched.find(records, self._attempts)
        self._in_doubt += found.in_doubt
        self._attempts.check_wanted()
        if found.settled:
            await self._settle(list(found.settled))
        return found.ready

    async def _settle_doubts(self) -> Sequence[Record]:
        """Wait until it is known which records in doubt were created. Returns those that can be sent then."""
        records, self._in_doubt = self._in_doubt, []
        if self._searched is None or not records:
            return ()
        settled = await self._searched.settle_doubts(records, self._attempts, self._sleep, self.writes_pass)
        await self._settle(settled)
        unsure = {one.record.position for one in settled}
        return [record for record in records if record.position not in unsure]

    async def _begin_creations(self, pieces: Sequence[Piece[Record]]) -> list[Piece[Record]]:
        """Return the pieces by the request that sends them. What is to be created is noted on the disk."""
        if self._searched is None:
            return list(pieces)
        made: list[Piece[Record]] = []
        for piece in pieces:
            new = [record for record in piece.items if is_created(self._paths, record)]
            found = [record for record in piece.items if record not in new] if new else piece.items
            made += [Piece(some, piece.history) for some in self._searched.at_once(new)]
            made += [Piece(found, piece.history)] if found else []
            self._begun |= {record.position: record for record in new}
        await self._searched.begin(self._begun.values())
        return made

    async def _forget_creations(self) -> None:
        """Note that what was to be created was not. Call it before the records are settled."""
        begun, self._begun = self._begun, {}
        if self._searched is not None:
            new = [record for record in begun.values() if is_created(self._paths, record)]
            await self._searched.forget([record.key for record in new])

    async def _note_creations(self, attempt: Attempt[Record]) -> None:
        """Note on the disk what an answer to a request to create records says, before the next request."""
        verdict, searched = attempt.verdict, self._searched
        if searched is None or not is_created(self._paths, attempt.items[0]):
            return
        await searched.note(
            {one.record.key: one.hubspot_id for one in verdict.confirmed if isinstance(one.record, Record)}
        )
        refused = [one.record for one in verdict.refused]
        if attempt.judged.is_final:
            await searched.begin(attempt.open)
            await searched.accept([record.key for record in verdict.pending])
        elif attempt.following in {Next.REFUSE, Next.GIVE_UP}:
            refused += attempt.open
        else:
            self._begun |= {record.position: record for record in attempt.open}
        await searched.forget([record.key for record in refused])

    # --- one attempt ---

    def call(self, items: Sequence[Record]) -> Call:
        learns = self._pre_reader is not None and self._pre_reader.learns
        shown = ALL_PROPERTIES if learns else items[0].id_property
        path, body = write_request(self._paths, items)
        return Call("POST", path, body, shown=shown)

    def probe(self, items: Sequence[Record]) -> Call:
        """A read by the key of one of the records: it needs the same part of HubSpot as the batch."""
        one = items[0]
        by, key = one.id_property, one.key
        if by == self._paths.searched:
            by, key = "", one.contact_id or "0"
        return Call("POST", self._paths.read, encode_read(by, [key], []))

    def note_in_flight(self, items: Sequence[Record], in_flight: bool) -> None:
        self._slots.note_in_flight(in_flight)
        if in_flight:
            self._earliest = self._feed.earliest
            self._collector.sent(items[-1].position, len(items))
            for record in items if self._begun else ():
                self._begun.pop(record.position, None)
            if self._pre_reader is not None:
                self._pre_reader.note_sent(record.position for record in items)

    def note_in_doubt(self, items: Sequence[Record]) -> None:
        """Mark records that were sent without a definite answer: a later `new: false` does not show that
        they existed before.
        """
        for record in items:
            record.in_doubt = True

    def judge(self, items: Sequence[Record], reply: Reply, history: History) -> Judged[Record]:
        """Return what a reply means for each record, and note which ones may have been written, and how they
        were stored.
        """
        is_new = is_created(self._paths, items[0])
        verdict = self._verdict(items, reply, is_new=is_new)
        is_unanswered = reply.maybe_applied and (reply.ok or verdict.action is Action.RETRY)
        if is_unanswered:
            self.note_in_doubt([*verdict.unresolved, *verdict.pending])
        if is_new:
            # What HubSpot has accepted is waited for as what it may have created.
            return Judged(verdict, [*verdict.unresolved, *verdict.pending], is_final=is_unanswered)
        if self._pre_reader is not None:
            answered = (*verdict.unresolved, *(entry.record for entry in verdict.refused))
            self._pre_reader.note_unwritten(record for record in answered if not record.in_doubt)
            self._pre_reader.note_stored(verdict.confirmed, reply.results)
        verdict = retry_races(verdict, len(items), history)
        return Judged(verdict, list(verdict.unresolved))

    def _verdict(self, items: Sequence[Record], reply: Reply, *, is_new: bool) -> Verdict:
        if is_new:
            return classify_creation(items, reply, self._columns)
        is_searched = items[0].id_property == self._paths.searched
        return (classify_by_id if is_searched else classify)(items, reply, self._columns)

    async def settle_attempt(self, attempt: Attempt[Record]) -> None:
        """Settle the records that an attempt has decided, and read back those that are pending."""
        verdict, reply = attempt.verdict, attempt.reply
        await self._note_creations(attempt)
        if attempt.is_answer:
            self._note_good_batch()
        if attempt.following is not Next.FINISH:
            _log(attempt)
        self._collector.count_reply(reply, retried=attempt.following is Next.AGAIN)
        attempts = attempt.history.attempts + 1
        for one in verdict.confirmed if attempts > 1 else ():
            one.attempts = attempts
        if verdict.confirmed and isinstance(last := verdict.confirmed[-1].record, Record):
            self._write_probe.note(last, verdict.confirmed[-1].hubspot_id)
        refused = [(entry.record, entry.refusal) for entry in verdict.refused]
        if attempt.following is Next.REFUSE and verdict.refusal is not None:
            refused.append((attempt.open[0], verdict.refusal))
        rejected = [
            (record, Settlement(record, Outcome.REJECTED, attempts=attempts, refusal=refusal))
            for record, refusal in refused
        ]
        taken = [one for one in rejected if _is_taken(one[1])]
        others = [one for _, one in rejected if not _is_taken(one)]
        await self._forget_and_settle([*verdict.confirmed, *others], verdict.nameless_ids)
        if taken:
            await self._forget_and_settle(await self._take_back(taken))
        if verdict.pending and not attempt.judged.is_final:
            await self._await_pending(list(verdict.pending), attempt.history, reply.accepted_at)

    async def _take_back(self, rejected: Sequence[Rejected]) -> list[Settlement]:
        """Return settlements for records that were rejected because another record has one of their unique
        values.

        The other records are sent once more, after earlier rows had the time to free the value.
        """
        # A record in doubt may have the value itself, by an earlier attempt. This is asked while the records
        # are as they were sent.
        found = await self._read_back([record for record, _ in rejected if record.in_doubt])
        held = {one.record.position for one in found}
        rest = [(record, one) for record, one in rejected if record.position not in held]
        if self._pre_reader is not None:
            await self._restore([record for record, _ in rest], self._pre_reader)
        final = self._feed.refuse({record.position: (record, one) for record, one in rest}, self._earliest)
        return [*found, *(one for _, one in final)]

    # --- a record alone that fails ---

    def is_tail(self) -> bool:
        return self._feed.is_tail

    async def writes_pass(self) -> bool | None:
        return await self._write_probe.writes_pass(self._attempts)

    async def give_up(self, attempt: Attempt[Record]) -> None:
        """Read the record back, since the last attempt may have been applied; abandon it if it is not
        there. What may have been created is left for later.
        """
        if attempt.judged.is_final:
            self._in_doubt += attempt.open
            return
        record, history = attempt.open[0], attempt.history
        found = await self._read_back([record])
        if found or self._sender.write_successes > history.successes_before:
            self._sender.progressed()  # its failures were its own: nothing else need be failing
        refusal = Refusal("NO_ANSWER", attempt.verdict.reason)
        await self._forget_and_settle(
            found or [Settlement(record, Outcome.ABANDONED, attempts=history.attempts, refusal=refusal)]
        )

    # --- settling ---

    async def _forget_and_settle(
        self, settlements: list[Settlement], nameless_ids: Sequence[str] = ()
    ) -> None:
        """Remove rows that were not written from the snapshot, then settle.

        A later row of the contact, or a run that resumes after a kill, reads it again. Records are settled
        even if the removal fails.
        """
        began = self._attempts.clock()
        try:
            if self._pre_reader is not None:
                records = [s.record for s in settlements]
                await self._pre_reader.forget([record for record in records if isinstance(record, Record)])
        finally:
            await self._settle(settlements, nameless_ids)
        self.known_at -= self._attempts.clock() - began  # others write while we wait for the disk

    async def _settle(self, settlements: list[Settlement], nameless_ids: Sequence[str] = ()) -> None:
        """Settle records, and release those that waited for them."""
        try:
            if self._links is not None:
                await self._links.note(settlements)
        finally:
            records = [s.record for s in settlements]
            locked = self._feed.settle([record for record in records if isinstance(record, Record)])
            self._collector.settle(settlements, updated_contacts(settlements, nameless_ids), locked)

    # --- reading back ---

    async def _await_pending(
        self, records: list[Record], history: History, accepted_at: float | None
    ) -> None:
        """Read back records that were accepted but not confirmed, a few times; then settle them as
        pending.
        """
        for count in range(_READ_BACKS):
            await self._sleep(_READ_BACK_SECONDS * 2**count)
            found = await self._read_back(records, accepted_at)
            await self._settle(found)
            settled = {settlement.record.position for settlement in found}
            records = [record for record in records if record.position not in settled]
            if not records:
                return
        text = with_reason("accepted, but not found by reading back", self._why_unread)
        refusal = Refusal("PENDING", text)
        await self._settle(
            [Settlement(r, Outcome.PENDING, attempts=history.attempts + 1, refusal=refusal) for r in records]
        )

    async def _read_back(self, records: list[Record], accepted_at: float | None = None) -> list[Settlement]:
        """Return settlements for the records that HubSpot holds as they were sent; none if reading is not
        allowed.

        Whether they were new is not known any more.
        """
        if not records:
            return []
        reader = Reader(self._attempts, self._paths.read, classify_optional_read)
        own = {record.position: record for record in records}
        if records[0].id_property == self._paths.searched:
            # One that was not found was certainly not created: it is not read.
            records = [by_own_id(record) for record in records if record.contact_id]
        if not records:
            return []
        read = await read_back(records, reader, accepted_at, self._kinds, self._read_app)
        self._why_unread = lack_text(read.lacking) if read.lacking else ""
        return [
            Settlement(own[one.position], Outcome.UPDATED, held.id, replayed=True)
            for one, held in read.confirmed
        ]


def _is_taken(rejected: Settlement) -> bool:
    """Whether a record was rejected because another record has one of its unique values."""
    refusal = rejected.refusal
    return refusal is not None and is_value_taken(refusal.category, refusal.message)


def _log(attempt: Attempt[Record]) -> None:
    """Positions, codes and ids only: a server's message may hold addresses."""
    records, reply = attempt.items, attempt.reply
    _LOG.info(
        "rows %d-%d (%d records): HTTP %d %s %s: %s",
        records[0].row,
        records[-1].row,
        len(records),
        reply.status,
        reply.category or reply.batch_status,
        reply.correlation_id,
        attempt.following,
        extra={"correlation_id": reply.correlation_id},
    )
