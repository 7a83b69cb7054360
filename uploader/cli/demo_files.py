"""The files that `uploader demo` makes: made-up contacts with typical errors, the same every time."""

import csv
import os
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from uploader.system.private_files import create_private

_SEED = 20
_COLUMNS = ("email", "firstname", "lastname", "company", "jobtitle", "city", "phone", "tier")
_FIRST = ("Ana", "Björn", "Chloé", "Dmitri", "Elif", "Femi", "Grace", "Hiro", "Ines", "João", "Лена", "明")
_LAST = (
    "Okafor",
    "Müller",
    "O'Brien",
    "García",
    "Nguyễn",
    "Smith",
    "van Dijk",
    "Иванова",
    "田中",
    "Kowalski",
)
_COMPANIES = ("Acme, Inc.", 'The "Big" Store', "Globex", "Initech", "Umbrella & Sons", "Überholz GmbH")
_JOBS = ("CTO", "Buyer", "Head of Sales", "Engineer", "", "Founder")
_CITIES = ("Berlin", "São Paulo", "Lagos", "大阪", "Kraków", "New York", "")
_TIERS = ("gold", "silver", "bronze", "", "")
#: As Salesforce's reports name them; "Contract End" is a field of somebody's own.
_EXPORTED_COLUMNS = (
    "Contact ID",
    "First Name",
    "Last Name",
    "Title",
    "Account Name",
    "Email",
    "Phone",
    "Mailing City",
    "Contact Owner",
    "Contract End",
    "Lead Source",
    "Email Opt Out",
)
_OWNERS = ("Ann Lee", "Bob Stone", "Jürgen Groß")
_LEAD_SOURCES = ("Web", "Trade Show", "Partner", "")


def make_contacts(path: Path, rows: int) -> None:
    """Write contacts with repeated addresses in other case, invalid ones, blanks, and an unknown option."""
    rng = random.Random(_SEED)  # noqa: S311  # made-up people, not secrets
    with os.fdopen(create_private(path, truncate=True), "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(_COLUMNS)
        for number in range(rows):
            lines.writerow(
                (
                    _address(rng, number),
                    rng.choice(_FIRST),
                    rng.choice(_LAST),
                    rng.choice(_COMPANIES),
                    rng.choice(_JOBS),
                    rng.choice(_CITIES),
                    f"+49 30 {rng.randrange(10**6):06}" if rng.random() < 0.7 else "",
                    "platinum" if rng.random() < 0.002 else rng.choice(_TIERS),
                )
            )


def make_export(path: Path, rows: int) -> None:
    """Write an export as Salesforce does: its own column names, every cell in quotes, days before months.

    OSError, also if the file exists already.
    """
    rng = random.Random(_SEED)  # noqa: S311  # made-up people, not secrets
    with os.fdopen(create_private(path, is_new=True), "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, quoting=csv.QUOTE_ALL)
        lines.writerow(_EXPORTED_COLUMNS)
        lines.writerows(_exported(rng, number) for number in range(rows))


def _exported(rng: random.Random, number: int) -> Sequence[str]:
    end = date(2026, 1, 1) + timedelta(days=rng.randrange(700))
    return (
        f"0035g00000{number:05}AAA",
        rng.choice(_FIRST),
        rng.choice(_LAST),
        rng.choice(_JOBS),
        rng.choice(_COMPANIES),
        _address(rng, number),
        f"+49 30 {rng.randrange(10**6):06}" if rng.random() < 0.7 else "",
        rng.choice(_CITIES),
        rng.choice(_OWNERS),
        f"{end:%d.%m.%Y}",
        rng.choice(_LEAD_SOURCES),
        "1" if rng.random() < 0.02 else "0",
    )


def _address(rng: random.Random, number: int) -> str:
    share = rng.random()
    if share < 0.003:
        return ("no mail", f"contact{number}.example.com", "")[number % 3]
    if share < 0.006:
        return f"contact{number}@example.badtld"
    if share < 0.02 and number:
        return f"Contact{rng.randrange(number)}@Example.COM"
    return f"contact{number}@example.com"
