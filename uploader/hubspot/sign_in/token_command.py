"""Runs the program of a token command, and reads the token that it prints.

It runs without a shell. Its messages and its questions stay between it and the terminal; what it prints is in
no error. Input that is no terminal is kept from it: that may be the rows of a job.
"""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import IO

from uploader.errors import SettingsError
from uploader.hubspot.sign_in.token_renewal import TokenCommand, is_sendable

#: Somebody may have to type a password, or to touch a fingerprint reader.
LONGEST_SECONDS = 120.0
#: Tokens are shorter; a program that prints without end is not read to its end.
_MOST_BYTES = 65_536
#: How often to look whether a program has ended that prints nothing, or whose output another one keeps open.
_LOOK_SECONDS = 0.05


class InterruptedProgramError(SettingsError):
    """The program was ended by Ctrl-C, which ends uploader, too."""


def first_token(command: TokenCommand) -> str:
    """What the program prints now, for a caller whose thread Ctrl-C interrupts. SettingsError if it prints no
    token.

    The program is started in a thread of its own: an interrupt in the middle of that would leave it running.
    """
    program = TokenProgram(command)
    with ThreadPoolExecutor(1) as thread:
        try:
            token = thread.submit(program.read_token)
            while not token.done():  # not one long wait: a signal that comes just before it ends none
                wait([token], _LOOK_SECONDS)
            return token.result()
        except BaseException:
            program.close()
            raise


class TokenProgram:
    """The program of a token command. One thread at a time runs it; any thread may close it."""

    def __init__(self, command: TokenCommand, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._command = command
        self._longest_seconds = longest_seconds
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def read_token(self) -> str:
        """Run the program, and return the token that it prints. SettingsError if it prints none."""
        process = self._start()
        assert process.stdout is not None
        try:
            printed = _output(process, process.stdout, time.monotonic() + self._longest_seconds)
        finally:
            # Without effect on a program that has ended. What it has started itself is not ours to end.
            process.kill()
            process.wait()
            process.stdout.close()
        if printed is None:
            raise self._error(f"did not end within {self._longest_seconds:g} s; run it by itself to see why")
        self._check_exit(process.returncode, is_cut=len(printed) > _MOST_BYTES)
        return self._token_in(printed)

    def close(self) -> None:
        """End the program if it runs; it is not started again."""
        with self._guard:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._guard:
            if self._is_closed:
                raise self._error("is not run any more")
            has_terminal = sys.stdin is not None and sys.stdin.isatty()
            try:
                self._process = subprocess.Popen(  # noqa: S603  # it is what the user asks for
                    self._command.words,
                    stdin=None if has_terminal else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                )
            except FileNotFoundError as error:
                # Not named: what is no program may be the token itself.
                raise SettingsError(
                    "the program of the token command was not found; check PATH, or give its full path"
                ) from error
            except (OSError, ValueError) as error:  # ValueError: a null byte
                raise self._error(f"cannot be run: {getattr(error, 'strerror', error)}") from error
            return self._process

    def _check_exit(self, code: int, *, is_cut: bool) -> None:
        if is_cut:
            raise self._error("printed more than one line; it must print the token alone")
        if code == -signal.SIGINT:
            raise InterruptedProgramError(f"{self._command.shown} was interrupted")
        if code < 0:
            raise self._error(f"was ended by {_name_of_signal(-code)}")
        if code:
            raise self._error(f"failed with exit code {code}; run it by itself to see why")

    def _token_in(self, printed: bytes) -> str:
        token = printed.decode("utf-8-sig", "replace").strip()
        if not token:
            raise self._error("printed nothing; it must print the token")
        if len(token.splitlines()) > 1:
            raise self._error("printed more than one line; it must print the token alone")
        if not is_sendable(token):
            raise self._error("printed characters that tokens do not have, such as a space or a colour code")
        return token

    def _error(self, what: str) -> SettingsError:
        return SettingsError(f"{self._command.shown} {what}")


def _output(process: "subprocess.Popen[bytes]", pipe: IO[bytes], until: float) -> bytes | None:
    """What a program prints until it ends, with a byte more than `_MOST_BYTES` at most; None if it takes too
    long. What it leaves running may keep the pipe open.
    """
    found = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(found) <= _MOST_BYTES:
            has_ended = process.poll() is not None  # before the look: what it printed last is there then
            block = None
            if selector.select(0.0 if has_ended else _LOOK_SECONDS):
                block = os.read(pipe.fileno(), _MOST_BYTES + 1 - len(found))
                found += block
            if block == b"":
                return found if _ends_by(process, until) else None
            if has_ended and block is None:
                return found
            if time.monotonic() > until:
                return None
    return found


def _ends_by(process: "subprocess.Popen[bytes]", until: float) -> bool:
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _name_of_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
