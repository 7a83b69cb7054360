"""Real processes that are killed while they write rows, and while they link their records."""

import csv
from pathlib import Path

import pytest

from support.processes import end, holding, kill, start, wait_until

_ROWS, _COMPANIES = 400, 20
_COLUMNS = ("email", "firstname", "Account", "Partners")


def _rows():
    """Contacts, most of them with a company; some with partners, some with a company that is not there."""
    for n in range(_ROWS):
        account = "" if n % 7 == 0 else "gone" if n % 50 == 1 else f"A{n % _COMPANIES}"
        partners = ";".join(f"A{m % _COMPANIES}" for m in (n, n + 1)) if n % 10 == 0 else ""
        yield (f"c{n}@example.com", f"F{n}", account, partners)


def _expected(rows):
    """Each contact's companies: the first one is its primary one, and partners have a label."""
    links, missing = {}, 0
    for email, _, account, partners in rows:
        for key, label in [(account, "Primary"), *((one, "Partner") for one in partners.split(";"))]:
            if key == "gone":
                missing += 1
            elif key:
                links.setdefault((email, key), set()).add(label)
        mine = [pair for pair in links if pair[0] == email]
        if mine and not any("Primary" in links[pair] for pair in mine):
            links[mine[0]].add("Primary")  # as HubSpot makes the first one
    return links, missing


def _held(mock):
    emails = {one["id"]: one["properties"]["email"] for one in mock.objects("contacts")}
    keys = {one["id"]: one["properties"]["external_id"] for one in mock.objects("companies")}
    ends = [({one[end]["type"]: one[end]["id"] for end in ("from", "to")}, one) for one in mock.links()]
    return {(emails[of["contacts"]], keys[of["companies"]]): set(one["labels"]) for of, one in ends}


@pytest.mark.parametrize(
    ("kills_of_rows", "kills_of_links"),
    [((1,), (0,)), pytest.param((1, 2, 3), (0, 0, 1), marks=pytest.mark.soak)],
)
def test_a_stream_that_is_killed_links_each_record_once(
    tmp_path, hubspot_mock, kills_of_rows, kills_of_links
):
    """A process is killed after so many batches of rows in all, then after so many requests of links."""
    rows = list(_rows())
    source = tmp_path / "contacts.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])
    (tmp_path / "map.toml").write_text(
        "[columns]\n"
        'Account = { associate = "companies", by = "external_id", label = "Primary" }\n'
        'Partners = { associate = "companies", by = "external_id", label = "Partner", separator = ";" }\n'
    )
    mock = hubspot_mock(latency_seconds=0.02)
    mock.reset(objects={"companies": [{"properties": {"external_id": f"A{n}"}} for n in range(_COMPANIES)]})
    command = (
        *("upload", "-", "--mapping", "map.toml", "--create-labels", "--base-url", mock.url, "--json"),
        *("--checkpoint", "contacts.csv.checkpoint", "--results", "contacts.csv.results.csv"),
    )

    def piped():
        with source.open("rb") as stream:
            return start(*command, cwd=tmp_path, stdin=stream)

    def requests(ending):
        return sum(one["path"].endswith(ending) for one in mock.log())

    for upserts in kills_of_rows:
        mock.change_scenario(holding(upserts - requests("/batch/upsert")))
        process = piped()
        wait_until(lambda upserts=upserts: requests("/batch/upsert") > upserts, process)
        kill(process)
    for sent in kills_of_links:
        mock.change_scenario(holding(sent, endpoint="associate"))
        process, before = piped(), requests("/batch/create")
        wait_until(lambda sent=sent, before=before: requests("/batch/create") > before + sent, process)
        kill(process)
    mock.change_scenario({})
    ended = end(piped())
    links, missing = _expected(rows)
    assert _held(mock) == links
    found = ended.summary["links"]
    asked = sum(bool(account) + len(partners.split(";")) * bool(partners) for _, _, account, partners in rows)
    assert (ended.code, found["read"], found["missing"], found["open"]) == (1, asked, missing, 0)
    assert found["linked"] + found["already"] == asked - missing
    assert (found["rejected"], found["pending"]) == (0, 0)
    assert ended.summary["created"] + ended.summary["updated"] == _ROWS
    list_ = next(Path(tmp_path).glob("*.links.csv"))
    with list_.open(encoding="utf-8", newline="") as file:
        outcomes = [one["outcome"] for one in csv.DictReader(file)]
    assert (len(outcomes), outcomes.count("missing")) == (asked, missing)
    again = end(piped())
    assert (again.code, _held(mock)) == (1, links)
