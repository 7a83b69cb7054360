"""What is seen while a run is under way: one live line on a terminal, a plain line now and then elsewhere.

A terminal that dies must not stop the run: nothing here raises for the sake of a write.
"""

import asyncio
import contextlib
import math
import sys
from collections import deque
from collections.abc import Iterable
from typing import TextIO, cast

from uploader.commands.harmless import HarmlessStream, all_harmless, harmless, harmless_json
from uploader.commands.texts import duration, printable
from uploader.core.model import Outcome
from uploader.core.outcome import Cause
from uploader.core.wire import MAX_INPUTS
from uploader.run.pipeline import Run, View
from uploader.run.survey import Step

_LIVE_SECONDS, _PLAIN_SECONDS = 0.5, 5.0
#: Rates are of the last half minute: long enough to be steady, short enough to follow a change.
_RATE_SECONDS = 30.0
#: After a pause the pace of before counts for so long.
_STEADY_SECONDS = 3.0
#: A time left beyond that is none.
_AGES_SECONDS = 400 * 86_400.0


class Pace:
    """Rates and the time left, from the views of the last while."""

    def __init__(self) -> None:
        self._views: deque[tuple[float, float, int]] = deque()  # seconds, rows worked, requests
        self._worked_before: float = math.inf
        self._steady = (0.0, 0.0)  # rows and requests a second while nothing pauses
        self._is_steady = False  # or the best that can be said so far

    def add(self, now: float, view: View) -> None:
        if view.pause:
            self._views.clear()  # a pause is no part of the pace
        self._worked_before = min(self._worked_before, view.worked)
        out = (2 + view.on_wire) * MAX_INPUTS
        if len(self._views) == 1 and view.worked <= self._worked_before + out:
            self._views.clear()  # the first batch goes alone, the next replies come late: no pace yet
        self._views.append((now, view.worked, view.tallies.requests))
        while len(self._views) > 2 and now - self._views[0][0] > _RATE_SECONDS:
            self._views.popleft()

    @property
    def rows_per_second(self) -> float:
        return self._per_second(1)

    @property
    def requests_per_second(self) -> float:
        return self._per_second(2)

    def seconds_left(self, view: View) -> float | None:
        """At the pace of the last while, pauses included; None where the end or the pace is not known.

        While a pause is under way the pace is that of before.
        """
        total, rate = _rows_in_all(view), self.rows_per_second
        if rate and self._span_seconds >= _STEADY_SECONDS:
            self._steady, self._is_steady = (rate, self.requests_per_second), True
        elif rate and not self._is_steady:
            # Replies are yet to come in at the pace of the requests.
            answered = max(1, view.tallies.requests - view.on_wire)
            rate = self.requests_per_second * view.worked / answered
            self._steady = (rate, self.requests_per_second)
        if not total or not self._steady[0]:
            return None
        seconds = max(0.0, total - view.worked) / self._steady[0]
        ahead = view.forecast(math.ceil(seconds * self._steady[1]), self._steady[1])
        # The forecast knows of days, and of no other pause.
        return ahead if view.pause is Cause.DAILY else ahead + view.pause_seconds

    @property
    def _span_seconds(self) -> float:
        return self._views[-1][0] - self._views[0][0] if self._views else 0.0

    def _per_second(self, column: int) -> float:
        if len(self._views) < 2:
            return 0.0
        first, last = self._views[0], self._views[-1]
        return (last[column] - first[column]) / max(last[0] - first[0], 1e-9)


def share_done(view: View) -> float | None:
    """How much of the sources is settled: what was read of their bytes, less the rows still open."""
    total = _rows_in_all(view)
    return view.tallies.settled / total if total else None


def _rows_in_all(view: View) -> float | None:
    """As many as there are if the rest of the sources is as what was read of them."""
    if not view.bytes_total or not view.bytes_read or not view.tallies.rows:
        return None
    return view.tallies.rows / min(1.0, view.bytes_read / view.bytes_total)


def line(view: View, pace: Pace) -> str:
    """Where the run stands, most important first."""
    tallies = view.tallies
    parts = []
    done = share_done(view)
    if done is not None:
        parts.append(f"{done:.0%}")
    parts.append(f"{tallies.settled:,} rows")
    parts += [f"{tallies.outcomes[o]:,} {o.value}" for o in Outcome if tallies.outcomes[o]]
    if view.pause:
        parts.append(f"PAUSED {duration(view.pause_seconds)}: {view.pause}")
    elif view.failing_seconds > 2:
        parts.append(f"no success for {duration(view.failing_seconds)}: {printable(view.failure, 60)}")
    parts += [
        f"{pace.rows_per_second:,.0f} rows/s",
        f"{pace.requests_per_second:.1f} requests/s of {view.per_second:.1f}",
        f"{view.on_wire} in flight",
    ]
    if view.held_back:
        parts.append(f"{view.held_back:,} wait for an earlier row")
    if tallies.throttled or tallies.retries:
        parts.append(f"{tallies.throttled:,} throttled, {tallies.retries:,} retries")
    left = pace.seconds_left(view)
    if left is not None and left < _AGES_SECONDS:
        parts.append(f"{duration(left)} left")
    return " | ".join(parts)


def _now(run: Run, pace: Pace) -> str:
    """The line of this moment; empty while there is nothing to say."""
    if run.reads_back_at is not None:
        seconds = max(0.0, run.reads_back_at - asyncio.get_running_loop().time())
        return f"the canary is sent; it is read back in {duration(seconds)}"
    view = run.view()
    if view is not None:
        pace.add(asyncio.get_running_loop().time(), view)
        return line(view, pace)
    sender = run.sender
    if run.surveying is not None:
        return survey_line(run.surveying, run.bytes_total)
    if sender and sender.pausing:
        return f"not started yet: PAUSED {duration(sender.pause_seconds)}: {sender.pausing}"
    failure = sender.last_failure if sender else ""
    return f"not started yet: {printable(failure)}" if failure else ""


def survey_line(step: Step, bytes_total: int | None) -> str:
    """How far the look at all rows is."""
    if step.sorting:
        return f"looking for repeated keys: {step.sorting:.0%} | {step.rows:,} rows read"
    share = f"{min(1.0, step.bytes_read / bytes_total):.0%} | " if bytes_total else ""
    return f"reading all rows first: {share}{step.rows:,} rows"


async def show(run: Run, stream: TextIO = sys.stderr) -> None:
    """Follow a run until cancelled."""
    if stream.isatty():
        await _live(run, stream)
    else:
        await _plain(run, stream)


async def _plain(run: Run, stream: TextIO) -> None:
    pace, clock = Pace(), asyncio.get_running_loop().time
    due = clock() + _PLAIN_SECONDS
    while True:
        await asyncio.sleep(_LIVE_SECONDS)
        text = _now(run, pace)  # looked at more often than it is said, for the sake of the pace
        if text and clock() >= due:
            due += _PLAIN_SECONDS
            say(text, stream)


async def _live(run: Run, stream: TextIO) -> None:
    # Imported here: only terminals pay for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    pace = Pace()
    with contextlib.suppress(OSError), Live(console=Console(file=stream), transient=True) as live:
        while True:
            live.update(Text(harmless(_now(run, pace))))
            await asyncio.sleep(_LIVE_SECONDS)


def say(text: str, stream: TextIO | None = None, *, end: str = "\n") -> None:
    """Print, unless the terminal is gone."""
    with contextlib.suppress(OSError, ValueError):
        print(harmless(text), file=stream or sys.stderr, end=end, flush=True)


def tell(lines: Iterable[str]) -> None:
    """A command's result, on stdout. OSError if that is gone."""
    print(all_harmless(lines), flush=True)


def tell_json(document: object) -> None:
    sys.stdout.buffer.write(harmless_json(document))
    sys.stdout.buffer.flush()


def rows_out() -> TextIO:
    """Where rows are listed that nobody gave a file for: as they are, but on a terminal."""
    return cast("TextIO", HarmlessStream(sys.stdout)) if sys.stdout.isatty() else sys.stdout
