"""What `--help` shows, and what is suggested for a mistyped name."""

import re
import subprocess
import sys

import click
import pytest

from uploader.cli.main import COMMANDS, group, run
from uploader.cli.options.group import Heading
from uploader.cli.suggestions import suggestions

HEADINGS = [heading.value for heading in Heading if heading is not Heading.OPTIONS]
TYPOS = {
    "uplaod": "did you mean upload?",
    "chek": "did you mean check?",
    "stauts": "did you mean status?",
    "prewiev": "did you mean preview?",
    "failure": "did you mean failures?",
    "mock_server": "did you mean mock-server?",
    "upload --mach": "did you mean --match?",
    "upload --dilimiter": "did you mean --delimiter?",
    "upload --max-failure": "did you mean --max-failures?",
    "upload --log_format": "did you mean --log-format?",
    "upload --token": "did you mean --token-file or --token-command?",
    "preview --skip-unchange": "did you mean --skip-unchanged?",
    "undo --dryrun": "did you mean --dry-run?",
    "upload --limits": "did you mean --limit?",
    "upload --amount": "see `uploader upload --help`",
    "xyz": "see `uploader --help`",
}


def help_of(name: str, monkeypatch, capsys) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*name.split(), "--help"]) == 0
    return capsys.readouterr().out


def options_of(text: str) -> list[str]:
    """The options that a help lists, each by its long name."""
    return re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE)


def command_of(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_no_line_of_a_help_is_wider_than_a_terminal(name, monkeypatch, capsys):
    assert max(map(len, help_of(name, monkeypatch, capsys).splitlines())) <= 80


def test_each_command_has_one_line_in_the_list_of_commands(monkeypatch, capsys):
    lines = help_of("", monkeypatch, capsys).partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)


def test_help_of_upload_has_every_option_under_a_heading(monkeypatch, capsys):
    text = help_of("upload", monkeypatch, capsys)
    assert re.findall(r"^([A-Z][^:\n]+):$", text, re.MULTILINE) == HEADINGS
    named = [one.opts[-1] for one in command_of("upload").params if isinstance(one, click.Option)]
    assert {*options_of(text)} == {*named, "--help"}


@pytest.mark.parametrize("name", ["check", "preview"])
def test_commands_that_take_every_option_of_upload_list_their_own_and_refer_to_it(name, monkeypatch, capsys):
    text = help_of(name, monkeypatch, capsys)
    assert "Takes every option of upload; see `uploader upload --help`." in text
    listed = options_of(text)
    assert {"--sample", "--examples", "--json", "--checkpoint", "--help"} <= {*listed}
    assert not {"--map", "--rate", "--canary", "--portal"} & {*listed}
    taken = {option for one in command_of(name).params for option in one.opts}
    assert taken >= {option for one in command_of("upload").params for option in one.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name):
    for one in command_of(name).params:
        if isinstance(one, click.Option):
            assert one.help, one.opts


@pytest.mark.parametrize("line", TYPOS)
def test_a_mistyped_name_gets_a_suggestion(line, capsys):
    assert run(line.split()) == 2
    (text,) = capsys.readouterr().err.splitlines()
    assert text.endswith(f"; {TYPOS[line]}")


def test_suggestions_are_few_and_a_short_beginning_is_none():
    names = ["--only", "--only-new", "--only-existing", "--on-duplicate", "--only-more"]
    assert suggestions("--onl", names) == ["--only", "--only-new", "--only-existing"]
    assert suggestions("--o", names) == []


def test_help_imports_no_command():
    code = (
        "import sys; from uploader.cli.main import run; run(['--help']);"
        "sys.exit('uploader.cli.option_variables' in sys.modules or 'uploader.cli.commands' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
    )


def test_no_connection_is_loaded_before_one_is_needed():
    code = (
        "import sys; from uploader.cli.main import run\n"
        "for name in ('upload', 'status', 'undo'): run([name, '--help'])\n"
        "sys.exit('aiohttp' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
    )
