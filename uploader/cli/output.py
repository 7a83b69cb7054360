"""A command's results: lines, JSON and rows on stdout, without control characters; lists in files."""

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import click

from uploader.cli.terminal import shown_on
from uploader.cli.text.control_characters import HarmlessStream, harmless, harmless_json
from uploader.errors import SettingsError, StorageError
from uploader.system.private_files import create_private, open_plain


def print_lines(lines: Iterable[str]) -> None:
    """Print a command's result on stdout. OSError if stdout is closed."""
    if texts := [shown_on(sys.stdout, harmless(line)) for line in lines]:
        print("\n".join(texts), flush=True)


@contextmanager
def collected_documents(context: click.Context) -> Iterator[list[dict[str, Any]]]:
    """Within, `print_json` adds to this list instead of printing: several become one."""
    documents = context.meta[_COLLECTED] = list[dict[str, Any]]()
    try:
        yield documents
    finally:
        del context.meta[_COLLECTED]


_COLLECTED = "uploader.documents"


def print_json(document: object) -> None:
    context = click.get_current_context(silent=True)
    if context is not None and _COLLECTED in context.meta:
        context.meta[_COLLECTED].append(document)
        return
    sys.stdout.buffer.write(harmless_json(document))
    sys.stdout.buffer.flush()


def rows_out() -> TextIO:
    """The stream for rows on stdout; on a terminal it removes control characters."""
    return cast("TextIO", HarmlessStream(sys.stdout)) if sys.stdout.isatty() else sys.stdout


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
