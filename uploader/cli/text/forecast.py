"""The forecast of a run, in words."""

from collections.abc import Callable
from datetime import datetime

from uploader.cli.text.numbers import about, duration
from uploader.pipeline.rate.daily_quota import DailyQuota
from uploader.pipeline.rate.forecast import Forecast
from uploader.settings.write_policy import WritePolicySettings


def reads_text(settings: WritePolicySettings) -> str:
    """Why there are more requests than rows would need; "" where there are not."""
    if settings.may_spare_rows:
        return " (each hundred is read first, and what remains of it is written)"
    return " (each hundred is read before it is written)" if settings.reads_first else ""


def forecast_lines(
    rows: int,
    ahead: Forecast,
    day: DailyQuota,
    clock: Callable[[datetime], str],
    *,
    waits: bool,
    reads: str = "",
    is_most: bool = False,
) -> list[str]:
    """What is likely to happen: how many requests, how long, when it pauses, when it ends.

    `reads`: what `reads_text` says. `is_most`: that many requests at most.
    """
    some, latest = ("at most", " at the latest") if is_most else ("some", "")
    takes = f"{duration(ahead.seconds)}, ends about {clock(ahead.ends_at)}" if ahead.ends_at else "no end"
    lines = [
        f"about {about(rows)} rows to go: {some} {about(ahead.requests)} requests{reads}, {takes}{latest}"
    ]
    if day.left is not None:
        reserved = day.reserve.of(day.limit)
        spared = f" ({reserved:,} of them are kept for other apps)" if reserved else ""
        lines.append(f"quota left today: {day.remaining or 0:,} of {day.limit or 0:,} requests{spared}")
    if ahead.pauses_at and ahead.goes_on_at:
        spent_at, again_at = clock(ahead.pauses_at), clock(ahead.goes_on_at)
        before = about(ahead.before_pause)
        lines.append(f"the day's quota is used up after some {before} requests, about {spent_at}:")
        lines.append(
            f"it waits until {again_at}{f', {ahead.pauses} times in all' if ahead.pauses > 1 else ''}"
            if waits
            else f"it stops there (exit 75); the same command goes on after {again_at}, "
            "--on-long-pause wait by itself"
        )
    return lines
