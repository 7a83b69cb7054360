"""Requests that are answered as a whole, sent until each has a definite answer."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from uploader.hubspot.replies import Reply, whole_error
from uploader.hubspot.transport import Call
from uploader.model.settled_rows import Refusal
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read
from uploader.pipeline.requests.attempts import Attempt, Judged, Task
from uploader.pipeline.requests.retry import Evidence, GiveUp, History, Next

Item = TypeVar("Item")

#: A request is repeated as it is until the run ends for an outage.
_NEVER = GiveUp(Evidence.NONE, batch=math.inf, alone=math.inf)


class Questions(Task[Item]):
    """Batches that are answered as a whole. A refused one is halved until the item at fault is alone."""

    give_up_rule = _NEVER

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Call],
        settle: Callable[[Sequence[Item], Reply], Awaitable[None]],
        *,
        has_body: bool = True,
    ) -> None:
        """`settle` gets each definite answer: a reply of 2xx, or the refusal of a single item. `has_body`:
        a reply of 2xx has a body.
        """
        self._call = call
        self._settle = settle
        self._has_body = has_body
        self.in_doubt: set[Item] = set()  #: a request with them got no answer, and may have arrived

    def call(self, items: Sequence[Item]) -> Call:
        return self._call(items)

    def judge(self, items: Sequence[Item], reply: Reply, history: History) -> Judged[Item]:
        del history
        verdict = Verdict(Action.SETTLE) if reply.ok and not self._has_body else classify_read(reply)
        if verdict.action is Action.SETTLE:
            return Judged(verdict, ())
        if verdict.action is Action.SPLIT:
            error = whole_error(reply)
            verdict = replace(verdict, refusal=Refusal(error.category, error.message))
        return Judged(verdict, items)

    async def settle_attempt(self, attempt: Attempt[Item]) -> None:
        if attempt.following in {Next.FINISH, Next.REFUSE}:
            await self._settle(attempt.items, attempt.reply)
        elif attempt.following is not Next.HALVE and attempt.reply.maybe_applied:
            self.in_doubt.update(attempt.items)

    async def give_up(self, attempt: Attempt[Item]) -> None:
        """Not reached: nothing is given up."""
