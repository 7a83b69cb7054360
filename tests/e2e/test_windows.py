"""Windows has no locks, signals and file modes as uploader needs them: each way in says what to do there.

Run as a script, this file is a process on Windows as far as this package can see. Its argument is code to
run. Other packages are imported beforehand, as they are here: they have their own ways on Windows.
"""

import asyncio
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import uploader
from support.processes import environment
from uploader.cli.main import COMMANDS

#: What Windows lacks.
MODULES = ("fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty", "uvloop")
NAMES = {
    os: (
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown", "fchmod", "fdatasync", "fork"),
        *("geteuid", "getuid", "mkfifo", "pread", "pwrite", "statvfs", "sysconf", "uname"),
    ),
    select: ("poll", "epoll"),
    signal: ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
    asyncio.AbstractEventLoop: ("add_signal_handler", "remove_signal_handler"),
}
LINE = (
    "uploader runs on Linux and macOS; on Windows it runs in WSL: install that with `wsl --install`, open it "
    "with `wsl`, install uploader there, and run the same command"
)
#: Runs command lines, which are a JSON list of lists; prints code, output and errors of each.
COMMAND_LINES = """
import contextlib, io
from uploader.cli.main import run
found = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""
AS_A_MODULE = """
import contextlib, runpy
sys.argv[0] = "uploader"
with contextlib.redirect_stderr(sys.stdout):
    try:
        runpy.run_module("uploader", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        print(ended.code)
"""
PYTHON_API = """
import uploader
from uploader import Outcome, Summary, Uploader

async def outcomes():
    async with Uploader(token="t") as job:
        async for row in job.run("x.csv"):
            pass

async def failures():
    async for row in uploader.failures("x.csv.checkpoint"):
        pass

async def put():
    async with Uploader(token="t") as job:
        await job.put({"email": "a@x.com"})
        await job.finish()

calls = {
    "upload": lambda: uploader.upload("x.csv", token="t"),
    "rows": lambda: uploader.upload([{"email": "a@x.com"}], token="t", checkpoint="a.checkpoint"),
    "outcomes": outcomes,
    "put": put,
    "check": lambda: uploader.check("x.csv", token="t"),
    "preview": lambda: uploader.preview("x.csv", token="t"),
    "verify": lambda: uploader.verify("x.csv.checkpoint", token="t"),
    "undo": lambda: uploader.undo("x.csv.checkpoint", token="t"),
    "failures": failures,
}
for name, call in calls.items():
    try:
        asyncio.run(call())
    except uploader.UploaderError as error:
        print(name, error)
try:
    uploader.upload_sync("x.csv", token="t")
except uploader.UploaderError as error:
    print("upload_sync", error)
"""
ALL_MODULES = """
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def windows(code: str, *arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, __file__, code, *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(Path(__file__).parents[1])),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_command_says_in_one_line_how_it_runs_there(tmp_path):
    lines = [*([name, "x.csv"] for name in COMMANDS), ["nonsense"], ["--help"], ["--version"]]
    found = json.loads(windows(COMMAND_LINES, json.dumps(lines), folder=tmp_path))
    *refused, (help_code, help_text, _), (code, version, _) = found
    assert refused == [[2, "", f"uploader: {LINE}\n"]] * (len(COMMANDS) + 1)
    assert (help_code, code, version.partition(",")[0]) == (0, 0, "uploader")
    assert "mock-server" in help_text
    assert list(tmp_path.iterdir()) == []


def test_as_a_module_it_says_the_same(tmp_path):
    assert windows(AS_A_MODULE, "upload", "x.csv", folder=tmp_path) == f"uploader: {LINE}\n2\n"


def test_the_python_api_raises_the_same(tmp_path):
    calls = [
        "upload",
        "rows",
        "outcomes",
        "put",
        "check",
        "preview",
        "verify",
        "undo",
        "failures",
        "upload_sync",
    ]
    assert windows(PYTHON_API, folder=tmp_path).splitlines() == [f"{name} {LINE}" for name in calls]


@pytest.mark.soak
def test_every_module_can_be_imported_there(tmp_path):
    """Else a message of Python would come before ours."""
    assert int(windows(ALL_MODULES, folder=tmp_path)) > 400


# --- the process ---


def all_modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(uploader.__path__, "uploader.")]
    return [name for name in found if name not in {"uploader.__main__", "uploader.mockserver.pytest_plugin"}]


def become_windows() -> None:
    """Forget this package, and hide what Windows lacks."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "uploader"]:
        del sys.modules[name]
    sys.modules.update(dict.fromkeys(MODULES))
    for owner, names in NAMES.items():
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
    sys.platform = "win32"


if __name__ == "__main__":
    names = all_modules()
    for each in names:
        importlib.import_module(each)
    become_windows()
    exec(sys.argv.pop(1), globals())
