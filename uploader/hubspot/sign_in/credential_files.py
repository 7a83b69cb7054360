"""Reads files with a token or an OAuth app's credentials, and updates the refresh token."""

import json
import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from uploader.errors import SettingsError
from uploader.hubspot.sign_in.token_renewal import OAuth
from uploader.system.whole_file import write_whole

_NAMES = ("client_id", "client_secret", "refresh_token")
#: Credential files have a few lines; larger ones are refused.
_MOST_BYTES = 65_536


def read_token(path: Path) -> str:
    """The token in a file. SettingsError if there is none."""
    token = _read(path, "--token-file").strip()
    if not token:
        raise SettingsError(f"--token-file {path} is empty")
    return token


def read_oauth(path: Path) -> OAuth:
    """Read `client_id`, `client_secret` and `refresh_token` from TOML or JSON. Errors never quote them."""
    text = _read(path, "--oauth-file")
    try:
        held = _parsed(text)
    except ValueError:
        raise SettingsError(f"--oauth-file {path}: it is neither TOML nor JSON") from None
    missing = [name for name in _NAMES if not isinstance(held.get(name), str) or not held[name].strip()]
    if missing:
        raise SettingsError(f"--oauth-file {path}: it has no {', '.join(missing)}")
    _rewritten(path, text, "a new one")  # fails now if a new one could not be stored later
    client_id, client_secret, refresh_token = (held[name].strip() for name in _NAMES)
    return OAuth(client_id, client_secret, refresh_token, str(path))


def keep_refresh_token(oauth: OAuth, refresh_token: str) -> OAuth:
    """Store a new refresh token in its file, links followed. StorageError if that fails.

    The rest of the file stays as it is.
    """
    path = Path(oauth.file)
    write_whole(path.resolve(), _rewritten(path, _read(path, "--oauth-file"), refresh_token).encode())
    return replace(oauth, refresh_token=refresh_token)


def _rewritten(path: Path, text: str, refresh_token: str) -> str:
    """The file's text with another refresh token. SettingsError if it can't be replaced in this format."""
    spelled = json.dumps(refresh_token)
    found = (_JSON_LINE if text.lstrip().startswith("{") else _TOML_LINE).findall(text)
    if len(found) == 1:
        made = text.replace("".join(found[0]), found[0][0] + spelled)
        with suppress(ValueError):
            if _parsed(made) == {**_parsed(text), "refresh_token": refresh_token}:
                return made
    raise SettingsError(
        f'--oauth-file {path}: a new refresh token could not be saved; write refresh_token = "..." on a '
        "line of its own"
    )


_JSON_LINE = re.compile(r'("refresh_token"\s*:\s*)("(?:[^"\\]|\\.)*")')
_TOML_LINE = re.compile(r"""^(refresh_token[ \t]*=[ \t]*)("(?:[^"\\\n]|\\.)*"|'[^'\n]*')""", re.MULTILINE)


def _parsed(text: str) -> dict[str, Any]:
    """The table in a text; {} for a JSON list. ValueError if it is neither TOML nor JSON."""
    held = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    return held if isinstance(held, dict) else {}


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"cannot read {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{what} {path} is not text") from error
