"""Records that are there, updated or archived by HubSpot's own id until there is an answer for each.

No decision of its own: `outcome` and `retry` say what an answer means, as for an upload.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from uploader.core import wire
from uploader.core.model import Record, Refusal, closed_value
from uploader.core.outcome import LONG_PAUSES, Action, Cause, Verdict, classify, classify_read
from uploader.core.retry import (
    BATCH_ATTEMPTS,
    RECORD_ATTEMPTS,
    History,
    Next,
    backoff_seconds,
    decide,
    spare_races,
)
from uploader.edges.hubspot import Call
from uploader.run.sender import Sender
from uploader.run.stop import StopRun

#: How an update's answer calls a record that is not there.
NOT_FOUND = "OBJECT_NOT_FOUND"


@dataclass(slots=True)
class Written:
    """What has become of each record, by its number."""

    confirmed: dict[int, Mapping[str, object]] = field(default_factory=dict)  #: and what the answer shows
    refused: dict[int, Refusal] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)  #: accepted, or left without an answer: to be read


class Rewriter:
    """Writes patiently. What one record breaks in a batch is written for the others without it."""

    def __init__(
        self,
        sender: Sender,
        paths: wire.Paths,
        patience: Callable[[Verdict], float | None],
        *,
        roll: Callable[[], float] = random.random,
        on_wire: Callable[[bool], None] = lambda _: None,
        is_wanted: Callable[[], bool] = lambda: True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`patience` as a worker's; `is_wanted`: whether to send anything more."""
        self._sender = sender
        self._paths = paths
        self._patience = patience
        self._roll = roll
        self._on_wire = on_wire
        self._is_wanted = is_wanted
        self._sleep = sleep
        self._clock = asyncio.get_running_loop().time
        self._left_at = 0.0

    # --- batch/update ---

    async def update(self, wanted: Mapping[int, tuple[str, Mapping[str, str]]]) -> Written:
        """By number, the id and the properties of at most a batch. StopRun where no batch can pass."""
        written = Written()
        records = [_record(number, *one) for number, one in wanted.items()]
        pieces = [(records, History(successes_seen=self._sender.successes))] if records else []
        while pieces:
            batch, history = pieces.pop()
            reply = await self._send(self._paths.update, wire.encode_batch(batch))
            verdict = spare_races(classify(batch, reply), len(batch), history)
            self._note(verdict)
            history = history.after(verdict, self._sender.successes)
            _book(written, verdict, reply)
            rest = list(verdict.unresolved)
            following = decide(verdict, len(rest), history, whole=len(rest) == len(batch))
            match following:
                case Next.AGAIN:
                    await self._sleep(backoff_seconds(max(1, history.failures), self._roll()))
                    await self._probe(history)
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

    def _note(self, verdict: Verdict) -> None:
        if verdict.confirmed or verdict.refused or verdict.pending or verdict.action is Action.SPLIT:
            self._sender.succeeded()
        elif verdict.cause not in LONG_PAUSES:
            self._sender.failed(verdict.reason, self._left_at)

    async def _probe(self, history: History) -> None:
        """An attempt counts only if another request has succeeded since: where none is about, ask one."""
        if history.failures >= BATCH_ATTEMPTS and history.successes_seen == self._sender.successes:
            await self._is_there()

    # --- batch/archive ---

    async def archive(self, ids: Sequence[str]) -> dict[str, str]:
        """At most a batch. Those that were refused, and why: of the others the answer says nothing more."""
        refused: dict[str, str] = {}
        pieces = [(list(ids), 0)] if ids else []
        while pieces:
            batch, failures = pieces.pop()
            reply = await self._send(self._paths.archive, wire.encode_ids(batch))
            if reply.ok:
                self._sender.succeeded()
                continue
            verdict = classify_read(reply)
            if verdict.action is Action.SPLIT:
                self._sender.succeeded()
            elif verdict.action is not Action.RETRY:
                self._pause_or_stop(verdict)
                pieces.append((batch, failures))
                continue
            else:
                failures += 1
                self._sender.failed(verdict.reason, self._left_at)
                most = RECORD_ATTEMPTS if len(batch) == 1 else BATCH_ATTEMPTS
                if failures < most or not await self._is_there():
                    await self._sleep(backoff_seconds(failures, self._roll()))
                    pieces.append((batch, failures))
                    continue
            if len(batch) == 1:
                refused[batch[0]] = verdict.reason
            else:
                middle = len(batch) // 2
                pieces += [(batch[middle:], 0), (batch[:middle], 0)]
        return refused

    # --- both ---

    async def _send(self, path: str, body: bytes) -> wire.Reply:
        return await self._exchange(Call("POST", path, body))

    async def _exchange(self, call: Call) -> wire.Reply:
        if not self._is_wanted():
            raise StopRun(Cause.SIGNAL, "")
        return await self._sender.send(call, on_wire=self._note_wire)

    def _note_wire(self, out: bool) -> None:
        self._on_wire(out)
        if out:
            self._left_at = self._clock()

    def _pause_or_stop(self, verdict: Verdict) -> None:
        assert verdict.cause is not None
        if verdict.action is Action.PAUSE:
            self._sender.pause_for(verdict, self._left_at)
        elif (seconds := self._patience(verdict)) is not None:
            self._sender.pause(verdict.cause, seconds, self._left_at)
        else:
            raise StopRun(verdict.cause, verdict.reason)

    async def _is_there(self) -> bool:
        """Whether the server answers at all: then it is the batch that fails."""
        reply = await self._exchange(Call("GET", self._paths.account))
        if reply.readable and reply.status < 423:
            self._sender.succeeded()
            return True
        return False


def _record(number: int, hubspot_id: str, properties: Mapping[str, str]) -> Record:
    """As `outcome` judges them: by the number, which travels as trace id, else by the id."""
    return Record(
        position=number,
        source=0,
        row=0,
        id_property=wire.OWN_ID,
        key=hubspot_id,
        values=(closed_value(wire.OWN_ID, hubspot_id),),
        body=wire.encode_update(number, hubspot_id, properties),
        raw=b"",
    )


def _book(written: Written, verdict: Verdict, reply: wire.Reply) -> None:
    shown = {result.id: result.properties for result in reply.results}
    for entry in verdict.confirmed:
        written.confirmed[entry.record.position] = shown.get(entry.record.key, {})
    for refused in verdict.refused:
        written.refused[refused.record.position] = refused.refusal
    written.unsure |= {record.position for record in verdict.pending}
