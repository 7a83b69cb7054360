"""What HubSpot says of an object type's properties. What rows hold is not known here.

In    the answer of the properties endpoint, whatever it holds.
Out   a `Schema`; entries that make no sense are passed over.
Raise nothing.
From  https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from uploader.hubspot.owners import Owners


@dataclass(frozen=True, slots=True)
class Kind:
    """What HubSpot says of a property's values; "" where nobody says."""

    type: str = ""
    is_multiple: bool = False
    may_be_address: bool = True  #: where it is called `email`; only contacts' is one


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an enumeration: what people see, and what HubSpot takes."""

    label: str
    value: str
    hidden: bool = False  #: not offered to people any more


@dataclass(frozen=True, slots=True)
class Schema:
    """What HubSpot says of an object type's properties."""

    labels: Mapping[str, str]  #: property name -> label
    read_only: frozenset[str] = frozenset()
    unique: frozenset[str] = frozenset()  #: beside contacts' `email`, unique whatever the API says
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    options: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)  #: of those that list theirs
    owned: frozenset[str] = frozenset()  #: properties that hold owner ids
    owners: Owners | None = None  #: whom they can hold; None where nobody asked, or may

    @classmethod
    def decode(cls, body: Mapping[str, object], *, has_addresses: bool = True) -> "Schema":
        """Read the answer of the properties endpoint; entries that make no sense are passed over.

        `has_addresses`: whether it is of contacts, whose `email` is an address.
        """
        results = body.get("results")
        entries = [e for e in results if isinstance(e, dict)] if isinstance(results, list) else []
        named = {str(e["name"]): e for e in entries if isinstance(e.get("name"), str)}
        return cls(
            labels={name: str(entry.get("label") or "") for name, entry in named.items()},
            read_only=frozenset(name for name, entry in named.items() if _is_read_only(entry)),
            unique=frozenset(name for name, entry in named.items() if entry.get("hasUniqueValue") is True),
            kinds={
                name: Kind(str(entry.get("type") or ""), entry.get("fieldType") == "checkbox", has_addresses)
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
        )


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


def _holds_owners(entry: Mapping[str, object]) -> bool:
    return entry.get("referencedObjectType") == "OWNER" or entry.get("name") == "hubspot_owner_id"
