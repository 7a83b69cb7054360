"""`check --html`: the page says all of it, obeys nothing that the rows say, and loads nothing."""

import re
from html.parser import HTMLParser

import pytest

from support.check_runs import check
from support.jobs import Job, write_csv
from support.mock_transport import make_simulator
from uploader.cli.pages import page_of, write_page
from uploader.cli.text.check.page import page_content
from uploader.errors import SettingsError

HOSTILE = '<script>alert(1)</script><img src="http://x.example/">'


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.links = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "action", "srcset"}]

    def handle_data(self, data):
        self.texts.append(data)


def page(tmp_path, **more):
    header = ("email", "firstname", "tier", "zip", HOSTILE)
    rows = [
        (
            f"c{n}@x.com" if n % 7 else HOSTILE,
            HOSTILE,
            ("gold", HOSTILE)[n % 2],
            ("2134", "10115")[n % 2],
            "x",
        )
        for n in range(200)
    ]
    rows += [("none@none.com", "-", "gold", "10115", "y")] * 30
    rows = [dict(zip(header, row, strict=True)) for row in rows]
    job = Job(write_csv(tmp_path / "a.csv", rows), make_simulator())
    report = check(job, **more)
    content = page_content(report, job.settings(**more), ["check", "a.csv", "--html", "page.html"])
    return report, page_of("check.html", content).decode()


def test_it_says_all_of_it_in_the_order_of_the_screen(tmp_path):
    report, text = page(tmp_path)
    found = Page(text)
    said = " ".join("".join(found.texts).split())
    for problem in report.problems:
        assert " ".join(problem.split()) in said
    titles = [
        "Problems",
        "How to go on",
        "Columns",
        "Bad values",
        "Sent, and may be wrong",
        "Repeated keys",
        "Cost",
    ]
    assert [title for title in re.findall(r"<h2>(.*?)</h2>", text) if title in titles] == titles
    for words in ("100 lost zeros?", "tier takes ", "none@none.com", "rows 2, 4", "c1@x.com"):
        assert words in said
    assert "LOST_ZEROS" not in said
    assert '<span class="option">--blank-value</span>' in text  # which no line breaks
    assert "&lt;span" not in text
    assert said.count("lost zeros") > 1  # in the table of columns, and as a kind
    assert "uploader check a.csv" in said
    assert "--html" not in said


def test_hostile_cells_are_shown_and_not_obeyed_and_nothing_is_loaded(tmp_path):
    _, text = page(tmp_path)
    found = Page(text)
    assert not {"script", "img", "iframe", "form"} & found.tags
    assert found.links == ["data:,"]
    assert "alert(1)" in "".join(found.texts)
    assert "default-src 'none'" in text
    assert "http://" not in re.sub(r"&#?\w+;", " ", text).replace("http://x.example", "")


def test_it_is_private_and_replaces_only_a_page(tmp_path):
    path = tmp_path / "page.html"
    _, text = page(tmp_path, offline=True)
    for _ in range(2):
        write_page(path, text.encode())
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="not a page written by uploader"):
        write_page(tmp_path / "a.csv", text.encode())
    with pytest.raises(SettingsError, match="the folder does not exist"):
        write_page(tmp_path / "nowhere" / "page.html", text.encode())
    (tmp_path / "link.html").symlink_to(path)
    with pytest.raises(SettingsError, match="not a page"):
        write_page(tmp_path / "link.html", text.encode())
