"""A plan of companies, contacts and deals as a company moves it: killed again and again under mixed faults,
and held against an oracle that knows nothing of how it is sent. What others change behind its back is drawn,
too: `verify` has to list that and nothing else.

The small size runs by default; the one of a real migration takes minutes and runs with the larger draws.
"""

import csv
import random
from collections import Counter
from functools import partial
from typing import NamedTuple

import pytest

from support.processes import kill, run, start, wait_until

KEY = "external_id"
FAST = ("--rate", "100000/10")
#: A fifth of all requests.
FAULTS = [
    *(
        {"kind": "status", "status": status, "endpoint": "any", "rate": 0.05, "applied": applied}
        for status, applied in ((503, False), (500, True))
    ),
    {"kind": "reset", "applied": True, "endpoint": "any", "rate": 0.04},
    {"kind": "reset", "applied": False, "endpoint": "any", "rate": 0.04},
    {"kind": "truncate", "endpoint": "any", "rate": 0.02},
]


class Size(NamedTuple):
    companies: int
    contacts: int
    deals: int
    kills: int


SMALL, WHOLE = Size(40, 900, 250, 3), Size(2_000, 60_000, 10_000, 12)
Links = dict[tuple[str, str], set[str]]  # by the keys of both records: labels
#: The columns of a list of differences that tell one from all others.
PLACE = ("verdict", "key", "property", "value")


class Files:
    """The three files, drawn: 3 % of the contacts name a company that is nowhere, 1 % name two."""

    def __init__(self, size: Size) -> None:
        draw = random.Random(22)
        self.names = [f"A{n}" for n in range(size.companies)]
        self.companies = [
            {KEY: f"A{n}", "Account Name": f"Company {n}", "Domain": f"a{n}.example"}
            for n in range(size.companies)
        ]
        self.contacts = [
            {
                "Email": f"c{n}@example.com",
                "Name": f"N{n}",
                "AccountId": _accounts(draw, size.companies),
            }
            for n in range(size.contacts)
        ]
        self.deals = [
            {
                KEY: f"D{n}",
                "Deal": f"Deal {n}",
                "AccountId": f"A{draw.randrange(size.companies)}",
                "Contact": f"c{draw.randrange(size.contacts)}@example.com",
            }
            for n in range(size.deals)
        ]

    def write(self, folder, url) -> None:
        for name in ("companies", "contacts", "deals"):
            rows = getattr(self, name)
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        (folder / "plan.toml").write_text(
            f"""\
base_url = "{url}"
snapshot = true

[[step]]
object_type = "companies"
source = "companies.csv"
id_property = "{KEY}"
[step.columns]
"Account Name" = "name"
"Domain" = "domain"

[[step]]
object_type = "contacts"
source = "contacts.csv"
[step.columns]
"Name" = "lastname"
"AccountId" = {{ step = "companies", label = "Primary", separator = ";" }}

[[step]]
object_type = "deals"
source = "deals.csv"
id_property = "{KEY}"
[step.columns]
"Deal" = "dealname"
"AccountId" = {{ step = "companies" }}
"Contact" = {{ step = "contacts" }}
"""
        )

    def records(self) -> dict[str, dict[str, dict[str, str]]]:
        """By object type and key, what the account should hold."""
        return {
            "companies": {
                one[KEY]: {"name": one["Account Name"], "domain": one["Domain"]} for one in self.companies
            },
            "contacts": {one["Email"]: {"lastname": one["Name"]} for one in self.contacts},
            "deals": {one[KEY]: {"dealname": one["Deal"]} for one in self.deals},
        }

    def links(self) -> tuple[Links, int]:
        """The links that the account should hold, and how many lead to nothing.

        HubSpot makes the first company of a contact or deal its primary one; the label moves it.
        """
        there = {one[KEY] for one in self.companies}
        links: Links = {}
        missing = 0
        for one in self.contacts:
            named = [name for name in one["AccountId"].split(";") if name]
            missing += len([name for name in named if name not in there])
            known = [name for name in named if name in there]
            for name in known:
                links[one["Email"], name] = {"Primary"} if name == known[-1] else set()
        for one in self.deals:
            links[one[KEY], one["AccountId"]] = {"Primary"}
            links[one["Contact"], one[KEY]] = set()
        return links, missing


class Others:
    """What other users change in the account after the plan: drawn, and made in this order. A record or link
    is drawn for one change at most; that a deleted record takes its links along comes on top.
    """

    def __init__(self, files: Files, links: Links) -> None:
        draw = random.Random(7)
        single = [one["Email"] for one in files.contacts if one["AccountId"] in files.names]
        people, deals = (
            [drawn[n::6] for n in range(6)]
            for drawn in (draw.sample(all_, len(all_) // 3) for all_ in (single, files.deals))
        )
        companies = draw.sample(files.names, len(files.names) // 4)
        gone, renamed, spared = companies[::2], companies[1::2], sorted({*files.names} - {*companies})
        account = {one["Email"]: one["AccountId"] for one in files.contacts}
        self._draw = draw
        self.held: Links = {pair: set(labels) for pair, labels in links.items()}
        self.add: list[dict[str, object]] = []
        self.remove: list[dict[str, object]] = []
        for one in people[0]:
            self._end(one, account[one])
        for one in people[1]:
            self._end(one, account[one], "Primary")
        for one in people[2]:
            self._link(one, self._another(spared, account[one]), "Primary")
        for one in people[3]:
            self._link(one, self._another(spared, account[one]))
        for one in deals[0]:
            self._end(one[KEY], one["AccountId"])
        for one in deals[1]:
            self._end(one["Contact"], one[KEY])
        for one in deals[2]:
            self._end(one[KEY], one["AccountId"])
            self._link(one[KEY], self._another(spared, one["AccountId"]))
        for one in deals[3]:
            self._link(one[KEY], self._another(spared, one["AccountId"]), "Primary")
        self.gone = {"companies": gone, "contacts": people[4], "deals": [one[KEY] for one in deals[4]]}
        self.changed = {"companies": renamed, "contacts": people[5], "deals": [one[KEY] for one in deals[5]]}
        lost = {key for keys in self.gone.values() for key in keys}
        self.held = {pair: labels for pair, labels in self.held.items() if lost.isdisjoint(pair)}

    def _another(self, companies: list[str], than: str) -> str:
        return self._draw.choice([one for one in self._draw.sample(companies, 2) if one != than])

    def _end(self, one: str, other: str, label: str = "") -> None:
        self.remove.append(_link(one, other, label))
        if label:
            self.held[one, other].discard(label)
        else:
            del self.held[one, other]

    def _link(self, one: str, company: str, label: str = "") -> None:
        self.add.append(_link(one, company, label))
        others = [pair for pair in self.held if pair[0] == one and pair[1][0] == "A"]
        if label:
            for pair in others:
                self.held[pair].discard(label)
        self.held[one, company] = {"Primary"} if label or not others else set()

    def make(self, mock) -> None:
        mock.change_links(remove=self.remove)
        mock.change_links(add=self.add)
        for name, gone in self.gone.items():
            key, changed = key_of(name), self.changed[name]
            update = [{key: one, "properties": {CHANGED[name]: "theirs"}} for one in changed]
            mock.change_records(update, [{key: one} for one in gone], object_type=name)

    def differences(self, files: Files) -> dict[str, Counter[tuple[str, ...]]]:
        """By step, what a list of differences should have."""
        found = {
            name: Counter(
                [
                    *(("missing", one, key_of(name), "") for one in self.gone[name]),
                    *(("differs", one, CHANGED[name], "") for one in self.changed[name]),
                ]
            )
            for name in self.gone
        }
        for one in files.contacts:
            named = [value for value in one["AccountId"].split(";") if value in files.names]
            for value in named:
                verdict = self._verdict(one["Email"], value, is_primary=value == named[-1])
                found["contacts"][verdict, one["Email"], "AccountId", value] += 1
        for one in files.deals:
            verdict = self._verdict(one[KEY], one["AccountId"])
            found["deals"][verdict, one[KEY], "AccountId", one["AccountId"]] += 1
            verdict = "" if (one["Contact"], one[KEY]) in self.held else "link missing"
            found["deals"][verdict, one[KEY], "Contact", one["Contact"]] += 1
        return {name: Counter({one: n for one, n in some.items() if one[0]}) for name, some in found.items()}

    def _verdict(self, one: str, company: str, *, is_primary: bool = False) -> str:
        if (one, company) not in self.held:
            return "link missing"
        if not is_primary or "Primary" in self.held[one, company]:
            return ""
        has_other = any("Primary" in labels for pair, labels in self.held.items() if pair[0] == one)
        return "other primary" if has_other else "label missing"


#: The property that others change.
CHANGED = {"companies": "name", "contacts": "lastname", "deals": "dealname"}


def _link(one: str, other: str, label: str) -> dict[str, object]:
    ends = [
        {"type": "contacts", "email": key}
        if "@" in key
        else {"type": "companies" if key[0] == "A" else "deals", KEY: key}
        for key in (one, other)
    ]
    return {"from": ends[0], "to": ends[1], **({"label": label} if label else {})}


def _accounts(draw, companies: int) -> str:
    chance = draw.random()
    if chance < 0.03:
        return f"gone{draw.randrange(50)}"
    named = draw.sample(range(companies), 2 if chance < 0.04 else 1)
    return ";".join(f"A{one}" for one in named)


def key_of(name: str) -> str:
    return "email" if name == "contacts" else KEY


def keys(mock) -> dict[tuple[str, str], str]:
    """By type and id, the key of each record that is not archived."""
    return {
        (name, one["id"]): one["properties"][key_of(name)]
        for name in ("companies", "contacts", "deals")
        for one in mock.objects(name)
        if not one["archived"]
    }


def held_records(mock, files: Files) -> dict[str, dict[str, dict[str, str]]]:
    found = {}
    for name, wanted in files.records().items():
        key = key_of(name)
        names = next(iter(wanted.values()))
        found[name] = {
            one["properties"][key]: {property_: one["properties"][property_] for property_ in names}
            for one in mock.objects(name)
            if not one["archived"]
        }
    return found


def held_links(mock) -> Links:
    named, found = keys(mock), {}
    order = {"contacts": 0, "deals": 1, "companies": 2}
    for one in mock.links():
        ends = sorted((one["from"], one["to"]), key=lambda end: order[end["type"]])
        pair = tuple(named[end["type"], end["id"]] for end in ends)
        found[pair] = set(one["labels"])
    return found


def count(mock, *endings: str) -> int:
    return sum(one["path"].partition("?")[0].endswith(endings) for one in mock.log())


def writes(mock) -> int:
    """How many requests have written records and links. The log, which tells that, too, is long."""
    counts = mock.stats()["by_endpoint"]
    return counts.get("upsert", 0) + counts.get("associate", 0)


def listed_differences(folder) -> dict[str, Counter[tuple[str, ...]]]:
    """By step, what `verify` has listed."""
    return {
        path.name.partition(".")[0]: Counter(tuple(one[name] for name in PLACE) for one in lines(path))
        for path in folder.glob("*.differences.csv")
    }


def lines(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("size", [SMALL, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["small", "whole"])
def test_killed_under_faults_account_links_and_sums_are_those_of_the_files(tmp_path, hubspot_mock, size):
    files = Files(size)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.01, scenario={"faults": FAULTS})
    files.write(tmp_path, mock.url)
    links, missing = files.links()
    expected = sum(map(len, files.records().values())) // 100 + len(links) // 300
    draw = random.Random(size.kills)
    for moment in sorted(draw.randrange(expected) for _ in range(size.kills)):
        process = start("migrate", "plan.toml", *FAST, "--json", cwd=tmp_path)
        sent = partial(writes, mock)
        wait_until(lambda sent=sent, moment=moment, one=process: sent() > moment or one.poll() is not None)
        kill(process)
    last = run("migrate", "plan.toml", *FAST, "--json", cwd=tmp_path)
    assert last.code == 1, last.err  # the links that lead to nothing
    assert held_records(mock, files) == files.records()
    assert held_links(mock) == links
    totals = last.summary["totals"]
    rows = sum(size[:3])
    assert (totals["rows"], totals["created"] + totals["updated"], totals["open"]) == (rows, rows, 0)
    of_links = totals["links"]
    assert (of_links["missing"], of_links["open"], of_links["rejected"], of_links["pending"]) == (
        missing,
        0,
        0,
        0,
    )
    assert of_links["linked"] + of_links["already"] == len(links) == of_links["read"] - missing
    listed = Counter(one["outcome"] for path in tmp_path.glob("*.links.csv") for one in lines(path))
    assert listed["missing"] == missing
    assert sum(listed.values()) == of_links["read"]

    mock.change_scenario({})
    again = run("migrate", "plan.toml", "--json", cwd=tmp_path)
    assert (again.code, again.summary["totals"]) == (1, totals)
    others = Others(files, links)
    others.make(mock)
    assert held_links(mock) == others.held
    differing = run("verify", "-f", "plan.toml", *FAST, cwd=tmp_path)
    assert differing.code == 1, differing
    assert listed_differences(tmp_path) == others.differences(files)

    undone = run("undo", "-f", "plan.toml", "--yes", "--json", *FAST, cwd=tmp_path)
    kept = sorted(one for keys in others.changed.values() for one in keys)
    assert sorted(keys(mock).values()) == kept, undone
    undone = run("undo", "-f", "plan.toml", "--archive-touched", "--yes", "--json", *FAST, cwd=tmp_path)
    assert (held_links(mock), keys(mock)) == ({}, {}), undone


@pytest.mark.parametrize("size", [SMALL, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["small", "whole"])
def test_requests_are_those_that_the_work_needs(tmp_path, hubspot_mock, size):
    files = Files(size)
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.01)
    files.write(tmp_path, mock.url)
    (tmp_path / "plan.toml").write_text((tmp_path / "plan.toml").read_text().replace("snapshot = true\n", ""))
    done = run("migrate", "plan.toml", *FAST, "--json", cwd=tmp_path)
    assert done.code == 1, done.err
    links, _ = files.links()
    nowhere = {name for one in files.contacts for name in one["AccountId"].split(";") if name[0] == "g"}
    least = sum(-(-one // 100) for one in size[:3]) + -(-len(links) // 1_000)
    reads = 2 * -(-len(nowhere) // 100)  # by the check, and again when the links are made
    assert count(mock, "/upsert") + count(mock, "/batch/create") <= least * 1.02 + 2
    # What is linked already, which a person or HubSpot may have done since: one read for each such request.
    reads += sum(
        "/associations/" in one["path"] and one["path"].endswith("/batch/create") for one in mock.log()
    )
    assert count(mock, "/batch/read") <= reads
    assert len(mock.log()) <= (least + reads) * 1.02 + 25  # the account, its properties and labels
