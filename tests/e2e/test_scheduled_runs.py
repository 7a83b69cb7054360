"""A run as a scheduler does it: no terminal, settings by the environment, a root that can't be written,
secrets behind links, every process number 1 of its container, a SIGTERM in the middle.
"""

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import TOKEN, end, environment, kill, run, start, start_python, wait_until
from support.soaked import some
from uploader.cli.commands.status import read_summary
from uploader.errors import CheckpointError

#: A mount namespace whose root is read-only but for one folder, and a first process of its own. "$0" is the
#: folder, "$@" the command.
_CONTAINER = """
mount --make-rprivate / && mount --bind "$0" "$0" && mount -o remount,ro,bind / &&
for folder in /tmp /var/tmp /usr/tmp /dev/shm; do
    mountpoint -q "$folder" && mount -o remount,ro,bind "$folder"
done
cd / && exec "$@"
"""


def contained(folder: Path, *command: str) -> list[str]:
    return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", _CONTAINER, str(folder), *command]


def can_contain(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = contained(folder, "sh", "-c", 'touch "$0/inside" && ! touch "$0.outside"', str(folder))
    done = subprocess.run(probe, capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def write_contacts(path: Path, count: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    lines = [f"c{number}@example.com,F{number}\n" for number in range(count)]
    path.write_text("email,firstname\n" + "".join(lines))
    return path


def secret(folder: Path) -> Path:
    """As a volume of secrets has it: a link to a link, of wide mode, with a line end."""
    version = folder / "secrets" / "..2026_11_26"
    version.mkdir(parents=True)
    (version / "token").write_text(f"{TOKEN}\n")
    (version / "token").chmod(0o444)
    (folder / "secrets" / "..data").symlink_to(version.name)
    (folder / "secrets" / "token").symlink_to("..data/token")
    return folder / "secrets" / "token"


def settled(checkpoint: Path) -> int:
    try:
        return read_summary(checkpoint).tallies.settled
    except CheckpointError:
        return 0


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def variables(tmp_path, state, hubspot_mock):
    """The options of an upload, and its mock server."""
    fault = {"kind": "delay", "seconds": 3_600, "requests": [8, 10]}
    mock = hubspot_mock(latency_seconds=0.1, scenario={"faults": [fault]})
    given = {
        "SOURCE": str(write_contacts(tmp_path / "exports" / "contacts.csv", 6_000)),
        "CHECKPOINT_DIR": str(state),
        "SUMMARY_FILE": str(state / "summary.json"),
        "TOKEN_FILE": str(secret(tmp_path)),
        "BASE_URL": mock.url,
        "DRAIN_TIMEOUT": "0.5",
        "NO_CANARY": "1",
    }
    return mock, {f"UPLOADER_{name}": value for name, value in given.items()}


def bare(variables: dict[str, str]) -> dict[str, str]:
    """Neither a home nor a place for temporary files nor a token but that of the file."""
    return {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **variables}


def begin(state: Path, variables: dict[str, str], *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        contained(state, sys.executable, "-m", "uploader", "upload", *more),
        env=bare(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_process(container: subprocess.Popen[str]) -> int:
    """Number 1 of the container, as it is called outside."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text()
    return int(children.split()[0])


def test_as_a_scheduler_runs_it(tmp_path, state, variables):
    if not can_contain(state):
        pytest.skip("no namespaces here")
    mock, given = variables
    checkpoint, summary_file = state / "contacts.csv.checkpoint", state / "summary.json"
    job = begin(state, given)
    wait_until(lambda: settled(checkpoint) > 1_000 and mock.stats()["in_flight"] >= 3, job)
    # Another container of the same volume, where the uploader is number 1 as well.
    other = end(begin(state, {**given, "UPLOADER_SUMMARY_FILE": str(state / "other.json")}))
    assert other.code == 2
    assert "another process is using" in other.err
    assert read_summary(checkpoint).state == "running"
    refused = json.loads((state / "other.json").read_text())
    assert (refused["state"], refused["exit_code"]) == ("not started", 2)
    assert not summary_file.exists()

    os.kill(first_process(job), signal.SIGTERM)
    stopped = end(job)
    assert stopped.code == 143, stopped
    assert "settings by variables: " in stopped.err
    for name in ("UPLOADER_CHECKPOINT_DIR", "UPLOADER_TOKEN_FILE"):
        assert f"{name}={given[name][:70]}" in stopped.err  # of long values the beginning is shown
    assert "chmod" not in stopped.err
    assert TOKEN not in stopped.err + stopped.out
    reported = json.loads(summary_file.read_text())
    assert (reported["state"], reported["exit_code"]) == ("stopped", 143)
    assert reported["open"] > 0
    assert reported["rows"] == reported["created"] + reported["updated"] + reported["open"]
    assert read_summary(checkpoint).state == "stopped"

    mock.change_scenario({})
    ended = end(begin(state, given))
    assert ended.code == 0, ended
    reported = json.loads(summary_file.read_text())
    assert (reported["rows"], reported["open"], reported["state"], reported["exit_code"]) == (
        6_000,
        0,
        "complete",
        0,
    )
    # What was in flight when the time was up had been written: it is known to have been sent before.
    assert reported["replayed"] == reported["updated"] == 300
    assert len(mock.contacts()) == 6_000
    again = end(begin(state, given))
    assert again.code == 0
    assert "nothing was sent" in again.err
    assert stat.S_IMODE(summary_file.stat().st_mode) == 0o600
    left = {path.name for path in state.iterdir()} - {"inside", "other.json"}
    assert left == {"contacts.csv.checkpoint", "contacts.csv.results.csv", "summary.json"}
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["contacts.csv"]


def test_a_first_process_that_is_still_starting_ends_at_sigterm(state, variables):
    """The kernel keeps from number 1 what it has no handler for; a scheduler would have to kill it."""
    if not can_contain(state):
        pytest.skip("no namespaces here")
    _, given = variables
    os.mkfifo(state / "token")
    job = begin(state, {**given, "UPLOADER_TOKEN_FILE": str(state / "token")})
    held: list[int] = []
    wait_until(lambda: _hold(state / "token", held), job)
    # It reads, and there is nothing to read yet. A signal just before would wait for the end of the read.
    wait_until(lambda: _is_reading(first_process(job)), job)
    os.kill(first_process(job), signal.SIGTERM)
    assert end(job).code == 143
    os.close(held[0])
    assert not (state / "contacts.csv.checkpoint").exists()


def _is_reading(pid: int) -> bool:
    """Whether the process is inside of `read`, which is number 0 on x86-64 and 63 on ARM."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith(("0 ", "63 "))


def _hold(fifo: Path, held: list[int]) -> bool:
    try:
        held.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # nobody reads it yet
        return False
    return True


_SORT = """
import sqlite3, sys
from pathlib import Path
from uploader.system.sqlite import set_temporary_folder
path = Path(sys.argv[1]) / "sorted"
connection = sqlite3.connect(path)
connection.execute("PRAGMA cache_size=10")
connection.execute("CREATE TABLE words (word TEXT)")
rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000) "
connection.execute(f"INSERT INTO words {rows} SELECT hex(i * 7919 % 20011) || hex(zeroblob(100)) FROM n")
connection.commit()
if sys.argv[2] == "beside":
    set_temporary_folder(connection, path)
print(len(connection.execute("SELECT word, count(*) FROM words GROUP BY word ORDER BY 2, 1").fetchall()))
"""


@pytest.mark.parametrize(("where", "code"), [("beside", 0), ("nowhere", 1)])
def test_temporary_files_go_beside_the_checkpoint_where_nothing_else_is_writable(state, where, code):
    if not can_contain(state):
        pytest.skip("no namespaces here")
    done = subprocess.run(
        contained(state, sys.executable, "-c", _SORT, str(state), where),
        env=bare({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done
    assert code or done.stdout == "20000\n"


@pytest.mark.parametrize("command", some("preview", soaked=["check"]))
def test_scans_need_no_folder_for_temporary_files(command, state, variables):
    if not can_contain(state):
        pytest.skip("no namespaces here")
    mock, given = variables
    mock.change_scenario({})
    done = subprocess.run(
        contained(state, sys.executable, "-m", "uploader", command, "--json"),
        env=bare(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done
    assert json.loads(done.stdout)
    assert {path.name for path in state.iterdir()} == {"inside"}


@pytest.mark.parametrize("command", some("upload", soaked=["check", "preview"]))
def test_where_nothing_can_be_written_one_line_says_so(command, tmp_path, state, variables):
    if not can_contain(state):
        pytest.skip("no namespaces here")
    mock, given = variables
    mock.change_scenario({})
    given = {**given, "UPLOADER_CHECKPOINT_DIR": str(tmp_path / "exports")}
    done = subprocess.run(
        contained(state, sys.executable, "-m", "uploader", command),
        env=bare(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    reported = [line for line in done.stderr.splitlines() if line.startswith("uploader: ")]
    assert len(reported) == 1
    assert f"{tmp_path}/exports" in reported[0]
    assert "--checkpoint-dir" in reported[0]
    assert mock.contacts() == []


# --- the summary file ---


def reported(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_the_summary_file_says_what_json_says_and_is_gone_while_a_run_is_under_way(tmp_path, hubspot_mock):
    write_contacts(tmp_path / "contacts.csv", 5_000)
    mock = hubspot_mock(latency_seconds=0.1)
    summary = tmp_path / "summary.json"
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--max-in-flight", "2", "--json")
    command += ("--summary-file", "summary.json")
    process = start_python(*command, cwd=tmp_path)
    wait_until(lambda: settled(tmp_path / "contacts.csv.checkpoint") > 200, process)
    stopped = kill(process, signal.SIGINT)
    assert stopped.code == 130
    assert reported(summary) == {**stopped.summary, "exit_code": 130}
    before = mock.stats()["upserts"]
    process = start(*command, cwd=tmp_path)
    wait_until(lambda: mock.stats()["upserts"] > before, process)
    assert not summary.exists()
    kill(process)
    assert not summary.exists()
    ended = run(*command, cwd=tmp_path)
    assert ended.code == 0
    assert reported(summary) == {**ended.summary, "exit_code": 0}


def test_failed_rows_within_the_tolerance_are_a_success_and_status_tells_of_the_rows(tmp_path, hubspot_mock):
    write_contacts(tmp_path / "contacts.csv", 98)
    with (tmp_path / "contacts.csv").open("a") as file:
        file.write("no address,A\nc@example.badtld,B\n")
    mock = hubspot_mock()
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--json", "--summary-file", "s.json")
    ended = run(*command, "--tolerate", "2%", cwd=tmp_path)
    assert ended.code == 0, ended
    assert "complete; 2 rows failed, no more than --tolerate 2%" in ended.err
    assert (reported(tmp_path / "s.json")["tolerated"], reported(tmp_path / "s.json")["exit_code"]) == (2, 0)
    # Each invocation says what it tolerates; the checkpoint holds what became of the rows.
    assert run(*command, "--tolerate", "1", cwd=tmp_path).code == 1
    assert run(*command, cwd=tmp_path).code == 1
    status = run("status", "contacts.csv.checkpoint", "--json", cwd=tmp_path).summary
    assert (status["state"], status["rejected"], status["invalid"]) == ("complete", 1, 1)
    assert "tolerated" not in status


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing/s.json", "No such file"),
        ("contacts.csv", "exists and is not such a file"),
        ("contacts.csv.checkpoint", "is the checkpoint or the results file"),
    ],
)
def test_a_summary_file_that_can_not_be_is_told_before_anything_is_sent(name, why, tmp_path, hubspot_mock):
    write_contacts(tmp_path / "contacts.csv", 10)
    mock = hubspot_mock()
    ended = run("upload", "contacts.csv", "--base-url", mock.url, "--summary-file", name, cwd=tmp_path)
    assert ended.code == 2
    assert why in ended.err
    assert ended.err.count("\n") == 1
    assert mock.stats()["requests"] == 0


def test_a_job_that_can_not_start_leaves_no_summary_of_an_earlier_one(tmp_path, hubspot_mock):
    write_contacts(tmp_path / "contacts.csv", 10)
    mock = hubspot_mock()
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--summary-file", "s.json")
    assert run(*command, cwd=tmp_path).code == 0
    ended = run(*command, "--portal", "1", cwd=tmp_path)
    assert ended.code == 0  # a finished job asks nobody
    assert run(*command, "--restart", "--portal", "1", cwd=tmp_path).code == 2
    document = reported(tmp_path / "s.json")
    assert document.keys() == {"state", "reason", "exit_code"}
    assert (document["state"], document["exit_code"]) == ("not started", 2)
    assert "--portal 1" in str(document["reason"])


# --- the token's file ---


def test_a_token_file_of_ones_own_that_others_can_read_gets_a_line(tmp_path, hubspot_mock):
    write_contacts(tmp_path / "contacts.csv", 10)
    file, mock = tmp_path / "token", hubspot_mock()
    file.write_text(f"{TOKEN}\n")
    env = environment(HUBSPOT_ACCESS_TOKEN="")
    command = ("upload", "contacts.csv", "--base-url", mock.url, "--token-file", "token")
    for mode, lines in ((0o644, 1), (0o600, 0)):
        file.chmod(mode)
        ended = run(*command, cwd=tmp_path, env=env)
        assert ended.code == 0
        assert ended.err.count("chmod 600 token") == lines


# --- the canary ---


def test_the_command_that_goes_on_needs_no_variables(tmp_path, hubspot_mock):
    write_contacts(tmp_path / "contacts.csv", 30)
    mock = hubspot_mock()
    given = {"SOURCE": "contacts.csv", "BASE_URL": mock.url, "CANARY": "5", "CANARY_WAIT": "0"}
    env = environment(**{f"UPLOADER_{name}": value for name, value in given.items()})
    waiting = run("upload", "--set", "company=A B", cwd=tmp_path, env=env)
    assert waiting.code == 3
    (line,) = [line for line in waiting.err.splitlines() if line.startswith("to continue: uploader ")]
    ended = run(*shlex.split(line.removeprefix("to continue: uploader ")), cwd=tmp_path)
    assert ended.code == 0, ended
    assert len(mock.contacts()) == 30


# --- one environment for all commands ---


def test_variables_of_upload_serve_the_commands_after_it(tmp_path, hubspot_mock):
    write_contacts(tmp_path / "exports" / "a.csv", 30)
    write_contacts(tmp_path / "exports" / "b.csv", 20)
    mock = hubspot_mock()
    given = {"SOURCE": "exports/*.csv", "CHECKPOINT": "job.checkpoint", "BASE_URL": mock.url, "JSON": "1"}
    env = environment(**{f"UPLOADER_{name}": value for name, value in given.items()})
    uploaded = run("upload", cwd=tmp_path, env=env)
    assert (uploaded.code, uploaded.summary["rows"]) == (0, 50), uploaded
    assert run("status", cwd=tmp_path, env=env).summary == uploaded.summary
    verified = run("verify", cwd=tmp_path, env=env)
    assert (verified.code, verified.summary["equal"]) == (0, 30), verified
    assert run("failures", cwd=tmp_path, env=env).code == 0
