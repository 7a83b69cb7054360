"""`status --watch`: follow a job or a plan of another process by its checkpoints. Nothing is written."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from uploader.cli.progress import bar, fit, live_display
from uploader.cli.text.control_characters import json_line
from uploader.cli.text.numbers import about, duration, percent
from uploader.cli.text.summary import chain_text
from uploader.errors import CheckpointError
from uploader.jobs.summary import Summary
from uploader.model.outcomes import Outcome
from uploader.plans.ending import PlanEnd, StepEnd
from uploader.storage.checkpoint import Checkpoint

_LIVE_SECONDS, _PLAIN_SECONDS = 1.0, 10.0
#: Rates are averages over this time, as in the run's own display.
_RATE_SECONDS = 30.0
_BAR, _WIDE = 24, 72
_MOST_SHARE = 0.99
#: A job that is restarted has no checkpoint for a moment: missing it this often is no error.
_GONE_LOOKS = 5


class Looks:
    """A job's rates, from successive reads of its checkpoint."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()  # seconds, rows settled, requests

    @property
    def has_seen(self) -> bool:
        return bool(self._seen)

    @property
    def has_pace(self) -> bool:
        return len(self._seen) > 1

    def add(self, now: float, summary: Summary) -> None:
        tallies = summary.tallies
        if self._seen and tallies.settled < self._seen[-1][1]:
            self._seen.clear()  # the job was restarted
        self._seen.append((now, tallies.settled, tallies.requests))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_SECONDS:
            self._seen.popleft()

    def per_second(self, column: int) -> float:
        """The rate of rows (column 1) or requests (column 2)."""
        first, last = self._seen[0], self._seen[-1]
        return (last[column] - first[column]) / max(1e-9, last[0] - first[0]) if last is not first else 0.0


def watch(path: Path, interval: float | None, *, as_json: bool, look: Callable[[Path], Summary]) -> None:
    """Show the job's state until no process works on it. The caller prints the final state."""
    looks = Looks()
    if as_json or not sys.stdout.isatty():
        for summary in _followed(path, interval or _PLAIN_SECONDS, look, looks):
            if as_json:
                line = {**summary.as_dict(), "rows_per_second": round(looks.per_second(1), 1)}
                sys.stdout.buffer.write(json_line(line) + b"\n")
                sys.stdout.buffer.flush()
            elif summary.state == "running":
                print(_line(summary, looks, _estimate(path)), flush=True)
        return
    with live_display(sys.stdout) as paint:
        for summary in _followed(path, interval or _LIVE_SECONDS, look, looks):
            rows = _estimate(path)

            def lines(width: int, summary: Summary = summary, rows: int | None = rows) -> list[str]:
                return _lines(summary, looks, rows, width)

            paint(lines)


def watch_plan(
    look: Callable[[], PlanEnd],
    is_running: Callable[[], bool],
    interval: float | None,
    *,
    as_json: bool,
    table: Callable[[PlanEnd, int], list[str]],
) -> None:
    """Show how the steps of a plan stand until no process works on it. The caller prints how they stand then.
    `table`: the lines for a terminal, of its width.
    """
    if as_json or not sys.stdout.isatty():
        for end in _plan_followed(look, is_running, interval or _PLAIN_SECONDS):
            if as_json:
                sys.stdout.buffer.write(json_line(end.as_dict()) + b"\n")
                sys.stdout.buffer.flush()
            else:
                print(" | ".join(map(_step, end.steps)), flush=True)
        return
    with live_display(sys.stdout) as paint:
        for end in _plan_followed(look, is_running, interval or _LIVE_SECONDS):
            paint(partial(table, end))


def _plan_followed(
    look: Callable[[], PlanEnd], is_running: Callable[[], bool], seconds: float
) -> Iterator[PlanEnd]:
    """How a plan stands, at intervals, the last time when no process works on it any more."""
    gone, runs = 0, True
    while runs:
        runs = is_running()  # before the look, which may be the last one
        try:
            end = look()
        except CheckpointError:  # a step is being begun anew
            gone += 1
            if gone > _GONE_LOOKS:
                raise
            runs = True
        else:
            gone = 0
            yield end
        if runs:
            time.sleep(seconds)


def _step(one: StepEnd) -> str:
    rows = f", {one.summary.tallies.settled:,} rows" if one.summary else ""
    return f"{one.name}: {one.state}{rows}"


def _followed(path: Path, seconds: float, look: Callable[[Path], Summary], looks: Looks) -> Iterator[Summary]:
    """Summaries at intervals, the last one when no process works on the job any more."""
    gone = 0
    while True:
        try:
            summary = look(path)
        except CheckpointError:
            gone += 1
            if gone > _GONE_LOOKS or not looks.has_seen:
                raise
        else:
            gone = 0
            looks.add(time.monotonic(), summary)
            yield summary
            if summary.state != "running":
                return
        time.sleep(seconds)


def _estimate(path: Path) -> int | None:
    """The number of rows that the running invocation estimated."""
    try:
        checkpoint = Checkpoint.open(path, read_only=True)
    except CheckpointError:
        return None  # the job is being restarted
    try:
        invocations = checkpoint.invocations()
    finally:
        checkpoint.close()
    return invocations[-1].rows_estimated if invocations else None


def _parts(summary: Summary, looks: Looks, rows: int | None) -> list[str]:
    tallies, rate, chain = summary.tallies, looks.per_second(1), summary.chain
    if rows:  # an estimate, until all are read
        rows = tallies.rows if chain.is_all else max(rows, tallies.rows)
    parts = [percent(_share(summary, rows))] if rows else []
    of = f" of {about(rows)}" if rows and rows > tallies.settled else ""
    parts.append(f"{tallies.settled:,}{of} rows")
    if rows and rate and rows > tallies.settled:
        left = (rows - tallies.settled) / rate
        parts.append(f"{duration(max(left, chain.seconds_with(rows - tallies.rows, left)))} left")
    if looks.has_pace:
        parts += [f"{rate:,.0f} rows/s", f"{looks.per_second(2):.1f} requests/s"]
    return parts + [f"{tallies.outcomes[o]:,} {o.value}" for o in Outcome if tallies.outcomes[o]]


def _share(summary: Summary, rows: int) -> float:
    """How much of the job is done: not all while it runs, as `rows` is an estimate, and links may follow."""
    return 1.0 if summary.state == "complete" else min(summary.tallies.settled / rows, _MOST_SHARE)


def _slow(summary: Summary) -> list[str]:
    """What slows the job."""
    return [text] if (text := chain_text(summary.chain)) else []


def _line(summary: Summary, looks: Looks, rows: int | None) -> str:
    return " | ".join([*_parts(summary, looks, rows), *_slow(summary)])


def _lines(summary: Summary, looks: Looks, rows: int | None, width: int) -> list[str]:
    tallies, parts = summary.tallies, _parts(summary, looks, rows)
    counted = len([o for o in Outcome if tallies.outcomes[o]])
    head, outcomes = parts[: len(parts) - counted], parts[len(parts) - counted :]
    if rows and width >= _WIDE:
        share = _share(summary, rows)
        first = f"{bar(share, _BAR)} {percent(share):>4}  {fit(head[1:], width - _BAR - 7)}"
    else:
        first = fit(head, width)
    # Imported here: only terminals need it.
    from uploader.cli.text.folding import wrapped  # noqa: PLC0415

    slow = [line for text in _slow(summary) for line in wrapped(text, width, "", "  ")]
    found = [first, *(fit([line], width) for line in slow), fit(outcomes, width)]
    if tallies.throttled or tallies.retries:
        found.append(fit([f"{tallies.throttled:,} throttled", f"{tallies.retries:,} retries"], width))
    return [line for line in found if line]
