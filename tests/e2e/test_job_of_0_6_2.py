"""A job that version 0.6.2 began is finished, and undone, by this version.

The fixture was made by 0.6.2's own command line against its mock server: 1,500 rows of which 375 contacts
were there before, `upload --snapshot`, ended by SIGKILL after 716 rows with three batches in flight. It holds
the source, all files of the job as the kill left them, and the account's contacts of that moment.
"""

import csv
import json
import tarfile
from pathlib import Path

import pytest

from support.processes import run

FIXTURE = Path(__file__).parent / "fixtures" / "job_of_0_6_2.tar.xz"
#: The app that the mock server's tokens belong to: the account's contacts of that moment are its writes.
APP = {"type": "INTEGRATION", "id": "1512050"}


@pytest.fixture
def job(tmp_path, hubspot_mock):
    """The job's folder and the account as they were at the kill."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    account = [json.loads(line) for line in (tmp_path / "account.ndjson").read_text("utf-8").splitlines()]
    mock = hubspot_mock(quota="100000/10")
    mock.reset(
        [{"properties": one["properties"], "source": APP, "created_at": one["updated_at"]} for one in account]
    )
    assert [one["id"] for one in mock.contacts()] == [one["id"] for one in account]
    return tmp_path, mock


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "contacts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _seeded() -> dict[str, dict[str, str]]:
    """What the account held before the job, by address."""
    return {
        f"c{n}@example.com": {"firstname": f"Old {n}", "city": "Trier", "phone": "1"}
        for n in range(0, 1500, 4)
    }


def _applied(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """What applying the rows in order makes of that; lifecycle stages apart, as they only move forward."""
    held = _seeded()
    for row in rows:
        address = row["email"].lower()
        if "@" in address and not address.endswith(".badtld"):
            values = {
                name: text for name, text in row.items() if text and name not in {"email", "lifecyclestage"}
            }
            held.setdefault(address, {}).update(values)
    return held


def _held(mock) -> dict[str, dict[str, str]]:
    names = ("firstname", "lastname", "city", "jobtitle", "phone")
    return {
        one["properties"]["email"]: {n: one["properties"][n] for n in names if one["properties"].get(n)}
        for one in mock.contacts()
        if not one["archived"]
    }


def test_a_job_that_0_6_2_began_is_finished_and_undone(job):
    folder, mock = job
    before = run("status", "contacts.csv.checkpoint", "--json", cwd=folder).summary
    assert before["state"] == "stopped"
    assert all(before[name] for name in ("created", "updated", "open"))
    ended = run(
        *("upload", "contacts.csv", "--yes", "--snapshot", "--no-canary", "--json", "--base-url", mock.url),
        cwd=folder,
    )
    rows = _rows(folder)
    assert ended.code == 1, ended
    assert (ended.summary["rows"], ended.summary["open"], ended.summary["state"]) == (1500, 0, "complete")
    assert ended.summary["created"] >= before["created"]
    assert _held(mock) == _applied(rows)
    with (folder / "contacts.csv.results.csv").open(encoding="utf-8", newline="") as file:
        lines = [line["row"] for line in csv.DictReader(file)]
    assert len(lines) == len(set(lines)) == 1500
    undone = run("undo", "contacts.csv.checkpoint", "--yes", "--json", "--base-url", mock.url, cwd=folder)
    assert undone.code == 0, undone
    assert _held(mock) == _seeded()
