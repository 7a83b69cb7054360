"""A worker thread's double for virtual time, where a thread's time does not exist."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Inline:
    """Runs the call at once, on the loop."""

    async def run(self, call: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        return call()

    def close(self) -> None:
        return

    def finish(self) -> None:
        return
