"""Slots for batches under way. This module only waits; `InFlightCap` decides how many there are."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from uploader.pipeline.rate.in_flight_cap import InFlightCap

#: After so long without an answer to the first batch, others may leave: a slow line would stand idle.
_UNANSWERED_SECONDS = 1.0


class Line(Protocol):
    """What a `Sender` tells of its requests."""

    cap: InFlightCap
    waiting: int  #: for their permits
    on_departure: Callable[[], None]


class Slots:
    """A semaphore whose size changes. First come, first served."""

    def __init__(self, line: Line) -> None:
        """`line`: the requests that wait for their permits. From now on `wake` is called when one leaves."""
        self.in_use = 0
        self._cap = line.cap
        self._line = line
        line.on_departure = self.wake
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._slow_start: asyncio.TimerHandle | None = None

    async def enter(self) -> None:
        await asyncio.sleep(0)  # who entered before gets in line for a permit
        if self._has_room and not self._waiting:
            self.in_use += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given a slot in the same turn of the loop
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def note_in_flight(self, in_flight: bool) -> None:
        """Note that a batch has left, or that its answer came."""
        if self._slow_start is not None:
            self._slow_start.cancel()
            self._slow_start = None
        if in_flight and not self._cap.is_open:
            loop = asyncio.get_running_loop()
            self._slow_start = loop.call_later(_UNANSWERED_SECONDS, self._do_not_wait)

    def _do_not_wait(self) -> None:
        self._cap.unanswered()
        self.wake()

    def leave(self) -> None:
        self.in_use -= 1
        self.wake()

    @property
    def _has_room(self) -> bool:
        """Whether another batch may be drawn.

        While a request waits for its permit, none is: a row that may leave soon, because an earlier row of
        its key is settled, would queue behind it.
        """
        return self.in_use < self._cap.limit and not self._line.waiting

    def wake(self) -> None:
        """Serve waiting workers, because a slot was released, the cap was raised or a request has left."""
        while self._waiting and self._has_room:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_use += 1  # handed over, so that no other worker can take it
                turn.set_result(None)
