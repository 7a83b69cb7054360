"""Whether two paths lead to one file, also where a file system ignores upper and lower case, as on macOS."""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

#: So many names of a folder are looked at for one with letters.
_MOST_LOOKED_AT = 20


def place_of(path: str | os.PathLike[str]) -> str:
    """A text that two paths share exactly if they lead to one file. Links are not followed."""
    place = os.path.abspath(path)  # noqa: PTH100  # a Path would keep ".."
    return unicodedata.normalize("NFC", place).casefold() if ignores_case(Path(place).parent) else place


def ignores_case(folder: Path) -> bool:
    """Whether the file system of a folder, which need not exist, ignores upper and lower case in names."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    for path in _of_same_file_system(folder):
        if path.name.isascii() and path.name != path.name.swapcase():
            try:
                return path.with_name(path.name.swapcase()).samefile(path)
            except OSError:
                return False
    return False


def _of_same_file_system(folder: Path) -> Iterator[Path]:
    """Files and folders of the folder's file system: itself, those above it, those in it."""
    with suppress(OSError):
        device = folder.stat().st_dev
        for above in (folder, *folder.parents):
            if above == above.parent or above.parent.stat().st_dev != device:
                break
            yield above
        yield from islice(folder.iterdir(), _MOST_LOOKED_AT)
