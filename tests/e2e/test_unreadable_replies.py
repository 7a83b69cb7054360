"""Answers that are none: what kind of break it was is said, and nothing of what they hold reaches anybody."""

import http.server
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.processes import run

PERSON = ["Ann", "Lee", "1234567", "ann.lee"]
TOLD = b"Ann Lee, +49 170 1234567, ann.lee@person.example"
BREAKS = {
    "status line": (b'{"contact":"%b"}\r\n\r\n' % TOLD, "malformed status line"),
    "header": (b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 2\r\n\r\n{}" % TOLD, "malformed header or framing"),
    "not JSON": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(TOLD), TOLD), "not a JSON object"),
    "broken off": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n%b" % TOLD, "the answer broke off"),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes | None) -> None:
        if self.path.endswith("/batch/upsert"):
            self.wfile.write(self.server.broken)
            return
        headers = {"Authorization": self.headers["Authorization"], "Content-Type": "application/json"}
        request = urllib.request.Request(self.server.behind + self.path, body, headers, method=self.command)
        with urllib.request.urlopen(request) as answer:
            text, head = answer.read(), answer.headers
        self.send_response(200)
        for name in head:
            if name.lower().startswith("x-hubspot-ratelimit"):  # else the first batch waits ten seconds
                self.send_header(name, head[name])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def breaking(behind: str, broken: bytes) -> Iterator[str]:
    """A server before the mock server that answers every upsert with these bytes."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.behind, server.broken = behind, broken  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def of_the_person(text: str) -> list[str]:
    return [part for part in PERSON if part in text]


def files_with(folder: Path) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and of_the_person(path.read_bytes().decode("latin-1"))
    ]


@pytest.mark.parametrize(("broken", "reason"), BREAKS.values(), ids=BREAKS.keys())
def test_nothing_of_a_broken_answer_reaches_terminal_log_checkpoint_or_report(
    tmp_path, hubspot_mock, broken, reason
):
    (tmp_path / "contacts.csv").write_text("email,city\n" + "".join(f"c{n}@x.com,Ulm\n" for n in range(3)))
    with breaking(hubspot_mock().url, broken) as url:
        ended = run(
            *("upload", "contacts.csv", "--base-url", url, "--yes", "--outage-timeout", "1", "--json"),
            *("--verbose", "--summary-file", "summary.json"),
            cwd=tmp_path,
        )
    assert ended.code == 75
    assert reason in ended.summary["reason"]
    printed = [ended.out, ended.err]
    printed += [
        run("status", "contacts.csv.checkpoint", *words, cwd=tmp_path).out for words in ([], ["--json"])
    ]
    printed.append(run("report", "contacts.csv.checkpoint", "-o", "report.html", cwd=tmp_path).out)
    assert (tmp_path / "report.html").exists()
    assert [part for text in printed for part in of_the_person(text)] == []
    assert files_with(tmp_path) == []
