"""The README's migration, typed as it stands there: from a foreign file to a verified account."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = re.search(r"\n## A migration in six commands\n(.*?)\n## ", README, re.DOTALL)[1]
LINES = re.findall(r"^    (.*)$", SECTION, re.MULTILINE)
#: In words, as the README has it: what the exit code of each command is. All others end with 0.
EXIT_CODES = {
    "uploader check -f contacts.toml": 1,
    "uploader preview -f contacts.toml": 1,
    "uploader upload -f contacts.toml": 1,
}
PORT = "8080"
_END = "<<<ended"
_MARK = re.compile(rf"^{_END} (\d+) (.*)\n", re.MULTILINE)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def script(port):
    """The lines, each followed by its exit code. A reader waits until the server listens."""
    yield "exec 2>&1"
    for line in LINES:
        yield line.replace(PORT, port)
        if line.endswith("&"):
            yield f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.05; done"
        elif line.startswith("uploader "):
            yield f'echo "{_END} $? {line}"'


def pasted(folder):
    """Command -> its exit code and what a person sees who pastes the lines one by one."""
    programs = str(Path(sys.executable).parent)
    shell = subprocess.Popen(
        ["/bin/bash", "-c", "\n".join(script(free_port()))],
        cwd=folder,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "LANG": os.environ.get("LANG", "C.UTF-8")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        text = shell.communicate(timeout=120)[0]
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    outputs, codes, commands = (re.split(_MARK, text)[first::3] for first in range(3))
    return dict(zip(commands, zip(map(int, codes), outputs, strict=False), strict=True))


def test_from_a_foreign_file_to_a_verified_account(tmp_path):
    shown = pasted(tmp_path)
    commands = [line for line in LINES if line.startswith("uploader ") and not line.endswith("&")]
    ended = {line: code for line, (code, _) in shown.items()}
    assert ended == {line: EXIT_CODES.get(line, 0) for line in commands}, shown

    check = shown["uploader check -f contacts.toml"][1]
    pattern = r"reports (\d+) invalid rows, (\d+) repeated keys, and (\d+) people who have opted out"
    for number, word in zip(
        re.search(pattern, SECTION).groups(), ("invalid", "keys", "skipped"), strict=True
    ):
        assert re.search(rf"(?:^ *|, ){number} +{word}", check, re.MULTILINE)

    upload = shown["uploader upload -f contacts.toml"][1].splitlines()
    top = re.search(r"This is the end of an upload:\n\n(.*?)\n\n", README, re.DOTALL)[1]
    assert [line for line in top.splitlines() if line.removeprefix("    ") not in upload] == []

    verify = shown["uploader verify -f contacts.toml"][1]
    [equal] = re.findall(r"All (\d+) are as the file asks", SECTION)
    assert re.search(rf"^ *{equal}  equal$", verify, re.MULTILINE)
    assert re.search(r"^ *0  differ$", verify, re.MULTILINE)


def test_there_are_six_commands_each_on_a_line_of_its_own():
    assert re.findall(r"^\*\*(\d)\. .*?^    uploader (?:\w+) ", SECTION, re.MULTILINE | re.DOTALL) == [
        *"123456"
    ]
