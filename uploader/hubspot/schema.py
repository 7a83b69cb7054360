"""The properties of an object type: types, options, read-only and unique ones.

In    the reply of the properties endpoint, with any content.
Out   a `Schema`; malformed entries are ignored.
Raise nothing.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from uploader.hubspot.missing_scopes import DOCUMENTED_SCOPES, OWNERS, SENSITIVITIES
from uploader.hubspot.owner_lookup import Owners
from uploader.hubspot.stage_lookup import PIPELINES, STAGES, Pipelines

#: A step back in it may be answered with 200 and not made. Its stages and their order are the account's.
LIFECYCLE_STAGE = "lifecyclestage"


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a property's values; "" if unknown."""

    type: str = ""
    is_multiple: bool = False
    may_be_address: bool = True  #: False for `email` of other types than contacts
    is_phone: bool = False  #: HubSpot may store it as a bare number with its country code
    is_checkbox: bool = False  #: one checkbox: yes or no, whatever the type
    stages: tuple[str, ...] = ()  #: the options in the account's order, if a value only goes forward in it

    @property
    def is_boolean(self) -> bool:
        """Whether the words for true and false are values."""
        return self.type == "bool" or (self.type == "enumeration" and self.is_checkbox)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an enumeration: its label, and the value that HubSpot accepts."""

    label: str
    value: str
    hidden: bool = False  #: not offered in HubSpot's forms


@dataclass(frozen=True, slots=True)
class Schema:
    """The properties of an object type."""

    labels: Mapping[str, str]  #: property name -> label
    read_only: frozenset[str] = frozenset()
    unique: frozenset[str] = frozenset()  #: without contacts' `email`, which is always unique
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    options: Mapping[str, tuple[Option, ...]] = field(
        default_factory=dict
    )  #: of the properties that list them
    owned: frozenset[str] = frozenset()  #: properties that hold owner ids
    owners: Owners | None = None  #: the owners; None if they were not or may not be read
    owners_scope: str = DOCUMENTED_SCOPES[OWNERS]  #: that the token needs to read them
    staged: frozenset[str] = frozenset()  #: properties that hold pipelines or their stages, by id
    pipelines: Pipelines | None = None  #: None if they were not or may not be read
    sensitive: Mapping[str, str] = field(default_factory=dict)  #: their level, for those that are sensitive
    has_sensitive: bool = False  #: sensitive properties are listed, too, as far as the token may see them
    hidden_scope: str = ""  #: without which the token does not see some of them

    def no_property(self, which: str) -> str:
        """The text that there is no property of this description, as far as the token may see."""
        if not self.hidden_scope:
            return f"this account has no property {which}"
        lacks = f"the token lacks the scope {self.hidden_scope}"
        return f"the token sees no property {which}, which may be a sensitive property: {lacks}"

    @classmethod
    def decode(cls, body: Mapping[str, object], *, has_addresses: bool = True) -> "Schema":
        """Decode the reply of the properties endpoint; malformed entries are ignored.

        `has_addresses`: the type is contacts, whose `email` is an address.
        """
        entries = [e for e in entries_of(body) if isinstance(e, dict)]
        named = {str(e["name"]): e for e in entries if isinstance(e.get("name"), str)}
        return cls(
            labels={name: str(entry.get("label") or "") for name, entry in named.items()},
            read_only=frozenset(name for name, entry in named.items() if _is_read_only(entry)),
            unique=frozenset(name for name, entry in named.items() if entry.get("hasUniqueValue") is True),
            kinds={
                name: Kind(
                    str(entry.get("type") or ""),
                    entry.get("fieldType") == "checkbox",
                    has_addresses,
                    is_phone=entry.get("type") == "phone_number" or entry.get("fieldType") == "phonenumber",
                    is_checkbox=entry.get("fieldType") == "booleancheckbox",
                    stages=_in_order(entry.get("options")) if name == LIFECYCLE_STAGE else (),
                )
                for name, entry in named.items()
            },
            options={
                name: _options(entry["options"])
                for name, entry in named.items()
                if entry.get("type") == "enumeration"
                and isinstance(entry.get("options"), list)
                and entry.get("externalOptions") is not True
            },
            owned=frozenset(name for name, entry in named.items() if _holds_owners(entry)),
            staged=frozenset(name for name, entry in named.items() if _holds_stages(entry)),
            sensitive={
                name: str(entry["dataSensitivity"])
                for name, entry in named.items()
                if entry.get("dataSensitivity") in SENSITIVITIES
            },
        )


def entries_of(body: Mapping[str, object] | None) -> list[object]:
    """The entries of a list reply; none if it has no list."""
    results = (body or {}).get("results")
    return results if isinstance(results, list) else []


def _is_read_only(entry: Mapping[str, object]) -> bool:
    meta = entry.get("modificationMetadata")
    read_only = isinstance(meta, dict) and meta.get("readOnlyValue") is True
    return read_only or entry.get("calculated") is True


def _options(entries: list[object]) -> tuple[Option, ...]:
    return tuple(
        Option(str(entry.get("label") or ""), value, entry.get("hidden") is True)
        for entry in entries
        if isinstance(entry, dict) and isinstance(value := entry.get("value"), str)
    )


def _in_order(entries: object) -> tuple[str, ...]:
    """The values of options in display order; those without a place come last, as in HubSpot."""
    options = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    places = [o if isinstance(o := e.get("displayOrder"), int) and o >= 0 else math.inf for e in options]
    ranked = sorted(zip(places, options, strict=True), key=lambda one: one[0])
    return tuple(value for _, entry in ranked if isinstance(value := entry.get("value"), str))


def _holds_owners(entry: Mapping[str, object]) -> bool:
    return entry.get("referencedObjectType") == "OWNER" or entry.get("name") == "hubspot_owner_id"


def _holds_stages(entry: Mapping[str, object]) -> bool:
    is_listed_elsewhere = entry.get("type") == "enumeration" and entry.get("externalOptions") is True
    return is_listed_elsewhere and entry.get("name") in STAGES.keys() | PIPELINES
