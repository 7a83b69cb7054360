"""Properties and the values that they accept. Pure.

`Property.check` returns the value to store, or a `Problem`. Codes and messages are recorded ones; comments
say where none is known.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from publicsuffixlist import PublicSuffixList

MAX_VALUE_CHARACTERS = 65_536
DAY_MILLISECONDS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Epoch seconds of this century, read as milliseconds, lie within weeks of 1970.
SECONDS_LOOK_BELOW_MILLISECONDS = 10_000_000_000

NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)", re.ASCII)
#: No quoted mailboxes; domains may be internationalised.
EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([^\W_]([^\W_]|[-](?!\.))*\.)+(?P<end>[^\W\d_]{2,63}|xn--[a-z0-9-]+)"
)

LIFECYCLE_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)


class Problem(NamedTuple):
    """Why a value is refused."""

    name: str
    code: str
    message: str


class Option(NamedTuple):
    """One option of an enumeration."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property and its check of values."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = "contactinformation"
    options: tuple[Option, ...] = ()
    unique: bool = False
    read_only: bool = False
    calculated: bool = False
    external_options: bool = False
    address: bool = False  #: a contact's `email`, which identifies it
    owner: bool = False  #: holds the id of an owner
    user_ids: frozenset[str] = frozenset()  #: the owners' user ids, which are refused as owner ids
    hubspot_defined: bool = True
    sensitivity: str = "non_sensitive"
    description: str = ""
    created_at: str = "2025-06-01T08:00:00.000Z"
    archived_at: str = ""  #: "" while it is not archived

    @property
    def is_multiple(self) -> bool:
        return self.field_type == "checkbox"

    @property
    def is_plain_text(self) -> bool:
        """Whether any text is valid. Most values are such text, so this case has a fast path."""
        is_text = self.type in ("string", "phone_number")
        return is_text and not self.address and not (self.read_only or self.calculated)

    def check(self, value: str, *, strict_datetimes: bool = False) -> str | Problem:
        """The value to store, or its problem. An empty value clears; only read-only properties refuse it."""
        if self.read_only or self.calculated:
            return self._read_only()
        if not value:
            return value
        if self.address:
            return _email(value)
        if self.type == "datetime":
            return _datetime(self, value, strict=strict_datetimes)
        return CHECKS.get(self.type, _text)(self, value)

    def _read_only(self) -> Problem:
        if self.calculated:
            text = f'"{self.name}" is a calculated property; its value cannot be set.'
        else:
            text = f'"{self.name}" is a read only property; its value cannot be set.'
        return Problem(self.name, "READ_ONLY_VALUE", text)


def does_not_exist(name: str) -> Problem:
    return Problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')


def normalise(value: str) -> str:
    """The form in which unique values are compared. For e-mail this is known, for others assumed."""
    return value.strip().lower()


def invalid_option(property_: Property, value: str, *, at_least_bytes: int = 0) -> Problem:
    """The message lists every option, so it can be very long."""
    listed = [f'label: "{option.label}" value: "{option.value}"' for option in property_.options]
    while sum(map(len, listed)) < at_least_bytes:
        listed.append(f'label: "Option {len(listed)}" value: "option_{len(listed)}"')
    text = f"{value} was not one of the allowed options: [{', '.join(listed)}]"
    return Problem(property_.name, "INVALID_OPTION", text)


@cache
def _top_level_domains() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False, only_icann=True)


@cache
def is_top_level_domain(end: str) -> bool:
    """HubSpot refuses others. Its list is unknown; this is IANA's, from the package publicsuffixlist."""
    return _top_level_domains().publicsuffix(f"x.{end}") is not None


def _email(value: str) -> str | Problem:
    address = normalise(value)
    found = EMAIL.fullmatch(address)
    if found is None or len(address) > 254 or not is_top_level_domain(found["end"]):
        return Problem("email", "INVALID_EMAIL", f"Email address {value} is invalid")
    return address


def _text(property_: Property, value: str) -> str | Problem:
    if len(value) > MAX_VALUE_CHARACTERS:
        # The code of an over-long value is unknown.
        text = f"Property value is longer than {MAX_VALUE_CHARACTERS} characters"
        return Problem(property_.name, "PROPERTY_VALUE_TOO_LONG", text)
    return value


def _number(property_: Property, value: str) -> str | Problem:
    trimmed = value.strip()  # the announced stricter reading was cancelled
    if NUMBER.fullmatch(trimmed):
        return trimmed
    return Problem(property_.name, "INVALID_LONG", f"{value} was not a valid long.")


def _bool(property_: Property, value: str) -> str | Problem:
    lowered = value.strip().lower()
    return lowered if lowered in ("true", "false") else invalid_option(property_, value)


def _enumeration(property_: Property, value: str) -> str | Problem:
    if property_.owner:
        # An owner's id, not a user's [owners guide] and not an address. Whether HubSpot accepts an unknown
        # id is not known: accepted here.
        is_id = value.isdigit() and value not in property_.user_ids
        return value if is_id else invalid_option(property_, value)
    chosen = value.removeprefix(";").split(";") if property_.is_multiple else [value]
    allowed = {option.value for option in property_.options}
    wrong = next((choice for choice in chosen if choice not in allowed), None)
    return value if wrong is None else invalid_option(property_, wrong)


def _date(property_: Property, value: str) -> str | Problem:
    text = value.strip()
    if re.fullmatch(r"-?\d{5,}", text, re.ASCII):
        return _midnight(property_, int(text))
    try:
        return (
            date.fromisoformat(text).isoformat()
            if len(text) == len("2026-01-01")
            else _bad_date(property_, value)
        )
    except ValueError:
        return _bad_date(property_, value)


def _midnight(property_: Property, milliseconds: int) -> str | Problem:
    try:
        moment = EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _bad_date(property_, str(milliseconds))
    if milliseconds % DAY_MILLISECONDS:
        clock = f"{moment.hour}:{moment.minute}:{moment.second}.{moment.microsecond // 1000}"
        return Problem(property_.name, "INVALID_DATE", f"{milliseconds} is at {clock} UTC, not midnight!")
    return moment.date().isoformat()


def _datetime(property_: Property, value: str, *, strict: bool) -> str | Problem:
    text = value.strip()
    try:
        if re.fullmatch(r"-?\d{5,}", text, re.ASCII):
            if strict and abs(int(text)) < SECONDS_LOOK_BELOW_MILLISECONDS:  # 2026-09 only
                return _bad_date(property_, value)
            moment = EPOCH + timedelta(milliseconds=int(text))
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                return _bad_date(property_, value)
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return _bad_date(property_, value)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _bad_date(property_: Property, value: str) -> Problem:
    return Problem(property_.name, "INVALID_DATE", f"{value} was not a valid date.")


CHECKS: Mapping[str, Callable[[Property, str], str | Problem]] = {
    "string": _text,
    "phone_number": _text,
    "number": _number,
    "bool": _bool,
    "enumeration": _enumeration,
    "date": _date,
}


class Catalogue:
    """The properties of one object type, with lookup tables for the write path."""

    def __init__(self, properties: Sequence[Property]) -> None:
        self.by_name = {p.name: p for p in properties}
        everything = self.by_name.values()
        self.plain = frozenset(p.name for p in everything if p.is_plain_text)
        # `email` identifies a contact whatever its `hasUniqueValue` says.
        self.unique = frozenset(p.name for p in everything if p.unique or p.address)
        self.multiple = frozenset(p.name for p in everything if p.is_multiple)
        self.sensitive = {p.name: p.sensitivity for p in everything if p.sensitivity != "non_sensitive"}
        stages = self.by_name.get("lifecyclestage")
        self.stages = tuple(option.value for option in stages.options) if stages else ()  #: in order

    def definitions(self, sensitivity: str) -> list[dict[str, Any]]:
        """The definitions for the properties endpoint, of one `dataSensitivity`."""
        chosen = [p for p in self.by_name.values() if p.sensitivity == sensitivity]
        return [definition(p, order) for order, p in enumerate(chosen)]


def definition(property_: Property, order: int) -> dict[str, Any]:
    """A property as the properties endpoint shows it, at this place of HubSpot's forms."""
    own = not property_.hubspot_defined
    listed = () if property_.external_options else property_.options
    return {
        "updatedAt": property_.archived_at or property_.created_at,
        "createdAt": property_.created_at,
        "name": property_.name,
        "label": property_.label,
        "type": property_.type,
        "fieldType": property_.field_type,
        "description": property_.description,
        "groupName": property_.group,
        # By value: their order in HubSpot's forms is in `displayOrder` alone.
        "options": [
            {"label": label, "value": value, "description": "", "displayOrder": place, "hidden": False}
            for value, label, place in sorted((o.value, o.label, n) for n, o in enumerate(listed))
        ],
        "displayOrder": order,
        "calculated": property_.calculated,
        "externalOptions": property_.external_options,
        **({"referencedObjectType": "OWNER"} if property_.owner else {}),
        "hasUniqueValue": property_.unique,
        "hidden": False,
        "hubspotDefined": property_.hubspot_defined,
        "modificationMetadata": {
            "archivable": own,
            "readOnlyDefinition": not own,
            "readOnlyOptions": not own,
            "readOnlyValue": property_.read_only or property_.calculated,
        },
        "formField": not (property_.read_only or property_.calculated),
        "dataSensitivity": property_.sensitivity,
        **({"archived": True, "archivedAt": property_.archived_at} if property_.archived_at else {}),
    }
