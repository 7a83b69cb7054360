"""`uploader report`: a page with the sums of the checkpoint, which runs nothing that stood in the file."""

import html
import json
import os
import re
import shutil
import sqlite3
import subprocess
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from support.jobs import contacts, write_csv
from support.processes import run
from uploader.cli.commands.report import render

HOSTILE = '"><script>alert(1)</script>'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Elements, and the cells of tables by their id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.tables, self.links = [], {}, []
        self._table = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.tags.append(tag)
        self.links += [named[name] for name in ("src", "href") if name in named]
        if tag == "table":
            self._table = self.tables.setdefault(named.get("id", ""), [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in {"td", "th"} and self._table:
            self._table[-1].append("")

    def handle_endtag(self, tag):
        if tag == "table":
            self._table = None

    def handle_data(self, data):
        if self._table and self._table[-1]:
            self._table[-1][-1] += data


def job_of(tmp_path, mock, name="contacts.csv"):
    """A job with dead letters, whose file means harm."""
    rows = contacts(400, city=HOSTILE)
    rows[3]["email"] = f"{HOSTILE}@x.com"
    rows[5]["email"] = "no address at all"
    rows[9]["email"] = "secret.person@refused.example"
    source = write_csv(tmp_path / name, rows)
    refused = {"kind": "reject", "keys": ["secret.person@refused.example"], "message": f"bad: {HOSTILE}"}
    hubspot = mock(quota="190/10", scenario={"faults": [refused]})
    uploaded = run("upload", source, "--base-url", hubspot.url, "--yes", "--json", cwd=tmp_path)
    assert uploaded.code == 1, uploaded.err
    return tmp_path / f"{name}.checkpoint", uploaded.summary


def test_its_sums_are_those_of_the_checkpoint_and_nothing_in_it_is_run(tmp_path, hubspot_mock):
    checkpoint, summary = job_of(tmp_path, hubspot_mock, "<img src=x onerror=alert(1)>.csv")
    done = run("report", checkpoint, cwd=tmp_path)
    assert (done.code, done.err) == (0, f"wrote {checkpoint}.report.html\n")
    path = tmp_path / f"{checkpoint.name}.report.html"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    counts = {line[0].strip(): int(line[1].replace(",", "")) for line in page.tables["outcomes"][1:]}
    assert counts.pop("rows read") == summary["rows"] == sum(counts.values()) == 400
    assert counts == {name: summary[name] for name in counts}
    assert (
        sum(int(line[0]) for line in page.tables["failures"][1:]) == summary["rejected"] + summary["invalid"]
    )
    # The preflight's requests are of no interval; together the two figures are all requests.
    listed = sum(int(line[1].replace(",", "")) for line in page.tables["statuses"][1:])
    (before,) = re.findall(r"([\d,]+) of them were sent before the first row", text)
    assert listed + int(before.replace(",", "")) == summary["requests"]
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    assert page.links == ["data:,", quote("<img src=x onerror=alert(1)>.csv.results.csv")]
    assert "Of 400 rows, 397 (99.2 %) are in HubSpot as the file has them; 3 (0.8 %) failed." in text
    assert re.search(r"[\d.]+ requests/s, [<\d. ]+ % of the quota of 19.0", html.unescape(text))
    # By default nothing of a person is in it.
    assert "secret.person" not in text
    assert "no address at all" not in text
    assert "script" not in text


def test_values_are_shown_where_they_are_asked_for_and_still_not_obeyed(tmp_path, hubspot_mock):
    checkpoint, _ = job_of(tmp_path, hubspot_mock)
    text = render(checkpoint, with_values=True).decode()
    assert "secret.person@refused.example" in text
    assert "no address at all" in text
    assert "script" not in Page(text).tags


def test_ten_thousand_dead_letters_stay_readable(tmp_path, hubspot_mock):
    rows = [{"email": f"nobody {n}", "firstname": f"F{n}"} for n in range(10_000)]
    source = write_csv(tmp_path / "contacts.csv", [*rows, {"email": "a@x.com", "firstname": "A"}])
    options = ("--max-failures", "20000", "--yes")
    run("upload", source, "--base-url", hubspot_mock(quota="190/10").url, *options, cwd=tmp_path)
    page = render(tmp_path / "contacts.csv.checkpoint")
    assert len(page) < 100_000
    ((count, _, reason, such_as),) = Page(page.decode()).tables["failures"][1:]
    assert (count, reason.split()[0]) == ("10,000", "...")
    assert such_as.strip().startswith("2; 3; 4; ")


def test_only_a_former_report_is_replaced(tmp_path, hubspot_mock):
    checkpoint, _ = job_of(tmp_path, hubspot_mock)
    for _ in range(2):
        assert run("report", checkpoint, "-o", "r.html", cwd=tmp_path).code == 0
    precious = tmp_path / "precious.html"
    precious.write_text("<p>mine</p>")
    (tmp_path / "link.html").symlink_to(tmp_path / "r.html")
    for name in ("precious.html", "link.html", "contacts.csv"):
        refused = run("report", checkpoint, "-o", name, cwd=tmp_path)
        assert refused.code == 2
        assert f"{name} is not a page written by uploader" in refused.err
    assert precious.read_text() == "<p>mine</p>"


def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path):
    missing = run("report", "nothing.checkpoint", cwd=tmp_path)
    assert (missing.code, missing.err) == (2, "uploader: there is no checkpoint nothing.checkpoint\n")


def test_a_checkpoint_of_an_earlier_version_has_no_timeline(tmp_path, hubspot_mock):
    checkpoint, _ = job_of(tmp_path, hubspot_mock)
    with sqlite3.connect(checkpoint) as connection:
        connection.executescript("DROP TABLE stretches; DROP TABLE invocations;")
    connection.close()
    assert "Nothing was kept of what happened when" in render(checkpoint).decode()


def test_the_links_of_a_job_are_shown_by_outcome_and_reason(tmp_path, hubspot_mock):
    keys = ["co0", "co1", "co0", "gone-7", "gone-7", "gone-8", "secret name"]
    lines = ["email,account", *(f"c{i}@example.com,{key}" for i, key in enumerate(keys)), "no one,co1"]
    (tmp_path / "contacts.csv").write_text("\n".join(lines))
    unique = {"name": "sf_id", "unique": True, "object_type": "companies"}
    limit = {"object_type": "companies", "to": "contacts", "most": 1}
    mock = hubspot_mock(scenario={"properties": [unique], "association_limits": [limit]})
    mock.reset([], {"companies": [{"properties": {"sf_id": key}} for key in ("co0", "co1")]})
    at = ("--base-url", mock.url, "--associate", "account=companies.sf_id", "--max-failures", "5", "--yes")
    uploaded = run("upload", "contacts.csv", *at, "--json", cwd=tmp_path).summary["links"]
    checkpoint = tmp_path / "contacts.csv.checkpoint"
    page = Page(render(checkpoint, folder=tmp_path).decode())
    tables = {name: [[cell.strip() for cell in line] for line in one] for name, one in page.tables.items()}
    head, column, _ = tables["links"]
    shown = dict(zip(head[2:], column[2:], strict=True))
    assert shown.pop("Links") == str(uploaded["read"]) == "7"
    assert {name: int(count) for name, count in shown.items()} == {name: uploaded[name] for name in shown}
    assert (uploaded["linked"], uploaded["missing"], uploaded["rejected"]) == (2, 4, 1)
    assert [line[1:] for line in tables["missing-ends"][1:]] == [
        ["...", "2"],
        ["...", "1"],
        ["...", "1"],
    ]
    assert [line[:2] for line in tables["failed-links"][1:]] == [["4", "missing"], ["1", "rejected"]]
    assert "contacts.csv.links.csv" in page.links
    text = render(checkpoint).decode()
    assert "gone-7" not in text
    assert "secret name" not in text
    page = Page(render(checkpoint, with_values=True).decode())
    assert [cell.strip() for cell in page.tables["missing-ends"][1][1:]] == ["gone-7", "2"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_draws_it_and_complains_of_nothing(tmp_path, hubspot_mock):
    checkpoint, summary = job_of(tmp_path, hubspot_mock)
    (tmp_path / "report.html").write_bytes(render(checkpoint, with_values=True))
    seen = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", "--dump-dom"),
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert "CONSOLE" not in seen.stderr, seen.stderr
    page = Page(seen.stdout)
    assert page.tags.count("svg") == 3
    assert len(re.findall(r'class="fill good" d="M', seen.stdout)) == 2
    counts = {line[0].strip(): line[1] for line in page.tables["outcomes"][1:]}
    assert counts["rows read"] == json.dumps(summary["rows"])
