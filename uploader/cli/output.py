"""What a command gives: lines, JSON and rows on stdout, which no terminal obeys; a list in a file."""

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO, cast

from uploader.cli.text.control_characters import HarmlessStream, all_harmless, harmless_json
from uploader.errors import SettingsError, StorageError
from uploader.system.private_files import create_private, open_plain


def tell(lines: Iterable[str]) -> None:
    """A command's result. OSError if stdout is gone."""
    print(all_harmless(lines), flush=True)


def tell_json(document: object) -> None:
    sys.stdout.buffer.write(harmless_json(document))
    sys.stdout.buffer.flush()


def rows_out() -> TextIO:
    """Where rows are listed that nobody gave a file for: as they are, but on a terminal."""
    return cast("TextIO", HarmlessStream(sys.stdout)) if sys.stdout.isatty() else sys.stdout


def refuse_foreign(output: Path, header: Sequence[str], what: str) -> None:
    """SettingsError where `-o` names what is not a former list of the same command."""
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise SettingsError(f"-o {output}: name a file in a folder that exists")
    if output.exists():
        try:
            with open_plain(output) as file:
                head = file.readline(200)
        except OSError as error:
            raise SettingsError(f"-o {output}: {error.strerror}") from error
        if not head.startswith(",".join(header).encode()):
            raise SettingsError(f"{output} is {what}; name another file with -o")


def write_list(
    output: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, keeps_empty: bool
) -> None:
    """Rows as CSV, in place of a former list. One of nothing is left only where somebody has named the file.

    StorageError where it can't be written.
    """
    count = 0
    try:
        with os.fdopen(create_private(output, truncate=True), "w", encoding="utf-8", newline="") as stream:
            lines = csv.writer(stream, lineterminator="\n")
            lines.writerow(header)
            for count, row in enumerate(rows, 1):  # noqa: B007  # the last one's number is how many
                lines.writerow(row)
        if not count and not keeps_empty:
            output.unlink()
    except OSError as error:
        raise StorageError(f"can't write {output}: {error.strerror}") from error
