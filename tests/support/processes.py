"""Runs the command line in processes: forked, or with a new interpreter."""

import atexit
import contextlib
import functools
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from support.fork_server import NUMBER

TOKEN = "pat-na1-very-secret-token"
_LONGEST_SECONDS = 1200


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads(self.out)
        return summary


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HUBSPOT_ACCESS_TOKEN": TOKEN, "PYTHONWARNINGS": "error", **more}


def start(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, stdin: Any = subprocess.DEVNULL
) -> "Forked":
    """Start a forked process, which saves the half second that an interpreter needs to start."""
    return _server().fork([str(word) for word in arguments], cwd, env or environment(), stdin)


def start_python(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, stdin: Any = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start a new interpreter, for tests that depend on its start or on what it inherits."""
    return subprocess.Popen(
        [sys.executable, "-m", "uploader", *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: "Process") -> Ended:
    try:
        out, err = process.communicate(timeout=_LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out, err)


def run(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, stdin: Any = subprocess.DEVNULL
) -> Ended:
    return end(start(*arguments, cwd=cwd, env=env, stdin=stdin))


def wait_until(happened: Callable[[], bool], process: "Process | None" = None) -> None:
    """Poll for an event. It fails if the process ends first, or after `_LONGEST_SECONDS`."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.03)


def kill(process: "Process", number: signal.Signals = signal.SIGKILL) -> Ended:
    process.send_signal(number)
    return end(process)


def at_a_terminal(folder: Path, answer: str, *arguments: object) -> tuple[int, str]:
    """Run a command whose streams are a terminal; type the answer once it asks."""
    answers = [answer]

    def reply(seen: str) -> str | None:
        return answers.pop() if answers and "[y/N]" in seen else None

    code, seen, _ = dialogue(folder, reply, *arguments)
    return code, seen


def dialogue(
    folder: Path, reply: Callable[[str], str | signal.Signals | None], *arguments: object
) -> tuple[int, str, str]:
    """Run a command whose streams but stdout are a terminal: its exit code, the terminal's text, and stdout.

    `reply`: what is typed, or the signal that is sent, when the terminal has shown this since it was typed
    last; None to wait for more.
    """
    main, other = pty.openpty()
    words = [str(word) for word in arguments]
    process = _server().fork(words, folder, environment(TERM="dumb"), other, at_terminal=True)
    os.close(other)
    seen, at = "", 0
    while True:
        try:
            seen += os.read(main, 4_096).decode()
        except OSError:  # the terminal's other end is closed
            break
        if answer := reply(seen[at:]):
            at = len(seen)
            if isinstance(answer, signal.Signals):
                process.send_signal(answer)
            else:
                os.write(main, answer.encode())
    ended = end(process)
    os.close(main)
    return ended.code, seen, ended.out


def holding(requests: int, *, endpoint: str = "upsert", **scenario: Any) -> dict[str, Any]:
    """A scenario without replies after so many requests, so that no process ends before it is killed."""
    fault = {"kind": "delay", "seconds": 3_600, "endpoint": endpoint, "requests": [requests + 1, 1_000_000]}
    return {**scenario, "faults": [fault]}


class Forked:
    """A process of the fork server, with the interface of `subprocess.Popen`."""

    def __init__(
        self, exit_codes: socket.socket, stdin: TextIO | None, stdout: TextIO, stderr: TextIO | None
    ) -> None:
        self._exit_codes = exit_codes
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.returncode: int | None = None
        self.pid = self._read()

    def _read(self) -> int:
        packed = self._exit_codes.recv(NUMBER.size)
        assert packed, "the fork server has ended"
        (number,) = NUMBER.unpack(packed)
        return int(number)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._exit_codes], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = self._read()
            self._exit_codes.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Close its input, and read its output until it ends."""
        if self.stdin is not None:
            self.stdin.close()
        texts = ["", ""]

        def read(number: int, stream: TextIO) -> None:
            with stream:
                texts[number] = stream.read()

        reading = [
            threading.Thread(target=read, args=each, daemon=True)
            for each in enumerate((self.stdout, self.stderr))
            if each[1] is not None and not each[1].closed
        ]
        for each in reading:
            each.start()
        self.wait(timeout)
        for each in reading:
            each.join()
        return texts[0], texts[1]


Process = Forked | subprocess.Popen[str]


class _Server:
    """The fork server, one for a test session."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", Path(__file__).with_name("fork_server.py"), str(theirs.fileno())],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(
        self,
        arguments: list[str],
        folder: Path,
        env: dict[str, str],
        stdin: Any,
        *,
        at_terminal: bool = False,
    ) -> Forked:
        """`at_terminal`: `stdin` is a terminal, and stderr too; the process gets a session of its own."""
        asked = {"arguments": arguments, "folder": str(folder), "environment": env, "session": at_terminal}
        order = json.dumps(asked).encode()
        exit_codes, reports = socket.socketpair()
        (out, writes_out), (err, writes_err) = os.pipe(), (None, stdin) if at_terminal else os.pipe()
        reads, write = os.pipe() if stdin == subprocess.PIPE else (None, None)
        with contextlib.ExitStack() as theirs:
            theirs.enter_context(reports)
            for descriptor in (writes_out, reads, None if at_terminal else writes_err):
                if descriptor is not None:
                    theirs.callback(os.close, descriptor)
            if stdin == subprocess.DEVNULL:
                stdin = theirs.enter_context(open(os.devnull, "rb"))  # noqa: PTH123
            given = reads if reads is not None else stdin if at_terminal else stdin.fileno()
            streams = [given, writes_out, writes_err, reports.fileno()]
            socket.send_fds(self._orders, [NUMBER.pack(len(order))], streams)
            self._orders.sendall(order)
        return Forked(
            exit_codes,
            None if write is None else open(write, "w", encoding="utf-8"),  # noqa: PTH123
            open(out, encoding="utf-8"),  # noqa: PTH123
            None if err is None else open(err, encoding="utf-8"),  # noqa: PTH123
        )

    def close(self) -> None:
        self._orders.close()
        self._process.wait()


@functools.cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.close)
    return server
