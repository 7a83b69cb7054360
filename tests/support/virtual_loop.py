"""An event loop whose clock jumps to the next timer: an hour takes no time, a deadlock fails at once.

Only for code without sockets or threads, which need real time.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: The duration of one turn of the loop. Not zero: aiolimiter re-arms timers of length zero for ever.
_TURN_SECONDS = 1e-6


class _JumpingSelector(selectors.DefaultSelector):
    """Sets the clock to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # With callbacks ready there is no need to poll, which would cost a system call in every turn.
        events = [] if timeout == 0 else super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("deadlock: every task waits, and no timer is set")
            self.now += max(0.0, timeout)
        self.now += _TURN_SECONDS
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
