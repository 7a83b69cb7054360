"""Messages on stderr, as lines for people or as JSON for machines (`--log-format json`).

In JSON each line is one object: `time` (UTC), `level`, `event`, `message`, `job` and `account` once they are
known, and the fields of the event. Like every log it holds no addresses.

A closed terminal must not stop a run: a failed write raises nothing here.
"""

import contextlib
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

from uploader.cli.terminal import shown_on
from uploader.cli.text.control_characters import json_line
from uploader.model.foreign_texts import harmless
from uploader.model.redaction import without_addresses


class _Form:
    """The form of this process's messages. There is one, as there is one stderr."""

    def __init__(self) -> None:
        self.is_json = False
        self.about: dict[str, str] = {}


_FORM = _Form()


def configure_messages(form: str, *, verbose: bool) -> None:
    """Set the form of messages; `verbose` adds the package's log."""
    _FORM.is_json = form == "json"
    _FORM.about = {}
    logger = logging.getLogger("uploader")
    logger.handlers = [_Handler()]
    logger.setLevel(logging.INFO if verbose else logging.NOTSET)


def is_json() -> bool:
    return _FORM.is_json


def note_job(job: str, account: str) -> None:
    """Set the job and account of the messages that follow."""
    _FORM.about = {"job": job, "account": account}


def print_message(text: str, stream: TextIO | None = None, *, end: str = "\n") -> None:
    """Print a line on stderr, or on `stream`."""
    if _FORM.is_json and stream in {None, sys.stderr}:
        if text:
            note_event("message", text)
        return
    with contextlib.suppress(OSError, ValueError):
        stream = stream or sys.stderr
        print(shown_on(stream, harmless(text)), file=stream, end=end, flush=True)


def note_event(
    event: str, message: str, fields: Mapping[str, object] = MappingProxyType({}), *, level: str = "info"
) -> None:
    """Print an event as JSON; nothing if messages are lines."""
    if not _FORM.is_json:
        return
    line: Mapping[str, object] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "event": event,
        "message": without_addresses(message),
        **_FORM.about,
        **fields,
    }
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(json_line(line).decode() + "\n")
        sys.stderr.flush()


class _Handler(logging.Handler):
    """Prints the package's log. Its lines appear above a live display on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if _FORM.is_json:
            correlation = getattr(record, "correlation_id", "")
            more = {"correlation_id": correlation} if correlation else {}
            note_event("log", message, more, level=record.levelname.lower())
        else:
            now = datetime.now().astimezone().isoformat(sep=" ", timespec="milliseconds")[:23]
            print_message(f"{now} {message}")
