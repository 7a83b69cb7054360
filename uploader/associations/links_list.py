"""The list of all links with their outcomes, as CSV: written anew at the end of each pass."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from uploader.errors import SettingsError
from uploader.model.associations import LinkColumn
from uploader.model.records import OWN_ID
from uploader.storage.associations_file import AssociationsFile, ListedLink
from uploader.system.private_files import open_plain
from uploader.system.whole_file import write_whole

HEADER = (
    "row",
    "key",
    "hubspot_id",
    "column",
    "object_type",
    "by",
    "value",
    "to_id",
    "label",
    "outcome",
    "note",
    "source",
)
#: Links that are written at once.
_BLOCK = 10_000


def check_place(path: Path) -> None:
    """SettingsError if there is a file that is no such list."""
    try:
        is_other = path.exists() and not is_links_list(path)
    except OSError as error:
        raise SettingsError(f"the list of links cannot be written to {path}: {error.strerror}") from error
    if is_other:
        raise SettingsError(f"{path} is in the place of the list of links, and is no such list; move it away")


def is_links_list(path: Path) -> bool:
    """Whether a file is such a list, or empty. OSError if it can't be read."""
    with open_plain(path) as file:
        head = file.readline(200)
    return not head or head.startswith(",".join(HEADER[:4]).encode())


def write_links_list(path: Path, file: AssociationsFile, sources: Sequence[str], main: str) -> None:
    """Write the list. `sources`: their names; `main`: the job's main key property. StorageError."""
    columns = file.columns()
    lines = (_cells(link, columns[link.number], sources, main) for link in file.listed())
    blocks = iter(lambda: _encoded(islice(lines, _BLOCK)), b"")
    write_whole(path, chain([_encoded(iter([HEADER]))], blocks))


def _cells(link: ListedLink, column: LinkColumn, sources: Sequence[str], main: str) -> Sequence[object]:
    return (
        link.row,
        link.key if link.id_property == main else f"{link.id_property}={link.key}",
        link.from_id,
        column.column,
        column.object_type,
        "id" if column.by == OWN_ID else column.by,
        link.value,
        link.to_id,
        column.label,
        link.outcome or "open",
        link.why,
        sources[link.source] if link.source < len(sources) else "",
    )


def _encoded(lines: Iterator[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode("utf-8", "replace")
