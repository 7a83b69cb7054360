"""The forecast of a run as text."""

from collections.abc import Callable
from datetime import datetime

from uploader.cli.text.numbers import about, duration
from uploader.model.counted import numbered
from uploader.pipeline.rate.daily_quota import DailyQuota
from uploader.pipeline.rate.forecast import Forecast
from uploader.settings import Settings

#: A chain of rows of one key is mentioned if it takes longer than this.
_SHOWN_CHAIN_SECONDS = 10.0


def reads_text(settings: Settings) -> str:
    """Why there are more requests than batches of rows; "" if there are not."""
    if settings.rules.is_searched:
        return " (companies are found by search, 5 a second)"
    if settings.may_spare_rows:
        return " (each batch is read first, and only what differs is written)"
    return " (each batch is read before it is written)" if settings.reads_first else ""


def chain_lines(rows: str, seconds: float) -> list[str]:
    """How long the rows of one key take, if that is long. `rows`: their number."""
    if seconds < _SHOWN_CHAIN_SECONDS:
        return []
    text = (
        f"{rows} rows share one key and are written one after the other: about {duration(seconds)} "
        "(--on-duplicate last writes only the last of them)"
    )
    return [text]


def forecast_lines(
    rows: int,
    ahead: Forecast,
    day: DailyQuota,
    clock: Callable[[datetime], str],
    *,
    waits: bool,
    reads: str = "",
    is_most: bool = False,
    is_exact: bool = False,
) -> list[str]:
    """The forecast as lines: requests, duration, pauses, end.

    `reads`: what `reads_text` says. `is_most`: that many requests at most. `is_exact`: so are the rows.
    """
    some, latest = ("at most", " at the latest") if is_most else ("about", "")
    takes = (
        f"{duration(ahead.seconds)}, until about {clock(ahead.ends_at)}" if ahead.ends_at else "never ends"
    )
    number = f"{rows:,}" if is_exact else f"about {about(rows)}"
    left = f"{number} {numbered(rows, 'row')} left"
    requests = f"{about(ahead.requests)} {numbered(ahead.requests, 'request')}"
    lines = [f"{left}: {some} {requests}{reads}, {takes}{latest}"]
    if day.left is not None:
        reserved = day.reserve.of(day.limit)
        for_others = f" ({reserved:,} of them reserved for other apps)" if reserved else ""
        lines.append(f"quota left today: {day.remaining or 0:,} of {day.limit or 0:,} requests{for_others}")
    if ahead.pauses_at and ahead.goes_on_at:
        spent_at, again_at = clock(ahead.pauses_at), clock(ahead.goes_on_at)
        before = about(ahead.before_pause)
        lines.append(f"the daily quota will be used up after about {before} requests, about {spent_at}:")
        lines.append(
            f"it will wait until {again_at}{f', {ahead.pauses} times in all' if ahead.pauses > 1 else ''}"
            if waits
            else (
                f"it will stop then (exit 75); run the same command again after {again_at}, or use "
                "--on-long-pause wait"
            )
        )
    return lines
