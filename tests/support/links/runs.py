"""Jobs whose rows link contacts with companies, and the oracle of their links.

The oracle: the account's links are those before, and those of the rows that were written, made one at a time
in file order. A contact's first company becomes its primary one; the label `Primary` makes another one so.
Every link has one outcome, in the list of links and in the summary alike.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.jobs import Job, Rows, write_csv
from support.mock_transport import make_simulator
from uploader.jobs.summary import Summary
from uploader.mockserver.simulator import Simulator
from uploader.model.associations import LinkColumn
from uploader.storage.associations_file import AssociationsFile
from uploader.storage.checkpoint import Checkpoint

#: The unique property of companies.
KEY = "sf_id"
PLAIN = LinkColumn("account", "companies", KEY)
PRIMARY = LinkColumn("main", "companies", KEY, label="Primary")
Labels = dict[tuple[str, str], set[str]]  # by address and company


def account(
    companies: Iterable[str],
    contacts: Iterable[str] = (),
    links: Iterable[tuple[str, str, str]] = (),
    **options: Any,
) -> Simulator:
    """An account with companies, by key, contacts, by address, and links: address, key, label."""
    properties = [{"name": KEY, "unique": True, "object_type": "companies"}, *options.pop("properties", ())]
    simulator = make_simulator(properties=properties, **{"latency_seconds": 0.1, **options})
    simulator.reset(
        0.0,
        contacts=[{"properties": {"email": one}} for one in contacts],
        objects={"companies": [{"properties": {KEY: one, "domain": f"{one}.com"}} for one in companies]},
        links=[
            {
                "from": {"type": "contacts", "email": address},
                "to": {"type": "companies", KEY: key},
                **({"label": label} if label else {}),
            }
            for address, key, label in links
        ],
    )
    return simulator


def make_job(
    path: Path, rows: Rows, simulator: Simulator, columns: Sequence[LinkColumn], **options: Any
) -> Job:
    names = {name: None for row in rows for name in row}
    return Job(
        write_csv(path, rows, list(names)), simulator, options={"associations": tuple(columns), **options}
    )


def labels(simulator: Simulator) -> Labels:
    """The links between contacts and companies, with their labels."""
    emails = {one["id"]: one["properties"]["email"] for one in simulator.objects(1e9)}
    keys = {one["id"]: one["properties"].get(KEY, "") for one in simulator.objects(1e9, "companies")}
    found: Labels = {}
    for link in simulator.links(1e9):
        ends = {link[end]["type"]: link[end]["id"] for end in ("from", "to")}
        if ends.keys() == {"contacts", "companies"}:
            found[emails[ends["contacts"]], keys[ends["companies"]]] = set(link["labels"])
    return found


def apply(before: Labels, wanted: Iterable[tuple[str, str, str]], *, has_primary: bool = True) -> Labels:
    """The links after these were made one at a time: address, key of the company, label."""
    held = {pair: set(one) for pair, one in before.items()}
    for address, key, label in wanted:
        others = [pair for pair in held if pair[0] == address]
        if label == "Primary":
            for pair in others:
                held[pair].discard("Primary")
        held.setdefault((address, key), set()).update({label} - {""})
        if has_primary and not others:
            held[address, key].add("Primary")
    return held


def wanted_links(
    rows: Rows, outcomes: Mapping[int, str], columns: Sequence[LinkColumn], there: Iterable[str]
) -> list[tuple[str, str, str]]:
    """The links of the rows that were written, to companies that are there."""
    known = set(there)
    return [
        (row["email"].lower(), value.strip(), column.label)
        for number, row in enumerate(rows, 2)
        if outcomes.get(number) in {"created", "updated", "unchanged"}
        for column in columns
        for value in _values(row.get(column.column, ""), column)
        if value.strip() in known
    ]


def _values(cell: str, column: LinkColumn) -> list[str]:
    return [one for one in (cell.split(column.separator) if column.separator else [cell]) if one.strip()]


def listed(job: Job) -> list[dict[str, str]]:
    """The list of links."""
    with Path(f"{job.source}.links.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(summary: Summary) -> dict[str, int]:
    """The links of a summary, without those that no link has."""
    found: dict[str, int] = summary.as_dict()["links"]  # type: ignore[assignment]
    return {name: count for name, count in found.items() if count and name != "read"}


def check_links(job: Job, rows: Rows, summary: Summary, before: Labels, there: Iterable[str]) -> None:
    """Check the account's links, the list and the summary of a complete job."""
    columns = job.options["associations"]
    outcomes = job.outcomes()
    wanted = wanted_links(rows, outcomes, columns, there)
    assert labels(job.simulator) == apply(before, wanted)
    found = Counter(one["outcome"] for one in listed(job))
    assert found == {name: count for name, count in counts(summary).items() if name != "others_created"}
    links: Mapping[str, Any] = summary.as_dict()["links"]  # type: ignore[assignment]
    read = sum(
        len(_values(row.get(column.column, ""), column))
        for number, row in enumerate(rows, 2)
        if outcomes[number] not in {"invalid", "skipped"}
        for column in columns
    )
    assert links["read"] == read == sum(found.values())
    assert links["open"] == 0
    assert found["linked"] + found["already"] == len(wanted)


def stored(job: Job, query: str) -> list[Any]:
    """What a query finds in the file of links."""
    checkpoint = Checkpoint.open(job.settings(**job.options).checkpoint_path, read_only=True)
    file = AssociationsFile(checkpoint.path)
    file.open(checkpoint.job_id(), read_only=True)
    try:
        return file._all(query)
    finally:
        file.close()
        checkpoint.close()
