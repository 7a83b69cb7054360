"""What a command gives on stdout: lines, JSON, lists of rows. Nothing of it is obeyed by a terminal."""

import sys
from collections.abc import Iterable
from typing import TextIO, cast

from uploader.commands.harmless import HarmlessStream, all_harmless, harmless_json


def tell(lines: Iterable[str]) -> None:
    """A command's result. OSError if stdout is gone."""
    print(all_harmless(lines), flush=True)


def tell_json(document: object) -> None:
    sys.stdout.buffer.write(harmless_json(document))
    sys.stdout.buffer.flush()


def rows_out() -> TextIO:
    """Where rows are listed that nobody gave a file for: as they are, but on a terminal."""
    return cast("TextIO", HarmlessStream(sys.stdout)) if sys.stdout.isatty() else sys.stdout
