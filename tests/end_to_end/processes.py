"""The real command line in real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "pat-na1-very-secret-token"


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
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "uploader", *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)


def run(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> Ended:
    return end(start(*arguments, cwd=cwd, env=env))


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Poll for an event; a process that ends first, or two minutes, is a failure."""
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.005)


def kill(process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> Ended:
    process.send_signal(number)
    return end(process)
