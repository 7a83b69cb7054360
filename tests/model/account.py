"""The oracle: a page of plain Python that applies rows to an account one at a time, in file order.

It shares no code with the uploader or the mock server. A row's fate is what the books say of it; what the
account must hold then follows. Rows whose fate is open (`abandoned`, `pending`) make all they could have
touched unsure, and so do two addresses of one contact, whose order can't be kept but has to be told.
"""

from dataclasses import dataclass, field

ABSENT = {"rejected", "invalid", "skipped"}
UNSURE = {"abandoned", "pending"}


@dataclass
class Contact:
    addresses: list[str]  #: the primary first
    external_id: str = ""
    values: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)  #: that confirmed rows reached it by


@dataclass
class Expected:
    contacts: list[Contact]
    unsure: list[Contact]  #: among `contacts`
    wrongly_confirmed: list[int]  #: rows that HubSpot would have refused as a conflict
    conflicts: list[int]  #: rows that it has to refuse as one


def normal(text: str) -> str:
    return text.strip().lower()


def apply(rows, fates, seeded, id_property) -> Expected:
    """`rows` are dicts of cells, `fates` what became of each, `seeded` who was there before."""
    contacts = [Contact(list(addresses), values=dict(values)) for addresses, values in seeded]
    suspects = tainted(rows, fates, seeded, id_property)
    wrong, conflicts = [], []
    for number, (row, fate) in enumerate(zip(rows, fates, strict=True)):
        is_sure = suspects.isdisjoint(values_of(row))
        if is_sure and fate in {"created", "updated", "rejected"} and conflict(row, contacts, id_property):
            (conflicts if fate == "rejected" else wrong).append(number)
        elif fate not in ABSENT:
            write(row, contacts, id_property)
    unsure = [contact for contact in contacts if not suspects.isdisjoint(values_of_contact(contact))]
    return Expected(contacts, unsure, wrong, conflicts)


def find(contacts, name: str, value: str) -> Contact | None:
    for contact in contacts:
        if value and (value in contact.addresses if name == "email" else value == contact.external_id):
            return contact
    return None


def conflict(row, contacts, id_property) -> bool:
    """An address beside another key, which belongs to somebody else."""
    if id_property == "email":
        return False
    owner = find(contacts, "email", normal(row["email"]))
    return owner is not None and owner is not find(contacts, id_property, normal(row[id_property]))


def write(row, contacts, id_property) -> None:
    key = normal(row[id_property])
    contact = find(contacts, id_property, key)
    if contact is None:
        contact = Contact([key] if id_property == "email" else [], "" if id_property == "email" else key)
        contacts.append(contact)
    contact.keys.add(key)
    address = normal(row["email"])
    if id_property != "email" and address:
        contact.addresses = [address, *(other for other in contact.addresses[1:] if other != address)]
    contact.values |= {
        name: cell.strip()
        for name, cell in row.items()
        if cell.strip() and name not in {"email", id_property}
    }


def values_of(row) -> set[tuple[str, str]]:
    return {(name, normal(row[name])) for name in ("email", "external_id") if row.get(name, "").strip()}


def values_of_contact(contact) -> set[tuple[str, str]]:
    found = {("email", address) for address in contact.addresses}
    return found | ({("external_id", contact.external_id)} if contact.external_id else set())


def tainted(rows, fates, seeded, id_property) -> set[tuple[str, str]]:
    """All unique values that an unsure row may have had to do with, however indirectly."""
    groups = [values_of(row) for row, fate in zip(rows, fates, strict=True) if fate not in ABSENT]
    groups += [{("email", address) for address in addresses} for addresses, _ in seeded]
    bad = set().union(
        *(values_of(row) for row, fate in zip(rows, fates, strict=True) if fate in UNSURE | {"open"})
    )
    while grown := set().union(*(group for group in groups if group & bad)) - bad:
        bad |= grown
    return bad
