"""Which systems uploader runs on: those with locks, signals and file modes as POSIX has them."""

import sys

from uploader.errors import SettingsError

_ON_WINDOWS = (
    "uploader runs on Linux and macOS; on Windows it runs in WSL: install that with `wsl --install`, open it "
    "with `wsl`, install uploader there, and run the same command"
)


def refuse_unsupported_system() -> None:
    """SettingsError on Windows, which says what to do there."""
    if sys.platform == "win32":
        raise SettingsError(_ON_WINDOWS)
