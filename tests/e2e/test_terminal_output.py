"""What is seen of a run: on terminals of any width, in a pipe, as JSON, and from another terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from importlib.resources import files

import pytest

from support.jobs import contacts, write_csv
from support.processes import TOKEN, end, environment, kill, run, start, wait_until
from support.soaked import some

CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command on a terminal of its own, and all that it was given to show."""

    def __init__(self, *arguments, cwd, columns, **more):
        self._ours, theirs = pty.openpty()
        self.resize(columns)
        self.shown = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uploader", *map(str, arguments)],
            cwd=cwd,
            env=environment(TERM="xterm", **more),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def resize(self, columns):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self):
        while select.select([self._ours], [], [], 0.01)[0]:
            try:
                part = os.read(self._ours, 65_536)
            except OSError:
                return
            if not part:
                return
            self.shown += part

    def type(self, text):
        os.write(self._ours, text.encode())

    def has(self, pattern):
        self.read()
        return re.search(pattern, self.lines()) is not None

    def lines(self):
        return CONTROL.sub(b"\r", self.shown).decode()

    def end(self):
        wait_until(lambda: (self.read(), self.process.poll() is not None)[1])
        self.read()
        os.close(self._ours)
        return self.process.returncode


def live_lines(text):
    """Lines of the live display, as they were painted."""
    return [line for line in re.split(r"[\r\n]+", text) if re.search(r"rows/s|^[#-]+ +\d+%|^\d+% \|", line)]


@pytest.mark.parametrize("columns", some(60, soaked=[200]))
def test_a_live_display_fits_its_terminal_and_is_gone_in_the_end(tmp_path, hubspot_mock, columns):
    source = write_csv(tmp_path / "contacts.csv", contacts(6_000))
    url = hubspot_mock(quota="190/10").url
    terminal = Terminal("upload", source, "--base-url", url, "--yes", cwd=tmp_path, columns=columns)
    wait_until(lambda: terminal.has(r"\d+ rows/s"))
    assert terminal.end() == 0
    text = terminal.lines()
    painted = live_lines(text)
    assert painted
    assert max(map(len, painted)) <= columns
    assert any(line.startswith(("#", "-")) for line in painted) == (columns == 200)
    assert text.count("Ctrl-C stops cleanly") == 1
    assert "rows read         6,000" in text.replace("\r", "")


@pytest.mark.soak
def test_undo_and_verify_have_a_bar_that_keeps_quiet_beside_a_question(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(900))
    # A time is shown after two seconds of work: nine requests, one after the other.
    mock = hubspot_mock(quota="100000/10", latency_seconds=0.4)
    account = ("--base-url", mock.url, "--rate", "1000/1")
    assert run("upload", source, *account, "--yes", "--snapshot", cwd=tmp_path).code == 0
    job = (f"{source}.checkpoint", *account, "--max-in-flight", "1")
    terminal = Terminal("verify", *job, cwd=tmp_path, columns=100)
    wait_until(lambda: terminal.has(r"[#-]{24} +\d+%  [\d,]+ of 900 contacts \| \d+ s left"))
    assert terminal.end() == 0
    terminal = Terminal("undo", *job, cwd=tmp_path, columns=100)
    wait_until(lambda: terminal.has(r"\[y/N\] "))
    shown = terminal.lines()
    assert shown.index("undo in account") < shown.index("[y/N]")
    terminal.type("y\n")
    wait_until(lambda: terminal.has(r"[#-]{24} +\d+%  [\d,]+ of 900 contacts \| \d+ s left"))
    assert terminal.end() == 0
    question = terminal.lines().partition("[y/N] ")[2]
    assert question.replace("\r", "").startswith("y\n")
    assert "by the job, archived" in terminal.lines()


def test_a_terminal_that_shrinks_and_a_log_beside_it_tear_nothing(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(9_000))
    url = hubspot_mock(quota="190/10").url
    terminal = Terminal("upload", source, "--base-url", url, "--yes", "-v", cwd=tmp_path, columns=150)
    wait_until(lambda: terminal.has(r"#+-+ +\d+%"))
    terminal.shown = b""
    terminal.resize(50)
    wait_until(lambda: terminal.has(r"rows/s"))
    assert terminal.end() == 0
    painted = live_lines(terminal.lines())
    assert max(map(len, painted)) <= 50


def test_colours_are_left_out_without_a_terminal_and_with_no_color(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(300))
    options = ("--base-url", hubspot_mock(quota="190/10").url, "--yes")
    plain = run("upload", source, *options, cwd=tmp_path)
    assert plain.code == 0
    assert "\x1b" not in plain.err + plain.out
    terminal = Terminal("upload", source, *options, "--restart", cwd=tmp_path, columns=80, NO_COLOR="1")
    assert terminal.end() == 0
    assert not re.search(rb"\x1b\[[0-9;]*m", terminal.shown)
    terminal = Terminal("upload", source, *options, "--restart", cwd=tmp_path, columns=80)
    assert terminal.end() == 0
    assert re.search(rb"\x1b\[32m +updated +300\x1b\[0m", terminal.shown)
    said = CONTROL.sub(b"", terminal.shown).decode().splitlines()
    verify = said.index("compare the records with the rows:") + 1
    assert said[verify].startswith("uploader verify ")
    assert max(len(line) for line in said if "/" not in line) <= 80


def test_json_lines_hold_job_and_account_and_no_address(tmp_path, hubspot_mock):
    rows = contacts(12_000)
    rows[7]["email"] = "secret.person@refused.example"
    rows[9]["email"] = "secret.person at nowhere"
    source = write_csv(tmp_path / "contacts.csv", rows)
    refused = {"kind": "reject", "keys": ["secret.person@refused.example"]}
    failing = {"kind": "status", "endpoint": "upsert", "status": 423, "first": 1}
    url = hubspot_mock(quota="190/10", scenario={"faults": [failing, refused]}).url
    done = run("upload", source, "--base-url", url, "--yes", "-v", "--log-format", "json", cwd=tmp_path)
    assert done.code == 1
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert all({"time", "level", "event", "message"} <= line.keys() for line in lines)
    assert "secret.person" not in done.err
    assert TOKEN not in done.err
    printed = {line["event"]: line for line in lines}
    assert {"message", "log", "progress", "summary"} <= printed.keys()
    assert printed["summary"]["rows"] == 12_000
    assert printed["summary"]["exit_code"] == 1
    assert printed["summary"]["account"] == "44237313"
    assert len(printed["summary"]["job"]) == 36
    assert 0 < printed["progress"]["settled"] <= 12_000
    assert any(line.get("correlation_id") for line in lines if line["event"] == "log")


def test_an_error_is_json_too_where_that_was_asked_for(tmp_path):
    done = run("upload", "nothing.csv", "--log-format", "json", "--yes", cwd=tmp_path)
    (line,) = map(json.loads, done.err.splitlines())
    assert (done.code, line["event"], line["exit_code"]) == (2, "error", 2)
    assert "nothing.csv" in line["message"]


def test_a_job_is_followed_from_elsewhere_until_it_is_killed(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(60_000))
    checkpoint = tmp_path / "contacts.csv.checkpoint"
    url = hubspot_mock(quota="190/10").url
    uploading = start("upload", source, "--base-url", url, "--yes", cwd=tmp_path)
    wait_until(checkpoint.exists, uploading)
    following = start("status", checkpoint, "--watch", "--interval", "0.2", "--json", cwd=tmp_path)
    seen = []
    while len(seen) < 3 or not seen[-1]["settled"]:
        line = json.loads(following.stdout.readline())
        seen.append({**line, "settled": line["rows"] - line["open"]})
    kill(uploading)
    rest, _ = following.communicate(timeout=60)
    last = json.loads(rest.splitlines()[-1])
    assert following.returncode == 0
    assert {line["state"] for line in seen} == {"running"}
    assert (last["state"], last["reason"]) == ("stopped", "killed or interrupted")
    assert seen[-1]["settled"] <= last["rows"] - last["open"] < 60_000
    plain = run("status", checkpoint, "--watch", cwd=tmp_path)
    assert plain.code == 0
    assert "killed or interrupted" in plain.out


def test_watching_status_can_be_stopped_and_a_missing_job_is_one_line(tmp_path, hubspot_mock):
    missing = run("status", "nothing.checkpoint", "--watch", cwd=tmp_path)
    assert (missing.code, missing.err) == (2, "uploader: there is no checkpoint nothing.checkpoint\n")
    source = write_csv(tmp_path / "contacts.csv", contacts(60_000))
    checkpoint = tmp_path / "contacts.csv.checkpoint"
    url = hubspot_mock(quota="190/10").url
    uploading = start("upload", source, "--base-url", url, "--yes", cwd=tmp_path)
    wait_until(checkpoint.exists, uploading)
    terminal = Terminal("status", checkpoint, "--watch", cwd=tmp_path, columns=60)
    wait_until(lambda: terminal.has(r"rows/s"))
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.lines()
    assert max(map(len, live_lines(terminal.lines()))) <= 60
    assert kill(uploading, signal.SIGINT).code == 130


def test_a_run_ends_in_order_after_its_longest_time(tmp_path, hubspot_mock):
    source = write_csv(tmp_path / "contacts.csv", contacts(12_000))
    options = ("--base-url", hubspot_mock(quota="190/10").url, "--yes", "--json")
    stopped = end(start("upload", source, *options, "--max-duration", "3s", cwd=tmp_path))
    assert stopped.code == 75
    assert stopped.summary["reason"] == "--max-duration has passed"
    assert "run the same command again" in stopped.err
    done = run("upload", source, *options, cwd=tmp_path)
    # In order: nothing was left in flight, so nothing is replayed.
    assert (done.code, done.summary["created"], done.summary["replayed"]) == (0, 12_000, 0)


def test_the_manual_is_formatted_on_a_terminal_of_any_width(tmp_path):
    page = files("uploader.docs").joinpath("input.md").read_text(encoding="utf-8").splitlines()
    whole = {line.strip() for line in page if line.startswith("    uploader ")}  # to be pasted
    code = set(map(str.strip, page))
    for columns in (60, 200):
        terminal = Terminal("help", "input", cwd=tmp_path, columns=columns)
        assert terminal.end() == 0
        lines = CONTROL.sub(b"", terminal.shown).decode().splitlines()
        assert max(len(line) for line in lines if line.strip() not in code) <= min(columns, 100)
        assert whole <= {line.strip() for line in lines}
        assert any("the delimiter is detected" in " ".join(line.split()) for line in lines) or columns == 60
        assert not any("|---" in line or "**" in line or "](" in line for line in lines)
