"""Whether a value that HubSpot holds is the one that was sent, by the property's type.

In    the property's name, its kind, the text sent and the text held ("" for none).
Out   a `Match`: equal, other in spelling only by HubSpot's own rules (with the rule), another value that
      HubSpot may have made of it or kept by such a rule, or different.
Rules Where the type is not known, only identical text is equal: "1.10" and "1.1" may be two articles.
      A spelling counts as HubSpot's only if it is the one that HubSpot gives to the text sent. A text that
      HubSpot would have to be sent again is another value.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from uploader.hubspot.schema import Kind
from uploader.model.records import EMAIL
from uploader.records.values.respellings import BARE_PHONE, TEXT_TYPES, dialled, spellings


class Match(StrEnum):
    EQUAL = "equal"
    ADJUSTED = "adjusted"  #: the same value, spelled by HubSpot's own rules
    EXPLAINED = "explained"  #: another value, which HubSpot may have made of what was sent, or kept
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Comparison:
    match: Match
    rule: str = ""  #: of an ADJUSTED or EXPLAINED one, in words

    @property
    def is_same(self) -> bool:
        """Whether both are the same value, in whatever spelling."""
        return self.match in {Match.EQUAL, Match.ADJUSTED}

    @property
    def is_hubspots(self) -> bool:
        """Whether HubSpot's own rules explain the difference."""
        return self.match in {Match.ADJUSTED, Match.EXPLAINED}


_EQUAL, _DIFFERS = Comparison(Match.EQUAL), Comparison(Match.DIFFERS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: In a text, a postcode with a leading zero is no number, nor is +49...
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_WEB_ADDRESS_FRAME = re.compile(r"^(https?://)?(www\.)?|/+$")
_MILLISECONDS = re.compile(r"-?[0-9]{5,17}")


def compare(name: str, kind: Kind, wanted: str, held: str) -> Comparison:
    if wanted == held or _is_same_instant(kind, wanted, held):
        return _EQUAL
    if not kind.type:
        return _DIFFERS
    for rule, holds in _ADJUSTING:
        if holds(name, kind, wanted, held):
            return Comparison(Match.ADJUSTED, rule)
    for rule, spelling in spellings(name, kind, wanted):
        if spelling == held:
            return Comparison(Match.EXPLAINED, rule)
    for rule, holds in _EXPLAINING:
        if holds(name, kind, wanted, held):
            return Comparison(Match.EXPLAINED, rule)
    return _DIFFERS


def choices(text: str) -> set[str]:
    """The choices in a value of several."""
    return {part.strip() for part in text.split(";") if part.strip()}


def are_one_number(wanted: str, held: str) -> bool:
    """Whether two texts of unknown type are one number in two notations. `007` and `7` are not."""
    both = _PLAIN_NUMBER.fullmatch(wanted.strip()) and _PLAIN_NUMBER.fullmatch(held.strip())
    return bool(both) and Decimal(wanted.strip()) == Decimal(held.strip())


def may_be_respelled(name: str, kind: Kind, wanted: str, held: str) -> bool:
    """Whether HubSpot may hold what was sent in another spelling: by a rule of the type, or, of a text, in
    other case, with other white space, or as another form of one web address. A part of it is another value.

    That is no proof. Ask it only of a value that we wrote, as its history shows.
    """
    if compare(name, kind, wanted, held).match is not Match.DIFFERS:
        return True
    return kind.type in TEXT_TYPES and bool(wanted and held) and _bare(wanted) == _bare(held)


def _bare(text: str) -> str:
    return " ".join(_WEB_ADDRESS_FRAME.sub("", text.strip().casefold()).split())


def _is_recased(name: str, kind: Kind, wanted: str, held: str) -> bool:
    is_address = name == EMAIL and kind.may_be_address
    return (is_address or kind.is_boolean) and wanted.strip().lower() == held.strip().lower()


def _is_trimmed(name: str, kind: Kind, wanted: str, held: str) -> bool:
    del name
    return kind.type in TEXT_TYPES and wanted.strip() == held


def _has_country_code(name: str, kind: Kind, wanted: str, held: str) -> bool:
    """Whether HubSpot may have completed a national number, by a country that we do not know."""
    del name
    if not kind.is_phone or not BARE_PHONE.fullmatch(held):
        return False
    number = dialled(wanted).lstrip("0")
    is_completed = held.endswith(number) and len(held) - len(number) <= 1 + _CODE_DIGITS
    return is_completed and len(number) >= _NATIONAL_DIGITS


def _is_respaced(name: str, kind: Kind, wanted: str, held: str) -> bool:
    """Whether HubSpot holds the text with other white space."""
    del name
    return kind.type in TEXT_TYPES and wanted.split() == held.split() and held == held.strip()


def _is_later_stage(name: str, kind: Kind, wanted: str, held: str) -> bool:
    del name
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
    chosen, there = choices(wanted), choices(held)
    return kind.is_multiple and (chosen <= there if wanted.startswith(";") else chosen == there)


_NATIONAL_DIGITS, _CODE_DIGITS = 6, 3  #: fewest of a number without its country, most of a country's code

_Rule = tuple[str, Callable[[str, Kind, str, str], bool]]
_ADJUSTING: Sequence[_Rule] = (
    ("HubSpot keeps it in lower case", _is_recased),
    ("HubSpot trims it", _is_trimmed),
    ("a number in another notation", _is_same_number),
    ("a date in another notation", _is_same_date),
    ("the same choices", _are_same_choices),
)
_EXPLAINING: Sequence[_Rule] = (
    ("a lifecycle stage does not go back", _is_later_stage),
    ("HubSpot may have added the country code", _has_country_code),
    ("the white space is HubSpot's", _is_respaced),
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
