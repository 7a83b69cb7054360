"""Signals that stop a command."""

import asyncio
import signal
from collections.abc import Callable


def stop_on_signals(stop: Callable[[signal.Signals], None]) -> None:
    """Call `stop` on SIGINT, SIGTERM and SIGHUP (as SIGTERM)."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup SIGHUP is ignored, and stays so.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            code = signal.SIGTERM if number is signal.SIGHUP else number
            loop.add_signal_handler(number, stop, code)
