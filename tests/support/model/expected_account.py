"""The oracle: a page of plain Python that applies rows to an account one at a time, in file order.

It shares no code with the uploader or the mock server. A row's fate is what the books say of it; what the
account must hold then follows. Rows whose fate is open (`abandoned`, `pending`) make all they could have
touched unsure, and so do two addresses of one contact, whose order can't be kept but has to be told.

Beside a key of their own, rows may carry an address. HubSpot refuses one that belongs to another contact at
that moment; which row came first is the books' word there (only open rows know of each other), so a confirmed
row takes its address with it, and a refused one is left out. Where rows are matched by either key, two that
share none of them may be of one contact all the same: there the order is kept, or the contact is listed.
"""

import copy
from dataclasses import dataclass, field

ABSENT = {"rejected", "invalid", "skipped"}
UNSURE = {"abandoned", "pending"}


@dataclass
class Contact:
    addresses: list[str]  #: the primary first
    external_id: str = ""
    values: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)  #: that confirmed rows reached it by
    lost: list[str] = field(default_factory=list)  #: addresses that went to others
    rows: list[int] = field(default_factory=list)  #: that were written to it, by their place in the file


@dataclass
class Expected:
    contacts: list[Contact]
    unsure: list[Contact]  #: among `contacts`


def normal(text: str) -> str:
    return text.strip().lower()


def key_of(row, match) -> str:
    """The property it is matched by: the first that it has; "" where it has none."""
    return next((name for name in match if normal(row[name])), "")


def apply(rows, fates, seeded, match, writing) -> Expected:
    """`rows` are dicts of cells, `fates` what became of each, `seeded` who was there before."""
    contacts = [Contact(list(addresses), values=dict(values)) for addresses, values in seeded]
    suspects = tainted(rows, fates, seeded)
    for place, (row, fate) in enumerate(zip(rows, fates, strict=True)):
        key = key_of(row, match)
        contact = find(contacts, key, normal(row[key])) if key else None
        before = copy.deepcopy(contact)
        if fate not in ABSENT:
            contact = write(row, contacts, key, writing)
            contact.rows.append(place)
        is_lone = len(match) == 1 and len({*(contact.keys if contact else ())}) <= 1
        if is_lone and suspects.isdisjoint(values_of(row)):
            check_fate(place, fate, before, contact, writing)
    unsure = [contact for contact in contacts if not suspects.isdisjoint(values_of_contact(contact))]
    return Expected(contacts, unsure)


def find(contacts, name: str, value: str) -> Contact | None:
    for contact in contacts:
        if value and (value in contact.addresses if name == "email" else value == contact.external_id):
            return contact
    return None


def has_rival(row, rows, seeded) -> bool:
    """Whether its address, beside another key, stands elsewhere too: it may be refused as a conflict."""
    address = normal(row["email"])
    others = {normal(other["email"]) for other in rows if values_of(other).isdisjoint(own_key(row))}
    return bool(address) and (address in others or any(address in addresses for addresses, _ in seeded))


def own_key(row) -> set[tuple[str, str]]:
    return {("external_id", normal(row["external_id"]))}


def check_fate(number, fate, before, after, writing) -> None:
    """Whether a row that was not written had no need to be, or was not allowed to."""
    if fate == "unchanged":
        assert before is not None, f"row {number} created a contact"
        assert (before.values, before.addresses) == (after.values, after.addresses), f"row {number}"
    if fate == "skipped":
        assert (before is None) == (writing.only == "existing"), f"row {number}"
    if writing.only == "existing":
        assert fate != "created"


def write(row, contacts, id_property, writing) -> Contact:
    key = normal(row[id_property])
    contact = find(contacts, id_property, key)
    is_new = contact is None
    if contact is None:
        contact = Contact([key] if id_property == "email" else [], "" if id_property == "email" else key)
        contacts.append(contact)
    contact.keys.add(key)
    address = normal(row["email"])
    has_one = bool(contact.addresses and contact.addresses[0])
    spares = writing.of("email") == "create-only" or (writing.of("email") == "fill" and has_one)
    if id_property != "email" and address and (is_new or not spares):
        former = find(contacts, "email", address)
        if former is not None:
            former.addresses.remove(address)
            former.lost.append(address)
        contact.addresses = [address, *contact.addresses[1:]]
    contact.values |= {
        name: cell.strip()
        for name, cell in row.items()
        if cell.strip() and name not in {"email", "external_id"} and may_write(name, contact, is_new, writing)
    }
    return contact


def may_write(name, contact, is_new, writing) -> bool:
    policy = writing.of(name)
    return is_new or policy == "overwrite" or (policy == "fill" and not contact.values.get(name))


def values_of(row) -> set[tuple[str, str]]:
    return {(name, normal(row[name])) for name in ("email", "external_id") if row.get(name, "").strip()}


def values_of_contact(contact) -> set[tuple[str, str]]:
    found = {("email", address) for address in (*contact.addresses, *contact.lost)}
    return found | ({("external_id", contact.external_id)} if contact.external_id else set())


def tainted(rows, fates, seeded) -> set[tuple[str, str]]:
    """All unique values that an unsure row may have had to do with, however indirectly."""
    groups = [values_of(row) for row, fate in zip(rows, fates, strict=True) if fate not in ABSENT]
    groups += [{("email", address) for address in addresses} for addresses, _ in seeded]
    bad = set().union(
        *(values_of(row) for row, fate in zip(rows, fates, strict=True) if fate in UNSURE | {"open"})
    )
    while grown := set().union(*(group for group in groups if group & bad)) - bad:
        bad |= grown
    return bad
