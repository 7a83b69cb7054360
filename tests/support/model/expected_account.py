"""The oracle: plain Python that applies rows to an account one at a time, in file order.

It shares no code with the uploader or the mock server. The results file gives each row's outcome, and from
these follows what the account must hold. Rows of uncertain outcome (`abandoned`, `pending`) make all contacts
that they could have written uncertain. So do two addresses of one contact, whose order can't be kept but has
to be reported.

Beside its key a row may carry other unique values. HubSpot refuses one that belongs to another contact at
that moment: then, and only then, may the row be refused. A confirmed row takes its values with it, though: a
later row may have freed them early. Where rows are matched by either key, two rows of one contact keep their
order if they share a unique value, or if confirmed rows before them held both keys; for others the contact is
listed.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

ABSENT = {"rejected", "invalid", "skipped"}
UNSURE = {"abandoned", "pending"}
#: Columns whose values are unique over contacts, beside the address.
IDS = ("external_id", "old_id")
#: The most keys of one contact; with more, one of them is a placeholder.
MOST_LINKED = 8


@dataclass
class Contact:
    addresses: list[str]  #: the primary first
    ids: dict[str, str] = field(default_factory=dict)  #: by property, of `IDS`
    values: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)  #: that confirmed rows reached it by
    lost: list[str] = field(default_factory=list)  #: addresses that other contacts have taken
    rows: list[int] = field(default_factory=list)  #: that were written to it, by their place in the file

    @property
    def external_id(self) -> str:
        return self.ids.get("external_id", "")

    def copy(self) -> "Contact":
        return replace(self, addresses=[*self.addresses], ids={**self.ids}, values={**self.values})


@dataclass
class Expected:
    contacts: list[Contact]
    unsure: list[Contact]  #: among `contacts`
    unordered: list[Contact]  #: among `contacts`: not every two of its rows are known to be of one contact
    refusable: set[int]  #: rows, by place, whose unique values are another contact's when it is their turn
    earlier: dict[int, set[int]]  #: the rows, by place, that each has to wait for
    seen: Counter[str] = field(default_factory=Counter)  #: how often what is hard to get right came up


def normal(text: str) -> str:
    return text.strip().lower()


def key_of(row, match) -> str:
    """The property that a row is matched by: the first that it has; "" if none."""
    return next((name for name in match if normal(row[name])), "")


def apply(rows, outcomes, seeded, match, writing) -> Expected:
    """Apply `rows` (dicts of cells) with their `outcomes` to an account of the `seeded` contacts."""
    contacts = [_there_before(addresses, values) for addresses, values in seeded]
    suspects = uncertain_values(rows, outcomes, seeded)
    order = _Order(match)
    refusable: set[int] = set()
    freed: set[tuple[str, str]] = set()
    seen: Counter[str] = Counter()
    for place, (row, outcome) in enumerate(zip(rows, outcomes, strict=True)):
        key = key_of(row, match)
        contact = find(contacts, key, normal(row[key])) if key else None
        before = None if contact is None else contact.copy()
        is_sure = suspects.isdisjoint(values_of(row))
        if key and is_taken(row, key, contact, contacts, writing):
            refusable.add(place)
        if outcome not in ABSENT:
            held = set() if before is None else values_of_contact(before)
            contact = write(row, contacts, key, writing)
            gained = values_of_contact(contact) - held
            order.add(place, row, key, held | gained, is_confirmed=outcome not in UNSURE)
            seen["freed values taken"] += bool(freed & gained)
            freed = (freed - gained) | (held - values_of_contact(contact))
            seen["rows that only links order"] += bool(contact.rows) and order.needs_links(
                place, contact.rows
            )
            contact.rows.append(place)
        is_lone = len(match) == 1 and len({*(contact.keys if contact else ())}) <= 1
        if is_lone and is_sure:
            check_unwritten(place, outcome, before, contact, writing)
    seen["refused for another contact's value"] = sum(outcomes[place] == "rejected" for place in refusable)
    unsure = [contact for contact in contacts if suspects & values_of_contact(contact)]
    unordered = [contact for contact in contacts if order.doubtful & values_of_contact(contact)]
    unknown = suspects | order.doubtful
    refusable |= {place for place, row in enumerate(rows) if unknown & values_of(row)}
    return Expected(contacts, unsure, unordered, refusable, order.earlier, seen)


class _Order:
    """Which rows are known to be of one contact as they are read, and whether that is all that matters."""

    def __init__(self, match) -> None:
        self._match = match
        self._values: dict[int, set[tuple[str, str]]] = {}  # of each row, by place
        self._touched: dict[
            int, set[tuple[str, str]]
        ] = {}  # keys that its contact had before or has after it
        self._key: dict[int, tuple[str, str]] = {}
        self.earlier: dict[int, set[int]] = {}  # rows that are surely done before it
        self._linked: list[set[tuple[str, str]]] = []  # keys that confirmed rows hold together, joined
        #: Values of contacts of which two rows may be written in either order, for all that the rows tell.
        self.doubtful: set[tuple[str, str]] = set()

    def add(self, place, row, key, touched, *, is_confirmed) -> None:
        values, name = values_of(row), (key, normal(row[key]))
        known = self._with_linked(values)
        before = [other for other in self._values if known & self._values[other]]
        self.earlier[place] = {*before}.union(*(self.earlier[other] for other in before))
        for other in self._values.keys() - self.earlier[place]:
            if {name, self._key[other]} & touched & self._touched[other]:
                self.doubtful |= touched | self._touched[other]
        self._values[place], self._touched[place], self._key[place] = values, touched, name
        if is_confirmed:
            self._link({value for value in values if value[0] in self._match})

    def needs_links(self, place, contact_rows) -> bool:
        """Whether it is ordered after its contact's last row, and shares no value with it."""
        last = contact_rows[-1]
        return last in self.earlier[place] and not self._values[last] & self._values[place]

    def _with_linked(self, values) -> set[tuple[str, str]]:
        return values.union(*(group for group in self._linked if group & values))

    def _link(self, values) -> None:
        if len(values) > 1:
            joined = self._with_linked(values)
            if len(joined) > MOST_LINKED:
                return
            self._linked = [*(group for group in self._linked if not group & values), joined]


def _there_before(addresses, values) -> Contact:
    ids = {name: text for name, text in values.items() if name in IDS}
    return Contact(list(addresses), ids, {name: text for name, text in values.items() if name not in IDS})


def find(contacts, name: str, value: str) -> Contact | None:
    for contact in contacts:
        if value and (value in contact.addresses if name == "email" else value == contact.ids.get(name)):
            return contact
    return None


def claims(row, key, contact, writing) -> dict[str, str]:
    """The unique values beside its key that a row writes, by property."""
    wanted = {name: normal(row.get(name, "")) for name in ("email", *IDS) if name != key}
    return {
        name: value
        for name, value in wanted.items()
        if value and (contact is None or not keeps_value(contact, name, writing))
    }


def keeps_value(contact, name, writing) -> bool:
    """Whether the contact's value of a unique property must stay."""
    has_one = bool(contact.addresses and contact.addresses[0]) if name == "email" else name in contact.ids
    return writing.of(name) == "create-only" or (writing.of(name) == "fill" and has_one)


def is_taken(row, key, contact, contacts, writing) -> bool:
    """Whether another contact has a unique value that a row writes."""
    owners = [find(contacts, name, value) for name, value in claims(row, key, contact, writing).items()]
    return any(owner is not None and owner is not contact for owner in owners)


def check_unwritten(number, outcome, before, after, writing) -> None:
    """Check that a row that was not written did not need to be, or must not be."""
    if outcome == "unchanged":
        assert before is not None, f"row {number} created a contact"
        assert (before.values, before.addresses, before.ids) == (after.values, after.addresses, after.ids), (
            f"row {number}"
        )
    if outcome == "skipped":
        assert (before is None) == (writing.only == "existing"), f"row {number}"
    if outcome == "created":
        assert before is None, f"row {number} found a contact"
    if writing.only == "existing":
        assert outcome != "created"


def write(row, contacts, key, writing) -> Contact:
    name = normal(row[key])
    contact = find(contacts, key, name)
    is_new = contact is None
    wanted = claims(row, key, contact, writing)
    if contact is None:
        contact = Contact([name] if key == "email" else [], {} if key == "email" else {key: name})
        contacts.append(contact)
    contact.keys.add(name)
    for column, value in wanted.items():
        give(column, value, contact, contacts)
    contact.values |= {
        column: cell.strip()
        for column, cell in row.items()
        if cell.strip() and column not in {"email", *IDS} and may_write(column, contact, is_new, writing)
    }
    return contact


def give(name, value, contact, contacts) -> None:
    """Give a unique value to a contact; its former contact loses it."""
    former = find(contacts, name, value)
    if former is contact:
        if name == "email":
            contact.addresses = [value, *(address for address in contact.addresses if address != value)]
        return
    if former is not None and name == "email":
        former.addresses.remove(value)
        former.lost.append(value)
    elif former is not None:
        del former.ids[name]
    if name == "email":
        contact.addresses = [value, *contact.addresses[1:]]
    else:
        contact.ids[name] = value


def may_write(name, contact, is_new, writing) -> bool:
    policy = writing.of(name)
    return is_new or policy == "overwrite" or (policy == "fill" and not contact.values.get(name))


def values_of(row) -> set[tuple[str, str]]:
    return {(name, normal(row[name])) for name in ("email", *IDS) if row.get(name, "").strip()}


def values_of_contact(contact) -> set[tuple[str, str]]:
    return {("email", address) for address in (*contact.addresses, *contact.lost)} | {*contact.ids.items()}


def uncertain_values(rows, outcomes, seeded) -> set[tuple[str, str]]:
    """All unique values that an uncertain row may have affected, also indirectly."""
    groups = [values_of(row) for row, outcome in zip(rows, outcomes, strict=True) if outcome not in ABSENT]
    groups += [values_of_contact(_there_before(addresses, values)) for addresses, values in seeded]
    bad = set().union(
        *(values_of(row) for row, outcome in zip(rows, outcomes, strict=True) if outcome in UNSURE | {"open"})
    )
    while grown := set().union(*(group for group in groups if group & bad)) - bad:
        bad |= grown
    return bad
