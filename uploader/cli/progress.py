"""The progress display of a run: live lines on a terminal, elsewhere a line at intervals.

A closed terminal must not stop a run: a failed write raises nothing here.
"""

import asyncio
import contextlib
import math
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import TextIO

from uploader.cli.logs import is_json, note_event, print_message
from uploader.cli.terminal import has_colours
from uploader.cli.text.numbers import about, duration, percent
from uploader.cli.text.summary import chain_text
from uploader.cli.text.terminal_lines import coloured
from uploader.hubspot.requests import MAX_INPUTS
from uploader.jobs.progress_view import View
from uploader.jobs.scans.survey import Step
from uploader.jobs.upload import Run
from uploader.model.foreign_texts import harmless, printable
from uploader.model.outcomes import Outcome
from uploader.model.settled_rows import Tallies
from uploader.model.stop import Cause

_LIVE_SECONDS, _PLAIN_SECONDS = 0.5, 5.0
#: How often a line without news is printed, to show that something still runs.
_SAME_SECONDS = 60.0
#: Rates are averages over this time: long enough to be steady, short enough to follow a change.
_RATE_SECONDS = 30.0
#: For this long after a pause, the rate from before the pause is used.
_STEADY_SECONDS = 3.0
#: A longer remaining time is not shown.
_AGES_SECONDS = 400 * 86_400.0


class PlainLines:
    """Which of the lines at intervals are printed: one that says nothing new only from time to time."""

    def __init__(self) -> None:
        self._last = ""
        self._again_at = 0.0

    def is_due(self, line: str, now: float) -> bool:
        """Whether to print a line now. One that is due counts as printed."""
        if line == self._last and now < self._again_at:
            return False
        self._last, self._again_at = line, now + _SAME_SECONDS
        return True


class Pace:
    """Rates and the remaining time, from the views of the last half minute."""

    def __init__(self) -> None:
        self._views: deque[tuple[float, int, int]] = deque()  # seconds, work done, requests
        self._worked_before: float = math.inf
        self._steady = (0.0, 0.0)  # work and requests a second while nothing pauses
        self._is_steady = False  # else the best estimate so far

    def add(self, now: float, view: View) -> None:
        if view.pause:
            self._views.clear()  # a pause is no part of the pace
        self._worked_before = min(self._worked_before, view.worked)
        out = (2 + view.in_flight) * MAX_INPUTS
        if len(self._views) == 1 and view.worked <= self._worked_before + out:
            self._views.clear()  # the first batch goes alone, the next replies come late: no pace yet
        self._views.append((now, view.worked, view.tallies.requests))
        while len(self._views) > 2 and now - self._views[0][0] > _RATE_SECONDS:
            self._views.popleft()

    def rows_per_second(self, view: View) -> float:
        return self._per_second(1) / view.work_per_row

    @property
    def requests_per_second(self) -> float:
        return self._per_second(2)

    def seconds_left(self, view: View) -> float | None:
        """The remaining time at the present rate, with pauses; None if it is not known.

        During a pause, the rate from before it is used.
        """
        left = self._seconds_of_all(view)
        if left is None:
            return None
        # A chain of rows takes its time, however few rows are left.
        to_come = max(0.0, (_rows_in_all(view) or 0.0) - view.tallies.rows)
        return max(left, view.chain.seconds_with(to_come, left - view.pause_seconds) + view.pause_seconds)

    def _seconds_of_all(self, view: View) -> float | None:
        """The seconds until all rows are settled; None while there is no rate."""
        total, rate = _rows_in_all(view), self._per_second(1)
        if rate and self._span_seconds >= _STEADY_SECONDS:
            self._steady, self._is_steady = (rate, self.requests_per_second), True
        elif rate and not self._is_steady:
            # Replies are yet to come in at the pace of the requests.
            answered = max(1, view.tallies.requests - view.in_flight)
            rate = self.requests_per_second * view.worked / answered
            self._steady = (rate, self.requests_per_second)
        if not total or not self._steady[0]:
            return None
        seconds = max(0.0, total * view.work_per_row - view.worked) / self._steady[0]
        if not self._steady[1]:  # rows that are settled without being sent: no quota is in their way
            return seconds + view.pause_seconds
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
    """How much of the work is done; None if the number of rows is not known. If rows are read first, reading
    is a part of it.
    """
    total = _rows_in_all(view)
    return min(1.0, view.worked / (total * view.work_per_row)) if total else None


def _rows_in_all(view: View) -> float | None:
    """The estimated number of rows, by the size of the rows read so far; None if not known."""
    if not view.bytes_total or not view.bytes_read or not view.tallies.rows:
        return None
    return view.tallies.rows / min(1.0, view.bytes_read / view.bytes_total)


#: What an outcome is called, where not by its own name.
Words = Mapping[Outcome, str]
_NO_WORDS: Words = {}


def line(view: View, pace: Pace, words: Words = _NO_WORDS) -> str:
    """The progress as one line, most important first."""
    done, left = share_done(view), _left_text(view, pace)
    parts = [] if done is None else [percent(done)]
    parts += [_rows_text(view), *_outcomes(view.tallies, words), *_troubles(view)]
    parts += [*_rates(view, pace), *_frictions(view)]
    return " | ".join([*parts, left] if left else parts)


def lines(view: View, pace: Pace, width: int, words: Words = _NO_WORDS) -> list[str]:
    """The progress as lines for a terminal; none is wider than `width`."""
    done, left = share_done(view), _left_text(view, pace)
    head = [_rows_text(view), *([left] if left else [])]
    if view.settled_before:
        head.append(f"{view.settled_before:,} of them before this run")
    first = fit(head, width - (_BAR + 8)) if done is not None and width >= _WIDE else fit(head, width)
    if done is not None and width >= _WIDE:
        first = f"{bar(done, _BAR)} {percent(done):>4}  {first}"
    elif done is not None:
        first = fit([percent(done), *head], width)
    # Imported here: only terminals need it.
    from uploader.cli.text.folding import wrapped  # noqa: PLC0415

    troubles = [line for text in _troubles(view) for line in wrapped(text, width, "", "  ")]
    found = [first, *(fit([line], width) for line in troubles)]
    found.append(fit([*_rates(view, pace), *_frictions(view)], width))
    found.append(fit(_outcomes(view.tallies, words), width))
    return [one for one in found if one]


_BAR, _WIDE = 24, 72


def bar(share: float, width: int) -> str:
    full = int(min(1.0, max(0.0, share)) * width)  # full at the end only
    return "#" * full + "-" * (width - full)


def fit(parts: Sequence[str], width: int) -> str:
    """As many of the parts as fit into `width`, at least the first one, cut if necessary."""
    text = ""
    for part in parts:
        longer = f"{text} | {part}" if text else part
        if len(longer) > width:
            break
        text = longer
    if text or not any(parts):
        return text
    return parts[0][: max(0, width - 3)] + "..." if width > 3 else parts[0][: max(0, width)]


def _rows_text(view: View) -> str:
    """The number of settled rows, of all rows."""
    tallies, total = view.tallies, _rows_in_all(view)
    if total is None:
        return f"{tallies.settled:,} rows"
    is_estimate = total > tallies.rows and round(total) > 1.01 * tallies.settled
    return f"{tallies.settled:,} of {about(round(total)) if is_estimate else f'{tallies.rows:,}'} rows"


def _outcomes(tallies: Tallies, words: Words) -> list[str]:
    return [f"{tallies.outcomes[o]:,} {words.get(o, o.value)}" for o in Outcome if tallies.outcomes[o]]


def _troubles(view: View) -> list[str]:
    if view.pause:
        return [f"PAUSED {duration(view.pause_seconds)}: {view.pause}"]
    if view.is_locked_out:
        return ["waiting for another process that is reading the checkpoint"]
    if view.is_behind:
        return ["waiting for the disk to write the checkpoint and the results"]
    if view.in_doubt and view.in_doubt >= view.tallies.open:
        return [f"waiting for HubSpot's search: {view.in_doubt:,} rows may have created records"]
    if view.failing_seconds > 2:
        return [f"no request succeeded for {duration(view.failing_seconds)}: {printable(view.failure, 60)}"]
    return [chain] if (chain := chain_text(view.chain)) else []


def _rates(view: View, pace: Pace) -> list[str]:
    rows = pace.rows_per_second(view)
    return [
        *([f"{rows:,.0f} rows/s"] if rows else []),
        f"{view.used:,} of {view.limit.requests:,} requests in {view.limit.seconds:g} s",
        f"{view.in_flight} in flight",
    ]


def _frictions(view: View) -> list[str]:
    tallies = view.tallies
    parts = [f"{view.waiting_records:,} waiting for an earlier row"] if view.waiting_records else []
    if tallies.throttled or tallies.retries:
        parts.append(f"{tallies.throttled:,} throttled, {tallies.retries:,} retries")
    return parts


def _left_text(view: View, pace: Pace) -> str:
    left = pace.seconds_left(view)
    return f"{duration(left)} left" if left is not None and left < _AGES_SECONDS else ""


def figures(view: View, pace: Pace) -> dict[str, object]:
    """The progress as JSON fields."""
    done, left = share_done(view), pace.seconds_left(view)
    tallies = view.tallies
    return {
        "rows": tallies.rows,
        "settled": tallies.settled,
        "outcomes": {outcome.value: count for outcome, count in tallies.outcomes.items() if count},
        "share_done": None if done is None else round(done, 4),
        "rows_per_second": round(pace.rows_per_second(view), 1),
        "requests_per_second": round(pace.requests_per_second, 2),
        "quota_per_second": round(view.per_second, 2),
        "window_used": view.used,
        "window_limit": view.limit.requests,
        "in_flight": view.in_flight,
        "held_back": view.waiting_records,
        "in_doubt": view.in_doubt,
        **view.chain.as_dict(),
        "throttled": tallies.throttled,
        "retries": tallies.retries,
        "paused": view.pause.value if view.pause else None,
        "pause_seconds": round(view.pause_seconds, 1),
        "failing_seconds": round(view.failing_seconds, 1),
        "seconds_left": None if left is None or left >= _AGES_SECONDS else round(left),
    }


def _view(run: Run, pace: Pace) -> View | None:
    """The run's view, added to `pace`; None while no rows are processed."""
    is_about_rows = run.reads_back_at is None and run.following is None
    view = run.view() if is_about_rows else None
    if view is not None:
        pace.add(asyncio.get_running_loop().time(), view)
    return view


def _before(run: Run) -> str:
    """What the run does while no rows are processed; "" if there is nothing to report."""
    if run.reads_back_at is not None:
        seconds = max(0.0, run.reads_back_at - asyncio.get_running_loop().time())
        return f"the canary is sent and will be read back in {duration(seconds)}"
    sender = run.session.sender if run.session else None
    if run.following is not None:
        is_paused = sender is not None and sender.pausing
        pause = (
            f" | PAUSED {duration(sender.pause_seconds)}: {sender.pausing}" if sender and is_paused else ""
        )
        return f"all rows are settled; {run.following.text}{pause}"
    if run.passes.step is not None:
        return survey_line(run.passes.step, run.bytes_total)
    if sender and sender.pausing:
        return f"not started yet: PAUSED {duration(sender.pause_seconds)}: {sender.pausing}"
    failure = sender.last_failure if sender else ""
    if failure.startswith("HTTP 429"):
        return "not started yet: the quota is used up by an earlier run or other apps (HTTP 429); retrying"
    return f"not started yet: {printable(failure)}" if failure else ""


def survey_line(step: Step, bytes_total: int | None) -> str:
    """The progress of a pass over all rows, as one line."""
    if step.sorting:
        return f"looking for repeated keys: {percent(step.sorting)} | {step.rows:,} rows read"
    share = f"{percent(step.bytes_read / bytes_total)} | " if bytes_total else ""
    return f"reading all rows first: {share}{step.rows:,} rows"


@contextlib.asynccontextmanager
async def displaying(display: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run a display beside the work within, and cancel it afterwards."""
    task = asyncio.ensure_future(display)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def show(run: Run, words: Words = _NO_WORDS, step: str = "") -> None:
    """Show the progress of a run until cancelled. `words`: for outcomes that have other ones here. `step`:
    what the run is within a plan.
    """
    if sys.stderr.isatty() and not is_json() and os.environ.get("TERM") != "dumb":
        await _live(run, words, step)
    else:
        await _plain(run, words, step)


async def _plain(run: Run, words: Words, step: str) -> None:
    pace, plain, clock = Pace(), PlainLines(), asyncio.get_running_loop().time
    due = clock() + _PLAIN_SECONDS
    while True:
        await asyncio.sleep(_LIVE_SECONDS)
        view = _view(run, pace)  # more often than it is printed, to measure the rates
        text = line(view, pace, words) if view is not None else _before(run)
        if text and clock() >= due:
            due += _PLAIN_SECONDS
            if is_json():
                of_step = {"step": step} if step else {}
                note_event("progress", text, of_step | (figures(view, pace) if view is not None else {}))
            elif plain.is_due(text, clock()):
                print_message(f"{step} | {text}" if step else text)


async def _live(run: Run, words: Words, step: str) -> None:
    pace = Pace()
    with live_display(sys.stderr) as paint:
        while True:
            view = _view(run, pace)
            paint(partial(_painted, run, view, pace, words, step=step))
            await asyncio.sleep(_LIVE_SECONDS)


def _painted(run: Run, view: View | None, pace: Pace, words: Words, width: int, *, step: str) -> list[str]:
    above = [fit([step], width)] if step else []
    return above + (lines(view, pace, width, words) if view is not None else [fit([_before(run)], width)])


@contextlib.contextmanager
def live_display(stream: TextIO) -> Iterator[Callable[[Callable[[int], list[str]]], None]]:
    """Show lines that are overwritten and removed at the end; other messages appear above them.

    Yields a function that shows lines. It is given a function of the terminal's width, which may change.
    """
    # Imported here: only terminals need it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=stream)
    with contextlib.suppress(OSError), Live(console=console, transient=True, auto_refresh=False) as live:

        def paint(lines: Callable[[int], list[str]]) -> None:
            shown = map(harmless, lines(console.width))
            text = "\n".join(map(coloured, shown) if has_colours(stream) else shown)
            live.update(Text.from_ansi(text, no_wrap=True, overflow="ellipsis"), refresh=True)

        yield paint
