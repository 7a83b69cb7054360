"""Writes that happen later than their requests: by order of a fault, of other writers, of HubSpot itself.

Units: `due` and `now` in seconds of the simulator's clock, `wall` of the wall clock.
"""

import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from uploader.mockserver.account.exchange import Exchange
from uploader.mockserver.bodies.error_bodies import iso

#: Takes the time of the write, as text.
WriteNow: TypeAlias = Callable[[str], None]


class LateWrites:
    """The writes that are still to come, in order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, WriteNow]] = []
        self._order = count()

    def add(self, due: float, write: WriteNow) -> None:
        heapq.heappush(self._waiting, (due, next(self._order), write))

    def carry_out(self, now: float, wall: float) -> None:
        """Carry out the writes that are due."""
        while self._waiting and self._waiting[0][0] <= now:
            due, _, write = heapq.heappop(self._waiting)
            write(iso(wall - (now - due)))

    def write(self, exchange: Exchange, write: WriteNow) -> None:
        """Carry out a request's write at once, later or never, as the fault of the request has it."""
        failure = exchange.faults.failure
        if failure is None or failure.applied:
            write(iso(exchange.wall))
        elif failure.late_seconds is not None:
            self.add(exchange.now + failure.late_seconds, write)
