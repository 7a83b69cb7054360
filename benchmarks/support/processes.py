"""The servers and the uploader as processes of their own, started, watched and ended.

Lives here: what every benchmark does with them, by their outside face alone: commands, signals, exit codes,
`/_mock/` and `/_echo/`, the JSON they print. No benchmark's own question is asked here.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any, Self

TOKEN = "pat-na1-benchmark"
#: Nothing here may wait without an end. A million rows take minutes.
PATIENCE_SECONDS = 3_600.0
POLL_SECONDS = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")
_CONFIRMING = frozenset({"200", "201", "207"})


class Failed(Exception):  # noqa: N818
    """The benchmark can't go on; the text says why."""


@dataclass(slots=True)
class Seen:
    """One request in the server's log."""

    at: float  #: seconds since the server started
    path: str
    status: str
    inputs: int

    @property
    def is_upsert(self) -> bool:
        return self.path.endswith("/batch/upsert")

    @property
    def was_refused(self) -> bool:
        return self.status == "429"

    @property
    def was_answered(self) -> bool:
        """Whether the records in it were dealt with: anything else is sent again by right."""
        return self.is_upsert and self.status in _CONFIRMING


class Listener:
    """A server alone in a process, from the line with its URL to its end."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            self.stop()
            raise Failed(f"{command[0]} did not start to listen: {line!r}; see {log}")
        self.url = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"{self.url}/{path}", data=body, timeout=60) as reply:
            answer: bytes = reply.read()
        return answer


class Server(Listener):
    """`uploader mock-server`."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        super().__init__(["uploader", "mock-server", "--port", "0", *arguments], log)

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = json.loads(self._get("stats"))
        return stats

    def received(self) -> int:
        count: int = self.stats()["records_received"]
        return count

    def log(self) -> list[Seen]:
        lines = (json.loads(line) for line in self._get("log").splitlines())
        return [Seen(one["at"], one["path"], one["status"], one["inputs"]) for one in lines]

    def contacts_url(self) -> str:
        return f"{self.url}/_mock/objects/contacts"

    def wait_until_quiet(self) -> None:
        """Until what a killed client has sent is dealt with, and nothing more comes."""
        before = -1
        for _ in _polls(POLL_SECONDS * 5, 60.0, "the server to become quiet"):
            stats = self.stats()
            if stats["in_flight"] == 0 and stats["requests"] == before:
                return
            before = stats["requests"]

    def misbehave(self, *faults: dict[str, Any]) -> None:
        """Put these faults in the place of those there were; with none, the server is well again."""
        self._ask("_mock/scenario", json.dumps({"faults": faults}).encode())

    def change_quota(self, quota: str) -> None:
        self._ask("_mock/quota", json.dumps({"quota": quota}).encode())

    def _get(self, name: str) -> bytes:
        return self._ask(f"_mock/{name}")


@dataclass(frozen=True, slots=True)
class Load:
    """What reached the echoing server since its last reset. Moments are `time.monotonic()`'s."""

    first_request_at: float
    first_upsert_at: float
    last_upsert_at: float
    requests: int
    upserts: int
    records: int
    bytes_received: int
    bytes_answered: int
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        """From the arrival of the first batch to the answer to the last."""
        return self.last_upsert_at - self.first_upsert_at

    @property
    def records_per_second(self) -> float:
        return self.records / self.seconds if self.seconds > 0 else 0.0

    @property
    def busy_share(self) -> float:
        """Of one core, while batches came."""
        return self.cpu_seconds / self.seconds if self.seconds > 0 else 0.0


class EchoServer(Listener):
    """`benchmarks.support.echo_server`."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        super().__init__(["benchmarks.support.echo_server", *arguments], log)

    def forget(self) -> None:
        self._ask("_echo/reset", b"")

    def load(self) -> Load:
        return Load(**json.loads(self._ask("_echo/stats")))


@dataclass(frozen=True, slots=True)
class Spent:
    """What a whole process cost, from its start to its end."""

    wall_seconds: float
    cpu_seconds: float  #: user and system, its threads included


def environment(**more: str) -> dict[str, str]:
    """What the uploader, or who competes with it, is run with: a token, and modules compiled once, as an
    installation has them, also where this process may write none.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "HUBSPOT_ACCESS_TOKEN": TOKEN, **more}


def spend(
    command: Sequence[str],
    log: Path,
    patience_seconds: float = PATIENCE_SECONDS,
    *,
    output: Path | None = None,
    codes: Collection[int] = (0,),
) -> Spent:
    """Run a command to its end. The kernel's word on its CPU, not samples: a start counts, too.

    What it prints goes to `output`, or with its errors to `log`. `Failed` for an exit code not in `codes`.
    """
    with log.open("ab") as errors, output.open("wb") if output else contextlib.nullcontext(errors) as printed:
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=errors,
            env=environment(),
        )
        timer = Timer(patience_seconds, process.kill)
        timer.start()
        try:
            _, ended, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.kill()
            raise
        finally:
            timer.cancel()
        wall_seconds = time.monotonic() - began
        # Popen must not look for it again: the number may be another's by now.
        process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode not in codes:
        raise Failed(f"{' '.join(command[:6])} ... ended with {process.returncode}: {last_words(log)}")
    return Spent(wall_seconds, usage.ru_utime + usage.ru_stime)


def last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-600:].strip()


class Client:
    """One `uploader upload`, from its start to its end, with what it costs."""

    def __init__(self, source: Path, url: str, arguments: Sequence[str], folder: Path) -> None:
        self._output = folder / "client.json"
        self._errors = folder / "client.log"
        command = [sys.executable, "-m", "uploader", "upload", str(source), "--base-url", url, "--json"]
        with self._output.open("wb") as out, self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=environment(),
            )
        self.started = time.monotonic()
        self.peak_kilobytes = 0
        self.cpu_seconds = 0.0
        self._ended = Event()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Measured first: of a killed process nothing can be read any more."""
        self._measure()
        self._process.send_signal(number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise Failed(f"the uploader did not end within {seconds:g} s; see {self._errors}") from None
        finally:
            self._ended.set()
            self._watcher.join()
        return code

    def summary(self) -> dict[str, Any]:
        try:
            summary: dict[str, Any] = json.loads(self._output.read_bytes())
        except ValueError:
            raise Failed(f"the uploader printed no summary; {last_words(self._errors)}") from None
        return summary

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._measure()

    def _measure(self) -> None:
        """From /proc: the kernel's own `ru_maxrss` of a child starts at its parent's size."""
        proc = Path(f"/proc/{self._process.pid}")
        with contextlib.suppress(OSError, IndexError, ValueError):
            found = re.search(r"VmHWM:\s*(\d+) kB", (proc / "status").read_text())
            if found:
                self.peak_kilobytes = max(self.peak_kilobytes, int(found[1]))
            fields = (proc / "stat").read_text().rpartition(")")[2].split()
            self.cpu_seconds = max(self.cpu_seconds, (int(fields[11]) + int(fields[12])) / _TICKS)


def wait_for(
    client: Client, is_due: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS
) -> bool:
    """Until `is_due`; False where the client ended before."""
    for _ in _polls(POLL_SECONDS, seconds, what):
        if not client.running():
            return False
        if is_due():
            return True
    return False


def _polls(every_seconds: float, patience_seconds: float, what: str) -> Iterator[None]:
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        yield
        time.sleep(every_seconds)
    raise Failed(f"waited {patience_seconds:g} s for {what}")


def status(source: Path) -> dict[str, Any]:
    """The state of a job, from `uploader status`."""
    done = subprocess.run(
        [sys.executable, "-m", "uploader", "status", f"{source}.checkpoint", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise Failed(f"uploader status ended with {done.returncode}: {done.stderr.strip()}")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def settled_by_server(summary: dict[str, Any]) -> int:
    """Rows that were sent and have their outcome."""
    names = ("created", "updated", "rejected", "abandoned", "pending")
    return sum(summary[name] for name in names)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of even width, the first to the left and the figures to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [
                cells[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for cells in lines
    )


@dataclass(slots=True)
class Table:
    """What a benchmark prints: figures, and demands with whether they are met."""

    title: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    failures: int = 0

    def add(self, name: str, value: object) -> None:
        self.lines.append((name, f"{value:,}" if isinstance(value, int) else str(value)))

    def demand(self, name: str, value: object, *, met: bool) -> None:
        self.failures += not met
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        self.lines.append((name, f"{shown}   {'ok' if met else 'FAILED'}"))

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.lines)
        rows = [f"  {name:<{width}}  {value}" for name, value in self.lines]
        return "\n".join(["", self.title, *rows, f"  {'all demands met' if not self.failures else 'FAILED'}"])


@contextlib.contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """A folder for the files of a benchmark: `keep`, or one that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="uploader-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget(source: Path) -> None:
    """Remove what an earlier job on this file has left."""
    for path in source.parent.glob(f"{source.name}.*"):
        path.unlink()
