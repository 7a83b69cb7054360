"""The record of the properties that `create-properties` has made, beside the file of their definitions.

It is written before a request and completed after its reply. So after a kill it names every property that may
have been made, and when it was asked for; `undo` reads it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from uploader.errors import SettingsError
from uploader.system.private_files import open_plain
from uploader.system.whole_file import write_whole

_MARK = "properties created by uploader"
_MOST_BYTES = 16 * 1024 * 1024


class State(StrEnum):
    ASKED = "asked"  #: a request may have made it; its reply is not known
    CREATED = "created"
    EXISTING = "existing"  #: it was there before
    REFUSED = "refused"
    ARCHIVED = "archived"  #: by `undo`


@dataclass(slots=True)
class Entry:
    """One property."""

    state: State
    asked_at: str = ""  #: by HubSpot's clock, when it was first asked for
    created_at: str = ""  #: as HubSpot says; "" if it does not
    why: str = ""  #: it was refused


@dataclass(slots=True)
class CreationRecord:
    """The properties of one file in one account."""

    path: Path
    portal: str
    object_type: str
    entries: dict[str, Entry] = field(default_factory=dict)  #: by name

    def named(self, *states: State) -> list[str]:
        return [name for name, entry in self.entries.items() if entry.state in states]

    def note(self, names: Iterable[str], state: State, why: str = "") -> None:
        for name in names:
            entry = self.entries[name]
            entry.state, entry.why = state, why

    def write(self) -> None:
        """Replace the file in one step. StorageError if the disk refuses it."""
        document = {
            "record": _MARK,
            "account": self.portal,
            "object_type": self.object_type,
            "properties": [
                {
                    "name": name,
                    "state": entry.state.value,
                    "asked_at": entry.asked_at,
                    "created_at": entry.created_at,
                    "why": entry.why,
                }
                for name, entry in self.entries.items()
            ],
        }
        write_whole(self.path, orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def record_path(definitions: Path, portal: str) -> Path:
    """The path of the record for a file of definitions and an account."""
    return definitions.with_name(f"{definitions.name}.{portal}.created.json")


def is_record(path: Path) -> bool:
    """Whether a file is such a record."""
    return _document(path) is not None


def read_record(path: Path) -> CreationRecord:
    """Read a record. SettingsError if the file is none, or was damaged."""
    document = _document(path) or {}
    try:
        entries = {
            str(one["name"]): Entry(
                State(one["state"]), str(one["asked_at"]), str(one["created_at"]), str(one["why"])
            )
            for one in document["properties"]
        }
        return CreationRecord(path, str(document["account"]), str(document["object_type"]), entries)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} is no record of created properties, or was changed") from error


def _document(path: Path) -> dict[str, Any] | None:
    try:
        with open_plain(path) as file:
            is_object = file.read(1) == b"{"
            document = orjson.loads(b"{" + file.read(_MOST_BYTES)) if is_object else None
    except (OSError, orjson.JSONDecodeError):
        return None
    return document if isinstance(document, dict) and document.get("record") == _MARK else None
