"""Update or archive existing records by HubSpot's own id until there is a reply for each.

`reply_verdict` and `retry` decide what a reply means, as for an upload.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import ALL_PROPERTIES, Paths, encode_ids, encode_read, encode_updates
from uploader.hubspot.transport import Call
from uploader.model.outcomes import Outcome
from uploader.model.records import OWN_ID, Record, lock_key
from uploader.model.settled_rows import Refusal, Settlement
from uploader.pipeline.reply_verdict import Action, Verdict, classify, classify_read
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.retry import History, Next, retry_races
from uploader.pipeline.sender import OutOfDateError

#: The category of an update's error for a record that does not exist.
NOT_FOUND = "OBJECT_NOT_FOUND"


@dataclass(slots=True)
class Written:
    """The result for each record, by its number."""

    confirmed: dict[int, Mapping[str, object]] = field(default_factory=dict)  #: with the values in the reply
    refused: dict[int, Refusal] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)  #: accepted or without a reply: to be read back


@dataclass(slots=True)
class LastUpdated:
    """The last record that an update has confirmed, shared by all writers, as a target for probes."""

    hubspot_id: str = ""


class RecordWriter:
    """Writes batches of records. If one record makes a batch fail, the others are written without it."""

    def __init__(
        self, attempts: Attempts, paths: Paths, *, last: LastUpdated, is_tail: Callable[[], bool]
    ) -> None:
        """`is_tail`: whether few records are left, so that a failing one can't be compared with others."""
        self.attempts = attempts
        self.paths = paths
        self.last = last
        self.is_tail = is_tail
        self.known_at = math.inf  #: as for `Sender.send`: older reads raise OutOfDateError

    async def update(self, wanted: Mapping[int, tuple[str, Mapping[str, str]]]) -> Written:
        """Update up to a batch of records: by number, id and properties. StopRun if no batch can succeed."""
        records = [_record(number, one, values) for number, (one, values) in wanted.items()]
        return await self._deliver(_Update(self), records)

    async def archive(self, wanted: Mapping[int, str]) -> Written:
        """Archive at most a batch of records: by number, the ids. Confirmed means only that HubSpot accepted
        the request.
        """
        records = [_record(number, one, {}) for number, one in wanted.items()]
        return await self._deliver(_Archiving(self), records)

    async def _deliver(self, task: "_Writing", records: list[Record]) -> Written:
        if records:
            history = History(successes_seen=self.attempts.sender.write_successes)
            if await self.attempts.run(task, [Piece(records, history)]):
                raise OutOfDateError
        return task.written


class _Writing(Task[Record]):
    """A task that writes records by their ids."""

    def __init__(self, rewriter: RecordWriter) -> None:
        self.written = Written()
        self.known_at = rewriter.known_at
        self._rewriter = rewriter

    def probe(self, items: Sequence[Record]) -> Call:
        body = encode_read("", [items[0].key], [])
        return Call("POST", self._rewriter.paths.read, body)

    async def settle_attempt(self, attempt: Attempt[Record]) -> None:
        """Add the answers to `written`: confirmed, refused or unsure."""
        written, verdict = self.written, attempt.verdict
        shown = {result.id: result.properties for result in attempt.reply.results}
        for entry in verdict.confirmed:
            written.confirmed[entry.record.position] = shown.get(entry.record.key, {})
        for refused in verdict.refused:
            written.refused[refused.record.position] = refused.refusal
        if attempt.following is Next.REFUSE:
            refusal = verdict.refusal or Refusal("", verdict.reason)
            written.refused[attempt.open[0].position] = refusal
        written.unsure |= {record.position for record in verdict.pending}

    async def give_up(self, attempt: Attempt[Record]) -> None:
        sender = self._rewriter.attempts.sender
        if sender.write_successes > attempt.history.successes_before:
            sender.progressed()  # its failures were its own
        self.written.unsure.add(attempt.open[0].position)

    def is_tail(self) -> bool:
        return self._rewriter.is_tail()


class _Update(_Writing):
    """A task that updates properties."""

    def call(self, items: Sequence[Record]) -> Call:
        body = encode_updates(items)
        return Call("POST", self._rewriter.paths.update, body, shown=ALL_PROPERTIES)

    def judge(self, items: Sequence[Record], reply: Reply, history: History) -> Judged[Record]:
        verdict = retry_races(classify(items, reply), len(items), history)
        if verdict.confirmed:
            self._rewriter.last.hubspot_id = verdict.confirmed[-1].record.key
        return Judged(verdict, verdict.unresolved)

    async def writes_pass(self) -> bool | None:
        """Whether an update of the last confirmed record without properties succeeds; None without one.

        It changes nothing, and creates nothing if the record does not exist any more.
        """
        last = self._rewriter.last
        if not last.hubspot_id:
            return None
        record = _record(0, last.hubspot_id, {})
        _, verdict = await self._rewriter.attempts.once(
            self.call([record]), lambda reply: classify([record], reply), is_write=True
        )
        if verdict.refused:
            last.hubspot_id = ""
        return bool(verdict.confirmed)


class _Archiving(_Writing):
    """A task that archives. It has no probe: an archive request that changes nothing does not exist."""

    def call(self, items: Sequence[Record]) -> Call:
        return Call("POST", self._rewriter.paths.archive, encode_ids([record.key for record in items]))

    def judge(self, items: Sequence[Record], reply: Reply, history: History) -> Judged[Record]:
        """Confirm all records on success: the reply is 204 without a body."""
        del history
        if reply.ok:
            return Judged(
                Verdict(Action.SETTLE, [Settlement(record, Outcome.UPDATED) for record in items]), ()
            )
        verdict = classify_read(reply)
        refusal = Refusal(reply.category, verdict.reason)
        return Judged(replace(verdict, unresolved=items, refusal=refusal), items)


def _record(number: int, hubspot_id: str, properties: Mapping[str, str]) -> Record:
    """A record whose position is its number, which is sent as trace id, and whose key is its id."""
    return Record(
        position=number,
        source=0,
        row=0,
        id_property=OWN_ID,
        key=hubspot_id,
        lock_keys=(lock_key(OWN_ID, hubspot_id),),
        properties=properties,
        raw=b"",
    )
