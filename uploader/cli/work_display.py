"""The progress display of `undo` and `verify`: a bar on a terminal, elsewhere a line at intervals.

It can be put aside while a question is asked.
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from uploader.cli.logs import is_json, print_message
from uploader.cli.progress import PlainLines, bar, fit, live_display
from uploader.cli.text.numbers import duration, percent

_LIVE_SECONDS, _PLAIN_SECONDS = 0.5, 5.0
#: Rates are averages over this time.
_RATE_SECONDS = 30.0
#: A pace that was measured over less than this says little.
_SETTLED_SECONDS = 2.0
_BAR, _WIDE = 24, 72


@dataclass(frozen=True, slots=True)
class Work:
    """What is done at one moment. `total`: 0 if it is not known; `trouble`: why nothing goes on."""

    what: str  #: such as "contacts"
    done: int
    total: int
    parts: Sequence[str] = ()  #: such as "12 archived"
    trouble: str = ""


class Pace:
    """The remaining time, from what was done in the last half minute.

    Work is done in batches, so it is measured from one change to another, not at any moment between them:
    else the time would jump up while a batch is out, and down when it is done.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Work]] = deque()  # where what was done changed
        self._now = 0.0

    def add(self, now: float, work: Work) -> None:
        if work.trouble or (self._seen and self._seen[-1][1].what != work.what):
            self._seen.clear()
        self._now = now
        if self._seen and self._seen[-1][1].done == work.done:
            return
        self._seen.append((now, work))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_SECONDS:
            self._seen.popleft()

    def left_text(self) -> str:
        """Such as "20 s left"; "" while it is not known."""
        if len(self._seen) < 2:
            return ""
        (began, first), (then, last) = self._seen[0], self._seen[-1]
        done = last.done - first.done
        if done <= 0 or last.done >= last.total or then - began < _SETTLED_SECONDS:
            return ""
        seconds = (last.total - last.done) * (then - began) / done
        return f"{duration(max(seconds - (self._now - then), 1.0))} left"


def line(work: Work, left: str) -> str:
    """The progress as one line."""
    share = [percent(_share(work))] if work.total else []
    trouble = [work.trouble] if work.trouble else []
    return " | ".join([*share, _count(work), *trouble, *work.parts, *([left] if left else [])])


def lines(work: Work, left: str, width: int) -> list[str]:
    """The progress as lines for a terminal; none is wider than `width`."""
    head = [_count(work), *([left] if left else [])]
    if work.total and width >= _WIDE:
        first = f"{bar(_share(work), _BAR)} {percent(_share(work)):>4}  {fit(head, width - _BAR - 8)}"
    else:
        first = fit([*([percent(_share(work))] if work.total else []), *head], width)
    more = [[work.trouble] if work.trouble else [], work.parts]
    return [first, *(fit(parts, width) for parts in more if parts)]


def _share(work: Work) -> float:
    return min(1.0, work.done / work.total)


def _count(work: Work) -> str:
    of = f" of {work.total:,}" if work.total else ""
    return f"{work.done:,}{of} {work.what}"


class WorkDisplay:
    """Shows what `look` returns until it is left; nothing while that is None or before `ready`."""

    def __init__(
        self,
        look: Callable[[], Work | None],
        *,
        ready: asyncio.Event | None = None,
        introduce: Callable[[], None] = lambda: None,
    ) -> None:
        """`introduce` prints what stands above, once it is `ready`."""
        self._look = look
        self._ready = ready
        self._introduce = introduce
        self._is_introduced = False
        self._pace = Pace()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._show())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Show nothing meanwhile: a question is asked."""
        await self.__aexit__()
        self._introduce_once()
        try:
            yield
        finally:
            await self.__aenter__()

    def _introduce_once(self) -> None:
        if not self._is_introduced:
            self._is_introduced = True
            self._introduce()

    async def _show(self) -> None:
        if self._ready is not None:
            await self._ready.wait()
        self._introduce_once()
        if sys.stderr.isatty() and not is_json() and os.environ.get("TERM") != "dumb":
            await self._live()
        else:
            await self._plain()

    async def _live(self) -> None:
        with live_display(sys.stderr) as paint:
            while True:
                if (work := self._seen()) is not None:
                    paint(partial(lines, work, self._pace.left_text()))
                await asyncio.sleep(_LIVE_SECONDS)

    async def _plain(self) -> None:
        clock = asyncio.get_running_loop().time
        due, plain = clock() + _PLAIN_SECONDS, PlainLines()
        while True:
            await asyncio.sleep(_LIVE_SECONDS)
            work = self._seen()  # more often than it is printed, to measure the pace
            if work is not None and clock() >= due:
                due += _PLAIN_SECONDS
                if plain.is_due(text := line(work, self._pace.left_text()), clock()):
                    print_message(text)

    def _seen(self) -> Work | None:
        work = self._look()
        if work is not None:
            self._pace.add(asyncio.get_running_loop().time(), work)
        return work
