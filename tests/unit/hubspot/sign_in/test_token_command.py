"""Programs that print a token: what is taken of what they print, and what is said of one that prints none."""

import os
import shlex
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from uploader.errors import SettingsError
from uploader.hubspot.sign_in.token_command import InterruptedProgramError, TokenProgram
from uploader.hubspot.sign_in.token_renewal import TokenCommand
from uploader.settings import Settings

TOKEN = "pat-eu1-printed"
SECRET = "hvs-vault-secret"


def python(code: str) -> TokenCommand:
    """A program in Python; its command holds a secret."""
    return TokenCommand(shlex.join([sys.executable, "-c", code, SECRET]))


def shell(code: str) -> TokenCommand:
    return TokenCommand(shlex.join(["sh", "-c", code, SECRET]))


@pytest.mark.parametrize(
    "printed", [f"{TOKEN}", f"{TOKEN}\\n", f"\\r\\n  {TOKEN}\\t\\r\\n\\n", f"\\xef\\xbb\\xbf{TOKEN}\\n"]
)
def test_the_token_is_what_stands_alone_in_the_output(printed):
    code = f"import sys; sys.stdout.buffer.write(b'{printed}')"
    assert TokenProgram(python(code)).read_token() == TOKEN


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (shell("exit 0"), "(sh) printed nothing"),
        (shell("echo; echo"), "(sh) printed nothing"),
        (shell(f"echo {TOKEN}; echo {TOKEN}"), "(sh) printed more than one line"),
        (shell(f"yes {TOKEN}"), "(sh) printed more than one line"),
        (shell(f"echo token: {TOKEN}"), "(sh) printed characters that tokens do not have"),
        (shell(f"echo {TOKEN}; exit 3"), "(sh) failed with exit code 3; run it by itself"),
        (shell(f"echo {TOKEN}; kill -9 $$"), "(sh) was ended by SIGKILL"),
        (TokenCommand(f"/nowhere/op {SECRET}"), "the program of the token command was not found; check PATH"),
        (TokenCommand(SECRET), "the program of the token command was not found; check PATH"),
        (TokenCommand(f"/etc/passwd {SECRET}"), "(passwd) cannot be run: Permission denied"),
    ],
)
def test_a_program_that_prints_no_token_is_an_error_without_its_words_and_its_output(command, what):
    with pytest.raises(SettingsError) as caught:
        TokenProgram(command).read_token()
    assert what in str(caught.value)
    assert not any(hidden in str(caught.value) for hidden in (SECRET, TOKEN))


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("''", "is empty"),
        (f"op '{SECRET}", "has a quote that is not closed"),
        (f"VAULT_TOKEN={SECRET} vault read", "begins with VAULT_TOKEN=..., and it is run without a shell"),
    ],
)
def test_a_command_that_names_no_program_is_refused_without_its_words(command, what):
    with pytest.raises(SettingsError, match=what) as caught:
        TokenCommand(command)
    assert SECRET not in str(caught.value)


def test_no_shell_reads_the_command():
    command = TokenCommand("printf %s $HOME ';`id`' '>' file '|' cat")
    assert TokenProgram(command).read_token() == "$HOME;`id`>file|cat"


def test_a_program_that_takes_too_long_is_ended(tmp_path):
    file = tmp_path / "number"
    program = TokenProgram(shell(f"echo $$ >{file}; exec sleep 1000"), longest_seconds=0.5)
    with pytest.raises(SettingsError, match=r"\(sh\) did not end within 0.5 s; run it by itself"):
        program.read_token()
    assert has_ended(file)


def test_a_program_that_closes_its_output_and_goes_on_is_ended():
    program = TokenProgram(shell(f"echo {TOKEN}; exec sleep 1000 >&-"), longest_seconds=0.5)
    with pytest.raises(SettingsError, match="did not end within"):
        program.read_token()


def test_what_a_program_leaves_running_is_not_waited_for(tmp_path):
    """Agents that keep a password for a while hold the output of the program that has started them."""
    file = tmp_path / "number"
    program = TokenProgram(shell(f"sleep 1000 & echo $! >{file}; echo {TOKEN}"))
    try:
        assert program.read_token() == TOKEN
    finally:
        os.kill(int(file.read_text()), signal.SIGKILL)


def test_a_program_is_ended_by_another_thread_and_not_started_again(tmp_path):
    file, pipe = tmp_path / "number", tmp_path / "pipe"
    os.mkfifo(pipe)
    program = TokenProgram(shell(f"echo $$ >{file}; cat {pipe}; exec sleep 1000"))
    errors = []

    def read() -> None:
        try:
            program.read_token()
        except SettingsError as error:
            errors.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    pipe.open("w").close()  # returns once the program reads it
    program.close()
    thread.join()
    assert [one.endswith("was ended by SIGKILL") for one in errors] == [True]
    assert has_ended(file)
    with pytest.raises(SettingsError, match="is not run any more"):
        program.read_token()


def test_an_interrupted_program_is_an_interruption():
    # Where the tests run in the background, interrupts are ignored at first.
    program = "import os, signal as s; s.signal(s.SIGINT, s.SIG_DFL); os.kill(os.getpid(), s.SIGINT)"
    with pytest.raises(InterruptedProgramError):
        TokenProgram(python(program)).read_token()


def test_no_repr_shows_the_command():
    command = TokenCommand(f"op read {SECRET}")
    assert SECRET not in repr(command) + repr(Settings(sources=("a.csv",), token="", sign_in=command))


def has_ended(file: Path) -> bool:
    with suppress(ProcessLookupError):
        os.kill(int(file.read_text()), 0)
        return False
    return True
