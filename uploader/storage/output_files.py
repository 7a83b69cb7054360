"""Files that options name for results: lists that are replaced, drafts that never replace a file."""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from uploader.errors import SettingsError, StorageError
from uploader.system.private_files import create_private, open_plain


def refuse_foreign(output: Path, header: Sequence[str], what: str) -> None:
    """SettingsError if `-o` names an existing file that is not a list of the same command."""
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise SettingsError(f"-o {output}: the folder does not exist")
    if output.exists():
        try:
            with open_plain(output) as file:
                head = file.readline(200)
        except OSError as error:
            raise SettingsError(f"-o {output}: {error.strerror}") from error
        if not head.startswith(",".join(header).encode()):
            raise SettingsError(f"{output} is {what}; choose another file with -o")


def refuse_existing(path: Path, option: str) -> None:
    """SettingsError if there is a file, since an edited draft must not be replaced, or if no folder is."""
    if path.exists() or path.is_symlink():
        raise SettingsError(f"{option} {path}: the file exists; choose another one")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"{option} {path}: the folder does not exist")


def write_new(path: Path, text: str) -> None:
    """Write a private file, since it holds samples of the rows. An existing file is not replaced."""
    try:
        with os.fdopen(create_private(path, is_new=True), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error


def write_list(
    output: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, keeps_empty: bool
) -> None:
    """Write rows as CSV, replacing a former list. An empty list is removed unless `keeps_empty`.

    StorageError if it can't be written.
    """
    count = 0
    try:
        with os.fdopen(create_private(output, truncate=True), "w", encoding="utf-8", newline="") as stream:
            lines = csv.writer(stream, lineterminator="\n")
            lines.writerow(header)
            for count, row in enumerate(rows, 1):  # noqa: B007  # the last value is the number of rows
                lines.writerow(row)
        if not count and not keeps_empty:
            output.unlink()
    except OSError as error:
        raise StorageError(f"cannot write {output}: {error.strerror}") from error
