"""How long a number of requests takes: at a rate, and through as many of the account's days as that needs.

Rows that share a value are written one after the other, a request each once no others are left.

In    requests to send, the rate, what is left of the day, what a day grants, when days end.
Out   a `Forecast`: when it pauses first, and when it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from uploader.model.chain_of_rows import CHAIN_SECONDS

#: A forecast beyond that is none.
_MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Today:
    """What is known of the day, without the reserve; None if there is no daily quota."""

    left: int | None = None
    grant: int | None = None  #: of each following day
    resets_at: datetime | None = None  #: None: at the next midnight


@dataclass(frozen=True, slots=True)
class Forecast:
    requests: int
    before_pause: int  #: of them, before the first pause
    pauses_at: datetime | None  #: the first time that a day's quota is used up
    goes_on_at: datetime | None
    pauses: int
    ends_at: datetime | None  #: None: not within a year, or never
    seconds: float  #: until then


def forecast(
    requests: int,
    per_second: float,
    now: datetime,
    today: Today,
    next_midnight: Callable[[datetime], datetime],
) -> Forecast:
    at, left, rest = now, today.left, float(requests)
    pauses_at = goes_on_at = None
    before_pause, pauses = requests, 0
    resets_at = today.resets_at if today.resets_at and today.resets_at > now else next_midnight(now)
    for _ in range(_MOST_DAYS):
        until_reset = (resets_at - at).total_seconds()
        seconds = rest / per_second
        if left is None or (rest <= left and seconds <= until_reset):
            ends_at = at + timedelta(seconds=seconds)
            return Forecast(
                requests,
                before_pause,
                pauses_at,
                goes_on_at,
                pauses,
                ends_at,
                (ends_at - now).total_seconds(),
            )
        sent = min(rest, left, until_reset * per_second)
        if sent == left and sent < rest:
            pauses += 1
            if pauses_at is None:
                pauses_at, goes_on_at = at + timedelta(seconds=sent / per_second), resets_at
                before_pause = round(requests - rest + sent)
        rest -= sent
        at, left = resets_at, today.grant or 0
        resets_at = next_midnight(at)
    return Forecast(requests, before_pause, pauses_at, goes_on_at, pauses, None, float("inf"))


def with_chain(ahead: Forecast, rows: int, seconds_per_row: float = CHAIN_SECONDS) -> Forecast:
    """Return a forecast that allows for a chain of so many rows written one after the other."""
    seconds = rows * seconds_per_row
    more = seconds - ahead.seconds
    if more <= 0:
        return ahead
    return replace(
        ahead,
        requests=ahead.requests + int(more / seconds_per_row),
        ends_at=ahead.ends_at + timedelta(seconds=more) if ahead.ends_at else None,
        seconds=seconds,
    )


def requests_by_halving(records: int, refused_share: float) -> float:
    """Return the mean number of requests for a batch if refused records are found by halving.

    A batch is sent; if one of its records is refused all are, and each half is sent again.
    """
    if records <= 1:
        return 1.0
    first = records // 2
    halves = requests_by_halving(first, refused_share) + requests_by_halving(records - first, refused_share)
    return 1.0 + halves - 2 * (1.0 - refused_share) ** records
