"""A hostile file and a hostile server: nothing a terminal would obey comes out of any command."""

import csv
import json
import os
import pty
import subprocess
import sys

import pytest

from support.hostile_proxy import PLANT, hostile_server
from support.processes import Ended, environment, run

NAME = "contacts\x1b]0;pwned\x07\u202e.csv"
CHECKPOINT = f"{NAME}.checkpoint"


@pytest.fixture
def place(tmp_path, hubspot_mock):
    """A folder with a hostile file, and a hostile server before an account that holds half of it."""
    mock = hubspot_mock(quota="100000/10")
    held = {"firstname": "Old", "city": "Ulm"}
    mock.reset([{"properties": {"email": f"c{n}@example.com", **held}} for n in range(0, 40, 2)])
    with (tmp_path / NAME).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["email", "firstname", "lifecyclestage", "annualrevenue", f"Left{PLANT}out"])
        for n in range(40):
            stage = f"no{PLANT}stage" if n % 10 == 3 else "lead"
            revenue = f"{PLANT}no number" if n % 10 == 4 else "12"
            key = f"c{n}{PLANT if n % 10 == 5 else ''}@example.{'badtld' if n % 10 == 7 else 'com'}"
            lines.writerow([key, f"Ann{PLANT}", stage, revenue, PLANT])
        lines.writerow(["c1@example.com", "again", "lead", "1", ""])
    with hostile_server(mock.url) as url:
        yield tmp_path, url


def assert_harmless(ended: Ended) -> None:
    for text in (ended.out, ended.err):
        assert [c for c in text if not (c.isprintable() or c == "\n")] == [], text
        assert not [line for line in text.splitlines() if line.startswith("forged")], text
    assert "Traceback" not in ended.err


def test_no_command_prints_what_a_terminal_would_obey(place):
    folder, url = place
    talking = ("--base-url", url, "--rate", "1000/1")
    ignoring = ("--ignore", f"Left{PLANT}out")
    job = (NAME, *talking, *ignoring)
    codes = {}

    def ran(*words: object) -> Ended:
        ended = run(*words, cwd=folder)
        assert_harmless(ended)
        codes[words[0]] = ended.code
        return ended

    ran("check", NAME, *talking)  # a column of no property
    json.loads(ran("check", *job, "--json").out)
    json.loads(ran("preview", *job, "--json").out)
    upload = ("upload", *job, "--snapshot", "--verbose", "--canary-wait", "0")
    ran(*upload, "--canary", "5")
    ended = ran(*upload, "--approve-canary", "--yes", "--max-failures", "99%")
    assert codes["upload"] == 1, ended
    ran("status", CHECKPOINT)
    status = ran("status", CHECKPOINT, "--json").summary
    assert status["created"] > 0
    assert status["rejected"] == 4
    ran("failures", CHECKPOINT, "-o", f"failed{PLANT[:9]}.csv")
    json.loads(ran("verify", CHECKPOINT, *talking, "--json").out)
    ran("verify", CHECKPOINT, *talking)
    ran("undo", CHECKPOINT, *talking, "--dry-run")
    ran("undo", CHECKPOINT, *talking, "--yes")
    # Its scopes read as others, so that check finds the one it needs missing.
    assert codes == {
        "check": 2,
        "preview": 1,
        "upload": 1,
        "status": 0,
        "failures": 0,
        "verify": 1,
        "undo": 1,
    }


def test_a_hostile_argument_is_reported_in_one_harmless_line(place):
    folder, url = place
    for words in (
        ("upload", f"gone{PLANT}.csv", "--base-url", url),
        ("upload", NAME, "--base-url", f"http://{PLANT}"),
        ("upload", NAME, "--map", PLANT, "--base-url", url),
        ("upload", NAME, f"--no-such{PLANT}"),
        (f"no-such{PLANT}",),
        ("status", f"gone{PLANT}"),
    ):
        ended = run(*words, cwd=folder)
        assert_harmless(ended)
        assert (ended.code, ended.err.count("\n")) == (2, 1), ended


def _on_a_terminal(*words: str, cwd) -> bytes:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "uploader", *words],
        cwd=cwd,
        env=environment(TERM="xterm", NO_COLOR="1"),  # one of the planted codes is a colour of ours
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(ours)
    process.wait(timeout=60)
    return seen


def test_on_a_terminal_rows_are_listed_harmlessly_and_into_a_pipe_as_they_are(place):
    folder, url = place
    job = ("upload", NAME, "--base-url", url, "--ignore", f"Left{PLANT}out", "--yes")
    seen = _on_a_terminal(*job, cwd=folder)
    assert b"rejected" in seen
    listed = _on_a_terminal("failures", CHECKPOINT, cwd=folder)
    assert b"uploader_message" in listed
    for text in (seen, listed):
        for code in (b"\x1b]0", b"\x07", b"\x1b[31m", b"\x1b[2J", "\u202e".encode(), "\u009b".encode()):
            assert code not in text, text
    assert PLANT[:9] in run("failures", CHECKPOINT, cwd=folder).out
