"""Replaces a worker thread in virtual time, which threads do not have."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Inline:
    """An `Offload` that runs each call at once, on the loop."""

    async def run(self, call: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        return call()

    def close(self) -> None:
        return

    def finish(self) -> None:
        return
