"""The loop that waits for an answer: of records to be written, of contacts to be read, of the account.

A task says what is sent, what a reply means for it, and takes what comes of it. `retry` decides what follows.
"""

import asyncio
import heapq
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Generic, TypeVar

from uploader.hubspot.client import Call
from uploader.hubspot.wire import Reply
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


@dataclass(frozen=True, slots=True)
class Piece(Generic[Item]):
    """A batch, or what is left of it, on its way through attempts."""

    items: Sequence[Item]
    history: History = field(default_factory=History)


@dataclass(frozen=True, slots=True)
class Judged(Generic[Item]):
    """What a reply means for a task."""

    verdict: Verdict
    open: Sequence[Item]  #: what it leaves open; all that was sent where the verdict is PAUSE or SPLIT
    is_apart: bool = False  #: it speaks of each of these by itself, so in smaller parts they fare the same


@dataclass(frozen=True, slots=True)
class Attempt(Generic[Item]):
    """One request that was answered, and what follows."""

    items: Sequence[Item]
    reply: Reply
    judged: Judged[Item]
    history: History  #: of what it leaves open, itself included
    following: Next

    @property
    def is_answer(self) -> bool:
        """Whether it settled something. A refusal is a definite answer, too."""
        return len(self.open) < len(self.items) or self.verdict.action is Action.SPLIT

    @property
    def verdict(self) -> Verdict:
        return self.judged.verdict

    @property
    def open(self) -> Sequence[Item]:
        return self.judged.open


class Task(ABC, Generic[Item]):
    """What is sent until each of its items is answered, or given up."""

    give_up_rule: GiveUp = WRITING
    known_at: float = math.inf  #: as the sender's, of what the requests go by
    most_bytes: float = math.inf  #: a heavier body is halved before it is sent, as long as it can be

    @abstractmethod
    def call(self, items: Sequence[Item]) -> Call: ...

    @abstractmethod
    def judge(self, items: Sequence[Item], reply: Reply, history: History) -> Judged[Item]: ...

    @abstractmethod
    async def settle_attempt(self, attempt: Attempt[Item]) -> None:
        """Take what an attempt has settled; with `Next.REFUSE` that is its only open item, too."""

    @abstractmethod
    async def give_up(self, attempt: Attempt[Item]) -> None:
        """Take it that what an attempt leaves open is not tried again."""

    def probe(self, items: Sequence[Item]) -> Call:
        """A question of the same part of HubSpot, to tell these items' fault from the server's."""
        raise NotImplementedError

    def note_in_flight(self, items: Sequence[Item], in_flight: bool) -> None:
        """These items' request leaves, or is over."""

    def note_in_doubt(self, items: Sequence[Item]) -> None:
        """They left, and this task was cancelled before the answer came."""

    def note_wait(self, seconds: float) -> None:
        """Nothing is sent for so long."""

    def is_tail(self) -> bool:
        """Whether nothing else is under way that a write which fails could be compared with."""
        return False

    async def writes_pass(self) -> bool | None:
        """Whether a write succeeds now that changes nothing; None where there is nothing to ask by."""
        return None


@dataclass(frozen=True)
class Attempts:
    """Sends for one who waits. StopRun where nothing can pass, and where no more is wanted."""

    sender: Sender
    #: How many seconds to wait where a verdict says STOP; None to stop indeed.
    patience: Callable[[Verdict], float | None]
    random_number: Callable[[], float] = random.random
    #: Waits out a backoff, which may be of no seconds.
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    #: Told when a request leaves, and when it is over.
    note_in_flight: Callable[[bool], None] = lambda _: None
    is_wanted: Callable[[], bool] = lambda: True  #: whether to send more
    is_early: bool = False  #: as the sender's, of all that is sent

    @property
    def clock(self) -> Callable[[], float]:
        return asyncio.get_running_loop().time

    async def run(self, task: Task[Item], pieces: Iterable[Piece[Item]]) -> list[Piece[Item]]:
        """Until nothing is left; of pieces that wait out a backoff the earliest due goes next.

        What comes back is left because `task.known_at` is too long ago.
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
            for seconds, more in following:
                heapq.heappush(waiting, (self.clock() + seconds, next(numbers), more))
        return []

    async def once(
        self, call: Call, judge: Callable[[Reply], Verdict], *, is_write: bool = False
    ) -> tuple[Reply, Verdict]:
        """One request that is not sent again; what its answer says of the server is acted upon."""
        reply, left_at = await self._send(call)
        verdict = judge(reply)
        self._note(verdict, left_at, is_answer=_is_definite(verdict), is_write=is_write)
        if verdict.action in {Action.STOP, Action.PAUSE}:
            self.sender.act_on(verdict, self.patience, left_at)
        return reply, verdict

    def check_wanted(self) -> None:
        """StopRun where no more is wanted."""
        if not self.is_wanted():
            raise StopRun(Cause.SIGNAL, "")

    # --- one attempt ---

    async def _attempt(self, task: Task[Item], piece: Piece[Item]) -> list[tuple[float, Piece[Item]]]:
        """Send once, and have booked what that settles; what is left comes back with its wait in seconds."""
        sender, rule = self.sender, task.give_up_rule
        call = task.call(piece.items)
        if len(call.body or b"") > task.most_bytes and len(piece.items) > 1:
            return _halves(piece.items, piece.history)
        reply, left_at = await self._send_items(task, piece.items, call)
        judged = task.judge(piece.items, reply, piece.history)
        verdict, is_whole = judged.verdict, len(judged.open) == len(piece.items)
        is_answer = not is_whole or verdict.action is Action.SPLIT  # a refusal is a definite answer, too
        self._note(verdict, left_at, is_answer=is_answer, is_write=rule.is_of_writes)
        history = piece.history.after(verdict, sender.writes)
        following = decide(
            verdict, len(judged.open), history, whole=is_whole, rule=rule, is_apart=judged.is_apart
        )
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
        """The same once more, unless it is a lone record that has been tried for long enough.

        Only at the tail: elsewhere others pass sooner or later, or the outage is everybody's.
        """
        size, is_tail = len(attempt.open), len(attempt.open) == 1 and task.is_tail()
        history = attempt.history.failed_at(self.clock(), self.sender.writes)
        asks = wants_probe(
            history,
            size,
            self.clock(),
            self.sender.writes,
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
            # Where there is nothing to ask by, a write that passed before has to do.
            has_passed = passes is None and self.sender.writes > history.successes_before
            following = Tail.END if has_passed else Tail.WAIT
        if following is Tail.END:
            await task.give_up(attempt)
            return []
        return [(tail_wait_seconds(history, self.clock(), self.random_number()), piece)]

    async def _is_there(self, task: Task[Item], items: Sequence[Item]) -> bool:
        """The items' own failure is what a run that ends names: that of this question is not noted."""
        reply, left_at = await self._send(task.probe(items))
        verdict = classify_optional_read(reply)
        if _is_definite(verdict):
            self.sender.succeeded(is_write=False)
        elif verdict.action in {Action.STOP, Action.PAUSE}:
            self.sender.act_on(verdict, self.patience, left_at)
        return verdict.action is Action.SETTLE

    # --- one request ---

    async def _send_items(self, task: Task[Item], items: Sequence[Item], call: Call) -> tuple[Reply, float]:
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
        """The reply, and when the request left: waiting for a permit may take a day."""
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
        """How the server does, by one reply."""
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
