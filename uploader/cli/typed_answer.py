"""A line that is typed at the terminal, awaited while signals are still handled."""

import asyncio
import sys


async def answer() -> str:
    """A line from the terminal; signals are handled while it waits."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin.fileno())
