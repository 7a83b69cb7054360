"""What must hold at the end of a case: the account against the oracle, the tallies against the account."""

import csv
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.model import expected_account
from support.model.cases import Case
from uploader.model.outcomes import Outcome
from uploader.storage.checkpoint import Checkpoint

#: Counts of what the cases covered, for the summary of the test run.
SEEN: Counter[str] = Counter()


@dataclass(frozen=True)
class Ending:
    """The results of a job."""

    summary: dict[str, Any]  #: as `--json` prints it
    outcomes: dict[int, list[str]]  #: by row number, from the results file
    aliases: list[list[tuple[int, str]]]  #: rows and keys, contact by contact
    held: list[dict[str, Any]]  #: the contacts of the account
    written: list[list[int]]  #: of each contact rows, by place, as they were last written; none where unknown


def ending(
    source: Path, summary: dict[str, Any], held: list[dict[str, Any]], written: Sequence[list[int]] = ()
) -> Ending:
    outcomes: dict[int, list[str]] = {}
    with Path(f"{source}.results.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            # Numbered as in the CSV of the same rows, whose first line is the header.
            number = int(line["row"]) + (source.suffix == ".ndjson")
            outcomes.setdefault(number, []).append(line["outcome"])
    checkpoint = Checkpoint.open(Path(f"{source}.checkpoint"), read_only=True)
    aliases: dict[str, list[tuple[int, str]]] = {}
    for alias in checkpoint.identity_conflicts():
        row = alias.row + (source.suffix == ".ndjson") if alias.row else 0
        aliases.setdefault(alias.hubspot_id, []).append((row, alias.key))
    checkpoint.close()
    return Ending(summary, outcomes, sorted(aliases.values()), held, [*written])


def check(case: Case, end: Ending) -> None:
    numbers = range(2, len(case.rows) + 2)
    assert sorted(end.outcomes) == list(numbers), "a row without an outcome"
    assert all(len(outcomes) == 1 for outcomes in end.outcomes.values()), "a row with two outcomes"
    outcomes = [end.outcomes[number][0] for number in numbers]
    check_sums(case, outcomes, end.summary)
    expected = expected_account.apply(case.rows, outcomes, case.seeded, case.match, case.writing)
    check_refusals(case, outcomes, expected)
    if len(case.match) == 1:
        check_aliases(case, outcomes, expected, end)
        check_contacts(expected, end.held)
    else:
        check_listed(expected, end)
    check_order(outcomes, expected, end)
    assert end.summary["keyless"] == sum(not expected_account.key_of(row, case.match) for row in case.rows)
    check_created(case, outcomes, end)
    SEEN.update(["cases", f"cases of {case.kind}", *outcomes])
    SEEN.update({name: count for name, count in expected.seen.items() if count})
    SEEN["files with a hot key"] += has_hot_key(case)
    SEEN.update(rows=len(case.rows), stops=len(case.stops), aliases=len(end.aliases))
    SEEN.update(requests=end.summary["requests"], replayed=end.summary["replayed"])


def has_hot_key(case: Case) -> bool:
    """Whether one unique value is in a third of the rows."""
    counts = Counter(value for row in case.rows for value in expected_account.values_of(row))
    return len(case.rows) >= 6 and max(counts.values(), default=0) * 3 >= len(case.rows)


def check_sums(case: Case, outcomes: list[str], summary: dict[str, Any]) -> None:
    assert (summary["state"], summary["rows"], summary["open"]) == ("complete", len(case.rows), 0)
    counted = Counter(outcomes)
    for outcome in Outcome:
        assert summary[outcome.value] == counted[outcome.value], outcome


def check_refusals(case: Case, outcomes: list[str], expected: expected_account.Expected) -> None:
    for place, (row, outcome) in enumerate(zip(case.rows, outcomes, strict=True)):
        address = expected_account.normal(row["email"])
        bad = address.endswith(".badtld")
        key = expected_account.key_of(row, case.match)
        nonsense = address == "nobody" or not key
        assert (outcome == "invalid") is nonsense, (row, outcome)
        if outcome == "rejected":
            assert bad or place in expected.refusable or case.may_refuse, (row, outcome)
        elif bad:
            assert outcome in {"abandoned", "pending"} | _unsent(case), (row, outcome)


def _unsent(case: Case) -> set[str]:
    """Other outcomes of a row with an invalid address: if it is not sent, HubSpot does not refuse it."""
    outcomes = {"skipped"} if case.writing.only else set()
    if case.id_property != "email" and case.writing.of("email") != "overwrite":
        outcomes |= {"unchanged", "updated"}
    return outcomes


_FORMER = """
SELECT former.hubspot_id, property, text, state, found FROM former LEFT JOIN readings ON reading = readings.id
"""


def check_snapshot(case: Case, source: Path, end: Ending) -> None:
    """The snapshot has what contacts held before the job, whatever happened in between."""
    before = {address: values for addresses, values in case.seeded for address in addresses}
    created = {
        expected_account.normal(row["email"])
        for number, row in enumerate(case.rows, 2)
        if end.outcomes[number] == ["created"]
    }
    names = {c["id"]: {c["properties"].get("email"), *c["additional_emails"]} for c in end.held}
    with closing(sqlite3.connect(f"{source}.checkpoint.snapshot")) as connection:
        for hubspot_id, name, text, *reading in connection.execute(_FORMER):
            held = {id(before[a]): before[a] for a in names[hubspot_id] if a in before}
            if not held:  # there was no such contact: the request that may have created it was not answered
                assert reading == ["doubt", ""], (hubspot_id, name)
                assert created.isdisjoint(names[hubspot_id]), (hubspot_id, name)
                SEEN["kept of what may have been created"] += 1
            (values,) = held.values() or ({},)
            assert text == values.get(name, ""), (hubspot_id, name)
        contacts = dict(connection.execute("SELECT value, hubspot_id FROM contacts"))
    for value, hubspot_id in contacts.items():
        assert bool(hubspot_id) == (value.removeprefix("email=") in before), value


def check_aliases(case: Case, outcomes: list[str], expected: expected_account.Expected, end: Ending) -> None:
    """Exactly the contacts that several keys of confirmed rows led to are listed, with these rows."""
    wanted = []
    for contact in expected.contacts:
        rows = [
            (number, row["email"].strip())
            for number, (row, outcome) in enumerate(zip(case.rows, outcomes, strict=True), 2)
            if expected_account.normal(row["email"]) in contact.addresses
            and outcome in {"created", "updated", "unchanged"}
        ]
        if len(contact.keys) > 1 and len({key.lower() for _, key in rows}) > 1:
            wanted.append(rows)
    assert end.aliases == sorted(wanted)
    assert end.summary["aliases"] == len(wanted)


def check_contacts(expected: expected_account.Expected, held: list[dict[str, Any]]) -> None:
    by_address, by_id = index(held)
    for contact in expected.contacts:
        if len(contact.keys) <= 1 and not is_one_of(contact, expected.unsure):
            check_contact(contact, by_id, by_address)
    assert len(held) <= len(expected.contacts) or expected.unsure, "a contact too many"


def check_listed(expected: expected_account.Expected, end: Ending) -> None:
    """With two match keys, each contact is as its rows in order make it, or is listed.

    If the rows show that they are one contact's, it has to be as they make it.
    """
    listed = {row for alias in end.aliases for row, _ in alias}
    by_address, by_id = index(end.held)
    for contact in expected.contacts:
        if is_one_of(contact, expected.unsure):
            continue
        is_listed = {place + 2 for place in contact.rows} & listed or 0 in listed
        if is_one_of(contact, expected.unordered) and is_listed:
            SEEN["reported"] += 1
            continue
        SEEN["in order"] += len(contact.keys) > 1
        check_contact(contact, by_id, by_address)
    is_sure = not (expected.unsure or expected.unordered)
    assert len(end.held) <= len(expected.contacts) or not is_sure, "a contact too many"


def check_order(outcomes: list[str], expected: expected_account.Expected, end: Ending) -> None:
    """No row was written to a contact after one that has to wait for it, not even for a moment."""
    for marks in end.written:
        confirmed = [mark for mark in marks if outcomes[mark] in {"created", "updated"}]
        for place, later in enumerate(confirmed):
            assert expected.earlier[later].isdisjoint(confirmed[place + 1 :]), (later, confirmed)


def is_one_of(contact: expected_account.Contact, contacts: list[expected_account.Contact]) -> bool:
    return any(contact is other for other in contacts)


def index(held: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Contacts by address and by id."""
    by_address = {
        address: c for c in held for address in (c["properties"].get("email"), *c["additional_emails"])
    }
    return by_address, {c["properties"].get("external_id", "").lower(): c for c in held}


def check_contact(
    contact: expected_account.Contact, by_id: dict[str, Any], by_address: dict[str, Any]
) -> None:
    assert contact.external_id or contact.addresses, f"a contact that lost its only key: {contact}"
    named, key = (by_id, contact.external_id) if contact.external_id else (by_address, contact.addresses[0])
    found = named.get(key)
    assert found is not None, f"missing: {contact}"
    properties = found["properties"]
    assert {name: properties.get(name) for name in contact.values} == contact.values, contact
    assert (properties.get("email") or "") == (contact.addresses or [""])[0], contact
    held = {name: (properties.get(name) or "").lower() for name in expected_account.IDS}
    assert held == {name: contact.ids.get(name, "") for name in expected_account.IDS}, contact


def check_created(case: Case, outcomes: list[str], end: Ending) -> None:
    """`created` may lack replayed rows, and never exceeds the contacts that exist."""
    new = len(end.held) - len(case.seeded)
    unsure = sum(outcome in expected_account.UNSURE for outcome in outcomes)
    assert end.summary["created"] <= new <= end.summary["created"] + end.summary["replayed"] + unsure
