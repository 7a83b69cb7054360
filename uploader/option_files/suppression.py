"""The lists of `--suppress`, read line by line. `records.suppression_list` says what a line means.

Raise `SettingsError`, which gives a line's number and no address.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from uploader.errors import SettingsError
from uploader.records.suppression_list import Suppression, read_entries

#: Longest line of such a list, with all cells beside the address.
_LONGEST = 100_000


def read_suppression(paths: Sequence[Path]) -> Suppression | None:
    """Return all lists as one; None if there is none."""
    if not paths:
        return None
    return Suppression((digest for path in paths for digest in _digests(path)), tuple(map(str, paths)))


def _digests(path: Path) -> Iterator[bytes]:
    is_empty = True
    try:
        with path.open(encoding="utf-8-sig") as file:
            for digest in read_entries(iter(lambda: file.readline(_LONGEST), "")):
                is_empty = False
                yield digest
    except OSError as error:
        raise SettingsError(f"cannot read --suppress {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"--suppress {path} is not UTF-8 text") from error
    except ValueError as error:
        raise SettingsError(
            f"--suppress {path}: {error}; correct the line, or begin it with # (in a CSV file, the first "
            "cell counts)"
        ) from error
    if is_empty:
        raise SettingsError(f"--suppress {path} has no addresses; if that is right, leave the option out")
