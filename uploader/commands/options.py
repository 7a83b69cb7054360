"""Options that several commands share, and how their texts become values. No command's work is here."""

import os
from pathlib import Path

from uploader.errors import SettingsError

TOKEN_VARIABLE = "HUBSPOT_ACCESS_TOKEN"  # noqa: S105  # a name, not a token


def read_token(token_file: Path | None) -> str:
    """The token, from a file or the environment; never from an argument, which other users can see."""
    if token_file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        return token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"can't read the token file {token_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the token file {token_file} holds no text") from error


def parse_map(entries: tuple[str, ...]) -> dict[str, str]:
    """Read `Column=property` entries; the last `=` parts them, since columns may hold one."""
    mapped = {}
    for entry in entries:
        column, equals, name = entry.rpartition("=")
        if not equals or not column.strip() or not name.strip():
            raise SettingsError(f'--map {entry!r} is not "Column=property"')
        mapped[column.strip()] = name.strip()
    return mapped
