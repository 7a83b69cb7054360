"""The loop that sends requests until they are answered: writes, reads, and questions about the account.

A `Task` says what is sent and what a reply means, and settles what an attempt has decided. `retry` decides
what follows.
"""

import asyncio
import heapq
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import count
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import replace

from uploader.hubspot.replies import Reply
from uploader.hubspot.transport import Call
from uploader.model.stop import LONG_PAUSES, Cause, StopRun
from uploader.pipeline.reply_verdict import Action, Verdict, classify_optional_read
from uploader.pipeline.requests.retry import (
    WRITING,
    GiveUp,
    History,
    Next,
    Tail,
    backoff_seconds,
    decide,
    judge_tail,
    tail_wait_seconds,
    wants_probe,
)
from uploader.pipeline.sender import OutOfDateError, Sender

Item = TypeVar("Item")


class Piece(msgspec.Struct, Generic[Item], frozen=True):
    """A batch, or what is left of it, with the attempts so far."""

    items: Sequence[Item]
    history: History = History()


class Judged(msgspec.Struct, Generic[Item], frozen=True):
    """What a reply means for a task."""

    verdict: Verdict
    open: Sequence[Item]  #: what it leaves open; all that was sent if the verdict is PAUSE or SPLIT
    is_apart: bool = False  #: it answers each item separately, so smaller parts would get the same answer
    is_final: bool = False  #: what is open is not sent again: it may be done, and would be done twice


class Attempt(msgspec.Struct, Generic[Item], frozen=True):
    """One answered request, and what follows."""

    items: Sequence[Item]
    reply: Reply
    judged: Judged[Item]
    history: History  #: of what it leaves open, itself included
    following: Next

    @property
    def is_answer(self) -> bool:
        """Whether the attempt settled something. A refusal is a definite answer, too."""
        return len(self.open) < len(self.items) or self.verdict.action is Action.SPLIT

    @property
    def verdict(self) -> Verdict:
        return self.judged.verdict

    @property
    def open(self) -> Sequence[Item]:
        return self.judged.open


class Task(ABC, Generic[Item]):
    """What is sent until each of its items is answered or given up."""

    give_up_rule: GiveUp = WRITING
    known_at: float = math.inf  #: `known_at` of `Sender.send`
    most_bytes: float = math.inf  #: a heavier body is halved before it is sent, as long as it can be
    most_items: float = math.inf  #: so are more items
    #: Whether the halves of a batch go before what waits already: an item at fault is alone soonest.
    is_depth_first = False

    @abstractmethod
    def call(self, items: Sequence[Item]) -> Call:
        """Return the request that sends these items."""

    @abstractmethod
    def judge(self, items: Sequence[Item], reply: Reply, history: History) -> Judged[Item]:
        """Return what a reply means for these items."""

    @abstractmethod
    async def settle_attempt(self, attempt: Attempt[Item]) -> None:
        """Settle what an attempt has decided; with `Next.REFUSE`, its only open item, too."""

    @abstractmethod
    async def give_up(self, attempt: Attempt[Item]) -> None:
        """Settle the items that an attempt leaves open, because they are not sent again."""

    def probe(self, items: Sequence[Item]) -> Call:
        """A request to the same part of HubSpot, to tell whether these items or the server are at fault."""
        raise NotImplementedError

    def note_in_flight(self, items: Sequence[Item], in_flight: bool) -> None:
        """Note that these items' request leaves, or is over."""

    def note_in_doubt(self, items: Sequence[Item]) -> None:
        """Note that these items were sent and the task was cancelled before the answer came."""

    def note_wait(self, seconds: float) -> None:
        """Note that nothing is sent for `seconds`."""

    def is_tail(self) -> bool:
        """Whether no other request is under way with which a failing write could be compared."""
        return False

    async def writes_pass(self) -> bool | None:
        """Whether a write that changes nothing succeeds now; None if there is no record to try it with."""
        return None


class Attempts(msgspec.Struct, frozen=True):
    """Sends requests for a task. StopRun if no request can succeed, and if no more are wanted."""

    sender: Sender
    #: Seconds to wait if a verdict says STOP; None to stop.
    patience: Callable[[Verdict], float | None]
    random_number: Callable[[], float] = random.random
    #: Waits out a backoff, which may be 0 seconds.
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    #: Called when a request leaves, and when it is over.
    note_in_flight: Callable[[bool], None] = lambda _: None
    is_wanted: Callable[[], bool] = lambda: True  #: whether to send more
    is_early: bool = False  #: as the sender's, of all that is sent

    @property
    def clock(self) -> Callable[[], float]:
        return asyncio.get_running_loop().time

    async def run(self, task: Task[Item], pieces: Iterable[Piece[Item]]) -> list[Piece[Item]]:
        """Send pieces until nothing is left. Of pieces that wait out a backoff, the earliest due goes next.

        Returns the pieces that were not sent because `task.known_at` is too long ago.
        """
        numbers = count()
        waiting = [(self.clock(), next(numbers), piece) for piece in pieces]
        while waiting:
            due, _, piece = heapq.heappop(waiting)
            await self._wait(task, max(0.0, due - self.clock()))
            try:
                following = await self._attempt(task, piece)
            except OutOfDateError:
                return [piece, *(other for _, _, other in sorted(waiting))]
            if task.is_depth_first:
                for seconds, more in reversed(following):
                    at = self.clock() + seconds if seconds else due
                    heapq.heappush(waiting, (at, -next(numbers), more))
            else:
                for seconds, more in following:
                    heapq.heappush(waiting, (self.clock() + seconds, next(numbers), more))
        return []

    async def once(
        self, call: Call, judge: Callable[[Reply], Verdict], *, is_write: bool = False
    ) -> tuple[Reply, Verdict]:
        """Send one request without retries. Its reply may pause or stop the run."""
        reply, left_at = await self._send(call)
        verdict = judge(reply)
        self._note(verdict, left_at, is_answer=_is_definite(verdict), is_write=is_write)
        if verdict.action in {Action.STOP, Action.PAUSE}:
            self.sender.act_on(verdict, self.patience, left_at)
        return reply, verdict

    def check_wanted(self) -> None:
        """Raise StopRun if no more requests are wanted."""
        if not self.is_wanted():
            raise StopRun(Cause.SIGNAL, "")

    # --- one attempt ---

    async def _attempt(self, task: Task[Item], piece: Piece[Item]) -> list[tuple[float, Piece[Item]]]:
        """Send once and settle what that decides. Returns what is left, each piece with its wait in
        seconds.
        """
        sender, rule = self.sender, task.give_up_rule
        if len(piece.items) > task.most_items:
            return _halves(piece.items, piece.history)
        call = task.call(piece.items)
        if len(call.body or b"") > task.most_bytes and len(piece.items) > 1:
            return _halves(piece.items, piece.history)
        reply, left_at = await self._send_items(task, piece.items, call)
        judged = task.judge(piece.items, reply, piece.history)
        verdict, is_whole = judged.verdict, len(judged.open) == len(piece.items)
        is_answer = not is_whole or verdict.action is Action.SPLIT  # a refusal is a definite answer, too
        self._note(verdict, left_at, is_answer=is_answer, is_write=rule.is_of_writes)
        history = piece.history.after(verdict, sender.write_successes)
        following = decide(
            verdict, len(judged.open), history, whole=is_whole, rule=rule, is_apart=judged.is_apart
        )
        if judged.is_final and following not in {Next.FINISH, Next.STOP}:
            following = Next.GIVE_UP
        attempt = Attempt(piece.items, reply, judged, history, following)
        await task.settle_attempt(attempt)
        if following in {Next.FINISH, Next.REFUSE}:
            return []
        if following is not Next.STOP:
            self.check_wanted()
        return await self._follow(task, attempt, left_at)

    async def _follow(
        self, task: Task[Item], attempt: Attempt[Item], left_at: float
    ) -> list[tuple[float, Piece[Item]]]:
        """Carry out what follows an attempt. Returns what is to be sent again, each with the time for it."""
        left, history = attempt.open or attempt.items, attempt.history
        match attempt.following:
            case Next.AGAIN:
                return await self._again(task, attempt)
            case Next.HALVE:
                return _halves(left, history.of_half())
            case Next.GIVE_UP:
                await task.give_up(attempt)
                return []
            case _:
                if attempt.verdict.action in {Action.STOP, Action.PAUSE}:
                    self.sender.act_on(attempt.verdict, self.patience, left_at)
                return [(0.0, Piece(left, history))]

    async def _again(self, task: Task[Item], attempt: Attempt[Item]) -> list[tuple[float, Piece[Item]]]:
        """Return the same piece for another attempt, unless it is a single record that has been tried for
        long enough.

        A record is given up only at the tail of a run. Elsewhere other requests succeed sooner or later, or
        the outage concerns all of them.
        """
        size, is_tail = len(attempt.open), len(attempt.open) == 1 and task.is_tail()
        history = attempt.history.failed_at(self.clock(), self.sender.write_successes)
        asks = wants_probe(
            history,
            size,
            self.clock(),
            self.sender.write_successes,
            rule=task.give_up_rule,
            is_apart=attempt.judged.is_apart,
            is_tail=is_tail,
        )
        history = replace(history, probed=asks and await self._is_there(task, attempt.open))
        attempt = replace(attempt, history=history)
        piece = Piece(attempt.open, history)
        if not is_tail:
            return [(backoff_seconds(max(1, history.failures), self.random_number()), piece)]
        following = judge_tail(history, self.clock())
        if following is Tail.ASK:
            passes = await task.writes_pass()
            if passes:
                return [(0.0, piece)]
            # If there is no record to try it with, an earlier successful write is enough.
            has_passed = passes is None and self.sender.write_successes > history.successes_before
            following = Tail.END if has_passed else Tail.WAIT
        if following is Tail.END:
            await task.give_up(attempt)
            return []
        return [(tail_wait_seconds(history, self.clock(), self.random_number()), piece)]

    async def _is_there(self, task: Task[Item], items: Sequence[Item]) -> bool:
        """Whether the server answers a probe. A failure of the probe is not noted: the run reports that of
        the items.
        """
        reply, left_at = await self._send(task.probe(items))
        verdict = classify_optional_read(reply)
        if _is_definite(verdict):
            self.sender.succeeded(is_write=False)
        elif verdict.action in {Action.STOP, Action.PAUSE}:
            self.sender.act_on(verdict, self.patience, left_at)
        return verdict.action is Action.SETTLE

    # --- one request ---

    async def _send_items(self, task: Task[Item], items: Sequence[Item], call: Call) -> tuple[Reply, float]:
        """Send a request. If that is cancelled, note which items may have arrived."""
        is_in_doubt = False

        def note(in_flight: bool) -> None:
            nonlocal is_in_doubt
            is_in_doubt = True
            task.note_in_flight(items, in_flight)

        def note_refused() -> None:
            """What left was refused for its token alone: nothing of it arrived."""
            nonlocal is_in_doubt
            is_in_doubt = False

        try:
            return await self._send(call, note, note_refused, known_at=task.known_at)
        except asyncio.CancelledError:
            if is_in_doubt:
                task.note_in_doubt(items)
            raise

    async def _send(
        self,
        call: Call,
        note_in_flight: Callable[[bool], None] = lambda _: None,
        on_refused: Callable[[], None] = lambda: None,
        *,
        known_at: float = math.inf,
    ) -> tuple[Reply, float]:
        """Return the reply and the time at which the request left; waiting for a permit may take a day."""
        self.check_wanted()
        left_at = self.clock()

        def note(in_flight: bool) -> None:
            nonlocal left_at
            self.note_in_flight(in_flight)
            note_in_flight(in_flight)
            if in_flight:
                left_at = self.clock()

        def may_resend() -> bool:
            on_refused()
            return self.is_wanted()

        reply = await self.sender.send(
            call, note_in_flight=note, known_at=known_at, may_resend=may_resend, is_early=self.is_early
        )
        return reply, left_at

    def _note(self, verdict: Verdict, left_at: float, *, is_answer: bool, is_write: bool) -> None:
        """Note what a reply says of the server's health."""
        if is_answer:
            self.sender.succeeded(is_write=is_write)
        elif verdict.cause not in LONG_PAUSES:
            self.sender.failed(verdict.reason, left_at, is_write=is_write)

    async def _wait(self, task: Task[Item], seconds: float) -> None:
        task.note_wait(seconds)
        await self.sleep(seconds)


def _halves(items: Sequence[Item], history: History) -> list[tuple[float, Piece[Item]]]:
    middle = len(items) // 2
    return [(0.0, Piece(half, history)) for half in (items[:middle], items[middle:])]


def _is_definite(verdict: Verdict) -> bool:
    return bool(verdict.confirmed or verdict.refused or verdict.pending) or verdict.action in {
        Action.SETTLE,
        Action.SPLIT,
    }
