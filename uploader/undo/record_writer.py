"""Records that are there, updated or archived by HubSpot's own id until there is an answer for each.

No decision of its own: `reply_verdict` and `retry` say what an answer means, as for an upload.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uploader.hubspot import wire
from uploader.hubspot.client import Call
from uploader.model.records import Record, closed_value
from uploader.model.settlements import Refusal
from uploader.pipeline.reply_verdict import Action, Confirmed, Verdict, classify, classify_read
from uploader.pipeline.requests.attempts import Attempt, Attempts, Judged, Piece, Task
from uploader.pipeline.requests.retry import History, Next, spare_races
from uploader.pipeline.sender import OutOfDateError

#: How an update's answer calls a record that is not there.
NOT_FOUND = "OBJECT_NOT_FOUND"


@dataclass(slots=True)
class Written:
    """What has become of each record, by its number."""

    confirmed: dict[int, Mapping[str, object]] = field(default_factory=dict)  #: and what the answer shows
    refused: dict[int, Refusal] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)  #: accepted, or left without an answer: to be read


@dataclass(slots=True)
class LastUpdated:
    """The last record that an update of any writer has confirmed: another one of it changes nothing."""

    hubspot_id: str = ""


class RecordWriter:
    """What one record breaks in a batch is written for the others without it."""

    def __init__(
        self, attempts: Attempts, paths: wire.Paths, *, last: LastUpdated, is_tail: Callable[[], bool]
    ) -> None:
        """`is_tail`: whether few records are left, with which one that fails could be compared."""
        self.attempts = attempts
        self.paths = paths
        self.last = last
        self.is_tail = is_tail
        self.known_at = math.inf  #: as the sender's, of what is to be written: it may raise OutOfDateError

    async def update(self, wanted: Mapping[int, tuple[str, Mapping[str, str]]]) -> Written:
        """By number, the id and the properties of at most a batch. StopRun where no batch can pass."""
        records = [_record(number, one, values) for number, (one, values) in wanted.items()]
        return await self._deliver(_Update(self), records)

    async def archive(self, wanted: Mapping[int, str]) -> Written:
        """By number, the ids of at most a batch. Confirmed says that HubSpot took it on, and no more."""
        records = [_record(number, one, {}) for number, one in wanted.items()]
        return await self._deliver(_Archiving(self), records)

    async def _deliver(self, task: "_Writing", records: list[Record]) -> Written:
        if records:
            history = History(successes_seen=self.attempts.sender.writes)
            if await self.attempts.run(task, [Piece(records, history)]):
                raise OutOfDateError
        return task.written


class _Writing(Task[Record]):
    """Records written by their ids."""

    def __init__(self, rewriter: RecordWriter) -> None:
        self.written = Written()
        self.known_at = rewriter.known_at
        self._rewriter = rewriter

    def probe(self, items: Sequence[Record]) -> Call:
        body = wire.encode_read("", [items[0].key], [])
        return Call("POST", self._rewriter.paths.read, body)

    async def book(self, attempt: Attempt[Record]) -> None:
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
        if sender.writes > attempt.history.successes_before:
            sender.progressed()  # its failures were its own
        self.written.unsure.add(attempt.open[0].position)

    def is_tail(self) -> bool:
        return self._rewriter.is_tail()


class _Update(_Writing):
    """Their properties."""

    def call(self, items: Sequence[Record]) -> Call:
        body = wire.encode_updates(items)
        return Call("POST", self._rewriter.paths.update, body, shown=wire.ALL_PROPERTIES)

    def judge(self, items: Sequence[Record], reply: wire.Reply, history: History) -> Judged[Record]:
        verdict = spare_races(classify(items, reply), len(items), history)
        if verdict.confirmed:
            self._rewriter.last.hubspot_id = verdict.confirmed[-1].record.key
        return Judged(verdict, verdict.unresolved)

    async def writes_pass(self) -> bool | None:
        """Whether an update without properties succeeds now, of a record that one has confirmed before.

        It changes nothing, and creates nothing where the record is gone.
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
    """One that changes nothing does not exist: the record may be there again."""

    def call(self, items: Sequence[Record]) -> Call:
        return Call("POST", self._rewriter.paths.archive, wire.encode_ids([record.key for record in items]))

    def judge(self, items: Sequence[Record], reply: wire.Reply, history: History) -> Judged[Record]:
        """It is answered with 204 and no body."""
        del history
        if reply.ok:
            return Judged(Verdict(Action.SETTLE, [Confirmed(record, new=False) for record in items]), ())
        verdict = classify_read(reply)
        refusal = Refusal(reply.category, verdict.reason)
        return Judged(replace(verdict, unresolved=items, refusal=refusal), items)


def _record(number: int, hubspot_id: str, properties: Mapping[str, str]) -> Record:
    """As `reply_verdict` judges them: by the number, which travels as trace id, else by the id."""
    return Record(
        position=number,
        source=0,
        row=0,
        id_property=wire.OWN_ID,
        key=hubspot_id,
        values=(closed_value(wire.OWN_ID, hubspot_id),),
        properties=properties,
        raw=b"",
    )
