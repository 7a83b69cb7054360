"""Options by environment variables, of every command."""

import os

import click
import pytest

from support.processes import Ended, environment, run as run_forked
from uploader.cli.main import COMMANDS, group, run
from uploader.cli.option_variables import options_from_variables, variable

#: What others script against; a name that goes away breaks their jobs without a word.
SOME = {"UPLOADER_SOURCE", "UPLOADER_RATE", "UPLOADER_CHECKPOINT_DIR", "UPLOADER_MAP", "UPLOADER_PORTAL"}
ONE_RUN = ("--restart", "--approve-canary", "--accept-changed-settings", "--accept-changed-results", "--yes")


def command_of(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def parsed(monkeypatch, arguments, **variables) -> click.Context:
    for name, value in variables.items():
        monkeypatch.setenv(f"UPLOADER_{name}", value)
    return command_of("upload").make_context("upload", arguments)


def ran(folder, *words: str, **variables: str) -> Ended:
    """In a process of its own: a run leaves handlers of signals behind, and settings of the collector."""
    bare = {name: text for name, text in environment().items() if name != "HUBSPOT_ACCESS_TOKEN"}
    return run_forked(*words, cwd=folder, env={**bare, **variables})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_a_variable_of_its_own(name):
    parameters = command_of(name).params
    names = [variable(parameter) for parameter in parameters]
    assert len(set(names)) == len(names)
    for parameter, its_name in zip(parameters, names, strict=True):
        assert its_name in parameter.envvar
        assert its_name.startswith("UPLOADER_")
        if isinstance(parameter, click.Option):
            assert f"--{its_name.removeprefix('UPLOADER_').replace('_', '-').lower()}" in parameter.opts


def test_the_names_that_people_expect_are_there():
    assert {variable(parameter) for parameter in command_of("upload").params} >= SOME


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_so_once(name, capsys):
    assert run([name, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    has_options = any(isinstance(parameter, click.Option) for parameter in command_of(name).params)
    assert text.count("can be set by an environment variable") == has_options


def test_values_flags_and_lists_are_read_from_variables(monkeypatch):
    context = parsed(
        monkeypatch,
        [],
        SOURCE="exports/a b.csv\nexports/c,d.csv\n",
        RATE="50/10",
        MAX_IN_FLIGHT="7",
        SNAPSHOT="1",
        NO_RESULTS="false",
        MAP="First, name=firstname\n\nLast=lastname\r\n",
        SUPPRESS="list one.csv",
    )
    params = context.params
    assert params["sources"] == ("exports/a b.csv", "exports/c,d.csv")
    assert (params["rate"], params["max_in_flight"], params["snapshot"]) == ("50/10", 7, True)
    assert params["no_results"] is False
    assert params["mapped"] == ("First, name=firstname", "Last=lastname")
    assert [str(path) for path in params["suppress_files"]] == ["list one.csv"]
    # The same as words, for a command that needs no variable.
    words = options_from_variables(context)
    for name in list(os.environ):
        if name.startswith("UPLOADER_"):
            monkeypatch.delenv(name)
    assert parsed(monkeypatch, words).params == params


def test_the_command_line_goes_first_and_an_empty_variable_is_none(monkeypatch):
    params = parsed(monkeypatch, ["b.csv", "--map", "A=b"], SOURCE="a.csv", MAP="C=d", RATE="").params
    assert (params["sources"], params["mapped"], params["rate"]) == (("b.csv",), ("A=b",), None)


def test_the_url_has_its_former_variable_and_the_new_one_goes_first(monkeypatch):
    monkeypatch.setenv("HUBSPOT_BASE_URL", "https://a.example")
    assert parsed(monkeypatch, ["a.csv"]).params["base_url"] == "https://a.example"
    assert (
        parsed(monkeypatch, ["a.csv"], BASE_URL="https://b.example").params["base_url"].endswith("b.example")
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UPLOADER_MAX_IN_FLIGHT", "many"),
        ("UPLOADER_MAX_IN_FLIGHT", "0"),
        ("UPLOADER_RATE", "fast"),
        ("UPLOADER_SNAPSHOT", "perhaps"),
        ("UPLOADER_MAP", "no equals sign"),
        ("UPLOADER_API_VERSION", "v9"),
        ("UPLOADER_TOLERATE", "some"),
        ("UPLOADER_PORTAL", "mine"),
        ("UPLOADER_TOKEN_FILE", "secrets/missing"),
        ("HUBSPOT_BASE_URL", "http://example.com"),
    ],
)
def test_a_bad_value_is_told_by_the_variable_it_came_from(tmp_path, name, value):
    ended = ran(tmp_path, "upload", "a.csv", **{"HUBSPOT_ACCESS_TOKEN": "secret-token", name: value})
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert name in line
    assert "secret-token" not in line


def test_a_source_that_is_not_there_is_told_by_its_variable(tmp_path):
    ended = ran(tmp_path, "check", UPLOADER_SOURCE="missing.csv")
    assert ended.code == 2
    settings, message = ended.err.splitlines()
    assert settings == "settings by variables: UPLOADER_SOURCE=missing.csv"
    assert message == "uploader: missing.csv: no such file; check the path (SOURCE is set by UPLOADER_SOURCE)"


def test_settings_are_shown_without_secrets_and_addresses(tmp_path):
    variables = {
        "HUBSPOT_ACCESS_TOKEN": "secret-token",
        "UPLOADER_SOURCE": "https://me:pw@host.example/c.csv?sig=sesame",
        "UPLOADER_SUPPRESS_WHERE": "Email=ann@example.com\nA=b\nC=d\nE=f",
        "UPLOADER_JSON": "1",
        "UPLOADER_RATE": "50/10",
    }
    arguments = ("check", "--rate", "60/10", "--max-in-flight", "256", "--set", "x=bob@example.com")
    more = ("--base-url", "http://127.0.0.1:9", "--encoding", "no such")
    ended = ran(tmp_path, *arguments, *more, **variables)
    assert ended.code != 0
    message = ended.err
    options, variables, *_ = message.splitlines()
    # The rate was given twice, and the cap is the default.
    assert sorted(options.removeprefix("settings by options: ").split(", ")) == [
        "--base-url http://127.0.0.1:9",
        "--encoding no such",
        "--rate 60/10",
        "--set (an address)",
    ]
    assert "UPLOADER_SOURCE=https://host.example/c.csv" in variables
    assert "UPLOADER_SUPPRESS_WHERE=(an address); A=b; C=d and 1 more" in variables
    assert "UPLOADER_JSON=1" in variables
    for secret in ("secret-token", "sesame", "pw@", "ann@", "bob@"):
        assert secret not in message


def test_a_bad_option_is_not_blamed_on_a_variable(tmp_path):
    ended = ran(tmp_path, "upload", "a.csv", "--rate", "slow", UPLOADER_RATE="fast")
    assert (ended.code, "UPLOADER_RATE" in ended.err) == (2, False)


@pytest.mark.parametrize("option", ONE_RUN)
def test_an_option_for_one_run_is_not_taken_from_a_variable(tmp_path, option):
    name = f"UPLOADER_{option.removeprefix('--').replace('-', '_').upper()}"
    ended = ran(tmp_path, "upload", "missing.csv", HUBSPOT_ACCESS_TOKEN="t", **{name: "1"})
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert line.startswith(f"uploader: {name}: {option} is accepted on the command line only")
    # This says nothing dangerous.
    ended = ran(tmp_path, "upload", "missing.csv", HUBSPOT_ACCESS_TOKEN="t", **{name: "0"})
    assert (ended.code, "no such file" in ended.err) == (2, True)


def test_a_variable_that_no_command_knows_is_told_in_one_line(tmp_path):
    names = ("RAET", "PORT_80_TCP", "SERVICE_HOST", "SERVICE_PORT")
    ended = ran(tmp_path, "status", "missing", **{f"UPLOADER_{name}": "secret-value" for name in names})
    assert ended.code == 2
    message, _ = ended.err.splitlines()
    assert message.startswith("ignored, not an option: UPLOADER_PORT_80_TCP, UPLOADER_RAET, ")
    assert "secret-value" not in message


def test_a_misspelled_variable_is_named(tmp_path):
    ended = ran(tmp_path, "status", "missing", UPLOADER_CHEKPOINT_DIR="/state")
    assert ended.code == 2
    assert "UPLOADER_CHEKPOINT_DIR (did you mean UPLOADER_CHECKPOINT_DIR?)" in ended.err


def test_variables_of_other_commands_are_none_of_this_one_and_no_surprise(tmp_path):
    ended = ran(tmp_path, "status", "missing", UPLOADER_RATE="50/10")
    assert (ended.code, ended.err) == (2, "uploader: there is no checkpoint missing\n")


def test_a_checkpoint_comes_from_its_variable_where_it_is_an_argument(tmp_path):
    ended = ran(tmp_path, "status", UPLOADER_CHECKPOINT="missing")
    assert (ended.code, "there is no checkpoint missing" in ended.err) == (2, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_commands_options_and_files(shell, monkeypatch, capsys):
    monkeypatch.setenv("_UPLOADER_COMPLETE", f"{shell}_source")
    with pytest.raises(SystemExit):
        run([])
    assert "_UPLOADER_COMPLETE" in capsys.readouterr().out
    monkeypatch.setenv("_UPLOADER_COMPLETE", f"{shell}_complete")
    for words, wanted in (("uploader ver", "verify"), ("uploader upload --che", "--checkpoint-dir")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", words.split()[-1] if shell == "fish" else str(words.count(" ")))
        with pytest.raises(SystemExit):
            run([])
        assert wanted in capsys.readouterr().out
    for words in ("uploader upload con", "uploader status con", "uploader upload --mapping con"):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", "con" if shell == "fish" else str(words.count(" ")))
        with pytest.raises(SystemExit):
            run([])
        assert "file" in capsys.readouterr().out
