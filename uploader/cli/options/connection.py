"""Options for the connection to HubSpot (token, URL, rate), and their settings."""

import functools
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from uploader.cli.logs import print_message
from uploader.cli.option_variables import is_by_variable
from uploader.cli.options.group import Command, Heading, add_options, option
from uploader.cli.options.parameters import TOKEN_COMMAND
from uploader.cli.project_file import PROJECT
from uploader.cli.text.next_command import path_word, shell_word
from uploader.errors import SettingsError
from uploader.hubspot.proxy import Network, find_network
from uploader.hubspot.requests import VERSIONS
from uploader.hubspot.sign_in.credential_files import read_oauth, read_token
from uploader.hubspot.sign_in.token_command import InterruptedProgramError, first_token
from uploader.hubspot.sign_in.token_renewal import OAuth, SignIn, TokenCommand, TokenFile
from uploader.pipeline.rate.daily_quota import Reserve
from uploader.settings.sign_in import BASE_URL, check_base_url
from uploader.settings.speed import OnLongPause, parse_rate, parse_reserve, parse_share

LOG_FORMAT = option(
    Heading.OUTPUT,
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the messages on stderr; json: one object per line, without e-mail addresses.",
)
TOKEN_VARIABLE = "HUBSPOT_ACCESS_TOKEN"  # noqa: S105  # a name, not a token
PATH = click.Path(path_type=Path)

#: For every command that sends requests: the account, and how fast.
CONNECTION_OPTIONS = (
    option(
        Heading.SPEED,
        "--rate",
        metavar="N/SECONDS",
        help="Send at most this many requests, for example 190/10. Default: what the account allows.",
    ),
    option(
        Heading.SPEED,
        "--share",
        metavar="P%",
        help="Use at most this share of the quota, for example 80%.",
    ),
    option(
        Heading.SPEED,
        "--daily-reserve",
        metavar="N|P%",
        help="Leave this many requests of the day, or this share, to other apps; for example 20%.",
    ),
    option(
        Heading.SPEED,
        "--max-in-flight",
        type=int,
        default=256,
        show_default=True,
        metavar="N",
        help="Have at most this many requests in flight at the same time.",
    ),
    option(
        Heading.SPEED,
        "--on-long-pause",
        type=click.Choice(["wait", "stop"]),
        help="If the daily quota is used up or HubSpot pauses the account: wait, or stop (exit 75). "
        "Default: wait in a terminal, else stop.",
    ),
    option(
        Heading.SPEED,
        "--outage-timeout",
        type=float,
        default=600.0,
        show_default=True,
        metavar="SECONDS",
        help="Stop (exit 75) if no request succeeds for this long.",
    ),
    option(
        Heading.SIGN_IN,
        "--token-file",
        type=PATH,
        help="File that holds the access token. Default: the token in HUBSPOT_ACCESS_TOKEN.",
    ),
    option(
        Heading.SIGN_IN,
        TOKEN_COMMAND,
        metavar="COMMAND",
        help="Program that prints the access token, for example 'op read op://crm/hubspot/token'. It is run "
        "without a shell, and again if HubSpot refuses the token.",
    ),
    option(
        Heading.SIGN_IN,
        "--oauth-file",
        type=PATH,
        help="TOML or JSON file with an app's client_id, client_secret and refresh_token; a new refresh "
        "token is saved there. Default: HUBSPOT_CLIENT_ID, HUBSPOT_CLIENT_SECRET and HUBSPOT_REFRESH_TOKEN.",
    ),
    option(
        Heading.SIGN_IN,
        "--base-url",
        envvar="HUBSPOT_BASE_URL",
        default=BASE_URL,
        show_default=True,
        metavar="URL",
        help="URL of HubSpot's API, or of a mock server.",
    ),
    option(
        Heading.SIGN_IN,
        "--api-version",
        type=click.Choice(VERSIONS),
        default="v3",
        show_default=True,
        help="Version of HubSpot's API.",
    ),
)


def connection_options(command: Command) -> Command:
    """Add the options of `connection_settings` to a command."""
    return add_options(command, (PROJECT, *CONNECTION_OPTIONS))


def connection_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Settings` from the values of these options; other values are passed through."""
    fields = dict(values)
    rate, share, reserve = (fields.pop(name) for name in ("rate", "share", "daily_reserve"))
    on_long_pause = fields.pop("on_long_pause")
    patient = on_long_pause == "wait" if on_long_pause else sys.stdin.isatty() and sys.stderr.isatty()
    fields["on_long_pause"] = OnLongPause.WAIT if patient else OnLongPause.STOP
    files = [fields.pop(name) for name in ("token_file", "oauth_file")]
    command = fields.pop("token_command")
    fields["token"], fields["sign_in"] = sign_in_of(*files, token_command=command)
    for file in files:
        if file is not None:
            _note_readers(file)
    fields["outage_seconds"] = fields.pop("outage_timeout")
    fields["rate"] = parse_rate(rate) if rate else None
    fields["network"] = _network(fields["base_url"])
    fields["share"] = parse_share(share) if share else 1.0
    fields["daily_reserve"] = parse_reserve(reserve) if reserve else Reserve()
    return fields


#: Option -> the name of its value, and the value that goes without saying.
_REPEATED = {
    "--base-url": ("base_url", BASE_URL),
    "--api-version": ("api_version", VERSIONS[0]),
    "--token-file": ("token_file", None),
    "--oauth-file": ("oauth_file", None),
    TOKEN_COMMAND: ("token_command", None),
}


def account_options(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The options for the account and its token that a printed command repeats, with their values."""
    given = {option: values[name] for option, (name, usual) in _REPEATED.items() if values[name] != usual}
    if is_by_variable("token_command"):
        # Unlike an argument it is seen by nobody else, and it may hold a secret. It stays set.
        given.pop(TOKEN_COMMAND, None)
    # A command may be printed in another folder.
    return {
        option: (str(value.absolute() if isinstance(value, Path) else value),)
        for option, value in given.items()
    }


def sign_in_of(
    token_file: Path | None, oauth_file: Path | None, *, token_command: str | None
) -> tuple[str, SignIn | None]:
    """The first token, and where a new one comes from. Neither is an argument, which other users could see.

    In the environment, a token takes precedence over an app's credentials.
    """
    given = {"--token-file": token_file, "--oauth-file": oauth_file, TOKEN_COMMAND: token_command}
    if len(both := [option for option, value in given.items() if value is not None]) > 1:
        raise SettingsError(f"use only one of {' and '.join(both)}")
    if token_file is not None:
        return read_token(token_file), TokenFile(str(token_file))
    if oauth_file is not None:
        return "", read_oauth(oauth_file)
    if token_command is not None:
        command = TokenCommand(token_command)
        return _first_token(command), command
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    held = [os.environ.get(name, "").strip() for name in _OAUTH_VARIABLES]
    if token or not any(held):
        return token, None
    if missing := [name for name, value in zip(_OAUTH_VARIABLES, held, strict=True) if not value]:
        raise SettingsError(f"OAuth sign-in also needs {' and '.join(missing)}")
    return "", OAuth(*held)


@functools.cache
def _first_token(command: TokenCommand) -> str:
    """What the program prints now: before any live display, since it may ask for a password. It is asked once
    a process, and again when HubSpot refuses the token.
    """
    try:
        return first_token(command)
    except InterruptedProgramError:
        raise KeyboardInterrupt from None


_OAUTH_VARIABLES = ("HUBSPOT_CLIENT_ID", "HUBSPOT_CLIENT_SECRET", "HUBSPOT_REFRESH_TOKEN")


def _note_readers(file: Path) -> None:
    """Warn if other users can read a secret. Links are ignored: a mounted secret is a link, whose mode the
    user did not choose.
    """
    mode = file.stat().st_mode
    if mode & 0o044 and stat.S_ISREG(mode) and not file.is_symlink():
        named = shell_word(path_word(str(file)))
        print_message(f"{file} holds a secret that other users can read; run: chmod 600 {named}")


def _network(base_url: str) -> Network:
    """The proxy and certificates given by the usual environment variables."""
    check_base_url(base_url)
    try:
        return find_network(base_url, os.environ)
    except ValueError as error:
        raise SettingsError(str(error)) from error
