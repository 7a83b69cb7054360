"""What must have become of a file of contacts, worked out row by row in file order, and what differs from it.

Lives here: the rules of the manual as one plain reading of them, with Python's own CSV reader. It shares no
code with `uploader`, so that both can't be wrong in the same way; it knows the columns of `make_contacts`.

    python -m benchmarks.support.oracle FILE.csv --contacts URL-or-FILE \\
        --summary SUMMARY.json --results RESULTS.csv

`--contacts` is the mock server's `/_mock/objects/contacts` or a copy of it. With `--killed`, rows whose first
answer was lost may be counted as updated where they were created, if the summary calls them replayed.
Exit code 0 if all agrees, 1 if anything differs. A million rows take some 600 MB.
"""

import argparse
import csv
import json
import re
import sys
import urllib.request
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import IO, Any

SHOWN = 20

PROPERTIES = {
    "Email": "email",
    "First Name": "firstname",
    "Last Name": "lastname",
    "Phone Number": "phone",
    "Company Name": "company",
    "jobtitle": "jobtitle",
    "City": "city",
    "Country/Region": "country",
    "website": "website",
    "Lead Status": "hs_lead_status",
    "Message": "message",
}
STATUSES = frozenset(
    {
        "NEW",
        "OPEN",
        "IN_PROGRESS",
        "OPEN_DEAL",
        "UNQUALIFIED",
        "ATTEMPTED_TO_CONTACT",
        "CONNECTED",
        "BAD_TIMING",
    }
)
#: Of a summary: together they are the rows read.
PARTS = (
    "created",
    "updated",
    "unchanged",
    "rejected",
    "invalid",
    "skipped",
    "abandoned",
    "pending",
    "open",
)
#: An address in which nobody could see plain nonsense: one @, no blanks, a dot inside the domain.
ADDRESS = re.compile(r"""[^@\s,;<>"()]+@[^@\s.,;<>"()]+(\.[^@\s.,;<>"()]+)+""")
NO_TLD = re.compile(r"\.(badtld|con|comm|invalid)$", re.IGNORECASE)

SEPARATOR = "\x1f"  # between the values of a contact while they wait; no cell holds one


class Expectation(IntEnum):
    """What a row must come to."""

    INVALID = 0
    REJECTED = 1
    FIRST = 2  #: confirmed, the first of its key: created
    LATER = 3  #: confirmed, not the first: updated


WORDS = {
    Expectation.INVALID: "invalid",
    Expectation.REJECTED: "rejected",
    Expectation.FIRST: "created",
    Expectation.LATER: "updated",
}
#: What a row may be called if its first answer was lost.
REPLAYED = {Expectation.FIRST: "updated"}


@dataclass(slots=True)
class Expected:
    """Everything that the file alone shows."""

    names: list[str]  #: the property of each column
    contacts: dict[str, bytes] = field(default_factory=dict)  #: key -> its values, packed
    numbers: "array[int]" = field(default_factory=lambda: array("Q"))  #: of each row, as an editor shows it
    keys: "array[int]" = field(default_factory=lambda: array("q"))  #: of each row, hashed
    expectations: bytearray = field(default_factory=bytearray)  #: of each row

    @property
    def rows(self) -> int:
        return len(self.expectations)

    @property
    def sendable(self) -> int:
        return self.rows - self.count(Expectation.INVALID)

    @property
    def confirmed(self) -> int:
        return self.count(Expectation.FIRST) + self.count(Expectation.LATER)

    def count(self, expectation: Expectation) -> int:
        return self.expectations.count(bytes((expectation,)))

    def pack(self, properties: Mapping[str, str]) -> bytes:
        return SEPARATOR.join(properties.get(name, "") for name in self.names).encode()

    def unpack(self, packed: bytes) -> dict[str, str]:
        values = zip(self.names, packed.decode().split(SEPARATOR), strict=True)
        return {name: value for name, value in values if value}


def expect(path: Path) -> Expected:
    """Apply the rows one at a time, in file order."""
    csv.field_size_limit(1 << 27)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream)
        header = next(reader)
        expected = Expected([PROPERTIES[column] for column in header])
        line = reader.line_num
        for cells in reader:
            if cells:  # a blank line is no row
                _apply(expected, line + 1, cells)
            line = reader.line_num
    return expected


def _apply(expected: Expected, number: int, cells: list[str]) -> None:
    values = zip(expected.names, map(str.strip, cells), strict=True)
    properties = {name: value for name, value in values if value}
    key = properties.get("email", "")
    contact = key.lower()
    expected.numbers.append(number)
    expected.keys.append(hash(key))
    # An option in another case is that option; what is none is seen before it is sent.
    status = properties.get("hs_lead_status", "NEW").upper()
    if not ADDRESS.fullmatch(key) or status not in STATUSES:
        expectation = Expectation.INVALID
    elif NO_TLD.search(key):
        expectation = Expectation.REJECTED
    else:
        packed = expected.contacts.get(contact)
        expectation = Expectation.FIRST if packed is None else Expectation.LATER
        before = {} if packed is None else expected.unpack(packed)
        if "hs_lead_status" in properties:
            properties["hs_lead_status"] = status
        expected.contacts[contact] = expected.pack({**before, **properties, "email": contact})
    expected.expectations.append(expectation)


class Differences:
    """Counts what differs and keeps the first of it."""

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[str] = []

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(text if len(text) <= 600 else f"{text[:600]}...")

    def check(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.add(f"{what}: {found!r}, expected {wanted!r}")

    def __str__(self) -> str:
        more = [f"... {self.count - SHOWN:,} more"] if self.count > SHOWN else []
        return "\n".join([f"{self.count:,} differences", *self.shown, *more])


def compare_contacts(
    expected: Expected, lines: Iterator[Mapping[str, Any]], differences: Differences
) -> dict[str, int]:
    """Use up `expected.contacts`; the ids the server gave, by key, come back."""
    ids: dict[str, int] = {}
    for contact in lines:
        properties = contact["properties"]
        key = properties.get("email", "")
        if key in ids:
            differences.add(f"contact {key!r} is there twice")
            continue
        ids[key] = int(contact["id"])
        packed = expected.contacts.pop(key, None)
        if packed is None:
            differences.add(f"contact {key!r} is in the account, but no row makes it")
        elif packed != expected.pack(properties) or not properties.keys() <= set(expected.names):
            wanted = expected.unpack(packed)
            wrong = {
                name: (properties.get(name), wanted.get(name))
                for name in wanted.keys() | properties.keys()
                if properties.get(name) != wanted.get(name)
            }
            differences.add(f"contact {key!r}: (found, expected) {wrong!r}")
    for key in expected.contacts:
        differences.add(f"contact {key!r} is missing")
    return ids


def compare_results(
    expected: Expected, path: Path, ids: Mapping[str, int], differences: Differences, *, may_replay: int
) -> dict[str, int]:
    """Every row once, with the outcome it must have; the counts of outcomes come back."""
    seen = bytearray(expected.rows)
    counts: dict[str, int] = {}
    replayed = 0
    with path.open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            outcome, number = line["outcome"], int(line["row"])
            counts[outcome] = counts.get(outcome, 0) + 1
            place = bisect_left(expected.numbers, number)
            if place == expected.rows or expected.numbers[place] != number:
                differences.add(f"results: row {number} is no row of the file: {line}")
                continue
            if seen[place]:
                differences.add(f"results: row {number} stands there more than once: {line}")
            seen[place] = 1
            expectation = Expectation(expected.expectations[place])
            if outcome == REPLAYED.get(expectation):
                replayed += 1
            elif outcome != WORDS[expectation]:
                differences.add(f"results: row {number} is {outcome}, expected {WORDS[expectation]}")
            _compare_key(line, expected.keys[place], ids, differences)
    if replayed > may_replay:
        differences.add(
            f"results: {replayed:,} rows are updated where they made a contact, {may_replay:,} were replayed"
        )
    for place, was_seen in enumerate(seen):
        if not was_seen:
            differences.add(f"results: row {expected.numbers[place]} is missing")
    return counts


def _compare_key(
    line: Mapping[str, str], hashed: int, ids: Mapping[str, int], differences: Differences
) -> None:
    key, number = line["key"], line["row"]
    if hash(key) != hashed:
        differences.add(f"results: row {number} has the key {key!r}, the file another")
    if line["hubspot_id"] and ids.get(key.lower()) != int(line["hubspot_id"]):
        wanted = ids.get(key.lower())
        differences.add(f"results: row {number} ({key!r}) has id {line['hubspot_id']}, not {wanted}")


def compare_summary(
    expected: Expected, summary: Mapping[str, Any], differences: Differences, *, killed: bool
) -> None:
    created, replayed = expected.count(Expectation.FIRST), summary["replayed"] if killed else 0
    differences.check("summary: rows", summary["rows"], expected.rows)
    confirmed = summary["created"] + summary["updated"]
    differences.check("summary: created + updated", confirmed, expected.confirmed)
    if not created - replayed <= summary["created"] <= created:
        differences.add(f"summary: created {summary['created']}, expected {created} (replayed: {replayed})")
    differences.check("summary: rejected", summary["rejected"], expected.count(Expectation.REJECTED))
    differences.check("summary: invalid", summary["invalid"], expected.count(Expectation.INVALID))
    for name in ("abandoned", "pending", "skipped", "unchanged", "open"):
        differences.check(f"summary: {name}", summary[name], 0)
    differences.check("summary: state", summary["state"], "complete")
    check_sums(summary, differences)


def check_sums(summary: Mapping[str, Any], differences: Differences) -> None:
    """At every commit, rows read are the sum of the outcomes and the open rows."""
    total = sum(summary[name] for name in PARTS)
    differences.check("summary: outcomes and open rows add up to", total, summary["rows"])


def read_contacts(place: str) -> Iterator[Mapping[str, Any]]:
    """The lines of a copy, or of the server itself."""
    stream: IO[bytes]
    if place.startswith("http://127.0.0.1:"):
        stream = urllib.request.urlopen(place, timeout=600)
    else:
        stream = Path(place).open("rb")  # noqa: SIM115
    with closing(stream):
        for line in stream:
            yield json.loads(line)


def compare(
    path: Path, contacts: str, summary: Mapping[str, Any], results: Path, *, killed: bool
) -> tuple[Expected, Differences]:
    """All of it. The contacts of what comes back are used up; the counts are whole."""
    expected, differences = expect(path), Differences()
    compare_summary(expected, summary, differences, killed=killed)
    ids = compare_contacts(expected, read_contacts(contacts), differences)
    may_replay = summary["replayed"] if killed else 0
    counts = compare_results(expected, results, ids, differences, may_replay=may_replay)
    for name in ("created", "updated", "rejected", "invalid"):
        differences.check(f"results: rows that are {name}", counts.get(name, 0), summary[name])
    return expected, differences


def main() -> int:
    parser = argparse.ArgumentParser(description="Tell whether a finished run did what its file says.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--contacts", required=True, metavar="URL|FILE")
    parser.add_argument("--summary", required=True, type=Path)
    parser.add_argument("--results", required=True, type=Path)
    parser.add_argument("--killed", action="store_true", help="answers may have been lost")
    options = parser.parse_args()
    summary = json.loads(options.summary.read_text(encoding="utf-8"))
    expected, differences = compare(
        options.file, options.contacts, summary, options.results, killed=options.killed
    )
    expectations = ", ".join(f"{expected.count(expectation):,} {word}" for expectation, word in WORDS.items())
    print(f"expected: {expected.rows:,} rows: {expectations}")
    print(differences)
    return 1 if differences.count else 0


if __name__ == "__main__":
    sys.exit(main())
