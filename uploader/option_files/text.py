"""Small text files that options name: UTF-8, with or without a byte order mark. Raise `SettingsError`."""

from pathlib import Path

from uploader.errors import SettingsError


def read_text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"cannot read {option} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{option} {path} is not UTF-8 text; save it in UTF-8 (in Excel: CSV UTF-8)"
        ) from error
