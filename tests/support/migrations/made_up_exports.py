"""Exports of a made-up company from other systems, and what an account must hold once they are uploaded.

The same in every run. A person is decided first; its cells and what HubSpot must have of it follow from that,
so what is wanted does not depend on how `uploader` reads a file. As a program it writes one export:

    python tests/support/made_up_exports.py salesforce contacts.csv --account account.json
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

FULL = 20_000  #: rows of the report; the counts below are those of so many rows

PLACEHOLDERS = {"none@none.com": 76, "noemail@noemail.com": 20, "test@test.com": 12}
BAD_ADDRESSES = ("jane.doe", "mark@", "a b@example.com", "see notes", "k.ito@example,com", "tel 555-0199")
NO_ADDRESS, REPEATED, OPTED_OUT, NO_CALLS = 310, 64, 412, 655
#: Owners that the account has, and those it does not have, with their rows.
OWNERS = {"Ann Lee": "41629779", "Bob Stone": "41629780", "Jürgen Groß": "41629783"}
NOBODY = "Data Import"  #: no person
UNKNOWN_OWNERS = {"Dana Whitfield": 512, "Priya Raman": 207, "Carlos Mendes": 38, NOBODY: 9}
#: What the company calls its stages, and the stage of HubSpot that is meant.
STAGES = {
    "Prospect": "lead",
    "MQL": "marketingqualifiedlead",
    "Opportunity": "opportunity",
    "Client": "customer",
    "Former Client": "other",
}
SOURCES = ("Web", "Trade Show", "Partner Referral", "Purchased List", "Word of mouth")
_FIRST = (
    "Ana",
    "Björn",
    "Chloé",
    "Dmitri",
    "Elif",
    "Femi",
    "Grace",
    "Hiro",
    "Ines",
    "João",
    "Mary Ann",
    "Zoë",
)
_LAST = (
    "Okafor",
    "Müller",
    "O'Brien",
    "García",
    "Nguyễn",
    "Smith",
    "van Dijk",
    "Kowalski",
    "D'Angelo",
    "Ito",
)
_TITLES = ("CTO", "Buyer", "Head of Sales", "Engineer", "Founder", "VP, Operations")
_COMPANIES = ("Acme, Inc.", 'The "Big" Store', "Globex", "Initech", "Umbrella & Sons", "Überholz GmbH")
#: City, state, country, and where its postal codes begin.
_PLACES = (
    ("Boston", "MA", "United States", "02"),
    ("Newark", "NJ", "United States", "07"),
    ("Austin", "TX", "United States", "78"),
    ("Dresden", "Sachsen", "Germany", "01"),
    ("Köln", "Nordrhein-Westfalen", "Germany", "50"),
)
_STREETS = ("Main St", "Elm St, Suite 4", "Bahnhofstraße", "Harbor Rd")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an export, and what follows from it."""

    cells: Mapping[str, str]  #: by column
    wanted: Mapping[str, str]  #: what HubSpot must hold, by property; "": nothing
    opted_out: bool = False
    is_invalid: bool = False  #: nothing may be sent

    @property
    def address(self) -> str:
        return "" if self.is_invalid else self.wanted["email"]


@dataclass(frozen=True, slots=True)
class Export:
    """A made-up export, and the account that it is for."""

    rows: Sequence[Row]
    own_id: str  #: the property of the other system's id
    footer: Sequence[str] = ()
    #: What the account holds before, by property.
    contacts: Sequence[Mapping[str, str]] = ()

    def write(self, path: Path) -> None:
        """Write it as a workbook if the name says so, else as CSV."""
        columns = list(self.rows[0].cells)
        lines = [columns, *([row.cells[name] for name in columns] for row in self.rows)]
        if path.suffix == ".xlsx":
            import openpyxl  # noqa: PLC0415  # an extra, and only workbooks need it

            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("Contacts")
            for line in lines:
                sheet.append(line)
            book.save(path)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(lines)
            file.writelines(f"{line}\r\n" for line in self.footer)

    def write_account(self, path: Path) -> None:
        """Write the contacts that the account holds before, as the mock server takes them."""
        contacts = [{"properties": dict(one)} for one in self.contacts]
        path.write_text(json.dumps({"contacts": contacts}), encoding="utf-8")

    def expected(self) -> list[dict[str, str]]:
        """What the account must hold in the end: the rows one after the other. A row finds its contact by its
        address, else by the id. A blank changes nothing, and a lifecycle stage goes forward only.
        """
        held = [dict(one) for one in self.contacts]
        by_address = {one["email"]: one for one in held}
        for row in self.rows:
            if row.is_invalid:
                continue
            found = by_address.get(row.address) if row.address else None
            if found is None:
                held.append(found := {})
                if row.address:
                    by_address[row.address] = found
            stages = [found.get("lifecyclestage", ""), row.wanted.get("lifecyclestage", "")]
            found.update({name: value for name, value in row.wanted.items() if value})
            if any(stages):
                found["lifecyclestage"] = max(stages, key=_STAGES.index)
        return held

    def opted_out(self) -> set[str]:
        """The addresses that must be in the list of opt-outs, and no others."""
        return {row.address for row in self.rows if row.opted_out and row.address}


#: In the order of HubSpot, which does not let a contact go back.
_STAGES = (
    *("", "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity"),
    *("customer", "evangelist", "other"),
)


_FOOTER = (
    "",
    '"Contacts for the new CRM"',
    '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."',
    '"Confidential Information - Do Not Distribute"',
    '"Generated By:  Maria Novak  11/28/2026 4:12 PM"',
    '"Northwind Traders"',
)


def salesforce(rows: int = FULL) -> Export:
    """A report of contacts: 20 columns, a footer of five lines below a blank one."""
    made = [_of_salesforce(person) for person in _people(rows, 21)]
    # A sixth of the first people is in HubSpot already, with values that a row may replace or leave.
    known = dict.fromkeys(row.address for row in made[: rows // 8 : 6] if row.address)
    before = {"jobtitle": "Intern", "phone": "+1 800 555 0100", "fax": "030 99"}
    contacts = [{"email": address, **before} for address in known]
    return Export(made, "salesforce_id", _FOOTER, contacts)


def pipedrive(rows: int = 400) -> Export:
    """People, with the type of record before each name; who may be mailed is a word."""
    return Export([_of_pipedrive(person) for person in _people(rows, 22)], "pipedrive_id")


def mailchimp(rows: int = 400) -> Export:
    """An audience: an address in every row, and a time for those who unsubscribed."""
    return Export([_of_mailchimp(person) for person in _people(rows, 23) if "@" in person.address], "")


def dynamics(rows: int = 400) -> Export:
    """A workbook, with columns for Dynamics itself; permissions are "Allow" and "Do Not Allow"."""
    return Export([_of_dynamics(person) for person in _people(rows, 24)], "external_id")


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up person. A blank text: not known."""

    number: int
    salutation: str
    first: str
    last: str
    title: str
    company: str
    address: str  #: as the other system has it
    phone: str
    street: str
    city: str
    state: str
    zip: str
    country: str
    source: str
    stage: str
    customer_number: str
    owner: str
    renewal: date | None
    opted_out: bool
    no_calls: bool
    nothing: Callable[[], str]  #: how a blank is written, anew for each cell

    @property
    def own_address(self) -> str:
        """The address as HubSpot stores it; "" if it is a placeholder or damaged."""
        return "" if self.address in {*PLACEHOLDERS, *BAD_ADDRESSES} else self.address.lower()


def _people(rows: int, seed: int) -> Iterator[Person]:
    """Each person has values of its own, whatever the number of rows."""
    rng = random.Random(seed)

    def some(count: int) -> int:
        return max(2, count * rows // FULL)  # two of each kind at least

    order = rng.sample(range(rows), rows)

    def take(count: int) -> list[int]:
        taken = order[:count]
        del order[:count]
        return taken

    odd = {number: mail for mail, count in PLACEHOLDERS.items() for number in take(some(count))}
    odd |= dict(zip(sorted(take(len(BAD_ADDRESSES))), BAD_ADDRESSES, strict=True))
    without = take(some(NO_ADDRESS))
    odd |= dict.fromkeys(without, "")
    again = set(take(some(REPEATED)))
    owners = {number: who for who, count in UNKNOWN_OWNERS.items() for number in take(some(count))}
    # Some of them have no address that could be listed.
    opted_out = {
        *without[:2],
        *rng.sample(sorted({*range(rows)}.difference(without[:2])), some(OPTED_OUT) - 2),
    }
    no_calls = set(rng.sample(range(rows), some(NO_CALLS)))
    ordinary = sorted(set(order))

    for number in range(rows):
        rng = random.Random(seed * FULL + number)
        usual = f"contact{number}@example.com"
        if number in again:
            earlier = rng.choice(ordinary[: max(1, number // 2)])
            usual = f"Contact{earlier}@Example.COM"
        city, state, country, begin = rng.choice(_PLACES)
        house = rng.randrange(1, 200)
        yield Person(
            number=number,
            salutation=_maybe(rng, 0.3, rng.choice(("Dr.", "Ms.", "Mr."))),
            first=rng.choice(_FIRST),
            last=rng.choice(_LAST),
            title=_maybe(rng, 0.8, rng.choice(_TITLES)),
            company=rng.choice(_COMPANIES),
            address=odd.get(number, usual),
            phone=_maybe(rng, 0.7, f"+1 555 {rng.randrange(10**7):07}"),
            street=_maybe(rng, 0.9, f"{house} {rng.choice(_STREETS)}"),
            city=city,
            state=state,
            zip=_maybe(rng, 0.95, f"{begin}{rng.randrange(1_000):03}"),
            country=country,
            source=_maybe(rng, 0.85, rng.choice(SOURCES)),
            stage=rng.choice(tuple(STAGES)),
            customer_number=_maybe(rng, 0.6, f"{number * 3 + 17:07}"),
            owner=owners.get(number) or rng.choice(tuple(OWNERS)),
            renewal=date(2026, 1, 1) + timedelta(days=rng.randrange(700)) if rng.random() < 0.5 else None,
            opted_out=number in opted_out,
            no_calls=number in no_calls,
            nothing=partial(rng.choice, ("", "", "n/a", "n/a", "N/A", "-")),
        )


def _maybe(rng: random.Random, share: float, text: str) -> str:
    return text if rng.random() < share else ""


def _of_salesforce(person: Person) -> Row:
    def cell(text: str) -> str:
        return text or person.nothing()

    renewal = person.renewal
    cells = {
        "Contact ID": f"0035g00000{person.number:05}QAA",
        "Salutation": person.salutation,
        "First Name": person.first,
        "Last Name": person.last,
        "Title": cell(person.title),
        "Account Name": person.company,
        "Email": person.address,
        "Phone": cell(person.phone),
        "Mailing Street": cell(person.street),
        "Mailing City": person.city,
        "Mailing State/Province": person.state,
        "Mailing Zip/Postal Code": cell(person.zip),
        "Mailing Country": person.country,
        "Lead Source": person.source,
        "Lifecycle Stage": person.stage,
        "Customer Number": cell(person.customer_number),
        "Contact Owner": person.owner,
        "Renewal Date": f"{renewal:%m/%d/%Y}" if renewal else "",
        "Email Opt Out": "1" if person.opted_out else "0",
        "Do Not Call": "1" if person.no_calls else "0",
    }
    wanted = {
        "salesforce_id": cells["Contact ID"],
        "salutation": person.salutation,
        "firstname": person.first,
        "lastname": person.last,
        "jobtitle": person.title,
        "company": person.company,
        "email": person.own_address,
        "phone": person.phone,
        "address": person.street,
        "city": person.city,
        "state": person.state,
        "zip": person.zip,
        "country": person.country,
        "lead_source": person.source,
        "lifecyclestage": STAGES[person.stage],
        "customer_number": person.customer_number,
        "hubspot_owner_id": "" if person.owner == NOBODY else OWNERS.get(person.owner, OWNERS["Ann Lee"]),
        "renewal_date": renewal.isoformat() if renewal else "",
        "do_not_call": "true" if person.no_calls else "false",
    }
    return Row(cells, wanted, person.opted_out, is_invalid=person.address in BAD_ADDRESSES)


def _of_pipedrive(person: Person) -> Row:
    cells = {
        "Person - ID": str(person.number + 1),
        "Person - Name": f"{person.first} {person.last}",
        "Person - First name": person.first,
        "Person - Last name": person.last,
        "Person - Email - Work": person.own_address,
        "Person - Phone - Work": person.phone,
        "Person - Organization": person.company,
        "Person - Owner": person.owner,
        "Person - Label": _LABELS[person.stage],
        "Person - Marketing status": "unsubscribed" if person.opted_out else "subscribed",
        "Person - Open deals": str(person.number % 3),
        "Person - Person created": "2025-12-31 10:00:00",
    }
    wanted = {
        "pipedrive_id": cells["Person - ID"],
        "firstname": person.first,
        "lastname": person.last,
        "email": person.own_address,
        "phone": person.phone,
        "company": person.company,
        "hubspot_owner_id": OWNERS.get(person.owner, OWNERS["Bob Stone"]),
        "person_label": _LABELS[person.stage],
    }
    return Row(cells, wanted, person.opted_out)


_LABELS = {
    "Prospect": "Cold lead",
    "MQL": "Warm lead",
    "Opportunity": "Hot lead",
    "Client": "Customer",
    "Former Client": "",
}


def _of_mailchimp(person: Person) -> Row:
    address = person.own_address or f"reader{person.number}@example.com"
    cells = {
        "Email Address": address,
        "First Name": person.first,
        "Last Name": person.last,
        "Phone Number": person.phone,
        "ZIP": person.zip,
        "MEMBER_RATING": "2",
        "OPTIN_TIME": "2025-12-31 10:00:00",
        "OPTIN_IP": "192.0.2.1",
        "LAST_CHANGED": "2025-12-31 10:00:00",
        "LEID": str(person.number + 500),
        "EUID": f"e{person.number:05}",
        "TAGS": '"news","fair"' if person.number % 2 else "",
        "UNSUB_TIME": "2026-01-02 03:04:05" if person.opted_out else "",
    }
    wanted = {
        "email": address,
        "firstname": person.first,
        "lastname": person.last,
        "phone": person.phone,
        "zip": person.zip,
    }
    return Row(cells, wanted, person.opted_out)


def _of_dynamics(person: Person) -> Row:
    permitted = {True: "Do Not Allow", False: "Allow"}
    cells = {
        "(Do Not Modify) Contact": f"b8b3e0b2-1f6e-ed11-81ac-{person.number:012x}",
        "(Do Not Modify) Row Checksum": f"c{person.number}==",
        "(Do Not Modify) Modified On": "2025-12-31 10:00",
        "First Name": person.first,
        "Last Name": person.last,
        "Email": person.own_address,
        "Company Name": person.company,
        "Business Phone": person.phone,
        "Address 1: Street 1": person.street,
        "Address 1: City": person.city,
        "Address 1: ZIP/Postal Code": person.zip,
        "Status Reason": "Active",
        "Owner": person.owner,
        "Do not allow Emails": permitted[person.opted_out],
        "Do not allow Phone Calls": permitted[person.no_calls],
    }
    wanted = {
        "external_id": cells["(Do Not Modify) Contact"],
        "firstname": person.first,
        "lastname": person.last,
        "email": person.own_address,
        "company": person.company,
        "phone": person.phone,
        "address": person.street,
        "city": person.city,
        "zip": person.zip,
        "hubspot_owner_id": OWNERS.get(person.owner, ""),
    }
    return Row(cells, wanted, person.opted_out)


EXPORTS: Mapping[str, Callable[..., Export]] = {
    "salesforce": salesforce,
    "pipedrive": pipedrive,
    "mailchimp": mailchimp,
    "dynamics": dynamics,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a made-up export.")
    parser.add_argument("system", choices=EXPORTS)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--account", type=Path, help="also write what the account holds before")
    given = parser.parse_args()
    make = EXPORTS[given.system]
    export = make(given.rows) if given.rows else make()
    export.write(given.path)
    if given.account:
        export.write_account(given.account)


if __name__ == "__main__":
    main()
