"""The terminal as the one who runs a command meets it: signals, and a line that is typed.

No command's own work is here.
"""

import asyncio
import signal
import sys
from collections.abc import Callable


def heed_signals(stop: Callable[[signal.Signals], None]) -> None:
    """Let SIGINT, SIGTERM and SIGHUP (as a SIGTERM) stop the work of this loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a hang-up is ignored, and stays so. Otherwise it is a SIGTERM.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            code = signal.SIGTERM if number is signal.SIGHUP else number
            loop.add_signal_handler(number, stop, code)


async def answer() -> str:
    """A line from the terminal; waiting for it, a signal is heard."""
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
