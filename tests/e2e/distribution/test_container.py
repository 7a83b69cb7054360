"""The image of `.docker/Dockerfile`, built and run without Docker: the same instructions.

Each stage is a root of its own, with the system's programs and the Python of these tests in place of the base
image. There `RUN` is a shell's, and `ENTRYPOINT` is the first process, as the image's user.
"""

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import TOKEN, end, wait_until
from uploader import __version__
from uploader.cli.commands.status import read_summary
from uploader.errors import CheckpointError

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / ".docker/Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "uploader/docs/operations.md").read_text(encoding="utf-8")
INSTRUCTIONS = re.findall(r"^([A-Z]+) +(.+)$", DOCKERFILE, re.MULTILINE)
USER, ENTRYPOINT = dict(INSTRUCTIONS)["USER"], json.loads(dict(INSTRUCTIONS)["ENTRYPOINT"])

_PATH = "/usr/bin:/bin:/usr/sbin"
#: A root of one's own: "$0" is its folder; of the system it has what cannot be written. "$@" is the command.
_INSIDE = """
set -e
mount --make-rprivate /
mkdir -p "$0/proc" "$0/dev"
mount -t proc proc "$0/proc"
mount --bind /dev "$0/dev"
for folder in /bin /etc /lib /lib64 /usr "$PYTHON"; do
    if [ -e "$folder" ]; then
        mkdir -p "$0$folder"
        mount --bind "$folder" "$0$folder"
        mount -o remount,ro,bind "$0$folder"
    fi
done
exec chroot "$@"
"""


def inside(root: Path, *command: str, user: str = "0:0", folder: str = "/") -> list[str]:
    """The command, as the first process of a container."""
    chroot = [f"--userspec={user}", str(root), "env", "-C", folder, *command]
    return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", _INSIDE, str(root), *chroot]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PATH": f"{sys.base_prefix}/bin:{_PATH}", "PYTHON": sys.base_prefix, **more}


def is_in_context(path: str) -> bool:
    """Whether `.dockerignore` leaves a file to `COPY .`: the last line that fits decides."""
    parts, found = path.split("/"), True
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#"):
            names = parts if pattern.startswith("**/") else above
            if any(fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) for name in names):
                found = line.startswith("!")
    return found


def copy_context(to: Path) -> None:
    tops = [path for path in ROOT.iterdir() if is_in_context(path.name)]
    for path in [one for top in tops for one in (top, *top.rglob("*"))]:
        name = path.relative_to(ROOT)
        if path.is_file() and is_in_context(str(name)):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / name)


def build(folder: Path) -> Path:
    """Follow the instructions; the root of the last stage."""
    root, stages, variables = folder, dict[str, Path](), dict[str, str]()
    for name, rest in INSTRUCTIONS:
        words = rest.split()
        match name:
            case "FROM":
                root = folder / str(len(stages))
                stages[words[-1]] = root
                (root / "tmp").mkdir(parents=True)
            case "ARG":
                variables.update([rest.split("=", 1)])
            case "COPY" if words[0] == ".":
                copy_context(root / words[1].lstrip("/"))
            case "COPY":
                source = stages[words[0].removeprefix("--from=")]
                shutil.copytree(source / words[1].lstrip("/"), root / words[2].lstrip("/"), symlinks=True)
            case "RUN":
                command = inside(root, "sh", "-c", rest)
                done = subprocess.run(
                    command, env=environment(**variables), capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done
            case "WORKDIR":
                (root / rest.lstrip("/")).mkdir()
            case _:
                assert name in {"USER", "ENTRYPOINT"}, name
    return root


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """`docker run IMAGE ARGUMENTS`."""
    return subprocess.Popen(
        inside(root, *ENTRYPOINT, *arguments, user=USER, folder=dict(INSTRUCTIONS)["WORKDIR"]),
        env={"PATH": _PATH, "PYTHON": sys.base_prefix, "HUBSPOT_ACCESS_TOKEN": TOKEN},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def settled(checkpoint: Path) -> int:
    try:
        return read_summary(checkpoint).tallies.settled
    except CheckpointError:
        return 0


def first_process(container: subprocess.Popen[str]) -> int:
    """Number 1 of the container, as it is called outside."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text()
    return int(children.split()[0])


@pytest.mark.soak
def test_the_image_is_built_and_runs_as_its_user(tmp_path, hubspot_mock):
    probe = subprocess.run(
        inside(tmp_path / "probe", "true"), env=environment(), capture_output=True, timeout=60, check=False
    )
    if probe.returncode:
        pytest.skip("no namespaces here")
    tmp_path.chmod(0o755)
    root = build(tmp_path / "image")
    assert not (root / "source").exists()
    version = end(start(root, "--version"))
    assert (version.code, version.out) == (0, f"uploader, version {__version__}\n")
    assert end(start(root, "upload", "missing.csv")).code == 2

    state, mock = root / "work/state", hubspot_mock(latency_seconds=0.1)
    state.mkdir()
    state.chmod(0o777)
    rows = "".join(f"c{number}@example.com\n" for number in range(3_000))
    (state / "contacts.csv").write_text(f"email\n{rows}")
    command = ("upload", "state/contacts.csv", "--base-url", mock.url, "--no-canary", "--max-in-flight", "2")
    job = start(root, *command)
    wait_until(lambda: settled(state / "contacts.csv.checkpoint") > 0, job)
    os.kill(first_process(job), signal.SIGTERM)
    stopped = end(job)
    assert stopped.code == 143, stopped
    ended = end(start(root, *command))
    assert ended.code == 0, ended
    assert len(mock.contacts()) == 3_000
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in state.glob("contacts.csv.*")}
    assert owners == {tuple(map(int, USER.split(":")))}
    shutil.rmtree(tmp_path / "image")  # half a gigabyte


def test_nothing_but_the_package_gets_into_the_image():
    package = ["LICENSE", "README.md", "pyproject.toml", "uploader/py.typed", "uploader/docs/input.md"]
    others = ["contacts.csv", ".env", "token", ".git/config", ".venv/bin/python", "tests/conftest.py"]
    others += [
        "contacts.csv.checkpoint",
        "uploader/__pycache__/version.pyc",
        "uploader/cli/__pycache__/a.pyc",
    ]
    assert [name for name in package if not is_in_context(name)] == []
    assert [name for name in others if is_in_context(name)] == []


def test_the_job_of_kubernetes_runs_the_image_that_is_built():
    """As the same user, by the same tag; a `securityContext` allows no other."""
    (built,) = set(re.findall(r"^    docker build (.*)$", PAGE, re.MULTILINE))
    (said,) = re.findall(r"docker build (.*)$", DOCKERFILE, re.MULTILINE)
    assert built == said
    tag = built.split()[built.split().index("-t") + 1]
    assert tag == f"hubspot-uploader:{__version__}"
    job = dict(re.findall(r"^ +(image|runAsUser|fsGroup): (\S+)", PAGE, re.MULTILINE))
    assert job["image"] == f"your-registry/{tag}"
    assert f"{job['runAsUser']}:{job['fsGroup']}" == USER
