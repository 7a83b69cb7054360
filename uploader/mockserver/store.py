"""The contacts of the account, in memory, found by id and by each unique value. Pure; times come as text.

A contact's properties are kept as JSON text: a million contacts then take some hundred bytes each where a
dict would take a kilobyte. Values arrive checked and unique values normalised (see `upsert`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from uploader.mockserver.properties import LIFECYCLE_STAGES, normalise

FIRST_ID = 171_596_044_870  # as long as real ids are today
MAX_VERSIONS = 20  # of a contact's property history
RANK = {stage: rank for rank, stage in enumerate(LIFECYCLE_STAGES)}


@dataclass(slots=True, eq=False)
class Contact:
    id: int
    packed: bytes  #: the properties ever written, as JSON
    created_at: str
    updated_at: str
    writes: int = 1
    archived: bool = False
    additional_emails: tuple[str, ...] = ()
    history: tuple[tuple[str, bytes], ...] = ()  #: earlier writes; empty while there was only one

    @property
    def properties(self) -> dict[str, str]:
        unpacked: dict[str, str] = orjson.loads(self.packed)
        return unpacked

    def value(self, name: str) -> str | None:
        """As a read answers it: written values, and those HubSpot keeps itself."""
        match name:
            case "hs_object_id" | "hs_all_contact_vids":
                return str(self.id)
            case "createdate":
                return self.created_at
            case "lastmodifieddate":
                return self.updated_at
            case "hs_additional_emails":
                return ";".join(self.additional_emails) or None
        return self.properties.get(name, DERIVED.get(name))

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Newest first (`propertiesWithHistory`)."""
        writes = self.history or ((self.created_at, self.packed),)
        found = [(at, orjson.loads(packed)) for at, packed in reversed(writes)]
        return [
            {"value": values[name], "timestamp": at, "sourceType": "INTEGRATION"}
            for at, values in found
            if name in values
        ]


#: What a contact has without anyone having written it.
DERIVED = {"lifecyclestage": "lead", "hs_pipeline": "contacts-lifecycle-pipeline", "hs_is_contact": "true"}


class Contacts:
    def __init__(self, unique: Iterable[str], multiple: Iterable[str] = ()) -> None:
        self._by_id: dict[int, Contact] = {}
        self._archived = 0
        self._multiple = frozenset(multiple)
        self._owners: dict[str, dict[str, Contact]] = {name: {} for name in unique}

    def __len__(self) -> int:
        return len(self._by_id) - self._archived

    def __iter__(self) -> Iterator[Contact]:
        """By id, archived ones too; safe while contacts are written."""
        return iter(list(self._by_id.values()))

    def adopt(self, unique: Iterable[str], multiple: Iterable[str]) -> None:
        """The properties changed: index what is unique now."""
        self._multiple = frozenset(multiple)
        self._owners = {name: {} for name in unique}
        for contact in self._by_id.values():
            if not contact.archived:
                self._own(contact, contact.properties)

    def by_id(self, contact_id: str) -> Contact | None:
        return self._by_id.get(int(contact_id)) if contact_id.isdecimal() else None

    def owner(self, name: str, normalised: str) -> Contact | None:
        """The live contact that has this unique value; for `email` also by an additional address."""
        return self._owners[name].get(normalised)

    def archived_owner(self, name: str, normalised: str) -> Contact | None:
        gone = (c for c in self._by_id.values() if c.archived)
        return next((c for c in gone if normalise(c.properties.get(name, "")) == normalised), None)

    def create(
        self, values: Mapping[str, str], at: str, additional_emails: tuple[str, ...] = ()
    ) -> tuple[Contact, dict[str, str]]:
        """The new contact and its values as they now are."""
        stored = merge({}, values, self._multiple)
        contact = Contact(FIRST_ID + len(self._by_id), _pack(stored), at, at)
        contact.additional_emails = additional_emails
        self._by_id[contact.id] = contact
        self._own(contact, stored)
        return contact, stored

    def update(self, contact: Contact, values: Mapping[str, str], at: str) -> dict[str, str]:
        """The values as they now are, for the names sent: a step back in the lifecycle is refused."""
        before = contact.properties
        after = merge(before, values, self._multiple)
        self._disown(contact, before, values)
        self._change_primary(contact, before.get("email", ""), after.get("email", ""))
        earlier = contact.history or ((contact.created_at, contact.packed),)
        contact.history = (*earlier, (at, _pack(values)))[-MAX_VERSIONS:]
        contact.packed = _pack(after)
        contact.updated_at = at
        contact.writes += 1
        self._own(contact, after)
        return {name: after[name] for name in values}

    def archive(self, contact: Contact) -> None:
        if contact.archived:
            return
        properties = contact.properties
        self._disown(contact, properties, properties)
        for address in contact.additional_emails:
            self._owners["email"].pop(address, None)
        contact.archived = True
        self._archived += 1

    def _own(self, contact: Contact, values: Mapping[str, str]) -> None:
        for name, owners in self._owners.items():
            if name in values and (value := values[name]):
                owners[normalise(value)] = contact
        for address in contact.additional_emails:
            self._owners["email"][address] = contact

    def _disown(self, contact: Contact, before: Mapping[str, str], changed: Mapping[str, str]) -> None:
        for name, owners in self._owners.items():
            if name in changed and owners.get(old := normalise(before.get(name, ""))) is contact:
                del owners[old]

    def _change_primary(self, contact: Contact, old: str, new: str) -> None:
        """An additional address written as `email` becomes the primary one; the two change places."""
        if new in contact.additional_emails:
            others = (address for address in contact.additional_emails if address != new)
            contact.additional_emails = (*others, old) if old else tuple(others)


def _pack(values: Mapping[str, str]) -> bytes:
    # Copied by the join: what `dumps` returns keeps the kilobyte of its buffer for as long as it lives.
    return b"".join((orjson.dumps(values), b""))


def merge(before: Mapping[str, str], values: Mapping[str, str], multiple: frozenset[str]) -> dict[str, str]:
    """`""` clears, `;a` appends to a multi-checkbox, the lifecycle goes forward only (5.5 to 5.7)."""
    after = {**before, **values}
    stage = values.get("lifecyclestage")
    if stage:
        current = before.get("lifecyclestage", DERIVED["lifecyclestage"] if before else "")
        if RANK.get(stage, len(RANK)) < RANK.get(current, -1):
            after["lifecyclestage"] = current
    if not multiple.isdisjoint(values):
        for name in multiple & values.keys():
            after[name] = _choices(before.get(name, ""), values[name])
    return after


def _choices(before: str, value: str) -> str:
    if not value.startswith(";"):
        return value
    added = value.removeprefix(";").split(";")
    return ";".join(dict.fromkeys([*filter(None, before.split(";")), *added]))
