"""Another job's results file as a table of ids: by the key of a row, the id of its record."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from uploader.errors import SettingsError
from uploader.hubspot.object_types import type_id
from uploader.model.associations import KnownRecords, LinkColumn
from uploader.model.outcomes import DEAD_LETTERS, Outcome
from uploader.model.records import lock_key
from uploader.storage.results_file import HEADER
from uploader.system.private_files import open_plain
from uploader.system.sqlite import storage_errors

#: Rows that are looked at together.
_PAGE_ROWS = 10_000
#: Outcomes of rows that have no record, or of which it is not known.
_NOT_THERE = frozenset(one.value for one in DEAD_LETTERS | {Outcome.PENDING})


class Named(NamedTuple):
    """What a results file says of a key."""

    name: str  #: the key, as it is compared
    hubspot_id: str  #: "" where the file does not name it
    why: str  #: why there is no record; "" where there may be one


def check_results(path: Path) -> None:
    """SettingsError if there is no such results file."""
    try:
        with open_plain(path) as file:
            head = file.readline(200)
    except OSError as error:
        raise SettingsError(f"cannot read the results file {path}: {error.strerror}") from error
    if not head.removeprefix(b"\xef\xbb\xbf").startswith(",".join(HEADER[:-1]).encode()):
        raise SettingsError(f"{path} is not a results file of uploader: it does not begin with row,key,...")


def read_pages(path: Path, by: str) -> Iterator[list[Named]]:
    """The keys in the order of the file, page by page. `by`: the property that they are of. StorageError."""
    with (
        storage_errors(f"cannot read {path}"),
        TextIOWrapper(open_plain(path), "utf-8-sig", newline="") as file,
    ):
        lines = csv.DictReader(file)
        while page := [_named(line, by, path.name) for line in islice(lines, _PAGE_ROWS)]:
            yield page


def read_known(records: Sequence[KnownRecords], column: LinkColumn) -> Iterator[list[Named]]:
    """The keys of a link column's records with an id, page by page, from the files that there are."""
    for one in records:
        is_same = (type_id(one.object_type), one.by) == (type_id(column.object_type), column.by)
        if is_same and Path(one.results).exists():
            for page in read_pages(Path(one.results), one.by):
                yield [named for named in page if named.hubspot_id]


def _named(line: Mapping[str, str], by: str, file: str) -> Named:
    key = (line["key"] or "").removeprefix(f"{by}=")
    outcome = line["outcome"]
    why = f"row {line['row']} of {file} is {outcome}" if outcome in _NOT_THERE else ""
    return Named(lock_key("", key), line["hubspot_id"] or "", why)
