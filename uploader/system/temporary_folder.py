"""Private folders for files that nothing needs after a command or job."""

import shutil
import tempfile
from pathlib import Path

_REMOVALS = 10


def make_folder(prefix: str, beside: Path | None = None) -> Path:
    """Make a folder in the temporary directory, or in `beside` if there is none. OSError if neither works."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix))
    except OSError:
        if beside is None:
            raise
        return Path(tempfile.mkdtemp(prefix=prefix, dir=beside))


def remove_folder(folder: Path) -> None:
    """Remove a folder. It is tried several times, since a thread that still reads may add a file."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
