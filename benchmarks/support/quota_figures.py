"""What a server's log says of a quota: how much of it was used, and how it was overrun. Pure.

Lives here: the figures that more than one benchmark reads off `Server.log()`. No process, no demand.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.support.processes import Failed, Seen


@dataclass(frozen=True, slots=True)
class Quota:
    requests: int
    window_seconds: float

    @property
    def per_second(self) -> float:
        return self.requests / self.window_seconds


def parse_quota(text: str) -> Quota:
    requests, _, seconds = text.partition("/")
    return Quota(int(requests), float(seconds))


def share_used(log: Sequence[Seen], quota: Quota, end: float | None = None) -> tuple[float, int, float]:
    """Accepted after the first window / (quota x time); time ends with the last request, or at `end`."""
    begin, end = log[0].at + quota.window_seconds, log[-1].at if end is None else end
    counted = sum(begin < seen.at <= end and not seen.was_refused for seen in log)
    seconds = end - begin
    if seconds <= 0:
        raise Failed("the run was shorter than a window")
    return counted / (quota.per_second * seconds), counted, seconds


def most_sent(log: Sequence[Seen], window_seconds: float) -> int:
    """In any window, the refused ones included."""
    recent: deque[float] = deque()
    most = 0
    for seen in log:
        recent.append(seen.at)
        while recent[0] + window_seconds <= seen.at:
            recent.popleft()
        most = max(most, len(recent))
    return most


def longest_pause(log: Sequence[Seen]) -> float:
    return max(later.at - seen.at for seen, later in pairwise(log))


def each_second(log: Sequence[Seen], seconds: int) -> Iterator[tuple[int, int]]:
    """Accepted and refused, second by second from the first request on."""
    counts = [[0, 0] for _ in range(seconds)]
    for seen in log:
        second = int(seen.at - log[0].at)
        if second < seconds:
            counts[second][seen.was_refused] += 1
    yield from ((accepted, refused) for accepted, refused in counts)
