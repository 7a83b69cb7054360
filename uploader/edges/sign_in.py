"""Files that hold what signs in: a token, or an OAuth app's credentials. Read, and kept up to date."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from uploader.core.sign_in import OAuth
from uploader.edges.whole import write_whole
from uploader.errors import SettingsError

_NAMES = ("client_id", "client_secret", "refresh_token")
#: A file of secrets is a few lines.
_MOST_BYTES = 65_536


def read_token(path: Path) -> str:
    """SettingsError where there is none to read."""
    return _read(path, "the token file").strip()


def read_oauth(path: Path) -> OAuth:
    """Of TOML or JSON with `client_id`, `client_secret` and `refresh_token`; the text never repeats them."""
    text = _read(path, "the OAuth file")
    try:
        held: Any = orjson.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError:
        raise SettingsError(f"the OAuth file {path} is neither TOML nor JSON") from None
    missing = [name for name in _NAMES if not isinstance(held.get(name), str) or not held[name].strip()]
    if missing:
        raise SettingsError(f"the OAuth file {path} lacks {', '.join(missing)}")
    client_id, client_secret, refresh_token = (held[name].strip() for name in _NAMES)
    return OAuth(client_id, client_secret, refresh_token, str(path))


def keep_refresh_token(oauth: OAuth, refresh_token: str) -> OAuth:
    """Write the new one into the file it came from, whole, where links lead to. StorageError if it can't be.

    What else the file holds is rewritten in its own format, without comments.
    """
    path = Path(oauth.file)
    text = _read(path, "the OAuth file")
    is_json = text.lstrip().startswith("{")
    held: dict[str, Any] = orjson.loads(text) if is_json else tomllib.loads(text)
    held["refresh_token"] = refresh_token
    if is_json:
        written = orjson.dumps(held, option=orjson.OPT_INDENT_2)
    else:
        written = "".join(f"{name} = {_quoted(value)}\n" for name, value in held.items()).encode()
    write_whole(path.resolve(), written)
    return replace(oauth, refresh_token=refresh_token)


def _quoted(value: object) -> str:
    """A TOML value; JSON's strings, numbers and booleans are TOML's, too."""
    return orjson.dumps(value).decode()


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"can't read {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{what} {path} holds no text") from error
