"""`uploader demo`: an upload to the mock server that is killed once and resumed, in half a minute.

It runs the commands that a user would type, each in a process of its own, and shows them.
"""

import csv
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import click

from uploader.cli.commands.status import read_summary
from uploader.cli.demo_files import make_contacts, make_export
from uploader.cli.logs import print_message
from uploader.cli.option_variables import PREFIX
from uploader.cli.output import print_lines
from uploader.cli.text.next_command import command_line
from uploader.errors import CheckpointError, SettingsError, UploaderError

_ROWS = 20_000
_EXPORTED_ROWS = 1_000
#: Settled rows after which the upload is killed.
_KILL_AFTER = 6_000


@click.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder for its files. Default: a new temporary one."
)
@click.option(
    "--file-only",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Upload nothing. Write 1,000 made-up contacts to FILE, as Salesforce exports them.",
)
def command(*, folder: Path | None, file_only: Path | None) -> int:
    """Upload 20,000 made-up contacts to a mock server, and show the outcomes.

    The file has the errors that real files have. Half-way the upload is killed, and resumed.
    """
    if file_only is not None:
        return _write_export(file_only)
    folder = folder or Path(tempfile.mkdtemp(prefix="uploader-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "contacts.csv"
    for leftover in folder.glob("contacts.csv.*"):
        leftover.unlink()
    make_contacts(source, _ROWS)
    print_message(f"wrote {source}: {_ROWS:,} rows, some of them with errors", sys.stdout)
    with _mock_server() as url:
        print_message(f"started a mock server at {url} with a quota of 190 requests in 10 s", sys.stdout)
        upload = ["upload", str(source), "--base-url", url]
        show(upload)
        _kill_on_the_way(_start(upload), source)
        show(upload)
        code = _start(upload).wait()
    if code not in {0, 1}:
        raise UploaderError(f"the demo's upload ended with exit code {code}")
    letters = folder / "contacts.failures.csv"
    letters.unlink(missing_ok=True)
    failures = ["failures", f"{source}.checkpoint", "-o", str(letters)]
    show(failures)
    _start(failures).wait()
    _show_letters(letters)
    print_lines(next_lines(folder, source))
    return 0


def next_lines(folder: Path, source: Path) -> list[str]:
    status = command_line("status", source.with_name(f"{source.name}.checkpoint"))
    return [
        "",
        f"The files are in {folder}: source, checkpoint, results (the outcome of each row), failed rows.",
        "Try next:",
        f"  state of the job: {status}",
        f"  a mock server to practise on: {command_line('mock-server', '--quota', '190/10')}",
        "    (in another terminal, add --base-url with its URL to a command, with any HUBSPOT_ACCESS_TOKEN)",
        f"  for a real account, with its token in HUBSPOT_ACCESS_TOKEN: {command_line('upload', '--help')}",
    ]


def _write_export(path: Path) -> int:
    try:
        make_export(path, _EXPORTED_ROWS)
    except FileExistsError as error:
        raise SettingsError(f"--file-only {path}: this file exists; name a new one") from error
    except OSError as error:
        raise SettingsError(f"--file-only {path}: {error.strerror}") from error
    print_message(f"made {path}: {_EXPORTED_ROWS:,} rows, a few of them dirty", sys.stdout)
    return 0


@contextmanager
def _mock_server() -> Iterator[str]:
    server = _start(["mock-server", "--quota", "190/10"], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        words = server.stdout.readline().split()
        if not words:
            raise UploaderError("the mock server did not start")
        yield words[-1]
    finally:
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()


def _start(arguments: list[str], stdout: int | None = None) -> subprocess.Popen[str]:
    # Variables that are set for other jobs must not apply to the demo.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = {**kept, "HUBSPOT_ACCESS_TOKEN": "demo"}
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "uploader", *arguments], env=environment, stdout=stdout, text=True
    )


def show(arguments: list[str]) -> None:
    print_message("", sys.stdout)
    print_message(f"$ {command_line(*arguments)}", sys.stdout)


def _kill_on_the_way(upload: subprocess.Popen[str], source: Path) -> None:
    """Send SIGKILL to the upload once enough rows are settled."""
    checkpoint = Path(f"{source}.checkpoint")
    while True:
        try:
            upload.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise UploaderError(f"the demo's upload ended early, with exit code {upload.returncode}")
        try:
            settled = read_summary(checkpoint).tallies.settled
        except CheckpointError:
            continue
        if settled >= _KILL_AFTER:
            break
    upload.send_signal(signal.SIGKILL)
    upload.wait()
    print_message("", sys.stdout)
    print_message(f"killed it (SIGKILL) after {settled:,} rows; the same command resumes:", sys.stdout)


def _show_letters(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        letters = csv.DictReader(file)
        shown: dict[str, dict[str, str]] = {}
        for letter in islice(letters, 1_000):
            shown.setdefault(letter["uploader_outcome"] + letter["uploader_message"][:40], letter)
    print_message("for example:", sys.stdout)
    for letter in list(shown.values())[:5]:
        message = letter["uploader_message"]
        short = message if len(message) < 90 else f"{message[:90]}..."
        print_message(
            f"  row {letter['uploader_row']:>6}  {letter['uploader_outcome']:9} {short}", sys.stdout
        )
