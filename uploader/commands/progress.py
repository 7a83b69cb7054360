"""What is seen while a run is under way: one live line on a terminal, a plain line now and then elsewhere.

A terminal that dies must not stop the run: nothing here raises for the sake of a write.
"""

import asyncio
import contextlib
import sys
from collections import deque
from typing import TextIO

from uploader.commands.texts import duration, printable
from uploader.core.model import Outcome
from uploader.run.pipeline import Run, View

_LIVE_SECONDS, _PLAIN_SECONDS = 0.5, 5.0
#: Rates are of the last half minute: long enough to be steady, short enough to follow a change.
_RATE_SECONDS = 30.0


class Pace:
    """Rates and the time left, from the views of the last while."""

    def __init__(self) -> None:
        self._views: deque[tuple[float, int, int, int]] = deque()  # seconds, settled rows, requests, bytes

    def add(self, now: float, view: View) -> None:
        self._views.append((now, view.tallies.settled, view.tallies.requests, view.bytes_read))
        while len(self._views) > 2 and now - self._views[0][0] > _RATE_SECONDS:
            self._views.popleft()

    def per_second(self, column: int) -> float:
        """Of column 1 (rows), 2 (requests) or 3 (bytes)."""
        if len(self._views) < 2:
            return 0.0
        first, last = self._views[0], self._views[-1]
        return (last[column] - first[column]) / max(last[0] - first[0], 1e-9)

    def seconds_left(self, view: View) -> float | None:
        """At the present rate of reading; None where the end or the rate is not known."""
        rate = self.per_second(3)
        if view.bytes_total is None or rate <= 0:
            return None
        return (view.bytes_total - view.bytes_read) / rate + view.tallies.open / max(self.per_second(1), 1.0)


def line(view: View, pace: Pace) -> str:
    """Where the run stands, most important first."""
    tallies = view.tallies
    parts = []
    if view.bytes_total:
        parts.append(f"{min(1.0, view.bytes_read / view.bytes_total):.0%}")
    parts.append(f"{tallies.settled:,} rows")
    counts = [f"{tallies.outcomes[o]:,} {o.value}" for o in Outcome if tallies.outcomes[o]]
    parts += counts
    if view.pause:
        parts.append(f"PAUSED {duration(view.pause_seconds)}: {view.pause}")
    elif view.failing_seconds > 2:
        parts.append(f"no success for {duration(view.failing_seconds)}: {printable(view.failure, 60)}")
    parts += [
        f"{pace.per_second(1):,.0f} rows/s",
        f"{pace.per_second(2):.1f} requests/s of {view.quota}",
        f"{view.on_wire} in flight",
    ]
    if view.held_back:
        parts.append(f"{view.held_back:,} held back")
    if tallies.throttled or tallies.retries:
        parts.append(f"{tallies.throttled:,} throttled, {tallies.retries:,} retries")
    left = pace.seconds_left(view)
    if left is not None and not view.pause:
        parts.append(f"{duration(left)} left")
    return " | ".join(parts)


async def show(run: Run, stream: TextIO = sys.stderr) -> None:
    """Follow a run until cancelled."""
    if stream.isatty():
        await _live(run, stream)
    else:
        await _plain(run, stream)


async def _plain(run: Run, stream: TextIO) -> None:
    pace = Pace()
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(_PLAIN_SECONDS)
        view = run.view()
        if view is not None:
            pace.add(clock(), view)
            say(line(view, pace), stream)
        elif run.sender is not None and run.sender.last_failure:
            say(f"not started yet: {printable(run.sender.last_failure)}", stream)


async def _live(run: Run, stream: TextIO) -> None:
    # Imported here: only terminals pay for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    pace = Pace()
    clock = asyncio.get_running_loop().time
    with contextlib.suppress(OSError), Live(console=Console(file=stream), transient=True) as live:
        while True:
            await asyncio.sleep(_LIVE_SECONDS)
            view = run.view()
            if view is not None:
                pace.add(clock(), view)
                live.update(Text(line(view, pace)))
            elif run.sender is not None and run.sender.last_failure:
                live.update(Text(f"not started yet: {printable(run.sender.last_failure)}"))


def say(text: str, stream: TextIO | None = None) -> None:
    """Print, unless the terminal is gone."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream or sys.stderr, flush=True)
