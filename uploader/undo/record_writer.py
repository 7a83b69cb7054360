"""Records that are there, updated or archived by HubSpot's own id until there is an answer for each.

No decision of its own: `reply_verdict` and `retry` say what an answer means, as for an upload.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uploader.hubspot import wire
from uploader.hubspot.client import Call
from uploader.model.records import Record, closed_value
from uploader.model.settlements import Refusal
from uploader.model.stop import Cause, StopRun
from uploader.pipeline.reply_verdict import Action, Confirmed, Verdict, classify, classify_read
from uploader.pipeline.retry import (
    History,
    Next,
    Tail,
    backoff_seconds,
    decide,
    judge_tail,
    spare_races,
    tail_wait_seconds,
)
from uploader.pipeline.sender import Sender

#: How an update's answer calls a record that is not there.
NOT_FOUND = "OBJECT_NOT_FOUND"


@dataclass(slots=True)
class Written:
    """What has become of each record, by its number."""

    confirmed: dict[int, Mapping[str, object]] = field(default_factory=dict)  #: and what the answer shows
    refused: dict[int, Refusal] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)  #: accepted, or left without an answer: to be read


@dataclass(slots=True)
class Luck:
    """How writing goes, of all who write: that reading goes well says little of it."""

    successes: int = 0
    failing_since: float | None = None
    updated_id: str = ""  #: of the last record that an update has confirmed


class Rewriter:
    """Writes patiently. What one record breaks in a batch is written for the others without it."""

    def __init__(
        self,
        sender: Sender,
        paths: wire.Paths,
        patience: Callable[[Verdict], float | None],
        *,
        luck: Luck,
        outage_seconds: Callable[[], float],
        is_tail: Callable[[], bool],
        roll: Callable[[], float] = random.random,
        on_wire: Callable[[bool], None] = lambda _: None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`patience` as a worker's; `outage_seconds`: how long no write may succeed; `is_tail`: whether few
        records are left, with which one that fails could be compared; `is_wanted`: whether to send more.
        """
        self._sender = sender
        self._paths = paths
        self._patience = patience
        self._luck = luck
        self._outage_seconds = outage_seconds
        self._is_tail = is_tail
        self._roll = roll
        self._on_wire = on_wire
        self._is_wanted = is_wanted
        self._clock = asyncio.get_running_loop().time
        self._left_at = 0.0
        self.known_at = math.inf  #: as the sender's, of what is to be written: it may raise OutOfDateError

    async def update(self, wanted: Mapping[int, tuple[str, Mapping[str, str]]]) -> Written:
        """By number, the id and the properties of at most a batch. StopRun where no batch can pass."""
        records = [
            _record(number, one, wire.encode_update(number, one, values))
            for number, (one, values) in wanted.items()
        ]
        return await self._deliver(records, self._paths.update, wire.encode_batch, classify)

    async def archive(self, wanted: Mapping[int, str]) -> Written:
        """By number, the ids of at most a batch. Confirmed says that HubSpot took it on, and no more."""
        records = [_record(number, one, b"") for number, one in wanted.items()]
        return await self._deliver(records, self._paths.archive, _encode_archive, _classify_archive)

    async def _deliver(
        self,
        records: list[Record],
        path: str,
        encode: Callable[[Sequence[Record]], bytes],
        judge: Callable[[Sequence[Record], wire.Reply], Verdict],
    ) -> Written:
        written = Written()
        pieces = [(records, History(successes_seen=self._luck.successes))] if records else []
        while pieces:
            batch, history = pieces.pop()
            reply = await self._send(Call("POST", path, encode(batch), shown=wire.ALL_PROPERTIES))
            verdict = spare_races(judge(batch, reply), len(batch), history)
            self._note(verdict)
            history = history.after(verdict, self._luck.successes)
            if verdict.confirmed and path == self._paths.update:
                self._luck.updated_id = verdict.confirmed[-1].record.key
            _book(written, verdict, reply)
            rest = list(verdict.unresolved)
            match decide(verdict, len(rest), history, whole=len(rest) == len(batch)):
                case Next.AGAIN:
                    history = await self._probed(history, rest[0])
                    seconds = await self._wait_seconds(rest, history, path)
                    if seconds is None:
                        written.unsure.add(rest[0].position)
                        continue
                    await asyncio.sleep(seconds)
                    pieces.append((rest, history))
                case Next.AT_ONCE | Next.STOP:
                    self._pause_or_stop(verdict)
                    pieces.append((rest, history))
                case Next.HALVE:
                    middle = len(rest) // 2
                    pieces += [(rest[middle:], history.of_half()), (rest[:middle], history.of_half())]
                case Next.REFUSE:
                    written.refused[rest[0].position] = verdict.refusal or Refusal("", verdict.reason)
                case Next.GIVE_UP:
                    written.unsure.add(rest[0].position)
        return written

    # --- how it goes ---

    def _note(self, verdict: Verdict) -> None:
        if verdict.confirmed or verdict.refused or verdict.pending or verdict.action is Action.SPLIT:
            # A refusal is a definite answer too.
            self._sender.succeeded()
            self._luck.successes += 1
            self._luck.failing_since = None
        elif verdict.action is Action.RETRY:
            self._sender.failed(verdict.reason, self._left_at)
            since = self._luck.failing_since = self._luck.failing_since or self._left_at
            if self._clock() - since > self._outage_seconds():
                limit = self._outage_seconds()
                raise StopRun(Cause.OUTAGE, f"no write succeeded for {limit:g} s: {verdict.reason}")

    async def _probed(self, history: History, record: Record) -> History:
        """Ask whether the server is there, when no batch has passed since this one last failed."""
        history = history.failed_at(self._clock(), self._luck.successes)
        if history.failures > 1 and history.successes_seen == self._luck.successes:
            reply = await self._send(Call("POST", self._paths.read, wire.encode_read("", [record.key], [])))
            history = replace(history, probed=reply.readable and reply.status < 423)
        return history

    async def _wait_seconds(self, rest: Sequence[Record], history: History, path: str) -> float | None:
        """Until the next attempt; None for a lone record that has been tried for long enough."""
        if len(rest) > 1 or not self._is_tail():
            return backoff_seconds(max(1, history.failures), self._roll())
        following = judge_tail(history, self._clock())
        if following is Tail.ASK and path == self._paths.update and self._luck.updated_id:
            if await self._update_passes():
                return 0.0
        elif following is Tail.ASK and self._luck.successes > history.successes_before:
            following = Tail.END  # where there is nothing to ask by, a write that passed before has to do
        if following is Tail.END:
            return None
        return tail_wait_seconds(history, self._clock(), self._roll())

    async def _update_passes(self) -> bool:
        """Whether an update without properties succeeds now, of a record that one has confirmed before.

        It changes nothing, and creates nothing where the record is gone. An archiving that changes nothing
        does not exist: the record may be there again.
        """
        record = _record(0, self._luck.updated_id, wire.encode_update(0, self._luck.updated_id, {}))
        reply = await self._send(Call("POST", self._paths.update, wire.encode_batch([record])))
        verdict = classify([record], reply)
        if verdict.confirmed or verdict.action is Action.RETRY:
            self._note(verdict)
        self._pause_or_stop(verdict)
        if verdict.refused:
            self._luck.updated_id = ""
        return bool(verdict.confirmed)

    # --- one request ---

    async def _send(self, call: Call) -> wire.Reply:
        if not self._is_wanted():
            raise StopRun(Cause.SIGNAL, "")
        return await self._sender.send(call, on_wire=self._note_wire, known_at=self.known_at)

    def _note_wire(self, out: bool) -> None:
        self._on_wire(out)
        if out:
            self._left_at = self._clock()

    def _pause_or_stop(self, verdict: Verdict) -> None:
        if verdict.action in {Action.PAUSE, Action.STOP}:
            self._sender.heed(verdict, self._patience, self._left_at)


def _encode_archive(records: Sequence[Record]) -> bytes:
    return wire.encode_ids([record.key for record in records])


def _classify_archive(records: Sequence[Record], reply: wire.Reply) -> Verdict:
    """It is answered with 204 and no body."""
    if reply.ok:
        return Verdict(Action.SETTLE, [Confirmed(record, new=False) for record in records])
    verdict = classify_read(reply)
    return replace(verdict, unresolved=records, refusal=Refusal(reply.category, verdict.reason))


def _record(number: int, hubspot_id: str, body: bytes) -> Record:
    """As `reply_verdict` judges them: by the number, which travels as trace id, else by the id."""
    return Record(
        position=number,
        source=0,
        row=0,
        id_property=wire.OWN_ID,
        key=hubspot_id,
        values=(closed_value(wire.OWN_ID, hubspot_id),),
        body=body,
        raw=b"",
    )


def _book(written: Written, verdict: Verdict, reply: wire.Reply) -> None:
    shown = {result.id: result.properties for result in reply.results}
    for entry in verdict.confirmed:
        written.confirmed[entry.record.position] = shown.get(entry.record.key, {})
    for refused in verdict.refused:
        written.refused[refused.record.position] = refused.refusal
    written.unsure |= {record.position for record in verdict.pending}
