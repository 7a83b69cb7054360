"""Whether a value that HubSpot holds is the one that was sent, by the property's type.

In    the property's name, its kind, the text sent and the text held ("" for none).
Out   a `Match`: equal, other in spelling only by HubSpot's own rules (with the rule), another value that
      HubSpot may have kept by such a rule, or different.
Rule  Where the type is not known, only identical text is equal: "1.10" and "1.1" may be two articles.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from uploader.hubspot.schema import Kind
from uploader.model.records import EMAIL


class Match(StrEnum):
    EQUAL = "equal"
    ADJUSTED = "adjusted"  #: the same value, spelled by HubSpot's own rules
    KEPT = "kept"  #: another value, in whose place HubSpot may not take what was sent
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Comparison:
    match: Match
    rule: str = ""  #: of an ADJUSTED or KEPT one, in words

    @property
    def is_same(self) -> bool:
        """Whether both are the same value, in whatever spelling."""
        return self.match in {Match.EQUAL, Match.ADJUSTED}

    @property
    def is_hubspots(self) -> bool:
        """Whether HubSpot's own rules explain the difference."""
        return self.match in {Match.ADJUSTED, Match.KEPT}


_EQUAL, _DIFFERS = Comparison(Match.EQUAL), Comparison(Match.DIFFERS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A postcode with a leading zero is no number, nor is +49...
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_MILLISECONDS = re.compile(r"-?[0-9]{5,17}")


def compare(name: str, kind: Kind, wanted: str, held: str) -> Comparison:
    if wanted == held or _is_same_instant(kind, wanted, held):
        return _EQUAL
    if not kind.type:
        return _DIFFERS
    for rule, holds in _RULES:
        if holds(name, kind, wanted, held):
            return Comparison(Match.ADJUSTED, rule)
    if _is_later_stage(kind, wanted, held):
        return Comparison(Match.KEPT, "a lifecycle stage does not go back")
    return _DIFFERS


def _is_recased(name: str, kind: Kind, wanted: str, held: str) -> bool:
    is_address = name == EMAIL and kind.may_be_address
    return (is_address or kind.type == "bool") and wanted.strip().lower() == held.strip().lower()


def _is_later_stage(kind: Kind, wanted: str, held: str) -> bool:
    stages = kind.stages
    return wanted in stages and held in stages and stages.index(held) > stages.index(wanted)


def _is_same_number(name: str, kind: Kind, wanted: str, held: str) -> bool:
    del name
    if kind.type != "number":
        return False
    both = _NUMBER.fullmatch(wanted.strip()) and _NUMBER.fullmatch(held.strip())
    return bool(both) and Decimal(wanted.strip()) == Decimal(held.strip())


def _is_same_instant(kind: Kind, wanted: str, held: str) -> bool:
    """Whether both are the same instant: `10:00Z`, `10:00:00.000Z` and `11:00+01:00` are."""
    moment = _moment(wanted.strip()) if kind.type == "datetime" else None
    return moment is not None and moment == _moment(held.strip())


def _is_same_date(name: str, kind: Kind, wanted: str, held: str) -> bool:
    del name
    day = _date(wanted.strip()) if kind.type == "date" else None
    return day is not None and day == _date(held.strip())


def _are_same_choices(name: str, kind: Kind, wanted: str, held: str) -> bool:
    """Whether the choices match: `;a;b` was added to what was there, `a;b` replaced it."""
    del name
    chosen, there = ({part.strip() for part in text.split(";") if part.strip()} for text in (wanted, held))
    return kind.is_multiple and (chosen <= there if wanted.startswith(";") else chosen == there)


_RULES: tuple[tuple[str, Callable[[str, Kind, str, str], bool]], ...] = (
    ("HubSpot keeps it in lower case", _is_recased),
    ("a number in another notation", _is_same_number),
    ("a date in another notation", _is_same_date),
    ("the same choices", _are_same_choices),
)


def _date(text: str) -> date | None:
    moment = _moment(text)
    try:
        return moment.date() if moment else date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        if _MILLISECONDS.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(text))
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
