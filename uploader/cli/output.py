"""A command's results: lines, JSON and rows on stdout, without control characters; lists in files."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import click

from uploader.cli.terminal import shown_on
from uploader.cli.text.control_characters import HarmlessStream, harmless_json
from uploader.model.foreign_texts import harmless


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
