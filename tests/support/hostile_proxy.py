"""A server in front of the mock server that inserts escape codes into every text of a reply."""

import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: A window title, colour, a cleared screen, reversed text, a forged line, a C1 escape.
PLANT = "\x1b]0;pwned\x07\x1b[31m\x1b[2J\u202e\r\nforged\u009b31m\x7f"
#: Fields that a job needs unchanged.
_KEPT = frozenset(
    [
        *(
            "id",
            "ids",
            "name",
            "value",
            "objectWriteTraceId",
            "idProperty",
            "type",
            "fieldType",
            "email",
            "uniqueness",
        ),
        *("createdAt", "updatedAt", "startedAt", "completedAt", "requestedAt", "timestamp", "resetsAt"),
        *(
            "portalId",
            "accountType",
            "timeZone",
            "sourceType",
            "hs_object_id",
            "lifecyclestage",
            "policyName",
        ),
    ]
)


def plant_escape_codes(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: plant_escape_codes(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [plant_escape_codes(inner, key) for inner in value]
    is_sound = (
        key in _KEPT or (key == "status" and value in {"COMPLETE", "PENDING"}) or value == "OBJECT_NOT_FOUND"
    )
    return value + PLANT if isinstance(value, str) and not is_sound else value


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self._pass_on(None)

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

    def _pass_on(self, body: bytes | None) -> None:
        headers = {"Authorization": self.headers["Authorization"], "Content-Type": "application/json"}
        request = urllib.request.Request(self.server.behind + self.path, body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                status, text, head = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                status, text, head = error.code, error.read(), error.headers
        body_sent = json.dumps(plant_escape_codes(json.loads(text))).encode() if text else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body_sent)))
        self.send_header("x-hubspot-correlation-id", "c-\x1b[31m-\x07")
        for name in head:
            if name.lower().startswith("x-hubspot-ratelimit"):  # else the first batch waits ten seconds
                self.send_header(name, head[name])
        self.end_headers()
        self.wfile.write(body_sent)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hostile_server(behind: str) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.behind = behind  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
