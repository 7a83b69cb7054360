"""Three exports of a made-up company whose records belong together, and what an account must hold in the end.

Accounts, contacts with `Account ID`, opportunities with `Account ID` and the address of a contact. The same
in every run. As a program it writes them into the current folder:

    python tests/support/migrations/three_exports.py
"""

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FULL = 400  #: accounts of the story
BAD_ADDRESS = "jane.doe"
STAGES = {"Prospecting": "appointmentscheduled", "Closed Won": "closedwon", "Closed Lost": "closedlost"}
_CITIES = ("Boston", "Köln", "São Paulo")
_FILES = ("accounts.csv", "contacts.csv", "opportunities.csv")
_DELETED = "0015g00000DELETEDQ"  #: an account that was deleted, and which contacts still name

Properties = Mapping[str, str]
#: By the ids of both records in the former system (for contacts, the address): labels.
Links = Mapping[tuple[str, str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an export; `wanted`: what HubSpot must hold of it; none: nothing may be sent."""

    cells: Properties
    wanted: Properties | None


@dataclass(frozen=True, slots=True)
class Exports:
    accounts: Sequence[Row]
    contacts: Sequence[Row]
    opportunities: Sequence[Row]

    def write(self, folder: Path) -> None:
        for name, rows in zip(_FILES, (self.accounts, self.contacts, self.opportunities), strict=True):
            with (folder / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0].cells), quoting=csv.QUOTE_ALL)
                writer.writeheader()
                writer.writerows(one.cells for one in rows)

    def records(self) -> dict[str, dict[str, Properties]]:
        """By object type and key, the records that the account must hold."""
        both = (self.accounts, "companies"), (self.contacts, "contacts"), (self.opportunities, "deals")
        return {
            name: {
                one.wanted["email" if name == "contacts" else "salesforce_id"]: one.wanted
                for one in rows
                if one.wanted is not None
            }
            for rows, name in both
        }

    def links(self) -> Links:
        """The links that the account must hold. A deal's first company becomes its primary one."""
        held = self.records()
        primary, plain = frozenset({"Primary"}), frozenset[str]()
        links = {}
        for one in self.contacts:
            if one.wanted is not None and one.cells["Account ID"] in held["companies"]:
                links[one.wanted["email"], one.cells["Account ID"]] = primary
        for one in self.opportunities:
            deal, contact = one.cells["Opportunity ID"], one.cells["Contact: Email"].lower()
            links[deal, one.cells["Account ID"]] = primary
            if contact in held["contacts"]:
                links[contact, deal] = plain
        return links

    def missing(self) -> int:
        """How many links lead to nothing: to the deleted account, or to a contact that is not sent."""
        known = self.records()["contacts"]
        accounts = [one for one in self.contacts if one.wanted and one.cells["Account ID"] == _DELETED]
        addresses = [one.cells["Contact: Email"].lower() for one in self.opportunities]
        return len(accounts) + len([one for one in addresses if one and one not in known])


def exports(accounts: int = FULL) -> Exports:
    """Five contacts and one or two opportunities for each account."""
    draw = random.Random(22)
    count = accounts * 5
    bad, others = 7, range(8, count)
    contacts = [_contact(number, accounts, draw, is_bad=number == bad) for number in range(count)]
    deals = [
        _opportunity(number, accounts, bad if number == 3 else draw.choice(others), draw)
        for number in range(accounts * 3 // 2)
    ]
    return Exports([_account(number) for number in range(accounts)], contacts, deals)


def _account_id(number: int) -> str:
    return f"0015g00000{number:05}QAA"


def _account(number: int) -> Row:
    city = _CITIES[number % len(_CITIES)]
    cells = {
        "Account ID": _account_id(number),
        "Account Name": f"Company {number}, Inc.",
        "Website": f"https://www.company{number}.example/",
        "Phone": f"+1 555 {number:07}",
        "Billing City": city,
    }
    wanted = {
        "salesforce_id": cells["Account ID"],
        "name": cells["Account Name"],
        "website": cells["Website"],
        "phone": cells["Phone"],
        "city": city,
    }
    return Row(cells, wanted)


def _address(number: int) -> str:
    return f"Contact{number}@Example.com"


def _contact(number: int, accounts: int, draw: random.Random, *, is_bad: bool) -> Row:
    named = _account_id(draw.randrange(accounts))
    cells = {
        "Contact ID": f"0035g00000{number:05}QAA",
        "First Name": draw.choice(("Ana", "Björn", "Chloé", "Zoë")),
        "Last Name": f"Okafor {number}",
        "Title": draw.choice(("CTO", "Buyer")),
        "Account ID": _DELETED if number % 40 == 0 else "" if number % 20 == 3 else named,
        "Email": BAD_ADDRESS if is_bad else _address(number),
    }
    wanted = {
        "email": cells["Email"].lower(),
        "firstname": cells["First Name"],
        "lastname": cells["Last Name"],
        "jobtitle": cells["Title"],
    }
    return Row(cells, None if is_bad else wanted)


def _opportunity(number: int, accounts: int, contact: int, draw: random.Random) -> Row:
    stage = draw.choice(list(STAGES))
    cells = {
        "Opportunity ID": f"0065g00000{number:05}QAA",
        "Opportunity Name": f"Order {number}",
        "Account ID": _account_id(draw.randrange(accounts)),
        "Contact: Email": "" if number % 5 == 0 else _address(contact),
        "Stage": stage,
        "Amount": f"{draw.randrange(1, 900)}50.00",
    }
    wanted = {
        "salesforce_id": cells["Opportunity ID"],
        "dealname": cells["Opportunity Name"],
        "dealstage": STAGES[stage],
        "amount": cells["Amount"],
    }
    return Row(cells, wanted)


if __name__ == "__main__":
    exports().write(Path.cwd())
