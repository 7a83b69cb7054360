"""When the account's day ends: HubSpot counts days in the account's own time zone. `now` is an argument."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo


def seconds_to_midnight(now: datetime, zone: str, utc_offset_seconds: float) -> float:
    """Seconds from `now` (aware) to the next midnight in `zone`, or at the offset where that is unknown."""
    try:
        local = now.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        local = now.astimezone(timezone(timedelta(seconds=utc_offset_seconds)))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    return (midnight.astimezone(now.tzinfo) - now).total_seconds()
