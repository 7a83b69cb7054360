"""Adds records to a list, or takes them out, until that is answered. Doing it again does no harm."""

import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from uploader.hubspot.lists import MOST_MEMBERS, Change, change_members, decode_change
from uploader.hubspot.replies import Reply
from uploader.hubspot.requests import Paths
from uploader.hubspot.transport import Call
from uploader.model.stop import Cause
from uploader.pipeline.reply_verdict import Action, Verdict, classify_read
from uploader.pipeline.requests.attempts import Attempt, Judged, Task
from uploader.pipeline.requests.retry import Evidence, GiveUp, History

#: A refusal of so few records is no matter of their number.
_FEW = 100
#: After so many failures in a row the request may be too much for the server, down to so many records.
_FAILURES, _ENOUGH = 3, 1_000


@dataclass(slots=True)
class Room:
    """How much a request may carry, learned from refusals, for all requests of an invocation."""

    records: int = field(default_factory=lambda: MOST_MEMBERS)
    most_bytes: float = math.inf

    def is_less_than(self, body: bytes | None, records: int) -> None:
        """Note that a request with these was too large."""
        self.records = min(self.records, max(1, records // 2))
        self.most_bytes = min(self.most_bytes, max(1, len(body or b"") // 2 + 1))


class MembershipTask(Task[int]):
    """Some records. `on_change` is called with what was sent, what the answer says, and the records of which
    an earlier request may have arrived.
    """

    give_up_rule = GiveUp(Evidence.NONE, batch=math.inf, alone=math.inf)

    def __init__(
        self,
        paths: Paths,
        list_id: str,
        room: Room,
        *,
        add: bool,
        in_doubt: Collection[int],
        on_change: Callable[[Sequence[int], Change, Collection[int]], Awaitable[None]],
        on_refusal: Callable[[], Awaitable[None]],
    ) -> None:
        """`in_doubt`: records that an earlier request had, whose answer did not come. `on_refusal`: raises
        StopRun if the list itself is the reason.
        """
        self._in_doubt = set(in_doubt)
        self._paths = paths
        self._list_id = list_id
        self._room = room
        self._add = add
        self._on_change = on_change
        self._on_refusal = on_refusal

    @property
    def most_bytes(self) -> float:  # type: ignore[override]
        return self._room.most_bytes

    def call(self, items: Sequence[int]) -> Call:
        return change_members(self._paths, self._list_id, items, add=self._add)

    def judge(self, items: Sequence[int], reply: Reply, history: History) -> Judged[int]:
        verdict = self._verdict(items, reply, history)
        if verdict.action is Action.SETTLE:
            return Judged(verdict, ())
        if reply.maybe_applied and verdict.action is not Action.PAUSE:
            self._in_doubt.update(items)
        if verdict.action is Action.SPLIT:
            self._room.is_less_than(self.call(items).body, len(items))
        return Judged(verdict, items)

    def _verdict(self, items: Sequence[int], reply: Reply, history: History) -> Verdict:
        verdict = classify_read(reply)
        if verdict.action is Action.SETTLE and decode_change(reply.body) is None:
            return Verdict(Action.RETRY, reason="the answer says nothing of the records")
        if verdict.action is Action.SPLIT and len(items) <= _FEW:
            return replace(verdict, action=Action.STOP, cause=Cause.LIST)
        is_too_much = history.failures + 1 >= _FAILURES and len(items) > _ENOUGH
        if verdict.action is Action.RETRY and is_too_much:
            return replace(verdict, action=Action.SPLIT)
        return verdict

    def note_in_doubt(self, items: Sequence[int]) -> None:
        self._in_doubt.update(items)

    async def settle_attempt(self, attempt: Attempt[int]) -> None:
        if attempt.verdict.action is Action.SETTLE:
            change = decode_change(attempt.reply.body)
            assert change is not None
            await self._on_change(attempt.items, change, self._in_doubt)
        elif attempt.reply.status in _LIST_AT_FAULT:
            await self._on_refusal()

    async def give_up(self, attempt: Attempt[int]) -> None:
        """It is tried for as long as the run waits for the server."""


#: A list that is gone, or that takes no members.
_LIST_AT_FAULT = frozenset({400, 404, 409, 422})
