"""When the account's day ends: HubSpot counts days in the account's own time zone. `now` is an argument."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo


def seconds_to_midnight(now: datetime, zone: str, utc_offset_seconds: float) -> float:
    """Seconds from `now` (aware) to the next midnight in `zone`, or at the offset where that is unknown."""
    local = now.astimezone(_zone(zone, utc_offset_seconds))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    # In UTC: between two times of one zone Python subtracts what the clocks show, changes of them left out.
    return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()


def _zone(name: str, utc_offset_seconds: float) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        day = 86_400
        return timezone(timedelta(seconds=utc_offset_seconds if abs(utc_offset_seconds) < day else 0))
