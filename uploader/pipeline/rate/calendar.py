"""When the account's day ends: HubSpot counts days in the account's own time zone. `now` is an argument."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo


def next_midnight(now: datetime, zone: str, utc_offset_seconds: float) -> datetime:
    """Return the next midnight after `now` (aware) in `zone`, or at the offset if the zone is unknown; in
    UTC.
    """
    local = now.astimezone(zone_of(zone, utc_offset_seconds))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    # In UTC: between two times of one zone Python subtracts what the clocks show, changes of them left out.
    return midnight.astimezone(UTC)


def clock_text(
    moment: datetime, now: datetime, zone: str, utc_offset_seconds: float, here: tzinfo | None = None
) -> str:
    """A time in the account's zone, such as `14:32 (Europe/Berlin)` or `00:12 on Wed 25 Nov (UTC)`.

    `here`: the reader's own zone (None: the machine's); where its clocks differ, its time follows.
    """
    theirs, ours = moment.astimezone(zone_of(zone, utc_offset_seconds)), moment.astimezone(here)
    text = f"{_clock(theirs, now)} ({zone})"
    return text if theirs.utcoffset() == ours.utcoffset() else f"{text}, {_clock(ours, now)} here"


def _clock(local: datetime, now: datetime) -> str:
    is_today = local.date() == now.astimezone(local.tzinfo).date()
    return f"{local:%H:%M}" if is_today else f"{local:%H:%M on %a %-d %b}"


def zone_of(name: str, utc_offset_seconds: float) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        day = 86_400
        return timezone(timedelta(seconds=utc_offset_seconds if abs(utc_offset_seconds) < day else 0))
