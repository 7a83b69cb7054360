"""A program that prints the token: in every command, and nowhere the token itself."""

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from support.processes import (
    TOKEN as TOKEN_OF_THE_ENVIRONMENT,
    dialogue,
    end,
    environment,
    run,
    start,
    start_python,
    wait_until,
)
from uploader.cli.commands.status import read_summary
from uploader.cli.main import COMMANDS, group
from uploader.errors import CheckpointError

FIRST, SECOND = "pat-na1-first-of-the-vault", "pat-na1-second-of-the-vault"
WITHOUT_TOKEN = environment(HUBSPOT_ACCESS_TOKEN="")


def accepting(*tokens: str, **more: object) -> dict[str, object]:
    return {"auth": {"tokens": list(tokens)}, **more}


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """The folder of a program `vault`, and of the token that it prints; it notes that it was run."""
    folder = tmp_path / "vault"
    folder.mkdir()
    (folder / "token").write_text(f"{FIRST}\n")
    program = folder / "print-token"
    program.write_text('#!/bin/sh\ncd "$(dirname "$0")"\necho "$@" >>runs\ncat token\n')
    program.chmod(0o700)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def runs(vault: Path) -> list[str]:
    return (vault / "runs").read_text().splitlines() if (vault / "runs").exists() else []


def command(vault: Path) -> str:
    return shlex.join([str(vault / "print-token"), "op://crm/hub spot"])


def contacts(path: Path, count: int) -> None:
    rows = "".join(f"c{number}@example.com,F{number}\n" for number in range(count))
    path.write_text(f"email,firstname\n{rows}")


def settled(checkpoint: Path) -> int:
    try:
        return read_summary(checkpoint).tallies.settled
    except CheckpointError:
        return 0


@pytest.mark.soak
def test_an_upload_whose_token_is_revoked_half_way_ends_well_and_shows_no_token(vault, work, hubspot_mock):
    """Nothing that the run leaves or shows has a token: files, output, its own command line."""
    contacts(work / "contacts.csv", 1_500)
    mock = hubspot_mock(latency_seconds=0.1, scenario=accepting(FIRST))
    words = ("--token-command", command(vault), "--base-url", mock.url, "--snapshot", "-v", "--json")
    words += ("--max-in-flight", "1")
    process = start_python("upload", "contacts.csv", *words, cwd=work, env=WITHOUT_TOKEN)
    checkpoint = work / "contacts.csv.checkpoint"
    wait_until(lambda: settled(checkpoint) >= 100, process)
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(process.pid)], capture_output=True, check=True
    )
    seen = listed.stdout
    assert b"--token-command" in seen
    assert runs(vault) == ["op://crm/hub spot"]
    (vault / "token").write_text(f"{SECOND}\n")
    mock.change_scenario(accepting(SECOND))
    ended = end(process)
    assert (ended.code, ended.summary["created"], ended.summary["retries"]) == (0, 1_500, 0), ended.err
    assert len(mock.contacts()) == 1_500
    assert runs(vault) == ["op://crm/hub spot"] * 2
    report = run("report", checkpoint, cwd=work)
    assert report.code == 0
    files = [path.read_bytes() for path in work.iterdir()]
    texts = [seen, *(text.encode() for text in (ended.out, ended.err, report.out, report.err)), *files]
    assert len(files) >= 5
    assert not any(token.encode() in text for token in (FIRST, SECOND) for text in texts)
    assert "--token-command (not shown)" in ended.err


def test_a_resumed_job_runs_the_program_again(vault, work, hubspot_mock):
    contacts(work / "contacts.csv", 2_000)
    mock = hubspot_mock(latency_seconds=0.1, scenario=accepting(FIRST))
    words = ("upload", "contacts.csv", "--token-command", command(vault), "--base-url", mock.url, "--json")
    process = start(*words, cwd=work, env=WITHOUT_TOKEN)
    wait_until(lambda: settled(work / "contacts.csv.checkpoint") >= 300, process)
    process.send_signal(signal.SIGKILL)
    end(process)
    (vault / "token").write_text(SECOND)
    mock.change_scenario(accepting(SECOND))
    ended = run(*words, cwd=work, env=WITHOUT_TOKEN)
    assert (ended.code, ended.summary["created"] + ended.summary["updated"]) == (0, 2_000), ended.err
    assert len(runs(vault)) == 2


def test_every_command_that_takes_a_token_takes_it_from_a_program(vault, work, hubspot_mock):
    contacts(work / "contacts.csv", 5)
    (work / "plan.toml").write_text('[[step]]\nname = "people"\nsource = "others.csv"\n')
    contacts(work / "others.csv", 7)
    new = {"name": "shoe_size", "label": "Shoe size", "group": "contactinformation", "type": "number"}
    lines = "".join(f'{key} = "{value}"\n' for key, value in {**new, "field_type": "number"}.items())
    (work / "new.toml").write_text(f'object_type = "contacts"\n[[property]]\n{lines}')
    mock = hubspot_mock(scenario=accepting(FIRST))
    given = ("--token-command", command(vault), "--base-url", mock.url)
    lines = {
        "init": ["contacts.csv", "-f", "drafted.toml"],
        "check": ["contacts.csv"],
        "properties": [],
        "create-properties": ["new.toml", "--yes"],
        "preview": ["contacts.csv"],
        "upload": ["contacts.csv", "--snapshot", "--yes"],
        "verify": ["contacts.csv.checkpoint"],
        "undo": ["contacts.csv.checkpoint", "--yes"],
        "migrate": ["plan.toml", "--yes"],
    }
    assert {name for name in COMMANDS if takes_a_token(name)} - {"status"} == {*lines}
    for name, words in lines.items():
        before = len(runs(vault))
        ended = run(name, *words, *given, cwd=work, env=WITHOUT_TOKEN)
        assert ended.code == 0, (name, ended)
        assert len(runs(vault)) == before + 1, name
        assert FIRST not in ended.out + ended.err
    refused = {seen["status"] for seen in mock.log()} & {"401"}
    assert refused == set()


def takes_a_token(name: str) -> bool:
    loaded = group.get_command(None, name)
    return any("--token-command" in one.opts and one.expose_value for one in loaded.params)


def test_it_is_given_by_a_variable_which_no_printed_command_shows(vault, work, hubspot_mock):
    contacts(work / "contacts.csv", 30)
    mock = hubspot_mock(scenario=accepting(FIRST))
    variables = {"UPLOADER_TOKEN_COMMAND": command(vault), "UPLOADER_BASE_URL": mock.url}
    env = environment(HUBSPOT_ACCESS_TOKEN="", **variables)
    waiting = run("upload", "contacts.csv", "--canary", "5", "--canary-wait", "0", cwd=work, env=env)
    assert waiting.code == 3, waiting
    assert "op://" not in waiting.out + waiting.err
    assert b"op://" not in b"".join(path.read_bytes() for path in work.iterdir())
    (line,) = [line for line in waiting.err.splitlines() if line.startswith("to continue: uploader ")]
    ended = run(*shlex.split(line.removeprefix("to continue: uploader ")), cwd=work, env=env)
    assert ended.code == 0, ended
    assert len(mock.contacts()) == 30


def test_what_was_typed_is_in_the_printed_commands(vault, work, hubspot_mock):
    contacts(work / "contacts.csv", 30)
    mock = hubspot_mock(scenario=accepting(FIRST))
    given = ("--token-command", command(vault), "--base-url", mock.url)
    waiting = run("upload", "contacts.csv", "--canary", "5", "--canary-wait", "0", *given, cwd=work)
    (line,) = [line for line in waiting.err.splitlines() if line.startswith("to continue: uploader ")]
    ended = run(*shlex.split(line.removeprefix("to continue: uploader ")), cwd=work, env=WITHOUT_TOKEN)
    assert ended.code == 0, ended
    (line,) = [one for one in ended.err.splitlines() if one.startswith("compare the records")]
    verified = run(*shlex.split(line.partition(": uploader ")[2]), cwd=work, env=WITHOUT_TOKEN)
    assert verified.code == 0, verified
    drafted = run("init", "contacts.csv", *given, cwd=work, env=WITHOUT_TOKEN)
    assert "op://" not in (work / "contacts.toml").read_text()
    (line,) = [one for one in drafted.out.splitlines() + drafted.err.splitlines() if one.startswith("next: ")]
    checked = run(*shlex.split(line.partition(", then uploader ")[2]), cwd=work, env=WITHOUT_TOKEN)
    assert (checked.code, "account 4" in checked.out) == (0, True), checked


def test_a_project_file_names_no_program(work):
    contacts(work / "contacts.csv", 3)
    for text in ("token_command = 'sh -c \"touch ran\"'\nsource = 'contacts.csv'\n",):
        (work / "p.toml").write_text(text)
        ended = run("upload", "-f", "p.toml", cwd=work)
        assert ended.code == 2
        assert "line 1: token_command does not belong here" in ended.err
        assert "UPLOADER_TOKEN_COMMAND" in ended.err
        assert not (work / "ran").exists()
    schema = json.loads(run("schema", cwd=work).out)
    assert "token_file" in schema["properties"]
    assert "token_command" not in schema["properties"]


@pytest.mark.parametrize("other", ["--token-file", "--oauth-file"])
def test_two_sources_of_a_token_are_one_line(vault, work, other):
    contacts(work / "contacts.csv", 3)
    (work / "file").write_text(f"{FIRST}\n")
    for words, env in [
        (("--token-command", command(vault)), environment()),
        ((), environment(UPLOADER_TOKEN_COMMAND=command(vault))),
    ]:
        ended = run("upload", "contacts.csv", other, "file", *words, cwd=work, env=env)
        (line,) = ended.err.splitlines()
        assert line.startswith(f"uploader: use only one of {other} and --token-command"), line
        assert "op://" not in line
    assert "(--token-command is set by UPLOADER_TOKEN_COMMAND)" in line
    assert runs(vault) == []


def test_a_program_that_fails_starts_no_job_and_is_one_line_after_its_own(work):
    contacts(work / "contacts.csv", 3)
    failing = shlex.join(["sh", "-c", "echo it is locked >&2; exit 6", "hvs-secret"])
    ended = run("upload", "contacts.csv", "--token-command", failing, cwd=work, env=WITHOUT_TOKEN)
    assert (ended.code, ended.err.splitlines()) == (
        2,
        [
            "it is locked",
            "uploader: the token command (sh) failed with exit code 6; run it by itself to see why",
        ],
    )
    assert not (work / "contacts.csv.checkpoint").exists()


def test_rows_on_standard_input_are_kept_from_the_program(vault, work, hubspot_mock):
    """A program such as ssh reads whatever stands there."""
    mock = hubspot_mock(scenario=accepting(FIRST))
    reading = shlex.join(["sh", "-c", f"cat >{work / 'read'}; cat {vault / 'token'}"])
    words = ("--token-command", reading, "--base-url", mock.url, "--checkpoint", "a.checkpoint")
    process = start("upload", "-", *words, cwd=work, env=WITHOUT_TOKEN, stdin=subprocess.PIPE)
    process.stdin.write("email\na@example.com\nb@example.com\n")
    ended = end(process)
    assert ended.code == 0, ended
    assert len(mock.contacts()) == 2
    assert (work / "read").read_text() == ""


def test_a_program_asks_on_the_terminal(work, hubspot_mock):
    contacts(work / "contacts.csv", 3)
    mock = hubspot_mock(scenario=accepting(FIRST))
    asking = shlex.join(["sh", "-c", 'printf "finger? " >&2; read finger; echo "pat-na1-$finger"'])
    answers = [f"{FIRST.removeprefix('pat-na1-')}\n"]

    def reply(seen: str) -> str | None:
        return answers.pop() if answers and "finger? " in seen else None

    words = ("--token-command", asking, "--base-url", mock.url, "--yes")
    code, seen, _ = dialogue(work, reply, "upload", "contacts.csv", *words)
    assert code == 0, seen
    assert len(mock.contacts()) == 3


def test_an_interrupt_ends_a_program_that_waits(work):
    contacts(work / "contacts.csv", 3)
    waiting = shlex.join(["sh", "-c", f"echo $$ >{work / 'number'}; echo ready >&2; exec sleep 1000"])
    sent = [signal.SIGINT]

    def reply(seen: str) -> signal.Signals | None:
        return sent.pop() if sent and "ready" in seen else None

    code, seen, _ = dialogue(work, reply, "upload", "contacts.csv", "--token-command", waiting)
    assert code == 130, seen
    with pytest.raises(ProcessLookupError):
        os.kill(int((work / "number").read_text()), 0)


def test_the_environment_s_token_is_not_used_beside_a_program(vault, work, hubspot_mock):
    contacts(work / "contacts.csv", 3)
    mock = hubspot_mock(scenario=accepting(FIRST))
    env = environment(HUBSPOT_ACCESS_TOKEN=TOKEN_OF_THE_ENVIRONMENT)
    words = ("--token-command", command(vault), "--base-url", mock.url)
    assert run("upload", "contacts.csv", *words, cwd=work, env=env).code == 0
