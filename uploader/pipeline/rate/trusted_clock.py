"""What time it is, from clocks that each have a fault. Readings are arguments.

The loop's clock stands still while a machine sleeps (on Linux). A wall clock may be set forwards or back, or
be wrong. Each reply has HubSpot's time, to the second. All times are in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

#: A wall clock that gains less on the loop's is adjusted, or read a little later: no time has passed.
_ADJUSTED_SECONDS = 1.0
#: A process whose clocks are read twice a second did not run in a longer gap.
_GAP_SECONDS = 5.0


class Elapsed:
    """The loop's clock, less what it misses: of each step, the longer one of both clocks counts.

    A wall clock that is set back hides nothing; one that is set forward counts as time that has passed.
    """

    def __init__(self, loop: float, wall: float) -> None:
        self.seconds = loop  #: at the last reading; never less than before
        self._loop, self._wall = loop, wall

    def read(self, loop: float, wall: float) -> float:
        by_loop, by_wall = loop - self._loop, wall - self._wall
        self._loop, self._wall = loop, wall
        self.seconds += by_wall if by_wall > by_loop + _ADJUSTED_SECONDS else max(0.0, by_loop)
        return self.seconds


class Standstill:
    """The seconds in which the process did not run: the machine slept, or the process was stopped or
    frozen.
    """

    def __init__(self, now: float) -> None:
        self.seconds = 0.0
        self._last = now

    def look(self, now: float) -> None:
        """Note the time, as `Elapsed` has it. Call it twice a second."""
        gap, self._last = now - self._last, now
        if gap > _GAP_SECONDS:
            self.seconds += gap


@dataclass(slots=True)
class ServerTime:
    """How far the server's clock is ahead of the elapsed time here: between two bounds.

    A reply was dated between the moment its request left and the moment it arrived, and its date has lost up
    to a second. Where a date contradicts the bounds, a clock was set or has drifted: it counts alone.
    """

    least: float | None = None  #: None: no reply was dated yet
    most: float = 0.0

    def note(self, date: float, left: float, arrived: float) -> None:
        """Learn from a reply. `date`: by the server's clock, since 1970; `left`, `arrived`: elapsed
        seconds.
        """
        least, most = date - arrived, date + 1.0 - left
        if self.least is None or max(least, self.least) > min(most, self.most):
            self.least, self.most = least, most
        else:
            self.least, self.most = max(least, self.least), min(most, self.most)

    def at(self, elapsed: float) -> float | None:
        """Return the earliest time that it may be on the server's clock, since 1970. What is over by then
        is over.
        """
        return None if self.least is None else elapsed + self.least


class Clocks:
    """The loop's clock, the wall clock and HubSpot's clock, read together."""

    def __init__(
        self, loop: Callable[[], float], wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.loop, self.wall = loop, wall
        self._elapsed = Elapsed(loop(), wall().timestamp())
        self._standstill = Standstill(self._elapsed.seconds)
        self._server = ServerTime()

    def elapsed(self) -> float:
        """Return the loop's clock plus what it has missed while the machine slept."""
        return self._elapsed.read(self.loop(), self.wall().timestamp())

    def server_now(self) -> datetime:
        """Return HubSpot's time as its replies show it; the machine's time before the first dated reply."""
        at = self._server.at(self.elapsed())
        return self.wall() if at is None else datetime.fromtimestamp(at, UTC)

    @property
    def knows_server_time(self) -> bool:
        return self._server.least is not None

    def note_reply(self, date: float, left: float) -> None:
        """Learn from the date of a reply that has just arrived, to a request that left at `left` in
        elapsed seconds.
        """
        self._server.note(date, left, self.elapsed())

    def notice_time(self) -> None:
        """Note that the process runs. A long gap between two calls means that it did not."""
        self._standstill.look(self.elapsed())

    @property
    def stood_still_seconds(self) -> float:
        """The seconds in which the process has not run."""
        self.notice_time()
        return self._standstill.seconds
